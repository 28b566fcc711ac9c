"""A remembered place: a panorama whose depth is a set of planes, and how it is seen from nearby.

A panorama covers every azimuth and a band of elevations in equal angular steps. Each pixel names
a *surface*; a surface is a plane ``q`` with ``1 / range = q . direction``. So walls stay planar
and edges crisp however the place is looked at, and a whole place costs about 20 KB.

Place frame: metres, origin at the eye that took the panorama, z up, azimuth counter-clockwise
from +x. Walls of a floor plan run along the axes of this frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..compiled import kernel

#: Columns and rows of every stored panorama, and the elevation of its upper edge in radians.
WIDTH, HEIGHT = 880, 296
STEP = 2.0 * math.pi / WIDTH
TOP = 0.5 * HEIGHT * STEP
#: Cells of the coarse descriptor: azimuths x elevations, 10 degrees each.
CELLS_U, CELLS_V = 36, 10
CELL = 2.0 * math.pi / CELLS_U
UNKNOWN = 255


@dataclass(frozen=True)
class Panorama:
    """rgb u8 [296, 880, 3], surface u8 [296, 880], planes f32 [S, 3], labels u8 [S].

    ``labels`` are ``theme * 8 + part`` (255: unknown).
    """

    rgb: np.ndarray | None
    surface: np.ndarray
    planes: np.ndarray
    labels: np.ndarray


def camera_basis(yaw: float, pitch: float) -> np.ndarray:
    """Rows right, down, forward of a camera in the world frame (radians); float64 [3, 3]."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    return np.array([[sy, -cy, 0.0], [sp * cy, sp * sy, -cp], [cp * cy, cp * sy, sp]])


def place_basis(yaw: float, pitch: float, mirror: bool) -> np.ndarray:
    """The camera's rows right, down, forward in the place frame; mirrored: y is flipped."""
    basis = camera_basis(yaw, pitch)
    if mirror:
        basis[:, 1] *= -1.0
    return basis


@kernel
def _atan2(y, x):
    """atan2 in radians to 2e-6, several times as fast as the library's."""
    ax, ay = abs(x), abs(y)
    big, small = max(ax, ay), min(ax, ay)
    if big < 1e-12:
        return 0.0
    a = small / big
    s = a * a
    r = (((((-0.0117212 * s + 0.05265332) * s - 0.11643287) * s + 0.19354346) * s
           - 0.33262347) * s + 0.99997726) * a
    if ay > ax:
        r = 1.57079637 - r
    if x < 0.0:
        r = 3.14159274 - r
    return -r if y < 0.0 else r


@kernel
def _cell_of(x, y, z, step, top, width, height):
    """Column and row (float, pixel centres at .5) of a direction in a panorama."""
    u = _atan2(y, x) / step
    if u < 0.0:
        u += width
    v = (top - _atan2(z, math.sqrt(x * x + y * y))) / step
    # Beyond the band the picture is reflected: floor goes on as floor.
    if v < 0.0:
        v = -v
    if v >= height:
        v = 2.0 * height - v - 1e-6
    if v < 0.0:
        v = 0.0
    if u >= width:
        u = 0.0
    return u, v


@kernel
def _surface_at(surface, x, y, z, step, top):
    height, width = surface.shape
    u, v = _cell_of(x, y, z, step, top, width, height)
    return surface[int(v), int(u)]


@kernel
def _hit(surface, planes, ox, oy, oz, dx, dy, dz, step, top, probes):
    """Where a ray meets the place: (surface or -1, parameter s with point = o + s d)."""
    g = _surface_at(surface, dx, dy, dz, step, top)
    found = -1
    s = 0.0
    # Fixed point: intersect with the plane looked at, look where that point lies, repeat.
    for _ in range(6):
        denom = planes[g, 0] * dx + planes[g, 1] * dy + planes[g, 2] * dz
        if denom <= 1e-5:
            break
        s = (1.0 - planes[g, 0] * ox - planes[g, 1] * oy - planes[g, 2] * oz) / denom
        if s <= 0.02:
            break
        g2 = _surface_at(surface, ox + s * dx, oy + s * dy, oz + s * dz, step, top)
        if g2 == g:
            found = g
            break
        g = g2
    if found >= 0:
        # A nearer thing may stand between: probe the way to the hit.
        clear = True
        for k in range(probes):
            t = s * (k + 0.8) / (probes + 0.6)
            x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
            c = _surface_at(surface, x, y, z, step, top)
            if c != found:
                if planes[c, 0] * x + planes[c, 1] * y + planes[c, 2] * z > 1.02:
                    clear = False
                    break
        if clear:
            return found, s
    # March outwards until the ray dips behind what the panorama shows, then halve.
    t0 = 0.0
    t = 0.12
    for _ in range(48):
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        c = _surface_at(surface, x, y, z, step, top)
        if planes[c, 0] * x + planes[c, 1] * y + planes[c, 2] * z > 1.0:
            lo, hi = t0, t
            for _ in range(10):
                mid = 0.5 * (lo + hi)
                x, y, z = ox + mid * dx, oy + mid * dy, oz + mid * dz
                c2 = _surface_at(surface, x, y, z, step, top)
                if planes[c2, 0] * x + planes[c2, 1] * y + planes[c2, 2] * z > 1.0:
                    hi = mid
                    c = c2
                else:
                    lo = mid
            denom = planes[c, 0] * dx + planes[c, 1] * dy + planes[c, 2] * dz
            if denom > 1e-5:
                s = (1.0 - planes[c, 0] * ox - planes[c, 1] * oy - planes[c, 2] * oz) / denom
                if abs(s - hi) < 0.03 + 0.02 * hi:
                    return c, s
            return -1, hi
        t0 = t
        t *= 1.12
        if t > 70.0:
            break
    return -1, 0.0


@kernel
def _cubic(t):
    """Catmull-Rom weights of the four neighbours at fraction t."""
    t2 = t * t
    t3 = t2 * t
    return (
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    )


@kernel
def _colour(rgb, surface, u, v, g, out, j, i):
    """Catmull-Rom colour at (u, v) from pixels of the surface g only."""
    height, width = surface.shape
    x, y = u - 0.5, v - 0.5
    x0, y0 = int(math.floor(x)), int(math.floor(y))
    wx, wy = _cubic(x - x0), _cubic(y - y0)
    r = b = gr = total = 0.0
    for a in range(4):
        yy = min(max(y0 - 1 + a, 0), height - 1)
        for c in range(4):
            xx = (x0 - 1 + c) % width
            if surface[yy, xx] == g:
                w = wx[c] * wy[a]
                total += w
                r += w * rgb[yy, xx, 0]
                gr += w * rgb[yy, xx, 1]
                b += w * rgb[yy, xx, 2]
    if total > 0.25:
        out[j, i, 0] = np.uint8(min(max(r / total + 0.5, 0.0), 255.0))
        out[j, i, 1] = np.uint8(min(max(gr / total + 0.5, 0.0), 255.0))
        out[j, i, 2] = np.uint8(min(max(b / total + 0.5, 0.0), 255.0))
    else:
        yy, xx = min(int(v), height - 1), int(u) % width
        for k in range(3):
            out[j, i, k] = rgb[yy, xx, k]


@kernel
def _view(rgb, surface, planes, labels, origin, basis, lift, focal, fine, wanted, out_rgb,
          out_depth, out_label, out_valid, out_scale, step, top):
    height, width = out_depth.shape
    ox, oy, oz = origin[0], origin[1], origin[2]
    aside = math.sqrt(ox * ox + oy * oy + oz * oz)
    # Seen from the panorama's own eye nothing can hide anything else.
    probes = 0 if aside < 0.02 else (4 if aside < 0.35 else 6)
    for j in range(height):
        b = (j + 0.5 - 0.5 * height) / focal
        for i in range(width):
            if not wanted[j, i]:
                out_valid[j, i] = True
                continue
            a = (i + 0.5 - 0.5 * width) / focal
            dx = basis[2, 0] + a * basis[0, 0] + b * basis[1, 0]
            dy = basis[2, 1] + a * basis[0, 1] + b * basis[1, 1]
            dz = basis[2, 2] + a * basis[0, 2] + b * basis[1, 2]
            if dz > 0.0:
                dz *= lift
            g, s = _hit(surface, planes, ox, oy, oz, dx, dy, dz, step, top, probes)
            if g < 0:
                out_valid[j, i] = False
                continue
            out_valid[j, i] = True
            out_depth[j, i] = min(max(s, 0.05), 60.0)
            out_label[j, i] = labels[g]
            x, y, z = ox + s * dx, oy + s * dy, oz + s * dz
            u, v = _cell_of(x, y, z, step, top, surface.shape[1], surface.shape[0])
            out_scale[j, i] = math.sqrt(
                (x * x + y * y + z * z) / (s * s * (dx * dx + dy * dy + dz * dz)))
            if fine:
                _colour(rgb, surface, u, v, g, out_rgb, j, i)
            else:
                for c in range(3):
                    out_rgb[j, i, c] = rgb[int(v), int(u), c]


@kernel
def _fill_holes(rgb, depth, label, valid):
    """Fills pixels that nothing hit from the farther of their row's (else column's) neighbours.

    What a step to the side uncovers belongs to the background; its colour goes on.
    """
    height, width = depth.shape
    filled = 0
    for j in range(height):
        i = 0
        while i < width:
            if valid[j, i]:
                i += 1
                continue
            e = i
            while e < width and not valid[j, e]:
                e += 1
            left, right = i - 1, e
            src = -1
            if left >= 0 and right < width:
                src = left if depth[j, left] >= depth[j, right] else right
            elif left >= 0:
                src = left
            elif right < width:
                src = right
            if src >= 0:
                for k in range(i, e):
                    depth[j, k] = depth[j, src]
                    label[j, k] = label[j, src]
                    for c in range(3):
                        rgb[j, k, c] = rgb[j, src, c]
                    filled += 1
            i = e
    return filled


def view(
    pano: Panorama, origin, basis: np.ndarray, width: int, height: int, focal: float,
    lift: float = 1.0, fine: bool = True, wanted: np.ndarray | None = None,
):
    """The place seen by a camera at ``origin`` (metres from the panorama's eye).

    ``basis`` comes from :func:`place_basis`. ``lift`` stretches heights above the eye: a height
    ``z`` here is ``z * lift`` in the place (so that ceilings meet). ``fine`` False samples the
    nearest pixel only; pixels outside ``wanted`` bool [H, W] stay black at 60 m. Returns
    rgb u8 [H, W, 3], z-depth f32 [H, W] in metres, label u8 [H, W], seen bool [H, W]: False
    where a step to the side uncovers what the panorama never saw (filled with the background's
    colour), and scale f32 [H, W]: by how much a pixel is magnified (above 1.5 it looks soft).
    """
    rgb = np.zeros((height, width, 3), np.uint8)
    scale = np.ones((height, width), np.float32)
    depth = np.full((height, width), 60.0, np.float32)
    label = np.full((height, width), UNKNOWN, np.uint8)
    seen = np.zeros((height, width), np.bool_)
    _view(pano.rgb, pano.surface, pano.planes, pano.labels, np.asarray(origin, np.float64), basis,
          float(lift), float(focal), fine,
          np.ones((height, width), np.bool_) if wanted is None else wanted,
          rgb, depth, label, seen, scale, STEP, TOP)
    if not seen.all():
        _fill_holes(rgb, depth, label, seen.copy())
    return rgb, depth, label, seen, scale


@kernel
def bin_points(points, colour, label, weight, shifts, mirror, sums, counts, themes, cell):
    """Adds covered points to coarse cells, for each of several eye shifts.

    points f32 [P, 3] relative to the eye in the wall-aligned frame; colour f32 [P, 3] in 0..1;
    label u8 [P]; weight f32 [P]; shifts f64 [K, 3] (eye in the place frame).
    sums f32 [K, V, U, 4] (rgb and coded nearness), counts f32 [K, V, U],
    themes f32 [K, V, U, 32] are added to.
    """
    rows, cols = sums.shape[1], sums.shape[2]
    sign = -1.0 if mirror else 1.0
    for k in range(shifts.shape[0]):
        for p in range(points.shape[0]):
            x = points[p, 0] + shifts[k, 0]
            y = sign * points[p, 1] + shifts[k, 1]
            z = points[p, 2] + shifts[k, 2]
            u = math.atan2(y, x) / cell
            if u < 0.0:
                u += cols
            horizontal = math.sqrt(x * x + y * y)
            v = 0.5 * rows - math.atan2(z, horizontal) / cell
            ui, vi = int(u), int(math.floor(v))
            if ui >= cols:
                ui = 0
            if vi < 0 or vi >= rows:
                continue
            w = weight[p]
            near = math.sqrt(min(1.0 / max(math.sqrt(horizontal * horizontal + z * z), 0.05), 4.0)
                             / 4.0)
            counts[k, vi, ui] += w
            sums[k, vi, ui, 0] += w * colour[p, 0]
            sums[k, vi, ui, 1] += w * colour[p, 1]
            sums[k, vi, ui, 2] += w * colour[p, 2]
            sums[k, vi, ui, 3] += w * near
            if label[p] != 255:
                themes[k, vi, ui, label[p] >> 3] += w


@kernel
def agreement(surface, planes, labels, points, label, weight, shifts, mirror, quarter, lift,
              costs, step, top):
    """Mean mismatch of covered points with a place, for each eye shift.

    A point costs its error of range (capped) and, where its label is known, a wrong label: full
    price for another theme, half for another part of the same theme. costs f64 [K] is set.
    """
    cos_q = (1.0, 0.0, -1.0, 0.0)[quarter]
    sin_q = (0.0, 1.0, 0.0, -1.0)[quarter]
    sign = -1.0 if mirror else 1.0
    for k in range(shifts.shape[0]):
        total = 0.0
        norm = 0.0
        for p in range(points.shape[0]):
            px, py = points[p, 0], sign * points[p, 1]
            x = cos_q * px - sin_q * py + shifts[k, 0]
            y = sin_q * px + cos_q * py + shifts[k, 1]
            z = points[p, 2] + shifts[k, 2]
            if z > 0.0:
                z *= lift
            g = _surface_at(surface, x, y, z, step, top)
            ratio = planes[g, 0] * x + planes[g, 1] * y + planes[g, 2] * z
            e = min(abs(ratio - 1.0) * 4.0, 1.0)
            if label[p] != 255 and labels[g] != 255:
                if label[p] >> 3 != labels[g] >> 3:
                    e += 1.0
                elif label[p] != labels[g]:
                    e += 0.5
            total += weight[p] * e
            norm += weight[p]
        costs[k] = total / max(norm, 1e-6)
