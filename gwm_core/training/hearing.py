"""Voices that no synthesiser of the training has: log-mel bands varied as rooms, microphones and
other speakers would vary them.

Gain, tilt and a smooth equaliser; a noise floor; a vocal tract of another length and shape (bands
moved along the mel axis, Jaitly and Hinton 2013); formants blunter or sharper; another melody; an
echo; a narrow line; now and then a whisper (no harmonics, no low end, soft vowels).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..avatars.voice import BANDS, FLOOR, FRAMES, HIGH_HZ, LOW_HZ, NATS
from ..simulators.faces.whisper import lift

WHISPER, SHARPENED, PITCHED, ECHOED, LIMITED = 0.3, 0.6, 0.4, 0.25, 0.2
"""Shares of the tracks that are varied so."""
MASKED, WIDEST_MASK = 0.5, 8
"""Share of the windows that are masked, by bands and by moments; bands at most."""
SPECKLE, BREATH = 0.1, 0.4
"""Of a window's speckle, and at most where it is a breath's: so rough is the spectrum of noise."""
LONGEST_GAP, GAPS_EVERY = 12, 18
"""Frames of a masked moment at most; ticks for each of them."""
HARMONICS_HZ = 1100.0
"""Above this the bands are wider than the harmonics of a voice are apart."""
_LINE = np.arange(BANDS)
_MELS = 2595 * np.log10(1 + np.array([LOW_HZ, HIGH_HZ]) / 700)
_HZ = 700 * (10 ** (np.linspace(*_MELS, BANDS + 2)[1:-1] / 2595) - 1)


def varied(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Log power [B, T, 4, 40] of B tracks, each varied in its own way that lasts."""
    silent = bands.max(axis=(1, 2, 3)) < np.log(FLOOR) + 2
    size = len(bands)
    out = _warped(bands, rng)
    for i in _some(size, SHARPENED, rng):
        base = _smooth(out[i], 4)
        out[i] = base + np.float32(rng.uniform(0.5, 1.4)) * (out[i] - base)
    for i in _some(size, PITCHED, rng):
        out[i] = _pitched(out[i], rng)
    for i in _some(size, WHISPER, rng):
        out[i] = _whispered(out[i], rng)
    out = out + _equaliser(size, rng)[:, None, None]
    for i in _some(size, ECHOED, rng):
        out[i] = _echoed(out[i], rng)
    # noise between 10 and 45 dB below the loud moments of the track
    loud = np.quantile(out.max(axis=-1).reshape(size, -1), 0.95, axis=1)
    for i in _some(size, LIMITED, rng):
        over = np.clip(_LINE - rng.uniform(24, 38), 0, 8) * rng.uniform(3, 8) * NATS
        out[i] -= over.astype(np.float32)
    below = rng.uniform(10, 45, size) * NATS
    noise = (loud - below)[:, None] + _curve(size, rng, 5.0) * NATS
    speckle = rng.standard_normal(out.shape, dtype=np.float32) * 0.5
    out = np.logaddexp(out, noise[:, None, None].astype(np.float32) + speckle)
    gain = rng.uniform(-24, 12, size).astype(np.float32) * np.float32(NATS)
    out = np.logaddexp(out + gain[:, None, None, None], np.float32(np.log(FLOOR)))
    return np.where(silent[:, None, None, None], bands, out)


def masked(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Relative bands [B, F, 40] of B windows, each without some of what it had: a range of bands
    all along or moments at the voice's mean (SpecAugment, Park et al. 2019), and speckled. What is
    learned of a window then rests on more than one trait of the voice that spoke."""
    size, frames, bands = sound.shape
    rough = np.where(rng.random(size) < MASKED, rng.uniform(SPECKLE, BREATH, size), SPECKLE)
    out = sound + rough.astype(np.float32)[:, None, None] * rng.standard_normal(
        sound.shape, dtype=np.float32)
    for i in _some(size, MASKED, rng):
        first = int(rng.integers(0, bands - WIDEST_MASK + 1))
        out[i, :, first:first + int(rng.integers(1, WIDEST_MASK + 1))] = 0
    for i in _some(size, MASKED, rng):
        for _ in range(max(1, round(frames / FRAMES / GAPS_EVERY))):
            first = int(rng.integers(0, frames - LONGEST_GAP + 1))
            out[i, first:first + int(rng.integers(2, LONGEST_GAP + 1))] = 0
    return out


def _some(size: int, share: float, rng: np.random.Generator) -> Iterator[int]:
    yield from np.flatnonzero(rng.random(size) < share)


def _curve(size: int, rng: np.random.Generator, decibels: float) -> np.ndarray:
    """Smooth curves [size, 40] over the bands of about +-``decibels``."""
    at = np.linspace(0, 1, BANDS)
    waves = np.stack([np.cos(np.pi * k * at) / np.sqrt(k) for k in range(1, 6)])
    return decibels * 0.6 * rng.standard_normal((size, 5)) @ waves


def _equaliser(size: int, rng: np.random.Generator) -> np.ndarray:
    tilt = rng.uniform(-7, 7, size)[:, None] * np.linspace(-1, 1, BANDS)
    return ((tilt + _curve(size, rng, 4.0)) * NATS).astype(np.float32)


def _warped(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bands moved along the axis by up to 14 %, and not all formants alike."""
    out = np.empty_like(bands)
    for i in range(len(bands)):
        # a factor on the frequency is nearly a shift in mel above 700 Hz, a factor below
        source = _LINE / (1 + 0.11 * rng.uniform(-1, 1) * (1 - 0.35 * _LINE / BANDS))
        source = source + sum(rng.normal(0, 0.55) * np.sin(np.pi * k * _LINE / BANDS) / k
                              for k in (1, 2, 3))
        source = np.clip(source, 0, BANDS - 1)
        low = np.minimum(source.astype(int), BANDS - 2)
        part = (source - low).astype(np.float32)
        out[i] = bands[i][..., low] * (1 - part) + bands[i][..., low + 1] * part
    return out


def _smooth(bands: np.ndarray, reach: int) -> np.ndarray:
    """[T, 4, 40]: the mean of each band and ``reach`` to either side."""
    padded = np.pad(bands, ((0, 0), (0, 0), (reach, reach)), mode="edge")
    count = 2 * reach + 1
    return sum(padded[..., k:k + BANDS] for k in range(count)) / np.float32(count)


def _pitched(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[T, 4, 40] with the harmonics of another melody, of 85 to 260 Hz and its drift."""
    frames = bands.shape[0] * FRAMES
    drift = np.cumsum(rng.standard_normal(frames)) * 0.012
    drift -= np.linspace(0, drift[-1], frames)
    middle = rng.uniform(np.log(85), np.log(260))
    pitch = np.exp(middle + np.clip(drift, -0.35, 0.35))[:, None]
    fade = np.clip((HARMONICS_HZ - _HZ) / 500, 0, 1)
    # the closer the harmonics, the less do bands of 50 Hz and more tell them apart
    seen = np.clip((pitch - 40) / 110, 0.2, 1)
    ripple = rng.uniform(0.3, 1.6) * np.cos(2 * np.pi * _HZ / pitch) * fade * seen
    flat = bands + fade.astype(np.float32) * (_smooth(bands, 2) - bands)
    return flat + ripple.reshape(bands.shape).astype(np.float32)


def _whispered(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[T, 4, 40] without harmonics and low end. What was voiced loses the fall of the glottis'
    spectrum, as turbulence is nearly white (Jovicic 1998: flatter, formants wider), and is softer
    against what hisses."""
    dark = bands[..., :14].max(-1) - bands[..., 26:].max(-1)
    power = np.log(np.exp(bands).mean(-1))
    heard = np.quantile(power, 0.95) - 30 * NATS
    voiced = 1 / ((1 + np.exp(-dark / 2)) * (1 + np.exp(-(power - heard))))
    out = _smooth(bands, int(rng.integers(1, 3)))
    out = out + (voiced[..., None] * lift(_HZ, rng)).astype(np.float32)
    valleys = _smooth(out, int(rng.integers(4, 10))) - np.float32(rng.uniform(4, 18) * NATS)
    out = np.logaddexp(out, valleys)
    edge = rng.uniform(6, 14)
    out = out - (np.clip((edge - _LINE) / edge, 0, 1) * rng.uniform(6, 24) * NATS)
    softer = power - np.log(np.exp(out).mean(-1)) - rng.uniform(-3, 12) * NATS
    out = out + (voiced * softer)[..., None]
    rough = rng.uniform(0.3, 0.8) * rng.standard_normal(bands.shape, dtype=np.float32)
    return (out + rough).astype(np.float32)


def _echoed(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[T, 4, 40] with a tail that falls by 1.2 to 5 dB in each 10 ms."""
    rows = bands.reshape(-1, BANDS)
    fall, wet = rng.uniform(1.2, 5) * NATS, rng.uniform(6, 16) * NATS
    tail, last = np.empty_like(rows), rows[0] - 20
    for t, row in enumerate(rows):
        tail[t] = last - wet
        last = np.maximum(row, last - np.float32(fall))
    return np.logaddexp(rows, tail).reshape(bands.shape)
