"""How a camera that travels level above a table moved between two looks, from the table alone.

A level camera of known pitch sees a plane: places in the picture and on the plane are one thing,
and four numbers (along x and y, up, turn) say where every place of the first look is in the second.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .plane_motion import LEVEL, PlaneMotion, blur, differing

TURNS = (0.0, -0.06, 0.06, -0.12, 0.12, -0.18, 0.18, -0.24, 0.24)
"""rad from the guess at which a search begins."""
TRUST = 50.0
"""Weight of the pixels against the guess, in the choice of a turn."""
STEEP = 0.15
"""Rays that fall by less than this while they go 1 ahead see no table that helps."""
LOW = 0.02
"""m: a camera is at least this high."""


class GroundMotion(PlaneMotion):
    """hides: boxes [x, y, z and half sizes] of what always stands before the table (m, from the
    tip). Its pose is the height of the tip [B] (m), its motion x, y, z (m, in the gripper's yaw
    before) and turn (rad)."""

    errors, steps, most = ((0.0045, 0.0045, 0.003, 0.037), (1e-3, 1e-3, 1e-3, 4e-3),
                           (0.01, 0.01, 0.01, 0.06))

    def __init__(self, side: int, fov: float, mount: Sequence[float],
                 hides: Sequence[Sequence[float]] = ()) -> None:
        super().__init__(side, fov, mount)
        fall = -self.rays[:, 2:]
        self.register_buffer("flat", self.rays[:, :2] / fall.clamp(min=1e-6), persistent=False)
        shown = (fall[:, 0] > STEEP) & ~self._hidden(hides)
        self.register_buffer("shown", shown.float()[None], persistent=False)

    def _hidden(self, boxes: Sequence[Sequence[float]]) -> Tensor:
        """bool [P]: pixels that a box covers, and two around them."""
        out, line = torch.zeros(1, self.side, self.side), torch.linspace(-1, 1, 33)
        for box in boxes:
            inside = torch.cartesian_prod(line, line, line) * torch.tensor(box[3:])
            at = self.projected((inside + torch.tensor(box[:3]) - self.place)[None])[0]
            column, row = ((at + 1) * (self.side / 2)).floor().long().unbind(-1)
            there = (torch.stack([column, row]) >= 0).all(0) & (torch.maximum(column, row)
                                                                < self.side)
            out[0, row[there], column[there]] = 1
        return F.max_pool2d(out, 5, 1, 2)[0].flatten() > 0

    def places(self, pose: Tensor, motion: Tensor) -> Tensor:
        foot, height = self.place[:2], (pose + self.place[2]).clamp(min=LOW)
        ground = foot + self.flat * height[:, None, None] - motion[:, None, :2]
        c, s = motion[:, 3].cos()[:, None], motion[:, 3].sin()[:, None]
        x = c * ground[..., 0] + s * ground[..., 1] - foot[0]
        y = c * ground[..., 1] - s * ground[..., 0] - foot[1]
        down = -(height + motion[:, 2])[:, None].expand_as(x)
        return self.projected(torch.stack([x, y, down], -1))

    def seen(self, pose: Tensor) -> Tensor:
        return self.shown

    def begun(self, before: Tensor, after: Tensor, pose: Tensor, guess: Tensor) -> Tensor:
        """The guess with the one of ``TURNS`` more that fits best, at half the resolution."""
        small, other = (F.avg_pool2d(blur(v, 1), 2) for v in (before, after))
        square = (self.side, self.side)
        seen = (F.avg_pool2d(self.shown.unflatten(1, square), 2) > 0.6).float().flatten(1)
        costs, motions = [], []
        for turn in TURNS:
            motion = guess + guess.new_tensor([0, 0, 0, turn])
            at = self.places(pose, motion).unflatten(1, square).permute(0, 3, 1, 2)
            at = F.avg_pool2d(at, 2).flatten(2).transpose(1, 2)
            apart, inside = differing(small, other, at, seen)
            wrong = apart.square().sum(1) / (3 * LEVEL**2)
            cost = (wrong / (1 + wrong / 4) * inside).sum(-1) / (inside.sum(-1) + 8)
            costs.append(TRUST * cost + turn**2 / (2 * self.errors[3] ** 2))
            motions.append(motion)
        best = torch.stack(costs, 1).argmin(1)
        return torch.stack(motions, 1)[torch.arange(len(best)), best]
