"""What a synthesiser says: sound with the times of its phonemes, of either synthesiser."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import resample_poly

RATE = 16000
"""Samples a second of every sound in this package."""


@dataclass(frozen=True)
class Phoneme:
    """A sound from ``start`` to ``end`` (seconds). ``name``: IPA (espeak) or ARPAbet in lower
    case (flite); "" is a pause."""

    start: float
    end: float
    name: str


@dataclass(frozen=True, eq=False)
class Spoken:
    """sound float32 [N] in -1..1 at ``RATE``; its phonemes, gapless and in order."""

    sound: np.ndarray
    phonemes: tuple[Phoneme, ...]

    @property
    def seconds(self) -> float:
        return len(self.sound) / RATE


def at_rate(sound: np.ndarray, rate: int) -> np.ndarray:
    """float32 ``sound`` [N] of ``rate`` samples a second, at ``RATE``."""
    if rate == RATE:
        return sound.astype(np.float32)
    shared = np.gcd(rate, RATE)
    return resample_poly(sound, RATE // shared, rate // shared).astype(np.float32)


def trimmed(sound: np.ndarray, phonemes: list[Phoneme]) -> Spoken:
    """Without the pauses at both ends, but for 20 ms after the last sound: who puts speech on a
    time line knows when it begins and ends."""
    spoken = [p for p in phonemes if p.name]
    if not spoken:
        return Spoken(np.zeros(0, np.float32), ())
    first = int(spoken[0].start * RATE)
    last = min(int((spoken[-1].end + 0.02) * RATE), len(sound))
    inside = [p for p in phonemes if spoken[0].start <= p.start <= spoken[-1].start]
    by = first / RATE
    moved = tuple(Phoneme(p.start - by, p.end - by, p.name) for p in inside)
    return Spoken(sound[first:last], moved)
