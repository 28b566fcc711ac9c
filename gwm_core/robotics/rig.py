"""What is known of a robot without looking: its cameras, its parts, the table that it stands over.

A rig is plain JSON in the embodiment's ``extra``: a new robot is a new rig.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..memory import Camera


@dataclass(frozen=True)
class Part:
    """A box of the gripper: centre in the gripper's frame (origin between the finger tips), half
    sizes (m), colour 0..1. ``closes``: +1 or -1 where it moves along x as the fingers close."""

    name: str
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    rgb: tuple[float, float, float]
    closes: int = 0


@dataclass(frozen=True)
class Mark:
    """A flat mark that may lie on the table: "disc" or "square", half its width and how high it
    lies (m), its usual colour 0..1.

    rim: m of its border, which is ``shade`` times as light. rail: the strip that ends in it, or
    (): from the strip's middle to the mark, half its length and width, its height (m), r, g, b.
    """

    name: str
    shape: str
    half: float
    top: float
    rgb: tuple[float, float, float]
    rim: float = 0.0
    shade: float = 1.0
    rail: tuple[float, ...] = ()


@dataclass(frozen=True)
class Lines:
    """Lines on the table (m): a border square and what else there may be, each a row of places
    along x and y; half widths; how high they lie."""

    border: float
    border_half: float
    half: float
    patterns: tuple[tuple[float, ...], ...]
    top: float


@dataclass(frozen=True)
class Lamps:
    """The usual light: ambient, a lamp at every camera, and a far one whose beam [3] (strength
    times the direction to it) is only roughly known: spread [4] of ambient and beam."""

    ambient: float
    head: float
    beam: tuple[float, float, float]
    spread: tuple[float, float, float, float]


@dataclass(frozen=True)
class Rig:
    """fov: degrees by view. fixed: pose (x, y, z, yaw, pitch) of cameras that stand still. mounted:
    poses of cameras that move and turn (yaw) with the gripper. parts of the gripper; opening: m
    between open finger tips. table: half its side (m, its top at z = 0), thickness; floor: z."""

    size: int
    fov: dict[str, float]
    fixed: dict[str, tuple[float, ...]]
    mounted: dict[str, tuple[float, ...]]
    parts: tuple[Part, ...]
    opening: float
    table: float
    floor: float
    thickness: float = 0.04
    marks: tuple[Mark, ...] = ()
    lines: Lines | None = None
    lamps: Lamps = Lamps(0.5, 0.2, (0.0, 0.0, 0.4), (0.1, 0.2, 0.2, 0.1))

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(self.fov)

    def camera(self, view: str) -> Camera:
        return Camera(self.size, self.size, self.fov[view])

    def pose(self, view: str, robot, offset=None) -> np.ndarray:
        """Camera pose float64 [5] of a view; robot [6] as in ContactNet; offset [5] of a fixed one
        (m, rad)."""
        if view in self.fixed:
            out = np.array(self.fixed[view], np.float64)
            return out if offset is None else out + np.asarray(offset, np.float64)
        x, y, z, yaw, pitch = self.mounted[view]
        turn = float(robot[5])
        c, s = math.cos(turn), math.sin(turn)
        return np.array([robot[0] + c * x - s * y, robot[1] + s * x + c * y, robot[2] + z,
                         yaw + turn, pitch])

    def mark(self, name: str) -> Mark | None:
        return next((m for m in self.marks if m.name == name), None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Rig:
        out = dict(data)
        for key in ("fixed", "mounted"):
            out[key] = {v: tuple(p) for v, p in data[key].items()}
        for key, kind in (("parts", Part), ("marks", Mark)):
            out[key] = tuple(_made(kind, row) for row in data.get(key, ()))
        for key, kind in (("lines", Lines), ("lamps", Lamps)):
            if data.get(key) is not None:
                out[key] = _made(kind, data[key])
        return cls(**out)


def _made(kind, row: dict[str, Any]):
    """A dataclass from JSON: its lists are tuples, also those within."""
    def deep(value):
        return tuple(deep(v) for v in value) if isinstance(value, list | tuple) else value

    return kind(**{k: deep(v) for k, v in row.items()})


def on_gripper(rig: Rig) -> dict[str, Any] | None:
    """The camera that travels with the gripper, as ActionReader's ``mounted`` has it: its number
    among the views, fov and mount; the boxes that the gripper's parts, open to closed, take up
    before it; the gripper's side that it sees. None where there is no such camera."""
    fingers = [p for p in rig.parts if p.closes]
    others = [p for p in rig.parts if not p.closes]
    for view, mount in rig.mounted.items():
        if not fingers or not others:
            return None
        hides = []
        for part in rig.parts:
            x, y, z = part.centre
            way = part.closes * rig.opening / 4  # half of a finger's way
            hides.append([x + way, y, z, part.half[0] + abs(way), *part.half[1:]])
        palm = min(others, key=lambda p: p.centre[2])
        hand = {"face": palm.half[1], "wide": palm.half[0] + 0.008,
                "tall": palm.centre[2] + palm.half[2] + 0.004,
                "fingers": max(p.centre[2] + p.half[2] for p in fingers),
                "opens": rig.opening / 2}
        return {"view": rig.views.index(view), "fov": rig.fov[view], "mount": list(mount),
                "hides": hides, "hand": hand}
    return None


def rotation(robot) -> np.ndarray:
    """Rz(yaw) Ry(pitch) Rx(roll) of poses [.., 6], float64 [.., 3, 3]."""
    turn = np.asarray(robot, np.float64)[..., 3:6]
    (cr, cp, cy), (sr, sp, sy) = (np.moveaxis(f(turn), -1, 0) for f in (np.cos, np.sin))
    rows = [[cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr]]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def tabletop_rig(size: int = 64) -> Rig:
    """The rig of the simulator `tabletop`."""
    finger = (0.007, 0.010, 0.035)
    off = 0.04 + finger[0]
    grey = (0.93, 0.93, 0.95)
    return Rig(
        size=size, fov={"front": 45.0, "side": 45.0, "wrist": 70.0},
        fixed={"front": (0.0, -0.485, 0.452, math.pi / 2, -0.68),
               "side": (0.522, 0.0, 0.385, math.pi, -0.58)},
        mounted={"wrist": (0.0, -0.105, 0.135, math.pi / 2, math.radians(-58))},
        parts=(Part("palm", (0.0, 0.0, 0.083), (0.058, 0.016, 0.013), (0.27, 0.28, 0.32)),
               Part("arm", (0.0, 0.0, 0.296), (0.015, 0.015, 0.200), (0.34, 0.35, 0.38)),
               Part("left", (-off, 0.0, finger[2]), finger, grey, 1),
               Part("right", (off, 0.0, finger[2]), finger, grey, -1)),
        opening=0.08, table=0.35, floor=-0.16, thickness=0.04,
        marks=(Mark("goal", "disc", 0.06, 0.0004, (0.17, 0.58, 0.25)),
               Mark("keep_out", "disc", 0.07, 0.0004, (0.36, 0.06, 0.09)),
               Mark("plate", "square", 0.05, 0.0006, (0.46, 0.70, 0.88), rim=0.006, shade=0.72),
               Mark("rail_end", "square", 0.03, 0.0006, (0.17, 0.62, 0.27),
                    rail=(0.10, 0.13, 0.009, 0.001, 0.30, 0.31, 0.34))),
        lines=Lines(0.27, 0.005, 0.004, ((), (0.0,), (-0.09, 0.09)), 0.0003),
        lamps=Lamps(0.43, 0.22, (0.0, 0.0, 0.41), (0.04, 0.17, 0.17, 0.06)))
