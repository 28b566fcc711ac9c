"""The inverse-dynamics judge: what was pressed, read from how the picture moves.

The same network as the model's own inverse dynamics, with weights of its own: it is trained on
other layouts, on true frames only, and no model ever sees it.
"""

from __future__ import annotations

import numpy as np
import torch

from ...model.inverse import KEYS, MIRRORED, TURNS, InverseDynamics
from ...motion import mirrored, motion_of

__all__ = ["KEYS", "MIRRORED", "TURNS", "InverseJudge", "mirrored", "motion_of"]


class InverseJudge(InverseDynamics):
    """Reads keys and looks from frames."""

    @torch.no_grad()
    def read(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [1 + 2T, H, W, 3] (first picture, then two frames a tick) -> key probabilities
        [T, 7] and look in degrees [T, 2]."""
        pairs, turns = motion_of(frames)
        keys, look, _ = self(torch.from_numpy(pairs)[None], torch.from_numpy(turns)[None])
        return keys[0].sigmoid().numpy(), (look[0] * 10).numpy()
