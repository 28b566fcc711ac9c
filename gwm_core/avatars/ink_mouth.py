"""The inside of an opened mouth in a drawing of one ink: its ink and its paper, and no greys.

The hole is inked, teeth are left as paper, the tongue is hatched. A line goes around it all: of ink
on light lips; of paper where the lips are black themselves (a beard), or no hole would be seen.
"""

from __future__ import annotations

import numpy as np

from .curves import look
from .lips import Lips, Pose
from .palette import Palette

LINE, HATCH = 0.008, 0.022
"""Face heights: how thick the line around the mouth is, and from one line of the tongue to the
next."""
THINNEST, CLOSEST = 0.8, 2.4
"""Pixels: of both, at least."""
SLANT = 0.35
"""How the lines of the tongue fall, to its sides."""
PAPER = 0.3
"""Of the way from one line of the tongue to the next."""


class InkMouth:
    def __init__(self, lips: Lips, palette: Palette) -> None:
        self.lips = lips
        self.ink, self.paper = palette.ink
        dark, light = self.ink.mean(), self.paper.mean()
        self.rim = self.paper if palette.lip.mean() < (dark + light) / 2 else self.ink

    def paint(self, u, v, s, pose: Pose, teeth, tongue, crest) -> np.ndarray:
        """float32 [n, 3], as ``MouthLayer.paint``. teeth, tongue [n]: how much of them is seen
        there; crest [n]: v of the tongue's upper edge."""
        tall = self.lips.tall
        top, bottom = look(pose.inner_top, s), look(pose.inner_bottom, s)
        every = max(HATCH * tall, CLOSEST)
        line = np.abs((((v - crest) + SLANT * np.abs(u)) / every) % 1 - 0.5) / PAPER
        hatched = np.clip((1 - line) * every * PAPER + 0.5, 0, 1)
        white = np.maximum(tongue * hatched, teeth)
        colour = self.ink + (self.paper - self.ink) * white[:, None]
        thick = max(LINE * tall, THINNEST)
        edge = np.minimum(v - top, bottom - v)
        around = np.clip(thick - edge + 0.5, 0, 1)[:, None]
        return (colour + (self.rim - colour) * around).astype(np.float32)
