"""Whose turn it is: voice activity by loudness, causal, the same for a stream and for a file.

A tick is one of ``TICK_RATE`` a second, 640 samples at 16 kHz. Its loudness is compared with the
quietest of the last 3 seconds; it switches on above, off below that by a margin (hysteresis) and
off only after ``RELEASE`` quiet ticks, so that the gaps within speech do not switch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from ..errors import AvatarError
from .motion import TICK_RATE

RATE = 16000
TICK_SAMPLES = RATE // TICK_RATE
STATES = ("speak", "listen", "idle")
RELEASE = 5
"""Ticks that activity outlasts the sound by: 200 ms, as long as a pause between phrases."""

BRIEF = 1
"""Quiet ticks after which a voice is not heard any more, though its turn may go on."""

_ON_DB, _OFF_DB = 9.0, 6.0
_QUIETEST_DB, _LOUDEST_FLOOR_DB = -62.0, -38.0
_MEMORY = 3 * TICK_RATE
_HIGH_PASS = 0.96
"""Pole of the filter against hum and offset: about 100 Hz."""


class Activity:
    """Voice activity of one track, tick by tick.

    ``push`` takes any number of samples and returns what the ticks completed by them say. However
    a sound is cut into pushes, the values are the same.

    heard: whether voice was there in the last tick or one of the ``BRIEF`` before it.
    """

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float64)
        self._filter = np.zeros(1)
        self._past: list[float] = []
        self._quiet = RELEASE
        self._on = False

    @property
    def heard(self) -> bool:
        return self._on and self._quiet <= BRIEF

    def push(self, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(active bool [T], loudness float32 [T] in dB of full scale) of the ticks completed by
        ``audio`` [N] at 16 kHz. AvatarError: not one channel, or not finite."""
        audio = np.asarray(audio)
        if audio.ndim != 1:
            raise AvatarError(f"audio: shape {audio.shape}; one channel [N] is accepted")
        if not np.isfinite(audio).all():
            raise AvatarError("audio: a sample is not finite")
        if len(audio) == 0:
            return np.zeros(0, bool), np.zeros(0, np.float32)
        passed, self._filter = lfilter([1, -1], [1, -_HIGH_PASS], audio.astype(np.float64),
                                       zi=self._filter)
        joined = np.concatenate([self._rest, passed])
        ticks = len(joined) // TICK_SAMPLES
        self._rest = joined[ticks * TICK_SAMPLES:]
        blocks = joined[:ticks * TICK_SAMPLES].reshape(ticks, TICK_SAMPLES)
        level = (10 * np.log10((blocks * blocks).sum(1) / TICK_SAMPLES + 1e-9)).astype(np.float32)
        return np.array([self._tick(float(v)) for v in level], bool), level

    def _tick(self, level: float) -> bool:
        self._past = [*self._past[-_MEMORY + 1:], level]
        floor = min(max(min(self._past), _QUIETEST_DB), _LOUDEST_FLOOR_DB)
        loud = level > floor + (_OFF_DB if self._on and self._quiet == 0 else _ON_DB)
        self._quiet = 0 if loud else self._quiet + 1
        self._on = loud or (self._on and self._quiet <= RELEASE)
        return self._on


@dataclass(frozen=True, eq=False)
class Turn:
    """state float32 [3], one of ``STATES`` is 1; whether either voice is heard just now."""

    state: np.ndarray
    speaking: bool
    other_speaking: bool


class Turns:
    """The turns of two tracks, streamed."""

    def __init__(self) -> None:
        self._self, self._other = Activity(), Activity()

    def tick(self, self_audio: np.ndarray, other_audio: np.ndarray) -> Turn:
        """The turn of the next tick: 640 samples of both tracks at 16 kHz."""
        for audio in (self_audio, other_audio):
            if len(audio) != TICK_SAMPLES:
                raise AvatarError(f"audio: {len(audio)} samples; a tick has {TICK_SAMPLES}")
        row = self.push(self_audio, other_audio)[0]
        return Turn(row, self._self.heard, self._other.heard)

    def push(self, self_audio: np.ndarray, other_audio: np.ndarray) -> np.ndarray:
        """The states [T, 3] of the ticks completed by equal numbers of samples of both."""
        if len(self_audio) != len(other_audio):
            raise AvatarError(f"audio: {len(self_audio)} samples of one track and "
                              f"{len(other_audio)} of the other; equal lengths are accepted")
        return of_activity(self._self.push(self_audio)[0], self._other.push(other_audio)[0])


def of_activity(self_active: np.ndarray, other_active: np.ndarray) -> np.ndarray:
    """float32 [T, 3] of two bool [T]: speaking goes before listening."""
    speak, listen = self_active, other_active & ~self_active
    return np.stack([speak, listen, ~(speak | listen)], 1).astype(np.float32)


def activity(audio: np.ndarray) -> np.ndarray:
    """Whether each tick of ``audio`` [N] at 16 kHz is voice: bool [N // 640]."""
    return Activity().push(audio)[0]


def loudness(audio: np.ndarray) -> np.ndarray:
    """Level of each tick of ``audio`` [N] at 16 kHz: float32 [N // 640], dB of full scale."""
    return Activity().push(audio)[1]


def state(self_audio: np.ndarray, other_audio: np.ndarray) -> np.ndarray:
    """Whether a tick is to speak, to listen or idle: float32 [T, 3] of two tracks [N]."""
    return Turns().push(self_audio, other_audio)
