"""Takes panoramas of simulator rooms: six square views a place, joined, cut into planes."""

from __future__ import annotations

import math

import numpy as np

from ..compiled import kernel
from ..imaginers.panorama import (
    CELL,
    CELLS_U,
    CELLS_V,
    HEIGHT,
    STEP,
    TOP,
    UNKNOWN,
    WIDTH,
    Panorama,
    camera_basis,
)
from .surfaces import cut

#: Side of a face in pixels: twice as fine as a panorama where it is coarsest.
FACE = 320
_FACES = [(k * 0.5 * math.pi, 0.0) for k in range(4)] + [
    (0.0, 0.5 * math.pi), (0.0, -0.5 * math.pi)]


@kernel
def _resample(faces, depths, labels, bases, step, top, out, points, label):
    """Panorama pixels as the mean of 2 x 2 rays in the face that looks their way most."""
    height, width = label.shape
    side = depths.shape[1]
    focal = 0.5 * side
    for j in range(height):
        for i in range(width):
            r = g = b = 0.0
            for sub in range(5):
                du = (0.5, 0.25, 0.75, 0.25, 0.75)[sub]
                dv = (0.5, 0.25, 0.25, 0.75, 0.75)[sub]
                az, el = (i + du) * step, top - (j + dv) * step
                x = math.cos(el) * math.cos(az)
                y = math.cos(el) * math.sin(az)
                z = math.sin(el)
                best, ahead = 0, -2.0
                for k in range(6):
                    d = bases[k, 2, 0] * x + bases[k, 2, 1] * y + bases[k, 2, 2] * z
                    if d > ahead:
                        best, ahead = k, d
                a = (bases[best, 0, 0] * x + bases[best, 0, 1] * y + bases[best, 0, 2] * z) / ahead
                c = (bases[best, 1, 0] * x + bases[best, 1, 1] * y + bases[best, 1, 2] * z) / ahead
                px, py = (a + 1.0) * focal, (c + 1.0) * focal
                if sub == 0:
                    xi = min(max(int(px), 0), side - 1)
                    yi = min(max(int(py), 0), side - 1)
                    # The ray through the centre of the face's pixel, not through ours: exact.
                    qa, qc = (xi + 0.5) / focal - 1.0, (yi + 0.5) / focal - 1.0
                    depth = depths[best, yi, xi]
                    for d in range(3):
                        points[j, i, d] = depth * (
                            bases[best, 2, d] + qa * bases[best, 0, d] + qc * bases[best, 1, d])
                    label[j, i] = labels[best, yi, xi]
                    continue
                fx = min(max(px - 0.5, 0.0), side - 1.001)
                fy = min(max(py - 0.5, 0.0), side - 1.001)
                x0, y0 = int(fx), int(fy)
                u, v = fx - x0, fy - y0
                w00, w10, w01, w11 = (1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v
                f = faces[best]
                r += (w00 * f[y0, x0, 0] + w10 * f[y0, x0 + 1, 0] + w01 * f[y0 + 1, x0, 0]
                      + w11 * f[y0 + 1, x0 + 1, 0])
                g += (w00 * f[y0, x0, 1] + w10 * f[y0, x0 + 1, 1] + w01 * f[y0 + 1, x0, 1]
                      + w11 * f[y0 + 1, x0 + 1, 1])
                b += (w00 * f[y0, x0, 2] + w10 * f[y0, x0 + 1, 2] + w01 * f[y0 + 1, x0, 2]
                      + w11 * f[y0 + 1, x0 + 1, 2])
            out[j, i, 0] = np.uint8(min(0.25 * r + 0.5, 255.0))
            out[j, i, 1] = np.uint8(min(0.25 * g + 0.5, 255.0))
            out[j, i, 2] = np.uint8(min(0.25 * b + 0.5, 255.0))


def hide_bodies(sim) -> None:
    """Leaves only what stands still: balls, boxes and hinged doors are drawn apart."""
    groups = sim.model.mj.geom_group
    groups[np.asarray(sim.model.geom_slot) > 0] = 3


def capture(sim, x: float, y: float, eye: float) -> tuple[Panorama, float]:
    """The panorama at (x, y, eye) of a simulator that draws square 90 degree views.

    Also returns the mean relative error of range that cutting into planes made.
    """
    faces = np.zeros((6, FACE, FACE, 3), np.uint8)
    depths = np.zeros((6, FACE, FACE))
    labels = np.zeros((6, FACE, FACE), np.uint8)
    bases = np.zeros((6, 3, 3))
    for k, (yaw, pitch) in enumerate(_FACES):
        shown = sim.render(pose=np.array([x, y, eye, yaw, pitch]), condition=0)
        faces[k], depths[k], labels[k] = shown["rgb"], shown["depth"], shown["label"]
        bases[k] = camera_basis(yaw, pitch)
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    points = np.zeros((HEIGHT, WIDTH, 3))
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    _resample(faces, depths, labels, bases, STEP, TOP, rgb, points, label)
    surface, planes, owners = cut(points, label)
    error = np.abs((planes[surface] * points).sum(-1) - 1.0)
    pano = Panorama(rgb, surface, planes, owners)
    return pano, float(np.minimum(error, 1.0).mean())


def directions() -> np.ndarray:
    """Unit direction of every panorama pixel, f32 [H, W, 3]."""
    az = (np.arange(WIDTH) + 0.5) * STEP
    el = TOP - (np.arange(HEIGHT) + 0.5) * STEP
    return np.stack([np.cos(el)[:, None] * np.cos(az), np.cos(el)[:, None] * np.sin(az),
                     np.repeat(np.sin(el)[:, None], WIDTH, 1)], -1).astype(np.float32)


def describe(pano: Panorama) -> np.ndarray:
    """Coarse cells u8 [10, 36, 5]: mean colour, coded nearness, commonest theme + 1."""
    nearness = np.maximum((pano.planes[pano.surface] * directions()).sum(-1), 0.0)
    coded = np.sqrt(np.minimum(nearness, 4.0) / 4.0)
    label = pano.labels[pano.surface]
    el = TOP - (np.arange(HEIGHT) + 0.5) * STEP
    row = np.floor(0.5 * CELLS_V - el / CELL).astype(int)
    column = ((np.arange(WIDTH) + 0.5) * STEP / CELL).astype(int)
    inside = (row >= 0) & (row < CELLS_V)
    cell = (row[inside, None] * CELLS_U + column[None, :]).ravel()
    size = CELLS_V * CELLS_U
    count = np.maximum(np.bincount(cell, minlength=size), 1)
    out = np.zeros((size, 5), np.uint8)
    for c in range(3):
        out[:, c] = np.round(np.bincount(cell, pano.rgb[inside, :, c].ravel(), size) / count)
    out[:, 3] = np.round(np.bincount(cell, coded[inside].ravel(), size) / count * 255)
    theme = np.where(label == UNKNOWN, 0, (label >> 3) + 1)[inside].ravel()
    votes = np.bincount(cell * 64 + theme, minlength=size * 64).reshape(size, 64)
    votes[:, 0] = 0
    out[:, 4] = votes.argmax(1)
    return out.reshape(CELLS_V, CELLS_U, 5)
