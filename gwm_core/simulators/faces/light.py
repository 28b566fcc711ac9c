"""Soft light on a head: a small map of gains that multiplies the painted colours.

The head is an ellipsoid under one light; what stands out or lies deep adds soft spots. The map is
GRID x GRID over the picture, whatever its size, and 128 is a gain of 1.
"""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import Canvas
from .pose import Pose

GRID = 48
ONE = 128


class Light:
    """The gains of one frame, gathered by ``spot`` and made by ``map``."""

    def __init__(self, pose: Pose):
        self.pose = pose
        self._spots: list[tuple] = []

    def spot(self, at: np.ndarray, rx: float, ry: float, gain) -> None:
        """Adds ``gain`` (one number or three) to the gain at ``at``, fading as a bell of
        deviations ``rx``, ``ry`` (face heights)."""
        rgb = (gain, gain, gain) if np.isscalar(gain) else tuple(gain)
        self._spots.append((at[0], at[1], rx, ry, *rgb))

    def map(self) -> np.ndarray:
        """float32 [GRID, GRID, 3]."""
        pose = self.pose
        i = pose.identity
        cell = pose.size / GRID
        axis = (np.arange(GRID, dtype=np.float32) + 0.5) * cell
        middle = pose.at_depth([[0, -0.05]], 0.12)[0]
        dx = ((axis - middle[0]) / pose.unit).astype(np.float32)
        dy = ((axis - middle[1]) / pose.unit).astype(np.float32)
        c, s = float(np.cos(pose.roll)), float(np.sin(pose.roll))
        x = (c * dx[None, :] + s * dy[:, None]) * (1 / (1.12 * i.width))
        y = (c * dy[:, None] - s * dx[None, :]) * 1.25
        z = cv2.sqrt(np.maximum(1 - x * x - y * y, 0))
        # flatter than a ball: a face looks forward over most of its width
        lx, ly, lz = (float(v) for v in i.light)
        side = (1.5 * 0.85 * lx) * x + (1.5 * 0.8 * ly) * y + (1.5 * 0.75 * lz) * (z - 1)
        gain = i.depth * (np.tanh(side) + 0.08)
        # the rim away from the light gets some of it back from the ground
        gain += 0.2 * i.depth * np.maximum(0.3 - z, 0)
        bright, shadow = 1 + np.maximum(gain, 0), np.minimum(gain, 0)
        out = np.empty((GRID, GRID, 3), np.float32)
        warm = (0.92, 1.02, 1.07) if i.kind == "human" else (1.0, 1.0, 0.9)
        for k in range(3):
            out[..., k] = bright + warm[k] * shadow
        if self._spots:
            p = np.array(self._spots, np.float32)
            bx = np.exp(-0.5 * ((axis[None] - p[:, :1]) / (p[:, 2:3] * pose.unit)) ** 2)
            by = np.exp(-0.5 * ((axis[None] - p[:, 1:2]) / (p[:, 3:4] * pose.unit)) ** 2)
            for k in range(3):
                out[..., k] += (by * p[:, 4 + k : 5 + k]).T @ bx
        # highlights roll off instead of burning out
        over = np.maximum(out - 1, 0)
        out -= over * over / (over + 0.5)
        out *= 0.96 * np.array(i.palette.cast, np.float32)
        return out


def sheet(gains: np.ndarray, side: int) -> np.ndarray:
    """The map as uint8 [side, side, 3] that ``shade`` multiplies by."""
    small = np.clip(gains * ONE, 0, 255).astype(np.uint8)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)


def shade(canvas: Canvas, outline: np.ndarray, gains: np.ndarray,
          texture: np.ndarray | None = None, affine: np.ndarray | None = None) -> None:
    """Multiplies what is inside ``outline`` by ``gains`` (of ``sheet``, of the whole canvas) and
    by ``texture`` (uint8, ONE is 1), placed by ``affine`` [2, 3] from its pixels to fine ones."""
    box = canvas.window(outline)
    if box is None:
        return
    x0, y0, x1, y1 = box
    ox, oy = canvas.origin
    part = canvas.pixels[y0:y1, x0:x1]
    out = cv2.multiply(part, gains[y0 + oy : y1 + oy, x0 + ox : x1 + ox], scale=1 / ONE)
    if texture is not None:
        placed = affine.copy()
        placed[:, 2] -= (x0 + ox, y0 + oy)
        grain = cv2.warpAffine(texture, placed, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR,
                               borderMode=cv2.BORDER_REFLECT)
        out = cv2.multiply(out, grain, scale=1 / ONE)
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [canvas.sheet(box, part).fixed(outline)], 255, cv2.LINE_8, 4)
    cv2.copyTo(out, mask, part)
