"""From poses that Runway's client sends to actions of the table.

The client sends absolute poses ("end-effector pose x, y, z, roll, pitch, yaw" and a continuous
gripper state; it fills a short chunk up by repeating its last row, which only for a pose means to
stand still). The table's actions are changes a tick. Of a pose

    x, y, z           m, between the finger tips; (0, 0, 0) is the middle of the table's top, x to
                      the right and y away in the front view, z up
    roll, pitch, yaw  rad, about these fixed axes in this order; 0 is straight down
    gripper           0 open .. 1 closed, as in DROID; beyond it is cut

The first pose of a run is the one at its first look, as the client repeats its first action there.
Where it is within ``REACH`` of the table the gripper begins at it. Otherwise it is a pose in
another robot's frame: the gripper begins at ``RESTING``, and goes on from there by what the poses
change since the first one (the axes are taken as parallel to the table's).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..model.contacts import LIMIT_HIGH, LIMIT_LOW, Robot
from ..robotics.rig import rotation

REACH = (np.array(LIMIT_LOW), np.array(LIMIT_HIGH))
"""Lowest and highest pose [6] that the gripper goes to."""
RESTING = np.array([0.0, 0.0, 0.14, 0.0, 0.0, 0.0])
"""Pose [6] that is assumed where none is known: above the middle of the table."""
CLOSE = 0.5
"""How much the fingers close in a tick under the largest action, of 0 open .. 1 closed."""


@dataclass(frozen=True, eq=False)
class Frame:
    """How a client's poses lie on this table; ``first`` [6] is its first one where they are those
    of another robot's frame, else None."""

    first: np.ndarray | None = None

    @classmethod
    def of(cls, action: np.ndarray) -> Frame:
        """The frame of a run whose first pose is ``action`` [7]."""
        pose = np.asarray(action[:6], np.float64)
        low, high = REACH
        return cls(None if ((low <= pose) & (pose <= high)).all() else pose)

    def pose(self, action: np.ndarray) -> np.ndarray:
        """Where on this table a row [7] tells the gripper to be, float64 [6]."""
        pose = np.asarray(action[:6], np.float64)
        if self.first is None:
            return pose
        turned = angles(rotation(pose) @ rotation(self.first).T)
        return RESTING + np.concatenate([pose[:3] - self.first[:3], turned])


def angles(turn: np.ndarray) -> np.ndarray:
    """roll, pitch, yaw [3] of a rotation [3, 3]."""
    return np.array([math.atan2(turn[2, 1], turn[2, 2]),
                     math.asin(float(np.clip(-turn[2, 0], -1, 1))),
                     math.atan2(turn[1, 0], turn[0, 0])])


def felt(frame: Frame, action: np.ndarray) -> np.ndarray:
    """Proprioception float32 [9] of a gripper that stands where ``action`` [7] says and feels
    nothing: its pose, opening, effort 0, force 0."""
    low, high = REACH
    pose = np.clip(frame.pose(action), low, high)
    return np.array([*pose, 1 - np.clip(action[6], 0, 1), 0, 0], np.float32)


def command(frame: Frame, action: np.ndarray, robot: Robot, limits: tuple) -> np.ndarray:
    """The table's action float32 [1, 7] that brings the gripper of one run towards ``action`` [7],
    cut to ``limits`` (lowest, highest): what is too far for a tick is made up for in the next."""
    change = frame.pose(action) - robot.target[0].numpy()
    far = np.abs(change[3:]) > math.pi
    change[3:][far] -= 2 * math.pi * np.round(change[3:][far] / (2 * math.pi))
    close = (np.clip(action[6], 0, 1) - float(robot.closing)) / CLOSE
    return np.clip([[*change, close]], *limits).astype(np.float32)
