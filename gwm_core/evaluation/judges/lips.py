"""The lip judge: how the mouth of a frame differs from the same portrait's mouth at rest.

It sees two small cuts, so that a beard, hatching or a drawn line is no opening, and gives the
numbers of evaluation.avatars.points.MOUTH. It learns from all styles, the held-out one too: what is
held out is held out from the product, not from the instrument that measures it.
"""

from __future__ import annotations

from torch import nn

from .cuts import CutJudge, layer
from .sync import MOUTHS

SIDE = 48
"""Pixels of a cut."""


class LipJudge(CutJudge):
    """frame, rest uint8 or float [B, 3, 48, 48] -> numbers of the mouth [B, 8] in units of
    sync.SPREAD."""

    def __init__(self, width: int = 24):
        super().__init__()
        self.config = {"width": width}
        w = width
        self.see = nn.Sequential(
            layer(6, w, 5, 2), layer(w, 2 * w, 3, 2), layer(2 * w, 2 * w, 3, 1),
            layer(2 * w, 3 * w, 3, 2), layer(3 * w, 3 * w, 3, 1))
        self.tell = nn.Sequential(nn.Flatten(), nn.Linear(3 * w * 36, 96), nn.SiLU(),
                                  nn.Linear(96, MOUTHS))
