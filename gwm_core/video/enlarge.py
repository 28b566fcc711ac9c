"""Rooms are imagined small; this brings their pictures to the size of the film.

The middle of the picture in the film's shape is resampled once, with a Lanczos kernel (8 x 8), by
an exact affine map: crop, size and the slow push of the camera are one step, so nothing is softened
twice. Then it is smoothed along its edges (the directions of a smoothed structure tensor, after
Kyprianidis and Doellner 2008), which turns the steps of enlarged pixels into lines, and what
enlarging took from edges is given back by an unsharp mask whose result stays near the range of its
neighbourhood: crisper, without a halo.
"""

from __future__ import annotations

import cv2
import numpy as np

SHARPEN = 0.9
"""Strength of the unsharp mask at an enlargement of 2 or more."""
OVERSHOOT = 0.12
"""How far a sharpened value may leave the range of its neighbours, as a share of that range."""
REACH = 3.0
"""How far along an edge is averaged, in pixels of the small picture to either side."""
FAINT = 60.0
"""Edges fainter than about this (squared slope) count as texture."""
GREY = np.array([0.299, 0.587, 0.114], np.float32)
LEAST = 0.75
"""Below this scale pictures are averaged to their size first: a kernel would leave pixels out."""


class Enlarger:
    """Brings frames of one size to another: the largest middle part of the wanted shape.

    source, target  (width, height)
    """

    def __init__(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        self.source, self.target = source, target
        self.scale = max(target[0] / source[0], target[1] / source[1])
        self._first = None
        if self.scale < LEAST:
            # The size at which what is left of the enlargement is 1.
            self._first = tuple(max(round(side * self.scale), 1) for side in source)

    def __call__(self, frame: np.ndarray, zoom: float = 1.0,
                 shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        """uint8 [H, W, 3] of ``frame`` uint8 [h, w, 3]. ``zoom`` from 1: how much closer;
        ``shift``: by how many film pixels (right, down) what is seen moves, as far as there is
        picture."""
        if self._first is not None:
            frame = cv2.resize(frame, self._first, interpolation=cv2.INTER_AREA)
        width, height = frame.shape[1], frame.shape[0]
        fit = max(self.target[0] / width, self.target[1] / height)
        scale = fit * max(zoom, 1.0)
        if scale == 1 and (width, height) == self.target:
            return frame
        move = []
        for side, want, by in zip((width, height), self.target, shift, strict=True):
            free = max((side * scale - want) / 2, 0.0)
            # Pixel centres lie at .5.
            move.append(want / 2 - scale * (side / 2 - 0.5) - 0.5 + float(np.clip(by, -free, free)))
        to_film = np.array([[scale, 0, move[0]], [0, scale, move[1]]])
        out = cv2.warpAffine(frame, to_film, self.target, flags=cv2.INTER_LANCZOS4,
                             borderMode=cv2.BORDER_REPLICATE)
        return sharpened(out, scale)


def smoothed_along_edges(picture: np.ndarray, scale: float) -> np.ndarray:
    """``picture`` float32 [H, W, 3], averaged a little along its edges where they have one clear
    direction, so that steps of the small picture's pixels become lines again; across edges, and
    in texture without a direction, nothing is averaged."""
    grey = cv2.GaussianBlur(picture @ GREY, (0, 0), 0.6 * scale)
    dx, dy = (cv2.Sobel(grey, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    xx, xy, yy = (cv2.GaussianBlur(p, (0, 0), 1.1 * scale) for p in (dx * dx, dx * dy, dy * dy))
    apart = np.sqrt((xx - yy) ** 2 + 4 * xy * xy)
    strong = xx + yy
    # The tangent: half the angle of the tensor, a quarter turn from the gradient.
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    clear = np.square(np.clip(apart / (strong + FAINT), 0, 1))
    reach = np.float32(REACH * scale / 3) * clear
    way_x, way_y = -np.sin(angle) * reach, np.cos(angle) * reach
    height, width = grey.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    total, weights = picture.copy(), 1.0
    for step in (1, 2, 3):
        weight = float(np.exp(-0.5 * (step / 1.8) ** 2))
        for sign in (-step, step):
            total += weight * cv2.remap(picture, x + sign * way_x, y + sign * way_y,
                                        cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            weights += weight
    return total / np.float32(weights)


def sharpened(picture: np.ndarray, scale: float) -> np.ndarray:
    """``picture`` uint8 after an enlargement by ``scale``: edges smooth along themselves and crisp
    across; unchanged where it was not enlarged."""
    strength = float(np.clip(scale - 1, 0, 1))
    if strength == 0:
        return picture
    values = picture.astype(np.float32)
    values += np.float32(strength) * (smoothed_along_edges(values, scale) - values)
    sigma = 0.45 * scale
    blurred = cv2.GaussianBlur(values, (0, 0), sigma)
    reach = 2 * round(sigma) + 1
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    low, high = cv2.erode(values, around), cv2.dilate(values, around)
    room = OVERSHOOT * (high - low)
    out = np.clip(values + SHARPEN * strength * (values - blurred), low - room, high + room)
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)
