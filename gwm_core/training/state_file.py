"""The state of a training run in one safetensors file, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def save_run(path: Path, step: int, config: dict[str, Any], model: nn.Module,
             average: dict[str, Tensor], optimiser: torch.optim.Optimizer,
             seconds: float = 0.0) -> None:
    """Store weights, their running average and the optimiser's moments after ``step`` steps
    and ``seconds`` of training."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.items()}
    names = [n for n, _ in model.named_parameters()]
    for name, parameter in zip(names, model.parameters(), strict=True):
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser.{key}.{name}"] = torch.as_tensor(value)
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(tensors, part, {"step": str(step), "seconds": str(seconds),
                              "config": json.dumps(config)})
    os.replace(part, path)


def load_run(path: Path, config: dict[str, Any], model: nn.Module,
             average: dict[str, Tensor], optimiser: torch.optim.Optimizer) -> tuple[int, float]:
    """Restore what ``save_run`` stored and return its step and seconds; ValueError for another
    network."""
    with safe_open(path, "pt") as file:
        meta = file.metadata() or {}
        stored = json.loads(meta.get("config", "{}"))
        if stored.get("model") != json.loads(json.dumps(config)).get("model"):
            raise ValueError(f"{path} is a run of another network; remove it or do not resume")
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    model.load_state_dict(
        {k[6:]: v for k, v in tensors.items() if k.startswith("model.")}
    )
    for key, value in tensors.items():
        if key.startswith("average."):
            average[key[8:]].copy_(value)
    for name, parameter in model.named_parameters():
        state = {}
        for key in ("step", "exp_avg", "exp_avg_sq"):
            value = tensors.get(f"optimiser.{key}.{name}")
            if value is not None:
                state[key] = value if key == "step" else value.to(parameter)
        if state:
            optimiser.state[parameter] = state
    return int(meta["step"]), float(meta.get("seconds", 0.0))
