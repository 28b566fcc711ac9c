"""Inverse dynamics: what was pressed, read from how the picture moves.

Every pair of neighbouring frames gives a field of optical flow without the camera's turn (see
`gwm_core.motion`); a small network reads each pair, a second one the pairs of the tick, of two
ticks before and of two after it: a key that was let go shows in how the walk dies away.
"""

from __future__ import annotations

import torch
from torch import nn

from .blocks import Down

KEYS = ("W", "A", "S", "D", "jump", "push", "throw")
FIELDS = 13
"""Channels of a pair, as `gwm_core.motion` makes them."""
MIRRORED = (0, 3, 2, 1, 4, 5, 6)
"""Which key a mirrored walk shows in the place of each."""
TURNS = 3
"""Turn numbers of a pair: right, up, roll in units of 5 degrees."""


class InverseDynamics(nn.Module):
    """Pairs [B, 2T, 13, 20, 32] and the numbers of their turns [B, 2T, turns] (the first two:
    right and up, in units of 5 degrees) -> logits of the seven keys of each tick [B, T, 7], its
    look [B, T, 2] in units of 10 degrees, and the motion of each pair [B, 2T, 3] (ahead, right,
    up, in units of 8 cm)."""

    def __init__(self, width: int = 32, code: int = 80, hidden: int = 128, turns: int = TURNS):
        super().__init__()
        self.pair = nn.Sequential(
            Down(FIELDS, width), Down(width, 2 * width), nn.Flatten(), nn.Dropout(0.1),
            nn.Linear(2 * width * 5 * 8, code), nn.SiLU())
        self.motion = nn.Linear(code, 3)
        self.before = nn.Conv1d(code + 3 + turns, hidden, 5, padding=2)
        self.after = nn.Conv1d(hidden, hidden, 5, padding=2)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * (hidden + 3 + turns), hidden),
                                  nn.SiLU(), nn.Linear(hidden, len(KEYS) + 2))

    def forward(self, pairs, turns):
        n, m = turns.shape[:2]
        return self.decide(self.pair(pairs.flatten(0, 1)).view(n, m, -1), turns)

    def decide(self, code, turns):
        """The second part alone: codes [B, 2T, code] of the pairs instead of the pairs."""
        n, m = turns.shape[:2]
        motion = self.motion(code)
        seen = torch.cat([motion, turns], -1)
        x = torch.cat([code, seen], -1).transpose(1, 2)
        x = nn.functional.silu(self.before(x))
        x = (x + nn.functional.silu(self.after(x))).transpose(1, 2)
        out = self.head(torch.cat([x, seen], -1).reshape(n, m // 2, -1))
        # The turn of a tick is what its two pairs turned, corrected by what else was seen.
        look = out[..., len(KEYS):] + turns[..., :2].view(n, m // 2, 2, 2).sum(2) / 2
        return out[..., :len(KEYS)], look, motion
