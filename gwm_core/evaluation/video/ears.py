"""Judges of sound alone: when something sets in, and what material was struck.

Onsets are peaks of spectral flux over bands, each against its own noise floor, so that neither
ambience nor what still rings hides a faint impact. The material is told by linear discriminants of
how the bands decay, fitted on the spot to strikes of the simulator.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...model import modes
from ...noise import rng
from ...simulators.rooms.sound import ambience, strike

HOP, WINDOW = 0.01, 512 / 24000
BANDS = 18
MATERIALS = len(modes.MATERIALS)
LOUDER, RISE = 8.0, 0.4
"""How far above its noise floor a band counts, and the mean rise (nats) that is an onset."""
APART = 4
"""Hops within which one onset alone is taken."""
LATE = 0.002
"""Seconds by which a rise is found after the sound sets in."""
BEFORE, SPANS = (-0.06, -0.004), ((0.0, 0.03), (0.0, 0.1), (0.05, 0.2))
"""Seconds about an onset: what was there before, and the spectra that tell the material."""
TONES, FINE = 30, 4096
"""Bands of these, from 45 Hz to 10.5 kHz, and the length of their Fourier transforms."""
RIDGE, STRIKES = 0.08, 250
"""Of the fit; and how many strikes of each material are learnt from."""


def band_energy(sound: np.ndarray, rate: int) -> np.ndarray:
    """Energy of BANDS bands at every hop, f64 [n, bands], of a waveform [N]."""
    hop, window = round(HOP * rate), round(WINDOW * rate)
    count = len(sound) // hop
    padded = np.pad(np.asarray(sound, np.float64), (window - hop, hop))
    cut = np.lib.stride_tricks.sliding_window_view(padded, window)[: count * hop:hop]
    power = np.abs(np.fft.rfft(cut * np.hanning(window), axis=1)) ** 2
    return power @ _edges(window).T


@lru_cache(maxsize=4)
def _edges(window: int) -> np.ndarray:
    """Bands as rows of weights of the bins, f64 [bands, window // 2 + 1]."""
    edges = np.unique(np.round(np.geomspace(2, window // 2, BANDS + 1)).astype(int))
    bins = np.arange(window // 2 + 1)
    return np.stack([(bins >= a) & (bins < b)
                     for a, b in zip(edges[:-1], edges[1:], strict=True)]).astype(float)


def onset_times(sound: np.ndarray, rate: int) -> np.ndarray:
    """Seconds at which something sets in, in a waveform [N]."""
    energy = band_energy(sound, rate)
    if len(energy) < 8:
        return np.zeros(0)
    level = np.log1p(energy / (LOUDER * (np.median(energy, 0) + 1e-9)))
    before = np.max([np.concatenate([np.repeat(level[:1], d, 0), level[:-d]]) for d in (2, 3, 4)],
                    axis=0)
    rise = np.maximum(level - before, 0).mean(1)
    out: list[int] = []
    for k, value in enumerate(rise):
        peak = value >= rise[max(k - APART, 0):k + APART + 1].max()
        if value > RISE and peak and (not out or k - out[-1] > APART):
            out.append(k)
    # A hop's window ends with it; its middle hears best.
    return np.maximum(np.array(out, float) * HOP - LATE, 0)


# ------------------------------------------------------------------ materials
def timbre(sound: np.ndarray, rate: int, time: float) -> np.ndarray:
    """How a strike at `time` (s) sounds, whatever its loudness: f64 [features]."""
    quiet = _tones(sound, rate, time, *BEFORE)
    rows = np.stack([np.maximum(_tones(sound, rate, time, *span) - quiet, 0) for span in SPANS])
    rows = np.log10(rows + 1e-9)
    return (rows - rows.max()).clip(-4).ravel()


def _tones(sound: np.ndarray, rate: int, time: float, begin: float, end: float) -> np.ndarray:
    """Mean energy in each band of the piece from time + begin to time + end, f64 [TONES]."""
    part = sound[max(round((time + begin) * rate), 0):max(round((time + end) * rate), 0)]
    if len(part) < 16:
        return np.zeros(TONES)
    # What has just set in is faded out only: its beginning tells most.
    fade = np.hanning(len(part)) if begin < 0 else np.hanning(2 * len(part))[len(part):]
    power = np.abs(np.fft.rfft(part * fade, FINE)) ** 2
    return _tone_bands(rate) @ power / len(part)


@lru_cache(maxsize=4)
def _tone_bands(rate: int) -> np.ndarray:
    """Bands as rows of weights of the bins, f64 [TONES, FINE // 2 + 1]."""
    edges, bins = np.geomspace(45, 10500, TONES + 1), np.fft.rfftfreq(FINE, 1 / rate)
    return np.stack([(bins >= a) & (bins < b)
                     for a, b in zip(edges[:-1], edges[1:], strict=True)]).astype(float)


@lru_cache(maxsize=4)
def _discriminants(rate: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and spread of the features [features], and weights f64 [materials, features + 1] of a
    least-squares fit to strikes."""
    generator = rng(seed, "material ear")
    x, y = [], []
    for material in range(MATERIALS):
        for n in range(STRIKES):
            x.append(timbre(*_strike(material, n % 3 == 2, generator, rate)))
            y.append(np.eye(MATERIALS)[material])
    x, y = np.stack(x), np.stack(y)
    mean, spread = x.mean(0), x.std(0) + 1e-3
    x = np.c_[(x - mean) / spread, np.ones(len(x))]
    return mean, spread, np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(x.shape[1]), x.T @ y).T


def _strike(material: int, step: bool, generator: np.random.Generator, rate: int):
    """(sound, rate, time) of a strike over the room's tone, mostly among others."""
    if rate != modes.SAMPLE_RATE:
        raise ValueError(f"material ear: {rate} Hz; {modes.SAMPLE_RATE} is accepted")
    sound = ambience(round(0.9 * rate), int(generator.integers(3)), generator)
    strength, gap = float(generator.uniform(0.2, 1.2)), float(generator.uniform(0.5, 6.0))
    _add(sound, step, material, strength, gap, 0.4, generator, rate)
    for _ in range(int(generator.integers(0, 3))):
        when = 0.4 + float(generator.choice([-1, 1])) * float(generator.uniform(0.05, 0.35))
        other = material if generator.random() < 0.5 else int(generator.integers(MATERIALS))
        weaker = strength * float(generator.uniform(0.5, 1.0))
        _add(sound, generator.random() < 0.3, other, weaker, gap, when, generator, rate)
    return sound, rate, 0.4 + float(generator.uniform(-0.008, 0.008))


def _add(sound, step, material, strength, gap, when, generator, rate) -> None:
    wave = strike(int(step), material, strength, float(generator.uniform(0.1, 0.4)), generator)
    begin = round(when * rate)
    wave = wave[: len(sound) - begin] * modes.distance_gain(gap)
    sound[begin:begin + len(wave)] += wave


def material_heard(sound: np.ndarray, rate: int, time: float, seed: int = 0) -> int:
    """Number (of `modes.MATERIALS`) of what a strike at `time` (s) sounds like."""
    mean, spread, weights = _discriminants(rate, seed)
    features = np.append((timbre(sound, rate, time) - mean) / spread, 1.0)
    return int((weights @ features).argmax())
