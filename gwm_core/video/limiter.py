"""A true-peak limiter for sound that arrives in pieces, in constant memory.

Look-ahead: the gain is already down when a peak comes. Both channels share one gain, so that the
picture of the room does not move. Peaks between samples are found 4 times oversampled.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d

from .loudness import Oversampled

LOOK_AHEAD = 0.005
"""Seconds in which the gain comes down."""
RELEASE = 30.0
"""Decibels a second at which it comes back."""
MARGIN = 0.3
"""Decibels kept free for what 4 times oversampling does not see: enough for sound up to 0.9 of
the highest frequency (21.6 kHz at 48 kHz)."""


class Limiter:
    """``add`` pieces float [C, N] and get what is done, later ``rest``: together as long as what
    came in. ``gain`` is applied first; no peak then exceeds ``ceiling`` dBTP."""

    def __init__(self, rate: int, ceiling: float, gain: float = 1.0, channels: int = 2) -> None:
        self._gain, self._ceiling = gain, ceiling - MARGIN
        self._look = max(round(rate * LOOK_AHEAD), 8)
        self._release = RELEASE / rate
        window = np.hanning(self._look + 2)[1:-1]
        self._window = window / window.sum()
        self._peaks = Oversampled(channels)
        self._sound = np.zeros((channels, 0))
        # Reductions in dB: wanted by samples to come, and held by the last ones for the window.
        # Both begin one look-ahead before the sound, so that it may begin with a peak.
        self._wanted = np.zeros(self._look - 1)
        self._held = np.zeros(0)
        self._level = 0.0
        self.reduced = 0.0

    def add(self, sound: np.ndarray) -> np.ndarray:
        """The next samples, float [C, N]; what can be told by now, float32 [C, M]."""
        sound = np.asarray(sound, np.float64) * self._gain
        self._sound = np.concatenate([self._sound, sound], axis=1)
        return self._advance(self._peaks.peaks(sound), last=False)

    def rest(self) -> np.ndarray:
        """What is still owed, float32 [C, M]; nothing may be added after it."""
        return self._advance(self._peaks.rest(), last=True)

    def _advance(self, peaks: np.ndarray, last: bool) -> np.ndarray:
        with np.errstate(divide="ignore"):
            over = 20 * np.log10(peaks) - self._ceiling
        self._wanted = np.concatenate([self._wanted, np.maximum(over, 0)])
        # A sample's gain is settled when the look-ahead behind it has been seen.
        count = len(self._wanted) - (0 if last else self._look)
        if count <= 0:
            return np.zeros((self._sound.shape[0], 0), np.float32)
        ahead = np.concatenate([self._wanted, np.zeros(self._look if last else 0)])
        # Maximum over [n, n + look), then a fall of at most RELEASE, then smoothed over the look:
        # at every peak the smoothed value is no less than what the peak needs.
        most = maximum_filter1d(ahead, self._look, origin=-(self._look // 2))[:count]
        ramp = self._release * np.arange(1, count + 1)
        level = np.maximum.accumulate(np.concatenate([[self._level], most + ramp]))[1:] - ramp
        level = np.maximum(level, 0)
        self._wanted = self._wanted[count:]
        held = np.concatenate([self._held, level])
        count = max(len(held) - self._look + 1, 0)
        reduces = count > 0 and held.any()
        smooth = np.convolve(held, self._window, "valid") if reduces else np.zeros(count)
        self._held, self._level = held[count:], float(level[-1])
        out = self._sound[:, :count]
        self._sound = self._sound[:, count:]
        if smooth.any():
            self.reduced = max(self.reduced, float(smooth.max()))
            out = out * 10 ** (-smooth / 20)
        return out.astype(np.float32)
