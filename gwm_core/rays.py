"""Rays against the moving bodies: distances to upright cuboids, spheres and the player.

The static memory has its own clearances (see guide); these add what stands or flies in it.
Compiled by numba: no compiler is needed on the user's machine.
"""

from __future__ import annotations

import math

import numpy as np

from .compiled import kernel

FAR = 6.0


def directions(elevations_deg, azimuths: int, poles: bool = False) -> np.ndarray:
    """Unit vectors float64 [E*azimuths (+2), 3], azimuth fastest, +x first, then up and down."""
    rows = []
    for e in elevations_deg:
        c, s = math.cos(math.radians(e)), math.sin(math.radians(e))
        for a in range(azimuths):
            t = 2 * math.pi * a / azimuths
            rows.append((c * math.cos(t), c * math.sin(t), s))
    if poles:
        rows += [(0.0, 0.0, 1.0), (0.0, 0.0, -1.0)]
    return np.array(rows)


def turned(dirs: np.ndarray, yaw: float) -> np.ndarray:
    """Directions [..., 3] turned about z by yaw (rad)."""
    c, s = math.cos(yaw), math.sin(yaw)
    out = np.empty_like(dirs)
    out[..., 0] = c * dirs[..., 0] - s * dirs[..., 1]
    out[..., 1] = s * dirs[..., 0] + c * dirs[..., 1]
    out[..., 2] = dirs[..., 2]
    return out


@kernel
def _cast(origins, dirs, cuboids, spheres, columns, skip, far, out):
    """Distances into out [M]; -0 and inside count as 0."""
    for m in range(origins.shape[0]):
        ox, oy, oz = origins[m, 0], origins[m, 1], origins[m, 2]
        dx, dy, dz = dirs[m, 0], dirs[m, 1], dirs[m, 2]
        best = far
        for k in range(cuboids.shape[0]):
            if cuboids[k, 7] == skip:
                continue
            c, s = math.cos(cuboids[k, 3]), math.sin(cuboids[k, 3])
            px, py = ox - cuboids[k, 0], oy - cuboids[k, 1]
            p = (c * px + s * py, -s * px + c * py, oz - cuboids[k, 2])
            d = (c * dx + s * dy, -s * dx + c * dy, dz)
            near, last = 0.0, best
            for a in range(3):
                h = cuboids[k, 4 + a]
                if abs(d[a]) < 1e-9:
                    if abs(p[a]) > h:
                        near = far + 1.0
                else:
                    t0, t1 = (-h - p[a]) / d[a], (h - p[a]) / d[a]
                    if t0 > t1:
                        t0, t1 = t1, t0
                    near, last = max(near, t0), min(last, t1)
            if near <= last and near < best:
                best = near
        for k in range(spheres.shape[0]):
            if spheres[k, 4] == skip:
                continue
            px, py, pz = ox - spheres[k, 0], oy - spheres[k, 1], oz - spheres[k, 2]
            b = px * dx + py * dy + pz * dz
            c2 = px * px + py * py + pz * pz - spheres[k, 3] * spheres[k, 3]
            if c2 <= 0:
                best = 0.0
            else:
                disc = b * b - c2
                if disc > 0 and b < 0:
                    best = min(best, -b - math.sqrt(disc))
        for k in range(columns.shape[0]):
            px, py = ox - columns[k, 0], oy - columns[k, 1]
            low, high, r = columns[k, 2], columns[k, 3], columns[k, 4]
            a2 = dx * dx + dy * dy
            if a2 > 1e-12:
                b = (px * dx + py * dy) / a2
                outside = px * px + py * py - r * r
                disc = b * b - outside / a2
                # What starts inside (a ball just thrown) passes out freely.
                if disc > 0 and outside > 0:
                    root = math.sqrt(disc)
                    t = max(-b - root, 0.0)
                    z = oz + t * dz
                    if -b + root > 0 and low <= z <= high:
                        best = min(best, t)
        out[m] = best


_NONE5 = np.zeros((0, 5))


def cast(origins, dirs, cuboids, spheres, columns=_NONE5, skip: int = -1,
         far: float = FAR) -> np.ndarray:
    """Distance float32 [M] along each ray to the first thing, `far` where there is none.

    origins, dirs [M,3] (unit directions); cuboids [K,8] and spheres [S,5] as bodies.cuboids and
    bodies.spheres return them; columns [C,5]: x, y, bottom, top, radius (the player's body).
    Things whose slot is `skip` are left out.
    """
    origins = np.ascontiguousarray(origins, np.float64)
    dirs = np.ascontiguousarray(dirs, np.float64)
    out = np.empty(len(origins), np.float32)
    _cast(origins, dirs, cuboids, spheres, columns, float(skip), far, out)
    return out
