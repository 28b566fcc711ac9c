"""The judge's eyes: the points of a face, read from rendered frames and from nothing else.

The network is of the same kind as the product's, trained with other seeds, and no model sees it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...avatars.finder import SHIPPED, Finder, load_finder
from ..judges import FOLDER, load_judge
from ..judges.eyes import EyeJudge
from ..judges.lips import LipJudge
from .eye_sight import read_eyes
from .lip_sight import read_lips
from .points import mouth_numbers

JUDGE = FOLDER / "landmarks.safetensors"
EVERY = 5
"""Frames from one look at where the face is to the next."""


class Sight:
    """Reads the points of one face, and its lips and eyes closely, through a film."""

    def __init__(self, finder: Finder, independent: bool, lips: LipJudge | None = None,
                 eyes: EyeJudge | None = None) -> None:
        self.finder = finder
        self.independent = independent
        self.lips, self.eyes = lips, eyes

    def read(self, frames: np.ndarray, near: np.ndarray) -> np.ndarray:
        """uint8 [T, H, W, 3] of one face, and about where its points are at first [44, 2] ->
        float32 [T, 44, 2] in pixels."""
        if not len(frames):
            return np.zeros((0, *near.shape), np.float32)
        looks = np.arange(0, len(frames), EVERY)
        rough, _ = self.finder.read(frames[looks], near)
        return self.finder.read(frames, between(rough, looks, len(frames)))[0]

    def mouth(self, frames: np.ndarray, points: np.ndarray, portrait: np.ndarray,
              rest: np.ndarray) -> np.ndarray:
        """float32 [T, 8]: the numbers of the mouth (points.MOUTH) in frames whose points were
        read, by the lip judge; without one, of the points themselves."""
        if self.lips is None:
            return mouth_numbers(points, rest)
        return read_lips(self.lips, frames, points, portrait, rest)

    def look(self, frames: np.ndarray, points: np.ndarray, portrait: np.ndarray,
             rest: np.ndarray) -> np.ndarray | None:
        """float32 [T, 3] by the eye judge: how far the eyes are shut, their gaze to the right and
        up; None without one."""
        if self.eyes is None:
            return None
        return read_eyes(self.eyes, frames, points, portrait, rest)


def between(points: np.ndarray, at: np.ndarray, count: int) -> np.ndarray:
    """Points [count, 44, 2], straight from one known moment to the next."""
    flat = points.reshape(len(points), -1)
    filled = [np.interp(np.arange(count), at, column) for column in flat.T]
    return np.stack(filled, -1).reshape(count, *points.shape[1:])


def load_sight() -> Sight:
    """The judge's own network; where there is none, the product's, which is said."""
    own = Path(JUDGE).is_file()
    judges = [load_judge(name, judge)[0] if (FOLDER / f"{name}.safetensors").is_file() else None
              for name, judge in (("lips", LipJudge()), ("eyes", EyeJudge()))]
    return Sight(load_finder(JUDGE if own else SHIPPED), own, *judges)
