"""The surfaces of one kept picture: triangles over connected pixels, points at their rims.

Neighbouring pixels lie on one surface when their disparities continue each other: along a plane
disparity is an affine function of the picture, however grazing the plane is, and at a silhouette
it jumps. Flat pieces merge into squares of up to 16 x 16 pixels (two triangles each), so a room
costs thousands of triangles and not tens of thousands. Everything is grouped into tiles of
16 x 16 pixels with bounding boxes, which drawing and clearances cull by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .compiled import kernel

TILE = 16
STEP = 0.03  # relative jump in depth that still counts as one surface
FLAT = (0.003, 0.006, 0.012)  # relative error of merged squares, raised when there are too many
MANY = 14000  # triangles of one keyframe above which a coarser FLAT is tried
EMPTY_BOX = 1e30


@dataclass(frozen=True, eq=False)
class Surface:
    """Geometry of one keyframe, grouped by tile.

    vert float32 [V,6]: world x y z (m), source column, source row (pixel centres at integers),
        source depth (m). tri uint16 [F,4]: three vertices, counted from the tile's first, and the
        size of the square in pixels. point uint16 [P]: vertices at the rim of a surface.
    normal float32 [P,3]: unit normals towards the source camera, 0 where unknown.
    start int32 [T+1,3]: first vertex, triangle and point of each tile. box float32 [T,6]: low and
        high corner (m), low > high where the tile is empty. low, high float64 [3]: whole box.
    sure uint8 [H,W]: 1 where the 2 x 2 pixels from (row, column) on are one surface, 2 where the
        4 x 4 from (row-1, column-1) on are.
    """

    vert: np.ndarray
    tri: np.ndarray
    point: np.ndarray
    normal: np.ndarray
    start: np.ndarray
    box: np.ndarray
    sure: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def nbytes(self) -> int:
        arrays = (self.vert, self.tri, self.point, self.normal, self.start, self.box, self.sure)
        return sum(a.nbytes for a in arrays)


@kernel
def _joined(before, a, b, after, step):
    """Whether disparities a and b of neighbours lie on one surface, given the next ones out."""
    rise = b - a
    left = a - before
    right = after - b
    allow = step * min(a, b)
    low = min(left, right, 0.0)
    high = max(left, right, 0.0)
    # A slope that is itself a jump proves nothing: it may explain no more than its own size,
    # and only together with the slope of the other side.
    if abs(left) > 4.0 * abs(right) + allow:
        low = min(right, 0.0)
        high = max(right, 0.0)
    elif abs(right) > 4.0 * abs(left) + allow:
        low = min(left, 0.0)
        high = max(left, 0.0)
    return low * 1.25 - allow <= rise <= high * 1.25 + allow


@kernel
def _edges(d, step, joins):
    """Connections uint8 [2,H,W]: to the next column, to the next row."""
    h, w = d.shape
    for axis in range(2):
        di, dj = axis, 1 - axis
        for i in range(h):
            for j in range(w):
                joins[axis, i, j] = 0
                y, x = i + di, j + dj
                if y >= h or x >= w:
                    continue
                a, b = d[i, j], d[y, x]
                first = i - di < 0 or j - dj < 0
                last = y + di >= h or x + dj >= w
                after = 2.0 * b - a if last else d[y + di, x + dj]
                before = a + b - after if first else d[i - di, j - dj]
                if last:
                    after = b + a - before
                joins[axis, i, j] = _joined(before, a, b, after, step)


@kernel
def _quads(used, joins, quad, rim, sure):
    """quad: 0 none, 1 whole, 2..5 only the triangle without corner 00, 01, 10, 11.

    used: 1 kept, 2 may serve as a border. A square needs one kept corner. rim: kept pixels whose
    four squares are not all whole. sure: see Surface.
    """
    h, w = used.shape
    for i in range(h):
        for j in range(w):
            quad[i, j] = 0
            if i + 1 >= h or j + 1 >= w:
                continue
            u00, u01, u10, u11 = used[i, j], used[i, j + 1], used[i + 1, j], used[i + 1, j + 1]
            if u00 != 1 and u01 != 1 and u10 != 1 and u11 != 1:
                continue
            top = u00 > 0 and u01 > 0 and joins[0, i, j] > 0
            bottom = u10 > 0 and u11 > 0 and joins[0, i + 1, j] > 0
            left = u00 > 0 and u10 > 0 and joins[1, i, j] > 0
            right = u01 > 0 and u11 > 0 and joins[1, i, j + 1] > 0
            if top and bottom and left and right:
                quad[i, j] = 1
            elif bottom and right:
                quad[i, j] = 2
            elif bottom and left:
                quad[i, j] = 3
            elif top and right:
                quad[i, j] = 4
            elif top and left:
                quad[i, j] = 5
    for i in range(h):
        for j in range(w):
            rim[i, j] = 0
            if used[i, j] == 1:
                for y in range(i - 1, i + 1):
                    for x in range(j - 1, j + 1):
                        if y < 0 or x < 0 or quad[y, x] != 1:
                            rim[i, j] = 1
            level = 0
            if quad[i, j] == 1:
                level = 1
                if 1 <= i < h - 2 and 1 <= j < w - 2:
                    level = 2
                    for a in range(i - 1, i + 2):
                        for b in range(j - 1, j + 2):
                            if quad[a, b] != 1:
                                level = 1
            sure[i, j] = level


@kernel
def _flat(d, i, j, n, flat):
    """Whether the square of n pixels from (i, j) is flat to the relative error `flat`."""
    a, b, c, e = d[i, j], d[i, j + n], d[i + n, j], d[i + n, j + n]
    if abs(a + e - b - c) > flat * min(min(a, b), min(c, e)):
        return False
    for y in range(n + 1):
        v = y / n
        left = a + (c - a) * v
        rise = (b + (e - b) * v - left) / n
        for x in range(n + 1):
            value = d[i + y, j + x]
            if abs(left + rise * x - value) > flat * value:
                return False
    return True


@kernel
def _emit(i, j, n, kind, tile, depth, unproject, local, corner, count, vert, tri):
    """Append one square (kind 1), one triangle (2..5) or one lone pixel (0) to the tile's arrays.

    tile: first row and column; count int64 [2]: vertices of this tile, triangles in all; corner
    int64 [4] is scratch. vert starts at the tile's first vertex. A pixel's vertex is made at its
    first use. Returns the vertex of pixel (i, j).
    """
    for q in range(4):
        if (kind == 0 and q > 0) or kind == q + 2:
            continue
        y, x = i + n * (q >> 1), j + n * (q & 1)
        slot = local[y - tile[0], x - tile[1]]
        if slot < 0:
            slot = count[0]
            z = depth[y, x]
            px = (x + 0.5 - unproject[1]) / unproject[0] * z
            py = (y + 0.5 - unproject[2]) / unproject[0] * z
            for k in range(3):
                vert[slot, k] = (unproject[3 + k] + unproject[6 + k] * px
                                 + unproject[9 + k] * py + unproject[12 + k] * z)
            vert[slot, 3] = x
            vert[slot, 4] = y
            vert[slot, 5] = z
            local[y - tile[0], x - tile[1]] = slot
            count[0] += 1
        corner[q] = slot
    if kind == 0:
        return corner[0]
    for half in range(2 if kind == 1 else 1):
        # three corners in the order 00, 01, 11, 10, leaving one out
        if kind > 1:
            out = kind - 2
        else:  # cut along the diagonal on which the surface bends less
            za, zb = depth[i, j], depth[i, j + n]
            zc, ze = depth[i + n, j], depth[i + n, j + n]
            main = abs(1.0 / za - 1.0 / ze) <= abs(1.0 / zb - 1.0 / zc)
            out = (1 + half if main else 3 * half)
        t, k = count[1], 0
        for q in range(4):
            c = q if q < 2 else 5 - q
            if c != out:
                tri[t, k] = corner[c]
                k += 1
        tri[t, 3] = n
        count[1] += 1
    return corner[0]


@kernel
def _tiles(depth, d, quad, rim, flat, unproject, vert, tri, point, start, box):
    """Fill the arrays of a Surface; returns the counts of vertices, triangles and points."""
    h, w = d.shape
    size = 16
    rows, columns = max(1, (h + size - 2) // size), max(1, (w + size - 2) // size)
    local = np.empty((size + 1, size + 1), np.int64)
    taken = np.empty((size, size), np.uint8)
    count, corner, tile = np.zeros(2, np.int64), np.empty(4, np.int64), np.empty(2, np.int64)
    nv, npt = 0, 0
    for t in range(rows * columns):
        ti, tj = t // columns * size, t % columns * size
        tile[0], tile[1] = ti, tj
        start[t, 0], start[t, 1], start[t, 2] = nv, count[1], npt
        local[:] = -1
        taken[:] = 0
        count[0] = 0
        mine = vert[nv:]
        for level in range(6):
            # squares of 16, 8, 4, 2 and 1 pixels, then single triangles and rim points
            n = max(1, size >> level)
            for i in range(ti, min(ti + size + 1, h), n):
                for j in range(tj, min(tj + size + 1, w), n):
                    kind = 0
                    if level < 5:
                        if (i + n >= h or j + n >= w or i >= ti + size or j >= tj + size
                                or taken[i - ti, j - tj]):
                            continue
                        whole = True
                        for y in range(n):
                            for x in range(n):
                                if quad[i + y, j + x] != 1 or taken[i + y - ti, j + x - tj]:
                                    whole = False
                        if not whole or (n > 1 and not _flat(d, i, j, n, flat)):
                            continue
                        taken[i - ti:i - ti + n, j - tj:j - tj + n] = 1
                        kind = 1
                    else:
                        inside = i < ti + size and j < tj + size
                        if inside and quad[i, j] > 1:
                            kind = quad[i, j]
                        mine_too = (inside or (i == h - 1 and j < tj + size)
                                    or (j == w - 1 and i < ti + size)
                                    or (i == h - 1 and j == w - 1))
                        if rim[i, j] and mine_too:
                            point[npt] = _emit(i, j, 0, 0, tile, depth, unproject, local, corner,
                                               count, mine, tri)
                            npt += 1
                        if kind == 0:
                            continue
                    _emit(i, j, n, kind, tile, depth, unproject, local, corner, count, mine, tri)
        for k in range(3):
            low, high = 1e30, -1e30
            for v in range(count[0]):
                low = min(low, mine[v, k])
                high = max(high, mine[v, k])
            box[t, k] = low
            box[t, k + 3] = high
        nv += count[0]
    start[rows * columns, 0] = nv
    start[rows * columns, 1] = count[1]
    start[rows * columns, 2] = npt
    return nv, count[1], npt


@kernel
def _normals(vert, tri, point, start, eye, normal):
    """Unit normals of the rim points: of the triangles around them, turned to the eye."""
    acc = np.zeros((17 * 17, 3))
    for t in range(start.shape[0] - 1):
        first = start[t, 0]
        count = start[t + 1, 0] - first
        if start[t + 1, 2] == start[t, 2]:
            continue
        acc[:count] = 0.0
        for f in range(start[t, 1], start[t + 1, 1]):
            a, b, c = first + tri[f, 0], first + tri[f, 1], first + tri[f, 2]
            ux, uy, uz = vert[b, 0] - vert[a, 0], vert[b, 1] - vert[a, 1], vert[b, 2] - vert[a, 2]
            vx, vy, vz = vert[c, 0] - vert[a, 0], vert[c, 1] - vert[a, 1], vert[c, 2] - vert[a, 2]
            nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            length = np.sqrt(nx * nx + ny * ny + nz * nz)
            if length > 0:
                for k in range(3):
                    v = tri[f, k]
                    acc[v, 0] += nx / length
                    acc[v, 1] += ny / length
                    acc[v, 2] += nz / length
        for p in range(start[t, 2], start[t + 1, 2]):
            v = point[p]
            nx, ny, nz = acc[v, 0], acc[v, 1], acc[v, 2]
            length = np.sqrt(nx * nx + ny * ny + nz * nz)
            if length > 1e-6:
                side = (nx * (eye[0] - vert[first + v, 0]) + ny * (eye[1] - vert[first + v, 1])
                        + nz * (eye[2] - vert[first + v, 2]))
                if side < 0:
                    length = -length
                normal[p, 0], normal[p, 1], normal[p, 2] = nx / length, ny / length, nz / length
            else:
                normal[p, 0], normal[p, 1], normal[p, 2] = 0.0, 0.0, 0.0


def connections(depth: np.ndarray, step: float = STEP) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of depth [H,W] (m) lie on one surface with their right and lower neighbours.

    Two bool arrays [H,W]; the last column, respectively row, is False.
    """
    d = 1.0 / np.asarray(depth, np.float64)
    joins = np.empty((2, *d.shape), np.uint8)
    _edges(d, step, joins)
    return joins[0] > 0, joins[1] > 0


def build(depth: np.ndarray, used: np.ndarray, unproject: np.ndarray) -> Surface:
    """The surface of one picture.

    depth float32 [H,W] (m, positive); used uint8 [H,W]: 1 kept, 2 a border that may be used to
    close the seam, 0 neither; unproject float64 [15]: focal length, centre x and y (pixels), eye
    x y z, and the world directions of the camera's right, down and forward axes.
    """
    h, w = depth.shape
    depth = np.ascontiguousarray(depth, np.float32)
    d = 1.0 / depth.astype(np.float64)
    shape = (h, w)
    joins = np.empty((2, *shape), np.uint8)
    quad, rim, sure = (np.empty(shape, np.uint8) for _ in range(3))
    _edges(d, STEP, joins)
    _quads(used, joins, quad, rim, sure)
    tiles = max(1, (h + TILE - 2) // TILE) * max(1, (w + TILE - 2) // TILE)
    vert = np.empty((tiles * (TILE + 1) ** 2, 6), np.float32)
    tri = np.empty((tiles * TILE * TILE * 2, 4), np.uint16)
    point = np.empty(h * w, np.uint16)
    start = np.empty((tiles + 1, 3), np.int32)
    box = np.empty((tiles, 6), np.float32)
    share = float(np.count_nonzero(used == 1)) / (h * w)
    for flat in FLAT:
        nv, nt, npt = _tiles(depth, d, quad, rim, flat, unproject, vert, tri, point, start, box)
        if nt <= MANY * share:
            break
    vert, tri, point = vert[:nv].copy(), tri[:nt].copy(), point[:npt].copy()
    normal = np.empty((npt, 3), np.float32)
    _normals(vert, tri, point, start, unproject[3:6], normal)
    low = np.full(3, EMPTY_BOX) if nv == 0 else vert[:, :3].min(0).astype(np.float64)
    high = np.full(3, -EMPTY_BOX) if nv == 0 else vert[:, :3].max(0).astype(np.float64)
    arrays = (vert, tri, point, normal, start, box, sure)
    for array in arrays:
        array.setflags(write=False)
    return Surface(*arrays, low=low, high=high)
