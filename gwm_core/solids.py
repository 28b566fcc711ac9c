"""Draws balls, boxes and doors into a view, ray by ray, with a z-test against what is there.

Their shading is part of their texture; a body without one gets its plain colour and a simple
shade. A ball's texture is its face as the camera saw it and turns with the camera; a box or door
shows its front on every side.
"""

from __future__ import annotations

import math

import numpy as np

from .compiled import in_bands, kernel
from .raster import axes, projection

SHARED = 8000
"""Pixels of all bodies' windows from which threads share the drawing."""


@kernel
def _texel(texture, u, v, out):
    """Bilinear colour of texture [n,n,3] at u, v in 0..1 into out [3]."""
    n, m = texture.shape[0], texture.shape[1]
    x = min(max(u * m - 0.5, 0.0), m - 1.0)
    y = min(max(v * n - 0.5, 0.0), n - 1.0)
    j, i = min(int(x), m - 2), min(int(y), n - 2)
    fx, fy = x - j, y - i
    for c in range(3):
        top = texture[i, j, c] * (1 - fx) + texture[i, j + 1, c] * fx
        low = texture[i + 1, j, c] * (1 - fx) + texture[i + 1, j + 1, c] * fx
        out[c] = top * (1 - fy) + low * fy


@kernel
def _ball(i, centre, radius, rgb, texture, textured, cam, focal, cx, cy, xa, xb, ya, yb,
          limit, colour, depth, body):
    """cam [4,3]: right, down, forward, eye; centre in camera coordinates."""
    out = np.empty(3)
    px, py, pz = centre[0], centre[1], centre[2]
    far = math.sqrt(px * px + py * py + pz * pz)
    if far <= radius:
        return
    dx, dy, dz = px / far, py / far, pz / far
    # the disc's own right axis: the camera's, turned to face the ball's centre
    ex, ey, ez = 1.0 - dx * dx, -dx * dy, -dx * dz
    length = math.sqrt(ex * ex + ey * ey + ez * ez)
    ex, ey, ez = ex / length, ey / length, ez / length
    fx, fy, fz = dy * ez - dz * ey, dz * ex - dx * ez, dx * ey - dy * ex
    for y in range(ya, yb):
        ry = (y + 0.5 - cy) / focal
        for x in range(xa, xb):
            rx = (x + 0.5 - cx) / focal
            a = rx * rx + ry * ry + 1.0
            b = rx * px + ry * py + pz
            root = b * b - a * (far * far - radius * radius)
            if root < 0:
                continue
            z = (b - math.sqrt(root)) / a
            if z < 0.05 or z >= limit[y, x]:
                continue
            nx, ny, nz = (rx * z - px) / radius, (ry * z - py) / radius, (z - pz) / radius
            if textured:
                u = 0.5 + 0.5 * (nx * ex + ny * ey + nz * ez)
                v = 0.5 + 0.5 * (nx * fx + ny * fy + nz * fz)
                _texel(texture, u, v, out)
            else:
                up = nx * cam[0, 2] + ny * cam[1, 2] + nz * cam[2, 2]
                for c in range(3):
                    out[c] = rgb[c] * 255.0 * (0.72 + 0.28 * up)
            for c in range(3):
                colour[y, x, c] = int(min(max(out[c] + 0.5, 0.0), 255.0))
            limit[y, x] = z
            depth[y, x] = z
            body[y, x] = i + 1


@kernel
def _cuboid(i, centre, yaw, half, rgb, texture, textured, cam, focal, cx, cy, xa, xb, ya, yb,
            limit, colour, depth, body):
    """A cuboid upright in the world, turned by yaw; centre in world coordinates."""
    out = np.empty(3)
    c, s = math.cos(yaw), math.sin(yaw)
    ox, oy, oz = cam[3, 0] - centre[0], cam[3, 1] - centre[1], cam[3, 2] - centre[2]
    p = (c * ox + s * oy, -s * ox + c * oy, oz)
    for y in range(ya, yb):
        ry = (y + 0.5 - cy) / focal
        for x in range(xa, xb):
            rx = (x + 0.5 - cx) / focal
            wx = cam[0, 0] * rx + cam[1, 0] * ry + cam[2, 0]
            wy = cam[0, 1] * rx + cam[1, 1] * ry + cam[2, 1]
            wz = cam[0, 2] * rx + cam[1, 2] * ry + cam[2, 2]
            d = (c * wx + s * wy, -s * wx + c * wy, wz)
            near, last, face = -1e30, 1e30, 0
            for a in range(3):
                if abs(d[a]) < 1e-9:
                    if abs(p[a]) > half[a]:
                        near = 1e31
                else:
                    t0, t1 = (-half[a] - p[a]) / d[a], (half[a] - p[a]) / d[a]
                    if t0 > t1:
                        t0, t1 = t1, t0
                    if t0 > near:
                        near, face = t0, a
                    last = min(last, t1)
            if near > last or near < 0.05 or near >= limit[y, x]:
                continue
            hx, hy, hz = p[0] + d[0] * near, p[1] + d[1] * near, p[2] + d[2] * near
            v = 0.5 - 0.5 * hz / half[2]
            shade = 1.0
            if face == 0:
                side = 1.0 if p[0] > 0 else -1.0
                u = 0.5 + 0.5 * side * hy / half[1]
                shade = 0.9
            elif face == 1:
                side = -1.0 if p[1] > 0 else 1.0
                u = 0.5 + 0.5 * side * hx / half[0]
            else:
                u = 0.5 + 0.5 * hx / half[0]
                v = 0.5 - 0.5 * hy / half[1]
                shade = 1.06 if p[2] > 0 else 0.7
            if textured:
                _texel(texture, u, v, out)
            else:
                for k in range(3):
                    out[k] = rgb[k] * 255.0
            for k in range(3):
                colour[y, x, k] = int(min(max(out[k] * shade + 0.5, 0.0), 255.0))
            limit[y, x] = near
            depth[y, x] = near
            body[y, x] = i + 1


@kernel
def _bodies(kind, centre, yaw, half, rgb, texture, textured, window, cam, focal, cx, cy,
            row0, row1, limit, colour, depth, body):
    """Draw every body; window int64 [N,4]: x from, to, y from, to."""
    local = np.empty(3)
    for i in range(len(kind)):
        xa, xb = window[i, 0], window[i, 1]
        ya, yb = max(row0, window[i, 2]), min(row1, window[i, 3])
        if kind[i] == 0 or xa >= xb or ya >= yb:
            continue
        if kind[i] == 1:
            for k in range(3):
                local[k] = 0.0
                for a in range(3):
                    local[k] += cam[k, a] * (centre[i, a] - cam[3, a])
            _ball(i, local, half[i, 0], rgb[i], texture[i], textured, cam, focal, cx, cy,
                  xa, xb, ya, yb, limit, colour, depth, body)
        else:
            _cuboid(i, centre[i], yaw[i], half[i], rgb[i], texture[i], textured, cam, focal,
                    cx, cy, xa, xb, ya, yb, limit, colour, depth, body)


def centres(bodies) -> np.ndarray:
    """Centres float64 [N,3]; a door's `pos` is the foot of its hinge, its panel starts there."""
    out = np.array(bodies.pos, np.float64)
    door = np.asarray(bodies.kind) == 3
    width, yaw = np.asarray(bodies.size, np.float64)[:, 0], np.asarray(bodies.yaw)
    out[door, 0] += (width * np.cos(yaw))[door]
    out[door, 1] += (width * np.sin(yaw))[door]
    out[door, 2] += np.asarray(bodies.size, np.float64)[door, 2]
    return out


def _windows(bodies, centre, m, width, height):
    """Pixel windows int64 [N,4] that hold each body's bounding ball (the picture where unsure)."""
    size = np.asarray(bodies.size, np.float64)
    kind = np.asarray(bodies.kind)
    reach = np.where(kind == 1, size[:, 0], np.linalg.norm(size, axis=1))
    m = m.reshape(3, 4)
    h = centre @ m[:, :3].T + m[:, 3]
    z = h[:, 2]
    out = np.zeros((len(kind), 4), np.int64)
    out[:, 1], out[:, 3] = width, height
    front = z - reach > 0.1
    focal = np.linalg.norm(m[0, :3] - (m[0, :3] @ m[2, :3]) * m[2, :3])
    near = np.where(front, z - reach, 1.0)
    x, y = h[:, 0] / np.where(front, z, 1.0), h[:, 1] / np.where(front, z, 1.0)
    # the ball's silhouette reaches further out the more oblique it is seen
    wide = (np.abs(x - width / 2) + np.abs(y - height / 2)) / near
    r = reach * (focal / near + wide) + 2
    box = np.stack([x - r, x + r + 1, y - r, y + r + 1], 1)
    box = np.clip(box, 0, [width, width, height, height]).astype(np.int64)
    out[front] = box[front]
    out[(z + reach < 0.05) | (kind == 0)] = 0
    return out


def draw_bodies(bodies, pose, camera, limit, colour, depth, threads=None) -> np.ndarray:
    """Draw `bodies` (see gwm_core.bodies.Bodies) into a view, in place.

    limit float32 [H,W]: depth of what is there (m), lowered where a body is nearer; colour uint8
    [H,W,3] and depth float32 [H,W] are written there. Returns the body map int8 [H,W]: slot + 1,
    0 where none is seen.
    """
    height, width = limit.shape
    body = np.zeros((height, width), np.int8)
    kind = np.asarray(bodies.kind, np.int64)
    if not np.any(kind):
        return body
    right, down, forward, eye = axes(pose)
    cam = np.stack([right, down, forward, eye])
    centre = centres(bodies)
    m = projection(pose, camera.focal, camera.cx, camera.cy)
    window = _windows(bodies, centre, m, width, height)
    textured = bodies.texture is not None
    texture = bodies.texture if textured else np.zeros((len(kind), 2, 2, 3), np.uint8)
    texture = np.array(texture, np.uint8)
    half = np.array(bodies.size, np.float64)
    rgb = np.array(bodies.rgb, np.float64)
    yaw = np.array(bodies.yaw, np.float64)

    def band(row0, row1):
        _bodies(kind, centre, yaw, half, rgb, texture, textured, window, cam, camera.focal,
                camera.cx, camera.cy, row0, row1, limit, colour, depth, body)

    # Waking another thread costs more than small bodies do.
    area = ((window[:, 1] - window[:, 0]) * (window[:, 3] - window[:, 2])).sum()
    in_bands(band, height, threads if area > SHARED else 1)
    return body
