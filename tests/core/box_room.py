"""Ground truth for geometry tests: a ray-traced house of boxes with quiet textures.

Two rooms of 5 x 4 x 2.6 m joined by a doorway, with furniture; everything is an axis-aligned box,
so pictures, depths and ray lengths are exact.
"""

from __future__ import annotations

import numpy as np

# low corner, high corner, colour
WALL, FLOOR, CEILING = (0.78, 0.74, 0.66), (0.55, 0.38, 0.25), (0.9, 0.9, 0.88)
BOXES = [
    ((-0.2, -0.2, -0.2), (10.4, 4.2, 0.0), FLOOR),
    ((-0.2, -0.2, 2.6), (10.4, 4.2, 2.8), CEILING),
    ((-0.2, -0.2, 0.0), (10.4, 0.0, 2.6), WALL),
    ((-0.2, 4.0, 0.0), (10.4, 4.2, 2.6), (0.6, 0.7, 0.75)),
    ((-0.2, 0.0, 0.0), (0.0, 4.0, 2.6), (0.75, 0.6, 0.55)),
    ((10.2, 0.0, 0.0), (10.4, 4.0, 2.6), (0.5, 0.6, 0.5)),
    ((5.0, 0.0, 0.0), (5.2, 1.5, 2.6), WALL),
    ((5.0, 2.5, 0.0), (5.2, 4.0, 2.6), WALL),
    ((5.0, 1.5, 2.1), (5.2, 2.5, 2.6), WALL),
    ((2.2, 2.9, 0.0), (2.8, 3.5, 0.8), (0.3, 0.45, 0.6)),
    ((3.4, 0.3, 0.0), (4.0, 0.7, 1.4), (0.6, 0.3, 0.25)),
    ((7.0, 2.4, 0.0), (7.6, 3.0, 1.0), (0.35, 0.5, 0.3)),
]
LOW = np.array([b[0] for b in BOXES])
HIGH = np.array([b[1] for b in BOXES])
COLOUR = np.array([b[2] for b in BOXES])


def cast(origin, directions):
    """First hits: distance [M] in units of the direction's length, box [M], axis [M]."""
    d = np.where(np.abs(directions) < 1e-12, 1e-12, directions)
    best = np.full(len(d), 1e9)
    box, axis = np.zeros(len(d), int), np.zeros(len(d), int)
    for i in range(len(LOW)):
        a, b = (LOW[i] - origin) / d, (HIGH[i] - origin) / d
        near, far = np.minimum(a, b), np.maximum(a, b)
        enter, leave = near.max(1), far.min(1)
        hit = (enter <= leave) & (enter > 1e-6) & (enter < best)
        best[hit], box[hit], axis[hit] = enter[hit], i, near.argmax(1)[hit]
    return best, box, axis


def texture(point, box, axis):
    """Colour 0..1 [M,3] of world points: soft panels, a skirting line, light by orientation."""
    u = np.where(axis == 0, point[:, 1], point[:, 0])
    v = np.where(axis == 2, point[:, 1], point[:, 2])
    wave = 0.5 + 0.5 * np.tanh(4 * np.sin(u * 7.0 + box)) * np.tanh(4 * np.sin(v * 9.0))
    fine = 0.06 * np.sin(u * 31 + v * 17) + 0.05 * np.sin(v * 41 - u * 13)
    line = np.where((axis != 2) & (np.abs(point[:, 2] - 0.12) < 0.02), 0.55, 1.0)
    light = np.array([0.92, 1.0, 0.84])[axis]
    shade = (0.82 + 0.16 * wave + fine) * line * light
    return np.clip(COLOUR[box] * shade[:, None], 0, 1)


def render(pose, camera):
    """rgb uint8 [H,W,3] and depth float32 [H,W] of a camera pose [5]."""
    from gwm_core.raster import axes

    right, down, forward, eye = axes(pose)
    rays = camera.rays().reshape(-1, 3)
    d = rays @ np.stack([right, down, forward])
    t, box, axis = cast(eye, d)
    colour = texture(eye + d * t[:, None], box, axis)
    shape = (camera.height, camera.width)
    rgb = np.round(colour * 255).astype(np.uint8).reshape(*shape, 3)
    return rgb, np.clip(t, 0.05, 60).astype(np.float32).reshape(shape)


def psnr(a, b, mask=None):
    """PSNR in dB of uint8 pictures over a mask."""
    e = (a.astype(np.float64) - b.astype(np.float64)) ** 2
    e = e if mask is None else e[mask]
    return 10 * np.log10(255**2 / max(e.mean(), 1e-9))
