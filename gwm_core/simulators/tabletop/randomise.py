"""What a seed decides: where things stand, how they look, where the cameras and the light are."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np

from ...errors import RoboticsError
from ...noise import rng

OBJECTS = ("red", "blue", "yellow", "knob")
TASKS = ("push", "pick_place", "stack", "slide")
ZONES = ("goal", "keep_out", "plate", "rail_end")
GOAL_RADIUS, KEEP_OUT_RADIUS, PLATE_HALF, END_RADIUS = 0.06, 0.07, 0.05, 0.018
RAIL_TRAVEL, RAIL_TOP = 0.10, 0.001
REGION = ((-0.185, 0.185), (-0.155, 0.17))  # where things and zones lie, in the front view
BASE_CAMERAS = {  # x, y, z, yaw, pitch as in gwm_core.raster.axes
    "front": (0.0, -0.485, 0.452, math.pi / 2, -0.68),
    "side": (0.522, 0.0, 0.385, math.pi, -0.58),
}
# hue, saturation, value and how far each may be off: kept well apart from one another
_LOOKS = {
    "red": ((0.995, 0.87, 0.86), (0.013, 0.08, 0.08)),
    "blue": ((0.63, 0.82, 0.80), (0.022, 0.08, 0.09)),
    "yellow": ((0.135, 0.86, 0.93), (0.016, 0.08, 0.06)),
    "knob": ((0.58, 0.04, 0.93), (0.3, 0.03, 0.05)),
}
_TABLES = (  # hue, saturation, value of quiet table tops, never as light as the fingers
    (0.09, 0.30, 0.68), (0.08, 0.36, 0.56), (0.10, 0.16, 0.70), (0.58, 0.09, 0.60),
    (0.55, 0.10, 0.70), (0.06, 0.30, 0.48), (0.45, 0.12, 0.56), (0.62, 0.10, 0.46),
)
_EXTRAS = {"push": ("blue", "yellow"), "pick_place": ("blue", "yellow"), "stack": ("yellow",),
           "slide": ("red", "blue", "yellow")}  # loose things that a task does not need
_FLOORS = ((0.60, 0.22, 0.30), (0.08, 0.20, 0.30), (0.0, 0.0, 0.24), (0.40, 0.14, 0.28),
           (0.62, 0.12, 0.40), (0.09, 0.12, 0.44))


@dataclass(frozen=True)
class Thing:
    """An object at the start: half sizes and position in metres, yaw in radians, colour 0..1."""

    name: str
    kind: str
    half: tuple[float, float, float]
    pos: tuple[float, float, float]
    yaw: float
    rgb: tuple[float, float, float]


@dataclass(frozen=True)
class Zone:
    """A mark on the table: kind "disc", "plate" (radius: half its side) or "rail_end"."""

    name: str
    kind: str
    x: float
    y: float
    radius: float
    rgb: tuple[float, float, float]


@dataclass(frozen=True)
class Rail:
    """Where the knob runs: centre, direction (radians), where it starts along it (m)."""

    x: float
    y: float
    angle: float
    start: float

    def at(self, s: float) -> tuple[float, float]:
        """The point s metres from the centre towards the marked end."""
        return self.x + s * math.cos(self.angle), self.y + s * math.sin(self.angle)


@dataclass(frozen=True)
class Scene:
    """One randomised table; a pure function of (task, seed)."""

    task: str
    seed: int
    objects: tuple[Thing, ...]
    zones: tuple[Zone, ...]
    rail: Rail | None
    cameras: dict[str, tuple[float, ...]]
    table: tuple[float, float, float]
    lines: tuple[float, float, float]
    floor: tuple[float, float, float]
    pattern: int
    light: tuple[float, float, float]
    strength: float
    ambient: float
    tip: tuple[float, float, float]
    yaw: float

    def zone(self, name: str) -> Zone | None:
        return next((z for z in self.zones if z.name == name), None)

    def thing(self, name: str) -> Thing | None:
        return next((t for t in self.objects if t.name == name), None)


def check_task(task: str) -> str:
    """The task itself; RoboticsError names those that exist."""
    if task not in TASKS:
        raise RoboticsError(f"task: got {task!r}; accepted are {', '.join(TASKS)}")
    return task


def make_scene(task: str, seed: int) -> Scene:
    """The scene of a task and a seed (0 .. 2**64 - 1), the same on every machine."""
    check_task(task)
    layout = rng(seed, "tabletop", task, "layout")
    with_keep_out = bool(layout.random() < 2 / 3)
    extras = _EXTRAS[task]
    loose = [extras[i] for i in layout.permutation(len(extras))]
    loose = loose[: int(layout.integers(1, len(extras) + 1))]
    for _ in range(20000):
        placed = _place(task, loose, with_keep_out, layout)
        if placed is not None:
            break
    else:  # the rarest layouts take some 1,500 tries
        raise RoboticsError(f"seed {seed}: no room was found for the things of task {task!r}")
    spots, zones, rail, tip = placed
    look = rng(seed, "tabletop", task, "look")
    things = tuple(_thing(name, spots[name], rail, look) for name in OBJECTS if name in spots)
    table = _jitter(look, _TABLES[int(look.integers(len(_TABLES)))], (0.02, 0.05, 0.06))
    darker = 0.80 if look.random() < 0.6 else 1.16
    light = (*look.uniform(-0.7, 0.7, 2), -1.0)
    return Scene(
        task, int(seed), things, tuple(_zone(z, look) for z in zones), rail,
        {name: _camera(pose, look) for name, pose in BASE_CAMERAS.items()},
        table, tuple(min(1.0, c * darker) for c in table),
        _jitter(look, _FLOORS[int(look.integers(len(_FLOORS)))], (0.03, 0.06, 0.05)),
        int(look.integers(3)), light, float(look.uniform(0.35, 0.6)),
        float(look.uniform(0.36, 0.5)), tip, float(look.uniform(-0.4, 0.4)))


def _jitter(look: np.random.Generator, hsv, spread) -> tuple[float, float, float]:
    h, s, v = (c + float(look.uniform(-d, d)) for c, d in zip(hsv, spread, strict=True))
    return colorsys.hsv_to_rgb(h % 1.0, min(max(s, 0.0), 1.0), min(max(v, 0.0), 1.0))


def _camera(pose, look: np.random.Generator) -> tuple[float, ...]:
    turn = math.radians(2)
    spread = (0.015, 0.015, 0.015, turn, turn)
    return tuple(p + float(look.uniform(-d, d)) for p, d in zip(pose, spread, strict=True))


def _thing(name: str, spot, rail: Rail | None, look: np.random.Generator) -> Thing:
    rgb = _jitter(look, *_LOOKS[name])
    size = float(look.uniform(-0.0015, 0.0015))
    yaw = float(look.uniform(-math.pi / 4, math.pi / 4))
    if name == "yellow":
        r = 0.0245 + size / 2
        return Thing(name, "ball", (r, r, r), (*spot, r), 0.0, rgb)
    if name == "knob":
        half = (0.019 + size, 0.019 + size, 0.024 + size)
        return Thing(name, "box", half, (*spot, RAIL_TOP + half[2]), rail.angle, rgb)
    half = tuple(0.0255 + size + float(d) for d in look.uniform(-0.0005, 0.0005, 3))
    return Thing(name, "box", half, (*spot, half[2]), yaw, rgb)


def _zone(zone: tuple, look: np.random.Generator) -> Zone:
    name, x, y = zone
    kind, radius, hsv = {
        "goal": ("disc", GOAL_RADIUS, (0.37, 0.72, 0.58)),
        "keep_out": ("disc", KEEP_OUT_RADIUS, (0.985, 0.82, 0.36)),
        "plate": ("plate", PLATE_HALF, (0.57, 0.48, 0.88)),
        "rail_end": ("rail_end", END_RADIUS, (0.37, 0.72, 0.62)),
    }[name]
    return Zone(name, kind, x, y, radius, _jitter(look, hsv, (0.015, 0.06, 0.05)))


# ------------------------------------------------------------------ who stands where
def _gap(p, a, b) -> float:
    """Distance of a point from the segment a b, seen from above."""
    p, a, b = (np.asarray(v, np.float64)[:2] for v in (p, a, b))
    along = b - a
    t = float(np.clip((p - a) @ along / max(float(along @ along), 1e-12), 0.0, 1.0))
    return float(np.hypot(*(p - a - t * along)))


def _place(task: str, loose: list[str], with_keep_out: bool, r: np.random.Generator):
    """One try: (spots of objects, zones, rail, tip), or None where something is too near."""
    def point(margin: float = 0.0) -> tuple[float, float]:
        (x0, x1), (y0, y1) = REGION
        low, high = (x0 + margin, y0 + margin), (x1 - margin, y1 - margin)
        return tuple(float(v) for v in r.uniform(low, high))

    zones: list[tuple[str, float, float]] = []
    spots: dict[str, tuple[float, float]] = {}
    rail = None
    clear: list[tuple] = []  # segments to be kept free, with the distance that others must have
    own = ()
    if task == "push":
        goal, red = point(0.03), point()
        if not 0.14 <= math.dist(goal, red) <= 0.30:
            return None
        ux, uy = ((b - a) / math.dist(goal, red) for a, b in zip(goal, red, strict=True))
        behind = (red[0] + 0.07 * ux, red[1] + 0.07 * uy)
        zones.append(("goal", *goal))
        spots["red"] = red
        clear.append((behind, goal, 0.085, 0.11))
        own = ("red",)
    elif task == "pick_place":
        plate, red = point(0.03), point()
        if math.dist(plate, red) < 0.14:
            return None
        zones.append(("plate", *plate))
        spots["red"] = red
        clear += [(plate, plate, 0.115, 0.145), (red, red, 0.10, 0.125)]
        own = ("red",)
    elif task == "stack":
        spots["red"], spots["blue"] = point(), point(0.02)
        if math.dist(spots["red"], spots["blue"]) < 0.13:
            return None
        own = ("red", "blue")
        clear += [(spots[n], spots[n], 0.10, 0.125) for n in own]
    else:
        x, y = point(0.09)
        rail = Rail(x, y, float(r.uniform(-math.pi, math.pi)), -float(r.uniform(0.04, 0.10)))
        ends = rail.at(-RAIL_TRAVEL), rail.at(RAIL_TRAVEL)
        if any(not _inside(p) for p in ends):
            return None
        zones.append(("rail_end", *ends[1]))
        spots["knob"] = rail.at(rail.start)
        clear.append((rail.at(rail.start - 0.07), ends[1], 0.085, 0.11))
        clear.append((*ends, 0.075, 0.09))
        own = ("knob",)
    if with_keep_out:
        zone = point(0.025)
        if any(_gap(zone, a, b) < far for a, b, _, far in clear):
            return None
        if any(math.dist(zone, z[1:]) < 0.15 for z in zones if z[0] != "rail_end"):
            return None
        zones.append(("keep_out", *zone))
    for name in loose:
        spot = point()
        if any(_gap(spot, a, b) < near for a, b, near, _ in clear):
            return None
        if any(math.dist(spot, other) < 0.105 for other in spots.values()):
            return None
        spots[name] = spot
    for name, spot in spots.items():
        for zone in zones:
            radius = {"keep_out": 0.115, "goal": 0.10, "plate": 0.115, "rail_end": 0.0}[zone[0]]
            if name == "knob" and zone[0] == "rail_end":
                continue
            if math.dist(spot, zone[1:]) < radius and not (zone[0] == "goal" and name in own):
                return None
    tip = tuple(float(v) for v in r.uniform((-0.12, -0.12, 0.12), (0.12, 0.10, 0.20)))
    if any(z[0] == "keep_out" and math.dist(tip[:2], z[1:]) < 0.09 for z in zones):
        return None
    return spots, zones, rail, tip


def _inside(p) -> bool:
    (x0, x1), (y0, y1) = REGION
    return x0 <= p[0] <= x1 and y0 <= p[1] <= y1
