"""What happened between two looks: the action that was given, and how the gripper moved.

A small convolutional network sees both pictures of a camera one upon the other; a network over all
views' features answers. Nothing else is read: no proprioception, no state.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

ACTION = (0.04, 0.04, 0.04, 0.3, 0.3, 0.3, 1.0)
"""What outputs of 1 stand for (m, rad, share); the gripper's motion has the first six too."""


class PairReader(nn.Module):
    """Two looks uint8 [B, V, 3, S, S] each -> ``action`` [B, 7] and ``moved`` [B, 6] (m, rad)."""

    def __init__(self, views: int = 3, width: int = 16, side: int = 64, operations=nn) -> None:
        super().__init__()
        self.config = {"views": views, "width": width, "side": side}
        self.views, conv, w = views, operations.Conv2d, width
        self.look = nn.Sequential(
            conv(6 + views, w, 5, padding=2, stride=2), nn.SiLU(),
            conv(w, 2 * w, 3, padding=1, stride=2), nn.GroupNorm(4, 2 * w), nn.SiLU(),
            conv(2 * w, 3 * w, 3, padding=1), nn.GroupNorm(4, 3 * w), nn.SiLU(),
            conv(3 * w, 3 * w, 3, padding=1, stride=2), nn.GroupNorm(4, 3 * w), nn.SiLU(),
            conv(3 * w, 2 * w, 3, padding=1), nn.SiLU())
        cells = (side // 8) ** 2
        self.join = nn.Sequential(
            operations.Linear(views * 2 * w * cells, 256), nn.SiLU(),
            operations.Linear(256, 128), nn.SiLU(), operations.Linear(128, 13))

    def forward(self, before: Tensor, after: Tensor) -> dict[str, Tensor]:
        b, v = before.shape[:2]
        pair = torch.cat([before, after], 2).float().flatten(0, 1) / 127.5 - 1
        which = torch.eye(v, device=pair.device).repeat(b, 1)[:, :, None, None]
        pair = torch.cat([pair, which.expand(-1, -1, *pair.shape[-2:])], 1)
        out = self.join(self.look(pair).reshape(b, -1))
        scale = out.new_tensor(ACTION)
        return {"action": out[:, :7] * scale, "moved": out[:, 7:] * scale[:6]}
