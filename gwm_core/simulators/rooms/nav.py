"""Ways through a plan: a clearance grid and distance fields on it."""

from __future__ import annotations

import numpy as np

from ...compiled import kernel
from .layout import Layout

CELL = 0.1


@kernel
def _field(free, gi, gj, out):
    """Distance in cells from (gi, gj) over free cells, 8-connected; 1e9 where unreachable."""
    h, w = free.shape
    for i in range(h):
        for j in range(w):
            out[i, j] = 1e9
    size = h * w * 4
    queue = np.empty((size, 2), np.int32)
    head, tail = 0, 1
    queue[0, 0], queue[0, 1] = gi, gj
    out[gi, gj] = 0.0
    while head < tail:
        i, j = queue[head, 0], queue[head, 1]
        head += 1
        for di in range(-1, 2):
            for dj in range(-1, 2):
                if di == 0 and dj == 0:
                    continue
                a, b = i + di, j + dj
                if a < 0 or b < 0 or a >= h or b >= w or not free[a, b]:
                    continue
                if di != 0 and dj != 0 and not (free[i, b] and free[a, j]):
                    continue
                d = out[i, j] + (1.4142 if di != 0 and dj != 0 else 1.0)
                if d < out[a, b] - 1e-6 and tail < size:
                    out[a, b] = d
                    queue[tail, 0], queue[tail, 1] = a, b
                    tail += 1


class Map:
    """Where a walker of radius .25 m fits (with a little room to spare)."""

    def __init__(self, layout: Layout, solid: np.ndarray, radius: float = 0.31) -> None:
        self.layout = layout
        self.x0 = min(r.x0 for r in layout.rooms) - 0.3
        self.y0 = min(r.y0 for r in layout.rooms) - 0.3
        x1, y1 = max(r.x1 for r in layout.rooms), max(r.y1 for r in layout.rooms)
        w, h = int((x1 + 0.3 - self.x0) / CELL) + 1, int((y1 + 0.3 - self.y0) / CELL) + 1
        xs = self.x0 + (np.arange(w) + 0.5) * CELL
        ys = self.y0 + (np.arange(h) + 0.5) * CELL
        free = np.ones((h, w), bool)
        for cx, cy, cz, hx, hy, hz in solid:
            if cz - hz > 1.7:
                continue
            dx = np.maximum(np.abs(xs - cx) - hx, 0)
            dy = np.maximum(np.abs(ys - cy) - hy, 0)
            free &= (dx[None] ** 2 + dy[:, None] ** 2) > radius**2
        self.free = free
        self._fields: dict[tuple[int, int], np.ndarray] = {}

    def cell(self, x: float, y: float) -> tuple[int, int]:
        i = int(np.clip((y - self.y0) / CELL, 0, self.free.shape[0] - 1))
        j = int(np.clip((x - self.x0) / CELL, 0, self.free.shape[1] - 1))
        return i, j

    def is_free(self, x: float, y: float) -> bool:
        return bool(self.free[self.cell(x, y)])

    def field(self, x: float, y: float) -> np.ndarray:
        """Distance field in metres towards a goal (snapped to the nearest free cell)."""
        i, j = self.nearest(x, y)
        if (i, j) not in self._fields:
            if len(self._fields) > 24:
                self._fields.clear()
            out = np.empty(self.free.shape)
            _field(self.free, i, j, out)
            self._fields[(i, j)] = out * CELL
        return self._fields[(i, j)]

    def nearest(self, x: float, y: float) -> tuple[int, int]:
        i, j = self.cell(x, y)
        if self.free[i, j]:
            return i, j
        for r in range(1, 12):
            a0, a1 = max(i - r, 0), min(i + r + 1, self.free.shape[0])
            b0, b1 = max(j - r, 0), min(j + r + 1, self.free.shape[1])
            block = np.argwhere(self.free[a0:a1, b0:b1])
            if len(block):
                d = np.hypot(block[:, 0] + a0 - i, block[:, 1] + b0 - j)
                a, b = block[int(np.argmin(d))]
                return int(a + a0), int(b + b0)
        return i, j

    def heading(self, field: np.ndarray, x: float, y: float, reach: int = 5) -> float | None:
        """World azimuth to walk along, looking `reach` cells ahead; None where there is no way."""
        i, j = self.nearest(x, y)
        if field[i, j] > 1e6 * CELL:
            return None
        for _ in range(reach):
            best, bi, bj = field[i, j], i, j
            for a in range(max(i - 1, 0), min(i + 2, field.shape[0])):
                for b in range(max(j - 1, 0), min(j + 2, field.shape[1])):
                    if field[a, b] < best and self.free[a, j] and self.free[i, b]:
                        best, bi, bj = field[a, b], a, b
            if (bi, bj) == (i, j):
                break
            i, j = bi, bj
        tx, ty = self.x0 + (j + 0.5) * CELL, self.y0 + (i + 0.5) * CELL
        if np.hypot(tx - x, ty - y) < 0.05:
            return None
        return float(np.arctan2(ty - y, tx - x))

    def random_point(self, rng, room: int | None = None) -> tuple[float, float]:
        r = self.layout.rooms[int(rng.integers(len(self.layout.rooms))) if room is None else room]
        for _ in range(40):
            x, y = rng.uniform(r.x0 + 0.35, r.x1 - 0.35), rng.uniform(r.y0 + 0.35, r.y1 - 0.35)
            if self.is_free(x, y):
                return float(x), float(y)
        return float(r.centre[0]), float(r.centre[1])
