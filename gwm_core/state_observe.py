"""What the bodies of one world perceive: clearances to what is fixed and to what moves.

`Surroundings` is anything that answers rays against the fixed world: kept pixels when a world is
played, the simulator's solids in training. Everything else here is shared by both.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from .bodies import BALL, BOX, DOOR, HEIGHT, RADIUS, Bodies, Player, cuboids, spheres
from .physics import (
    AZIMUTHS,
    BOX_AZIMUTHS,
    BOX_HEIGHTS,
    PLAYER_HEIGHTS,
    ball_rays,
    travel_basis,
)
from .rays import FAR, cast

FLOOR_BLUR = 0.06
"""Hits this close to the floor's plane count as the floor: depth of grazing floors is noisy."""
BELOW = ((0.0, 0.0), (0.2, 0.0), (0.0, 0.2), (-0.2, 0.0), (0.0, -0.2))
LIFT = 0.3
LEVEL_REACH, RAY_REACH = 1.6, 1.0
"""Rays against the fixed world end here (m): what is further stops nothing within a frame."""


class Surroundings(Protocol):
    """Rays against the fixed world."""

    def rays(self, origin, dirs):
        """origin [3], unit dirs [D,3] -> distance float32 [D] (FAR from RAY_REACH on), known bool
        [D]."""

    def around(self, place, heights, azimuths):
        """Horizontal rays from the axis at `place` [3] (foot), heights [H] above it, azimuths [A]
        (rad) -> distance float32 [A,H] (FAR from LEVEL_REACH on), known bool [A]."""


class Crowd:
    """The moving things of one moment, ready for rays."""

    def __init__(self, bodies: Bodies, player: Player):
        self.cuboids, self.spheres = cuboids(bodies), spheres(bodies)
        x, y, z = player.pos
        self.column = np.array([[x, y, z, z + HEIGHT, RADIUS]])
        self.none = self.column[:0]

    def rays(self, origins, dirs, skip: int = -1, player: bool = False) -> np.ndarray:
        """float32 [M] distances; `skip` leaves one slot out, `player` counts the walker in."""
        if not (player or len(self.cuboids) or len(self.spheres)):
            return np.full(len(origins), FAR, np.float32)
        column = self.column if player else self.none
        return cast(origins, dirs, self.cuboids, self.spheres, column, skip)


def flat_directions(azimuths) -> np.ndarray:
    """Horizontal unit vectors [A,3]."""
    return np.stack([np.cos(azimuths), np.sin(azimuths), np.zeros(len(azimuths))], 1)


def onto_floor(static, known, origin_z: float, dirs_z, floor_z: float):
    """Distances [D] cut off at the floor's plane, which is always known, and snapped to it."""
    down = np.asarray(dirs_z) < -1e-3
    plane = np.where(down, (origin_z - floor_z) / np.maximum(-np.asarray(dirs_z), 1e-3), FAR)
    plane = np.clip(plane, 0, FAR)
    z = origin_z + static * np.asarray(dirs_z)
    static = np.where(down & (z < floor_z + FLOOR_BLUR), plane, static)
    return np.minimum(static, plane), known | (down & (plane < FAR))


def see_player(around: Surroundings, crowd: Crowd, player: Player, travel: float, floor_z: float):
    """dict static, moving [48,5], known [48], below [5] for a heading of travel (rad)."""
    azimuths = travel + 2 * math.pi * np.arange(AZIMUTHS) / AZIMUTHS
    static, known = around.around(player.pos, PLAYER_HEIGHTS, azimuths)
    dirs = np.repeat(flat_directions(azimuths), len(PLAYER_HEIGHTS), 0)
    origins = np.tile(player.pos, (len(dirs), 1))
    origins[:, 2] += np.tile(PLAYER_HEIGHTS, AZIMUTHS)
    moving = crowd.rays(origins, dirs).reshape(AZIMUTHS, -1)
    below = np.full(5, LIFT + max(player.pos[2] - floor_z, 0.0))
    c, s = math.cos(travel), math.sin(travel)
    starts = np.array([(player.pos[0] + c * x - s * y, player.pos[1] + s * x + c * y,
                        player.pos[2] + LIFT) for x, y in BELOW])
    down = np.tile((0.0, 0.0, -1.0), (5, 1))
    below = np.minimum(below, crowd.rays(starts, down))
    # Only a walker off the floor can stand on something: spare the rays otherwise.
    if player.pos[2] > floor_z + 0.03 or player.vel[2] > 0.1:
        for i, start in enumerate(starts):
            distance, seen = around.rays(start, down[:1])
            below[i] = min(below[i], distance[0] if seen[0] else FAR)
    return {"static": static, "moving": moving, "known": known, "below": below - LIFT}


def see_balls(around: Surroundings, crowd: Crowd, bodies: Bodies, index, vel, floor_z: float):
    """dict basis, dirs, static, moving [B,74], known for balls `index` [B] with vel [B,3]."""
    basis = travel_basis(vel)
    dirs = ball_rays(basis)
    static, moving, known = [], [], []
    for b, i in enumerate(index):
        origin = bodies.pos[i]
        s, k = around.rays(origin, dirs[b])
        s, k = onto_floor(s, k, origin[2], dirs[b, :, 2], floor_z)
        static.append(s)
        known.append(k)
        origins = np.tile(origin, (len(dirs[b]), 1))
        moving.append(crowd.rays(origins, dirs[b], skip=int(i), player=True))
    return {"basis": basis, "dirs": dirs, "static": np.array(static), "moving": np.array(moving),
            "known": np.array(known)}


def box_frame(yaw: float, away) -> float:
    """The box's heading of its four alike ones for which the walker [2] is most in front."""
    bearing = math.atan2(away[1], away[0])
    quarter = round((bearing - yaw) / (math.pi / 2)) * (math.pi / 2)
    return yaw + quarter


def see_boxes(around: Surroundings, crowd: Crowd, bodies: Bodies, index, player: Player):
    """dict frame [B], size [B,3] (own axes of that frame), static, moving [B,24,2], known."""
    out = {"frame": [], "size": [], "static": [], "moving": [], "known": []}
    for i in index:
        pos, size = bodies.pos[i], np.array(bodies.size[i], np.float64)
        frame = box_frame(float(bodies.yaw[i]), player.pos[:2] - pos[:2])
        quarters = round((frame - float(bodies.yaw[i])) / (math.pi / 2))
        if quarters % 2:
            size[:2] = size[1::-1]
        azimuths = frame + 2 * math.pi * np.arange(BOX_AZIMUTHS) / BOX_AZIMUTHS
        heights = np.array(BOX_HEIGHTS) * size[2]
        s, k = around.around(pos, heights, azimuths)
        dirs = np.repeat(flat_directions(azimuths), len(heights), 0)
        origins = np.tile(pos, (len(dirs), 1))
        origins[:, 2] += np.tile(heights, BOX_AZIMUTHS)
        m = crowd.rays(origins, dirs, skip=int(i)).reshape(BOX_AZIMUTHS, -1)
        for name, value in (("frame", frame), ("size", size), ("static", s), ("moving", m),
                            ("known", k)):
            out[name].append(value)
    return {k: np.array(v) for k, v in out.items()}


def see_doors(around: Surroundings, crowd: Crowd, bodies: Bodies, index, player: Player):
    """dict side [B] (+1: the walker is on the panel's left), static, moving, known [B,24].

    Azimuths turn from the panel towards the walker's side.
    """
    out = {"side": [], "static": [], "moving": [], "known": []}
    for i in index:
        yaw = float(bodies.yaw[i])
        to = player.pos[:2] - bodies.pos[i, :2]
        side = 1.0 if -math.sin(yaw) * to[0] + math.cos(yaw) * to[1] >= 0 else -1.0
        azimuths = yaw + side * 2 * math.pi * np.arange(BOX_AZIMUTHS) / BOX_AZIMUTHS
        height = float(bodies.size[i, 2])
        s, k = around.around(bodies.pos[i], (height,), azimuths)
        origins = np.tile(bodies.pos[i], (BOX_AZIMUTHS, 1))
        origins[:, 2] += height
        m = crowd.rays(origins, flat_directions(azimuths), skip=int(i))
        for name, value in (("side", side), ("static", s[:, 0]), ("moving", m), ("known", k)):
            out[name].append(value)
    return {k: np.array(v) for k, v in out.items()}


KIND_NAMES = {BALL: "ball", BOX: "box", DOOR: "door"}
