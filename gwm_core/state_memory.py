"""Surroundings of a played world: rays and sounding materials from the kept pixels."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from .compiled import kernel
from .physics import PLAYER_HEIGHTS
from .rays import FAR
from .state_observe import LEVEL_REACH, RAY_REACH

MATERIAL_LABEL = 240
"""Labels from here on name a sounding material alone: 240 wood, stone, tile, carpet, metal,
plaster 245."""
PLASTER = 5
AT = 0.25


LOWEST, HIGHEST, VOXEL = 0.12, 1.68, 0.03
BESIDE, BEFORE = 0.025, 0.08
"""A seen point counts for a level ray that it lies beside (m), when it is this much nearer (m)
than the surfaces the ray meets: tops of things too low for the rays at their heights."""
INSIDE = 0.12
_POINTS: WeakKeyDictionary = WeakKeyDictionary()


def seen_points(frame) -> np.ndarray:
    """World points float32 [M,3] of a keyframe's kept pixels that could stop a walker.

    Between ankle and head (heights above z = 0), one per 3 cm cell, none beside a jump in depth.
    """
    if frame in _POINTS:
        return _POINTS[frame]
    h, w = frame.depth.shape
    depth = frame.depth
    keep = frame.keep.copy()
    for axis in (0, 1):
        for step in (1, -1):
            other = np.roll(depth, step, axis)
            keep &= np.abs(other - depth) < 0.06 * depth
    rows, cols = np.nonzero(keep)
    z = depth[rows, cols].astype(np.float64)
    c = frame.camera
    cam = np.stack([(cols + 0.5 - c.cx) / c.focal * z, (rows + 0.5 - c.cy) / c.focal * z, z], 1)
    from .raster import axes

    right, down, forward, eye = axes(frame.pose)
    points = cam @ np.stack([right, down, forward]) + eye
    points = points[(points[:, 2] > LOWEST) & (points[:, 2] < HIGHEST)]
    if len(points):
        cell = np.floor(points / VOXEL).astype(np.int64)
        key = (cell[:, 0] * 8191 + cell[:, 1]) * 8191 + cell[:, 2]
        points = points[np.unique(key, return_index=True)[1]]
    out = np.ascontiguousarray(points, np.float32)
    _POINTS[frame] = out
    return out


@kernel
def _nearest(points, place, first, bands, far, beside, out):
    """Lower out [A,H] to the distance of the nearest point beside each azimuth, by height."""
    count = out.shape[0]
    width = 2 * np.pi / count
    for i in range(points.shape[0]):
        x, y = points[i, 0] - place[0], points[i, 1] - place[1]
        d2 = x * x + y * y
        if d2 >= far * far:
            continue
        z = points[i, 2] - place[2]
        band = -1
        for b in range(len(bands) - 1):
            if bands[b] <= z < bands[b + 1]:
                band = b
        if band < 0:
            continue
        turn = (np.arctan2(y, x) - first) / width
        near = np.floor(turn + 0.5)
        d = np.sqrt(d2)
        if abs((turn - near) * width) * d > beside:
            continue
        k = int(near) % count
        if d < out[k, band]:
            out[k, band] = d


def point_profile(memory, place, heights, azimuths, far: float) -> np.ndarray:
    """Distances float64 [A,H] to seen points, `far` where none; azimuths evenly spaced [A]."""
    heights = np.asarray(heights, np.float64)
    middle = (heights[1:] + heights[:-1]) / 2
    bands = np.concatenate([[LOWEST], middle, [HIGHEST]])
    out = np.full((len(azimuths), len(heights)), far)
    place = np.asarray(place, np.float64)
    low, high = memory.boxes[:, :3], memory.boxes[:, 3:]
    for k in np.nonzero(((low <= place + far) & (high >= place - far))[:, :2].all(1))[0]:
        _nearest(seen_points(memory.keyframes[k]), place, float(azimuths[0]), bands, far, BESIDE,
                 out)
    return out


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
        if len(heights) == len(PLAYER_HEIGHTS):
            points = point_profile(self.memory, place, heights, azimuths, LEVEL_REACH)
            dist = np.where(points < dist - BEFORE, points, dist)
            dist = self._down(np.asarray(place, np.float64), heights, azimuths, dist)
        # What is not seen within reach is taken as free: it is imagined before one gets there.
        free = np.ones(len(dist), bool)
        return np.where(dist >= LEVEL_REACH, FAR, dist).astype(np.float32), free

    def _down(self, place, heights, azimuths, dist):
        """What was seen at one height goes on below it, unless one has looked through there.

        Close to a wall the picture shows its upper part alone.
        """
        from .clearance import seen_free

        out = np.array(dist)
        way = np.stack([np.cos(azimuths), np.sin(azimuths)], 1)
        for h in range(len(heights) - 2, -1, -1):
            above = out[:, h + 1]
            ask = np.nonzero((above < LEVEL_REACH) & (out[:, h] > above + BEFORE))[0]
            if not len(ask):
                continue
            points = np.empty((len(ask), 3))
            points[:, :2] = place[:2] + way[ask] * (above[ask] + INSIDE)[:, None]
            points[:, 2] = place[2] + heights[h]
            hidden = ask[~seen_free(self.memory, points)]
            out[hidden, h] = above[hidden]
        return out

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
