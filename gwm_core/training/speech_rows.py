"""Takes as what the networks of the voice learn from: rows in memory and batches by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..model import speech_tokens as tokens
from ..noise import rng as keyed_rng
from ..speech import features, pace
from ..speech.features import WIDTH
from ..speech.g2p import PHONES
from ..speech.talk_model import ROWS, Scale, guess_times, motion_tokens, tick_times
from .speech_data import Utterance

_NEAR = (2 * features.AROUND + 1) * len(PHONES)
"""Columns of one-hot sounds, which are kept as numbers."""


@dataclass(frozen=True, eq=False)
class Packed:
    """Script rows in little memory: sounds uint8 [N, 7], the rest float16 [N, WIDTH - 280]."""

    sounds: np.ndarray
    rest: np.ndarray

    @classmethod
    def of(cls, read: np.ndarray) -> Packed:
        hot = read[:, :_NEAR].reshape(len(read), -1, len(PHONES))
        return cls(hot.argmax(2).astype(np.uint8), read[:, _NEAR:].astype(np.float16))

    @classmethod
    def joined(cls, parts: list[Packed]) -> Packed:
        return cls(np.concatenate([p.sounds for p in parts]),
                   np.concatenate([p.rest for p in parts]))

    def rows(self, index: np.ndarray) -> Tensor:
        """float32 [.., WIDTH] of row numbers."""
        sounds = torch.from_numpy(self.sounds[index].astype(np.int64))
        hot = torch.nn.functional.one_hot(sounds, len(PHONES)).float().flatten(-2)
        return torch.cat([hot, torch.from_numpy(self.rest[index].astype(np.float32))], dim=-1)


@dataclass
class Takes:
    """All takes one after the other: fine script rows (10 ms), script rows of ticks, speech
    float16 [T, 8, 69], motion as tokens float16 [T, 24], first tick [U + 1]."""

    fine: Packed
    coarse: Packed
    speech: np.ndarray
    motion: np.ndarray
    first: np.ndarray
    guess: np.ndarray | None = None
    """The first guess as audio tokens, float16 [T, 2, 276], once it is known."""

    @classmethod
    def of(cls, takes: list[Utterance]) -> Takes:
        fine, coarse = [], []
        for take in takes:
            voice = np.eye(features.VOICES)[take.row]
            ticks = len(take.tokens)
            fine.append(Packed.of(
                features.rows(take.timed, guess_times(ticks), voice, take.manner)))
            coarse.append(Packed.of(
                features.rows(take.timed, tick_times(ticks), voice, take.manner)))
        speech = np.concatenate([t.tokens for t in takes])
        speech[..., tokens.ENVELOPE] = np.maximum(speech[..., tokens.ENVELOPE], tokens.QUIET)
        return cls(Packed.joined(fine), Packed.joined(coarse), speech,
                   motion_tokens(np.concatenate([t.motion for t in takes])).astype(np.float16),
                   np.concatenate([[0], np.cumsum([len(t.tokens) for t in takes])]))

    def scale(self) -> Scale:
        """Mean and spread of the speech: one spread for all bands of the envelope."""
        part = self.speech[:: max(1, len(self.speech) // 20000)].reshape(-1, tokens.WIDTH)
        part = part.astype(np.float64)
        spread = part.std(0)
        spread[tokens.ENVELOPE] = spread[tokens.ENVELOPE].mean()
        spread[tokens.VOICING] = 0.4
        return Scale(*(torch.from_numpy(x.astype(np.float32)) for x in (part.mean(0), spread)))

    def fine_batch(self, seed: int, step: int, size: int, length: int) -> tuple[Tensor, Tensor]:
        """(script rows [B, L, WIDTH], speech [B, L, 2, 69]) of stretches of ``length`` rows."""
        draw = keyed_rng(seed, "guess", step)
        start = draw.integers(0, len(self.speech) * ROWS - length, size=size)
        index = start[:, None] + np.arange(length)
        flat = self.speech.reshape(-1, 2, tokens.WIDTH)
        return self.fine.rows(index), torch.from_numpy(flat[index].astype(np.float32))

    def windows(self, seed: int, step: int, size: int, ticks: int) -> np.ndarray:
        """Tick numbers [B, T] of windows that each lie in one take."""
        draw = keyed_rng(seed, "talk", step)
        length = np.diff(self.first)
        which = draw.choice(np.flatnonzero(length >= ticks), size=size)
        start = self.first[which] + draw.integers(0, length[which] - ticks + 1)
        return start[:, None] + np.arange(ticks)


def lengths_of(takes: list[Utterance]) -> tuple[Tensor, Tensor, Tensor]:
    """(what is read [P, pace.WIDTH], log lengths [P], weights [P]) of all sounds; the silence at
    both ends weighs nothing."""
    read, wanted, weight = [], [], []
    for take in takes:
        t = take.timed
        read.append(pace.features(t.phone, t.stress, t.word, t.kind,
                                  np.eye(features.VOICES)[take.row], take.manner))
        length = np.maximum(t.end - t.start, pace.LEAST)
        wanted.append(np.log(length / pace.USUAL))
        w = np.ones(len(length))
        w[0] = w[-1] = 0.0
        weight.append(w)
    return tuple(torch.from_numpy(np.concatenate(x).astype(np.float32))
                 for x in (read, wanted, weight))


assert WIDTH > _NEAR
