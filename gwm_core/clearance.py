"""Distances from a place to the kept surfaces: the walls as the world has seen them.

The rays are cast against the very triangles that are drawn, so what the camera sees is what
stops the player. Single pixels hanging at a silhouette and the steep ramps that estimated depth
leaves there are no surfaces and do not count.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from .compiled import kernel, pointer

FAR = 6.0
HEIGHTS = (0.1, 0.45, 0.8, 1.15, 1.5)


@kernel
def _ramp(vert, a, b, c, size, source):
    """Whether a triangle of one pixel is so steep to its source camera that it is no surface."""
    if size > 1:
        return False
    ux, uy, uz = vert[b, 0] - vert[a, 0], vert[b, 1] - vert[a, 1], vert[b, 2] - vert[a, 2]
    vx, vy, vz = vert[c, 0] - vert[a, 0], vert[c, 1] - vert[a, 1], vert[c, 2] - vert[a, 2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    wx, wy, wz = vert[a, 0] - source[1], vert[a, 1] - source[2], vert[a, 2] - source[3]
    dot = nx * wx + ny * wy + nz * wz
    return dot * dot < 0.0009 * (nx * nx + ny * ny + nz * nz) * (wx * wx + wy * wy + wz * wz)


@kernel
def _aimed(box, place, dirs, level, reach, dist, chosen):
    """The directions that may meet a box [6] nearer than what they met so far, into chosen.

    level: compare in the plan only (level rays); reach: added to the box on all sides; dist
    [D,C]. Returns how many.
    """
    centre, away, radius = np.empty(3), 0.0, 0.0
    for i in range(3):
        centre[i] = 0.5 * (box[i] + box[i + 3]) - place[i]
        if i == 2 and level:
            centre[i] = 0.0
            continue
        half = 0.5 * (box[i + 3] - box[i]) + reach
        away += centre[i] ** 2
        radius += half**2
    cone = np.sqrt(away - radius) if away > radius else -1e30
    near = np.sqrt(away) - np.sqrt(radius)
    n = 0
    for k in range(len(dirs)):
        if dirs[k, 0] * centre[0] + dirs[k, 1] * centre[1] + dirs[k, 2] * centre[2] >= cone:
            for c in range(dist.shape[1]):
                if dist[k, c] > near:
                    chosen[n] = k
                    n += 1
                    break
    return n


@kernel
def _level(vert, a, b, c, px, py, z, dirs, chosen, slack, column, dist):
    """Lower dist[:, column] by a triangle's cut with the level plane z."""
    x = np.empty(2)
    y = np.empty(2)
    n = 0
    for e in range(3):
        p, q = a, b
        if e == 1:
            p, q = b, c
        elif e == 2:
            p, q = c, a
        zp, zq = float(vert[p, 2]), float(vert[q, 2])
        if (zp >= z) != (zq >= z) and n < 2:
            s = (z - zp) / (zq - zp)
            x[n] = vert[p, 0] + (vert[q, 0] - vert[p, 0]) * s - px
            y[n] = vert[p, 1] + (vert[q, 1] - vert[p, 1]) * s - py
            n += 1
    if n < 2:
        return
    ex, ey = x[1] - x[0], y[1] - y[0]
    over = slack / max(np.sqrt(ex * ex + ey * ey), 1e-6)
    base = x[0] * ey - y[0] * ex
    for k in chosen:
        turn = dirs[k, 0] * ey - dirs[k, 1] * ex
        if abs(turn) < 1e-9:
            continue
        t = base / turn
        if 0.0 <= t < dist[k, column]:
            s = (x[0] * dirs[k, 1] - y[0] * dirs[k, 0]) / turn
            if -over <= s <= 1.0 + over:
                dist[k, column] = t


@kernel
def _profile(table, sources, place, heights, dirs, far, slack, dist):
    """dist [A,Hn]: level rays from place at each height against every keyframe's triangles."""
    f4, u2, i4 = np.float32(0), np.uint16(0), np.int32(0)
    px, py = place[0], place[1]
    zs = heights + place[2]
    low, high = zs.min(), zs.max()
    chosen = np.empty(len(dirs), np.int64)
    dist[:] = far
    for k in range(table.shape[0]):
        row = table[k]
        vert = carray(pointer(row[0], f4), (row[7], 6))
        tri = carray(pointer(row[1], u2), (row[8], 4))
        start = carray(pointer(row[4], i4), (row[6] + 1, 3))
        box = carray(pointer(row[5], f4), (row[6], 6))
        for t in range(row[6]):
            if (box[t, 0] > px + far or box[t, 3] < px - far or box[t, 1] > py + far
                    or box[t, 4] < py - far or box[t, 2] > high or box[t, 5] < low):
                continue
            n = _aimed(box[t], place, dirs, True, slack, dist, chosen)
            first = start[t, 0]
            for f in range(start[t, 1], start[t + 1, 1] if n > 0 else 0):
                a, b, c = first + tri[f, 0], first + tri[f, 1], first + tri[f, 2]
                bottom = min(vert[a, 2], vert[b, 2], vert[c, 2])
                top = max(vert[a, 2], vert[b, 2], vert[c, 2])
                tested = False
                for h in range(len(zs)):
                    if bottom < zs[h] <= top:
                        if not tested:
                            if _ramp(vert, a, b, c, tri[f, 3], sources[k]):
                                break
                            tested = True
                        _level(vert, a, b, c, px, py, zs[h], dirs, chosen[:n], slack, h, dist)


@kernel
def _rays(table, sources, place, dirs, far, dist):
    """dist [D,1]: rays from place along unit dirs [D,3] against every keyframe's triangles."""
    f4, u2, i4 = np.float32(0), np.uint16(0), np.int32(0)
    px, py, pz = place[0], place[1], place[2]
    chosen = np.empty(len(dirs), np.int64)
    dist[:] = far
    for k in range(table.shape[0]):
        row = table[k]
        vert = carray(pointer(row[0], f4), (row[7], 6))
        tri = carray(pointer(row[1], u2), (row[8], 4))
        start = carray(pointer(row[4], i4), (row[6] + 1, 3))
        box = carray(pointer(row[5], f4), (row[6], 6))
        for t in range(row[6]):
            if (box[t, 0] > px + far or box[t, 3] < px - far or box[t, 1] > py + far
                    or box[t, 4] < py - far or box[t, 2] > pz + far or box[t, 5] < pz - far):
                continue
            n = _aimed(box[t], place, dirs, False, 0.02, dist, chosen)
            first = start[t, 0]
            for f in range(start[t, 1], start[t + 1, 1] if n > 0 else 0):
                a, b, c = first + tri[f, 0], first + tri[f, 1], first + tri[f, 2]
                ax, ay, az = vert[a, 0] - px, vert[a, 1] - py, vert[a, 2] - pz
                ux, uy, uz = (
                    vert[b, 0] - vert[a, 0], vert[b, 1] - vert[a, 1], vert[b, 2] - vert[a, 2])
                vx, vy, vz = (
                    vert[c, 0] - vert[a, 0], vert[c, 1] - vert[a, 1], vert[c, 2] - vert[a, 2])
                # a ball round the triangle, and the cone of directions that may meet it
                mx, my, mz = ax + (ux + vx) / 3, ay + (uy + vy) / 3, az + (uz + vz) / 3
                reach = 1.05 * max(
                    (mx - ax) ** 2 + (my - ay) ** 2 + (mz - az) ** 2,
                    (mx - ax - ux) ** 2 + (my - ay - uy) ** 2 + (mz - az - uz) ** 2,
                    (mx - ax - vx) ** 2 + (my - ay - vy) ** 2 + (mz - az - vz) ** 2) + 1e-4
                away = mx * mx + my * my + mz * mz
                if away > (far + np.sqrt(reach)) ** 2 or _ramp(
                        vert, a, b, c, tri[f, 3], sources[k]):
                    continue
                cone = np.sqrt(max(away - reach, 0.0)) if away > reach else -1e30
                nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
                plane = nx * ax + ny * ay + nz * az
                for i in chosen[:n]:
                    dx, dy, dz = dirs[i, 0], dirs[i, 1], dirs[i, 2]
                    if dx * mx + dy * my + dz * mz < cone:
                        continue
                    slope = nx * dx + ny * dy + nz * dz
                    if abs(slope) < 1e-12:
                        continue
                    length = plane / slope
                    if not 0.0 <= length < dist[i, 0]:
                        continue
                    # barycentric coordinates of the hit
                    qx, qy, qz = dx * length - ax, dy * length - ay, dz * length - az
                    nn = nx * nx + ny * ny + nz * nz
                    g = (nx * (qy * vz - qz * vy) + ny * (qz * vx - qx * vz)
                         + nz * (qx * vy - qy * vx)) / nn
                    h = (nx * (uy * qz - uz * qy) + ny * (uz * qx - ux * qz)
                         + nz * (ux * qy - uy * qx)) / nn
                    if g >= -0.08 and h >= -0.08 and g + h <= 1.08:
                        dist[i, 0] = length


@kernel
def _looked_through(depths, views, x, y, z):
    """Whether some keyframe looked through a world point.

    depths int64 [K,3]: address, H, W of each depth map; views float64 [K,12]: projections.
    """
    f4 = np.float32(0)
    for k in range(len(depths)):
        m = views[k]
        far = m[8] * x + m[9] * y + m[10] * z + m[11]
        if far < 0.05:
            continue
        column = int(np.floor((m[0] * x + m[1] * y + m[2] * z + m[3]) / far + 0.5))
        line = int(np.floor((m[4] * x + m[5] * y + m[6] * z + m[7]) / far + 0.5))
        h, w = depths[k, 1], depths[k, 2]
        if 0 <= column < w and 0 <= line < h:
            depth = carray(pointer(depths[k, 0], f4), (h, w))
            if far <= depth[line, column] * 1.02 + 0.05:
                return True
    return False


@kernel
def _free(depths, views, points, seen):
    """seen [M]: whether some keyframe looked through the world point [M,3]."""
    for i in range(len(points)):
        seen[i] = _looked_through(depths, views, points[i, 0], points[i, 1], points[i, 2])


@kernel
def _carry_down(depths, views, place, heights, way, reach, gap, inside, dist):
    """See carry_down; way [A,2]: unit vectors of the azimuths."""
    for a in range(dist.shape[0]):
        for h in range(dist.shape[1] - 2, -1, -1):
            above = dist[a, h + 1]
            if above >= reach or dist[a, h] <= above + gap:
                continue
            x = place[0] + way[a, 0] * (above + inside)
            y = place[1] + way[a, 1] * (above + inside)
            if not _looked_through(depths, views, x, y, place[2] + heights[h]):
                dist[a, h] = above


def _near(memory, place, far):
    """Indexes of the keyframes with surfaces within `far` of a place."""
    b = memory.boxes
    p = np.asarray(place, np.float64)
    return np.nonzero(((b[:, :3] <= p + far) & (b[:, 3:] >= p - far)).all(1))[0]


def seen_free(memory, points) -> np.ndarray:
    """bool [M]: whether some keyframe looked through each world point [M,3] (m)."""
    points = np.ascontiguousarray(points, np.float64).reshape(-1, 3)
    seen = np.zeros(len(points), np.bool_)
    _free(memory.depths, memory.views, points, seen)
    return seen


def carry_down(memory, place, heights, azimuths, dist, reach: float, gap: float,
               inside: float) -> None:
    """Let what was met (nearer than `reach`) go on below its height, in dist float64 [A,H], where
    the next lower ray went further by more than `gap`, unless some keyframe looked through the
    place there, `inside` beyond the surface (all m)."""
    way = np.stack([np.cos(azimuths), np.sin(azimuths)], 1)
    _carry_down(memory.depths, memory.views, place, heights, way, reach, gap, inside, dist)


def _through(memory, place, dirs, far):
    """bool [D]: at least half of four places along each ray were looked through."""
    steps = np.array([0.2, 0.4, 0.7, 1.0]) * far
    points = np.asarray(place)[None, None] + dirs[:, None] * steps[None, :, None]
    return seen_free(memory, points.reshape(-1, 3)).reshape(len(dirs), -1).mean(1) >= 0.5


def clearance(memory, position, heights=HEIGHTS, azimuths=48, bodies=None, *,
              far: float = FAR, skip: int = -1, slack: float = 0.02, looked: bool = True):
    """Free lengths of level rays round a place.

    position (x, y, z) in metres, z the foot; heights [Hn] above it (m); azimuths: how many, from
    +x counter-clockwise, or their angles [A] (rad, world). bodies: moving things to count as well
    (gwm_core.bodies.Bodies), except slot `skip`. slack (m) widens every surface to close cracks.
    Returns dist float32 [A,Hn], at most `far`, and known bool [A,Hn]: False where no surface was
    met and that direction was never looked through, so that `far` means nothing there (looked
    False: False wherever no surface was met, which is quicker).
    """
    if np.ndim(azimuths) == 0:
        azimuths = np.arange(int(azimuths)) * (2 * np.pi / int(azimuths))
    angle = np.ascontiguousarray(azimuths, np.float64)
    heights = np.ascontiguousarray(heights, np.float64)
    place = np.ascontiguousarray(position, np.float64)
    dist = np.empty((len(angle), len(heights)))
    ids = _near(memory, place, far)
    flat = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], 1)
    _profile(memory.table[ids], memory.sources[ids], place, heights, flat, float(far),
             float(slack), dist)
    known = dist < far
    if looked and not known.all():
        middle = place + [0.0, 0.0, float(heights[len(heights) // 2])]
        known |= _through(memory, middle, flat, far)[:, None]
    if bodies is not None:
        shape = (*dist.shape, 3)
        origins = np.broadcast_to(place, shape).copy()
        origins[..., 2] += heights
        dirs = np.broadcast_to(flat[:, None], shape).reshape(-1, 3)
        _bodies(bodies, origins.reshape(-1, 3), dirs, far, skip, dist, known)
    return dist.astype(np.float32), known


def clearance_dirs(memory, position, dirs, bodies=None, *, far: float = FAR, skip: int = -1,
                   looked: bool = True):
    """Free lengths of rays from a point (the centre of a ball) along unit vectors dirs [D,3].

    Returns dist float32 [D] (at most `far`) and known bool [D], as `clearance` does.
    """
    dirs = np.ascontiguousarray(dirs, np.float64)
    place = np.ascontiguousarray(position, np.float64)
    dist = np.empty((len(dirs), 1))
    ids = _near(memory, place, far)
    _rays(memory.table[ids], memory.sources[ids], place, dirs, float(far), dist)
    dist = dist[:, 0]
    known = dist < far
    if looked and not known.all():
        known |= _through(memory, place, dirs, far)
    if bodies is not None:
        origins = np.broadcast_to(place, dirs.shape)
        _bodies(bodies, origins, dirs, far, skip, dist, known)
    return dist.astype(np.float32), known


def _bodies(bodies, origins, dirs, far, skip, dist, known):
    """Lower dist, in place, by what the rays meet of the moving things."""
    from .bodies import cuboids, spheres
    from .rays import cast

    hit = cast(origins, dirs, cuboids(bodies), spheres(bodies), skip=skip, far=far)
    hit = hit.reshape(dist.shape)
    np.minimum(dist, hit, out=dist)
    known |= hit < far
