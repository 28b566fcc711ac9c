"""What is seen of a room, as textured quads gathered by surface."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from .layout import WALL, Layout, Opening, Room
from .textures import METRES

FRAME = 0.06  # width of a door or window frame
PROUD = 0.02  # how far frames stand out of the wall


class Quads:
    """Quads with normals and texture coordinates, in world coordinates."""

    def __init__(self) -> None:
        self.points: list[np.ndarray] = []
        self.uv: list[np.ndarray] = []
        self.normals: list[np.ndarray] = []

    def quad(self, points, uv) -> None:
        """Four corners, counter-clockwise seen from the front, and their uv."""
        p = np.asarray(points, np.float64)
        n = np.cross(p[1] - p[0], p[2] - p[0])
        length = np.linalg.norm(n)
        if length < 1e-9:
            return
        self.points.append(p)
        self.normals.append(n / length)
        self.uv.append(np.asarray(uv, np.float64))

    def box(self, centre, half, scale: float = METRES, bottom: bool = False) -> None:
        """The faces of an axis-aligned box; uv in metres / `scale`, u along the longer side."""
        c, h = np.asarray(centre, float), np.asarray(half, float)
        for axis in range(3):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            for sign in (-1.0, 1.0):
                if axis == 2 and sign < 0 and not bottom and c[2] - h[2] < 1e-3:
                    continue
                corners = []
                for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                    p = c.copy()
                    p[axis] += sign * h[axis]
                    p[a] += u * sign * h[a]
                    p[b] += v * h[b]
                    corners.append(p)
                pts = np.array(corners)
                i, j = (a, b) if h[a] >= h[b] else (b, a)
                uv = np.stack([pts[:, i], pts[:, j]], 1) / scale
                self.quad(pts, uv)

    def arrays(self):
        """vertices [4n,3], normals [4n,3], uv [4n,2], triangles [2n,3] (empty: None)."""
        if not self.points:
            return None
        n = len(self.points)
        v = np.concatenate(self.points)
        uv = np.concatenate(self.uv)
        nrm = np.repeat(np.array(self.normals), 4, 0)
        k = np.arange(n)[:, None] * 4
        tri = np.concatenate([k + [[0, 1, 2]], k + [[0, 2, 3]]])
        return v, nrm, uv, tri


def _wall_panels(low, high, top, holes):
    """Rectangles (u0, u1, z0, z1) of a wall around its holes (u0, u1, z0, z1)."""
    us = sorted({low, high, *[h[0] for h in holes], *[h[1] for h in holes]})
    zs = sorted({0.0, top, *[h[2] for h in holes], *[min(h[3], top) for h in holes]})
    for u0, u1 in zip(us, us[1:], strict=False):
        for z0, z1 in zip(zs, zs[1:], strict=False):
            um, zm = (u0 + u1) / 2, (z0 + z1) / 2
            if not any(h[0] < um < h[1] and h[2] < zm < h[3] for h in holes):
                yield u0, u1, z0, z1


def sides(room: Room):
    """(axis, coordinate of the surface, low, high, inward sign) of the four walls."""
    return ((0, room.y0, room.x0, room.x1, 1.0), (0, room.y1, room.x0, room.x1, -1.0),
            (1, room.x0, room.y0, room.y1, 1.0), (1, room.x1, room.y0, room.y1, -1.0))


def openings_of(room_index: int, axis: int, at: float, openings: list[Opening]) -> list[Opening]:
    return [o for o in openings if room_index in o.rooms and o.axis == axis
            and abs(o.at - at) < WALL / 2 + 0.02]


def _on_wall(axis: int, at: float, u: float, z: float) -> tuple[float, float, float]:
    return (u, at, z) if axis == 0 else (at, u, z)


def _strip(q: Quads, axis, at, inward, u0, u1, z0, z1, depth) -> None:
    """A board along a wall: from u0 to u1, z0 to z1, standing out by `depth`."""
    centre = _on_wall(axis, at + inward * depth / 2, (u0 + u1) / 2, (z0 + z1) / 2)
    half = ((u1 - u0) / 2, depth / 2, (z1 - z0) / 2)
    q.box(centre, half if axis == 0 else (half[1], half[0], half[2]))


def room_meshes(layout: Layout, index: int, theme) -> dict[str, Quads]:
    """Surface name -> quads of one room.  Door and window frames belong to their first room."""
    room = layout.rooms[index]
    out: dict[str, Quads] = defaultdict(Quads)
    x0, y0, x1, y1, h = room.x0, room.y0, room.x1, room.y1, room.height
    g = WALL / 2
    # floors reach to the middle of the walls, so that doorways have a floor
    fx0, fy0, fx1, fy1 = x0 - g, y0 - g, x1 + g, y1 + g
    floor = [(fx0, fy0, 0), (fx1, fy0, 0), (fx1, fy1, 0), (fx0, fy1, 0)]
    out["floor"].quad(floor, [(p[0] / METRES, p[1] / METRES) for p in floor])
    roof = [(fx0, fy1, h), (fx1, fy1, h), (fx1, fy0, h), (fx0, fy0, h)]
    out["ceiling"].quad(roof, [(p[0] / METRES, p[1] / METRES) for p in roof])
    for axis, at, low, high, inward in sides(room):
        here = openings_of(index, axis, at, layout.openings)
        holes = [(o.centre - o.width / 2 - FRAME / 2, o.centre + o.width / 2 + FRAME / 2, o.low,
                  o.high + FRAME / 2) for o in here]
        for u0, u1, z0, z1 in _wall_panels(low, high, h, holes):
            p = [_on_wall(axis, at, u, z) for u, z in ((u0, z0), (u1, z0), (u1, z1), (u0, z1))]
            uv = [(u / METRES, z / METRES) for u, z in ((u0, z0), (u1, z0), (u1, z1), (u0, z1))]
            if (axis == 0) != (inward < 0):
                p, uv = p[::-1], uv[::-1]
            out["wall"].quad(p, uv)
        def run(z0, z1, depth, surface="trim", axis=axis, at=at, inward=inward, low=low,
                high=high, here=here):
            """A board along the whole wall, interrupted by the openings that it would cross."""
            cuts = sorted((o.centre - o.width / 2 - FRAME, o.centre + o.width / 2 + FRAME)
                          for o in here if o.low < z1 and o.high > z0)
            u = low
            for a, b in [*cuts, (high, high)]:
                if a - u > 0.01:
                    _strip(out[surface], axis, at, inward, u, a, z0, z1, depth)
                u = b
        run(0.0, theme.skirting, 0.018)
        if theme.cornice:
            run(h - theme.cornice, h, 0.05)
        if theme.rail:
            run(theme.rail - 0.025, theme.rail + 0.025, 0.025)
    if theme.beams:
        along_x = (x1 - x0) > (y1 - y0)
        length = (x1 - x0) if along_x else (y1 - y0)
        n = max(2, round(length / 1.3))
        for k in range(n):
            u = (x0 if along_x else y0) + length * (k + 0.5) / n
            c = (u, (y0 + y1) / 2, h - 0.07) if along_x else ((x0 + x1) / 2, u, h - 0.07)
            hh = (0.06, (y1 - y0) / 2, 0.07) if along_x else ((x1 - x0) / 2, 0.06, 0.07)
            out["trim"].box(c, hh)
    for f in room.fixed:
        if f.surface != "none":
            out[f.surface].box(f.centre, f.half, 1.0 if f.surface == "crate" else METRES)
    _crate_uv(out["crate"], room)
    _lamps(out, room)
    for side, c, z, hw, hh, number in room.pictures:
        _picture(out, room, side, c, z, hw, hh, number)
    for o in layout.openings:
        if o.rooms[0] == index:
            _opening(out, o)
    return out


def _crate_uv(q: Quads, room: Room) -> None:
    """Every face of a crate shows one whole crate side."""
    for k in range(len(q.uv)):
        q.uv[k] = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)


def _lamps(out, room: Room) -> None:
    for (x, y, z), on_ceiling in zip(room.lamps, room.lamp_on_ceiling, strict=True):
        ring = np.linspace(0, 2 * np.pi, 9)
        r0, r1, hh = (0.19, 0.12, 0.11) if on_ceiling else (0.17, 0.11, 0.13)
        for a, b in zip(ring, ring[1:], strict=False):
            pa, pb = np.array([np.cos(a), np.sin(a)]), np.array([np.cos(b), np.sin(b)])
            low_a, low_b = [*(np.array([x, y]) + r0 * pa), z - hh], [
                *(np.array([x, y]) + r0 * pb), z - hh]
            top_a, top_b = [*(np.array([x, y]) + r1 * pa), z + hh], [
                *(np.array([x, y]) + r1 * pb), z + hh]
            uv = [(0, 0), (0.1, 0), (0.1, 0.1), (0, 0.1)]
            out["shade"].quad([low_a, low_b, top_b, top_a], uv)
            mid_low, mid_top = [x, y, z - hh], [x, y, z + hh]
            out["shade"].quad([low_b, low_a, mid_low, mid_low], uv)
            out["shade"].quad([top_a, top_b, mid_top, mid_top], uv)
        if on_ceiling:
            out["dark"].box((x, y, (z + hh + room.height) / 2),
                            (0.012, 0.012, (room.height - z - hh) / 2))
        else:
            out["dark"].box((x, y, (z - hh) / 2), (0.018, 0.018, (z - hh) / 2))
            out["dark"].box((x, y, 0.015), (0.14, 0.14, 0.015))


def _picture(out, room: Room, side, c, z, hw, hh, number) -> None:
    axis, at, _, _, inward = sides(room)[side]
    for du, dz, a, b in ((0, hh, hw + 0.03, 0.03), (0, -hh, hw + 0.03, 0.03), (hw, 0, 0.03, hh),
                         (-hw, 0, 0.03, hh)):
        _strip(out["dark"], axis, at, inward, c + du - a, c + du + a, z + dz - b, z + dz + b, 0.03)
    r, q = divmod(number, 4)
    u0, u1, v0, v1 = q / 4, (q + 1) / 4, 1 - (r + 1) / 4, 1 - r / 4
    w = at + inward * 0.012
    corners = [(c - hw, z - hh), (c + hw, z - hh), (c + hw, z + hh), (c - hw, z + hh)]
    p = [_on_wall(axis, w, u, v) for u, v in corners]
    uv = [(u0, v0), (u1, v0), (u1, v1), (u0, v1)]
    if (axis == 0) != (inward < 0):
        p, uv = p[::-1], uv[::-1]
    out["picture"].quad(p, uv)


def _opening(out, o: Opening) -> None:
    """Frame, and what fills it: a pane with bars, or the leaf of a latched door."""
    depth = WALL / 2 + PROUD

    def block(u, z, hu, hz, hd, surface):
        centre = _on_wall(o.axis, o.at, u, z)
        out[surface].box(centre, (hu, hd, hz) if o.axis == 0 else (hd, hu, hz), bottom=True)

    for s in (-1, 1):
        u = o.centre + s * (o.width / 2 + FRAME / 2)
        block(u, (o.low + o.high) / 2, FRAME / 2, (o.high - o.low) / 2, depth, "trim")
    block(o.centre, o.high + FRAME / 2, o.width / 2 + FRAME, FRAME / 2, depth, "trim")
    if o.kind == "window":
        block(o.centre, o.low - 0.02, o.width / 2 + FRAME + 0.03, 0.02, depth + 0.03, "trim")
        block(o.centre, (o.low + o.high) / 2, 0.018, (o.high - o.low) / 2, 0.025, "trim")
        block(o.centre, o.low + 0.62 * (o.high - o.low), o.width / 2, 0.018, 0.025, "trim")
        u0, u1 = o.centre - o.width / 2, o.centre + o.width / 2
        c = [(u0, o.low), (u1, o.low), (u1, o.high), (u0, o.high)]
        p = [_on_wall(o.axis, o.at, u, z) for u, z in c]
        uv = [(0.05, 0.02), (0.95, 0.02), (0.95, 0.98), (0.05, 0.98)]
        out["window"].quad(p, uv)
        out["window"].quad(p[::-1], uv[::-1])
    elif o.kind == "latched":
        leaf_panel(out["door"], out["latch"], o)
    else:
        block(o.centre, 0.006, o.width / 2, 0.006, WALL / 2 + 0.01, "trim")


def leaf_panel(door: Quads, latch: Quads, o: Opening) -> None:
    """A closed leaf with two iron bars across and a lock plate: the sign of a latched door."""
    def block(q, u, z, hu, hz, hd):
        centre = _on_wall(o.axis, o.at, u, z)
        q.box(centre, (hu, hd, hz) if o.axis == 0 else (hd, hu, hz))

    block(door, o.centre, o.high / 2, o.width / 2, o.high / 2, 0.02)
    for z in (0.55, 1.55):
        block(latch, o.centre, z, o.width / 2, 0.05, 0.045)
    block(latch, o.centre + 0.32, 1.02, 0.07, 0.12, 0.04)
