"""How a character is framed: how tall its face is, where its eyes lie, how soft the room behind.

Eyes lie near the upper third. A figure never floats: where its (continued) body would end inside
the picture it is framed closer; how close in truth says ``Framed.tall``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .figure import Cutout

HEAD_ROOM = 0.04
"""Of the film's height, kept free above a figure at least."""
MOST_CONTINUED = 0.14
"""Of the film's height, filled with continued body at most."""


@dataclass(frozen=True)
class Framing:
    """tall: face (crown to chin) by the film's height; eyes: height of the eye line, from the top;
    places: where across the picture figures stand, 0 .. 1; blur: of the room, by the film's
    height."""

    tall: float
    eyes: float
    places: tuple[float, ...]
    blur: float


FRAMING: dict[str, Framing] = {
    "close-up": Framing(0.50, 0.40, (0.5,), 0.016),
    "medium": Framing(0.36, 0.37, (0.5,), 0.011),
    "wide": Framing(0.26, 0.40, (0.5,), 0.006),
    "two-shot": Framing(0.33, 0.38, (0.3, 0.7), 0.009),
}


@dataclass(frozen=True)
class Placed:
    """A figure in the film: ``scale`` film pixels per pixel of its cutout, ``at`` (x, y): where
    the middle of its eyes lies, tall: face height by the film's height."""

    scale: float
    at: tuple[float, float]
    tall: float


def placed(cut: Cutout, framing: Framing, place: float, size: tuple[int, int],
           room: float = 1.0) -> Placed:
    """Where a cutout stands in a film of ``size`` (width, height); place: its eyes, 0 .. 1 across
    the picture; room: share of the film's width that a whole portrait should fill."""
    wide, high = size
    scale = framing.tall * high / cut.tall
    eye_y = framing.eyes * high
    # What is below the eyes has to reach the film's lower edge.
    below = cut.bottom - cut.eyes[1]
    least = (high * (1 - MOST_CONTINUED) - eye_y) / max(below, 1.0)
    scale = max(scale, least)
    above = cut.eyes[1] - _top(cut)
    most = max(high * 0.62 / cut.tall, least)
    if cut.whole:
        scale = max(scale, room * wide / cut.alpha.shape[1])
    scale = min(scale, most)
    # Hair or a hat above the picture: lower, as long as the face stays in the upper part.
    free = eye_y - scale * above - HEAD_ROOM * high
    if free < 0:
        eye_y = min(eye_y - free, (framing.eyes + 0.1) * high)
    if (cut.alpha[0] > 127).any():
        # Cut by its portrait's upper edge: that has to lie outside of the film.
        scale = max(scale, 0.24 * high / max(cut.eyes[1], 1.0))
        eye_y = min(eye_y, scale * cut.eyes[1])
    return Placed(scale, (place * wide, eye_y), scale * cut.tall / high)


def _top(cut: Cutout) -> float:
    """The first row of the figure near its face."""
    x = int(np.clip(cut.eyes[0], 0, cut.alpha.shape[1] - 1))
    half = max(int(0.3 * cut.tall), 1)
    seen = (cut.alpha[:, max(x - half, 0) : x + half] > 127).any(axis=1)
    return float(np.argmax(seen))
