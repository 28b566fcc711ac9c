"""Where and when things hit something, seen in the pictures around a moment.

A U-shaped convolutional network reads every picture and how the three before and after it differ
from it (turned alike); dilated convolutions over time join what it reads of the second around each
picture, so that also an impact out of the picture is told from how a thing leaves and comes back.
It answers on a grid of cells what strikes there in this very picture, and once for the whole
picture whether anything is heard striking now.
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
       "offset": slice(4, 6)}
"""hit: logit; moving: logit of a thing in motion; loud: log-scale strength at the camera; pitch:
as in the audio token; offset: place in the cell, right and down, from its middle in cells."""
OUTPUTS = 6
NOW = {"hit": slice(0, 1), "loud": slice(1, 2), "pitch": slice(2, 3),
       "material": slice(3, 3 + MATERIALS)}
"""Of the whole picture, seen or not: as above; material: logits of what is struck."""
FINE_STEPS, COARSE_STEPS = (1, 2), (1, 2, 4)
"""Dilations in time of the joining blocks, on cells of 8 and of 16 pixels."""
CONTEXT = sum(FINE_STEPS) + 2 * sum(COARSE_STEPS) + 2
"""Pictures on either side that an answer depends on, beside REACH."""


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1),
                         nn.GroupNorm(8, outputs), nn.SiLU())


class _Joined(nn.Module):
    """A residual block over time and place: [B * T, C, h, w] -> the same."""

    def __init__(self, width: int, reach: int, dilation: int) -> None:
        super().__init__()
        self.time = nn.Conv1d(width, width, 2 * reach + 1, padding=reach * dilation,
                              dilation=dilation)
        self.place = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(),
                                   nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor, batch: int) -> Tensor:
        n, c, h, w = x.shape
        rows = x.reshape(batch, n // batch, c, h * w).permute(0, 3, 2, 1)
        rows = self.time(rows.reshape(-1, c, n // batch))
        rows = rows.reshape(batch, h * w, c, n // batch).permute(0, 3, 2, 1).reshape(n, c, h, w)
        return x + self.place(rows)


class ImpactNet(nn.Module):
    """Inputs uint8 [B, T, 9, 80, 128] of consecutive pictures (see
    `gwm_core.video.foley_frames.window`) -> maps [B, T, 6, 20, 32], channels as OUT, and what is
    heard now [B, T, 9], channels as NOW."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.config = {"width": width}
        w = width
        self.stem = _conv(4 * CHANNELS, w)
        self.down8 = nn.Sequential(_conv(w, 2 * w, 2), _conv(2 * w, 2 * w))
        self.down16 = nn.Sequential(_conv(2 * w, 2 * w, 2), _conv(2 * w, 2 * w))
        self.down32 = nn.Sequential(_conv(2 * w, 4 * w, 2), _conv(4 * w, 4 * w))
        self.fine = nn.ModuleList(_Joined(2 * w, 1, d) for d in FINE_STEPS)
        self.coarse = nn.ModuleList(_Joined(4 * w, 2, d) for d in COARSE_STEPS)
        self.up16 = _conv(6 * w, 2 * w)
        self.up8 = _conv(4 * w, 2 * w)
        self.head = nn.Conv2d(2 * w, OUTPUTS, 1)
        self.pool = nn.Conv1d(8 * w + 2 * w, 4 * w, 5, padding=2)
        self.now = nn.Conv1d(4 * w, 3 + MATERIALS, 1)
        with torch.no_grad():
            self.head.bias[:2] = -4.0  # most places show nothing
            self.now.bias[0] = -2.0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        b, t = x.shape[:2]
        x = x.flatten(0, 1)
        x = torch.cat([x[:, :3].float() / 127.5 - 1, (x[:, 3:].float() - 128) / 32], 1)
        x8 = self.down8(self.stem(F.pixel_unshuffle(x, 2)))
        x16 = self.down16(x8)
        x32 = self.down32(x16)
        for block in self.coarse:
            x32 = block(x32, b)
        for block in self.fine:
            x16 = block(x16, b)
        x16 = self.up16(torch.cat([x16, F.interpolate(x32, scale_factor=2.0)], 1))
        x8 = self.up8(torch.cat([x8, F.interpolate(x16, scale_factor=2.0)], 1))
        maps = self.head(x8)
        seen = torch.cat([x32.mean((2, 3)), x32.amax((2, 3)), x8.amax((2, 3))], 1)
        now = self.now(F.silu(self.pool(seen.reshape(b, t, -1).transpose(1, 2))))
        return maps.reshape(b, t, *maps.shape[1:]), now.transpose(1, 2)
