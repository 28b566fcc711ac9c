"""The physical light formula of the rooms: any of the 18 conditions from one neutral picture.

MuJoCo draws *reflectance*: textures under two fixed directional lights, the same in every
condition.  What the world is lit by is worked out per pixel from its place p in the world:

    L(p) = AO(p) * (ambient[time] + sum_windows sky[time] * a * cos / (d^2 + 0.8)
                    + lamps * (bounce + sum_lamps warm * 1.3 / (1 + d^2)))
    shown = reflectance * sqrt(L)                          (display space, gamma 2)
    out   = fog + (shown - fog) * exp(-density[fog] * distance)

over the windows and lamps of the room that holds p.  Window panes show the sky's tint and lamp
shades glow when lit, whatever L is.  Going from a fogless condition to another one is therefore a
multiplication by sqrt(L_target / L_source), and needs no reflectance.  Fog takes the colour
`FOG_COLOUR[time]`, a little warmer and lighter with lamps on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...compiled import kernel
from . import catalogue as cat
from .catalogue import Condition
from .layout import Layout

AMBIENT = np.array([(0.76, 0.77, 0.78), (0.29, 0.215, 0.20), (0.085, 0.105, 0.170)], np.float32)
SKY = np.array([(1.15, 1.12, 1.05), (1.25, 0.66, 0.33), (0.15, 0.19, 0.33)], np.float32)
PANE = np.array([(1.0, 1.0, 1.0), (1.04, 0.66, 0.46), (0.17, 0.22, 0.38)], np.float32)
WARM = np.array([1.00, 0.72, 0.42], np.float32)
BOUNCE = np.array([0.12, 0.085, 0.052], np.float32)
GLOW = np.array([1.25, 1.12, 0.92], np.float32)
FOG_COLOUR = np.array([(0.78, 0.80, 0.82), (0.66, 0.49, 0.42), (0.10, 0.12, 0.19)], np.float32)
FOG_LAMPS = np.array([0.16, 0.12, 0.07], np.float32)
DENSITY = np.array([0.0, 0.065, 0.22], np.float32)


@dataclass(frozen=True)
class Lighting:
    """What the formula needs to know of a plan (float32 arrays).

    rooms [R,5] x0 y0 x1 y1 height; windows [W,7] x y z, inward normal x y, area, room;
    lamps [L,4] x y z room; blocks [B,7] centre, half extents, room of fixed furniture.
    """

    rooms: np.ndarray
    windows: np.ndarray
    lamps: np.ndarray
    blocks: np.ndarray

    @classmethod
    def of(cls, layout: Layout) -> Lighting:
        rooms = np.array([(r.x0, r.y0, r.x1, r.y1, r.height) for r in layout.rooms], np.float32)
        windows, lamps, blocks = [], [], []
        for o in layout.openings:
            if o.kind == "window":
                r = layout.rooms[o.rooms[0]]
                inward = np.sign((r.centre[1] if o.axis == 0 else r.centre[0]) - o.at)
                n = (0.0, inward) if o.axis == 0 else (inward, 0.0)
                windows.append((*o.point(), (o.low + o.high) / 2, *n,
                                o.width * (o.high - o.low), o.rooms[0]))
        for i, r in enumerate(layout.rooms):
            lamps += [(*p, i) for p in r.lamps]
            blocks += [(*f.centre, *f.half, i) for f in r.fixed if f.solid]
        return cls(rooms, _rows(windows, 7), _rows(lamps, 4), _rows(blocks, 7))

    def arrays(self, prefix: str = "light_") -> dict[str, np.ndarray]:
        return {prefix + k: getattr(self, k) for k in ("rooms", "windows", "lamps", "blocks")}

    @classmethod
    def from_arrays(cls, data, prefix: str = "light_") -> Lighting:
        return cls(*(np.asarray(data[prefix + k], np.float32)
                     for k in ("rooms", "windows", "lamps", "blocks")))


def _rows(values, width: int) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, width)


@kernel
def _irradiance(px, py, pz, room, rooms, windows, lamps, blocks, ambient, sky, warm, bounce, lit,
                out):
    """L(p) into out[3]."""
    x0, y0, x1, y1, top = (rooms[room, 0], rooms[room, 1], rooms[room, 2], rooms[room, 3],
                           rooms[room, 4])
    s = 1.0 / 0.30
    biggest, total = 0.0, 0.0
    for k in range(6):
        if k == 0:
            d = px - x0
        elif k == 1:
            d = x1 - px
        elif k == 2:
            d = py - y0
        elif k == 3:
            d = y1 - py
        elif k == 4:
            d = pz
        else:
            d = top - pz
        if d < 2.0:  # beyond that the term is below .0013
            e = math.exp(-max(d, 0.0) * s)
            total += e
            biggest = max(biggest, e)
    total -= biggest
    for b in range(blocks.shape[0]):
        if int(blocks[b, 6]) != room:
            continue
        dx = max(abs(px - blocks[b, 0]) - blocks[b, 3], 0.0)
        dy = max(abs(py - blocks[b, 1]) - blocks[b, 4], 0.0)
        dz = max(abs(pz - blocks[b, 2]) - blocks[b, 5], 0.0)
        d2 = dx * dx + dy * dy + dz * dz
        if 1e-4 < d2 < 0.64:
            total += 0.7 * math.exp(-math.sqrt(d2) / 0.18)
    ao = 1.0 / (1.0 + 0.55 * total)
    w = 0.0
    for k in range(windows.shape[0]):
        if int(windows[k, 6]) != room:
            continue
        dx, dy, dz = px - windows[k, 0], py - windows[k, 1], pz - windows[k, 2]
        d2 = dx * dx + dy * dy + dz * dz
        facing = (dx * windows[k, 3] + dy * windows[k, 4]) / math.sqrt(d2 + 1e-6)
        w += windows[k, 5] * (max(facing, 0.0) * 0.8 + 0.2) / (d2 + 0.8)
    w = w / (1.0 + 0.5 * w)
    g = 0.0
    if lit > 0.0:
        for k in range(lamps.shape[0]):
            if int(lamps[k, 3]) != room:
                continue
            dx, dy, dz = px - lamps[k, 0], py - lamps[k, 1], pz - lamps[k, 2]
            g += 1.3 / (1.0 + (dx * dx + dy * dy + dz * dz) / 1.0)
        g = g / (1.0 + 0.35 * g)
    for c in range(3):
        out[c] = ao * (ambient[c] + sky[c] * w + lit * (bounce[c] + warm[c] * g))


@kernel
def _room_of(px, py, room, rooms):
    """The room that holds a point, or the nearest; `room` is tried first."""
    if (rooms[room, 0] - 0.08 <= px <= rooms[room, 2] + 0.08
            and rooms[room, 1] - 0.08 <= py <= rooms[room, 3] + 0.08):
        return room
    best = 1e9
    for k in range(rooms.shape[0]):
        d = (max(rooms[k, 0] - px, 0.0) + max(px - rooms[k, 2], 0.0)
             + max(rooms[k, 1] - py, 0.0) + max(py - rooms[k, 3], 0.0))
        if d < best:
            best = d
            room = k
    return room


@kernel
def _apply(rgb, depth, soft, pose, focal, rooms, windows, lamps, blocks, ambient, sky, pane, warm,
           bounce, glow, lit, density, fog, source, s_ambient, s_sky, s_pane, s_lit, out):
    """Cells of 2 x 2 pixels share one value of L where they lie on one smooth surface."""
    height, width = depth.shape
    cy, sy = math.cos(pose[3]), math.sin(pose[3])
    cp, sp = math.cos(pose[4]), math.sin(pose[4])
    here, there, gain = np.empty(3), np.empty(3), np.empty(3)
    room = 0
    for i0 in range(0, height, 2):
        for j0 in range(0, width, 2):
            i1, j1 = min(i0 + 2, height), min(j0 + 2, width)
            low, high, mixed = 1e9, 0.0, 0
            for i in range(i0, i1):
                for j in range(j0, j1):
                    low, high = min(low, depth[i, j]), max(high, depth[i, j])
                    mixed += soft[i, j]
            shared = mixed == 0 and high < 1.02 * low
            for i in range(i0, i1):
                for j in range(j0, j1):
                    first = i == i0 and j == j0
                    v, u = (i + 0.5 - height / 2) / focal, (j + 0.5 - width / 2) / focal
                    z = float(depth[i, j])
                    if shared and first:  # the cell's middle
                        v = (0.5 * (i0 + i1) - height / 2) / focal
                        u = (0.5 * (j0 + j1) - width / 2) / focal
                        z = 0.5 * (low + high)
                    # camera axes: right (sin yaw, -cos yaw, 0), forward (cp cy, cp sy, sp)
                    f0 = cp + v * sp
                    dx, dy, dz = f0 * cy + u * sy, f0 * sy - u * cy, sp - v * cp
                    if first or not shared:
                        px, py, pz = pose[0] + dx * z, pose[1] + dy * z, pose[2] + dz * z
                        window = (soft[i, j] & 15) * 0.25
                        shade = (soft[i, j] >> 4) * 0.25
                        rest = 1.0 - window
                        for c in range(3):
                            here[c], there[c] = 0.0, 1.0
                        if rest > 0.0:
                            room = _room_of(px, py, room, rooms)
                            _irradiance(px, py, pz, room, rooms, windows, lamps, blocks, ambient,
                                        sky, warm, bounce, lit, here)
                            if source > 0:
                                _irradiance(px, py, pz, room, rooms, windows, lamps, blocks,
                                            s_ambient, s_sky, warm, bounce, s_lit, there)
                        bright = min(shade / rest, 1.0) if rest > 0.0 else 0.0
                        for c in range(3):
                            now, before = math.sqrt(here[c]), math.sqrt(there[c])
                            if lit > 0.0:
                                now += (glow[c] - now) * bright
                            if source > 0 and s_lit > 0.0:
                                before += (glow[c] - before) * bright
                            gain[c] = rest * now + window * pane[c]
                            if source > 0:
                                gain[c] /= max(rest * before + window * s_pane[c], 1e-3)
                    t = 1.0
                    if density > 0.0:
                        t = math.exp(-density * z * math.sqrt(dx * dx + dy * dy + dz * dz))
                    for c in range(3):
                        value = fog[c] + (rgb[i, j, c] * gain[c] - fog[c]) * t
                        out[i, j, c] = np.uint8(min(max(value, 0.0), 255.0) + 0.4999)


def relight(rgb, depth, label, pose, lighting: Lighting, target, source=None,
            fov_deg: float = 60.0, glow=None) -> np.ndarray:
    """Show a picture under another light.

    rgb uint8 [H,W,3], depth float [H,W] (z-depth in metres), label uint8 [H,W] (theme * 8 + part),
    pose [5]; target: condition index 0..17 or Condition; source: None when rgb is the plain
    reflectance drawing, else the fogless condition that rgb shows.  glow uint8 [H,W]: quarters of
    a pixel that are window + 16 x quarters lamp shade (None: from the label; rims are then
    harder).  Returns uint8 [H,W,3].
    ValueError when the source has fog (it cannot be taken away exactly) or the shapes differ.
    """
    rgb = np.ascontiguousarray(rgb, np.uint8)
    depth = np.ascontiguousarray(depth, np.float32)
    label = np.ascontiguousarray(label, np.uint8)
    if rgb.shape[:2] != depth.shape or label.shape != depth.shape:
        raise ValueError(f"rgb {rgb.shape}, depth {depth.shape} and label {label.shape} differ")
    c = Condition.of(target)
    b = Condition.of(0 if source is None else source)
    if b.fog:
        raise ValueError("the source condition has fog: only fogless pictures can be relit")
    if glow is None:
        part = np.where(label == 255, 0, label & 7)
        glow = np.where(part == 6, 4, np.where(part == 7, 64, 0))
    glow = np.ascontiguousarray(glow, np.uint8)
    out = np.empty_like(rgb)
    fog = fog_colour(c) * np.float32(255)
    focal = depth.shape[0] / 2 / math.tan(math.radians(fov_deg) / 2)
    _apply(rgb, depth, glow, np.asarray(pose, np.float64), focal, lighting.rooms,
           lighting.windows, lighting.lamps, lighting.blocks, AMBIENT[c.time], SKY[c.time],
           PANE[c.time], WARM, BOUNCE, GLOW, float(c.lamps), float(DENSITY[c.fog]), fog,
           0 if source is None else 1, AMBIENT[b.time], SKY[b.time], PANE[b.time], float(b.lamps),
           out)
    return out


def fog_colour(condition) -> np.ndarray:
    """Colour of the fog in 0..1, float32 [3]."""
    c = Condition.of(condition)
    return np.clip(FOG_COLOUR[c.time] + c.lamps * FOG_LAMPS, 0, 1).astype(np.float32)


__all__ = ["Lighting", "fog_colour", "relight", "cat"]
