"""Draws the kept surfaces into a camera: triangles, rim points, a z-buffer, the original pixels.

Two passes per band of rows. The first finds, for each output pixel, the surface seen there: its
depth and the exact place in the source picture (perspective-correct, by homogeneous edge
functions, so that nothing needs clipping). The second fetches the colour from the original
picture, by a cubic filter inside a surface, bilinear beside its rim, and the very pixel where the
place is one. Among surfaces of nearly equal depth the best resolved one wins, then the oldest.

Surfaces seen from behind are no picture but they hide: such pixels are "not covered".
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray

from .compiled import address, in_bands, kernel, part, pointer

TABLE = 16  # int64 columns of one keyframe's row in the address table


@part
def _outside(box, m, width, row0, row1):
    """Whether a box [6] lies wholly outside the camera's window."""
    # the margin holds what a rim point or a widened triangle may reach beyond its vertices, so
    # that every band of rows sees the same fragments
    left = right = top = bottom = behind = 0
    for corner in range(8):
        x = box[0] if corner & 1 else box[3]
        y = box[1] if corner & 2 else box[4]
        z = box[2] if corner & 4 else box[5]
        hx = m[0] * x + m[1] * y + m[2] * z + m[3]
        hy = m[4] * x + m[5] * y + m[6] * z + m[7]
        hz = m[8] * x + m[9] * y + m[10] * z + m[11]
        left += hx < -18.0 * hz
        right += hx > (width + 18.0) * hz
        top += hy < (row0 - 18.0) * hz
        bottom += hy > (row1 + 18.0) * hz
        behind += hz < 0.05
    return left == 8 or right == 8 or top == 8 or bottom == 8 or behind == 8


@part
def _wins(key, score, row, x, zmin, zsel, best):
    """Whether a fragment replaces what the pixel holds; keeps the smallest depth in zmin.

    A pinned pixel (score 0) only gives way to what lies clearly in front of it: pixels imagined
    beside it reach over its rim, a little nearer or farther.
    """
    low = zmin[row, x]
    if key > low * 1.015 + 0.005 or (best[row, x] == 0.0 and key > 0.8 * low):
        return False
    if key < low:
        zmin[row, x] = key
        low = key
    held = zsel[row, x]
    if held > low * 1.015 + 0.005:
        return True
    return score < 0.67 * best[row, x]


@kernel
def _triangles(vert, tri, hom, first, f0, f1, size2, source, eye, pinned, k, stretch,
               coarse, width, row0, row1, zmin, zsel, best, owner, su, sv, sz):
    """Draw the triangles f0..f1 of one tile; hom [V,5] holds its vertices as column*z,
    row*z, z, column, row.

    size2: (target focal / source focal)^2. source: the source camera's eye. pinned: these are
    the pixels of the first picture, seen from where it was taken.
    """
    for f in range(f0, f1):
        a, b, c = int(tri[f, 0]), int(tri[f, 1]), int(tri[f, 2])
        z0, z1, z2 = hom[a, 2], hom[b, 2], hom[c, 2]
        if z0 < 0.05 and z1 < 0.05 and z2 < 0.05:
            continue
        whole = z0 >= 0.05 and z1 >= 0.05 and z2 >= 0.05
        if whole:
            lowx = min(hom[a, 3], hom[b, 3], hom[c, 3])
            highx = max(hom[a, 3], hom[b, 3], hom[c, 3])
            lowy = min(hom[a, 4], hom[b, 4], hom[c, 4])
            highy = max(hom[a, 4], hom[b, 4], hom[c, 4])
        else:  # the part in front of the near plane
            lowx, highx, lowy, highy = 1e30, -1e30, 1e30, -1e30
            for e in range(3):
                p, q = int(tri[f, e]), int(tri[f, (e + 1) % 3])
                if hom[p, 2] >= 0.05:
                    lowx, highx = min(lowx, hom[p, 3]), max(highx, hom[p, 3])
                    lowy, highy = min(lowy, hom[p, 4]), max(highy, hom[p, 4])
                if (hom[p, 2] >= 0.05) != (hom[q, 2] >= 0.05):
                    s = (0.05 - hom[p, 2]) / (hom[q, 2] - hom[p, 2])
                    gx = (hom[p, 0] + (hom[q, 0] - hom[p, 0]) * s) / 0.05
                    gy = (hom[p, 1] + (hom[q, 1] - hom[p, 1]) * s) / 0.05
                    lowx, highx = min(lowx, gx), max(highx, gx)
                    lowy, highy = min(lowy, gy), max(highy, gy)
        n = float(tri[f, 3])
        slack = 0.08 / n
        pad = min(slack * max(highx - lowx, highy - lowy) + 1e-3, 16.0)
        xa = max(0, int(math.ceil(max(lowx - pad, -2.0))))
        xb = min(width - 1, int(math.floor(min(highx + pad, width + 2.0))))
        ya = max(row0, int(math.ceil(max(lowy - pad, -2.0))))
        yb = min(row1 - 1, int(math.floor(min(highy + pad, row1 + 2.0))))
        if xa > xb or ya > yb:
            continue
        x0, y0, x1, y1, x2, y2 = (
            hom[a, 0], hom[a, 1], hom[b, 0], hom[b, 1], hom[c, 0], hom[c, 1])
        # edge functions: rows of the inverse of the matrix of homogeneous vertices
        a0, b0, c0 = y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2
        a1, b1, c1 = y2 * z0 - z2 * y0, z2 * x0 - x2 * z0, x2 * y0 - y2 * x0
        a2, b2, c2 = y0 * z1 - z0 * y1, z0 * x1 - x0 * z1, x0 * y1 - y0 * x1
        det = x0 * a0 + y0 * b0 + z0 * c0
        if abs(det) < 1e-12:
            continue
        va, vb, vc = first + a, first + b, first + c
        s0, s1, s2 = float(vert[va, 5]), float(vert[vb, 5]), float(vert[vc, 5])
        score = 4096.0
        if whole:
            score = max(1.0, abs(det) / (z0 * z1 * z2 * n * n))
        back = det < 0
        if back:
            score = 1e9
        else:
            # how much less foreshortened than in the source, and how coarse, it would be seen
            gx = (vert[va, 0] + vert[vb, 0] + vert[vc, 0]) / 3.0
            gy = (vert[va, 1] + vert[vb, 1] + vert[vc, 1]) / 3.0
            gz = (vert[va, 2] + vert[vb, 2] + vert[vc, 2]) / 3.0
            rt = (gx - eye[0]) ** 2 + (gy - eye[1]) ** 2 + (gz - eye[2]) ** 2
            rs = (gx - source[0]) ** 2 + (gy - source[1]) ** 2 + (gz - source[2]) ** 2
            now = det * det * rs
            then = (s0 * s1 * s2 * n * n * size2) ** 2 * rt
            if now > stretch * stretch * then or (whole and score > coarse):
                continue
            if pinned:
                score = 0.0
        inv = 1.0 / det
        a0, b0, c0 = a0 * inv, b0 * inv, c0 * inv
        a1, b1, c1 = a1 * inv, b1 * inv, c1 * inv
        a2, b2, c2 = a2 * inv, b2 * inv, c2 * inv
        u0, u1, u2 = float(vert[va, 3]), float(vert[vb, 3]), float(vert[vc, 3])
        v0, v1, v2 = float(vert[va, 4]), float(vert[vb, 4]), float(vert[vc, 4])
        for y in range(ya, yb + 1):
            e0 = a0 * xa + b0 * y + c0
            e1 = a1 * xa + b1 * y + c1
            e2 = a2 * xa + b2 * y + c2
            for x in range(xa, xb + 1):
                total = e0 + e1 + e2
                edge = -slack * total
                if total > 0.0 and e0 >= edge and e1 >= edge and e2 >= edge:
                    z = 1.0 / total
                    key = z * 1.03 + 0.03 if back else z
                    if z >= 0.05 and _wins(key, score, y, x, zmin, zsel, best):
                        w0, w1, w2 = e0 * s0, e1 * s1, e2 * s2
                        ws = w0 + w1 + w2
                        zsel[y, x] = key
                        best[y, x] = score
                        owner[y, x] = k
                        su[y, x] = (w0 * u0 + w1 * u1 + w2 * u2) / ws
                        sv[y, x] = (w0 * v0 + w1 * v1 + w2 * v2) / ws
                        sz[y, x] = ws * z
                e0 += a0
                e1 += a1
                e2 += a2


@kernel
def _points(vert, point, normal, hom, first, p0, p1, ratio, source, eye, pinned, k, coarse,
            width, row0, row1, zmin, zsel, best, owner, su, sv, sz):
    """Draw the rim points p0..p1 of one tile as squares of the size of their source pixel."""
    for p in range(p0, p1):
        v = int(point[p])
        z = hom[v, 2]
        if z < 0.05:
            continue
        i = first + v
        px, py = hom[v, 3], hom[v, 4]
        size = vert[i, 5] / z * ratio
        half = min(0.51 * size, 16.0)
        if px + half < 0 or px - half > width or py + half < row0 or py - half > row1:
            continue
        score = max(1.0, size * size)
        if score > coarse:
            continue
        tx, ty, tz = eye[0] - vert[i, 0], eye[1] - vert[i, 1], eye[2] - vert[i, 2]
        nx, ny, nz = float(normal[p, 0]), float(normal[p, 1]), float(normal[p, 2])
        facing = nx * tx + ny * ty + nz * tz
        if nx == 0.0 and ny == 0.0 and nz == 0.0:
            qx, qy, qz = source[0] - vert[i, 0], source[1] - vert[i, 1], source[2] - vert[i, 2]
            facing = (qx * tx + qy * ty + qz * tz) - 0.3 * math.sqrt(
                (qx * qx + qy * qy + qz * qz) * (tx * tx + ty * ty + tz * tz))
        if facing <= 0.0:
            continue
        xa, xb = max(0, int(math.ceil(px - half))), min(width, int(math.ceil(px + half)))
        ya, yb = max(row0, int(math.ceil(py - half))), min(row1, int(math.ceil(py + half)))
        key, score = (z, 0.0) if pinned else (z * 1.02 + 0.01, 4.0 * score)
        for y in range(ya, yb):
            for x in range(xa, xb):
                if _wins(key, score, y, x, zmin, zsel, best):
                    zsel[y, x] = z
                    best[y, x] = score
                    owner[y, x] = k
                    su[y, x] = vert[i, 3]
                    sv[y, x] = vert[i, 4]
                    sz[y, x] = vert[i, 5]


@kernel
def _visible(table, sources, m, eye, focal, stretch, coarse, row0, row1,
             zmin, zsel, best, owner, su, sv, sz):
    """First pass over the rows row0..row1: which place of which keyframe is seen."""
    width = zmin.shape[1]
    zmin[row0:row1] = 3e38
    zsel[row0:row1] = 3e38
    best[row0:row1] = 3e38
    owner[row0:row1] = -1
    f4, u2, i4 = np.float32(0), np.uint16(0), np.int32(0)
    hom = np.empty((17 * 17, 5))
    for k in range(table.shape[0]):
        row = table[k]
        tiles, nv, nt, npt = row[6], row[7], row[8], row[9]
        vert = carray(pointer(row[0], f4), (nv, 6))
        tri = carray(pointer(row[1], u2), (nt, 4))
        point = carray(pointer(row[2], u2), (npt,))
        normal = carray(pointer(row[3], f4), (npt, 3))
        start = carray(pointer(row[4], i4), (tiles + 1, 3))
        box = carray(pointer(row[5], f4), (tiles, 6))
        source = sources[k, 1:4]
        ratio = focal / sources[k, 0]
        moved = abs(eye[0] - source[0]) + abs(eye[1] - source[1]) + abs(eye[2] - source[2])
        pinned = row[15] == 0 and moved < 1e-3
        for t in range(tiles):
            first, end = start[t, 0], start[t + 1, 0]
            if first == end or _outside(box[t], m, width, row0, row1):
                continue
            for v in range(first, end):
                x, y, z = float(vert[v, 0]), float(vert[v, 1]), float(vert[v, 2])
                hx = m[0] * x + m[1] * y + m[2] * z + m[3]
                hy = m[4] * x + m[5] * y + m[6] * z + m[7]
                hz = m[8] * x + m[9] * y + m[10] * z + m[11]
                near = 1.0 / max(hz, 1e-9)
                i = v - first
                hom[i, 0], hom[i, 1], hom[i, 2] = hx, hy, hz
                hom[i, 3], hom[i, 4] = hx * near, hy * near
            _triangles(vert, tri, hom, first, start[t, 1], start[t + 1, 1], ratio * ratio, source,
                       eye, pinned, k, stretch, coarse, width, row0, row1, zmin, zsel, best,
                       owner, su, sv, sz)
            _points(vert, point, normal, hom, first, start[t, 2], start[t + 1, 2], ratio, source,
                    eye, pinned, k, coarse, width, row0, row1, zmin, zsel, best, owner, su, sv,
                    sz)


@part
def _fetch(rgb, u, v, sure, line, out, y, x):
    """The colour of a picture [H,W*3] at column u, row v into out[y, x]; line float32 [12]."""
    h, w = sure.shape
    j, i = int(math.floor(u)), int(math.floor(v))
    fx, fy = np.float32(u - j), np.float32(v - i)
    inside = 0 <= i < h and 0 <= j < w
    level = sure[i, j] if inside else 0
    exact = (fx < 0.004 or fx > 0.996) and (fy < 0.004 or fy > 0.996)
    if level == 0 or exact:
        j = min(max(int(math.floor(u + 0.5)), 0), w - 1)
        i = min(max(int(math.floor(v + 0.5)), 0), h - 1)
        for c in range(3):
            out[y, x, c] = rgb[i, 3 * j + c]
        return
    if level == 1:
        for c in range(3):
            k = 3 * j + c
            top = rgb[i, k] + (float(rgb[i, k + 3]) - rgb[i, k]) * fx
            low = rgb[i + 1, k] + (float(rgb[i + 1, k + 3]) - rgb[i + 1, k]) * fx
            out[y, x, c] = int(top + (low - top) * fy + 0.5)
        return
    # Catmull-Rom: first down the four columns, all twelve values at once, then across
    one, half, two = np.float32(1.0), np.float32(0.5), np.float32(2.0)
    much = np.float32(2.5)
    w0 = fy * (fy * (one - half * fy) - half)
    w1 = one + fy * fy * (np.float32(1.5) * fy - much)
    w2 = fy * (half + fy * (two - np.float32(1.5) * fy))
    w3 = fy * fy * (half * fy - half)
    k = 3 * j - 3
    for t in range(12):
        line[t] = (w0 * np.float32(rgb[i - 1, k + t]) + w1 * np.float32(rgb[i, k + t])
                   + w2 * np.float32(rgb[i + 1, k + t]) + w3 * np.float32(rgb[i + 2, k + t]))
    w0 = fx * (fx * (one - half * fx) - half)
    w1 = one + fx * fx * (np.float32(1.5) * fx - much)
    w2 = fx * (half + fx * (two - np.float32(1.5) * fx))
    w3 = fx * fx * (half * fx - half)
    for c in range(3):
        value = half + w0 * line[c] + w1 * line[c + 3] + w2 * line[c + 6] + w3 * line[c + 9]
        out[y, x, c] = int(min(max(value, np.float32(0.0)), np.float32(255.0)))


@kernel
def _colours(table, row0, row1, zsel, best, owner, su, sv, sz,
             rgb, depth, covered, source_depth, label, index, scale):
    """Second pass: fetch the original pixels. Pixels seen from behind count as not covered
    and stay as they are."""
    u1 = np.uint8(0)
    line = np.empty(12, np.float32)
    if len(table) == 0:
        return
    held, h, w = 0, table[0, 13], table[0, 14]
    picture = carray(pointer(table[0, 10], u1), (h, 3 * w))
    labels = carray(pointer(table[0, 11], u1), (h, w))
    sure = carray(pointer(table[0, 12], u1), (h, w))
    for y in range(row0, row1):
        for x in range(zsel.shape[1]):
            k = owner[y, x]
            seen = k >= 0 and best[y, x] < 1e8
            if not seen:
                continue
            covered[y, x] = True
            if k != held:
                held = k
                h, w = table[k, 13], table[k, 14]
                picture = carray(pointer(table[k, 10], u1), (h, 3 * w))
                labels = carray(pointer(table[k, 11], u1), (h, w))
                sure = carray(pointer(table[k, 12], u1), (h, w))
            u, v = float(su[y, x]), float(sv[y, x])
            _fetch(picture, u, v, sure, line, rgb, y, x)
            j = min(max(int(math.floor(u + 0.5)), 0), w - 1)
            i = min(max(int(math.floor(v + 0.5)), 0), h - 1)
            depth[y, x] = zsel[y, x]
            source_depth[y, x] = sz[y, x]
            label[y, x] = labels[i, j]
            index[y, x] = table[k, 15]
            scale[y, x] = math.sqrt(max(best[y, x], np.float32(1.0)))


def projection(pose: np.ndarray, focal: float, cx: float, cy: float) -> np.ndarray:
    """World point to homogeneous pixel (column*z, row*z, z), float64 [12]; centres at integers."""
    right, down, forward, eye = axes(pose)
    out = np.empty((3, 4))
    out[0, :3] = focal * right + (cx - 0.5) * forward
    out[1, :3] = focal * down + (cy - 0.5) * forward
    out[2, :3] = forward
    for row in out:
        row[3] = -float(row[:3] @ eye)
    return out.reshape(-1)


def axes(pose: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The world directions right, down and forward of a camera pose [5], and its eye."""
    x, y, z, yaw, pitch = (float(v) for v in pose)
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    right = np.array([sy, -cy, 0.0])
    down = np.array([sp * cy, sp * sy, -cp])
    forward = np.array([cp * cy, cp * sy, sp])
    return right, down, forward, np.array([x, y, z])


def table_row(surface, rgb: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Addresses and counts of one keyframe, int64 [TABLE]; the last entry is its index, set later.

    The arrays must outlive every use of the row.
    """
    s = surface
    arrays = (s.vert, s.tri, s.point, s.normal, s.start, s.box)
    counts = (len(s.box), len(s.vert), len(s.tri), len(s.point))
    pictures = (rgb, label, s.sure)
    row = [*map(address, arrays), *counts, *map(address, pictures), *rgb.shape[:2], -1]
    return np.array(row, np.int64)


def draw_surfaces(table, sources, pose, focal, width, height, *, stretch=12.0, coarse=1024.0,
                  threads=None):
    """Draw keyframes into a camera.

    table int64 [K,TABLE] (see table_row), sources float64 [K,4]: focal length and eye of each
    source. stretch: triangles that would be seen this many times less foreshortened than in their
    source are not drawn; coarse: nor those whose source pixel would cover so many pixels.
    Returns the arrays of a Guide (rgb, depth, covered, source_depth, label, keyframe, scale) and
    `limit` float32 [H,W], the depth of the nearest surface, drawn or only hiding.
    """
    shape = (height, width)
    zmin, zsel, best, su, sv, sz = (np.empty(shape, np.float32) for _ in range(6))
    owner = np.empty(shape, np.int16)
    rgb = np.zeros((*shape, 3), np.uint8)
    depth, source_depth, scale = (np.zeros(shape, np.float32) for _ in range(3))
    covered = np.zeros(shape, np.bool_)
    label = np.full(shape, 255, np.uint8)
    index = np.full(shape, -1, np.int16)
    m = projection(pose, focal, width / 2, height / 2)
    eye = np.array([float(v) for v in pose[:3]])
    table = np.ascontiguousarray(table, np.int64).reshape(-1, TABLE)
    sources = np.ascontiguousarray(sources, np.float64).reshape(-1, 4)

    def band(row0, row1):
        _visible(table, sources, m, eye, float(focal), float(stretch), float(coarse), row0, row1,
                 zmin, zsel, best, owner, su, sv, sz)
        _colours(table, row0, row1, zsel, best, owner, su, sv, sz,
                 rgb, depth, covered, source_depth, label, index, scale)

    in_bands(band, height, threads)
    return rgb, depth, covered, source_depth, label, index, scale, zmin
