"""The lip judge: how the mouth of a frame differs from the same portrait's mouth at rest.

It sees two small cuts, so that a beard, hatching or a drawn line is no opening, and gives the
numbers of evaluation.avatars.points.MOUTH. It learns from all styles, the held-out one too: what is
held out is held out from the product, not from the instrument that measures it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .sync import MOUTHS

SIDE = 48
"""Pixels of a cut."""


class LipJudge(nn.Module):
    """frame, rest uint8 or float [B, 3, 48, 48] -> numbers of the mouth [B, 8] in units of
    sync.SPREAD."""

    def __init__(self, width: int = 24):
        super().__init__()
        self.config = {"width": width}
        w = width

        def layer(inside: int, outside: int, size: int, stride: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(inside, outside, size, stride, size // 2),
                                 nn.GroupNorm(4, outside), nn.SiLU())

        self.see = nn.Sequential(
            layer(6, w, 5, 2), layer(w, 2 * w, 3, 2), layer(2 * w, 2 * w, 3, 1),
            layer(2 * w, 3 * w, 3, 2), layer(3 * w, 3 * w, 3, 1))
        self.tell = nn.Sequential(nn.Flatten(), nn.Linear(3 * w * 36, 96), nn.SiLU(),
                                  nn.Linear(96, MOUTHS))

    def forward(self, frame: Tensor, rest: Tensor) -> Tensor:
        frame, rest = frame.float(), rest.float()
        mean = rest.mean((2, 3), keepdim=True)
        size = (rest - mean).square().mean((1, 2, 3), keepdim=True).sqrt() + 6.0
        pair = torch.cat([(frame - mean) / size, (rest - mean) / size], 1)
        return self.tell(self.see(pair.clamp(-4, 4)))
