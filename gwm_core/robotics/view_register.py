"""Places made truer by drawing: what was read from a look is moved until its picture fits the look.

Gauss-Newton over the fixed cameras' offsets, the things' places, turns and sizes and the marks'
places, all at once; what was read holds each of them within its usual error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .drawing import Table, cameras, scratch
from .rig import Rig
from .view_bodies import gripper, things
from .view_cast import FINE, bodies, ground, resolve
from .view_surface import Surface, lay

ROUNDS = (100.0, 100.0, 60.0, 60.0, 30.0, 30.0)
"""Levels from which on a pixel counts for less, by round: at first edges are off by many."""
REUSED = 2
"""Rounds for which slopes serve: they are most of the work."""
LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of a round's step: the first that is better, and longer ones as long as they are better."""
TURNS = (0.4, 0.8, -0.4)
"""rad by which a box may stand turned otherwise than it was read: a quarter looks the same."""
# one column each: (what, how far it is moved to see its effect, usual error of what was read)
CAMERA = ((0.003, 0.006),) * 3 + ((0.005, 0.01),) * 2
THING = (("x", 0.003, 0.006), ("y", 0.003, 0.006), ("z", 0.003, 0.004), ("yaw", 0.08, 0.15),
         ("half", 0.001, 0.0008))
SPOT = ((0.003, 0.008), (0.003, 0.008), (0.06, 0.06))


@dataclass(frozen=True, eq=False)
class Placed:
    """Where all is: offsets [V, 5] of fixed cameras, place [K, 3], axes [K, 6], half [K, 3] and
    present [K] of things, marks: x, y, angle (m, rad) by name."""

    offsets: np.ndarray
    place: np.ndarray
    axes: np.ndarray
    half: np.ndarray
    present: np.ndarray
    marks: dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class _Column:
    """One number to be found: of a camera, a thing or a mark; which of its components."""

    kind: str
    which: int | str
    part: int | str
    step: float
    spread: float


def columns(rig: Rig, kinds: tuple[str, ...], placed: Placed) -> list[_Column]:
    """What is looked for: offsets of fixed cameras, things that are there, marks that are there."""
    out = [_Column("camera", v, c, *CAMERA[c]) for v, view in enumerate(rig.views)
           if view in rig.fixed for c in range(5)]
    for k in np.nonzero(placed.present > 0.5)[0]:
        out += [_Column("thing", int(k), *row) for row in THING
                if not (kinds[k] == "ball" and row[0] == "yaw")]
    rails = {m.name for m in rig.marks if m.rail}
    out += [_Column("mark", name, c, *SPOT[c]) for name in placed.marks
            for c in range(3 if name in rails else 2)]
    return out


def moved(placed: Placed, cols: list[_Column], by) -> Placed:
    """``placed`` with each column moved by so much."""
    offsets, place = placed.offsets.copy(), placed.place.copy()
    axes, half, marks = placed.axes.copy(), placed.half.copy(), dict(placed.marks)
    for col, d in zip(cols, by, strict=True):
        if col.kind == "camera":
            offsets[col.which, col.part] += d
        elif col.kind == "mark":
            spot = list(marks[col.which])
            spot[col.part] += d
            marks[col.which] = tuple(spot)
        elif col.part == "yaw":
            c, s = np.cos(d), np.sin(d)
            x, y, z = axes[col.which].reshape(2, 3).T
            axes[col.which] = np.stack([c * x - s * y, s * x + c * y, z], 1).ravel()
        elif col.part == "half":
            half[col.which] += d
        else:
            place[col.which, "xyz".index(col.part)] += d
    return Placed(offsets, place, axes, half, placed.present, marks)


class _Pictures:
    """Pictures of a table as it might be placed, beside those that were seen."""

    def __init__(self, rig: Rig, table: Table, robot, opening: float) -> None:
        self.rig, self.table = rig, table
        self.robot, self.opening = np.asarray(robot, np.float64)[None], np.array([opening])
        self.focals = FINE * np.array([rig.camera(v).focal for v in rig.views])
        self.light = table.light.packed()
        self.buffers = scratch(rig.size)
        self.label = np.empty((rig.size, rig.size), np.uint8)
        self.out = np.empty((rig.size, rig.size, 3), np.uint8)

    def things(self, placed: Placed) -> np.ndarray:
        return things(self.table.kinds, placed.place[None], placed.axes[None], placed.half[None],
                      self.table.rgb[None], placed.present[None])

    def rows(self, placed: Placed) -> np.ndarray:
        made = self.things(placed)
        hand = gripper(self.rig, self.robot, self.opening, made)
        return np.concatenate([hand, made], 1)[0]

    def swapped(self, rows: np.ndarray, placed: Placed) -> np.ndarray:
        """Rows whose things stand elsewhere; the fingers stay, which is near enough for a trial."""
        return np.concatenate([rows[: len(self.rig.parts)], self.things(placed)[0]])

    def cams(self, placed: Placed) -> np.ndarray:
        return cameras(self.rig, self.robot, placed.offsets[None])[0]

    def flat(self, placed: Placed) -> Surface:
        surface = self.table.surface
        return lay(self.rig, surface.pattern, placed.marks, surface.inks)

    def ground(self, v: int, cam, flat: Surface) -> tuple[np.ndarray, ...]:
        colour, depth, source = self.buffers
        ground(cam, self.focals[v], self.rig.table, self.rig.floor, flat.shapes,
               flat.lit(self.table.gains[v]), colour, depth, source)
        return colour.copy(), depth.copy(), source.copy()

    def over(self, v: int, cam, samples, rows) -> np.ndarray:
        """The picture float32 [S * S * 3] of a ground with bodies on it."""
        for mine, given in zip(self.buffers, samples, strict=True):
            mine[:] = given
        colour, depth, source = self.buffers
        bodies(rows, self.light, cam, self.focals[v], colour, depth, source)
        resolve(rows, colour, source, self.out, False, self.out, self.label)
        return self.out.astype(np.float32).ravel()

    def all(self, placed: Placed) -> tuple[np.ndarray, tuple]:
        """(pictures [V, S * S * 3], what they were drawn from: cameras, bodies, grounds)."""
        cams, rows, flat = self.cams(placed), self.rows(placed), self.flat(placed)
        grounds = [self.ground(v, cam, flat) for v, cam in enumerate(cams)]
        made = [self.over(v, cam, grounds[v], rows) for v, cam in enumerate(cams)]
        return np.stack(made), (cams, rows, grounds)

    def slope(self, placed: Placed, col: _Column, drawn: tuple) -> np.ndarray:
        """How the pictures change with a column, [V, S * S * 3]: seen from both sides of it."""
        out = np.zeros((len(self.rig.views), self.out.size), np.float32)
        for sign in (1.0, -1.0):
            cams, rows, grounds = drawn
            other = moved(placed, [col], [sign * col.step])
            if col.kind == "thing":
                rows = self.swapped(rows, other)
            else:
                flat = self.flat(other)
                cams = self.cams(other) if col.kind == "camera" else cams
            for v in [col.which] if col.kind == "camera" else range(len(cams)):
                base = grounds[v] if col.kind == "thing" else self.ground(v, cams[v], flat)
                out[v] += sign * self.over(v, cams[v], base, rows)
        return out / (2 * col.step)


def register(rig: Rig, table: Table, pixels: dict[str, np.ndarray], robot, opening: float,
             placed: Placed) -> Placed:
    """``placed`` moved until its picture fits pixels (uint8 [H, W, 3] by view), by a fixed number
    of rounds; table: the colours and the light that were read with it."""
    cols = columns(rig, table.kinds, placed)
    if not cols:
        return placed
    pictures = _Pictures(rig, table, robot, opening)
    true = np.stack([pixels[v] for v in rig.views]).reshape(len(rig.views), -1).astype(np.float32)
    start = _turned(pictures, placed, true)
    spread, at = np.array([c.spread for c in cols]), np.zeros(len(cols))
    made, drawn = pictures.all(start)

    def cost(pictures_made: np.ndarray, x: np.ndarray, soft: float) -> float:
        return _misfit(pictures_made - true, soft) + float(((x / spread) ** 2).sum())

    for k, soft in enumerate(ROUNDS):
        off = made - true
        weight = 1 / (soft**2 + off**2)
        if k % REUSED == 0:
            here = moved(start, cols, at)
            slopes = np.stack([pictures.slope(here, c, drawn).ravel() for c in cols])
        heavy = slopes * weight.ravel()
        normal = (heavy @ slopes.T).astype(np.float64) + np.diag(1 / spread**2)
        pull = (heavy @ off.ravel()).astype(np.float64) + at / spread**2
        way, best = -np.linalg.solve(normal, pull), cost(made, at, soft)
        begun, found = at, False
        for length in LENGTHS:
            x = begun + way * length
            tried = pictures.all(moved(start, cols, x))
            now = cost(tried[0], x, soft)
            if now < best:
                best, at, (made, drawn), found = now, x, tried, True
            elif found:
                break
    return moved(start, cols, at)


def _misfit(off: np.ndarray, soft: float) -> float:
    return float(np.log1p((off / soft) ** 2).sum(dtype=np.float64))


def _turned(pictures: _Pictures, placed: Placed, true: np.ndarray) -> Placed:
    """Each box turned as it fits best of some turns: from far off, no slope leads to it."""
    made, (cams, rows, grounds) = pictures.all(placed)
    best = _misfit(made - true, ROUNDS[0])
    for k in np.nonzero(placed.present > 0.5)[0]:
        if pictures.table.kinds[k] == "ball":
            continue
        column, start = [_Column("thing", int(k), "yaw", 1.0, 1.0)], placed
        for turn in TURNS:
            other = moved(start, column, [turn])
            rows = pictures.swapped(rows, other)
            made = [pictures.over(v, cam, grounds[v], rows) for v, cam in enumerate(cams)]
            now = _misfit(np.stack(made) - true, ROUNDS[0])
            if now < best:
                best, placed = now, other
    return placed
