"""Windows of many voices at once: what the stem of gwm-faces is trained on.

All performances are heard beforehand, each varied in its own way, and the windows of a batch are
drawn from all of them: a gradient then sees dozens of voices at little cost. A few performances
are varied anew every few steps.
"""

from __future__ import annotations

import numpy as np
import torch

from ..avatars import voice
from ..avatars.direction import INDEX as DIRECTED
from ..avatars.faces_model import FACE, LOOK_AHEAD, SPREAD, STATE
from ..avatars.motion import INDEX
from ..noise import rng as keyed_rng
from .faces_data import Performances
from .hearing import masked, varied

CHUNK, EVERY = 32, 8
"""So many performances are varied anew, once in so many steps."""
SPOKEN, LEAST_SPOKEN = 0.9, 0.45
"""Share of the windows that are spoken, and the share of such a window in which the own voice is
heard."""
LEAST_ENERGY = 0.3
STRONG = [INDEX[name] for name in ("jaw", "funnel", "pucker", "stretch", "upper", "press",
                                   "tongue")]
"""What the direction's energy scales."""


class Pool:
    """Windows of ``data`` of so many ticks, by ``windows(step, size)``."""

    def __init__(self, data: Performances, seed: int, ticks: int) -> None:
        self.data, self.seed, self.ticks, self.turns = data, seed, ticks, 0
        count, length = data.rows["own"].shape[:2]
        self.chunks = -(-count // CHUNK)
        silence = voice.NOTHING / voice.UNIT
        self.heard = np.full((count, length + voice.CONTEXT - 1, voice.FRAMES * voice.BANDS),
                             silence, np.float16)
        spoken = np.cumsum(data.rows["speaking"].astype(np.float32), axis=1)
        spoken = np.pad(spoken, ((0, 0), (1, 0)))
        share = (spoken[:, ticks:] - spoken[:, :-ticks]) / ticks
        places = np.argwhere(share >= LEAST_SPOKEN), np.argwhere(share < LEAST_SPOKEN)
        # either kind may be missing
        self.spoken, self.other = (p if len(p) else q for p, q in (places, places[::-1]))

    def windows(self, step: int, size: int) -> dict[str, torch.Tensor]:
        """``size`` windows [size, ticks, ...] (see ``Performances.tokens``) with the mouth as at
        energy 1, and what is heard as one track each, ``sound`` [size, frames, bands]; the same
        for a step whether a run was stopped before it or not."""
        self._until(step)
        draw = keyed_rng(self.seed, "pool windows", step)
        many = round(SPOKEN * size)
        at = np.concatenate([self.spoken[draw.integers(len(self.spoken), size=many)],
                             self.other[draw.integers(len(self.other), size=size - many)]])
        which, tick = at[:, :1], at[:, 1:] + np.arange(self.ticks)

        def taken(name: str) -> np.ndarray:
            return self.data.rows[name][which, tick].astype(np.float32)

        heard = self.heard[which, at[:, 1:] + np.arange(self.ticks + voice.CONTEXT - 1)]
        heard = masked(heard.astype(np.float32).reshape(size, -1, voice.BANDS), draw)
        motion = taken("motion")
        energy = np.maximum(taken("direction")[..., DIRECTED["energy"]], LEAST_ENERGY)
        motion[..., STRONG] = np.minimum(motion[..., STRONG] / energy[..., None], 1)
        return {
            "sound": torch.from_numpy(heard),
            STATE: torch.from_numpy(taken("state"))[:, :, None],
            FACE: torch.from_numpy(motion / SPREAD)[:, :, None],
            "speaking": torch.from_numpy(taken("speaking") > 0.5),
            "real": torch.from_numpy((tick >= LOOK_AHEAD).astype(np.float32)),
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
