"""A voice as a person brings it: any sample rate, any number of channels, kept as it is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..errors import AvatarError
from .motion import TICK_RATE

LEAST_RATE, MOST_RATE = 1_000, 768_000
QUIET = 1e-4
"""A recording that never gets louder is silent."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Sound with its length in exact numbers.

    samples  float32 [C, N], N >= 1, finite; beyond -1..1 it is clipped where it is listened to
    rate     samples a second, 1,000 to 768,000
    name     the input it came from, for messages

    AvatarError says what does not fit.
    """

    samples: np.ndarray
    rate: int
    name: str = "audio"

    def __post_init__(self) -> None:
        samples, name = self.samples, self.name
        if not isinstance(samples, np.ndarray) or samples.ndim != 2:
            what = list(samples.shape) if isinstance(samples, np.ndarray) else type(samples)
            raise AvatarError(f"{name}: {what}; samples [channels, count] are accepted")
        if samples.shape[0] < 1 or samples.shape[1] < 1:
            raise AvatarError(f"{name}: it is empty; at least one sample is needed")
        if not isinstance(self.rate, int) or not LEAST_RATE <= self.rate <= MOST_RATE:
            raise AvatarError(f"{name}: {self.rate!r} samples a second; {LEAST_RATE} to "
                              f"{MOST_RATE} are accepted")
        if not np.isfinite(samples).all():
            bad = int((~np.isfinite(samples)).sum())
            raise AvatarError(f"{name}: {bad} of its {samples.size} samples are NaN or infinite; "
                              "finite ones are accepted (the node before it went wrong)")
        object.__setattr__(self, "samples", samples.astype(np.float32, copy=False))

    def __len__(self) -> int:
        return self.samples.shape[1]

    @property
    def seconds(self) -> Fraction:
        """Exactly."""
        return Fraction(len(self), self.rate)

    @property
    def ticks(self) -> int:
        """Frames of a film of it: every begun one counts."""
        return -(-len(self) * TICK_RATE // self.rate)

    @property
    def silent(self) -> bool:
        """Whether there is nothing to hear in it."""
        return float(np.abs(self.samples).max()) < QUIET

    def mono(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """What is listened to: the mean of all channels within -1..1, float32 [n]."""
        return np.clip(self.samples[:, start:stop].mean(axis=0), -1, 1)

    def at(self, tick: int) -> int:
        """The first sample of a tick; the length where the recording has ended."""
        return min(-(-tick * self.rate // TICK_RATE), len(self))

    def described(self) -> str:
        """In a few words: "3.20 s, 44100 Hz, stereo"."""
        kinds = {1: "mono", 2: "stereo"}
        channels = self.samples.shape[0]
        silent = ", silent" if self.silent else ""
        return (f"{float(self.seconds):.2f} s, {self.rate} Hz, "
                f"{kinds.get(channels, f'{channels} channels')}{silent}")
