"""A small painter: anti-aliased smooth shapes on a picture, in the final picture's pixels.

The pixels painted on are ``supersample`` times as fine; ``picture`` averages them down. Positions
are float [N, 2], x right and y down, pixel centres at .5; colours are (r, g, b) of 0..255.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import cv2
import numpy as np

Colour = tuple[int, int, int]
SHIFT = 4  # cv2 takes positions in 1/16 pixel
GROWTH = 0.7
"""Fine pixels by which cv2's anti-aliased shapes are larger on every side."""


@lru_cache(maxsize=256)
def _basis(count: int, per: int, closed: bool) -> np.ndarray:
    """Uniform Catmull-Rom weights [samples, count]: the curve passes through every point."""
    spans = count if closed else count - 1
    t = np.arange(per)[None] / per
    w = np.stack([-t**3 + 2 * t**2 - t, 3 * t**3 - 5 * t**2 + 2,
                  -3 * t**3 + 4 * t**2 + t, t**3 - t**2]) / 2
    out = np.zeros((spans * per + (not closed), count))
    for span in range(spans):
        for k in range(4):
            at = span + k - 1
            at = at % count if closed else min(max(at, 0), count - 1)
            out[span * per : (span + 1) * per, at] += w[k, 0]
    if not closed:
        out[-1, -1] = 1
    return out


def curve(points, per: int = 6, closed: bool = False) -> np.ndarray:
    """A smooth curve through ``points`` [N, D]: [N * per, D], open ones with the last point."""
    points = np.asarray(points, np.float64)
    return _basis(len(points), per, closed) @ points


@lru_cache(maxsize=512)
def _widths(count: int, taper: tuple[float, float]) -> np.ndarray:
    """Half widths [count, 1] of a stroke of width 1."""
    t = np.linspace(0, 1, count)
    ends = taper[0] * (1 - t) + taper[1] * t
    return 0.5 * (ends + (1 - ends) * np.sin(np.pi * t) ** 0.7)[:, None]


def ribbon(points: np.ndarray, width: float, taper=(0.0, 0.0)) -> np.ndarray:
    """The outline of a stroke along ``points``: ``width`` in the middle, times ``taper`` at its
    ends."""
    across = np.empty_like(points)
    across[1:-1] = points[2:] - points[:-2]
    across[0], across[-1] = points[1] - points[0], points[-1] - points[-2]
    length = np.sqrt(across[:, 0] ** 2 + across[:, 1] ** 2) + 1e-6
    side = across[:, ::-1] * (width * _widths(len(points), tuple(taper)) / length[:, None])
    side[:, 0] *= -1
    return np.concatenate([points + side, (points - side)[::-1]])


@lru_cache(maxsize=16)
def _circle(count: int) -> tuple[np.ndarray, np.ndarray]:
    a = np.arange(count) * (2 * np.pi / count)
    return np.cos(a), np.sin(a)


def oval(centre, rx: float, ry: float, angle: float = 0.0, count: int = 20) -> np.ndarray:
    """An ellipse's outline [count, 2], turned clockwise by ``angle`` radians."""
    x, y = _circle(count)
    out = np.empty((count, 2))
    if angle:
        c, s = np.cos(angle), np.sin(angle)
        out[:, 0] = centre[0] + c * rx * x - s * ry * y
        out[:, 1] = centre[1] + s * rx * x + c * ry * y
    else:
        out[:, 0] = centre[0] + rx * x
        out[:, 1] = centre[1] + ry * y
    return out


@lru_cache(maxsize=4096)
def mix(a: Colour, b: Colour, t: float) -> Colour:
    """From ``a`` (t = 0) to ``b`` (t = 1)."""
    return tuple(int(min(max(p + (q - p) * t, 0), 255)) for p, q in zip(a, b, strict=True))


@lru_cache(maxsize=4096)
def tone(colour: Colour, gain: float) -> Colour:
    """``colour`` times ``gain``; shadows lean to blue and lights to yellow, as in daylight."""
    warm = 0.06 * (gain - 1)
    return tuple(int(min(max(v * gain * (1 + k * warm), 0), 255))
                 for v, k in zip(colour, (1, 0.3, -1.5), strict=True))


class Canvas:
    """Paints into uint8 pixels [h, w, 3] whose left upper corner is at ``origin`` (fine pixels)."""

    def __init__(self, pixels: np.ndarray, supersample: int, origin: tuple[int, int] = (0, 0)):
        self.pixels, self.supersample, self.origin = pixels, supersample, origin
        self._gain = float(supersample << SHIFT)
        half = 1 << (SHIFT - 1)
        self._shift = np.array((-half - (origin[0] << SHIFT), -half - (origin[1] << SHIFT)))

    def fixed(self, points: np.ndarray) -> np.ndarray:
        """cv2's whole numbers of ``points``."""
        out = points * self._gain
        out += self._shift
        return np.rint(out, out).astype(np.int32)

    def fill(self, points: np.ndarray, colour: Colour) -> None:
        cv2.fillPoly(self.pixels, [self.fixed(points)], colour, cv2.LINE_AA, SHIFT)

    def line(self, points: np.ndarray, colour: Colour, width: float, closed: bool = False) -> None:
        """A line [N, 2], or lines [K, N, 2], of even width; below one fine pixel it grows fainter
        instead of thinner."""
        thick, fixed = width * self.supersample, self.fixed(points)
        lines = [fixed] if fixed.ndim == 2 else list(fixed)
        if thick >= 0.8:
            cv2.polylines(self.pixels, lines, closed, colour, max(round(thick), 1),
                          cv2.LINE_AA, SHIFT)
            return
        box = self._box(fixed.reshape(-1, 2), 2)
        if box is not None:
            part = self.pixels[box[1] : box[3], box[0] : box[2]]
            top = part.copy()
            corner = np.array((box[0] << SHIFT, box[1] << SHIFT), np.int32)
            cv2.polylines(top, [line - corner for line in lines], closed, colour, 1,
                          cv2.LINE_AA, SHIFT)
            alpha = max(thick, 0.15)
            part[...] = cv2.addWeighted(top, alpha, part, 1 - alpha, 0)

    def stroke(self, points: np.ndarray, colour: Colour, width: float, taper=(0.0, 0.0)) -> None:
        """A brush stroke, thinner towards its ends."""
        self.fill(ribbon(points, max(width, 0.7 / self.supersample), taper), colour)

    def _box(self, fixed: np.ndarray, margin: int = 1) -> tuple[int, int, int, int] | None:
        x, y, wide, high = cv2.boundingRect(fixed)
        h, w = self.pixels.shape[:2]
        x0, y0 = max((x >> SHIFT) - margin, 0), max((y >> SHIFT) - margin, 0)
        x1 = min(((x + wide) >> SHIFT) + 2 + margin, w)
        y1 = min(((y + high) >> SHIFT) + 2 + margin, h)
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None

    def window(self, points: np.ndarray, margin: int = 1) -> tuple[int, int, int, int] | None:
        """The fine pixels (x0, y0, x1, y1) around ``points``, None where none is seen."""
        return self._box(self.fixed(points), margin)

    def sheet(self, box: tuple[int, int, int, int], pixels: np.ndarray) -> Canvas:
        """A canvas of its own ``pixels`` over ``box``."""
        return Canvas(pixels, self.supersample, (self.origin[0] + box[0], self.origin[1] + box[1]))

    @contextmanager
    def glazing(self, points: np.ndarray, alpha: float, margin: int = 1) -> Iterator[Canvas]:
        """A sheet around ``points``; what is painted on it shows by ``alpha`` (0..1)."""
        box = self.window(points, margin)
        if box is None:
            yield Canvas(np.zeros((1, 1, 3), np.uint8), self.supersample)
            return
        part = self.pixels[box[1] : box[3], box[0] : box[2]]
        sheet = self.sheet(box, part.copy())
        yield sheet
        part[...] = cv2.addWeighted(sheet.pixels, alpha, part, 1 - alpha, 0)

    def glaze(self, points: np.ndarray, colour: Colour, alpha: float) -> None:
        """A translucent shape."""
        fixed = self.fixed(points)
        box = self._box(fixed)
        if box is None:
            return
        part = self.pixels[box[1] : box[3], box[0] : box[2]]
        top = part.copy()
        fixed -= np.array((box[0] << SHIFT, box[1] << SHIFT), np.int32)
        cv2.fillPoly(top, [fixed], colour, cv2.LINE_AA, SHIFT)
        part[...] = cv2.addWeighted(top, alpha, part, 1 - alpha, 0)

    @contextmanager
    def inside(self, outline: np.ndarray) -> Iterator[Canvas]:
        """A sheet of which only what is inside ``outline`` stays."""
        fixed = self.fixed(outline)
        box = self._box(fixed)
        if box is None:
            yield Canvas(np.zeros((1, 1, 3), np.uint8), self.supersample)
            return
        part = self.pixels[box[1] : box[3], box[0] : box[2]]
        sheet = self.sheet(box, part.copy())
        yield sheet
        mask = np.zeros(part.shape[:2], np.uint8)
        fixed -= np.array((box[0] << SHIFT, box[1] << SHIFT), np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, SHIFT)
        if mask.size > 12000:  # hard edges of fine pixels will do on large shapes
            cv2.copyTo(sheet.pixels, mask, part)
            return
        weight = cv2.merge([mask] * 3)
        kept = cv2.multiply(part, cv2.bitwise_not(weight), scale=1 / 255)
        part[...] = cv2.add(cv2.multiply(sheet.pixels, weight, scale=1 / 255), kept)

    def picture(self) -> np.ndarray:
        """The pixels averaged down to the final size."""
        h, w = self.pixels.shape[:2]
        size = (w // self.supersample, h // self.supersample)
        return cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA)
