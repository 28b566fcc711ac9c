"""The inverse-dynamics judge: what was pressed, read from four frames in a row."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .blocks import Down, to_input

KEYS = ("W", "A", "S", "D", "jump", "push", "throw")


class InverseJudge(nn.Module):
    """Four frames [N, 12, 80, 128] (ends of ticks t-2 and t-1, both frames of t) -> logits of
    the seven keys of tick t [N, 7] and the look of tick t [N, 2] in units of 10 degrees."""

    def __init__(self, width: int = 24):
        super().__init__()
        self.net = nn.Sequential(
            Down(12, width), Down(width, 2 * width), Down(2 * width, 3 * width),
            Down(3 * width, 4 * width), Down(4 * width, 4 * width))
        self.head = nn.Sequential(nn.Linear(4 * width * 3 * 4, 256), nn.SiLU(),
                                  nn.Linear(256, len(KEYS) + 2))

    def forward(self, x):
        out = self.head(self.net(x).flatten(1))
        return out[:, :len(KEYS)], out[:, len(KEYS):]

    @torch.no_grad()
    def read(self, frames: np.ndarray, batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [1 + 2T, H, W, 3] (first picture, then two frames a tick) -> key probabilities
        [T, 7] and look in degrees [T, 2]."""
        keys, look = [], []
        x = stack(to_input(frames))
        for i in range(0, len(x), batch):
            k, v = self(x[i:i + batch])
            keys.append(k.sigmoid())
            look.append(v * 10)
        return torch.cat(keys).numpy(), torch.cat(look).numpy()


def stack(frames: torch.Tensor) -> torch.Tensor:
    """[1 + 2T, 3, h, w] -> [T, 12, h, w]; before the first picture it is repeated."""
    ticks = (len(frames) - 1) // 2
    t = torch.arange(ticks)
    index = [(2 * t - 2).clamp(min=0), 2 * t, 2 * t + 1, 2 * t + 2]
    return torch.cat([frames[i] for i in index], 1)
