"""Surroundings of a played world: rays and sounding materials from the kept pixels."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from .compiled import kernel
from .physics import PLAYER_HEIGHTS
from .rays import FAR
from .state_observe import FLOOR_BLUR, LEVEL_REACH, RAY_REACH

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
ABOVE = (0.7, 1.15, 1.55)
"""Heights (m) at which a picture that looked through a place says that nothing stands there."""
CUT, GOES_ON = 6, (0.08, 0.16, 0.24)
"""A level surface that the lower edge of a picture cuts off (rows) goes on towards the eye (m)."""
REAL = "first"
"""Origin of the keyframes that show what is; the others were imagined."""
_POINTS: WeakKeyDictionary = WeakKeyDictionary()
_HEADINGS: WeakKeyDictionary = WeakKeyDictionary()


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
    if frame.origin == REAL:
        points = np.concatenate([points, _cut_off(points, rows, cols, h, eye)])
    points = points[(points[:, 2] > LOWEST) & (points[:, 2] < HIGHEST)]
    if len(points):
        cell = np.floor(points / VOXEL).astype(np.int64)
        key = (cell[:, 0] * 8191 + cell[:, 1]) * 8191 + cell[:, 2]
        points = points[np.unique(key, return_index=True)[1]]
    out = np.ascontiguousarray(points, np.float32)
    _POINTS[frame] = out
    return out


def _cut_off(points, rows, cols, h: int, eye) -> np.ndarray:
    """Points [M,3] of the level surfaces that go on below the picture, towards the eye."""
    width = int(cols.max(initial=0)) + 1
    height = np.full((h, width), np.nan)
    height[rows, cols] = points[:, 2]
    edge = np.nonzero((rows == h - 2) & (points[:, 2] > LOWEST))[0]  # the last row may be missing
    if not len(edge) or h <= CUT:
        return points[:0]
    # A wall loses height from row to row, a level surface does not.
    rise = np.abs(height[h - 2 - CUT, cols[edge]] - points[edge, 2])
    away = np.linalg.norm(points[edge] - eye, axis=1)
    edge = edge[rise < 0.3 * CUT / h * away]
    out = np.repeat(points[edge], len(GOES_ON), 0)
    back = eye[:2] - out[:, :2]
    far = np.hypot(back[:, 0], back[:, 1])
    out[:, :2] += back * (np.tile(GOES_ON, len(edge)) / np.maximum(far, 1e-6))[:, None]
    return out


def wall_heading(frame) -> float:
    """Heading (rad, within 45 degrees of 0) that most walls of a picture run along or across."""
    if frame in _HEADINGS:
        return _HEADINGS[frame]
    from .raster import axes

    h, w = frame.depth.shape
    c, step = frame.camera, 4
    rows, cols = np.mgrid[0:h:step, 0:w:step]
    z = frame.depth[::step, ::step].astype(np.float64)
    cam = np.stack([(cols + 0.5 - c.cx) / c.focal * z, (rows + 0.5 - c.cy) / c.focal * z, z], -1)
    right, down, forward, _ = axes(frame.pose)
    points = cam @ np.stack([right, down, forward])
    normal = np.cross(points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    upright = (np.abs(normal[..., 2]) < 0.2) & frame.keep[::step, ::step][1:-1, 1:-1]
    angle = 4 * np.arctan2(normal[..., 1], normal[..., 0])[upright]
    best = 0.0
    if len(angle):
        # The fullest of 3-degree bins (of the quarter turn), then the mean about it.
        bins = np.floor(np.mod(angle, 2 * np.pi) / (2 * np.pi) * 30).astype(int) % 30
        full = np.bincount(bins, minlength=30)
        middle = (np.argmax(full + np.roll(full, 1) + np.roll(full, -1)) + 0.5) / 30 * 2 * np.pi
        near = np.remainder(angle - middle + np.pi, 2 * np.pi) - np.pi
        near = near[np.abs(near) < 0.35]
        best = float(np.remainder(middle + np.median(near) + np.pi, 2 * np.pi) - np.pi) / 4
    _HEADINGS[frame] = best
    return best


class Part:
    """Some keyframes of a Memory, as far as rays need them."""

    def __init__(self, memory, ids):
        self.keyframes = [memory.keyframes[i] for i in ids]
        for name in ("table", "sources", "boxes", "depths", "views"):
            setattr(self, name, getattr(memory, name)[ids])


def denied(part: Part, points) -> np.ndarray:
    """bool [M]: a real picture looked through the air right above these world points [M,3]."""
    from .clearance import seen_free

    points = np.asarray(points, np.float64)
    column = np.repeat(points[:, None], len(ABOVE), 1)
    column[..., 2] = ABOVE
    seen = seen_free(part, column.reshape(-1, 3)).reshape(-1, len(ABOVE))
    return (seen & (column[..., 2] > points[:, 2:] - 0.1)).any(1)


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
    """Rays against the kept surfaces of a Memory. `materials` uint8 [256]: material of a label.

    What was imagined stops nobody where a real picture saw that one can pass.
    """

    def __init__(self, memory, materials=None):
        self.memory = memory
        self.materials = default_materials() if materials is None else materials
        real = np.array([k.origin == REAL for k in memory.keyframes], bool)
        self.real = Part(memory, np.nonzero(real)[0]) if real.any() and not real.all() else None
        first = memory.keyframes[int(np.argmax(real))] if len(real) else None
        self.axes = 0.0 if first is None else wall_heading(first)

    def around(self, place, heights, azimuths):
        """See state_observe.Surroundings."""
        place, azimuths = np.asarray(place, np.float64), np.asarray(azimuths, np.float64)
        heights = np.asarray(heights, np.float64)
        dist = self._around(self.memory, place, heights, azimuths)
        if self.real is not None:
            near, level = np.nonzero(dist < LEVEL_REACH)
            reach = dist[near, level] + INSIDE
            points = np.stack([place[0] + np.cos(azimuths[near]) * reach,
                               place[1] + np.sin(azimuths[near]) * reach,
                               place[2] + heights[level]], 1)
            no = denied(self.real, points)
            if no.any():
                near, level = near[no], level[no]
                real = self._around(self.real, place, heights, azimuths)[near, level]
                old = dist[near, level]
                dist[near, level] = np.where(old < real - BEFORE, real, old)
        # What is not seen within reach is taken as free: it is imagined before one gets there.
        free = np.ones(len(dist), bool)
        return np.where(dist >= LEVEL_REACH, FAR, dist).astype(np.float32), free

    def _around(self, memory, place, heights, azimuths):
        """Distances float64 [A,H] to the surfaces of a Memory or of a Part of it."""
        from .clearance import carry_down, clearance

        dist, _ = clearance(memory, place, heights, azimuths, far=LEVEL_REACH, looked=False)
        dist = dist.astype(np.float64)
        if len(heights) == len(PLAYER_HEIGHTS):
            points = point_profile(memory, place, heights, azimuths, LEVEL_REACH)
            dist = np.where(points < dist - BEFORE, points, dist)
            # What was seen at one height goes on below it: close to a wall the picture shows its
            # upper part alone.
            carry_down(memory, place, heights, azimuths, dist, LEVEL_REACH, BEFORE, INSIDE)
        return dist

    def rays(self, origin, dirs):
        """See state_observe.Surroundings."""
        from .clearance import clearance_dirs

        dirs = np.asarray(dirs, np.float64)
        dist, _ = clearance_dirs(self.memory, origin, dirs, far=RAY_REACH, looked=False)
        if self.real is not None:
            points = np.asarray(origin, np.float64) + dirs * (dist[:, None] + 0.05)
            near = np.nonzero((dist < RAY_REACH) & (points[:, 2] > FLOOR_BLUR))[0]
            near = near[denied(self.real, points[near])] if len(near) else near
            if len(near):
                real, _ = clearance_dirs(self.real, origin, dirs[near], far=RAY_REACH,
                                         looked=False)
                dist[near] = np.where(dist[near] < real - 0.02, real, dist[near])
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
