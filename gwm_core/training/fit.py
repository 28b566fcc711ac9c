"""The loop that trains networks of the tabletop and of faces: averaged weights, log, resuming."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .state_file import load_run, save_run

SAVED_EVERY = 60.0  # seconds


@dataclass(frozen=True)
class Plan:
    """warm: steps in which the rate rises; fall: share of the steps, at the end, in which it falls;
    clip: of the gradient's norm; decay: of the averaged weights; every: steps a line of the log."""

    steps: int
    rate: float
    weight_decay: float = 1e-3
    warm: int = 100
    fall: float = 0.4
    clip: float = 1.0
    decay: float = 0.998
    every: int = 100


def fit(net: nn.Module, plan: Plan, file: Path, config: dict[str, Any],
        parts: Callable[[int], dict[str, Tensor]],
        progress: Callable[[dict], None] | None = None) -> nn.Module:
    """Train ``net`` on ``sum(parts(step).values())`` and give it its averaged weights.

    file    the run's state, from which it goes on; ``log.jsonl`` lies beside it
    config  what the run is of: kept with it
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate, weight_decay=plan.weight_decay)
    average = {k: v.clone() for k, v in net.state_dict().items()}
    config = {"model": net.config, "rate": plan.rate, "steps": plan.steps, **config}
    step, spent = load_run(file, config, net, average, optimiser) if file.exists() else (0, 0.0)
    began, kept, saved = time.monotonic() - spent, [], time.monotonic()
    while step < plan.steps:
        left = 1 - step / plan.steps
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * min(1.0, (step + 1) / plan.warm) * min(
                1.0, left / plan.fall + 0.01)
        losses = parts(step)
        optimiser.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), plan.clip)
        optimiser.step()
        decay = min(plan.decay, (step + 1) / (step + 10))
        with torch.no_grad():
            for k, v in net.state_dict().items():
                average[k].lerp_(v, 1 - decay)
        step += 1
        kept.append({k: float(v.detach()) for k, v in losses.items()})
        if step % plan.every == 0:
            line = {"step": step, **{k: float(np.mean([p[k] for p in kept])) for k in kept[0]},
                    "minutes": (time.monotonic() - began) / 60}
            kept = []
            with open(file.with_name("log.jsonl"), "a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            if progress is not None:
                progress(line)
        if time.monotonic() - saved > SAVED_EVERY or step == plan.steps:
            saved = time.monotonic()
            save_run(file, step, config, net, average, optimiser, saved - began)
    net.load_state_dict(average)
    return net.eval()
