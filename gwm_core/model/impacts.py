"""Where and when things hit something, seen in the pictures around a moment.

A small U-shaped convolutional network reads one picture and how the three before and after it
differ from it (turned alike), and answers on a grid of cells: does something strike here in this
very picture, how loud would it be at the camera, what does it strike, how high would it ring.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEIGHT = 128, 80
REACH = 3
"""Pictures before and after."""
CHANNELS = 3 + 2 * REACH
GRID = (20, 32)
MATERIALS = 6
OUT = {"hit": slice(0, 1), "moving": slice(1, 2), "loud": slice(2, 3), "pitch": slice(3, 4),
       "offset": slice(4, 6), "material": slice(6, 6 + MATERIALS)}
"""hit: logit; moving: logit of a thing in motion; loud: log-scale strength at the camera; pitch:
as in the audio token; offset: place in the cell, right and down, from its middle in cells;
material: logits of the surface that is struck or lies there."""
OUTPUTS = 6 + MATERIALS


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1),
                         nn.GroupNorm(8, outputs), nn.SiLU())


class ImpactNet(nn.Module):
    """Inputs uint8 [B, 9, 80, 128] (see `gwm_core.video.foley_frames.window`) -> maps
    [B, 12, 20, 32], channels as OUT."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        w = width
        self.stem = _conv(4 * CHANNELS, w)
        self.down8 = nn.Sequential(_conv(w, 2 * w, 2), _conv(2 * w, 2 * w))
        self.down16 = nn.Sequential(_conv(2 * w, 3 * w, 2), _conv(3 * w, 3 * w))
        self.down32 = nn.Sequential(_conv(3 * w, 4 * w, 2), _conv(4 * w, 3 * w))
        self.up16 = _conv(3 * w, 2 * w)
        self.up8 = _conv(2 * w, 2 * w)
        self.head = nn.Conv2d(2 * w, OUTPUTS, 1)
        with torch.no_grad():
            self.head.bias[:2] = -4.0  # most places show nothing

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x[:, :3].float() / 127.5 - 1, (x[:, 3:].float() - 128) / 32], 1)
        x4 = self.stem(F.pixel_unshuffle(x, 2))
        x8 = self.down8(x4)
        x16 = self.down16(x8)
        x16 = x16 + F.interpolate(self.down32(x16), scale_factor=2.0)[..., : x16.shape[-2], :]
        return self.head(self.up8(x8 + F.interpolate(self.up16(x16), scale_factor=2.0)))
