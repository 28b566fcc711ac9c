"""A character on stage: its rig, and how strongly its portrait moves."""

from __future__ import annotations

import numpy as np

from ..errors import AvatarError
from .character import Character
from .motion import GROUPS, INDEX, clamp, scaled
from .rig import Rig

MOST_STRENGTH = 2.0
_CLOSE = INDEX["close"]


class Actor:
    """Draws motions on a character; motions themselves stay the same for every character.

    size      longest side of the frames (see ``Rig``)
    strength  0..2: every movement is so much larger or smaller; 0 is the portrait as it is
    rest      0..1: how much of lips that are parted in the portrait counts. 0 where a voice plays:
              the mouth can then close.
    """

    def __init__(self, character: Character, size: int | None = None, strength: float = 1.0,
                 rest: float = 0.0) -> None:
        if not 0 <= strength <= MOST_STRENGTH:
            raise AvatarError(f"strength: {strength!r}; 0 to {MOST_STRENGTH:g} are accepted")
        self.rig = Rig(character, size)
        self.strength = float(strength)
        self.rest = 1.0 if strength == 0 else float(rest)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames."""
        return self.rig.height, self.rig.width

    def draw(self, motion: np.ndarray) -> np.ndarray:
        """uint8 [h, w, 3] of a motion [24]."""
        return self.rig.draw(stronger(motion, self.strength), self.rest)


def stronger(motion: np.ndarray, strength: float) -> np.ndarray:
    """``motion`` [..., 24] times ``strength``, within ranges.

    Lips that are held together stay so: a larger jaw with the same ``close`` would part them less
    surely, a smaller one needs it as much.
    """
    if strength == 1:
        return motion
    out = scaled(motion, dict.fromkeys(GROUPS, strength))
    if strength > 0:
        out[..., _CLOSE] = clamp(motion)[..., _CLOSE]
    return out
