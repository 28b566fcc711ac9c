"""Frames of one rate as frames of another, in a stream, without changing how long anything takes.

Frame j of the film shows the instant ``j / fps``; where that lies between two frames of the source,
the picture between them is made from both, moved along the motion from one to the other (dense
optical flow of Kroeger and others 2016, DIS) and blended. Equal rates give the very frames. The
sound is never touched: both count the same seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import cv2
import numpy as np

STILL = 0.02
"""A place nearer than this to a frame is that frame."""


def retimed(frames: Iterable[np.ndarray], rate: Fraction, fps: Fraction, count: int
            ) -> Iterator[np.ndarray]:
    """``count`` frames at ``fps`` of ``frames`` (uint8 [h, w, 3]) at ``rate``.

    Of the source ``needed(count, ...)`` frames are read; where it ends before, its last frame is
    held.
    """
    source = iter(frames)
    flow = between()
    first, second, at = next(source), None, 0
    for j in range(count):
        place = j * Fraction(rate) / Fraction(fps)
        whole, part = int(place), float(place % 1)
        while at < whole:
            first = second if second is not None else next(source, first)
            second, at = None, at + 1
        if part < STILL:
            yield first
            continue
        if second is None:
            second = next(source, first)
        yield second if part > 1 - STILL else flow(first, second, part)


def needed(count: int, rate: Fraction, fps: Fraction) -> int:
    """How many source frames ``retimed`` reads for ``count`` frames of the film."""
    last = (count - 1) * Fraction(rate) / Fraction(fps)
    return int(last) + 1 + (float(last % 1) >= STILL)


def between() -> Callable[[np.ndarray, np.ndarray, float], np.ndarray]:
    """A function (first, second, share) that makes the picture between two frames; the motion of
    the last pair is kept."""
    finder = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    last: list = [None, None, None, None]

    def make(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
        if last[0] is not first or last[1] is not second:
            grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)]
            last[:] = first, second, finder.calc(*grey, None), finder.calc(*grey[::-1], None)
        height, width = first.shape[:2]
        x, y = np.meshgrid(np.arange(width, dtype=np.float32),
                           np.arange(height, dtype=np.float32))
        there, back = last[2], last[3]
        moved = [
            cv2.remap(frame, x + way[..., 0] * part, y + way[..., 1] * part, cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
            for frame, way, part in ((first, back, share), (second, there, 1 - share))
        ]
        plain = first.astype(np.float32) * (1 - share) + second.astype(np.float32) * share
        mixed = moved[0] * (1 - share) + moved[1] * share
        # Where the two disagree the motion was not understood: there it is a plain blend.
        apart = np.abs(moved[0] - moved[1]).max(-1, keepdims=True)
        trust = np.clip(1.5 - apart / 48, 0, 1)
        return np.clip(plain + (mixed - plain) * trust + 0.5, 0, 255).astype(np.uint8)

    return make
