"""Whether a network has exactly the published names and shapes; needs no memory for weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...backbones.causal_wan import CausalWanConfig, CausalWanNet
from ...backbones.matrix_game import MatrixGameNet


def same_keys(config: Any, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a state dict of these shapes loads with nothing missing, unexpected or reshaped."""
    build = CausalWanNet if isinstance(config, CausalWanConfig) else MatrixGameNet
    with torch.device("meta"):
        net = build(config)
        state = {name: torch.empty(shape) for name, shape in shapes.items()}
    try:
        net.load_state_dict(state, strict=True, assign=True)
    except RuntimeError:
        return False
    return True
