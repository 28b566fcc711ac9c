"""Where a clip cuts, seen in its pictures alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

CUT = 6.0
"""A step of the picture this many times those around it, and of ``LEAST`` levels, is a cut."""
LEAST = 12.0
AROUND = 6
"""Steps before and after one that it is held against."""
SMALL = 64
"""Pictures are looked at this wide."""
Progress = Callable[[int, int], None]


def find_cuts(frames: Sequence[np.ndarray], progress: Progress | None = None) -> list[int]:
    """Numbers of the frames that begin a new picture: a step far above those around it."""
    steps, before, count = [0.0], None, len(frames)
    for k in range(count):
        small = _small(np.asarray(frames[k]))
        if before is not None:
            steps.append(float(np.abs(small - before).mean()))
        before = small
        if progress is not None:
            progress(k + 1, count)
    cuts = []
    for k in range(1, count):
        around = [*steps[max(1, k - AROUND) : k], *steps[k + 1 : k + 1 + AROUND]]
        usual = float(np.median(around)) if around else 0.0
        if steps[k] > max(CUT * usual, LEAST):
            cuts.append(k)
    return cuts


def _small(frame: np.ndarray) -> np.ndarray:
    import cv2

    height, width = frame.shape[:2]
    size = (SMALL, max(SMALL * height // width, 1))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.float32)
