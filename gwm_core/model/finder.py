"""The slot encoder: which things in a picture can move, where they are, what surfaces sound like.

A small U-shaped conv net. It reads one view with its disparity and answers on a grid of 8 px
cells (what is centred here), per pixel (does this belong to something that can move) and on a
grid of 16 px cells (sounding material of the fixed surface).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CELL, MATERIAL_CELL = 8, 16
FOUND = ("ball", "box", "door")
MATERIALS = 6
# Channels of the cell head: per kind a heat logit; the middle of what is seen of it, and its
# projected centre, from the cell's middle in cells; depth of the centre behind the surface seen
# (m); log half extents against TYPICAL; turn angles (box: 4 x angle, door: 2 x angle, as cos and
# sin); the side of a door's hinge.
HEAD = {"heat": slice(0, 3), "seen": slice(3, 5), "centre": slice(5, 7), "behind": slice(7, 8),
        "size": slice(8, 11), "turn4": slice(11, 13), "turn2": slice(13, 15),
        "hinge": slice(15, 16)}
CHANNELS = 16
TYPICAL = 0.25


def _conv(inputs, outputs, stride, operations):
    return nn.Sequential(
        operations.Conv2d(inputs, outputs, 3, stride=stride, padding=1),
        operations.GroupNorm(8, outputs),
        nn.SiLU(),
    )


class FinderNet(nn.Module):
    """[B,4,H,W] (RGB in -1..1, disparity 1/m; H and W multiples of 32) -> dict of maps.

    cells [B,16,H/8,W/8], mask [B,1,H,W] logits, material [B,6,H/16,W/16] logits.
    """

    def __init__(self, width: int = 32, operations=nn):
        super().__init__()
        w = width
        self.width = w
        self.stem = _conv(16, w, 2, operations)  # H/4
        self.down8 = nn.Sequential(
            _conv(w, 2 * w, 2, operations), _conv(2 * w, 2 * w, 1, operations)
        )
        self.down16 = nn.Sequential(
            _conv(2 * w, 3 * w, 2, operations), _conv(3 * w, 3 * w, 1, operations)
        )
        self.down32 = nn.Sequential(
            _conv(3 * w, 4 * w, 2, operations), _conv(4 * w, 3 * w, 1, operations)
        )
        self.up16 = _conv(3 * w, 2 * w, 1, operations)
        self.up8 = _conv(2 * w, 2 * w, 1, operations)
        self.cells = operations.Conv2d(2 * w, CHANNELS, 1)
        self.material = operations.Conv2d(2 * w, MATERIALS, 1)
        self.up4 = _conv(2 * w, w, 1, operations)
        self.mask = operations.Conv2d(w, 16, 1)

    def forward(self, x):
        x4 = self.stem(F.pixel_unshuffle(x, 2))
        x8 = self.down8(x4)
        x16 = self.down16(x8)
        x32 = self.down32(x16)
        y16 = self.up16(x16 + F.interpolate(x32, scale_factor=2.0))
        y8 = self.up8(x8 + F.interpolate(y16, scale_factor=2.0))
        y4 = x4 + self.up4(F.interpolate(y8, scale_factor=2.0))[:, : self.width]
        return {
            "cells": self.cells(y8),
            "material": self.material(y16),
            "mask": F.pixel_shuffle(self.mask(y4), 4),
        }


def finder_input(rgb, depth) -> torch.Tensor:
    """uint8 [B,H,W,3] and metres [B,H,W] -> network input [B,4,H,W]."""
    rgb = torch.as_tensor(np.array(rgb)).permute(0, 3, 1, 2).float() / 127.5 - 1
    depth = torch.as_tensor(np.array(depth)).float()[:, None].clamp(0.05, 60)
    return torch.cat([rgb, (1 / depth).clamp(max=4) - 0.5], 1)
