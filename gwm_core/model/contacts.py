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
BALL = 2
"""The one of them that is round: its reach is its radius however it is turned."""
LIMIT_LOW = (-0.335, -0.335, -0.022, -0.35, -0.35, -1.5)
LIMIT_HIGH = (0.335, 0.335, 0.34, 0.35, 0.35, 1.5)
LEASH = 0.06
"""m: a commanded place never runs further ahead of a blocked gripper."""
MOVE, TURN = 0.01, 0.1
"""m and rad that the network's outputs of 1 stand for."""
BOXES = (0, 1)
"""Identities of loose boxes."""
REACH, OVER = 0.06, 0.008
"""m: a tip further than this beside a box's middle, or above its top, does not touch it."""
TIPS, RIGHTED = 0.5, 0.6
"""rad from which a box may fall to its other side; share of a smaller tilt that goes in a tick."""
OPEN, THICK, WIDE, PALM = 0.04, 0.014, 0.010, 0.070
"""m: of the gripper: from its middle to an open finger, how thick that is, half of its width, and
from its tip up to the palm."""


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


class _Messages(nn.Module):
    """What every body hears from all that are there: two layers over (itself, the other, what is
    between them). Nothing of the size of a body is multiplied once a pair: the first layer is in
    three parts, and the last one, being linear, comes after the sum."""

    def __init__(self, width: int, edge: int, operations) -> None:
        super().__init__()
        self.own = operations.Linear(width, width)
        self.other = operations.Linear(width, width, bias=False)
        self.edge = operations.Linear(edge, width, bias=False)
        self.heard = operations.Linear(width, width)

    def forward(self, x: Tensor, edges: Tensor, alive: Tensor) -> Tensor:
        pairs = self.own(x)[:, :, None] + self.other(x)[:, None] + self.edge(edges)
        return self.heard((F.silu(pairs) * alive[:, None]).sum(2))


class ContactNet(nn.Module):
    """See the module. ``width`` of its layers; ``rounds`` of messages."""

    # with actions and names all layers have 8 n inputs: else equal branches differ in last bits
    ROBOT_IN, THING_IN, EDGE = 25, 61, 32

    def __init__(self, width: int = 128, rounds: int = 2, operations=nn) -> None:
        super().__init__()
        self.config = {"width": width, "rounds": rounds}
        self.robot_in = _mlp([self.ROBOT_IN + 7, width, width], operations)
        self.thing_in = _mlp([self.THING_IN + KINDS + 7, width, width], operations)
        self.messages = nn.ModuleList(_Messages(width, self.EDGE, operations)
                                      for _ in range(rounds))
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
        turned = heading(robot.pose[:, 5])
        x, edges = self._encode(robot, things, action, target, closing, turned)
        alive = torch.cat([torch.ones_like(things.present[:, :1]), things.present], 1)  # [B, N, 1]
        for message, update, norm in zip(self.messages, self.updates, self.norms, strict=True):
            x = norm(x + update(torch.cat([x, message(x, edges, alive)], -1)))
        r, t = self.robot_out(x[:, 0]), self.thing_out(x[:, 1:])
        pose = target + torch.cat([back(r[:, :3], turned) * MOVE, r[:, 3:6] * TURN], -1)
        opening = (1 - closing + r[:, 6:7]).clamp(0, 1)
        effort, force = r[:, 7:8].clamp(0, 1), F.softplus(r[:, 8:9] * 4)
        held = t[..., :1].sigmoid()
        motion = (pose - robot.pose)[:, None]
        arm = things.place - robot.pose[:, None, :3]
        spin = motion[..., 3:] * motion.new_tensor([0.0, 0.0, 1.0])  # roll and pitch are corrected
        carried = motion[..., :3] + torch.linalg.cross(spin.expand_as(arm), arm, dim=-1)
        free = 1 - held
        change = held * carried + free * 0.5 * things.change + back(t[..., 1:4], turned) * MOVE
        turn = held * spin + free * 0.5 * things.spin + back(t[..., 4:7], turned) * TURN
        change, turn = change * things.present, turn * things.present
        place, axes = _settled(pose, things.place + change, rotate(things.axes, turn), held, things)
        return (
            Robot(pose, pose - robot.pose, target, opening, effort, force, closing),
            Things(place, axes, place - things.place, turn, things.half, things.present),
        )

    def _encode(self, robot, things, action, target, closing, turned):
        scaled = torch.cat([ahead(action[:, :3], turned) / 0.04, action[:, 3:6] / 0.3,
                            action[:, 6:]], -1)
        lead = target - robot.pose
        own = torch.cat([
            robot.pose[:, :3] / 0.2, robot.pose[:, 3:5] / 0.3, robot.pose[:, 5:].sin(),
            robot.pose[:, 5:].cos(), ahead(robot.change[:, :3], turned) / 0.04,
            robot.change[:, 3:] / 0.3, ahead(lead[:, :3], turned) / 0.04, lead[:, 3:] / 0.3,
            robot.opening, robot.effort, robot.force / 10, closing, near(robot.pose[:, 2:3]),
        ], -1)
        first = self.robot_in(torch.cat([own, scaled], -1))
        height = things.place[..., 2:3]
        down = _reach(things.axes, things.half, height.new_tensor([[0.0, 0.0, 1.0]]))
        away = ahead(things.place - robot.pose[:, None, :3], turned)
        axes = torch.cat([ahead(things.axes[..., :3], turned),
                          ahead(things.axes[..., 3:], turned)], -1)
        lowest = height - down
        k = things.place.shape[1]
        names = torch.eye(KINDS, device=height.device)[:k].expand(len(height), -1, -1)
        each = torch.cat([
            away / 0.1, near(away), axes, ahead(things.change, turned) / 0.04,
            ahead(things.spin, turned) / 0.3, things.half / 0.02, lowest / 0.05, near(lowest),
            things.place[..., :2] / 0.3, things.present, names,
            robot.opening[:, None].expand(-1, k, -1), closing[:, None].expand(-1, k, -1),
            robot.effort[:, None].expand(-1, k, -1),
            robot.pose[:, None, 2:3].expand(-1, k, -1) / 0.1,
            ahead(lead[:, :3], turned)[:, None].expand(-1, k, -1) / 0.04,
            fine(_clearances(robot, things, target, closing, height + down)),
        ], -1)
        each = torch.cat([each, scaled[:, None].expand(-1, k, -1)], -1)
        x = torch.cat([first[:, None], self.thing_in(each)], 1)
        places = torch.cat([robot.pose[:, None, :3], things.place], 1)
        speeds = torch.cat([lead[:, None, :3], things.change], 1)
        axes = torch.cat([gripper_axes(robot.pose)[:, None], things.axes], 1)
        gap = ahead(places[:, None] - places[:, :, None], turned)
        # the same distance along the first body's own axes: where its faces are
        between = places[:, None] - places[:, :, None]
        frame = columns(axes)
        faces = (between[..., None, :] * frame[:, :, None]).sum(-1)
        half = torch.cat([torch.zeros_like(things.half[:, :1]), things.half], 1)
        n = places.shape[1]
        wide = _reach(axes[:, None], half[:, None], frame[:, :, None], first=1)
        tall = torch.cat([torch.zeros_like(down[:, :1]), down], 1)
        apart = torch.cat([faces.abs() - half[:, :, None] - wide,
                           gap[..., 2:].abs() - tall[:, :, None] - tall[:, None]], -1)
        itself = torch.eye(n, device=gap.device)[None, ..., None].expand(len(gap), -1, -1, -1)
        edges = torch.cat([
            gap / 0.1, near(gap), faces / 0.05,
            ahead(speeds[:, None] - speeds[:, :, None], turned) / 0.04,
            half[:, None].expand(-1, n, -1, -1) / 0.02, gap.norm(dim=-1, keepdim=True) / 0.1,
            fine(apart), itself,
        ], -1)
        return x, edges


def _settled(pose: Tensor, place: Tensor, axes: Tensor, held: Tensor, things: Things
             ) -> tuple[Tensor, Tensor]:
    """Places and axes of things after gravity: a box at the table that the gripper neither holds
    nor can reach stands up straight again. Without it a tilt of a few degrees stays for ever, and
    lifts an edge into the way of fingers that pass above."""
    vertical = place.new_tensor([[0.0, 0.0, 1.0]])
    down = _reach(axes, things.half, vertical)
    low, tip = place[..., 2:3] - down, pose[:, None, :3]
    frame = columns(axes)
    steepest = frame[..., 2].abs().argmax(-1)[..., None, None].expand(*frame.shape[:2], 1, 3)
    up = frame.gather(-2, steepest)[..., 0, :]
    up = up * up[..., 2:].sign()
    lean = torch.cat([up[..., 1:2], -up[..., :1], torch.zeros_like(low)], -1)  # up x vertical
    apart = ((tip[..., :2] - place[..., :2]).norm(dim=-1, keepdim=True) > REACH
             ) | (tip[..., 2:] - place[..., 2:3] - down > OVER)
    boxes = torch.tensor([k in BOXES for k in range(place.shape[1])], device=place.device)
    falls = (apart & (held < 0.5) & (low.abs() < OVER) & boxes[:, None] & (things.present > 0)
             & (lean.norm(dim=-1, keepdim=True) < TIPS))
    righted = rotate(axes, RIGHTED * lean)
    flat = torch.cat([place[..., :2], _reach(righted, things.half, vertical)], -1)
    return torch.where(falls, flat, place), torch.where(falls, righted, axes)


def near(distance: Tensor) -> Tensor:
    """Distances [..] as two numbers each that tell small ones apart, [.., 2 n] (n columns)."""
    return torch.cat([torch.tanh(distance / 0.01), torch.tanh(distance / 0.04)], -1)


def fine(distance: Tensor) -> Tensor:
    """As ``near``, with a third number each for what is a fraction of a millimetre, [.., 3 n]."""
    return torch.cat([torch.tanh(distance / 0.002), near(distance)], -1)


def heading(yaw: Tensor) -> tuple[Tensor, Tensor]:
    """What ``ahead`` and ``back`` turn by."""
    return yaw.cos(), yaw.sin()


def _shaped(part: Tensor, like: Tensor) -> Tensor:
    return part.reshape(-1, *[1] * (like.dim() - 2))


def ahead(v: Tensor, turned) -> Tensor:
    """Vectors [B, .., 3] of the world in the gripper's yaw."""
    c, s = (_shaped(p, v) for p in turned)
    x, y, z = v.unbind(-1)
    return torch.stack([c * x + s * y, c * y - s * x, z], -1)


def back(v: Tensor, turned) -> Tensor:
    """The inverse of ``ahead``."""
    c, s = (_shaped(p, v) for p in turned)
    x, y, z = v.unbind(-1)
    return torch.stack([c * x - s * y, c * y + s * x, z], -1)


def columns(axes: Tensor) -> Tensor:
    """All three columns of rotations, as rows: [.., 3, 3]."""
    a, b = axes[..., :3], axes[..., 3:]
    return torch.stack([a, b, torch.linalg.cross(a, b, dim=-1)], -2)


def _reach(axes: Tensor, half: Tensor, along: Tensor, first: int = 0) -> Tensor:
    """How far things [.., K, 6] reach from their centres along directions [.., K or 1, D, 3]:
    [.., K, D]. ``first``: place of the first identity among the K."""
    frame = columns(axes)
    # No matrix product: its bits depend on where in memory a row lies, and branches are equal.
    cosines = sum(along[..., None, i] * frame[..., None, :, i] for i in range(3))
    reach = sum(cosines[..., i].abs() * half[..., None, i] for i in range(3))
    ball = torch.arange(axes.shape[-2], device=axes.device) == BALL + first
    return torch.where(ball[:, None], half[..., :1], reach)


def _clearances(robot: Robot, things: Things, target: Tensor, closing: Tensor, top: Tensor
                ) -> Tensor:
    """What is free between parts of the gripper and each thing [B, K, 8] (m; below 0 they would
    be in one another): inside each finger, and where both are told to be; outside of the fingers;
    beside their width; from the thing's top [B, K, 1] up to the tip and to the palm; from it to
    where the tip is told to be."""
    frame = columns(gripper_axes(robot.pose))[:, None]
    x, y, z = ((things.place - robot.pose[:, None, :3])[..., None, :] * frame).sum(-1).unbind(-1)
    across, along, up = _reach(things.axes, things.half, frame).unbind(-1)
    inside, told = robot.opening * OPEN, (1 - closing) * OPEN
    return torch.stack([
        inside - across - x, inside - across + x, told - across,
        x.abs() - across - inside - THICK, y.abs() - along - WIDE, -z - up, PALM - z - up,
        target[:, 2:3] - top[..., 0],
    ], -1)


def gripper_axes(pose: Tensor) -> Tensor:
    """First two columns of Rz(yaw) Ry(pitch) Rx(roll), [B, 6]."""
    roll, pitch, yaw = pose[:, 3], pose[:, 4], pose[:, 5]
    cr, sr, cp, sp = roll.cos(), roll.sin(), pitch.cos(), pitch.sin()
    cy, sy = yaw.cos(), yaw.sin()
    return torch.stack([cy * cp, sy * cp, -sp, cy * sp * sr - sy * cr, sy * sp * sr + cy * cr,
                        cp * sr], -1)
