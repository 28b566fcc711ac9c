"""A plain residual network: rows of numbers to rows of numbers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResidualNet(nn.Module):
    """[.., size] -> [.., out] by ``depth`` residual blocks of ``width``; starts at zeros."""

    def __init__(self, size: int, out: int, width: int, depth: int, operations=torch.nn) -> None:
        super().__init__()
        self.config = {"size": size, "out": out, "width": width, "depth": depth}
        self.inlet = operations.Linear(size, width)
        self.blocks = nn.ModuleList(
            nn.ModuleList(operations.Linear(width, width) for _ in range(2)) for _ in range(depth))
        self.outlet = operations.Linear(width, out)
        with torch.no_grad():
            self.outlet.weight.mul_(0.1)
            self.outlet.bias.zero_()
            for _, second in self.blocks:
                second.weight.mul_(0.5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inlet(x)
        for first, second in self.blocks:
            h = h + second(F.silu(first(F.layer_norm(h, h.shape[-1:]))))
        return self.outlet(F.layer_norm(h, h.shape[-1:]))
