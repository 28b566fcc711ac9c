"""Ambience steps back gently while somebody speaks."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

STEP = 100
"""Steps of the envelope a second."""
SPEAKS_DB = -45.0
"""A step of dialogue this loud or louder (RMS, dBFS) is speech."""
HOLD, EASE = 0.5, 0.4
"""Seconds it stays down after a word (and comes down before it), and takes to move."""


class Ducking:
    """The gain of ambience under a dialogue [C, N] (array or mapped file) at ``rate``: 1 where
    nobody speaks, ``-decibels`` where somebody does, eased between, before and after."""

    def __init__(self, dialogue: np.ndarray, rate: int, decibels: float) -> None:
        self._rate = rate
        count = dialogue.shape[1]
        steps = -(-count * STEP // rate)
        speaks = np.zeros(max(steps, 1), bool)
        for step in range(0, steps, STEP):
            # A second at a time: constant memory.
            edges = [min(k * rate // STEP, count) for k in range(step, min(step + STEP, steps) + 1)]
            sound = np.asarray(dialogue[:, edges[0] : edges[-1]], np.float64)
            power = np.concatenate([[0.0], np.cumsum((sound * sound).mean(axis=0))])
            at = np.array(edges) - edges[0]
            mean = np.diff(power[at]) / np.maximum(np.diff(at), 1)
            speaks[step : step + len(mean)] = mean > 10 ** (SPEAKS_DB / 10)
        wide = maximum_filter1d(speaks.astype(np.float64), round(2 * HOLD * STEP) + 1)
        eased = uniform_filter1d(uniform_filter1d(wide, round(EASE * STEP / 2)),
                                 round(EASE * STEP / 2))
        self._gain = 10 ** (-decibels * eased / 20)

    def gains(self, start: int, count: int) -> np.ndarray:
        """float64 [count] for the samples from ``start``."""
        at = (np.arange(start, start + count) + 0.5) * STEP / self._rate - 0.5
        return np.interp(at, np.arange(len(self._gain)), self._gain)
