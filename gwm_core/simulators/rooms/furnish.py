"""Furniture, lamps, pictures and movable things for a floor plan."""

from __future__ import annotations

import numpy as np

from . import catalogue as cat
from .layout import WALL, Fixed, Layout, Opening, Room, Thing

CLEAR = 0.75  # kept free around doorways, metres


def _free(room: Room, x: float, y: float, hx: float, hy: float, blocks, doors, gap: float) -> bool:
    if not (room.x0 <= x - hx + 1e-6 and x + hx <= room.x1 + 1e-6
            and room.y0 <= y - hy + 1e-6 and y + hy <= room.y1 + 1e-6):
        return False
    for bx, by, bhx, bhy in blocks:
        if abs(x - bx) < hx + bhx + gap and abs(y - by) < hy + bhy + gap:
            return False
    for px, py, reach in doors:
        dx, dy = max(abs(px - x) - hx, 0.0), max(abs(py - y) - hy, 0.0)
        if np.hypot(dx, dy) < reach:
            return False
    return True


def _pieces(kind: str, x, y, hx, hy, rng) -> list[Fixed]:
    """The boxes of one piece of furniture with footprint half extents hx, hy."""
    def box(cx, cy, z0, z1, bx, by, surface, solid=True):
        return Fixed(kind, (x + cx, y + cy, (z0 + z1) / 2), (bx, by, (z1 - z0) / 2), surface, solid)

    if kind == "crate":
        h = 2 * min(hx, hy) * float(rng.choice([0.9, 1.0]))
        return [box(0, 0, 0, h, hx, hy, "crate")]
    if kind == "pillar":
        return [box(0, 0, 0, 2.6, hx, hy, "stone"),
                box(0, 0, 0, 0.16, hx + 0.04, hy + 0.04, "stone", False)]
    if kind == "table":
        t = 0.76
        legs = [box(sx * (hx - 0.06), sy * (hy - 0.06), 0, t - 0.05, 0.035, 0.035, "wood", False)
                for sx in (-1, 1) for sy in (-1, 1)]
        top = box(0, 0, t - 0.05, t, hx, hy, "wood", False)
        solid = Fixed("table", (x, y, t / 2), (hx, hy, t / 2), "none")
        return [top, box(0, 0, t - 0.14, t - 0.05, hx - 0.07, hy - 0.07, "wood", False), *legs,
                solid]
    if kind == "cabinet":
        h = float(rng.choice([0.9, 1.2, 1.9]))
        n = max(1, round(h / 0.45))
        out = [box(0, 0, 0, h, hx, hy, "wood")]
        # shelf lines: thin boards that stand out a little on every side
        for k in range(n + 1):
            z = h * k / n
            lo, hi = max(z - 0.02, 0.0), min(z + 0.02, h) + (0.02 if k == n else 0)
            out.append(box(0, 0, lo, hi, hx + 0.02, hy + 0.02, "dark", False))
        return out
    if kind == "sofa":
        deep = hx < hy
        back = (-(hx - 0.1), 0) if deep else (0, -(hy - 0.1))
        bx, by = (0.1, hy) if deep else (hx, 0.1)
        arm = [(0, s * (hy - 0.1), hx, 0.1) if deep else (s * (hx - 0.1), 0, 0.1, hy)
               for s in (-1, 1)]
        return [box(0, 0, 0, 0.42, hx, hy, "fabric"), box(*back, 0.42, 0.82, bx, by, "fabric"),
                *[box(a, b, 0.42, 0.6, c, d, "fabric") for a, b, c, d in arm]]
    raise ValueError(kind)


FOOTPRINT = {"crate": (0.36, 0.36), "pillar": (0.17, 0.17), "table": (0.6, 0.4),
             "cabinet": (0.55, 0.22), "sofa": (0.8, 0.4)}


def _furnish_room(rng, index: int, room: Room, openings: list[Opening], hub: bool) -> list:
    doors = []
    for o in openings:
        if index in o.rooms and o.kind != "window":
            doors.append((*o.point(), CLEAR + (0.45 if o.kind == "hinged" else 0.2)))
    windows = [o.point() for o in openings if index in o.rooms and o.kind == "window"]
    blocks: list[tuple[float, float, float, float]] = []
    area = (room.x1 - room.x0) * (room.y1 - room.y0)
    wanted = int(np.clip(round(area / 6.5), 1, 4))
    kinds = list(rng.choice(["crate", "table", "cabinet", "sofa", "pillar"], wanted,
                            p=[0.30, 0.25, 0.20, 0.18, 0.07]))
    for kind in kinds:
        for _ in range(24):
            a, b = FOOTPRINT[kind]
            scale = rng.uniform(0.9, 1.15)
            side = int(rng.integers(4))
            hx, hy = (a * scale, b * scale) if side < 2 else (b * scale, a * scale)
            if kind in ("pillar",) and min(room.x1 - room.x0, room.y1 - room.y0) > 3.4:
                x = rng.uniform(room.x0 + 1.1, room.x1 - 1.1)
                y = rng.uniform(room.y0 + 1.1, room.y1 - 1.1)
            else:
                x = rng.uniform(room.x0 + hx, room.x1 - hx)
                y = rng.uniform(room.y0 + hy, room.y1 - hy)
                off = 0.03
                if side == 0:
                    y = room.y0 + hy + off
                elif side == 1:
                    y = room.y1 - hy - off
                elif side == 2:
                    x = room.x0 + hx + off
                else:
                    x = room.x1 - hx - off
            if kind == "cabinet" and any(np.hypot(x - p[0], y - p[1]) < 1.2 for p in windows):
                continue
            if _free(room, x, y, hx, hy, blocks, doors, 0.62):
                pieces = _pieces(kind, float(x), float(y), float(hx), float(hy), rng)
                if kind == "pillar":
                    pieces[0].half = (pieces[0].half[0], pieces[0].half[1], room.height / 2)
                    pieces[0].centre = (float(x), float(y), room.height / 2)
                if kind == "sofa" and side in (1, 3):  # the back belongs to the wall
                    pieces = [Fixed(p.kind, (2 * x - p.centre[0], 2 * y - p.centre[1],
                                             p.centre[2]), p.half, p.surface, p.solid)
                              for p in pieces]
                room.fixed += pieces
                blocks.append((float(x), float(y), float(hx), float(hy)))
                break
    _rug(rng, room)
    _lamps(rng, room, blocks, doors)
    _pictures(rng, index, room, openings, blocks)
    return [blocks, doors]


def _rug(rng, room: Room) -> None:
    """A flat rug with a border in the middle of a room without carpet."""
    if cat.THEMES[room.theme].floor_material == "carpet" or rng.random() < 0.45:
        return
    hx, hy = 0.27 * (room.x1 - room.x0), 0.25 * (room.y1 - room.y0)
    cx, cy = room.centre
    for grow, top, surface in ((0.0, 0.006, "dark"), (-0.07, 0.009, "fabric"),
                               (-0.22, 0.012, "wood"), (-0.26, 0.015, "fabric")):
        room.fixed.append(Fixed("rug", (float(cx), float(cy), top / 2),
                                (hx + grow, hy + grow, top / 2), surface, False))


def _lamps(rng, room: Room, blocks, doors) -> None:
    cx, cy = room.centre
    big = (room.x1 - room.x0) * (room.y1 - room.y0) > 15
    spots = [(cx, cy)]
    if big:
        d = 0.25 * (room.x1 - room.x0), 0.25 * (room.y1 - room.y0)
        spots = ([(cx - d[0], cy), (cx + d[0], cy)] if d[0] > d[1]
                 else [(cx, cy - d[1]), (cx, cy + d[1])])
    for x, y in spots:  # pendants hang above the head of a jumping player
        room.lamps.append((float(x), float(y), room.height - 0.36))
        room.lamp_on_ceiling.append(True)
    if rng.random() < 0.7:
        for _ in range(12):
            x = room.x0 + 0.28 if rng.random() < 0.5 else room.x1 - 0.28
            y = room.y0 + 0.28 if rng.random() < 0.5 else room.y1 - 0.28
            if _free(room, x, y, 0.16, 0.16, blocks, doors, 0.25):
                room.lamps.append((float(x), float(y), 1.48))
                room.lamp_on_ceiling.append(False)
                blocks.append((float(x), float(y), 0.16, 0.16))
                break


def _pictures(rng, index: int, room: Room, openings: list[Opening], blocks) -> None:
    """Pictures as (side, centre along the wall, height, half width, half height, number)."""
    sides = ((0, room.y0, room.x0, room.x1), (1, room.y1, room.x0, room.x1),
             (2, room.x0, room.y0, room.y1), (3, room.x1, room.y0, room.y1))
    for side, at, low, high in sides:
        if rng.random() < 0.3:
            continue
        for _ in range(2):
            hw, hh = float(rng.choice([0.25, 0.34, 0.45])), float(rng.choice([0.25, 0.34]))
            c = float(rng.uniform(low + hw + 0.25, high - hw - 0.25))
            clash = any(
                o.axis == (0 if side < 2 else 1) and abs(o.at - at) < 0.2
                and abs(o.centre - c) < o.width / 2 + hw + 0.22
                for o in openings if index in o.rooms)
            clash |= any(p[0] == side and abs(p[1] - c) < p[3] + hw + 0.2 for p in room.pictures)
            for bx, by, bhx, bhy in blocks:
                u, bu = (bx, bhx) if side < 2 else (by, bhy)
                v = by if side < 2 else bx
                clash |= abs(u - c) < bu + hw and abs(v - at) < 0.7
            if not clash:
                room.pictures.append((side, c, 1.6, hw, hh, int(rng.integers(16))))


def furnish(rng, seed: int, split: str, rooms: list[Room], openings: list[Opening]) -> Layout:
    """Fill the rooms and choose where the player starts."""
    kept = [_furnish_room(rng, i, r, openings, i == 0) for i, r in enumerate(rooms)]
    start_room = int(rng.integers(len(rooms)))
    things: list[Thing] = []
    looks = list(rng.permutation(len(cat.COLOUR_NAMES)))
    ball_looks, box_looks = looks[:2], looks[2:4]
    n_balls, n_boxes = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    plan = [("box", int(rng.integers(len(rooms))) if k else start_room) for k in range(n_boxes)]
    plan += [("ball", int(rng.integers(len(rooms))) if k > 1 else start_room)
             for k in range(n_balls)]
    for kind, i in plan:
        room, (blocks, doors) = rooms[i], kept[i]
        for _ in range(40):
            s = float(rng.choice([0.2, 0.25, 0.3]) if kind == "box" else
                      rng.choice([0.11, 0.15, 0.2]))
            x = float(rng.uniform(room.x0 + 0.55, room.x1 - 0.55))
            y = float(rng.uniform(room.y0 + 0.55, room.y1 - 0.55))
            if not _free(room, x, y, s, s, blocks, doors, 0.32):
                continue
            if kind == "box":
                look = cat.COLOUR_NAMES[box_looks[int(rng.integers(2))]]
                mass = float(np.clip(110.0 * s**2, 4.0, 11.0))
                things.append(Thing(kind, (x, y, s), (s, s, s), mass, look,
                                    float(rng.uniform(-0.7, 0.7))))
            else:
                look = cat.COLOUR_NAMES[ball_looks[0 if rng.random() < 0.7 else 1]]
                things.append(Thing(kind, (x, y, s), (s, s, s), 0.25 + 25 * s**2, look,
                                    float(rng.uniform(-3, 3))))
            blocks.append((x, y, s, s))
            break
    room, (blocks, doors) = rooms[start_room], kept[start_room]
    x, y = room.centre
    for _ in range(200):
        px = float(rng.uniform(room.x0 + 0.4, room.x1 - 0.4))
        py = float(rng.uniform(room.y0 + 0.4, room.y1 - 0.4))
        if _free(room, px, py, 0.3, 0.3, blocks, [], 0.12):
            x, y = px, py
            break
    yaw = float(np.arctan2(room.centre[1] - y, room.centre[0] - x) + rng.normal() * 0.5)
    return Layout(seed, split, rooms, openings, things, (float(x), float(y), yaw), start_room)


__all__ = ["furnish", "WALL"]
