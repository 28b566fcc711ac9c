"""Mouths that need no model: loudness alone, and a ridge regression on the spectrum.

The regression is that of the usual probe: 27 log-mel bands from 200 ms before the middle of a tick
to 80 ms after it, penalty 50, fitted in closed form on performances of the training split.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ...avatars.motion import INDEX, clamp, group, still
from ...avatars.mouth import WIDEST, aperture
from . import sound

BEFORE, AFTER = 20, 8
"""Rows of features (10 ms) before and after the middle of a tick."""
BANDS = 27
PENALTY = 50.0
SHAPES = tuple(i for i in group("mouth"))


def windows(audio: np.ndarray) -> np.ndarray:
    """Features float32 [T, (BEFORE + AFTER) * BANDS + 1] of a 16 kHz sound."""
    mel = sound.whitened(sound.log_mel(audio, BANDS))
    ticks = len(mel) // sound.FRAMES
    padded = np.pad(mel, ((BEFORE, AFTER), (0, 0)), "edge")
    middle = np.arange(ticks) * sound.FRAMES + sound.FRAMES // 2
    rows = padded[middle[:, None] + np.arange(BEFORE + AFTER)]
    return np.concatenate([rows.reshape(ticks, -1), np.ones((ticks, 1))], 1).astype(np.float32)


@dataclass(frozen=True)
class Ridge:
    """weights [features, 1 + shapes]: the aperture, then the mouth's channels."""

    weights: np.ndarray

    @classmethod
    def fitted(cls, performances: Iterable) -> Ridge:
        """On performances (audio_self, motion)."""
        inside = outside = None
        for one in performances:
            x = windows(one.audio_self).astype(np.float64)
            y = np.concatenate([aperture(one.motion)[:, None], one.motion[:, SHAPES]], 1)
            inside = x.T @ x + (0 if inside is None else inside)
            outside = x.T @ y + (0 if outside is None else outside)
        if inside is None:
            raise ValueError("performances: none given; at least one is needed")
        return cls(np.linalg.solve(inside + PENALTY * np.eye(len(inside)), outside))

    def aperture(self, audio: np.ndarray) -> np.ndarray:
        """Inner-lip height [T] in face heights."""
        return windows(audio) @ self.weights[:, 0]

    def motion(self, audio: np.ndarray) -> np.ndarray:
        """A motion [T, 24] of the mouth alone."""
        x = windows(audio)
        out = still(len(x))
        out[:, SHAPES] = x @ self.weights[:, 1:]
        return clamp(out)


def loud_aperture(audio: np.ndarray) -> np.ndarray:
    """Loudness as an aperture [T]: shut at the clip's quietest tick, wide at its loudest."""
    level = sound.loudness(audio)
    low, high = np.percentile(level, [2, 98])
    return WIDEST * np.clip((level - low) / max(high - low, 1e-6), 0, 1)


def loud_motion(audio: np.ndarray) -> np.ndarray:
    """A motion [T, 24] whose jaw follows loudness."""
    out = still(len(audio) // sound.TICK)
    out[:, INDEX["jaw"]] = loud_aperture(audio) / WIDEST
    return out
