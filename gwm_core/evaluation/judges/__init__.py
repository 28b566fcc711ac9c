"""Judges: small networks that only evaluate, trained on other layouts than any model.

Each is one safetensors file of at most 4 MB beside this module, retrained by
`python -m gwm_core.training.judges`, and prints its score on true data as the ceiling of every
figure it gives.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ...checkpoint import load_into, read_checkpoint, save_checkpoint
from ...embodiment import rooms_embodiment

FOLDER = Path(__file__).parent

def save_judge(name: str, module: torch.nn.Module, scores: dict) -> Path:
    """Store a judge with its scores on true held-out data."""
    path = FOLDER / f"{name}.safetensors"
    tensors = {key: value.detach() for key, value in module.state_dict().items()}
    save_checkpoint(path, tensors, {
        "name": name, "kind": "judge", "embodiment": rooms_embodiment(), "config": {},
        "licence": "Apache-2.0", "scores": scores})
    return path


def load_judge(name: str, module: torch.nn.Module) -> tuple[torch.nn.Module, dict]:
    """Fill `module` from the stored judge; returns it in eval mode with its scores."""
    tensors, metadata = read_checkpoint(FOLDER / f"{name}.safetensors")
    load_into(module, tensors, f"judge {name}")
    return module.eval(), metadata.get("scores", {})
