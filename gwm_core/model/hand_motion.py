"""How a gripper tilts and opens before a camera that is mounted above it.

The camera keeps level with the gripper's tip: what moves the gripper in its picture is roll, pitch
and the opening alone. Palm and fingers are seen from the side that faces the camera, nearly a
plane.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .contacts import columns, gripper_axes
from .plane_motion import PlaneMotion


class HandMotion(PlaneMotion):
    """face: of the plane, how far it is before the gripper's middle (m); wide, tall: half its width
    and up to where it reaches from the tip (m); fingers: up to where they reach; opens: the way of
    one finger (m). Its pose is roll and pitch [B, 2] (rad), its motion roll, pitch (rad) and
    opening 0..1."""

    errors, steps, most = (0.006, 0.006, 0.035), (4e-3, 4e-3, 2e-2), (0.06, 0.06, 0.3)

    def __init__(self, side: int, fov: float, mount: Sequence[float], face: float, wide: float,
                 tall: float, fingers: float, opens: float) -> None:
        super().__init__(side, fov, mount)
        self.face, self.wide, self.tall = face, wide, tall
        self.fingers, self.opens = fingers, opens

    def places(self, pose: Tensor, motion: Tensor) -> Tensor:
        body = self._body(pose)
        spread = body[..., 0].sign() * (body[..., 2] < self.fingers) * self.opens
        body = body + torch.stack([spread * motion[:, 2:], spread * 0, spread * 0], -1)
        turned = body @ _tilt(pose + motion[:, :2]).transpose(1, 2)
        return self.projected(turned - self.place)

    def seen(self, pose: Tensor) -> Tensor:
        x, _, z = self._body(pose).unbind(-1)
        return ((x.abs() < self.wide) & (z > -0.004) & (z < self.tall)).float()

    def _body(self, pose: Tensor) -> Tensor:
        """Where rays meet the plane, in the gripper's own frame [B, P, 3]."""
        turn = _tilt(pose)
        origin, rays = self.place @ turn, self.rays @ turn  # by columns: into the gripper's frame
        far = (-self.face - origin[:, None, 1]) / rays[..., 1].clamp(min=1e-3)
        return origin[:, None] + far[..., None] * rays


def _tilt(pose: Tensor) -> Tensor:
    """Ry(pitch) Rx(roll) [B, 3, 3] of roll and pitch [B, 2]."""
    none = torch.zeros_like(pose[:, :1])
    return columns(gripper_axes(torch.cat([none, none, none, pose, none], 1))).transpose(1, 2)
