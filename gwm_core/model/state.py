"""The state nets: one residual MLP per body kind, correcting a simple physics guide.

Each row of input is one body token at one video frame (see body_tokens for what it reads); the
outputs are corrections of the guide in that token's own frame of reference, and event logits.
The nets know nothing of the world around the token, so all bodies of a kind run as one batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

# Output columns of every kind: correction of the displacement and of the velocity (as a
# displacement per frame), turn and turn rate, then logits.
OUT = {"dpos": slice(0, 3), "dvel": slice(3, 6), "dyaw": slice(6, 7), "drate": slice(7, 8),
       "rest": 8, "ground": 9, "event": 10, "force": 11}
OUTPUTS = 12
# Metres (or radians) that one unit of output stands for: typical size of what guides miss.
SCALE_POS, SCALE_YAW = 0.03, 0.03

WIDTHS = {"player": (192, 3), "ball": (224, 3), "box": (128, 2), "door": (64, 2)}


def _linear(layer, x):
    p = layer._parameters
    return F.linear(x, p["weight"], p["bias"])


def _norm(layer, x):
    p = layer._parameters
    return F.layer_norm(x, layer.normalized_shape, p["weight"], p["bias"], layer.eps)


class Block(nn.Module):
    """x + W2 silu(W1 norm(x))."""

    def __init__(self, width: int, operations=nn):
        super().__init__()
        self.norm = operations.LayerNorm(width)
        self.up = operations.Linear(width, width)
        self.down = operations.Linear(width, width)

    def forward(self, x):
        return x + self.down(torch.nn.functional.silu(self.up(self.norm(x))))


class BodyNet(nn.Module):
    """Tokens [B, inputs] of one body kind -> corrections [B, OUTPUTS]."""

    def __init__(self, inputs: int, width: int, blocks: int, operations=nn):
        super().__init__()
        self.stem = operations.Linear(inputs, width)
        self.blocks = nn.ModuleList(Block(width, operations) for _ in range(blocks))
        self.norm = operations.LayerNorm(width)
        self.head = operations.Linear(width, OUTPUTS)

    def forward(self, x):
        if type(self.stem) is nn.Linear:
            return self._plain(x)
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(torch.nn.functional.silu(self.norm(x)))

    def _plain(self, x):
        """The same operations without the modules' own calls, which cost more than such small
        products; layers of a host (which may cast their weights) are called as they are."""
        x = _linear(self.stem, x)
        for block in self.blocks:
            inner = F.silu(_linear(block.up, _norm(block.norm, x)))
            x = x + _linear(block.down, inner)
        return _linear(self.head, F.silu(_norm(self.norm, x)))


class StateNets(nn.Module):
    """The nets of all kinds; `inputs` gives each kind's token width."""

    def __init__(self, inputs: dict[str, int], widths=None, operations=nn):
        super().__init__()
        self.inputs = dict(inputs)
        self.widths = {k: tuple(v) for k, v in (widths or WIDTHS).items()}
        for kind, count in self.inputs.items():
            width, blocks = self.widths[kind]
            setattr(self, kind, BodyNet(count, width, blocks, operations))

    def forward(self, kind: str, tokens):
        if kind not in self.inputs:
            raise ValueError(f"StateNets: kind {kind!r} is unknown, accepted: {list(self.inputs)}")
        return getattr(self, kind)(tokens)
