"""A policy as a network: what a run knows at a tick in, the action out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LIMIT = (0.04, 0.04, 0.04, 0.3, 0.3, 0.3, 1.0)


class ClonedNet(nn.Module):
    """Features [B, F] -> action [B, 7] within its limits; ``mean`` and ``spread`` [F] of the
    features are part of the weights."""

    def __init__(self, features: int, width: int = 192, operations=nn) -> None:
        super().__init__()
        self.config = {"features": features, "width": width}
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        linear = operations.Linear
        self.layers = nn.Sequential(
            linear(features, width), nn.SiLU(), linear(width, width), nn.SiLU(),
            linear(width, width), nn.SiLU(), linear(width, 7), nn.Tanh())

    def forward(self, features: Tensor) -> Tensor:
        x = ((features - self.mean) / self.spread).clamp(-5, 5)
        return self.layers(x) * x.new_tensor(LIMIT)
