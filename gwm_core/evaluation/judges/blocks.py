"""What all judges are built from."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ...model.blocks import Down

__all__ = ["Down", "to_input"]


def to_input(frames: np.ndarray, size: tuple[int, int] = (80, 128)) -> torch.Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, h, w] in -1..1, area-averaged to `size`."""
    x = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1
    if x.shape[-2:] != tuple(size):
        x = nn.functional.interpolate(x, size=size, mode="area")
    return x
