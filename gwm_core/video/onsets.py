"""When something sets in, in any sound: peaks of the rise of log energy over bands.

Each band is held against its own usual level, so that steady room tone does not hide a faint
impact in another band, after the spectral flux of Bello and others 2005 (A tutorial on onset
detection in music signals) with adaptive whitening.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import Cancelled

HOP, WINDOW = 0.005, 0.02
"""Seconds."""
BANDS, LOWEST = 20, 80.0
LOUDER = 6.0
"""A band counts as far as it is so many times above its usual level."""
RISE = 0.4
"""Mean rise over the bands (nats) that is an onset."""
BACK = 0.03
"""Seconds before a moment whose loudest level it must rise above."""
APART = 0.06
"""Seconds within which one onset alone is taken, the strongest."""
EARLY = 0.006
"""Seconds by which a window hears a sound before it sets in."""
AT_ONCE = 4096
"""Hops that are looked at together."""


def onsets(sound: np.ndarray, rate: int, stop: Callable[[], bool] | None = None) -> np.ndarray:
    """Seconds, float64 [n], at which something sets in, in a sound float [N] or [C, N].

    Exact to about 5 ms. Silence, and sound shorter than a tenth of a second, has none. ``stop`` is
    asked now and then; true ends it with ``Cancelled``.
    """
    mono = np.asarray(sound, np.float32)
    mono = mono.mean(axis=0) if mono.ndim == 2 else mono
    hop = max(round(HOP * rate), 1)
    if len(mono) < 20 * hop or not np.abs(mono).max(initial=0.0) > 0:
        return np.zeros(0)
    energy = _energy(mono, rate, hop, stop)
    usual = np.median(energy, axis=0) + 1e-9 * energy.max() + 1e-12
    level = np.log1p(energy / (LOUDER * usual))
    back = max(round(BACK / HOP), 2)
    # A hop's window reaches into the next ones: what is risen above lies before it.
    before = np.max([_later(level, k) for k in range(2, back + 1)], axis=0)
    rise = np.maximum(level - before, 0).mean(axis=1)
    apart, found = round(APART / HOP), []
    for k in np.flatnonzero(rise > RISE):
        if rise[k] >= rise[max(k - apart, 0) : k + apart + 1].max() \
                and (not found or k - found[-1] > apart):
            found.append(int(k))
    times = np.array([_begun(rise, k) for k in found]) * (hop / rate) + EARLY
    return np.maximum(times, 0)


def _energy(mono: np.ndarray, rate: int, hop: int, stop: Callable[[], bool] | None) -> np.ndarray:
    """float64 [hops, bands]: hop k is centred on sample k * hop."""
    size = max(round(WINDOW * rate), 8)
    window = np.hanning(size)
    edges = np.unique(np.round(np.geomspace(
        max(LOWEST * size / rate, 1), size // 2, BANDS + 1)).astype(int))
    padded = np.pad(mono, (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(mono) : hop]
    parts = []
    for start in range(0, len(frames), AT_ONCE):
        if stop is not None and stop():
            raise Cancelled("stopped while listening")
        power = np.abs(np.fft.rfft(frames[start : start + AT_ONCE] * window, axis=1)) ** 2
        sums = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
        parts.append(sums[:, edges[1:]] - sums[:, edges[:-1]])
    return np.concatenate(parts)


def _later(level: np.ndarray, hops: int) -> np.ndarray:
    return np.concatenate([np.repeat(level[:1], hops, axis=0), level[:-hops]])


def _begun(rise: np.ndarray, peak: int) -> float:
    """Where a rise that is steepest at ``peak`` is half done, in hops."""
    k = peak
    while k > 0 and rise[k - 1] > 0.5 * rise[peak]:
        k -= 1
    if k == 0 or rise[k] == rise[k - 1]:
        return float(k)
    return float(k - np.clip((rise[k] - 0.5 * rise[peak]) / (rise[k] - rise[k - 1]), 0, 1))
