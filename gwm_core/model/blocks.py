"""The one convolution block of the small networks that read pictures."""

from __future__ import annotations

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
