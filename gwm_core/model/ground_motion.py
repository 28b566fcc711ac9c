"""How a camera that travels level above a table moved between two looks, from the table alone.

A level camera of known pitch sees a plane: places in the picture and on the plane are one thing,
and four numbers (along x and y, up, turn) say where every place of the first look is in the second.
They are found by direct registration of the pixels, a robust least squares that begins at a guess
and stays near it where the table shows nothing (Irani and Anandan 1999, "About direct methods";
weights after Geman and McClure). Nothing is learned: it is as exact in a scene never seen before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ERRORS = (0.0045, 0.0045, 0.003, 0.037)
"""m, m, m, rad: what a guess is wrong by, standard deviation."""
STEPS = (1e-3, 1e-3, 1e-3, 4e-3)
"""Of the numeric derivatives; and what one pass changes at most:"""
MOST = (0.01, 0.01, 0.01, 0.06)
TURNS = (0.0, -0.06, 0.06, -0.12, 0.12, -0.18, 0.18, -0.24, 0.24)
"""rad from the guess at which a search begins."""
LEVEL = 8 / 255
"""A pixel that differs by this counts half."""
TRUST, FIRST_TRUST = 0.1, 50.0
"""Weight of the pixels, whose errors go together, against the guess; in the choice of a turn."""
BLURS = (2, 1, 1, 0, 0)
"""How often the pictures are blurred, in each pass."""
STEEP = 0.15
"""Rays that fall by less than this share of the focal length see no table that helps."""
FOUND = 13
"""Numbers that ``forward`` gives."""


class GroundMotion(nn.Module):
    """side: pixels of the square picture; fov: degrees; mount: where the camera is, from the
    gripper's tip in the gripper's yaw (x, y, z m; yaw, pitch rad); hides: boxes [x, y, z and half
    sizes] of what always stands before the table (m, from the tip)."""

    def __init__(self, side: int, fov: float, mount: Sequence[float],
                 hides: Sequence[Sequence[float]] = ()) -> None:
        super().__init__()
        x, y, self.up, yaw, pitch = mount
        self.side, self.focal = side, side / 2 / math.tan(math.radians(fov) / 2)
        cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
        axes = torch.tensor([[sy, -cy, 0.0], [sp * cy, sp * sy, -cp], [cp * cy, cp * sy, sp]])
        self.register_buffer("axes", axes, persistent=False)  # right, down, forward
        self.register_buffer("foot", torch.tensor([x, y]), persistent=False)
        line = torch.arange(side) + 0.5 - side / 2
        down, right = torch.meshgrid(line, line, indexing="ij")
        rays = torch.stack([right, down, torch.full_like(down, self.focal)], -1) @ axes
        seen = (rays[..., 2] < -STEEP * self.focal) & ~self._hidden(hides)
        flat = rays[..., :2] / (-rays[..., 2:]).clamp(min=1e-6)
        self.register_buffer("seen", seen.float(), persistent=False)
        self.register_buffer("flat", flat.flatten(0, 1), persistent=False)  # times the height

    def _hidden(self, boxes: Sequence[Sequence[float]]) -> Tensor:
        """bool [S, S]: pixels that a box covers, and two around them."""
        out = torch.zeros(1, self.side, self.side)
        for box in boxes:
            middle, half = torch.tensor(box[:3]), torch.tensor(box[3:])
            at = torch.linspace(-1, 1, 33)
            inside = torch.cartesian_prod(at, at, at) * half + middle
            inside[:, :2] -= self.foot
            inside[:, 2] -= self.up
            right, down, ahead = (inside @ self.axes.T).unbind(-1)
            column, row = ((v / ahead * self.focal + self.side / 2).floor().long()
                           for v in (right, down))
            there = (ahead > 1e-3) & (column >= 0) & (column < self.side) & (row >= 0)
            there &= row < self.side
            out[0, row[there], column[there]] = 1
        return F.max_pool2d(out, 5, 1, 2)[0] > 0

    def forward(self, before: Tensor, after: Tensor, height: Tensor, guess: Tensor) -> Tensor:
        """before, after: looks [B, 3, S, S], levels 0..255; height [B]: of the tip before (m);
        guess [B, 4]: motion in the gripper's yaw before (x, y, z m; turn rad).

        [B, FOUND]: the motion, in ``ERRORS``; what was added to the guess, in ``ERRORS``; how
        sharply the pixels tell each part, and how far they still differ (logarithms, about 0).
        """
        before, after = (v.float() / 255 for v in (before, after))
        height = (height + self.up).clamp(min=0.02)
        errors = guess.new_tensor(ERRORS)
        motion = self._begun(before, after, height, guess)
        blurred = {k: (_blur(before, k), _blur(after, k)) for k in set(BLURS)}
        for k in BLURS:
            motion, sharp, left = self._better(*blurred[k], height, motion, guess)
        return torch.cat([motion / errors, (motion - guess) / errors, (sharp.log() - 11.5) / 2,
                          (left.clamp(min=1e-6).log()[:, None] + 7) / 2], -1)

    def _begun(self, before: Tensor, after: Tensor, height: Tensor, guess: Tensor) -> Tensor:
        """The guess with the one of ``TURNS`` more that fits best, at half the resolution."""
        small, other = (F.avg_pool2d(_blur(v, 1), 2) for v in (before, after))
        seen = (F.avg_pool2d(self.seen[None], 2)[0] > 0.6).float().flatten()
        costs, motions = [], []
        for turn in TURNS:
            motion = guess + guess.new_tensor([0, 0, 0, turn])
            at = self._places(height, motion).unflatten(1, (self.side, self.side))
            at = F.avg_pool2d(at.permute(0, 3, 1, 2), 2).flatten(2).transpose(1, 2)
            apart, inside = _apart(small, other, at, seen)
            square = apart.square().sum(1) / (3 * LEVEL**2)
            cost = (square / (1 + square / 4) * inside).sum(-1) / (inside.sum(-1) + 8)
            costs.append(FIRST_TRUST * cost + turn**2 / (2 * ERRORS[3] ** 2))
            motions.append(motion)
        best = torch.stack(costs, 1).argmin(1)
        return torch.stack(motions, 1)[torch.arange(len(best)), best]

    def _better(self, before: Tensor, after: Tensor, height: Tensor, motion: Tensor, guess: Tensor
                ) -> tuple[Tensor, Tensor, Tensor]:
        """One pass: the motion, how sharply each part of it is told [B, 4], what is left [B]."""
        gx = F.pad((before[..., 2:] - before[..., :-2]) / 2, (1, 1)).flatten(2)
        gy = F.pad((before[..., 2:, :] - before[..., :-2, :]) / 2, (0, 0, 1, 1)).flatten(2)
        at = self._places(height, motion)
        moves = torch.stack([
            (self._places(height, motion + step * row) - at) / step
            for step, row in zip(STEPS, torch.eye(4, device=at.device), strict=True)], 1)
        moves = moves * (self.side / 2)  # pixels a unit of each number, [B, 4, P, 2]
        apart, inside = _apart(before, after, at, self.seen.flatten())
        weight = inside / (1 + apart.square().sum(1) / (3 * LEVEL**2))
        slopes = [(a * b).sum(1) * weight for a, b in ((gx, gx), (gx, gy), (gy, gy))]
        u, v = moves.unbind(-1)
        pulled = torch.stack([slopes[0][:, None] * u + slopes[1][:, None] * v,
                              slopes[1][:, None] * u + slopes[2][:, None] * v], -1)
        scale, prior = TRUST / LEVEL**2, motion.new_tensor(ERRORS) ** -2
        told = torch.stack([(pulled * moves[:, k, None]).sum((-1, -2)) for k in range(4)], -1)
        told = told * scale + torch.diag(prior)
        wrong = torch.stack([(gx * apart).sum(1) * weight, (gy * apart).sum(1) * weight], -1)
        wrong = (moves * wrong[:, None]).sum((-1, -2)) * scale + prior * (motion - guess)
        most = motion.new_tensor(MOST)
        change = torch.linalg.solve(told, wrong).clamp(-most, most)
        left = (apart.square().sum(1) * inside).sum(-1) / (3 * inside.sum(-1) + 1)
        return motion - change, torch.diagonal(told, dim1=-2, dim2=-1), left

    def _places(self, height: Tensor, motion: Tensor) -> Tensor:
        """Where each pixel of the first look is in the second, [B, P, 2] in -1..1 from edge to
        edge; height [B] of the camera, motion [B, 4]."""
        ground = self.foot + self.flat * height[:, None, None] - motion[:, None, :2]
        c, s = motion[:, 3].cos()[:, None], motion[:, 3].sin()[:, None]
        x = c * ground[..., 0] + s * ground[..., 1] - self.foot[0]
        y = c * ground[..., 1] - s * ground[..., 0] - self.foot[1]
        z = -(height + motion[:, 2])[:, None]
        right, down, ahead = (a[0] * x + a[1] * y + a[2] * z for a in self.axes)
        ahead = ahead.clamp(min=1e-3)
        return torch.stack([right / ahead, down / ahead], -1) * (self.focal / (self.side / 2))


def _blur(looks: Tensor, times: int) -> Tensor:
    for _ in range(times):
        looks = F.avg_pool2d(F.pad(looks, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return looks


def _apart(before: Tensor, after: Tensor, at: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """By how much pixels [B, 3, P] of the first look differ from the second's at [B, P, 2], and
    which can be compared [B, P]."""
    there = F.grid_sample(after, at[:, None], align_corners=False, padding_mode="border")[:, :, 0]
    return there - before.flatten(2), (at.abs() < 1).all(-1).float() * seen
