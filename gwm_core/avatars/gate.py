"""A closed mouth in silence, guaranteed: whatever the network says, no voice moves no lips.

While the character's own voice is heard (``turns.Turn.speaking``), and for ``HOLD`` ticks after it,
the mouth is the network's. Then it is eased to rest within ``EASE`` ticks and stays there, in
silence as well as while the other speaks. The voice is heard ahead by the network's look-ahead, so
that a mouth may open before the first sound.
"""

from __future__ import annotations

import numpy as np

from .motion import group

HOLD, EASE = 2, 4
_MOUTH = group("mouth")


class SilenceGate:
    """Tick by tick: ``apply(motion [24], active)`` gives the motion with the mouth gated."""

    def __init__(self) -> None:
        self._open, self._since = 0.0, HOLD + 1

    def apply(self, motion: np.ndarray, active: bool) -> np.ndarray:
        """active: the own voice is heard in the newest tick of the look-ahead."""
        self._since = 0 if active else self._since + 1
        if self._since <= HOLD:
            self._open = min(1.0, self._open + 0.5)
        else:
            self._open = max(0.0, self._open - 1.0 / EASE)
        if self._open == 1.0:
            return motion
        out = motion.copy()
        out[_MOUTH] *= np.float32(self._open)
        return out
