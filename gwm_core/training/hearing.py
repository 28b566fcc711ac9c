"""Voices that no synthesiser of the training has: log-mel bands varied as rooms, microphones and
other speakers would vary them.

Gain, tilt and a smooth equaliser; a noise floor; a vocal tract of another length (bands moved
along the mel axis, Jaitly and Hinton 2013); now and then a whisper (no harmonics, no low end).
"""

from __future__ import annotations

import numpy as np

from ..avatars.voice import BANDS, FLOOR, NATS

WHISPER = 0.12


def varied(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Log power [B, T, 4, 40] of B tracks, each varied in its own way that lasts."""
    silent = bands.max(axis=(1, 2, 3)) < np.log(FLOOR) + 2
    size = len(bands)
    out = _warped(bands, rng.uniform(-1, 1, size))
    out = _whispered(out, rng)
    out = out + _equaliser(size, rng)[:, None, None]
    # noise between 10 and 45 dB below the loud moments of the track
    loud = np.quantile(out.max(axis=-1).reshape(size, -1), 0.95, axis=1)
    below = rng.uniform(10, 45, size) * NATS
    colour = _curve(size, rng, 5.0) * NATS
    noise = (loud - below)[:, None] + colour
    shape = out.shape
    speckle = rng.standard_normal(shape, dtype=np.float32) * 0.5
    out = np.logaddexp(out, noise[:, None, None].astype(np.float32) + speckle)
    gain = rng.uniform(-24, 12, size).astype(np.float32) * np.float32(NATS)
    out = np.logaddexp(out + gain[:, None, None, None], np.float32(np.log(FLOOR)))
    return np.where(silent[:, None, None, None], bands, out)


def _curve(size: int, rng: np.random.Generator, decibels: float) -> np.ndarray:
    """Smooth curves [size, 40] over the bands of about +-``decibels``."""
    at = np.linspace(0, 1, BANDS)
    waves = np.stack([np.cos(np.pi * k * at) / np.sqrt(k) for k in range(1, 6)])
    return decibels * 0.6 * rng.standard_normal((size, 5)) @ waves


def _equaliser(size: int, rng: np.random.Generator) -> np.ndarray:
    tilt = rng.uniform(-7, 7, size)[:, None] * np.linspace(-1, 1, BANDS)
    return ((tilt + _curve(size, rng, 4.0)) * NATS).astype(np.float32)


def _warped(bands: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Bands moved along the axis: at ``amount`` 1 (-1) formants lie about 14 % higher (lower)."""
    at = np.arange(BANDS)
    out = np.empty_like(bands)
    for i, value in enumerate(amount):
        # a factor on the frequency is nearly a shift in mel above 700 Hz, a factor below
        source = np.clip(at / (1 + 0.11 * value * (1 - 0.35 * at / BANDS)), 0, BANDS - 1)
        low = np.minimum(source.astype(int), BANDS - 2)
        part = (source - low).astype(np.float32)
        out[i] = bands[i][..., low] * (1 - part) + bands[i][..., low + 1] * part
    return out


def _whispered(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out = bands
    for i in np.flatnonzero(rng.random(len(bands)) < WHISPER):
        if out is bands:
            out = bands.copy()
        x = bands[i]
        padded = np.pad(x, ((0, 0), (0, 0), (2, 2)), mode="edge")
        smooth = sum(padded[..., k:k + BANDS] for k in range(5)) / 5
        cut = np.clip((9 - np.arange(BANDS)) / 9, 0, 1) * rng.uniform(8, 22) * NATS
        rough = 0.6 * rng.standard_normal(x.shape, dtype=np.float32)
        out[i] = smooth - cut.astype(np.float32) + rough
    return out
