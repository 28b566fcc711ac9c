"""Frames of a clip as the impact network reads them: small, and turned as the one in the middle."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.ndimage import maximum_filter

from ..model.impacts import CHANNELS, GRID, HEIGHT, REACH, WIDTH
from ..motion import Motion, opencv, steady_flow, turned

CHANGE = 10
"""Grey levels by which something that moves differs."""


def fitted(frame: np.ndarray) -> np.ndarray:
    """The middle of a picture u8 [H, W, 3] of any size, in the model's aspect, 256 x 160."""
    h, w = frame.shape[:2]
    tall, wide = min(h, round(w * 5 / 8)), min(w, round(h * 8 / 5))
    top, left = (h - tall) // 2, (w - wide) // 2
    part = np.ascontiguousarray(frame[top:top + tall, left:left + wide])
    cv2 = opencv()
    way = cv2.INTER_AREA if wide >= 2 * WIDTH else cv2.INTER_LINEAR
    return cv2.resize(part, (2 * WIDTH, 2 * HEIGHT), interpolation=way)


def shrink(frames: Iterable[np.ndarray]) -> np.ndarray:
    """Pictures of 256 x 160 as u8 [F, 80, 128, 3]."""
    cv2 = opencv()
    return np.stack([cv2.resize(f, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for f in frames])


def turns_of(frames: Iterable[np.ndarray]) -> np.ndarray:
    """Turn of the camera from each picture of 256 x 160 to the next, f32 [F - 1, 2]: right and up
    in radians."""
    motion, old, out = Motion(), None, []
    with steady_flow():
        for frame in frames:
            new = motion.look(frame)
            if old is not None:
                out.append(motion.turn(old, new))
            old = new
    return np.array(out, np.float32).reshape(-1, 2)


def still_cells(x: np.ndarray) -> np.ndarray:
    """bool [20, 32]: cells of a window u8 [9, 80, 128] about which nothing changes: no impact can
    be seen there."""
    change = np.abs(x[3:].astype(np.int16) - 128).max(0)
    rows, columns = GRID
    cells = change.reshape(rows, HEIGHT // rows, columns, WIDTH // columns).max((1, 3))
    return maximum_filter(cells, 5) < CHANGE


def window(frames: np.ndarray, turns: np.ndarray, at: int) -> np.ndarray:
    """Network input u8 [9, 80, 128] of frame `at` of small frames [F, 80, 128, 3]: its colours,
    and the grey pictures REACH before and after it, turned as it is, less its own (128 is equal).

    Where a clip ends its last picture stands for those that are missing."""
    cv2 = opencv()
    here = frames[at]
    grey = cv2.cvtColor(here, cv2.COLOR_RGB2GRAY)
    out = np.full((CHANNELS, HEIGHT, WIDTH), 128, np.uint8)
    out[:3] = here.transpose(2, 0, 1)
    row = 3
    for away in (*range(-REACH, 0), *range(1, REACH + 1)):
        k = min(max(at + away, 0), len(frames) - 1)
        other = cv2.cvtColor(frames[k], cv2.COLOR_RGB2GRAY)
        if k != at:
            right, up = turns[k:at].sum(0) if k < at else -turns[at:k].sum(0)
            if abs(right) + abs(up) > 1e-3:
                x, y = turned(float(right), float(up), WIDTH, HEIGHT)
                other = cv2.remap(other, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
                                  borderValue=0)
                outside = (x < 0) | (x > WIDTH - 1) | (y < 0) | (y > HEIGHT - 1)
                other = np.where(outside, grey, other)
        gap = other.astype(np.int16) - grey
        out[row] = np.clip(gap + 128, 0, 255)
        row += 1
    return out
