"""How what lies in a plane moved between two looks: a few numbers, by direct registration.

A robust least squares on the pixels that begins at a guess and stays near it where the looks show
nothing (Irani and Anandan 1999, "About direct methods"; weights after Geman and McClure). Nothing
is learned: it is as exact in a scene never seen before.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..memory import Camera
from ..raster import axes

LEVEL = 8 / 255
"""A pixel that differs by this counts half."""
TRUST = 0.1
"""Weight of the pixels, whose errors go together, against the guess."""
BLURS = (2, 1, 1, 0, 0)
"""How often the looks are blurred, in each pass."""


class PlaneMotion(nn.Module):
    """side: pixels of the square picture; fov: degrees; mount: where the camera is, from the
    gripper's tip in the gripper's yaw (x, y, z m; yaw, pitch rad). A kind of motion says of its
    numbers what a guess is wrong by (``errors``, standard deviation), the steps of the numeric
    derivatives, what one pass changes at most, and where pixels go."""

    errors: tuple[float, ...]
    steps: tuple[float, ...]
    most: tuple[float, ...]

    def __init__(self, side: int, fov: float, mount: Sequence[float]) -> None:
        super().__init__()
        camera = Camera(side, side, fov)
        self.side, self.focal = side, camera.focal
        *turned, place = (torch.from_numpy(v).float() for v in axes(mount))
        turned = torch.stack(turned)
        self.register_buffer("axes", turned, persistent=False)  # right, down, forward
        self.register_buffer("place", place, persistent=False)
        rays = torch.from_numpy(camera.rays()).float() @ turned
        self.register_buffer("rays", rays.flatten(0, 1), persistent=False)

    def places(self, pose: Tensor, motion: Tensor) -> Tensor:
        """Where each pixel of the first look is in the second, [B, P, 2] in -1..1 from edge to
        edge, under a motion [B, N]; pose: what is known of the first look, [B, ..]."""
        raise NotImplementedError

    def seen(self, pose: Tensor) -> Tensor:
        """Which pixels show the plane, float [B or 1, P]."""
        raise NotImplementedError

    def begun(self, before: Tensor, after: Tensor, pose: Tensor, guess: Tensor) -> Tensor:
        """Where the passes begin."""
        return guess

    def forward(self, before: Tensor, after: Tensor, pose: Tensor, guess: Tensor) -> Tensor:
        """before, after: looks [B, 3, S, S], levels 0..255; guess of the motion [B, N].

        [B, 3 N + 1]: the motion, in ``errors``; what was added to the guess, in ``errors``; how
        sharply the pixels tell each part, and how far they still differ (logarithms, about 0).
        """
        before, after = (v.float() / 255 for v in (before, after))
        errors = guess.new_tensor(self.errors)
        motion, seen = self.begun(before, after, pose, guess), self.seen(pose)
        blurred = {k: (blur(before, k), blur(after, k)) for k in set(BLURS)}
        for k in BLURS:
            motion, sharp, left = self._better(*blurred[k], pose, seen, motion, guess)
        return torch.cat([motion / errors, (motion - guess) / errors,
                          ((sharp * errors**2).log() - 3) / 2,
                          (left.clamp(min=1e-6).log()[:, None] + 7) / 2], -1)

    def _better(self, before: Tensor, after: Tensor, pose: Tensor, seen: Tensor, motion: Tensor,
                guess: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One pass: the motion, how sharply each part of it is told [B, N], what is left [B]."""
        gx = F.pad((before[..., 2:] - before[..., :-2]) / 2, (1, 1)).flatten(2)
        gy = F.pad((before[..., 2:, :] - before[..., :-2, :]) / 2, (0, 0, 1, 1)).flatten(2)
        at, count = self.places(pose, motion), motion.shape[1]
        moves = torch.stack([
            (self.places(pose, motion + step * row) - at) / step
            for step, row in zip(self.steps, torch.eye(count, device=at.device), strict=True)], 1)
        moves = moves * (self.side / 2)  # pixels a unit of each number, [B, N, P, 2]
        apart, inside = differing(before, after, at, seen)
        weight = inside / (1 + apart.square().sum(1) / (3 * LEVEL**2))
        slopes = [(a * b).sum(1) * weight for a, b in ((gx, gx), (gx, gy), (gy, gy))]
        u, v = moves.unbind(-1)
        pulled = torch.stack([slopes[0][:, None] * u + slopes[1][:, None] * v,
                              slopes[1][:, None] * u + slopes[2][:, None] * v], -1)
        scale, prior = TRUST / LEVEL**2, motion.new_tensor(self.errors) ** -2
        told = torch.stack([(pulled * moves[:, k, None]).sum((-1, -2)) for k in range(count)], -1)
        told = told * scale + torch.diag(prior)
        wrong = torch.stack([(gx * apart).sum(1) * weight, (gy * apart).sum(1) * weight], -1)
        wrong = (moves * wrong[:, None]).sum((-1, -2)) * scale + prior * (motion - guess)
        most = motion.new_tensor(self.most)
        change = torch.linalg.solve(told, wrong).clamp(-most, most)
        left = (apart.square().sum(1) * inside).sum(-1) / (3 * inside.sum(-1) + 1)
        return motion - change, torch.diagonal(told, dim1=-2, dim2=-1), left

    def projected(self, points: Tensor) -> Tensor:
        """Places in -1..1 of points [B, P, 3] that are given from the camera."""
        right, down, ahead = (points @ self.axes.T).unbind(-1)
        ahead = ahead.clamp(min=1e-3)
        return torch.stack([right / ahead, down / ahead], -1) * (self.focal / (self.side / 2))


def blur(looks: Tensor, times: int) -> Tensor:
    for _ in range(times):
        looks = F.avg_pool2d(F.pad(looks, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return looks


def differing(before: Tensor, after: Tensor, at: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """By how much pixels [B, 3, P] of the first look differ from the second's at [B, P, 2], and
    which can be compared [B, P]."""
    there = F.grid_sample(after, at[:, None], align_corners=False, padding_mode="border")[:, :, 0]
    return there - before.flatten(2), (at.abs() < 1).all(-1).float() * seen
