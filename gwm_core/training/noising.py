"""Independent noise levels per stream and tick, and the losses of the dynamics."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..model.spec import Guide, Tokens
from ..model.trunk import CONTROLS

LEAST = 0.1
"""Smallest level in the velocity weight 1 / sigma^2: below it the target is known anyway."""


@dataclass(frozen=True)
class NoiseConfig:
    """How windows are noised.

    known, full: shares of (stream, tick) pairs at level 0 and at level 1; the rest lie between.
    view_known: the same share for guided streams, which are rarely given. context: highest level
    mixed into the history; guide: highest level mixed into guides. first_pass: share of ticks in
    which streams of an earlier pass do not see later ones. control_dropout, prompt_dropout:
    shares of windows without. guide_dropout: share of windows in which nothing is covered.
    unknown: share of windows in whose history a stream is missing.
    """

    known: float = 0.5
    full: float = 0.35
    view_known: float = 0.1
    context: float = 0.15
    guide: float = 0.15
    first_pass: float = 0.5
    control_dropout: float = 0.1
    prompt_dropout: float = 0.1
    guide_dropout: float = 0.05
    unknown: float = 0.05


@dataclass
class Noised:
    """One noised batch: what the network is given (see ``Trunk.forward``) and the clean targets."""

    noisy: Tokens
    sigma: dict[str, Tensor]
    guides: dict[str, Guide]
    history: tuple[Tokens, dict[str, Tensor]]
    first_pass: Tensor
    prompt: Tensor | None
    clean: Tokens


def draw_noise(model, batch: Tokens, config: NoiseConfig, generator: torch.Generator) -> Noised:
    """Noise a batch of windows.

    batch: ``controls`` [B, T, columns], every other stream by name [B, T, n, w]; for a guided
    stream ``guide.NAME`` [B, T, n, w] and ``coverage.NAME`` [B, T, n, 1]; ``prompt`` [B, P, w] or
    absent. All randomness comes from ``generator`` (on the CPU).
    """
    clean = {
        s.name: batch[s.name][:, :, None] if s.name == CONTROLS else batch[s.name]
        for s in model.streams
    }
    first = next(iter(clean.values()))
    size, ticks, device = first.shape[0], first.shape[1], first.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(device)

    def normal(shape) -> Tensor:
        return torch.randn(*shape, generator=generator).to(device)

    noisy, sigma, past, past_sigma = {}, {}, {}, {}
    for s in model.streams:
        x = clean[s.name]
        if s.name == CONTROLS:
            level = (uniform(size, 1) < config.control_dropout).float().expand(size, ticks)
            before = level
        else:
            known = config.view_known if s.guide else config.known
            kind = uniform(size, ticks)
            between = torch.sigmoid(normal((size, ticks)))
            level = torch.where(kind < known + config.full, torch.ones_like(kind), between)
            level = torch.where(kind < known, torch.zeros_like(kind), level)
            before = uniform(size, 1) * config.context * (uniform(size, ticks) < 0.7)
        sigma[s.name], past_sigma[s.name] = level, before
        noisy[s.name] = _mix(x, normal(x.shape), level)
        past[s.name] = _mix(x, normal(x.shape), before)
        # what is unknown, not imagined, is zeros at level 1, as in a rollout
        if s.name == CONTROLS:
            keep = (1.0 - level)[..., None, None]
            noisy[s.name], past[s.name] = x * keep, x * keep
        else:
            missing = (uniform(size, 1) < config.unknown).float().expand(size, ticks)
            past[s.name] = past[s.name] * (1.0 - missing)[..., None, None]
            past_sigma[s.name] = torch.maximum(before, missing)
    guides = {}
    for s in model.streams:
        if not s.guide:
            continue
        tokens, coverage = batch[f"guide.{s.name}"], batch[f"coverage.{s.name}"]
        keep = (uniform(size, 1, 1, 1) >= config.guide_dropout).float()
        level = uniform(size, 1).expand(size, ticks) * config.guide
        level = level * (uniform(size, 1) < 0.5)
        guides[s.name] = Guide(
            _mix(tokens, normal(tokens.shape), level) * keep, coverage * keep, level
        )
    prompt = batch.get("prompt")
    if prompt is not None:
        prompt = prompt * (uniform(size, 1, 1) >= config.prompt_dropout).float()
    # one draw for the batch: a mask of its own for every window would be slow
    first_pass = uniform(1, ticks) < config.first_pass
    return Noised(noisy, sigma, guides, (past, past_sigma), first_pass, prompt, clean)


def _mix(x: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    level = level[..., None, None]
    return (1.0 - level) * x + level * noise


def losses(
    model, out: Tokens, noised: Noised, batch: Tokens, uncovered: float, moving: float
) -> dict[str, Tensor]:
    """Velocity-weighted loss by stream: mean of (x - prediction)^2 / sigma^2 over noised tokens.

    uncovered: extra weight of a guided stream's token that nothing covers. moving: extra weight
    of tokens marked in ``moving.NAME`` [B, T, n] (0..1), where the batch has it.
    """
    result = {}
    for s in model.streams:
        level = noised.sigma[s.name]
        weight = (level > 0).float() / level.clamp(min=LEAST).square()
        weight = weight[..., None].expand(-1, -1, s.tokens)
        if s.guide:
            weight = weight * (1.0 + uncovered * (1.0 - noised.guides[s.name].coverage[..., 0]))
        if f"moving.{s.name}" in batch:
            weight = weight * (1.0 + moving * batch[f"moving.{s.name}"])
        error = (out[s.name].float() - noised.clean[s.name]).square().mean(-1)
        result[s.name] = (weight * error).sum() / weight.sum().clamp(min=1e-6)
    return result
