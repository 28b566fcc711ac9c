"""Performances of the simulator as rows that `gwm-faces` learns from.

A performance of T ticks is T + 2 rows: row ``k`` holds what is heard in tick ``k`` (silence after
the end) and, of tick ``k - 2``, the direction and the motion, as in ``avatars.faces_model``. Bands
are kept before they are taken relative to the voice, so that gain, microphone, room and vocal
tract can still be varied by every batch that is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..avatars import voice
from ..avatars.faces_model import FACE, LOOK_AHEAD, OTHER, SELF, SPREAD, STATE
from ..avatars.turns import Turns
from ..model.trunk import CONTROLS
from ..noise import rng as keyed_rng
from .hearing import varied

SECONDS = 10.0
SHARD = 60
"""Performances in a file."""
FIELDS = ("own", "other", "state", "speaking", "direction", "motion")


def rows_of(performance: Any) -> dict[str, np.ndarray]:
    """One performance as rows: own and other float16 [T + 2, 4, 40], state [T + 2, 3], speaking
    bool [T + 2], direction [T + 2, D], motion [T + 2, 24]."""
    silent = np.zeros((LOOK_AHEAD, voice.TICK), np.float32)
    own, other = (np.concatenate([voice.ticks_of(sound), silent])
                  for sound in (performance.audio_self, performance.audio_other))
    turns = Turns()
    heard = [turns.tick(a, b) for a, b in zip(own, other, strict=True)]
    late = ((LOOK_AHEAD, 0), (0, 0))
    return {
        "own": voice.bands_of(own).astype(np.float16),
        "other": voice.bands_of(other).astype(np.float16),
        "state": np.array([turn.state for turn in heard], np.float16),
        "speaking": np.array([turn.speaking for turn in heard]),
        "direction": np.pad(performance.direction, late).astype(np.float16),
        "motion": np.pad(performance.motion, late).astype(np.float16),
    }


def record(folder: Path, count: int, seed: int, split: str = "train",
           voices: Iterable[str | None] = (None,), seconds: float = SECONDS,
           progress: Callable[[int, int], None] | None = None, first: int = 0) -> None:
    """``count`` performances in files of ``SHARD``; files that are there are not made again.

    voices: taken in turn; None is the performance's own choice. first: the number of the first
    performance; other numbers give others, in files of their own.
    """
    from ..simulators.faces.performance import perform

    folder.mkdir(parents=True, exist_ok=True)
    voices = tuple(voices)
    for start in range(first, first + count, SHARD):
        path = folder / f"{split}-{start:05d}.npz"
        stop = min(start + SHARD, first + count)
        if not path.exists():
            rows = [rows_of(perform(seed * 1_000_000 + i, split, voices[i % len(voices)], seconds))
                    for i in range(start, stop)]
            part = path.with_suffix(".part")
            with open(part, "wb") as file:
                np.savez(file, **{k: np.stack([r[k] for r in rows]) for k in FIELDS})
            part.replace(path)
        if progress is not None:
            progress(stop - first, count)


@dataclass
class Performances:
    """Rows of P performances of one length in memory, [P, K, ...] each (see ``rows_of``)."""

    rows: dict[str, np.ndarray]

    @classmethod
    def load(cls, folder: Path, split: str = "train") -> Performances:
        """All files of a folder; ValueError where there are none."""
        parts: dict[str, list[np.ndarray]] = {k: [] for k in FIELDS}
        for path in sorted(folder.glob(f"{split}-*.npz")):
            with np.load(path) as file:
                for k in FIELDS:
                    parts[k].append(file[k])
        if not parts["own"]:
            raise ValueError(f"{folder}: no performances of {split!r}; `gwm data faces` makes them")
        return cls({k: np.concatenate(v) for k, v in parts.items()})

    def __len__(self) -> int:
        return len(self.rows["own"])

    def batch(self, seed: int, step: int, size: int, ticks: int) -> dict[str, torch.Tensor]:
        """``size`` windows of ``ticks`` rows, heard as in this step alone: see ``tokens``."""
        rng = keyed_rng(seed, "faces", step)
        length = self.rows["own"].shape[1]
        which = rng.integers(len(self), size=size)
        start = rng.integers(0, length - ticks + 1, size=size)
        return self.tokens(which, start, ticks, rng)

    def tokens(self, which: np.ndarray, start: np.ndarray, ticks: int,
               rng: np.random.Generator | None = None) -> dict[str, torch.Tensor]:
        """Windows of some performances as the network's streams.

        ``controls`` [B, T, D]; voices, state and motion [B, T, 1, w]; ``speaking`` bool [B, T];
        ``real`` float [B, T]: 0 in the rows before the first tick. rng: varies the sound.
        """
        until = int(start.max()) + ticks  # the level of a voice is heard from its beginning
        own, other = (self.rows[k][which, :until].astype(np.float32) for k in ("own", "other"))
        if rng is not None:
            own, other = varied(own, rng), varied(other, rng)
        part = start[:, None] + np.arange(ticks)
        take = np.arange(len(which))[:, None], part

        def cut(name: str) -> torch.Tensor:
            rows = self.rows[name][which[:, None], part]
            return torch.from_numpy(rows.astype(np.float32))

        return {
            CONTROLS: cut("direction"),
            SELF: torch.from_numpy(voice.fine(voice.heard(own))[take])[:, :, None],
            OTHER: torch.from_numpy(voice.coarse(voice.heard(other)[take]))[:, :, None],
            STATE: cut("state")[:, :, None],
            FACE: (cut("motion") / torch.from_numpy(SPREAD))[:, :, None],
            "speaking": cut("speaking") > 0.5,
            "real": torch.from_numpy((part >= LOOK_AHEAD).astype(np.float32)),
        }
