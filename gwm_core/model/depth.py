"""Reads a single picture: how far everything is, and what it is.

A small U-Net over the picture at 64x40 and the rays of its pixels. It gives log-disparity, the
part of a room that each pixel belongs to, and the room theme it looks like (both may be unknown).
"""

from __future__ import annotations

import torch
from torch import nn

#: the size the network works at
WIDTH, HEIGHT = 64, 40
#: rgb, ray elevation and azimuth, given log-disparity, whether it is given
INPUTS = 7
PARTS = 8
THEMES = 14


class _Stage(nn.Module):
    """Two 3x3 convolutions with a skip; the first may halve the size."""

    def __init__(self, inputs: int, outputs: int, stride: int, operations) -> None:
        super().__init__()
        self.first = operations.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.norm = operations.GroupNorm(8, outputs)
        self.second = operations.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x):
        x = nn.functional.silu(self.norm(self.first(x)))
        return x + nn.functional.silu(self.second(x))


class PictureReader(nn.Module):
    """forward(x f32 [B, 7, 40, 64]) -> (log-disparity [B, 40, 64], parts [B, 9, 40, 64]
    logits, themes [B, 15, 40, 64] logits, tilt [B]); the last class of parts and themes is
    "none". tilt: by how many radians the camera looks higher than the given rays say.

    Colours are 0..1, elevation and azimuth of rays in radians.
    """

    def __init__(self, widths=(24, 48, 80, 112, 128), operations=nn) -> None:
        super().__init__()
        self.config = {"widths": list(widths)}
        inputs = [INPUTS, *widths[:-1]]
        # Most of the cost lies at full size: it is entered by a strided convolution.
        strides = [2, 2, 2, 2, 1]
        self.down = nn.ModuleList(
            _Stage(i, o, s, operations) for i, o, s in zip(inputs, widths, strides, strict=True)
        )
        self.whole = operations.Linear(widths[-1], widths[-1])
        self.tilt = operations.Linear(widths[-1], 1)
        self.up = nn.ModuleList(
            _Stage(widths[k] + widths[k - 1], widths[k - 1], 1, operations)
            for k in range(len(widths) - 1, 0, -1)
        )
        self.fine = operations.Conv2d(widths[0] + INPUTS, 16, 3, padding=1)
        self.out = operations.Conv2d(16, 1 + PARTS + 1 + THEMES + 1, 1)

    def forward(self, x):
        resize = nn.functional.interpolate
        kept = []
        y = x
        for stage in self.down:
            y = stage(y)
            kept.append(y)
        summary = y.mean((2, 3))
        tilt = self.tilt(nn.functional.silu(self.whole(summary)))[:, 0]
        y = y + self.whole(summary)[:, :, None, None]
        for k, stage in enumerate(self.up):
            skip = kept[len(kept) - 2 - k]
            y = stage(torch.cat([resize(y, size=skip.shape[2:], mode="nearest"), skip], 1))
        y = torch.cat([resize(y, size=x.shape[2:], mode="bilinear"), x], 1)
        y = nn.functional.silu(self.fine(y))
        out, parts, themes = self.out(y).split([1, PARTS + 1, THEMES + 1], dim=1)
        return out[:, 0], parts, themes, tilt
