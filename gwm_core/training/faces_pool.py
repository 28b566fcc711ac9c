"""Moments of many voices at once: what the stem of gwm-faces is trained on.

The ticks of one performance are much alike. Here all performances are heard beforehand, each
varied in its own way, and the rows of a batch are drawn from all of them: a gradient then sees
hundreds of voices. A few performances are varied anew every few steps.
"""

from __future__ import annotations

import numpy as np
import torch

from ..avatars import voice
from ..avatars.direction import INDEX as DIRECTED
from ..avatars.faces_model import FACE, LOOK_AHEAD, SELF, SPREAD, STATE
from ..avatars.motion import INDEX
from ..noise import rng as keyed_rng
from .faces_data import Performances
from .hearing import masked, varied

CHUNK, EVERY = 32, 8
"""So many performances are varied anew, once in so many steps."""
SPOKEN = 0.85
"""Share of the rows in or beside the own voice."""
BESIDE = 3
"""Ticks around a voice in which lips still, or already, move."""
LEAST_ENERGY = 0.3
STRONG = [INDEX[name] for name in ("jaw", "funnel", "pucker", "stretch", "upper", "press",
                                   "tongue")]
"""What the direction's energy scales."""


class Pool:
    """Rows of ``data`` as the streams of the network, by ``rows(step, size)``."""

    def __init__(self, data: Performances, seed: int) -> None:
        self.data, self.seed, self.turns = data, seed, 0
        count, length = data.rows["own"].shape[:2]
        self.chunks = -(-count // CHUNK)
        silence = voice.NOTHING / voice.UNIT
        self.heard = np.full((count, length + voice.CONTEXT - 1, voice.FRAMES * voice.BANDS),
                             silence, np.float16)
        speaking = data.rows["speaking"].astype(bool)
        near = speaking.copy()
        for k in range(1, BESIDE + 1):
            near[:, k:] |= speaking[:, :-k]
            near[:, :-k] |= speaking[:, k:]
        near[:, :LOOK_AHEAD] = False
        other = ~near
        other[:, :LOOK_AHEAD] = False
        places = np.argwhere(near), np.argwhere(other)
        # either kind may be missing
        self.spoken, self.other = (p if len(p) else q for p, q in (places, places[::-1]))

    def rows(self, step: int, size: int) -> dict[str, torch.Tensor]:
        """``size`` rows as one long window [1, size, ...] (see ``Performances.tokens``), the mouth
        as at energy 1; the same for a step whether a run was stopped before it or not."""
        self._until(step)
        draw = keyed_rng(self.seed, "pool rows", step)
        many = round(SPOKEN * size)
        at = np.concatenate([self.spoken[draw.integers(len(self.spoken), size=many)],
                             self.other[draw.integers(len(self.other), size=size - many)]])
        which, tick = at.T

        def taken(name: str) -> np.ndarray:
            return self.data.rows[name][which, tick].astype(np.float32)

        own = self.heard[which[:, None], tick[:, None] + np.arange(voice.CONTEXT)]
        own = masked(own.reshape(size, -1, voice.BANDS), draw)
        motion = taken("motion")
        energy = np.maximum(taken("direction")[:, DIRECTED["energy"]], LEAST_ENERGY)
        motion[:, STRONG] = np.minimum(motion[:, STRONG] / energy[:, None], 1)
        return {
            SELF: torch.from_numpy(own.reshape(size, -1))[None, :, None],
            STATE: torch.from_numpy(taken("state"))[None, :, None],
            FACE: torch.from_numpy(motion / SPREAD)[None, :, None],
            "speaking": torch.from_numpy(taken("speaking") > 0.5)[None],
            "real": torch.ones(1, size),
        }

    def _until(self, step: int) -> None:
        """The pool as it is at ``step``: all of it at first, then chunk after chunk anew."""
        last = self.chunks + step // EVERY
        for turn in range(max(self.turns, last + 1 - self.chunks), last + 1):
            first = turn % self.chunks * CHUNK
            own = self.data.rows["own"][first:first + CHUNK].astype(np.float32)
            bands = voice.heard(varied(own, keyed_rng(self.seed, "pool", turn)))
            self.heard[first:first + CHUNK, voice.CONTEXT - 1:] = bands.reshape(
                *bands.shape[:2], -1)
        self.turns = last + 1
