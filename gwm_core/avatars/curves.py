"""Smooth curves through a few landmarks, as tables over -1..1 that are fast to look up."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

COUNT = 129
AT = np.linspace(-1, 1, COUNT).astype(np.float32)


def table(at: np.ndarray, values: np.ndarray) -> np.ndarray:
    """float32 [COUNT]: a monotone cubic (Fritsch and Carlson 1980) through the points ``at``, in
    any order; points that fall together, or run back, are nudged apart."""
    order = np.argsort(at, kind="stable")
    at, values = np.asarray(at, np.float64)[order], np.asarray(values, np.float64)[order]
    at = np.maximum.accumulate(at + 1e-3 * np.arange(len(at)))
    return PchipInterpolator(at, values, extrapolate=False)(
        np.clip(AT, at[0], at[-1])).astype(np.float32)


class Places:
    """Where ``s`` is in tables, worked out once for all that are looked up there."""

    def __init__(self, s: np.ndarray) -> None:
        x = (s + 1) * (0.5 * (COUNT - 1))
        x = np.minimum(np.maximum(x, 0), COUNT - 1)
        self._before = x.astype(np.intp)
        x -= self._before.astype(x.dtype)
        self._share = x

    def look(self, values: np.ndarray) -> np.ndarray:
        """The table at ``s``; its ends beyond."""
        steps = np.append(values[1:], values[-1:]) - values  # none after the last
        at = self._before
        return values.take(at, mode="clip") + steps.take(at, mode="clip") * self._share


def look(values: np.ndarray, s: np.ndarray) -> np.ndarray:
    """The table at ``s``; its ends beyond."""
    return Places(s).look(values)


def cover(v, top, bottom):
    """0..1: how much of a pixel row at v lies between two edges; a thin gap covers its share."""
    low, high = bottom - v + 0.5, top - v + 0.5
    return np.minimum(np.maximum(low, 0), 1) - np.minimum(np.maximum(high, 0), 1)
