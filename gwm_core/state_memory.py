"""Surroundings of a played world: rays and sounding materials from the kept pixels."""

from __future__ import annotations

import numpy as np

from .rays import FAR
from .state_observe import LEVEL_REACH, RAY_REACH

MATERIAL_LABEL = 240
"""Labels from here on name a sounding material alone: 240 wood, stone, tile, carpet, metal,
plaster 245."""
PLASTER = 5
AT = 0.25


class MemorySurroundings:
    """Rays against the kept surfaces of a Memory. `materials` uint8 [256]: material of a label."""

    def __init__(self, memory, materials=None):
        self.memory = memory
        self.materials = default_materials() if materials is None else materials

    def around(self, place, heights, azimuths):
        """See state_observe.Surroundings."""
        from .clearance import clearance

        dist, _ = clearance(self.memory, place, np.asarray(heights, np.float64),
                                np.asarray(azimuths, np.float64), far=LEVEL_REACH)
        # What is not seen within reach is taken as free: it is imagined before one gets there.
        free = np.ones(len(dist), bool)
        return np.where(dist >= LEVEL_REACH, FAR, dist).astype(np.float32), free

    def rays(self, origin, dirs):
        """See state_observe.Surroundings."""
        from .clearance import clearance_dirs

        dist, _ = clearance_dirs(self.memory, origin, dirs, far=RAY_REACH)
        free = np.ones(len(dist), bool)
        return np.where(dist >= RAY_REACH, FAR, dist).astype(np.float32), free

    def material(self, point) -> int:
        """Sounding material 0..5 of the kept surface nearest to a world point [3] (m)."""
        best, found = AT, PLASTER
        for frame in reversed(self.memory.keyframes):
            column, row, depth = (float(v) for v in frame.view(np.asarray(point)[None])[0])
            h, w = frame.depth.shape
            j, i = int(np.floor(column + 0.5)), int(np.floor(row + 0.5))
            if depth < 0.05 or not (0 <= j < w and 0 <= i < h):
                continue
            r0, r1, c0, c1 = max(i - 2, 0), min(i + 3, h), max(j - 2, 0), min(j + 3, w)
            gap = np.abs(frame.depth[r0:r1, c0:c1] - depth)
            label = self.materials[frame.label[r0:r1, c0:c1]]
            gap = np.where(label < 6, gap, np.inf)
            k = np.unravel_index(int(np.argmin(gap)), gap.shape)
            if gap[k] < best:
                best, found = float(gap[k]), int(label[k])
        return found


def default_materials() -> np.ndarray:
    """Materials of the labels that name one themselves, uint8 [256]; 255 for all others."""
    table = np.full(256, 255, np.uint8)
    table[MATERIAL_LABEL : MATERIAL_LABEL + 6] = np.arange(6)
    return table
