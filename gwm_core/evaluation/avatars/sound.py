"""What the evaluation hears: log-mel features of its own, so that no judge shares the model's ears.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

RATE = 16_000
TICK = 640
"""Samples a tick."""
HOP, WINDOW = 160, 512
FRAMES = TICK // HOP
"""Rows of features a tick."""
BANDS = 40
LOWEST, HIGHEST = 80.0, 7600.0  # Hz


def _mel(hertz):
    return 2595 * np.log10(1 + np.asarray(hertz, float) / 700)


@lru_cache(maxsize=4)
def filters(bands: int = BANDS) -> np.ndarray:
    """Triangular mel filters float32 [WINDOW // 2 + 1, bands] (O'Shaughnessy's scale)."""
    edges = 700 * (10 ** (np.linspace(_mel(LOWEST), _mel(HIGHEST), bands + 2) / 2595) - 1)
    at = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    rise = (at[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - at[:, None]) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rise, fall), 0, None).astype(np.float32)


def log_mel(audio: np.ndarray, bands: int = BANDS) -> np.ndarray:
    """float32 [4 T, bands] of a 16 kHz sound [640 T]: row k is centred at (k + .5) * 10 ms."""
    ticks = len(audio) // TICK
    side = (WINDOW - HOP) // 2
    padded = np.pad(np.asarray(audio[: ticks * TICK], np.float32), side)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: ticks * FRAMES]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)) ** 2
    return np.log(power @ filters(bands) + 1e-4).astype(np.float32)


def loudness(audio: np.ndarray) -> np.ndarray:
    """Log of the root mean square of each tick of a 16 kHz sound, float32 [T]."""
    ticks = np.asarray(audio[: len(audio) // TICK * TICK], np.float64).reshape(-1, TICK)
    return np.log(np.sqrt((ticks ** 2).mean(1)) + 1e-4).astype(np.float32)


def whitened(mel: np.ndarray) -> np.ndarray:
    """Features [N, bands] less the clip's mean and over its spread, so that gain and the colour
    of a room do not matter."""
    return (mel - mel.mean(0)) / (mel.std(0) + 0.5)
