"""Rays against the fixed solids of a plan, which are all axis-aligned boxes."""

from __future__ import annotations

import math

import numpy as np

from ...compiled import kernel


@kernel
def _horizontal(solid, p, heights, azimuths, far, out):
    for a in range(azimuths.shape[0]):
        dx, dy = math.cos(azimuths[a]), math.sin(azimuths[a])
        ix = 1.0 / dx if abs(dx) > 1e-12 else 1e12
        iy = 1.0 / dy if abs(dy) > 1e-12 else 1e12
        for h in range(heights.shape[0]):
            out[a, h] = far
        for b in range(solid.shape[0]):
            t0 = (solid[b, 0] - solid[b, 3] - p[0]) * ix
            t1 = (solid[b, 0] + solid[b, 3] - p[0]) * ix
            u0 = (solid[b, 1] - solid[b, 4] - p[1]) * iy
            u1 = (solid[b, 1] + solid[b, 4] - p[1]) * iy
            near = max(min(t0, t1), min(u0, u1))
            last = min(max(t0, t1), max(u0, u1))
            if last < max(near, 0.0):
                continue
            near = max(near, 0.0)
            for h in range(heights.shape[0]):
                if abs(p[2] + heights[h] - solid[b, 2]) <= solid[b, 5] and near < out[a, h]:
                    out[a, h] = near


def horizontal(solid, position, heights, azimuths, far: float) -> np.ndarray:
    """Distances float64 [A, Hn] of level rays; `far` where nothing is hit."""
    out = np.empty((len(azimuths), len(heights)))
    _horizontal(solid, position, heights, azimuths, far, out)
    return out


@kernel
def _cast(solid, o, dirs, far, out):
    for m in range(dirs.shape[0]):
        best = far
        if dirs[m, 2] < -1e-9:
            best = min(best, o[2] / -dirs[m, 2])
        for b in range(solid.shape[0]):
            near, last = 0.0, best
            for k in range(3):
                low, high = solid[b, k] - solid[b, k + 3], solid[b, k] + solid[b, k + 3]
                if abs(dirs[m, k]) < 1e-12:
                    if o[k] < low or o[k] > high:
                        near = far + 1.0
                else:
                    s, t = (low - o[k]) / dirs[m, k], (high - o[k]) / dirs[m, k]
                    near, last = max(near, min(s, t)), min(last, max(s, t))
            if near <= last:
                best = near
        out[m] = best


def cast(solid, origin, directions, far: float) -> np.ndarray:
    """Distances float64 [M] along unit directions [M,3]; the floor z = 0 counts as solid."""
    out = np.empty(len(directions))
    _cast(solid, origin, np.ascontiguousarray(directions), far, out)
    return out
