"""What a person turns to make a performance stronger or calmer."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields

import numpy as np

from ..errors import AvatarError
from .motion import INDEX, clamp, scaled

MOST = 2.0
_MEET = [INDEX["close"], INDEX["bite"]]


@dataclass(frozen=True)
class Dials:
    """Each from 0 (none of it) to 2; 1 is as the voice is performed. All at 0: a still portrait.

    mouth, expression, eyes, gaze, head: the groups of ``motion.GROUPS``. blink_rate: how often
    the lids close (``eyes`` is how far). AvatarError names a dial that is out of range.
    """

    mouth: float = 1.0
    expression: float = 1.0
    eyes: float = 1.0
    gaze: float = 1.0
    head: float = 1.0
    blink_rate: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or not 0 <= value <= MOST:
                raise AvatarError(f"dial {field.name}: {value!r}; 0 to {MOST:g} are accepted")

    def groups(self) -> dict[str, float]:
        """The factor of each group of ``motion.GROUPS``."""
        out = asdict(self)
        del out["blink_rate"]
        return out

    def apply(self, motion: np.ndarray) -> np.ndarray:
        """``motion`` [..., 24] as strong as the dials say.

        Lips that meet (p, b, m, f, v) meet at any strength of the mouth but the faintest: to scale
        that, too, would part them.
        """
        out = scaled(motion, self.groups())
        out[..., _MEET] = clamp(motion)[..., _MEET] * np.float32(min(4 * self.mouth, 1))
        return out
