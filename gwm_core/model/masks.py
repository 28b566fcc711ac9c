"""Attention masks for whole windows."""

from __future__ import annotations

import torch
from torch import Tensor


def window_mask(model, ticks: int, prompt: int, first_pass: Tensor | None, device) -> Tensor:
    """bool [B or 1, 1, ticks * N, prompt + ticks * N], True where a query may look.

    A tick sees the prompt, itself and the ``window - 1`` ticks before it. In ticks marked in
    ``first_pass`` [B, T], streams of an earlier pass do not see the same tick's later ones.
    """
    per_tick = model.tokens
    tick = torch.arange(ticks, device=device).repeat_interleave(per_tick)
    age = tick[:, None] - tick[None, :]
    mask = (age >= 0) & (age < model.window)
    mask = torch.nn.functional.pad(mask, (prompt, 0), value=True)[None, None]
    if first_pass is None:
        return mask
    order = {name: i for i, names in enumerate(model.spec.passes) for name in names}
    rank = torch.cat(
        [torch.full((s.tokens,), order.get(s.name, 0), device=device) for s in model.streams]
    ).repeat(ticks)
    later = (rank[None, :] > rank[:, None]) & (age == 0)
    later = torch.nn.functional.pad(later, (prompt, 0), value=False)[None, None]
    chosen = first_pass.to(device).repeat_interleave(per_tick, dim=1)[:, None, :, None]
    return mask & ~(later & chosen)
