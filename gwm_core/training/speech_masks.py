"""Which ticks of audio and motion are known in a window, drawn independently, and what it sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..model.spec import Guide, Tokens
from ..speech.talk import future_of
from ..speech.talk_model import (
    AHEAD,
    AUDIO,
    FACE,
    GUESSED,
    KNOWN,
    SCRIPT,
    countdown,
    future_prompt,
)

WHOLE, ALL, RANGE = 0.6, 0.18, 0.22
"""Shares of (window, stream) pairs that are imagined whole, known whole, or imagined in a range."""
WORDLESS = 0.16
"""Share of windows without a script: half of them from sound to face, half from face to sound."""
UNGUESSED = 0.2
"""Share of the other windows without the first guess: the dynamics has to tell all of it."""
NOISY = 0.12
"""Share of (window, stream) pairs whose unknown ticks carry some of the truth, under noise."""


@dataclass
class Masked:
    """What the network is given of a batch of windows, and where it has to imagine, [B, T]."""

    given: Tokens
    levels: dict[str, Tensor]
    guides: dict[str, Guide]
    prompt: Tensor
    imagined: dict[str, Tensor]
    wordless: Tensor


def masked(draw: np.random.Generator, script: Tensor, audio: Tensor, guess: Tensor, motion: Tensor,
           unguessed: float = UNGUESSED) -> Masked:
    """script [B, T, w] without countdown, audio and guess [B, T, 2, 276], motion [B, T, 24];
    unguessed: share of windows without the first guess."""
    size, ticks = script.shape[:2]
    known = {name: np.stack([_known(draw, ticks) for _ in range(size)]) for name in (AUDIO, FACE)}
    wordless = draw.uniform(size=size) < WORDLESS
    # nothing at all known would leave nothing to tell
    heard = draw.uniform(size=size) < 0.5
    for name, given_whole in ((AUDIO, heard), (FACE, ~heard)):
        known[name][wordless] = given_whole[wordless, None]
    blind = torch.from_numpy(wordless | (draw.uniform(size=size) < unguessed))
    truth = {AUDIO: audio, FACE: motion[:, :, None]}
    given, levels, guides, imagined = {}, {}, {}, {}
    for name, x in truth.items():
        level = np.where(known[name], 0.0, 1.0)
        part = (draw.uniform(size=(size, 1)) < NOISY) & ~known[name]
        level = np.where(part, draw.uniform(0.3, 0.95, size=(size, 1)), level)
        noise = torch.from_numpy(draw.standard_normal(x.shape, dtype=np.float32))
        share = torch.from_numpy(level.astype(np.float32))
        mixed = (1 - share[..., None, None]) * x + share[..., None, None] * noise
        # what is imagined from nothing begins as zeros, as in a rollout
        blank = torch.from_numpy(level == 1.0)[..., None, None]
        given[name], levels[name] = torch.where(blank, torch.zeros(()), mixed), share
        imagined[name] = torch.from_numpy(~known[name])
        first = guess if name == AUDIO else None
        guides[name] = _guide(x, torch.from_numpy(known[name]), first, blind)
    future = np.array([future_of(k) for k in known[AUDIO] & known[FACE]])
    at = torch.from_numpy(np.maximum(future, 0))
    rows = torch.arange(size)
    prompt = future_prompt(audio[rows, at][:, None], motion[rows, at][:, None],
                           torch.from_numpy(future >= 0)[:, None])
    left = torch.from_numpy(countdown(np.arange(ticks)[None], future[:, None]))
    spoken = torch.from_numpy(~wordless).float()[:, None, None]
    given[SCRIPT] = (torch.cat([script, left], dim=-1) * spoken)[:, :, None]
    levels[SCRIPT] = (1.0 - spoken[..., 0]).expand(size, ticks)
    return Masked(given, levels, guides, prompt, imagined, torch.from_numpy(wordless))


def _known(draw: np.random.Generator, ticks: int) -> np.ndarray:
    kind = draw.uniform()
    if kind < WHOLE:
        return np.zeros(ticks, bool)
    if kind < WHOLE + ALL:
        return np.ones(ticks, bool)
    size = int(draw.integers(4, max(5, ticks * 2 // 3)))
    first = int(draw.integers(0, ticks - size + 1))
    out = np.ones(ticks, bool)
    out[first: first + size] = False
    return out


def _guide(x: Tensor, known: Tensor, guess: Tensor | None, blind: Tensor) -> Guide:
    """Where known, what is known ``AHEAD`` ticks later; where not, the first guess if any."""
    later, both = torch.zeros_like(x), torch.zeros_like(known)
    both[:, :-AHEAD] = known[:, :-AHEAD] & known[:, AHEAD:]
    later[:, :-AHEAD] = x[:, AHEAD:]
    cover = both.float() * KNOWN
    tokens = later * both[..., None, None]
    if guess is not None:
        guessed = ~known & ~blind[:, None]
        tokens = tokens + guess * guessed[..., None, None]
        cover = cover + guessed.float() * GUESSED
    return Guide(tokens, cover[..., None, None].expand(*x.shape[:-1], 1))
