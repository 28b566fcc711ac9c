"""What the voice is trained to get right."""

from __future__ import annotations

import torch
from torch import Tensor

from ..avatars.faces_model import SPREAD
from ..avatars.motion import INDEX, MOTION
from ..model import speech_tokens as tokens

STEPS = 2.0
"""Weight of the change from sub-frame to sub-frame: what an average would smooth away."""
TILT = 0.5
"""Weight of the change from band to band: the formants' contrast."""
_MOUTH = torch.tensor([c.group == "mouth" or c.name == "smile" for c in MOTION])
CLOSED = 3.0


def speech_losses(found: Tensor, truth: Tensor, spread: Tensor, weight: Tensor | None = None,
                  square: float = 0.0) -> dict[str, Tensor]:
    """Losses of speech [B, S, 69], consecutive sub-frames, in their own units.

    spread [69]: of the speech. weight [B, S]: 0 where nothing is to be learned. square: weight of
    the squared errors of envelope and pitch besides the absolute ones, which of a good guess would
    only tell the median.
    """
    weight = torch.ones_like(truth[..., 0]) if weight is None else weight
    total = weight.sum().clamp(min=1.0)
    level, want = found[..., tokens.ENVELOPE], truth[..., tokens.ENVELOPE]
    # how loud a moment is: what is hardly heard matters less
    loud = 0.3 + 0.7 * ((want.amax(-1) + 6.0) / 4.0).clamp(0.0, 1.0)
    voiced = truth[..., tokens.VOICING].amax(-1).clamp(0.0, 1.0)
    unit = spread[0]

    def mean(error: Tensor, how: Tensor) -> Tensor:
        return (error * how).sum() / total

    pair = weight[:, 1:] * weight[:, :-1]
    turn = (found[:, 1:, tokens.ENVELOPE] - found[:, :-1, tokens.ENVELOPE]
            - (want[:, 1:] - want[:, :-1])).abs().mean(-1)
    tilt = ((level[..., 2:] - level[..., :-2]) - (want[..., 2:] - want[..., :-2])).abs().mean(-1)
    pitch = (found[..., tokens.PITCH] - truth[..., tokens.PITCH]).abs()
    voicing = (found[..., tokens.VOICING] - truth[..., tokens.VOICING]).abs().mean(-1)
    far = ((level - want) / unit).square().mean(-1) + 4 * pitch.square()
    squared = {"square": square * mean(far, weight * loud)} if square else {}
    return {
        **squared,
        "envelope": mean((level - want).abs().mean(-1) / unit, weight * loud),
        "steps": STEPS * mean(turn / unit, pair * loud[:, 1:]),
        "tilt": TILT * mean(tilt / unit, weight * loud),
        "pitch": 3.0 * mean(pitch, weight * (0.05 + voiced)),
        "voicing": 0.6 * mean(voicing, weight),
    }


def motion_losses(found: Tensor, truth: Tensor, weight: Tensor, share: float = 1.0
                  ) -> dict[str, Tensor]:
    """Loss of motion tokens [B, T, 24], of the mouth alone; weight [B, T]; share: of the sum."""
    closed = truth[..., INDEX["close"]] * float(SPREAD[INDEX["close"]]) > 0.5
    heavy = weight * (1.0 + CLOSED * closed)
    error = (found - truth)[..., _MOUTH].square().mean(-1)
    return {"motion": share * (error * heavy).sum() / heavy.sum().clamp(min=1.0)}
