"""Attention masks for whole windows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def window_mask(
    model, ticks: int, prompt: int, first_pass: Tensor | None, device, history: bool = False
) -> Tensor:
    """bool [B or 1, 1, M, prompt + M], True where a query may look; M = ticks * N tokens.

    A tick sees the prompt, itself and the ``window - 1`` ticks before it. In ticks marked in
    ``first_pass`` [B or 1, T], streams of an earlier pass do not see the same tick's later ones.
    ``history``: every tick is there twice, first all as history and then all as imagined ones; an
    imagined tick sees itself and the history before it, as in a rollout (M is twice as large).
    """
    per_tick = model.tokens
    tick = torch.arange(ticks, device=device).repeat_interleave(per_tick)
    copy = torch.zeros_like(tick)
    if history:
        copy = torch.cat([copy, copy + 1])
        tick = tick.repeat(2)
    age = tick[:, None] - tick[None, :]
    same = copy[:, None] == copy[None, :]
    past = (copy[None, :] == 0) & (age > 0) & (age < model.window)
    mask = F.pad(past | (same & (age == 0)), (prompt, 0), value=True)[None, None]
    if first_pass is None:
        return mask
    order = {name: i for i, names in enumerate(model.spec.passes) for name in names}
    rank = torch.cat(
        [torch.full((s.tokens,), order.get(s.name, 0), device=device) for s in model.streams]
    ).repeat(len(tick) // per_tick)
    later = (rank[None, :] > rank[:, None]) & (age == 0)
    if history:  # history is always committed whole
        later = later & (copy[:, None] == 1)
        first_pass = first_pass.repeat(1, 2)
    later = F.pad(later, (prompt, 0), value=False)[None, None]
    chosen = first_pass.to(device).repeat_interleave(per_tick, dim=1)[:, None, :, None]
    return mask & ~(later & chosen)
