"""The training loop of the judges: a budget of processor time, and progress kept on disk."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch


def loop(model: torch.nn.Module, step: Callable[[], torch.Tensor], minutes: float, rate: float,
         state: Path, check: Callable[[], object], every: int = 300, decay: float = 0.03,
         report=print) -> None:
    """Minimise what `step` returns until `minutes` of processor time are spent.

    The rate rises, then falls as a cosine of the time spent. Weights, optimiser and time are
    kept in `state` now and then, and are gone on from; it is removed at the end.
    """
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay)
    spent, count = 0.0, 0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        spent, count = kept["spent"], kept["count"]
    mean, last = 0.0, time.process_time()
    while spent < minutes:
        share = spent / minutes
        optimiser.param_groups[0]["lr"] = rate * (min(1.0, share * 25 + 0.04)
                                                  * (0.5 + 0.5 * math.cos(math.pi * share)) + 0.003)
        loss = step()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        now = time.process_time()
        spent, last = spent + (now - last) / 60, now
        mean += (loss.item() - mean) / min(count % every + 1, 50)
        count += 1
        if count % 50 == 0:
            report(f"step {count}, {spent:.1f} of {minutes:.0f} minutes: loss {mean:.4f}")
        if count % every == 0:
            report(str(check()))
            last = time.process_time()
            model.train()
            part = state.with_suffix(".part")
            torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(),
                        "spent": spent, "count": count}, part)
            os.replace(part, state)
    state.unlink(missing_ok=True)
