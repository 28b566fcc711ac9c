"""The views of a tabletop: what the first look tells of it, and what moves, drawn ray by ray.

Where a fixed camera sees what it saw at first, its pixels are kept as they were. All else is
geometry: marks and bodies in the colours and under the light that the first look showed, and what
lies on the table that no mark explains, laid onto its top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..compiled import in_bands
from .rig import Rig
from .view_bodies import BALL, BOX, WIDTH, gripper, slab, things, upright
from .view_cast import FINE, TABLE, add_rest, gather_rest, ground, paint, resolve
from .view_cast import bodies as draw_bodies
from .view_light import Light, Seen, fit
from .view_surface import TABLE_INK, Surface, inks_of, lay, read_inks, shares

CELL = 0.004
"""m: how fine the table's top is kept where marks do not explain it."""
UP = np.array([0.0, 0.0, 1.0])
TRUSTED = 30.0
"""Pixels that a face counts for at most when the light is read from it."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A view: rgb uint8 [H, W, 3]; label uint8 [H, W] (0 still, 1 robot, 2.. things)."""

    rgb: np.ndarray
    label: np.ndarray


@dataclass(frozen=True, eq=False)
class Table:
    """What stands still, as the first look of every camera shows it, and how things look.

    offsets float64 [V, 5]: of fixed cameras (m, rad). kinds ("box" or "ball"), half float [K, 3]
    and rgb float [K, 3] (0..1, in full light) of things. surface: what lies flat; light; gains
    [V]: how bright a level surface is; lit uint8 [V, 2 + M, 3]: colours of what lies flat then.
    kept uint8 [N, S, S, 3]: the pixels of the N fixed views without what moves, fine_rgb uint8
    [N, F, F, 3] and fine_depth float32 [N, F, F]: their samples; rest int16 [G, G, 3]: levels that
    no mark explains.
    """

    rig: Rig
    offsets: np.ndarray
    kinds: tuple[str, ...]
    half: np.ndarray
    rgb: np.ndarray
    surface: Surface
    light: Light
    gains: np.ndarray
    lit: np.ndarray
    kept: np.ndarray
    fine_rgb: np.ndarray
    fine_depth: np.ndarray
    rest: np.ndarray

    def draw(self, robot, opening: float, place, turn, present) -> dict[str, Drawn]:
        """Every view: gripper at robot [6], things at place [K, 3] turned by turn: yaw [K] (rad)
        or axes [K, 6] (the first two columns of a rotation)."""
        turn = np.asarray(turn, np.float64)
        axes = upright(turn) if turn.ndim == 1 else turn
        rgb, label = draw_runs((self,), np.asarray(robot)[None], np.array([opening]),
                               np.asarray(place)[None], axes[None], np.asarray(present)[None])
        return {v: Drawn(rgb[0, k], label[0, k]) for k, v in enumerate(self.rig.views)}


def draw_runs(tables: tuple[Table, ...], robot, opening, place, axes, present,
              threads: int | None = 1) -> tuple[np.ndarray, np.ndarray]:
    """B runs at once, one table each: robot [B, 6], opening [B], place [B, K, 3], axes [B, K, 6],
    present [B, K]. (rgb uint8 [B, V, S, S, 3], labels uint8 [B, V, S, S]); the same bytes for a
    run alone, in a batch, and by any number of threads."""
    rig, count = tables[0].rig, len(tables)
    size, views = rig.size, rig.views
    cams = cameras(rig, robot, np.stack([t.offsets for t in tables]))
    focals = FINE * np.array([rig.camera(v).focal for v in views])
    order = np.cumsum([v in rig.fixed for v in views]) - 1
    fixed = np.array([o if v in rig.fixed else -1 for v, o in zip(views, order, strict=True)])
    own = things(tables[0].kinds, place, axes, np.stack([t.half for t in tables]),
                 np.stack([t.rgb for t in tables]), present)
    rows = np.concatenate([gripper(rig, robot, opening, own), own], 1)
    beside = (np.abs(cams[:, fixed < 0, 3, :2]) > rig.table).any((1, 2))
    rgb = np.empty((count, len(views), size, size, 3), np.uint8)
    label = np.empty(rgb.shape[:-1], np.uint8)

    def some(first: int, end: int) -> None:
        colour, depth, source = scratch(size)
        for b in range(first, end):
            t = tables[b]
            mine = rows[b]
            if beside[b]:
                mine = np.concatenate([mine, slab(rig, t.surface.inks[TABLE_INK])[None]])
            paint(cams[b], focals, fixed, t.kept, t.fine_rgb, t.fine_depth, rig.table, rig.floor,
                  t.surface.shapes, t.lit, t.rest, t.gains, mine, t.light.packed(), colour, depth,
                  source, rgb[b], label[b])

    in_bands(some, count, threads)
    return rgb, label


def scratch(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples of one view: colour, depth, source."""
    fine = FINE * size
    return (np.empty((fine, fine, 3), np.uint8), np.empty((fine, fine), np.float32),
            np.empty((fine, fine), np.int16))


def cameras(rig: Rig, robot, offsets) -> np.ndarray:
    """Right, down, forward and eye of every view's camera, float64 [B, V, 4, 3]: robot [B, 6],
    offsets [B, V, 5] of fixed ones."""
    robot = np.asarray(robot, np.float64)
    poses = np.empty((len(robot), len(rig.views), 5))
    for k, view in enumerate(rig.views):
        if view in rig.fixed:
            poses[:, k] = rig.fixed[view] + np.asarray(offsets, np.float64)[:, k]
            continue
        x, y, z, yaw, pitch = rig.mounted[view]
        c, s = np.cos(robot[:, 5]), np.sin(robot[:, 5])
        poses[:, k] = np.stack([
            robot[:, 0] + c * x - s * y, robot[:, 1] + s * x + c * y, robot[:, 2] + z,
            yaw + robot[:, 5], np.full(len(robot), pitch)], 1)
    c, s = np.cos(poses[..., 3:]), np.sin(poses[..., 3:])
    (cy, cp), (sy, sp) = np.moveaxis(c, -1, 0), np.moveaxis(s, -1, 0)
    out = np.zeros((*poses.shape[:2], 4, 3))
    out[..., 0, 0], out[..., 0, 1] = sy, -cy
    out[..., 1, 0], out[..., 1, 1], out[..., 1, 2] = sp * cy, sp * sy, -cp
    out[..., 2, 0], out[..., 2, 1], out[..., 2, 2] = cp * cy, cp * sy, sp
    out[..., 3, :] = poses[..., :3]
    return out


# ---------------------------------------------------------------------- the first look
def look_at(rig: Rig, pixels: dict[str, np.ndarray], masks: dict[str, np.ndarray], robot,
            offsets: np.ndarray, kinds: tuple[str, ...], half: np.ndarray, rgb: np.ndarray, *,
            opening: float = 1.0, place=None, axes=None, present=None,
            marks: dict[str, tuple[float, float, float]] | None = None) -> Table:
    """A table from its first look: pixels uint8 [H, W, 3] and masks int [H, W] (labels, 0 what
    stands still) by view, the gripper's pose [6] and opening then; rgb [K, 3] of things as seen.

    place [K, 3], axes [K, 6], present [K]: things as they stood; marks: x, y, angle (m, rad) by
    name. Without them less is known of colours, and marks are kept as soft pixels.
    """
    offsets = np.asarray(offsets, np.float64)
    kinds, half = tuple(kinds), np.asarray(half, np.float64)
    light = Light.usual(rig.lamps)
    albedo = np.clip(np.asarray(rgb, np.float64) / light.on(UP, UP), 0, 1)
    robot = np.asarray(robot, np.float64)
    around = np.zeros((1, 0, WIDTH))
    if place is not None:
        around = things(kinds, *(np.asarray(v)[None] for v in (place, axes, half, albedo, present)))
    hand = gripper(rig, robot[None], np.array([opening]), around)
    rows = np.concatenate([hand, around], 1)[0]
    cams = cameras(rig, robot[None], offsets[None])[0]
    look = _Look(rig, np.stack([pixels[v] for v in rig.views]),
                 np.stack([masks[v] for v in rig.views]), cams, rows)
    light, colours = look.light(rig, len(rig.parts), albedo, place is not None)
    gains = light.on(UP, -cams[:, 2])
    surface, rest, kept, fine_rgb, fine_depth = look.surface(rig, gains, marks or {})
    lit = np.stack([surface.lit(g) for g in gains])
    return Table(rig, offsets, kinds, half, colours, surface, light, gains, lit, kept, fine_rgb,
                 fine_depth, rest)


class _Look:
    """One look of V cameras: where bodies are drawn in it, and what is read around them."""

    def __init__(self, rig: Rig, pixels: np.ndarray, masks: np.ndarray, cams: np.ndarray,
                 rows: np.ndarray) -> None:
        self.pixels, self.masks, self.cams, self.rows = pixels, masks, cams, rows
        self.focals = FINE * np.array([rig.camera(v).focal for v in rig.views])
        self.buffers = scratch(rig.size)
        empty = Surface(np.zeros((0, 8)), np.arange(2), np.ones(2), np.zeros((2, 3)))
        light = Light.usual(rig.lamps).packed()
        self.moving = []  # by view: sources where only bodies and the bare table are drawn
        for cam, focal in zip(cams, self.focals, strict=True):
            colour, depth, source = self.buffers
            ground(cam, focal, rig.table, rig.floor, empty.shapes, empty.lit(0.0), colour, depth,
                   source)
            draw_bodies(rows, light, cam, focal, colour, depth, source)
            self.moving.append(source.copy())
        covered = [np.maximum.reduce(_four(s)) > 0 for s in self.moving]
        self.keep = np.stack([~grown((c | (m != 0)), 1)
                              for c, m in zip(covered, masks, strict=True)])

    def light(self, rig: Rig, parts: int, albedo: np.ndarray, placed: bool):
        """(light, colours of things) from the faces of what moves and the table's brightness."""
        found = [self._faces(v) for v in range(len(self.cams))]
        table = parts + len(albedo)
        tops = []
        for v, source in enumerate(self.moving):
            bare = self.keep[v] & (np.maximum.reduce(_four(source)) <= TABLE)
            if bare.sum() >= 50:
                tops.append((np.median(self.pixels[v][bare], 0) / 255, -self.cams[v, 2]))
        if tops:
            found.append(Seen(np.full(len(tops), table), np.tile(UP, (len(tops), 1)),
                              np.array([t[1] for t in tops]), np.array([t[0] for t in tops]),
                              np.full(len(tops), TRUSTED)))
        usual = np.concatenate([[p.rgb for p in rig.parts], albedo, [inks_of(rig)[TABLE_INK]]])
        known = np.arange(len(usual)) < parts
        light, colours = fit(Seen.joined(found), rig.lamps, usual, known)
        return light, colours[parts:table] if placed else albedo

    def _faces(self, v: int) -> Seen:
        """Where a view shows one face of one body alone, as the mask says too: a row for each
        pixel of a ball, one for all of a box's face."""
        a, b, c, d = _four(self.moving[v])
        pure = (a > 0) & (a == b) & (a == c) & (a == d)
        body = np.maximum(a - 1, 0) // 8
        pure &= self.rows[body, 1] == self.masks[v]
        y, x = np.nonzero(pure)
        rgb = self.pixels[v][y, x] / 255.0
        keys, first, member, count = np.unique(a[y, x], return_index=True, return_inverse=True,
                                               return_counts=True)
        boxes = np.nonzero(self.rows[(keys - 1) // 8, 0] == BOX)[0]
        round_ = np.nonzero(self.rows[body[y, x], 0] == BALL)[0]
        middle = [np.median(rgb[member == k], 0) for k in boxes]
        pick = np.concatenate([first[boxes], round_])
        at, face = body[y[pick], x[pick]], (a[y[pick], x[pick]] - 1) % 8
        turn = self.rows[at, 5:14].reshape(-1, 3, 3)
        normal = turn[np.arange(len(at)), :, face // 2] * np.where(face % 2, 1.0, -1.0)[:, None]
        normal[len(boxes):] = self._round(v, x[round_], y[round_], at[len(boxes):])
        weight = np.concatenate([np.minimum(count[boxes], TRUSTED), np.ones(len(round_))])
        return Seen(at, normal, np.tile(-self.cams[v, 2], (len(at), 1)),
                    np.concatenate([np.reshape(middle, (-1, 3)), rgb[round_]]), weight)

    def _round(self, v: int, x: np.ndarray, y: np.ndarray, body: np.ndarray) -> np.ndarray:
        """Normals [N, 3] of balls where pixels x, y see them."""
        focal, half = self.focals[v] / FINE, self.pixels.shape[1] / 2
        rays = np.stack([(x + 0.5 - half) / focal, (y + 0.5 - half) / focal, np.ones(len(x))], 1)
        rays = rays @ self.cams[v, :3]
        centre, radius = self.rows[body, 2:5] - self.cams[v, 3], self.rows[body, 14]
        a, b = (rays**2).sum(1), (rays * centre).sum(1)
        root = np.sqrt(np.maximum(b**2 - a * ((centre**2).sum(1) - radius**2), 0))
        normal = rays * ((b - root) / a)[:, None] - centre
        return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)

    def surface(self, rig: Rig, gains: np.ndarray, marks):
        """(surface, rest, kept, fine_rgb, fine_depth): the lines that fit best, colours of all
        that lies flat, and what of the pixels is kept."""
        patterns = rig.lines.patterns if rig.lines is not None else ((),)
        usual, best = inks_of(rig), None
        seen = np.concatenate([p[k] for p, k in zip(self.pixels, self.keep, strict=True)])
        for pattern in patterns:
            flat = lay(rig, pattern, marks, usual)
            share = []
            for v in range(len(self.cams)):
                self._ground(rig, v, flat, gains[v])
                part = shares(self.buffers[2], flat, len(usual))
                share.append(part[self.keep[v].ravel()] * gains[v])
            inks, cost = read_inks(np.concatenate(share), seen.astype(np.float64), usual)
            if best is None or cost < best[0]:
                best = (cost, replace(flat, inks=np.clip(inks, 0, 1)))
        return best[1], *self._kept(rig, gains, best[1])

    def _ground(self, rig: Rig, v: int, flat: Surface, gain: float) -> None:
        colour, depth, source = self.buffers
        ground(self.cams[v], self.focals[v], rig.table, rig.floor, flat.shapes, flat.lit(gain),
               colour, depth, source)

    def _kept(self, rig: Rig, gains: np.ndarray, flat: Surface):
        """(rest, kept, fine_rgb, fine_depth)."""
        cells = round(2 * rig.table / CELL)
        rest, best = np.zeros((cells, cells, 3), np.float32), np.zeros((cells, cells), np.float32)
        no_rows, size = self.rows[:0], rig.size
        made = np.empty((size, size, 3), np.uint8)
        label = np.empty((size, size), np.uint8)
        samples = {}
        for v, view in enumerate(rig.views):
            self._ground(rig, v, flat, gains[v])
            colour, depth, source = self.buffers
            resolve(no_rows, colour, source, made, False, made, label)
            off = self.pixels[v].astype(np.float32) - made
            gather_rest(self.cams[v], self.focals[v] / FINE, rig.table, off, self.keep[v],
                        gains[v], rest, best)
            if view in rig.fixed:
                samples[v] = (made.copy(), off, *(b.copy() for b in self.buffers))
        rest = np.rint(rest).astype(np.int16)
        kept, fine_rgb, fine_depth = [], [], []
        for v, (pixel, off, colour, depth, source) in samples.items():
            hidden, keep = pixel.copy(), self.keep[v][..., None]
            add_rest(self.cams[v], self.focals[v] / FINE, rig.table, rest, gains[v], source,
                     hidden)
            more = np.where(keep, off, hidden.astype(np.float32) - pixel)
            kept.append(np.where(keep, self.pixels[v], hidden))
            fine = colour + more.repeat(FINE, 0).repeat(FINE, 1)
            fine_rgb.append(np.clip(fine + 0.5, 0, 255).astype(np.uint8))
            fine_depth.append(depth)
        return rest, np.stack(kept), np.stack(fine_rgb), np.stack(fine_depth)


def _four(source: np.ndarray) -> tuple[np.ndarray, ...]:
    """The samples [F, F] of every pixel, four of [S, S]."""
    return source[::2, ::2], source[::2, 1::2], source[1::2, ::2], source[1::2, 1::2]


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask widened by so many pixels, corners too: pixels at a rim are mixtures."""
    from scipy.ndimage import binary_dilation

    return binary_dilation(mask, np.ones((3, 3), bool), iterations=pixels)
