"""The inverse-dynamics judge: what was pressed, read from how the picture moves.

Every pair of neighbouring frames gives a field of optical flow without the camera's turn (see
`flow`); a small network reads each pair, a second one the pairs of the tick, of two ticks before
and of two after it: a key that was let go shows in how the walk dies away.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .blocks import Down
from .flow import FIELDS, Motion

KEYS = ("W", "A", "S", "D", "jump", "push", "throw")
MIRRORED = (0, 3, 2, 1, 4, 5, 6)
TURNS = 3
"""Turn numbers of a pair: right, up, roll in units of 5 degrees."""


class InverseJudge(nn.Module):
    """Pairs [B, 2T, 13, 20, 32] and their turns [B, 2T, 3] -> logits of the seven keys of each
    tick [B, T, 7], its look [B, T, 2] in units of 10 degrees, and the motion of each pair
    [B, 2T, 3] (ahead, right, up, in units of 8 cm)."""

    def __init__(self, width: int = 32, code: int = 80):
        super().__init__()
        self.pair = nn.Sequential(
            Down(FIELDS, width), Down(width, 2 * width), nn.Flatten(), nn.Dropout(0.1),
            nn.Linear(2 * width * 5 * 8, code), nn.SiLU())
        self.motion = nn.Linear(code, 3)
        self.before = nn.Conv1d(code + 3 + TURNS, 128, 5, padding=2)
        self.after = nn.Conv1d(128, 128, 5, padding=2)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * (128 + 3 + TURNS), 128),
                                  nn.SiLU(), nn.Linear(128, len(KEYS) + 2))

    def forward(self, pairs, turns):
        n, m = turns.shape[:2]
        code = self.pair(pairs.flatten(0, 1)).view(n, m, -1)
        motion = self.motion(code)
        seen = torch.cat([motion, turns], -1)
        x = torch.cat([code, seen], -1).transpose(1, 2)
        x = nn.functional.silu(self.before(x))
        x = (x + nn.functional.silu(self.after(x))).transpose(1, 2)
        out = self.head(torch.cat([x, seen], -1).reshape(n, m // 2, -1))
        # The turn of a tick is what its two pairs turned, corrected by what else was seen.
        look = out[..., len(KEYS):] + turns[..., :2].view(n, m // 2, 2, 2).sum(2) / 2
        return out[..., :len(KEYS)], look, motion

    @torch.no_grad()
    def read(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [1 + 2T, H, W, 3] (first picture, then two frames a tick) -> key probabilities
        [T, 7] and look in degrees [T, 2]."""
        pairs, turns = motion_of(frames)
        keys, look, _ = self(torch.from_numpy(pairs)[None], torch.from_numpy(turns)[None])
        return keys[0].sigmoid().numpy(), (look[0] * 10).numpy()


def motion_of(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames [1 + 2T, H, W, 3] -> (pairs f32 [2T, 13, 20, 32], turns f32 [2T, 3])."""
    motion = Motion()
    old, rows = motion.look(frames[0]), []
    for frame in frames[1:]:
        new = motion.look(frame)
        rows.append(motion.between(old, new))
        old = new
    pairs, turns = zip(*rows, strict=True)
    return np.stack(pairs), np.stack(turns).astype(np.float32)


def mirrored(pairs: torch.Tensor, turns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The mirrored walk (keys then swap as MIRRORED says; right changes sign everywhere)."""
    pairs, turns = pairs.flip(-1).clone(), turns.clone()
    pairs[..., [0, 10, 12], :, :] *= -1
    turns[..., [0, 2]] *= -1
    return pairs, turns
