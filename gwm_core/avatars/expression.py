"""Brows and cheeks: soft bumps in the skin, as a backward map of pixels.

Each bump has its own shape, a motion only says how high it is: shapes are tables that are made
once, in face heights about the brows, and summed for a motion.
"""

from __future__ import annotations

import cv2
import numpy as np

from .face_frame import FaceFrame, smooth
from .landmarks import INDEX as POINT
from .motion import INDEX

BROW, BROW_INNER, FROWN, CHEEK = 0.034, 0.026, 0.014, 0.012
CHEEK_WIDE, CHEEK_TALL = 0.09, 0.07
FAR = 3.4
"""Half widths of a brow beyond which its skin no longer moves."""
CELLS = 192
"""Cells of the tables per face height."""
_CHANNELS = [INDEX[n] for n in ("brow_left", "brow_right", "brow_inner", "smile")]


class Expression:
    def __init__(self, points: np.ndarray, frame: FaceFrame) -> None:
        self.frame = frame
        at = np.stack(frame.inward(*points.T.astype(np.float64)), 1).tolist()
        self.brows = []
        for side, sign in (("left", -1), ("right", 1)):
            outer, middle, inner = (at[POINT[f"brow_{side}{e}"]] for e in ("_outer", "", "_inner"))
            lid = at[POINT[f"eye_{side}_upper"]]
            # A brow ends where the lid begins: the eye must not move along.
            room = float(np.clip(lid[1] - max(middle[1], inner[1]), 0.02, 0.09))
            half = max(float(abs(outer[0] - inner[0])) / 2, 0.04)
            self.brows.append((sign, middle, inner, half, room))
        self.cheeks = [
            (0.45 * mouth[0] + 0.55 * eye[0] + 0.03 * sign, 0.45 * mouth[1] + 0.55 * eye[1])
            for mouth, eye, sign in (
                (at[POINT["mouth_left"]], at[POINT["eye_left_lower"]], -1),
                (at[POINT["mouth_right"]], at[POINT["eye_right_lower"]], 1))]

        # All that can move: brows with the skin around them, cheeks to four of their reaches.
        spots = [(m[0], FAR * half, m[1] - 0.2, m[1] + 0.2) for _, m, _, half, _ in self.brows]
        spots += [(e[0], FAR * half, e[1] - 0.2, e[1] + 0.2) for _, _, e, half, _ in self.brows]
        spots += [(u, 4 * CHEEK_WIDE, v - 4 * CHEEK_TALL, v + 4 * CHEEK_TALL)
                  for u, v in self.cheeks]
        at, wide, high, low = np.array(spots).T
        self._corner = float((at - wide).min()), float(high.min())
        size = float((at + wide).max()) - self._corner[0], float(low.max()) - self._corner[1]
        columns, rows = (int(np.ceil(CELLS * n)) + 1 for n in size)
        self._shapes = self._bumps(*np.meshgrid(self._corner[0] + np.arange(columns) / CELLS,
                                                self._corner[1] + np.arange(rows) / CELLS))

    def moves(self, motion: np.ndarray) -> bool:
        return bool(np.any(motion[_CHANNELS]))

    def pose(self, motion: np.ndarray) -> np.ndarray | None:
        """How far the skin goes in ``motion`` [24]: pixels of the picture along x and y, float32
        [2, rows, columns] over the tables; None where it stays."""
        if not self.moves(motion):
            return None
        left, right, inner, smile = (float(motion[i]) for i in _CHANNELS)
        along, down = [], []
        for (sign, _, _, _, room), lift in zip(self.brows, (left, right), strict=True):
            # Down, a brow has less room than up.
            down += [_within(BROW * lift, room), _within(BROW_INNER * inner, room)]
            along += [0.0, sign * FROWN * min(inner, 0.0)]
        down.append(CHEEK * max(smile, 0.0))
        along.append(0.0)
        x, y = self.frame.moved(0.0, 0.0, -np.array(along), np.array(down))
        return np.tensordot(np.stack([x, y]).astype(np.float32), self._shapes, 1)

    def backward(self, x, y, pose: np.ndarray | None):
        """Pixels -> pixels of the portrait, of what ``pose`` gave."""
        if pose is None:
            return x, y
        u, v = self.frame.inward(x, y)
        at = [np.float32((place - first) * CELLS).reshape(-1, np.shape(x)[-1])
              for place, first in zip((u, v), self._corner, strict=True)]
        dx, dy = (cv2.remap(table, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
                  for table in pose)
        return x + dx.reshape(np.shape(x)), y + dy.reshape(np.shape(y))

    def _bumps(self, u, v) -> np.ndarray:
        """float32 [5, rows, columns], 0..1, at places in face heights: both brows, each as a whole
        and at its inner end, and the cheeks."""
        shapes = []
        for sign, middle, end, half, room in self.brows:
            line = middle[1] + (end[1] - middle[1]) * np.clip(
                (u - middle[0]) / (end[0] - middle[0] - sign * 1e-6), 0, 1)
            tall = np.where(v < line, smooth(1 - (line - v) / 0.17), smooth(1 - (v - line) / room))
            shapes.append(tall * smooth(1.9 - np.abs(u - middle[0]) / half))
            shapes.append(np.exp(-((u - end[0]) / (0.85 * half)) ** 2) * tall)
        shapes.append(sum(np.exp(-((u - cu) / CHEEK_WIDE) ** 2 - ((v - cv) / CHEEK_TALL) ** 2)
                          for cu, cv in self.cheeks))
        return np.stack(shapes).astype(np.float32)


def _within(move: float, room: float) -> float:
    return max(move, -0.5 * room)
