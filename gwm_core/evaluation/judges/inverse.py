"""The inverse-dynamics judge: what was pressed, read from how the picture moves.

Four frames in a row give three fields of motion (block matching of grey levels at 64 x 40); a
small network reads keys and turning from these, the newest picture and its change.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .blocks import Down, to_input

KEYS = ("W", "A", "S", "D", "jump", "push", "throw")
MIRRORED = (0, 3, 2, 1, 4, 5, 6)
REACH_X, REACH_Y = 7, 4
CHANNELS = 3 * 3 + 3 + 3


class InverseJudge(nn.Module):
    """Motion features [N, 15, 40, 64] (see `motion`) -> logits of the seven keys of the tick
    [N, 7] and its look [N, 2] in units of 10 degrees."""

    def __init__(self, width: int = 32):
        super().__init__()
        self.net = nn.Sequential(Down(CHANNELS, width), Down(width, 2 * width),
                                 Down(2 * width, 3 * width))
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(3 * width * 5 * 8, 192), nn.SiLU(),
                                  nn.Dropout(0.2), nn.Linear(192, len(KEYS) + 2))

    def forward(self, x):
        out = self.head(self.net(x).flatten(1))
        return out[:, :len(KEYS)], out[:, len(KEYS):]

    @torch.no_grad()
    def read(self, frames: np.ndarray, batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [1 + 2T, H, W, 3] (first picture, then two frames a tick) -> key probabilities
        [T, 7] and look in degrees [T, 2]."""
        x = motion(to_input(frames))
        keys, look = [], []
        for i in range(0, len(x), batch):
            k, v = self(x[i:i + batch])
            keys.append(k.sigmoid())
            look.append(v * 10)
        return torch.cat(keys).numpy(), torch.cat(look).numpy()


@torch.no_grad()
def flow(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Motion from a to b, grey [N, 1, 40, 64] each: columns and rows moved, in units of 4 pixels,
    and how sure that is; [N, 3, 40, 64]."""
    mean = F.avg_pool2d(b, 7, 1, 3)
    contrast = (F.avg_pool2d(b * b, 7, 1, 3) - mean * mean).clamp(min=1e-5)
    padded = F.pad(a, (REACH_X, REACH_X, REACH_Y, REACH_Y), mode="replicate")
    h, w = b.shape[-2:]
    costs, shifts = [], []
    for dy in range(-REACH_Y, REACH_Y + 1):
        for dx in range(-REACH_X, REACH_X + 1):
            moved = padded[..., REACH_Y - dy:REACH_Y - dy + h, REACH_X - dx:REACH_X - dx + w]
            costs.append(F.avg_pool2d((moved - b) ** 2, 7, 1, 3))
            shifts.append((dx, dy))
    cost = torch.cat(costs, 1) / (contrast + 1e-3)
    weight = torch.softmax(-12 * cost, 1)
    shift = torch.tensor(shifts, dtype=torch.float32)
    u = (weight * shift[:, 0].view(1, -1, 1, 1)).sum(1, keepdim=True)
    v = (weight * shift[:, 1].view(1, -1, 1, 1)).sum(1, keepdim=True)
    return torch.cat([u / 4, v / 4, weight.max(1, keepdim=True).values], 1)


@torch.no_grad()
def motion(frames: torch.Tensor) -> torch.Tensor:
    """Frames [1 + 2T, 3, 80, 128] in -1..1 -> features [T, 15, 40, 64] of each tick: motion over
    its frame before, its first and its second half, the newest picture, and its change."""
    small = F.avg_pool2d(frames, 2)
    grey = small.mean(1, keepdim=True)
    fields = torch.cat([flow(grey[i:min(i + 32, len(grey) - 1)], grey[i + 1:i + 33])
                        for i in range(0, len(grey) - 1, 32)])
    still = torch.zeros_like(fields[:1])
    still[:, 2] = 1
    ticks = (len(frames) - 1) // 2
    t = torch.arange(ticks)
    before = torch.cat([still, fields])[2 * t]
    return torch.cat([before, fields[2 * t], fields[2 * t + 1], small[2 * t + 2],
                      small[2 * t + 2] - small[2 * t]], 1)


def mirrored(x: torch.Tensor) -> torch.Tensor:
    """Features of the mirrored tick (keys then swap as MIRRORED says, look_x changes sign)."""
    out = x.flip(-1).clone()
    out[:, [0, 3, 6]] *= -1
    return out
