"""The sync judge: do a voice and the lips of a face belong to the same moment?

Two small encoders, of a sound and of the mouth's numbers (evaluation.avatars.points), meet in
one space, as in SyncNet (Chung and Zisserman 2016). It learns from true renders with seeds of its
own and from voices that no model is trained or measured on.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = 25
"""Ticks that one choice looks at: a second."""
STRIDE = 6
MOUTHS = 8
BANDS = 40
SPREAD = (0.020, 0.017, 0.017, 0.017, 0.022, 0.018, 0.009, 0.008)
"""Usual size of each number of the mouth (points.MOUTH), in face heights."""


class Norm(nn.Module):
    """Normalises the channels of each moment by itself."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.transpose(1, 2)).transpose(1, 2)


def _layer(inside: int, outside: int, size: int, stride: int = 1) -> nn.Sequential:
    pad = (size - 1) // 2
    return nn.Sequential(nn.Conv1d(inside, outside, size, stride, pad), Norm(outside), nn.SiLU())


class SyncJudge(nn.Module):
    """voice [B, 40, 4 T] and mouth [B, 8, T] -> unit vectors [B, 64, T] each."""

    def __init__(self, width: int = 64, space: int = 64):
        super().__init__()
        self.config = {"width": width, "space": space}
        self.voice = nn.Sequential(
            _layer(BANDS, width, 5), _layer(width, width, 4, 2), _layer(width, width, 4, 2),
            _layer(width, width, 3), _layer(width, width, 3), nn.Conv1d(width, space, 1))
        self.mouth = nn.Sequential(
            _layer(MOUTHS, width, 5), _layer(width, width, 5), _layer(width, width, 3),
            nn.Conv1d(width, space, 1))
        self.sharp = nn.Parameter(torch.tensor(2.5))

    def forward(self, voice: Tensor, mouth: Tensor) -> tuple[Tensor, Tensor]:
        scale = torch.tensor(SPREAD, dtype=mouth.dtype)[:, None]
        return F.normalize(self.voice(voice), dim=1), F.normalize(self.mouth(mouth / scale), dim=1)

    def agreement(self, voice: Tensor, mouth: Tensor, shifts: list[int]) -> Tensor:
        """How well they agree [B, len(shifts), T] at each tick, with the mouth of ``shift`` ticks
        later; beyond the ends the last one holds."""
        a, b = self(voice, mouth)
        ticks = torch.arange(a.shape[-1])
        return torch.stack([(a * b[..., (ticks + k).clamp(0, len(ticks) - 1)]).sum(1)
                            for k in shifts], 1)

    @torch.no_grad()
    def scores(self, mel: np.ndarray, mouth: np.ndarray, shifts: list[int]) -> np.ndarray:
        """mel float32 [4 T, 40], mouth float32 [T, 8] -> mean agreement of each window of WINDOW
        ticks, [len(shifts), T - WINDOW + 1]."""
        each = self.agreement(torch.from_numpy(np.ascontiguousarray(mel.T))[None].float(),
                              torch.from_numpy(np.ascontiguousarray(mouth.T))[None].float(), shifts)
        return F.avg_pool1d(each, WINDOW, 1)[0].numpy()


def choices(judge: SyncJudge, mel: np.ndarray, mouth: np.ndarray, speaking: np.ndarray,
            by: int = 1) -> tuple[int, int]:
    """Of all choices between the mouth as it is and ``by`` ticks off, (rightly made, made).

    Windows of a second every STRIDE ticks count in which at least 60 % is speech; each is asked
    twice, with the mouth early and late.
    """
    if len(mouth) < WINDOW:
        return 0, 0
    true, early, late = judge.scores(mel, mouth, [0, -by, by])
    share = np.convolve(speaking.astype(float), np.ones(WINDOW) / WINDOW, "valid")
    asked = np.arange(0, len(true), STRIDE)
    asked = asked[share[asked] >= 0.6]
    right = (true[asked] > early[asked]).sum() + (true[asked] > late[asked]).sum()
    return int(right), 2 * len(asked)
