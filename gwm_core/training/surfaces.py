"""Cuts the depth of a panorama into planes: a surface index per pixel and one plane per surface.

Rooms are made of planes, so a plane fit is both the smallest and the most exact way to keep
their depth; pixels that mix two depths at an edge fall to the surface that explains them best.
"""

from __future__ import annotations

import math

import numpy as np

from ..compiled import kernel

MAX_SURFACES = 254


@kernel
def _fit(points, members, count, plane):
    """Least squares of q . P = 1 over the given pixels, relative in range; sets plane."""
    a = np.zeros((3, 3))
    b = np.zeros(3)
    for k in range(count):
        j, i = members[k, 0], members[k, 1]
        x, y, z = points[j, i, 0], points[j, i, 1], points[j, i, 2]
        a[0, 0] += x * x
        a[0, 1] += x * y
        a[0, 2] += x * z
        a[1, 1] += y * y
        a[1, 2] += y * z
        a[2, 2] += z * z
        b[0] += x
        b[1] += y
        b[2] += z
    a[1, 0], a[2, 0], a[2, 1] = a[0, 1], a[0, 2], a[1, 2]
    trace = a[0, 0] + a[1, 1] + a[2, 2]
    for d in range(3):
        a[d, d] += 1e-9 * trace
    det = (
        a[0, 0] * (a[1, 1] * a[2, 2] - a[1, 2] * a[2, 1])
        - a[0, 1] * (a[1, 0] * a[2, 2] - a[1, 2] * a[2, 0])
        + a[0, 2] * (a[1, 0] * a[2, 1] - a[1, 1] * a[2, 0])
    )
    if abs(det) < 1e-30:
        return False
    solution = np.linalg.solve(a, b)
    plane[0], plane[1], plane[2] = solution[0], solution[1], solution[2]
    return True


@kernel
def _normal(points, label, j, i, plane):
    """Plane through a pixel from its neighbours two steps away; False at edges."""
    height, width = label.shape
    if j < 2 or j >= height - 2:
        return False
    left, right = (i - 2) % width, (i + 2) % width
    g = label[j, i]
    if label[j, left] != g or label[j, right] != g or label[j - 2, i] != g or label[j + 2, i] != g:
        return False
    ax = points[j, right, 0] - points[j, left, 0]
    ay = points[j, right, 1] - points[j, left, 1]
    az = points[j, right, 2] - points[j, left, 2]
    bx = points[j + 2, i, 0] - points[j - 2, i, 0]
    by = points[j + 2, i, 1] - points[j - 2, i, 1]
    bz = points[j + 2, i, 2] - points[j - 2, i, 2]
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    d = nx * points[j, i, 0] + ny * points[j, i, 1] + nz * points[j, i, 2]
    size = math.sqrt(nx * nx + ny * ny + nz * nz)
    reach = math.sqrt(points[j, i, 0] ** 2 + points[j, i, 1] ** 2 + points[j, i, 2] ** 2)
    if size < 1e-12 or abs(d) < 0.02 * size * reach:
        return False
    plane[0], plane[1], plane[2] = nx / d, ny / d, nz / d
    for dj in range(-2, 3, 2):
        for di in range(-2, 3, 2):
            y, x = j + dj, (i + di) % width
            e = (plane[0] * points[y, x, 0] + plane[1] * points[y, x, 1]
                 + plane[2] * points[y, x, 2] - 1.0)
            if abs(e) > 0.006:
                return False
    return True


@kernel
def _grow(points, label, surface, planes, sizes, tolerance, smallest):
    """Grows surfaces from flat seeds in raster order; returns how many there are."""
    height, width = label.shape
    members = np.empty((height * width, 2), np.int32)
    plane = np.zeros(3)
    n = 0
    for j0 in range(height):
        for i0 in range(width):
            if surface[j0, i0] >= 0 or n >= planes.shape[0]:
                continue
            if not _normal(points, label, j0, i0, plane):
                continue
            g = label[j0, i0]
            count = 1
            members[0, 0], members[0, 1] = j0, i0
            surface[j0, i0] = n
            head = 0
            refit = 32
            while head < count:
                if count >= refit:
                    _fit(points, members, count, plane)
                    refit = count * 2
                j, i = members[head, 0], members[head, 1]
                head += 1
                for k in range(4):
                    y = j + (0, 0, 1, -1)[k]
                    x = (i + (1, -1, 0, 0)[k]) % width
                    if y < 0 or y >= height or surface[y, x] >= 0 or label[y, x] != g:
                        continue
                    e = (plane[0] * points[y, x, 0] + plane[1] * points[y, x, 1]
                         + plane[2] * points[y, x, 2] - 1.0)
                    if abs(e) < tolerance:
                        surface[y, x] = n
                        members[count, 0], members[count, 1] = y, x
                        count += 1
            if count < smallest:
                for k in range(count):
                    surface[members[k, 0], members[k, 1]] = -2
                continue
            _fit(points, members, count, plane)
            for d in range(3):
                planes[n, d] = plane[d]
            sizes[n] = count
            n += 1
    return n


@kernel
def _adopt(points, label, surface, planes, owner, strict):
    """Gives unassigned pixels to the neighbouring surface that explains them best, in rings."""
    height, width = label.shape
    changed = True
    while changed:
        changed = False
        before = surface.copy()
        for j in range(height):
            for i in range(width):
                if before[j, i] >= 0:
                    continue
                best, best_e = -1, 1e9
                for dj in range(-1, 2):
                    for di in range(-1, 2):
                        y, x = j + dj, (i + di) % width
                        if y < 0 or y >= height or before[y, x] < 0:
                            continue
                        g = before[y, x]
                        e = abs(planes[g, 0] * points[j, i, 0] + planes[g, 1] * points[j, i, 1]
                                + planes[g, 2] * points[j, i, 2] - 1.0)
                        if owner[g] != label[j, i]:
                            e += 0.15
                        if e < best_e:
                            best, best_e = g, e
                if best >= 0 and (not strict or best_e < 0.03):
                    surface[j, i] = best
                    changed = True


@kernel
def _component_planes(points, label, surface, planes, sizes, owner, n, smallest):
    """What is left over and not flat (a lamp, a plant) becomes one upright plane per part."""
    height, width = label.shape
    members = np.empty((height * width, 2), np.int32)
    for j0 in range(height):
        for i0 in range(width):
            if surface[j0, i0] >= 0 or n >= planes.shape[0]:
                continue
            g = label[j0, i0]
            count = 1
            members[0, 0], members[0, 1] = j0, i0
            surface[j0, i0] = n
            head = 0
            while head < count:
                j, i = members[head, 0], members[head, 1]
                head += 1
                for k in range(4):
                    y = j + (0, 0, 1, -1)[k]
                    x = (i + (1, -1, 0, 0)[k]) % width
                    if y < 0 or y >= height or surface[y, x] >= 0 or label[y, x] != g:
                        continue
                    e = (points[y, x, 0] ** 2 + points[y, x, 1] ** 2) / max(
                        points[j0, i0, 0] ** 2 + points[j0, i0, 1] ** 2, 1e-6)
                    if e < 0.7 or e > 1.4:
                        continue
                    surface[y, x] = n
                    members[count, 0], members[count, 1] = y, x
                    count += 1
            if count < smallest:
                for k in range(count):
                    surface[members[k, 0], members[k, 1]] = -3
                continue
            mx = my = 0.0
            for k in range(count):
                mx += points[members[k, 0], members[k, 1], 0]
                my += points[members[k, 0], members[k, 1], 1]
            mx /= count
            my /= count
            square = max(mx * mx + my * my, 1e-4)
            planes[n, 0], planes[n, 1], planes[n, 2] = mx / square, my / square, 0.0
            owner[n] = g
            sizes[n] = count
            n += 1
    return n


def _snap(planes: np.ndarray) -> np.ndarray:
    """Planes within a degree of an axis become exactly so: floors level, walls upright."""
    size = np.linalg.norm(planes, axis=1, keepdims=True)
    unit = planes / np.maximum(size, 1e-9)
    axis = np.abs(unit).argmax(1)
    rows = np.arange(len(planes))
    close = np.abs(unit[rows, axis]) > math.cos(math.radians(1.2))
    out = planes.copy()
    out[close] = 0.0
    out[rows[close], axis[close]] = planes[rows[close], axis[close]]
    return out


def cut(points: np.ndarray, label: np.ndarray):
    """Surfaces of a panorama.

    points f64 [H, W, 3] in metres from the eye (the last column joins the first), label u8
    [H, W]. Returns surface u8 [H, W], planes f32 [S, 3] with q . P = 1, labels u8 [S];
    S <= 254. Mean relative error of range on rooms is below 1 %.
    """
    points = np.ascontiguousarray(points, np.float64)
    label = np.ascontiguousarray(label, np.uint8)
    surface = np.full(label.shape, -1, np.int32)
    planes = np.zeros((4096, 3))
    sizes = np.zeros(4096, np.int64)
    owner = np.zeros(4096, np.uint8)
    n = _grow(points, label, surface, planes, sizes, 0.012, 20)
    first = np.zeros(n, np.int64)
    flat = surface.ravel()
    seen, index = np.unique(flat, return_index=True)
    first[seen[seen >= 0]] = index[seen >= 0]
    owner[:n] = label.ravel()[first]
    surface[surface < 0] = -1
    _adopt(points, label, surface, planes, owner, True)
    n = _component_planes(points, label, surface, planes, sizes, owner, n, 12)
    surface[surface < 0] = -1
    _adopt(points, label, surface, planes, owner, False)
    counts = np.bincount(surface.ravel(), minlength=n)[:n]
    if (counts > 0).sum() > MAX_SURFACES:
        keep = np.argsort(-counts, kind="stable")[:MAX_SURFACES]
        drop = np.ones(n, bool)
        drop[keep] = False
        surface[drop[surface]] = -1
        _adopt(points, label, surface, planes, owner, False)
        counts = np.bincount(surface.ravel(), minlength=n)[:n]
    used = np.flatnonzero(counts)
    number = np.zeros(n, np.uint8)
    number[used] = np.arange(len(used))
    return number[surface], _snap(planes[used]).astype(np.float32), owner[used]
