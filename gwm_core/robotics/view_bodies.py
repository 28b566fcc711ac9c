"""What moves on a table as rows of numbers, for whole batches of runs.

A row float64 [WIDTH] is: kind (NONE, BOX or BALL), label (0 still, 1 robot, 2.. things), centre
[3] (m), rotation [9] (its axes as columns, row by row), half sizes [3] (m), colour [3] 0..1.
"""

from __future__ import annotations

import numpy as np

from .rig import Rig, rotation

NONE, BOX, BALL = -1.0, 0.0, 1.0
WIDTH = 20
ROBOT, FIRST_THING = 1, 2
EDGE = 0.8
"""Share of a thing's extent by which it must reach between the fingers to be between them."""
LOOSE = 0.006
"""m by which a thing may seem wider than what is left for it: places are not exact."""


def rows_of(kind, label, centre, turn, half, rgb) -> np.ndarray:
    """Rows [.., WIDTH] from arrays of the same leading shape; turn [.., 3, 3]."""
    centre = np.asarray(centre, np.float64)
    out = np.empty((*centre.shape[:-1], WIDTH))
    out[..., 0], out[..., 1], out[..., 2:5] = kind, label, centre
    out[..., 5:14] = np.asarray(turn).reshape(*np.shape(turn)[:-2], 9)
    out[..., 14:17], out[..., 17:20] = half, rgb
    return out


def gripper(rig: Rig, robot, opening, around: np.ndarray) -> np.ndarray:
    """Parts of grippers at poses robot [B, 6], open by opening [B] (0..1), with the things around
    them [B, K, WIDTH]: rows [B, P, WIDTH]."""
    robot = np.asarray(robot, np.float64)
    gap = np.asarray(opening, np.float64) * rig.opening / 2
    turn = rotation(robot)
    aside = _aside(rig, robot, turn, gap, around)
    centre = np.tile(np.array([p.centre for p in rig.parts], np.float64), (len(robot), 1, 1))
    closes = np.array([p.closes for p in rig.parts])
    centre[..., 0] += closes * (rig.opening / 2 - gap[:, None]) + (closes != 0) * aside[:, None]
    # a sum, not a matrix product: its bits must not depend on the batch
    place = robot[:, None, :3] + (turn[:, None] * centre[:, :, None]).sum(-1)
    return rows_of(BOX, ROBOT, place, turn[:, None], np.array([p.half for p in rig.parts]),
                   np.array([p.rgb for p in rig.parts]))


def _aside(rig: Rig, robot, turn, gap, around: np.ndarray) -> np.ndarray:
    """How far both fingers give way along x [B] (m): each has a drive of its own, so they close on
    a thing where it is, not in the middle between them. gap [B]: half the way between them."""
    fingers = [p for p in rig.parts if p.closes]
    if not fingers or not around.shape[1]:
        return np.zeros(len(gap))
    middle = np.mean([p.centre for p in fingers], 0)
    reach = np.max([p.half for p in fingers], 0)
    away = around[..., 2:5] - robot[:, None, :3]
    # things' centres and half extents along the gripper's axes
    at = (away[..., None, :] * np.swapaxes(turn, 1, 2)[:, None]).sum(-1)
    axes = around[..., 5:14].reshape(*around.shape[:2], 3, 3)
    lean = np.abs((turn[:, None, :, :, None] * axes[..., :, None, :]).sum(2))
    extent = (lean * around[..., None, 14:17]).sum(-1)
    ball = around[..., 0] == BALL
    extent = np.where(ball[..., None], around[..., 14:15], extent)
    between = ((around[..., 0] >= 0) & (np.abs(at[..., 0]) < rig.opening / 2)
               & (np.abs(at[..., 1:] - middle[1:]) < reach[1:] + EDGE * extent[..., 1:]).all(-1))
    tight = extent[..., 0] - gap[:, None]
    held = between & (tight < LOOSE)
    low, high = at[..., 0] + tight, at[..., 0] - tight
    aside = np.where(low <= high, np.clip(0.0, low, high), at[..., 0])
    aside = np.where(held, aside, 0.0)
    nearest = np.where(held, np.abs(at[..., 0]), np.inf).argmin(1)
    return np.take_along_axis(aside, nearest[:, None], 1)[:, 0]


def things(kinds: tuple[str, ...], place, axes, half, rgb, present) -> np.ndarray:
    """Things of B runs: place, half, rgb [B, K, 3], axes [B, K, 6] (first two of a rotation's
    columns), present [B, K]; kinds "box" or "ball". Rows [B, K, WIDTH]."""
    axes = np.asarray(axes, np.float64)
    a, b = axes[..., :3], axes[..., 3:]
    kind = np.where(np.asarray(present) > 0.5,
                    [BALL if k == "ball" else BOX for k in kinds], NONE)
    label = FIRST_THING + np.arange(len(kinds))
    return rows_of(kind, label, place, np.stack([a, b, np.cross(a, b)], -1), half, rgb)


def upright(yaw) -> np.ndarray:
    """Axes [.., 6] of what stands upright, turned by yaw [..] (rad)."""
    c, s = np.cos(yaw), np.sin(yaw)
    zero = np.zeros_like(c)
    return np.stack([c, s, zero, -s, c, zero], -1)


def slab(rig: Rig, rgb) -> np.ndarray:
    """The table itself as a row [WIDTH]: its sides are seen from beside it."""
    under = 1e-4  # m: its top is drawn with its marks
    half = (rig.thickness - under) / 2
    return rows_of(BOX, 0, [0.0, 0.0, -under - half], np.eye(3), [rig.table, rig.table, half], rgb)
