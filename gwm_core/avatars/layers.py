"""The picture that a rig warps: one sheet, or a figure in front of a ground that stands still."""

from __future__ import annotations

import cv2
import numpy as np

from .coarse_map import Box

DOUBLED = 2_100_000
"""Pixels up to which a picture is doubled: beyond, its memory is worth more than the time."""


class Sheet:
    """An opaque portrait: everything is one sheet."""

    def __init__(self, image: np.ndarray) -> None:
        """image uint8 [h, w, 3]."""
        # Four channels are read faster than three.
        self._picture = Doubled(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA))

    def at(self, x: np.ndarray, y: np.ndarray, box: Box) -> np.ndarray:
        """[h, w, 3], 0..255: what the pixels of ``box`` show of the places x, y of the portrait."""
        return cv2.cvtColor(self._picture.at(x, y), cv2.COLOR_RGBA2RGB)


class Figure(Sheet):
    """A portrait whose alpha says what is the figure. Behind it the ground is filled smoothly from
    its sides, so that it stands still while the figure moves; unmoved, both together are the
    portrait exactly."""

    def __init__(self, image: np.ndarray, alpha: np.ndarray) -> None:
        """image uint8 [h, w, 3], alpha uint8 [h, w]."""
        share = alpha.astype(np.float32)[..., None] / 255
        self.ground = filled(image.astype(np.float32), alpha == 0)
        over = image - (1 - share) * self.ground
        self._picture = Doubled(np.concatenate([over, share], -1).astype(np.float32))

    def at(self, x: np.ndarray, y: np.ndarray, box: Box) -> np.ndarray:
        layer = self._picture.at(x, y)
        x0, y0, x1, y1 = box
        rest = 1 - np.clip(layer[..., 3:], 0, 1)
        return np.clip(layer[..., :3] + rest * self.ground[y0:y1, x0:x1], 0, 255)


class Doubled:
    """A picture at every half pixel, made once (Lanczos): bilinear interpolation of it is
    about as sharp as bicubic of the picture, in a third of the time. On pixels it is exact."""

    def __init__(self, image: np.ndarray) -> None:
        """image uint8 or float32 [h, w, 4]."""
        self._image, self._fine = image, None
        if image.shape[0] * image.shape[1] <= DOUBLED:
            halves = np.array([[0.5, 0, 0], [0, 0.5, 0]])
            self._fine = cv2.warpAffine(
                image, halves, (2 * image.shape[1], 2 * image.shape[0]),
                flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """As ``sample``."""
        if self._fine is None:
            return sample(self._image, x, y)
        return cv2.remap(self._fine, np.float32(2 * x - 1), np.float32(2 * y - 1),
                         cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def sample(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The picture at places x, y in pixels (centres at .5); beyond its sides the sides repeat."""
    return cv2.remap(image, np.float32(x - 0.5), np.float32(y - 0.5), cv2.INTER_CUBIC,
                     borderMode=cv2.BORDER_REPLICATE)


def filled(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """float32 [h, w, 3]: where not ``known`` [h, w], a smooth filling from what is (Gortler and
    others 1996: averages of known pixels at every scale, the finest that there is)."""
    weight = known.astype(np.float32)[..., None]
    levels = [(image * weight, weight)]
    while min(levels[-1][1].shape[:2]) > 1:
        colour, weight = levels[-1]
        levels.append((cv2.pyrDown(colour), cv2.pyrDown(weight)[..., None]))
    colour, weight = levels[-1]
    out = colour / np.maximum(weight, 1e-6)
    for colour, weight in reversed(levels[:-1]):
        height, width = weight.shape[:2]
        out = cv2.resize(out, (width, height), interpolation=cv2.INTER_LINEAR)
        out = out.reshape(height, width, 3)
        share = np.minimum(weight * 4, 1)
        out = out + (colour / np.maximum(weight, 1e-6) - out) * share
    return np.where(known[..., None], image, out).astype(np.float32)
