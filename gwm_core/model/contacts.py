"""How a gripper and the things around it move in a tick: a small interaction network.

Every thing exchanges messages with the gripper and with every other thing (Battaglia et al. 2016,
arXiv 1612.00222). What comes out corrects a guide: the gripper goes where it is told, a thing that
is held moves with it (how far it is held is an output), another goes on as it did.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KINDS = 4
"""Identities of things."""
LIMIT_LOW = (-0.335, -0.335, -0.022, -0.35, -0.35, -1.5)
LIMIT_HIGH = (0.335, 0.335, 0.34, 0.35, 0.35, 1.5)
LEASH = 0.06
"""m: a commanded place never runs further ahead of a blocked gripper."""
MOVE, TURN = 0.01, 0.1
"""m and rad that the network's outputs of 1 stand for."""


@dataclass(frozen=True)
class Robot:
    """The gripper, [B, ...]: pose [6] (x, y, z m; roll, pitch, yaw rad) and last tick's change of
    it, target [6] where it was told to be, opening, effort 0..1, force N and closing 0..1 (how far
    it was told to close) [B, 1] each."""

    pose: Tensor
    change: Tensor
    target: Tensor
    opening: Tensor
    effort: Tensor
    force: Tensor
    closing: Tensor


@dataclass(frozen=True)
class Things:
    """Things [B, K, ...] in a fixed order of identities: place [3] (m), axes [6] (first two columns
    of the rotation), change [3] and spin [3] (last tick's motion: m, rad), half [3] sizes (m),
    present [1]."""

    place: Tensor
    axes: Tensor
    change: Tensor
    spin: Tensor
    half: Tensor
    present: Tensor


def rotate(axes: Tensor, turn: Tensor) -> Tensor:
    """Axes [.., 6] turned by a rotation vector [.., 3], and made orthonormal again."""
    a, b = axes[..., :3], axes[..., 3:]
    angle = turn.norm(dim=-1, keepdim=True)
    axis = turn / angle.clamp(min=1e-8)
    sin, cos = angle.sin(), angle.cos()

    def spun(v: Tensor) -> Tensor:  # Rodrigues
        along = (axis * v).sum(-1, keepdim=True) * axis
        return v * cos + torch.linalg.cross(axis, v) * sin + along * (1 - cos)

    a, b = spun(a), spun(b)
    a = F.normalize(a, dim=-1)
    b = F.normalize(b - (a * b).sum(-1, keepdim=True) * a, dim=-1)
    return torch.cat([a, b], -1)


def _mlp(sizes: list[int], operations) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [operations.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class ContactNet(nn.Module):
    """See the module. ``width`` of its layers; ``rounds`` of messages."""

    ROBOT_IN, THING_IN, EDGE = 25, 37, 19

    def __init__(self, width: int = 128, rounds: int = 2, operations=nn) -> None:
        super().__init__()
        self.config = {"width": width, "rounds": rounds}
        self.robot_in = _mlp([self.ROBOT_IN + 7, width, width], operations)
        self.thing_in = _mlp([self.THING_IN + KINDS + 7, width, width], operations)
        edge = 2 * width + self.EDGE
        self.messages = nn.ModuleList(_mlp([edge, width, width], operations) for _ in range(rounds))
        self.updates = nn.ModuleList(_mlp([2 * width, width, width], operations)
                                     for _ in range(rounds))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(rounds))
        self.robot_out = operations.Linear(width, 6 + 3)
        self.thing_out = operations.Linear(width, 1 + 3 + 3)
        for head in (self.robot_out, self.thing_out):
            nn.init.zeros_(head.bias)
            with torch.no_grad():
                head.weight.mul_(0.1)
        with torch.no_grad():
            self.thing_out.bias[0] = -2.0  # nothing is held at first

    def forward(self, robot: Robot, things: Things, action: Tensor) -> tuple[Robot, Things]:
        """One tick under ``action`` [B, 7], in the units of the embodiment."""
        low, high = (action.new_tensor(v) for v in (LIMIT_LOW, LIMIT_HIGH))
        target = (robot.target + action[:, :6]).clamp(low, high)
        near = target[:, :3].clamp(robot.pose[:, :3] - LEASH, robot.pose[:, :3] + LEASH)
        target = torch.cat([near, target[:, 3:]], -1)
        closing = (robot.closing + 0.5 * action[:, 6:]).clamp(0, 1)
        turned = _turned(robot.pose[:, 5])
        x, edges = self._encode(robot, things, action, target, closing, turned)
        alive = torch.cat([torch.ones_like(things.present[:, :1]), things.present], 1)  # [B, N, 1]
        for message, update, norm in zip(self.messages, self.updates, self.norms, strict=True):
            n = x.shape[1]
            pairs = torch.cat([x[:, :, None].expand(-1, -1, n, -1),
                               x[:, None].expand(-1, n, -1, -1), edges], -1)
            heard = (message(pairs) * alive[:, None]).sum(2)
            x = norm(x + update(torch.cat([x, heard], -1)))
        r, t = self.robot_out(x[:, 0]), self.thing_out(x[:, 1:])
        pose = target + torch.cat([_back(r[:, :3], turned) * MOVE, r[:, 3:6] * TURN], -1)
        opening = (1 - closing + r[:, 6:7]).clamp(0, 1)
        effort, force = r[:, 7:8].clamp(0, 1), F.softplus(r[:, 8:9] * 4)
        held = t[..., :1].sigmoid()
        motion = (pose - robot.pose)[:, None]
        arm = things.place - robot.pose[:, None, :3]
        spin = motion[..., 3:] * motion.new_tensor([0.0, 0.0, 1.0])  # roll and pitch are corrected
        carried = motion[..., :3] + torch.linalg.cross(spin.expand_as(arm), arm, dim=-1)
        free = 1 - held
        change = held * carried + free * 0.5 * things.change + _back(t[..., 1:4], turned) * MOVE
        turn = held * spin + free * 0.5 * things.spin + _back(t[..., 4:7], turned) * TURN
        change, turn = change * things.present, turn * things.present
        return (
            Robot(pose, pose - robot.pose, target, opening, effort, force, closing),
            Things(things.place + change, rotate(things.axes, turn), change, turn, things.half,
                   things.present),
        )

    def _encode(self, robot, things, action, target, closing, turned):
        scaled = torch.cat([_ahead(action[:, :3], turned) / 0.04, action[:, 3:6] / 0.3,
                            action[:, 6:]], -1)
        lead = target - robot.pose
        own = torch.cat([
            robot.pose[:, :3] / 0.2, robot.pose[:, 3:5] / 0.3, robot.pose[:, 5:].sin(),
            robot.pose[:, 5:].cos(), _ahead(robot.change[:, :3], turned) / 0.04,
            robot.change[:, 3:] / 0.3, _ahead(lead[:, :3], turned) / 0.04, lead[:, 3:] / 0.3,
            robot.opening, robot.effort, robot.force / 10, closing, near(robot.pose[:, 2:3]),
        ], -1)
        first = self.robot_in(torch.cat([own, scaled], -1))
        height = things.place[..., 2:3]
        away = _ahead(things.place - robot.pose[:, None, :3], turned)
        axes = torch.cat([_ahead(things.axes[..., :3], turned),
                          _ahead(things.axes[..., 3:], turned)], -1)
        lowest = height - _reach_down(things.axes, things.half)
        k = things.place.shape[1]
        names = torch.eye(KINDS, device=height.device)[:k].expand(len(height), -1, -1)
        each = torch.cat([
            away / 0.1, near(away), axes, _ahead(things.change, turned) / 0.04,
            _ahead(things.spin, turned) / 0.3, things.half / 0.02, lowest / 0.05, near(lowest),
            things.place[..., :2] / 0.3, things.present, names,
            robot.opening[:, None].expand(-1, k, -1), closing[:, None].expand(-1, k, -1),
            robot.effort[:, None].expand(-1, k, -1),
            robot.pose[:, None, 2:3].expand(-1, k, -1) / 0.1,
            _ahead(lead[:, :3], turned)[:, None].expand(-1, k, -1) / 0.04,
        ], -1)
        each = torch.cat([each, scaled[:, None].expand(-1, k, -1)], -1)
        x = torch.cat([first[:, None], self.thing_in(each)], 1)
        places = torch.cat([robot.pose[:, None, :3], things.place], 1)
        speeds = torch.cat([lead[:, None, :3], things.change], 1)
        axes = torch.cat([_gripper_axes(robot.pose)[:, None], things.axes], 1)
        gap = _ahead(places[:, None] - places[:, :, None], turned)
        # the same distance along the first body's own axes: where its faces are
        between = places[:, None] - places[:, :, None]
        faces = torch.stack([(between * a).sum(-1) for a in _frame(axes)], -1)
        half = torch.cat([torch.zeros_like(things.half[:, :1]), things.half], 1)
        n = places.shape[1]
        edges = torch.cat([
            gap / 0.1, near(gap), faces / 0.05,
            _ahead(speeds[:, None] - speeds[:, :, None], turned) / 0.04,
            half[:, None].expand(-1, n, -1, -1) / 0.02, gap.norm(dim=-1, keepdim=True) / 0.1,
        ], -1)
        return x, edges


def near(distance: Tensor) -> Tensor:
    """Distances [..] as two numbers each that tell small ones apart, [.., 2 n] (n columns)."""
    return torch.cat([torch.tanh(distance / 0.01), torch.tanh(distance / 0.04)], -1)


def _turned(yaw: Tensor) -> tuple[Tensor, Tensor]:
    return yaw.cos(), yaw.sin()


def _shaped(part: Tensor, like: Tensor) -> Tensor:
    return part.reshape(-1, *[1] * (like.dim() - 2))


def _ahead(v: Tensor, turned) -> Tensor:
    """Vectors [B, .., 3] of the world in the gripper's yaw."""
    c, s = (_shaped(p, v) for p in turned)
    x, y, z = v.unbind(-1)
    return torch.stack([c * x + s * y, c * y - s * x, z], -1)


def _back(v: Tensor, turned) -> Tensor:
    """The inverse of ``_ahead``."""
    c, s = (_shaped(p, v) for p in turned)
    x, y, z = v.unbind(-1)
    return torch.stack([c * x - s * y, c * y + s * x, z], -1)


def _frame(axes: Tensor) -> list[Tensor]:
    a, b = axes[..., :3], axes[..., 3:]
    return [v[:, :, None] for v in (a, b, torch.linalg.cross(a, b, dim=-1))]


def _reach_down(axes: Tensor, half: Tensor) -> Tensor:
    """How far a box reaches below its centre, [.., 1]."""
    third = torch.linalg.cross(axes[..., :3], axes[..., 3:], dim=-1)
    up = torch.stack([axes[..., 2], axes[..., 5], third[..., 2]], -1).abs()
    return (up * half).sum(-1, keepdim=True)


def _gripper_axes(pose: Tensor) -> Tensor:
    """First two columns of Rz(yaw) Ry(pitch) Rx(roll), [B, 6]."""
    roll, pitch, yaw = pose[:, 3], pose[:, 4], pose[:, 5]
    cr, sr, cp, sp = roll.cos(), roll.sin(), pitch.cos(), pitch.sin()
    cy, sy = yaw.cos(), yaw.sin()
    return torch.stack([cy * cp, sy * cp, -sp, cy * sp * sr - sy * cr, sy * sp * sr + cy * cr,
                        cp * sr], -1)
