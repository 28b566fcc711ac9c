"""Relighting kept pixels: a small network per pixel, exactly nothing where nothing changed.

A pixel that was kept under one light condition is shown under another:

    out = rgb + h(rgb; s, d_s -> t, d_t) - h(rgb; s, d_s -> s, d_s)

s, t: condition indexes 0..17 (time * 6 + lamps * 3 + fog) when it was kept and now; d_s, d_t: its
distance from the eye then and now, which matters in fog only. Where s = t and there is no fog,
both terms are the same number.
"""

from __future__ import annotations

import torch
from torch import nn

CONDITIONS = 18
#: rates of the distance features, per metre
RATES = (0.05, 0.12, 0.25, 0.5)
_STATE = 7 + len(RATES)
#: rgb, state of s, state of t, window / lamp flags, nearness of known lamps and windows
INPUTS = 3 + 2 * _STATE + 2 + 4


def condition_features(index: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """f32 [P, 11]: time one-hot, lamps, fog one-hot, distance terms (zero without fog)."""
    time, lamps, fog = index // 6, index // 3 % 2, index % 3
    rates = torch.tensor(RATES, dtype=distance.dtype, device=distance.device)
    reach = torch.exp(-distance[:, None] * rates) * (fog > 0)[:, None]
    return torch.cat(
        [
            nn.functional.one_hot(time, 3).to(distance.dtype),
            lamps[:, None].to(distance.dtype),
            nn.functional.one_hot(fog, 3).to(distance.dtype),
            reach,
        ],
        dim=1,
    )


class Relight(nn.Module):
    """forward(rgb f32 [P, 3] in 0..1, source int64 [P], d_source f32 [P], target int64 [P],
    d_target f32 [P], extra f32 [P, 6]) -> rgb f32 [P, 3] (not clipped).

    extra: is a window pane, is a lamp, then nearness of known lamps and whether any is known, the
    same for windows (see gwm_core.relight); zeros where nothing is known.
    """

    def __init__(self, width: int = 40, operations=nn) -> None:
        super().__init__()
        self.config = {"width": width}
        self.layers = nn.ModuleList(
            [operations.Linear(INPUTS, width), operations.Linear(width, width),
             operations.Linear(width, 6)]
        )

    def change(self, rgb, s, t, extra) -> torch.Tensor:
        """h: an affine change of the colour, itself a function of the colour."""
        x = torch.cat([rgb, s, t, extra], dim=1)
        x = nn.functional.silu(self.layers[0](x))
        x = nn.functional.silu(self.layers[1](x))
        gain, shift = self.layers[2](x).split(3, dim=1)
        return gain * rgb + shift

    def forward(self, rgb, source, d_source, target, d_target, extra) -> torch.Tensor:
        s = condition_features(source, d_source)
        t = condition_features(target, d_target)
        return rgb + (self.change(rgb, s, t, extra) - self.change(rgb, s, s, extra))
