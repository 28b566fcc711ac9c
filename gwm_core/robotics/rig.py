"""What is known of a robot without looking: its cameras, its parts, the table that it stands over.

A rig is plain JSON in the embodiment's ``extra``: a new robot is a new rig.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bodies import BALL, BOX, Bodies
from ..memory import Camera
from ..raster import axes

FAR = 6.0
"""m: what no ray hits is drawn there."""


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
class Rig:
    """fov: degrees by view. fixed: pose (x, y, z, yaw, pitch) of cameras that stand still. mounted:
    poses of cameras that move and turn (yaw) with the gripper. parts of the gripper; opening: m
    between open finger tips. table: half its side (m, its top at z = 0); floor: z."""

    size: int
    fov: dict[str, float]
    fixed: dict[str, tuple[float, ...]]
    mounted: dict[str, tuple[float, ...]]
    parts: tuple[Part, ...]
    opening: float
    table: float
    floor: float

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

    def gripper(self, bodies: Bodies, robot, opening: float) -> Bodies:
        """``bodies`` with the parts of a gripper at pose robot [6], open by 0..1."""
        frame = rotation(robot)
        for part in self.parts:
            centre = np.array(part.centre, np.float64)
            centre[0] += part.closes * (1 - float(opening)) * self.opening / 2
            place = np.asarray(robot[:3], np.float64) + frame @ centre
            bodies = bodies.add(BOX, place, yaw=float(robot[5]), size=part.half, rgb=part.rgb)
        return bodies

    def things(self, bodies: Bodies, kinds, place, yaw, half, rgb, present) -> Bodies:
        """``bodies`` with those things [K, ..] that are present; kinds: "box" or "ball"."""
        for i in np.nonzero(np.asarray(present) > 0.5)[0]:
            kind = BALL if kinds[i] == "ball" else BOX
            bodies = bodies.add(kind, place[i], yaw=float(yaw[i]), size=half[i], rgb=rgb[i])
        return bodies

    def ground(self, view: str, pose) -> np.ndarray:
        """Depth float32 [H, W] along the camera's axis of the empty table and the floor."""
        camera = self.camera(view)
        right, down, forward, eye = axes(pose)
        rays = camera.rays() @ np.stack([right, down, forward])
        down_rays = np.minimum(rays[..., 2], -1e-6)
        table = -eye[2] / down_rays
        hit = eye[:2] + rays[..., :2] * table[..., None]
        on = (np.abs(hit) <= self.table).all(-1) & (rays[..., 2] < 0)
        floor = (self.floor - eye[2]) / down_rays
        depth = np.where(on, table, np.where(rays[..., 2] < 0, floor, FAR))
        return np.clip(depth, 0.05, FAR).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        from dataclasses import asdict

        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Rig:
        parts = tuple(Part(p["name"], tuple(p["centre"]), tuple(p["half"]), tuple(p["rgb"]),
                           int(p["closes"])) for p in data["parts"])
        poses = {k: {v: tuple(p) for v, p in data[k].items()} for k in ("fixed", "mounted")}
        return cls(**{**data, **poses, "parts": parts})


def rotation(robot) -> np.ndarray:
    """Rz(yaw) Ry(pitch) Rx(roll) of a pose [6], float64 [3, 3]."""
    roll, pitch, yaw = (float(v) for v in robot[3:6])
    cr, sr, cp, sp = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch)
    cy, sy = math.cos(yaw), math.sin(yaw)
    return np.array([[cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
                     [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
                     [-sp, cp * sr, cp * cr]])


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
        opening=0.08, table=0.35, floor=-0.16)
