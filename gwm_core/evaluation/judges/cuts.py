"""What judges of small cuts share: a frame's cut beside the same cut of the portrait at rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def layer(inside: int, outside: int, size: int, stride: int) -> nn.Sequential:
    """A convolution with its norm."""
    return nn.Sequential(nn.Conv2d(inside, outside, size, stride, size // 2),
                         nn.GroupNorm(4, outside), nn.SiLU())


class CutJudge(nn.Module):
    """``see`` looks at both cuts one upon the other, in units of how the portrait's varies, and
    ``tell`` says what it is asked for."""

    see: nn.Module
    tell: nn.Module

    def forward(self, frame: Tensor, rest: Tensor) -> Tensor:
        """frame, rest uint8 or float [B, 3, S, S] -> [B, n]."""
        frame, rest = frame.float(), rest.float()
        mean = rest.mean((2, 3), keepdim=True)
        size = (rest - mean).square().mean((1, 2, 3), keepdim=True).sqrt() + 6.0
        pair = torch.cat([(frame - mean) / size, (rest - mean) / size], 1)
        return self.tell(self.see(pair.clamp(-4, 4)))
