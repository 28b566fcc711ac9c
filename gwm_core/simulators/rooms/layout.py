"""Floor plans by seed: rectangular rooms on a grid, doorways, windows, furniture, things."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from . import catalogue as cat

HELD_IN = range(0, 500)
HELD_OUT = range(10000, 10060)
JUDGES = range(2000, 2400)  # what the evaluation's judges learn from, and nothing else
WALL = 0.16  # thickness between two rooms
DOOR_HEIGHT = 2.06
LEAF = (0.90, 0.04)  # width and thickness of a door leaf
STEP = 0.2  # rooms snap to this grid


@dataclass
class Opening:
    """A doorway between two rooms, or a window in an outer wall.

    `axis` 0: the wall runs along x at y = `at`; 1: along y at x = `at`.  `centre` and `width` are
    along the wall.  kind: open, hinged (a leaf that swings), latched (a leaf that never opens),
    window.  `at` is the middle of the wall.
    """

    kind: str
    axis: int
    at: float
    centre: float
    width: float
    low: float
    high: float
    rooms: tuple[int, ...]

    def point(self) -> np.ndarray:
        return np.array([self.centre, self.at] if self.axis == 0 else [self.at, self.centre])


@dataclass
class Fixed:
    """A fixed axis-aligned box: centre, half extents, look, whether it stops things."""

    kind: str
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    surface: str  # wood, fabric, crate, stone, metal, shade
    solid: bool = True


@dataclass
class Thing:
    """A movable thing at its start."""

    kind: str  # ball, box
    position: tuple[float, float, float]
    size: tuple[float, float, float]
    mass: float
    look: str
    yaw: float = 0.0


@dataclass
class Room:
    x0: float
    y0: float
    x1: float
    y1: float
    height: float
    theme: int
    fixed: list[Fixed] = field(default_factory=list)
    lamps: list[tuple[float, float, float]] = field(default_factory=list)
    lamp_on_ceiling: list[bool] = field(default_factory=list)
    pictures: list[tuple[int, float, float, float, float, int]] = field(default_factory=list)

    @property
    def centre(self) -> np.ndarray:
        return np.array([(self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2])

    def holds(self, x: float, y: float, margin: float = 0.0) -> bool:
        return (self.x0 + margin <= x <= self.x1 - margin
                and self.y0 + margin <= y <= self.y1 - margin)


@dataclass
class Layout:
    seed: int
    split: str
    rooms: list[Room]
    openings: list[Opening]
    things: list[Thing]
    start: tuple[float, float, float]  # x, y, yaw
    start_room: int

    def room_at(self, x: float, y: float) -> int:
        """Index of the room that holds the point, or of the nearest one."""
        best, index = 1e9, 0
        for i, r in enumerate(self.rooms):
            d = max(r.x0 - x, x - r.x1, 0.0) + max(r.y0 - y, y - r.y1, 0.0)
            if d < best:
                best, index = d, i
        return index


def split_of(seed: int) -> str:
    """'train', 'heldout' or 'judge'; ValueError for a seed in none of these ranges."""
    if seed in HELD_IN:
        return "train"
    if seed in HELD_OUT:
        return "heldout"
    if seed in JUDGES:
        return "judge"
    raise ValueError(f"layout seed {seed} is neither held in (0..499) nor held out (10000..10059) "
                     "nor for judges (2000..2399)")


def _snap(v: float) -> float:
    return round(v / STEP) * STEP


def _divide(rng, rect, count: int) -> list[tuple[float, float, float, float]]:
    """Cut the largest rectangle again and again until there are `count` rooms."""
    rects = [rect]
    while len(rects) < count:
        rects.sort(key=lambda r: -(r[2] - r[0]) * (r[3] - r[1]))
        for k, (x0, y0, x1, y1) in enumerate(rects):
            w, h = x1 - x0, y1 - y0
            along_x = w > h if abs(w - h) > 0.8 else bool(rng.random() < 0.5)
            length = w if along_x else h
            if length < 6.2:
                continue
            cut = _snap(length * rng.uniform(0.42, 0.58))
            cut = min(max(cut, 3.0), length - 3.0)
            rects.pop(k)
            if along_x:
                rects += [(x0, y0, x0 + cut, y1), (x0 + cut, y0, x1, y1)]
            else:
                rects += [(x0, y0, x1, y0 + cut), (x0, y0 + cut, x1, y1)]
            break
        else:
            break
    return rects


def _shared(a: Room, b: Room) -> tuple[int, float, float, float] | None:
    """The common wall of two rooms as (axis, at, low, high), or None."""
    for r, s in ((a, b), (b, a)):
        if abs(s.x0 - r.x1 - WALL) < 0.05:
            low, high = max(r.y0, s.y0), min(r.y1, s.y1)
            if high - low > 1.7:
                return 1, (r.x1 + s.x0) / 2, low, high
        if abs(s.y0 - r.y1 - WALL) < 0.05:
            low, high = max(r.x0, s.x0), min(r.x1, s.x1)
            if high - low > 1.7:
                return 0, (r.y1 + s.y0) / 2, low, high
    return None


def _doorways(rng, rooms: list[Room]) -> list[Opening]:
    """A spanning tree of passable doorways, then a few more of any kind."""
    walls = [(i, j, s) for i in range(len(rooms)) for j in range(i + 1, len(rooms))
             if (s := _shared(rooms[i], rooms[j]))]
    order = rng.permutation(len(walls))
    group = list(range(len(rooms)))
    out: list[Opening] = []
    hinged = latched = 0
    for k in order:
        i, j, (axis, at, low, high) = walls[k]
        joined = group[i] == group[j]
        if joined:
            kind = "latched" if latched < 2 and rng.random() < 0.7 else "open"
            if rng.random() < 0.25:
                continue
        else:
            kind = "hinged" if hinged < 3 and rng.random() < 0.45 else "open"
            group = [group[i] if g == group[j] else g for g in group]
        hinged += kind == "hinged"
        latched += kind == "latched"
        width = LEAF[0] + 0.06 if kind != "open" else _snap(rng.uniform(1.0, 1.45))
        margin = width / 2 + 0.3
        if kind == "hinged":
            margin += 0.15
        centre = rng.uniform(low + margin, high - margin) if high - low > 2 * margin else (
            low + high) / 2
        height = DOOR_HEIGHT if kind != "open" else float(rng.choice([2.06, 2.2, 2.3]))
        out.append(Opening(kind, axis, at, float(centre), width, 0.0, height, (i, j)))
    # a latched door to nowhere, so that most plans show one
    if latched == 0:
        for _ in range(20):
            i = int(rng.integers(len(rooms)))
            side = _outer_sides(rooms)[i]
            if side:
                axis, at, low, high = side[int(rng.integers(len(side)))]
                if high - low > 2.2:
                    c = float(rng.uniform(low + 0.9, high - 0.9))
                    out.append(Opening("latched", axis, at, c, LEAF[0] + 0.06, 0.0, DOOR_HEIGHT,
                                       (i,)))
                    break
    return out


def _outer_sides(rooms: list[Room]) -> list[list[tuple[int, float, float, float]]]:
    """For each room its sides on the outside of the plan, as (axis, middle of wall, low, high)."""
    x0, y0 = min(r.x0 for r in rooms), min(r.y0 for r in rooms)
    x1, y1 = max(r.x1 for r in rooms), max(r.y1 for r in rooms)
    h = WALL / 2
    out = []
    for r in rooms:
        sides = []
        if abs(r.y0 - y0) < 0.01:
            sides.append((0, r.y0 - h, r.x0, r.x1))
        if abs(r.y1 - y1) < 0.01:
            sides.append((0, r.y1 + h, r.x0, r.x1))
        if abs(r.x0 - x0) < 0.01:
            sides.append((1, r.x0 - h, r.y0, r.y1))
        if abs(r.x1 - x1) < 0.01:
            sides.append((1, r.x1 + h, r.y0, r.y1))
        out.append(sides)
    return out


def _windows(rng, rooms: list[Room], taken: list[Opening]) -> list[Opening]:
    out: list[Opening] = []
    for i, sides in enumerate(_outer_sides(rooms)):
        budget = 3
        for k in rng.permutation(len(sides)):
            axis, at, low, high = sides[k]
            span = high - low
            n = 2 if span > 4.2 and rng.random() < 0.6 else 1
            n = min(n, budget)
            width = float(rng.choice([0.9, 1.1, 1.4]))
            for q in range(n):
                c = low + span * (q + 1) / (n + 1)
                if any(o.axis == axis and abs(o.at - at) < 0.01
                       and abs(o.centre - c) < (o.width + width) / 2 + 0.25 for o in taken + out):
                    continue
                top = min(2.2, rooms[i].height - 0.35)
                sill = 0.9 if rng.random() < 0.75 else 0.5
                out.append(Opening("window", axis, at, c, width, sill, top, (i,)))
                budget -= 1
    return out


def make_layout(seed: int) -> Layout:
    """The floor plan of a seed (always the same)."""
    from .furnish import furnish

    split = split_of(seed)
    rng = np.random.Generator(np.random.Philox(key=seed * 7919 + 11))
    count = int(rng.integers(3, 7))
    area = {3: (8.6, 6.6), 4: (9.6, 8.0), 5: (11.6, 8.4), 6: (12.8, 9.2)}[count]
    width = _snap(area[0] * rng.uniform(0.92, 1.08))
    depth = _snap(area[1] * rng.uniform(0.92, 1.08))
    rects = _divide(rng, (0.0, 0.0, width, depth), count)
    themes = rng.permutation(len(cat.THEMES))[: len(rects)]
    h = WALL / 2
    rooms = [
        Room(x0 + h, y0 + h, x1 - h, y1 - h, float(rng.choice([2.6, 2.7, 2.8, 3.0, 3.2])), int(t))
        for (x0, y0, x1, y1), t in zip(rects, themes, strict=True)
    ]
    openings = _doorways(rng, rooms)
    openings += _windows(rng, rooms, openings)
    return furnish(rng, seed, split, rooms, openings)
