"""A smooth map of a picture that is known at the middles of coarse cells: cheap to make and use."""

from __future__ import annotations

import cv2
import numpy as np

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1: pixels from the first to before the last."""


class CoarseMap:
    """x, y float32 [ny, nx]: the middles of the cells that fill ``box``, in pixels."""

    def __init__(self, box: Box, cell: float) -> None:
        x0, y0, x1, y1 = self.box = box
        nx, ny = (max(int(np.ceil(n / max(cell, 1.0))), 2) for n in (x1 - x0, y1 - y0))
        self._scale = nx / (x1 - x0), ny / (y1 - y0)
        x = x0 + (np.arange(nx) + 0.5) / self._scale[0]
        y = y0 + (np.arange(ny) + 0.5) / self._scale[1]
        self.x, self.y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        self._centres = centres(box)

    def fine(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A map given at the cells -> at every pixel of the box, float32 [h, w] each."""
        x0, y0, x1, y1 = self.box
        size = (x1 - x0, y1 - y0)
        cx, cy = self._centres
        return (cv2.resize(x - self.x, size, interpolation=cv2.INTER_LINEAR) + cx,
                cv2.resize(y - self.y, size, interpolation=cv2.INTER_LINEAR) + cy)

    def fine_in(self, box: Box, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same at the pixels of a smaller box."""
        cx, cy = centres(box)
        at = ((cx - self.box[0]) * self._scale[0] - 0.5, (cy - self.box[1]) * self._scale[1] - 0.5)
        return (cv2.remap(x - self.x, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) + cx,
                cv2.remap(y - self.y, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) + cy)

    def around(self, inside: np.ndarray) -> Box | None:
        """The pixels of the cells where ``inside`` [ny, nx], and one cell more; None if there are
        none."""
        columns, rows = np.flatnonzero(inside.any(0)), np.flatnonzero(inside.any(1))
        if not len(columns):
            return None
        x0, y0, x1, y1 = self.box
        sx, sy = self._scale
        return (max(int(x0 + (columns[0] - 1) / sx), x0), max(int(y0 + (rows[0] - 1) / sy), y0),
                min(int(np.ceil(x0 + (columns[-1] + 2) / sx)), x1),
                min(int(np.ceil(y0 + (rows[-1] + 2) / sy)), y1))


def centres(box: Box) -> tuple[np.ndarray, np.ndarray]:
    """float32 [h, w] x, y: the centres of the pixels of a box."""
    x0, y0, x1, y1 = box
    half = np.float32(0.5)
    x, y = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    return x + half, y + half
