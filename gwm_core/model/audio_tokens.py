"""Ground truth to audio tokens: events, and the levels of a waveform's bed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy.optimize import nnls
from scipy.signal import fftconvolve

from . import modes
from .audio_tokenizer import (
    BANDS,
    LEVEL,
    MATERIALS,
    OFFSET,
    PITCH,
    THROW,
    TOKENS,
    WIDTH,
    noise_filters,
)

IMPACT_KIND, STEP_KIND, THROW_KIND = 0, 1, 2


def strength_of(amplitude: float) -> float:
    """Log-scale strength of an amplitude: the inverse of ``modes.loudness``."""
    return math.log10(max(amplitude, 0.0) / 0.02 + 1.0) / 1.45


def encode_events(
    events: Iterable[tuple], ticks: int, bed: np.ndarray | None = None, first_tick: int = 1
) -> np.ndarray:
    """Audio tokens f32 [ticks, 3, 16] of events (tick, sub, kind, material, strength, distance m,
    size m, offset 0..1); the last three may be left out (1, 0.16, 0). ``bed``: f32 [ticks, 9] or
    [9], levels as in the bed token. Events outside the ticks are left out."""
    out = np.zeros((ticks, TOKENS, WIDTH), np.float32)
    if bed is not None:
        out[:, 2, : BANDS + 1] = bed
    loudest: dict[tuple[int, int], float] = {}
    for event in events:
        tick, sub, kind, material = (int(v) for v in event[:4])
        strength = float(event[4])
        distance, size, offset = (*(float(v) for v in event[5:8]), *(1.0, 0.16, 0.0)[
            max(len(event) - 5, 0) :])
        row = tick - first_tick
        if not 0 <= row < ticks:
            continue
        token = out[row, 1 if sub else 0]
        column = THROW if kind == THROW_KIND else material + MATERIALS * (kind == STEP_KIND)
        amount = modes.loudness(strength) * modes.distance_gain(distance)
        token[column] = strength_of(modes.loudness(float(token[column])) + amount)
        if amount > loudest.get((row, sub), 0.0):  # one offset and pitch: the loudest event's
            loudest[row, sub] = amount
            token[OFFSET] = offset
            token[PITCH] = math.log(modes.size_pitch(size)) / math.log(1.4)
    return out


def bed_levels(
    wave: np.ndarray, rate: int = modes.SAMPLE_RATE, per_tick: int = 2000
) -> np.ndarray:
    """Ambience part of the bed token f32 [8] of a waveform f32 [N]: the band levels whose noise
    has the energy of its quietest quarter of ticks, so that events on top do not count."""
    band = noise_filters(rate)[1]
    ticks = max(len(wave) // per_tick, 1)
    heard = np.stack([fftconvolve(wave, h)[: len(wave)] for h in band])
    parts = heard[:, : ticks * per_tick].reshape(BANDS, ticks, -1)
    energy = np.quantile(np.square(parts).mean(-1), 0.25, axis=1)
    spectra = np.abs(np.fft.rfft(band, 4096)) ** 2
    # energy of band j's noise heard through band i's filter; bands overlap
    seen = spectra @ spectra.T / spectra.shape[1]
    floor = max(float(energy.max()) * 1e-4, 1e-14)  # relative errors, but not of silence
    weight = 1.0 / np.maximum(energy, floor)
    levels, _ = nnls(seen * weight[:, None], energy * weight)
    return np.log10(np.sqrt(levels) / LEVEL + 1.0).astype(np.float32)
