"""The one convolution block all judges are built from."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class Down(nn.Module):
    """Strided convolution, then a residual convolution; group norm, SiLU."""

    def __init__(self, inp: int, out: int, stride: int = 2):
        super().__init__()
        self.a = nn.Conv2d(inp, out, 3, stride, 1)
        self.b = nn.Conv2d(out, out, 3, 1, 1)
        self.na = nn.GroupNorm(8, out)
        self.nb = nn.GroupNorm(8, out)

    def forward(self, x):
        x = nn.functional.silu(self.na(self.a(x)))
        return x + nn.functional.silu(self.nb(self.b(x)))


def to_input(frames: np.ndarray, size: tuple[int, int] = (80, 128)) -> torch.Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, h, w] in -1..1, area-averaged to `size`."""
    x = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1
    if x.shape[-2:] != tuple(size):
        x = nn.functional.interpolate(x, size=size, mode="area")
    return x
