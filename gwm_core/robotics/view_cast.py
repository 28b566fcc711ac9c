"""Compiled drawing of a table's views: rays, four a pixel, against a marked plane, boxes, balls.

A sample's source is an int16: -1 floor, -2 table, -3 - m mark m, 1 + 8 i + f face f of body i.
Faces of boxes are 2 a for the side at minus axis a and 2 a + 1 for the other; a ball has one.
Cameras are [4, 3]: right, down, forward, eye (see ``raster.axes``). Light is float64 [5]: ambient,
head, beam [3] (see ``view_light``). Samples are whole levels, as a drawing card's are.
"""

from __future__ import annotations

import math

import numpy as np

from ..compiled import kernel, part

FINE = 2
"""Samples along each side of a pixel."""
NEAR, FAR = 0.02, 6.0
FLOOR, TABLE, MARK = -1, -2, -3
DISC, RECT = 0.0, 1.0
"""Marks float64 [M, 8], the upper ones first: shape, x, y, half sizes, cosine and sine of how it is
turned, height (m)."""


@kernel
def ground(cam, focal, table, floor, marks, lit, colour, depth, source):
    """The table's plane and the floor into colour uint8 [F, F, 3], depth float32 and source int16
    [F, F]; focal in samples, lit uint8 [2 + M, 3] the colours of floor, table, marks."""
    fine = colour.shape[0]
    ex, ey, ez = cam[3, 0], cam[3, 1], cam[3, 2]
    for y in range(fine):
        ry = (y + 0.5 - fine / 2) / focal
        for x in range(fine):
            rx = (x + 0.5 - fine / 2) / focal
            wx = cam[0, 0] * rx + cam[1, 0] * ry + cam[2, 0]
            wy = cam[0, 1] * rx + cam[1, 1] * ry + cam[2, 1]
            wz = cam[0, 2] * rx + cam[1, 2] * ry + cam[2, 2]
            k, t = 0, FAR
            if wz < -1e-6:
                sx, sy = wx / wz, wy / wz
                px, py = ex - ez * sx, ey - ez * sy
                if ez > 0 and abs(px) <= table and abs(py) <= table:
                    k, t = 1, -ez / wz
                    for m in range(len(marks)):
                        top = marks[m, 7]
                        qx, qy = px + top * sx - marks[m, 1], py + top * sy - marks[m, 2]
                        if marks[m, 0] == DISC:
                            hit = qx * qx + qy * qy <= marks[m, 3] * marks[m, 3]
                        else:
                            co, si = marks[m, 5], marks[m, 6]
                            hit = (abs(co * qx + si * qy) <= marks[m, 3]
                                   and abs(co * qy - si * qx) <= marks[m, 4])
                        if hit:
                            k = 2 + m
                            break
                else:
                    t = min((floor - ez) / wz, FAR)
            depth[y, x] = t
            source[y, x] = FLOOR - k
            for c in range(3):
                colour[y, x, c] = lit[k, c]


@part
def _level(value):
    return np.uint8(min(max(value, 0.0), 1.0) * 255.0 + 0.5)


@kernel
def bodies(rows, light, cam, focal, colour, depth, source):
    """Draw rows [N, WIDTH] (see ``view_bodies``) over what is there, by depth."""
    fine = colour.shape[0]
    mid = fine / 2
    axis = np.empty((3, 3))  # a body's axes as the camera sees them
    lit = np.empty((6, 3), np.uint8)
    beam = np.empty(3)
    for k in range(3):
        beam[k] = cam[k, 0] * light[2] + cam[k, 1] * light[3] + cam[k, 2] * light[4]
    for i in range(len(rows)):
        row = rows[i]
        if row[0] < 0:
            continue
        ball = row[0] == 1.0
        dx, dy, dz = row[2] - cam[3, 0], row[3] - cam[3, 1], row[4] - cam[3, 2]
        px = cam[0, 0] * dx + cam[0, 1] * dy + cam[0, 2] * dz
        py = cam[1, 0] * dx + cam[1, 1] * dy + cam[1, 2] * dz
        pz = cam[2, 0] * dx + cam[2, 1] * dy + cam[2, 2] * dz
        for a in range(3):
            for k in range(3):
                if ball:
                    axis[a, k] = 1.0 if a == k else 0.0
                else:
                    axis[a, k] = (cam[k, 0] * row[5 + a] + cam[k, 1] * row[8 + a]
                                  + cam[k, 2] * row[11 + a])
        # the window of its corners
        lowx, lowy, highx, highy, near = 1e9, 1e9, -1e9, -1e9, 1e9
        for corner in range(8):
            gx, gy, gz = px, py, pz
            for a in range(3):
                h = row[14 + a] if (corner >> a) & 1 else -row[14 + a]
                gx, gy, gz = gx + h * axis[a, 0], gy + h * axis[a, 1], gz + h * axis[a, 2]
            near = min(near, gz)
            w = focal / max(gz, 1e-6)
            lowx, highx = min(lowx, gx * w), max(highx, gx * w)
            lowy, highy = min(lowy, gy * w), max(highy, gy * w)
        if near < NEAR:
            if pz + row[14] + row[15] + row[16] < NEAR:
                continue
            xa, xb, ya, yb = 0, fine, 0, fine
        else:
            xa, xb = max(0, int(math.floor(min(lowx + mid, fine)))), min(fine, int(
                math.ceil(max(highx + mid, -1.0))) + 1)
            ya, yb = max(0, int(math.floor(min(lowy + mid, fine)))), min(fine, int(
                math.ceil(max(highy + mid, -1.0))) + 1)
        if xa >= xb or ya >= yb:
            continue
        first = 1 + 8 * i
        if ball:
            radius = row[14]
            far = px * px + py * py + pz * pz - radius * radius
            for y in range(ya, yb):
                ry = (y + 0.5 - mid) / focal
                for x in range(xa, xb):
                    rx = (x + 0.5 - mid) / focal
                    square = rx * rx + ry * ry + 1.0
                    toward = rx * px + ry * py + pz
                    root = toward * toward - square * far
                    if root < 0:
                        continue
                    z = (toward - math.sqrt(root)) / square
                    if z < NEAR or z >= depth[y, x]:
                        continue
                    nx, ny, nz = (rx * z - px) / radius, (ry * z - py) / radius, (z - pz) / radius
                    bright = (light[0] + light[1] * max(-nz, 0.0)
                              + max(nx * beam[0] + ny * beam[1] + nz * beam[2], 0.0))
                    for c in range(3):
                        colour[y, x, c] = _level(row[17 + c] * bright)
                    depth[y, x] = z
                    source[y, x] = first
            continue
        for a in range(3):
            facing = -axis[a, 2]
            lean = axis[a, 0] * beam[0] + axis[a, 1] * beam[1] + axis[a, 2] * beam[2]
            for c in range(3):
                lit[2 * a, c] = _level(row[17 + c] * (
                    light[0] + light[1] * max(-facing, 0.0) + max(-lean, 0.0)))
                lit[2 * a + 1, c] = _level(row[17 + c] * (
                    light[0] + light[1] * max(facing, 0.0) + max(lean, 0.0)))
        # the eye and the rays in the body's frame
        o0 = -(axis[0, 0] * px + axis[0, 1] * py + axis[0, 2] * pz)
        o1 = -(axis[1, 0] * px + axis[1, 1] * py + axis[1, 2] * pz)
        o2 = -(axis[2, 0] * px + axis[2, 1] * py + axis[2, 2] * pz)
        h0, h1, h2 = row[14], row[15], row[16]
        for y in range(ya, yb):
            ry = (y + 0.5 - mid) / focal
            for x in range(xa, xb):
                rx = (x + 0.5 - mid) / focal
                enter, leave, face = -1e30, 1e30, 0
                for a in range(3):
                    d = axis[a, 0] * rx + axis[a, 1] * ry + axis[a, 2]
                    o = o0 if a == 0 else (o1 if a == 1 else o2)
                    h = h0 if a == 0 else (h1 if a == 1 else h2)
                    if abs(d) < 1e-12:
                        if abs(o) > h:
                            enter = 1e31
                        continue
                    s = h if d < 0 else -h
                    t0, t1 = (s - o) / d, (-s - o) / d
                    if t0 > enter:
                        enter, face = t0, 2 * a + (1 if d < 0 else 0)
                    leave = min(leave, t1)
                if enter > leave or enter < NEAR or enter >= depth[y, x]:
                    continue
                for c in range(3):
                    colour[y, x, c] = lit[face, c]
                depth[y, x] = enter
                source[y, x] = first + face


@part
def _label(source, rows):
    return np.uint8(rows[(source - 1) // 8, 1]) if source > 0 else np.uint8(0)


@kernel
def resolve(rows, colour, source, kept, still, out, label):
    """Pixels out uint8 [S, S, 3] and labels uint8 [S, S] from four samples each; where nothing
    was drawn over them and ``still`` is set, kept pixels [S, S, 3] as they are."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            i, j = 2 * y, 2 * x
            a, b = source[i, j], source[i, j + 1]
            c, d = source[i + 1, j], source[i + 1, j + 1]
            if a <= 0 and b <= 0 and c <= 0 and d <= 0:
                label[y, x] = 0
                if still:
                    for k in range(3):
                        out[y, x, k] = kept[y, x, k]
                    continue
            else:
                la, lb, lc, ld = (_label(a, rows), _label(b, rows), _label(c, rows),
                                  _label(d, rows))
                most = la
                if lb == lc or lb == ld:
                    most = lb
                elif lc == ld:
                    most = lc
                label[y, x] = most
            for k in range(3):
                total = (2 + int(colour[i, j, k]) + int(colour[i, j + 1, k])
                         + int(colour[i + 1, j, k]) + int(colour[i + 1, j + 1, k]))
                out[y, x, k] = total >> 2


@kernel
def add_rest(cam, focal, table, rest, gain, source, out):
    """Add what the marks do not explain, rest int16 [G, G, 3] over the table's square, to the
    pixels that show nothing but its top; focal in pixels, gain: how light a level surface is."""
    size, cells = out.shape[0], rest.shape[0]
    for y in range(size):
        ry = (y + 0.5 - size / 2) / focal
        for x in range(size):
            i, j = 2 * y, 2 * x
            if (max(source[i, j], source[i, j + 1]) > TABLE
                    or max(source[i + 1, j], source[i + 1, j + 1]) > TABLE):
                continue
            rx = (x + 0.5 - size / 2) / focal
            wx = cam[0, 0] * rx + cam[1, 0] * ry + cam[2, 0]
            wy = cam[0, 1] * rx + cam[1, 1] * ry + cam[2, 1]
            wz = cam[0, 2] * rx + cam[1, 2] * ry + cam[2, 2]
            t = -cam[3, 2] / min(wz, -1e-6)
            u = ((cam[3, 0] + t * wx) / table + 1) / 2 * cells - 0.5
            v = ((cam[3, 1] + t * wy) / table + 1) / 2 * cells - 0.5
            u, v = min(max(u, 0.0), cells - 1.001), min(max(v, 0.0), cells - 1.001)
            q, p = int(u), int(v)
            fu, fv = u - q, v - p
            for k in range(3):
                low = rest[p, q, k] + (rest[p, q + 1, k] - rest[p, q, k]) * fu
                high = rest[p + 1, q, k] + (rest[p + 1, q + 1, k] - rest[p + 1, q, k]) * fu
                value = out[y, x, k] + gain * (low + (high - low) * fv) + 0.5
                out[y, x, k] = np.uint8(min(max(value, 0.0), 255.0))


@kernel
def gather_rest(cam, focal, table, off, keep, gain, rest, best):
    """Lay what a look shows more than the marks explain, off float32 [S, S, 3] where keep [S, S],
    onto rest float32 [G, G, 3]; of several looks the one that shows a place largest counts, best
    float32 [G, G]: how large."""
    size, cells = len(off), len(rest)
    for p in range(cells):
        wy = ((p + 0.5) / cells * 2 - 1) * table - cam[3, 1]
        for q in range(cells):
            wx = ((q + 0.5) / cells * 2 - 1) * table - cam[3, 0]
            wz = -cam[3, 2]
            z = cam[2, 0] * wx + cam[2, 1] * wy + cam[2, 2] * wz
            if z < NEAR:
                continue
            x = (cam[0, 0] * wx + cam[0, 1] * wy + cam[0, 2] * wz) / z * focal + size / 2 - 0.5
            y = (cam[1, 0] * wx + cam[1, 1] * wy + cam[1, 2] * wz) / z * focal + size / 2 - 0.5
            if x < 0 or y < 0 or x >= size - 1 or y >= size - 1:
                continue
            j, i = int(x), int(y)
            if not (keep[i, j] and keep[i, j + 1] and keep[i + 1, j] and keep[i + 1, j + 1]):
                continue
            away = math.sqrt(wx * wx + wy * wy + wz * wz)
            score = focal * focal * abs(wz) / away / (z * z)
            if score <= best[p, q]:
                continue
            best[p, q] = score
            fx, fy = x - j, y - i
            for k in range(3):
                low = off[i, j, k] + (off[i, j + 1, k] - off[i, j, k]) * fx
                high = off[i + 1, j, k] + (off[i + 1, j + 1, k] - off[i + 1, j, k]) * fx
                rest[p, q, k] = (low + (high - low) * fy) / gain


@kernel
def paint(cams, focals, fixed, kept, fine_rgb, fine_depth, table, floor, marks, lit, rest, gains,
          rows, light, colour, depth, source, out, label):
    """All views of one run: cams [V, 4, 3], focals [V] in samples, fixed int64 [V]: which of the
    fixed views, or -1; of those kept uint8 [N, S, S, 3] and their samples fine_rgb uint8 [N, F, F,
    3], fine_depth float32 [N, F, F]; lit uint8 [V, 2 + M, 3]; gains [V]; colour, depth, source:
    scratch [F, F]; into out uint8 [V, S, S, 3] and label uint8 [V, S, S]."""
    for v in range(len(cams)):
        n = max(fixed[v], 0)
        still = fixed[v] >= 0
        if still:
            colour[:] = fine_rgb[n]
            depth[:] = fine_depth[n]
            source[:] = FLOOR
        else:
            ground(cams[v], focals[v], table, floor, marks, lit[v], colour, depth, source)
        bodies(rows, light, cams[v], focals[v], colour, depth, source)
        resolve(rows, colour, source, kept[n], still, out[v], label[v])
        if not still:
            add_rest(cams[v], focals[v] / FINE, table, rest, gains[v], source, out[v])
