"""Brows and cheeks: soft bumps in the skin, as a backward map in face heights."""

from __future__ import annotations

import numpy as np

from .face_frame import FaceFrame, moved_where, smooth
from .landmarks import INDEX as POINT
from .motion import INDEX

BROW, BROW_INNER, FROWN, CHEEK = 0.034, 0.026, 0.014, 0.012
CHEEK_WIDE, CHEEK_TALL = 0.09, 0.07
FAR = 3.4
"""Half widths of a brow beyond which its skin no longer moves."""
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
        self.box = (float((at - wide).min()), float((at + wide).max()), float(high.min()),
                    float(low.max()))

    def moves(self, motion: np.ndarray) -> bool:
        return bool(np.any(motion[_CHANNELS]))

    def backward(self, x, y, motion: np.ndarray):
        """Pixels -> pixels of the portrait."""
        if not self.moves(motion):
            return x, y
        u, v = self.frame.inward(x, y)
        u0, u1, v0, v1 = self.box
        return moved_where((u > u0) & (u < u1) & (v > v0) & (v < v1), self.frame, x, y, u, v,
                           lambda u, v: self._change(u, v, motion))

    def _change(self, u, v, motion: np.ndarray):
        """du, dv of places in face heights."""
        left, right, inner, smile = (float(motion[i]) for i in _CHANNELS)
        du, dv = np.zeros_like(u), np.zeros_like(v)
        for (sign, middle, end, half, room), lift in zip(self.brows, (left, right), strict=True):
            if lift or inner:
                line = middle[1] + (end[1] - middle[1]) * np.clip(
                    (u - middle[0]) / (end[0] - middle[0] - sign * 1e-6), 0, 1)
                tall = np.where(v < line, smooth(1 - (line - v) / 0.17),
                                smooth(1 - (v - line) / room))
                # Down, a brow has less room than up.
                wide = smooth(1.9 - np.abs(u - middle[0]) / half)
                dv -= _within(BROW * lift, room) * tall * wide
                close = np.exp(-((u - end[0]) / (0.85 * half)) ** 2) * tall
                dv -= _within(BROW_INNER * inner, room) * close
                if inner < 0:
                    du += -sign * FROWN * -inner * close
        if smile > 0:
            for cu, cv in self.cheeks:
                dv -= CHEEK * smile * np.exp(
                    -((u - cu) / CHEEK_WIDE) ** 2 - ((v - cv) / CHEEK_TALL) ** 2)
        return -du, -dv


def _within(move: float, room: float) -> float:
    return max(move, -0.5 * room)
