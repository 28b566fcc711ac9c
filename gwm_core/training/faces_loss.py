"""What `gwm-faces` is trained to get right: the motion, and most of it the mouth."""

from __future__ import annotations

import torch
from torch import Tensor

from ..avatars.faces_model import FACE, OTHER, SELF, SPREAD, STATE, Reading
from ..avatars.motion import INDEX, MOTION
from ..avatars.mouth import WIDEST
from ..model.dynamics import Dynamics
from ..model.trunk import CONTROLS

CLOSED = 3.0
"""Extra weight of ticks in which lips are closed while a voice is heard (p, b, m)."""
LISTENS = 2.0
"""Extra weight of head and expression while the character listens."""
APERTURE = 0.03
"""Error of the aperture, in face heights, that weighs as much as one spread of a channel."""
_WEIGHTS = {
    "jaw": 2.0, "close": 2.0, "funnel": 1.5, "pucker": 1.5, "stretch": 1.5, "press": 1.0,
    "bite": 1.5, "tongue": 0.7, "upper": 1.0, "smile": 1.5, "blink_left": 2.0, "blink_right": 2.0,
    "pitch": 1.5,
}
_LISTENING = [INDEX[name] for name in ("smile", "pitch", "brow_left", "brow_right", "brow_inner")]


def imagine(net: Dynamics, reading: Reading, rows: dict[str, torch.Tensor]) -> torch.Tensor:
    """Motion tokens [B, T, 24] of whole windows (see ``Performances.tokens``)."""
    noisy = {CONTROLS: rows[CONTROLS][:, :, None], SELF: rows[SELF], OTHER: rows[OTHER],
             STATE: rows[STATE], FACE: torch.zeros_like(rows[FACE])}
    # the same in every window: worked out once for the batch
    levels = {name: torch.full((1, x.shape[1]), float(name == FACE)) for name, x in noisy.items()}
    guides = {FACE: reading.guide(net, rows[SELF])}
    return net(noisy, levels, guides)[FACE][:, :, 0].float()


def aperture(motion: Tensor) -> Tensor:
    """``avatars.mouth.aperture`` for tensors [..., 24]."""
    def at(name: str) -> Tensor:
        return motion[..., INDEX[name]]

    free = (1 - at("close")).clamp(0, 1) * (1 - 0.85 * at("press")) * (1 - 0.8 * at("bite"))
    gap = WIDEST * at("jaw") * (1 - 0.35 * at("pucker")) + 0.022 * at("upper")
    return (gap + 0.02 * at("funnel")) * free


def faces_losses(token: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses of predicted motion tokens [B, T, 24] (motion over SPREAD)."""
    spread = torch.from_numpy(SPREAD)
    weights = torch.tensor([_WEIGHTS.get(channel.name, 1.0) for channel in MOTION])
    truth, real, state = batch["motion"][:, :, 0], batch["real"], batch["state"][:, :, 0]
    weight = real[..., None] * weights
    listening = torch.zeros(len(MOTION))
    listening[_LISTENING] = LISTENS
    weight = weight * (1 + state[..., 1:2] * listening)
    channels = (weight * (token - truth).square()).sum() / weight.sum().clamp(min=1)
    want = aperture(truth * spread)
    closed = (truth[..., INDEX["close"]] * SPREAD[INDEX["close"]] > 0.5) & batch["speaking"]
    heavy = real * (1 + CLOSED * closed)
    opened = ((aperture(token * spread) - want) / APERTURE).square()
    opening = 0.5 * (heavy * opened).sum() / heavy.sum().clamp(min=1)
    return {"channels": channels, "aperture": opening}
