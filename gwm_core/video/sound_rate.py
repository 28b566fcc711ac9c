"""Sound of one sample rate as sound of another, once and exactly in time."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np


def at_rate(wave: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """float32 [C, ceil(N * wanted / rate)] of ``wave`` float32 [C, N]: band-limited (a polyphase
    Kaiser filter without delay); equal rates give the very samples."""
    if rate == wanted or wave.shape[1] == 0:
        return wave
    from scipy.signal import resample_poly  # brings much: not at start

    ratio = Fraction(wanted, rate)
    out = resample_poly(wave, ratio.numerator, ratio.denominator, axis=1)
    want = math.ceil(wave.shape[1] * ratio)
    return np.ascontiguousarray(out[:, :want], np.float32)
