"""Any voice whispering: its spectrum's envelope on noise, as breath in an open glottis makes it.

Turbulence is nearly white, so what was voiced loses the fall that the glottis' pulses gave its
spectrum; its formants are wider, little of the low end is left, and less of its loudness than of
what hisses (Jovicic 1998; Ito, Takeda and Itakura 2005).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from .speech import RATE

_SIZE, _HOP = 512, 128
_SMOOTH = 36
"""Samples of the cepstrum that make the envelope: coarser than any melody's harmonics."""
_LEAST = 1e-5
_GLOTTAL_FALL, _LIFTED_OCTAVES = (0.0, 14.0), 3.0
"""Decibels an octave that voiced sounds win above 500 Hz, and over how many octaves."""
_NATS = np.log(10) / 10
_WINDOW = np.sqrt(np.hanning(_SIZE + 1)[:-1])


def whispered(sound: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """float32 ``sound`` [N] at 16 kHz as whispered; of about its length and level, silent where it
    is."""
    if len(sound) < _SIZE:
        return sound
    heard = _spectra(np.pad(sound.astype(np.float64), _SIZE))
    breath = _spectra(draw.standard_normal(len(sound) + 2 * _SIZE))
    power = np.log(np.abs(heard) ** 2 + _LEAST)
    cepstrum = np.fft.irfft(power, axis=1)
    cepstrum[:, _SMOOTH:-_SMOOTH + 1] = 0
    envelope = np.fft.rfft(cepstrum, axis=1).real
    hertz = np.arange(_SIZE // 2 + 1) * RATE / _SIZE
    # what is dark was voiced
    dark = (np.log(np.exp(power[:, (hertz > 100) & (hertz < 1000)]).mean(1))
            - np.log(np.exp(power[:, hertz > 3000]).mean(1)))
    voiced = 1 / (1 + np.exp(-(dark - 2)))
    breathed = envelope + voiced[:, None] * lift(hertz, draw)
    wide = uniform_filter1d(np.exp(breathed), int(draw.integers(20, 60)), axis=1, mode="nearest")
    # a running sum may end at nothing, or below it
    valleys = np.log(np.maximum(wide, _LEAST**2)) - draw.uniform(4, 18) * _NATS
    breathed = np.logaddexp(breathed, valleys)
    edge = draw.uniform(250, 900)
    breathed += np.log(hertz**2 / (hertz**2 + edge**2) + 1e-4)
    softer = (np.log(np.exp(envelope).mean(1)) - np.log(np.exp(breathed).mean(1))
              - draw.uniform(-3, 12) * _NATS)
    envelope = breathed + (voiced * softer)[:, None]
    out = np.zeros(len(sound) + 2 * _SIZE)
    frames = np.fft.irfft(breath * np.exp(envelope / 2), axis=1) * _WINDOW
    for k, frame in enumerate(frames):
        out[k * _HOP:k * _HOP + _SIZE] += frame
    out = out[_SIZE:-_SIZE]
    loud = np.sqrt(np.mean(sound.astype(np.float64) ** 2))
    return (out * (loud / (np.sqrt(np.mean(out**2)) + 1e-9))).astype(np.float32)


def lift(hertz: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Log power that a voiced sound wins at ``hertz`` where breath takes the place of the
    glottis' pulses, by chance."""
    octaves = np.log2(np.maximum(hertz / 500, 1)).clip(0, _LIFTED_OCTAVES)
    return draw.uniform(*_GLOTTAL_FALL) * octaves * _NATS


def _spectra(sound: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(sound, _SIZE)[::_HOP]
    return np.fft.rfft(frames * _WINDOW, axis=1)
