"""How a face moves, read from its points: the numbers of a face become channels of a motion.

The reader is a ridge regression fitted in closed form on the simulator's faces of the training
split. It knows how far a turned head moves its points, whoever drew the face, so that a portrait
which is moved too little is read as moving too little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...avatars.motion import INDEX
from .points import face_numbers

READ = ("blink", "gaze_x", "gaze_y", "yaw", "pitch", "roll", "smile", "brow")
PENALTY = 1e-3
USUAL = np.array([0.3, 0.1, 0.1, 0.03, 0.03, 0.1, 0.01, 0.01, 0.02, 0.02, 0.02, 0.02, 0.05, 0.05])
"""Usual size of each number of FACE."""


def channels(motion: np.ndarray) -> np.ndarray:
    """What READ stands for in a motion [T, 24], float [T, len(READ)]."""
    def of(*names: str) -> np.ndarray:
        return np.mean([motion[:, INDEX[n]] for n in names], 0)

    return np.stack([of("blink_left", "blink_right"), of("gaze_x"), of("gaze_y"), of("yaw"),
                     of("pitch"), of("roll"), of("smile"), of("brow_left", "brow_right")], -1)


@dataclass(frozen=True)
class Gauge:
    """weights [len(FACE), len(READ)]; r: correlation of each channel on faces not fitted on."""

    weights: np.ndarray
    r: dict[str, float]

    @classmethod
    def fitted(cls, numbers: np.ndarray, motion: np.ndarray) -> Gauge:
        """On numbers [N, len(FACE)] of true faces and their motions [N, 24]; every fifth row only
        scores."""
        x, y = numbers.astype(float) / USUAL, channels(motion)
        learn = np.arange(len(x)) % 5 != 0
        inside = x[learn].T @ x[learn] + PENALTY * len(x) * np.eye(x.shape[1])
        weights = np.linalg.solve(inside, x[learn].T @ y[learn])
        told = x[~learn] @ weights
        r = {name: float(np.corrcoef(told[:, i], y[~learn][:, i])[0, 1])
             for i, name in enumerate(READ)}
        return cls(weights, r)

    def read(self, points: np.ndarray, rest: np.ndarray) -> dict[str, np.ndarray]:
        """Curves [T] by name, of points [T, 44, 2] of a face that rests at ``rest`` [44, 2]."""
        told = face_numbers(points, rest) / USUAL @ self.weights
        return {name: told[:, i] for i, name in enumerate(READ)}
