"""The eye judge: how far an eye is shut and where it looks, beside the portrait's eye at rest.

It sees two small cuts of one eye. It learns from the simulator's own drawings of all styles, never
from portraits that the rig moved: a lid that the rig draws badly is not read as shut because it
was asked to be.
"""

from __future__ import annotations

from torch import nn

from .cuts import CutJudge, layer

SIDE = 32
"""Pixels of a cut."""


class EyeJudge(CutJudge):
    """frame, rest uint8 or float [B, 3, 32, 32] of a left eye -> [B, 3]: how far it is shut
    (0 as the portrait has it, 1 shut), and its gaze to the right and up, as motions have it."""

    def __init__(self, width: int = 16):
        super().__init__()
        self.config = {"width": width}
        w = width
        self.see = nn.Sequential(
            layer(6, w, 3, 1), layer(w, 2 * w, 3, 2), layer(2 * w, 2 * w, 3, 1),
            layer(2 * w, 3 * w, 3, 2), layer(3 * w, 3 * w, 3, 2))
        self.tell = nn.Sequential(nn.Flatten(), nn.Linear(3 * w * 16, 64), nn.SiLU(),
                                  nn.Linear(64, 3))
