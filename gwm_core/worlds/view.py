"""From a guide to the frame that is shown: light, and the dynamics' correction."""

from __future__ import annotations

import numpy as np

from ..guide import Guide
from .parts import Parts
from .state import RolloutState


def frame_of(parts: Parts, state: RolloutState, guide: Guide) -> np.ndarray:
    """The guide in the world's present light, u8 [H, W, 3].

    Each kept pixel remembers the light and the distance it was seen in; where both are the
    present ones it is shown as it is, to the bit.
    """
    source = guide.lights(state.memory)
    body = guide.body > 0
    if body.any():
        source = source.copy()
        source[body] = state.body_light[guide.body[body] - 1]
    return parts.light.show(guide.rgb, source, guide.source_depth, state.scene.light, guide.depth)
