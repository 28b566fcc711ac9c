"""Training of the interaction network on its own rollouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model.contacts import ContactNet, Robot, Things
from ..noise import rng
from .fit import Plan, fit

FORCE = 10.0


class Motion:
    """Recorded motion as one batch of tensors; ``window`` cuts pieces out of it."""

    def __init__(self, files: list[Path]) -> None:
        parts = []
        for file in files:
            with np.load(file) as data:
                parts.append({k: data[k] for k in data.files})
        self.data = {k: torch.from_numpy(np.concatenate([p[k] for p in parts])) for k in parts[0]}
        self.targets, self.closing = commanded(self.data["pose"], self.data["actions"])
        self.episodes, self.ticks = self.data["actions"].shape[:2]
        # where things are touched there is more to learn
        place = self.data["place"]
        moves = (place[:, 1:] - place[:, :-1]).norm(dim=-1).amax(-1) > 0.0008
        self.busy = moves.nonzero().numpy()

    def window(self, draw: np.random.Generator, size: int, length: int):
        """(robot, things at the first tick, actions [B, L, 7], what follows by name)."""
        e = draw.integers(self.episodes, size=size)
        t = draw.integers(1, self.ticks - length + 1, size=size)
        if len(self.busy):
            some = self.busy[draw.integers(len(self.busy), size=size)]
            mine = draw.random(size) < 0.6
            e = np.where(mine, some[:, 0], e)
            near = some[:, 1] - draw.integers(0, length, size=size)
            t = np.where(mine, near.clip(1, self.ticks - length), t)
        e, t = torch.from_numpy(e), torch.from_numpy(t)
        return self.at(e, t, length)

    def at(self, e: Tensor, t: Tensor, length: int):
        d = self.data
        robot = Robot(
            d["pose"][e, t], d["pose"][e, t] - d["pose"][e, t - 1], self.targets[e, t],
            d["felt"][e, t, 0:1], d["felt"][e, t, 1:2], d["felt"][e, t, 2:3],
            self.closing[e, t],
        )
        spin = spin_between(d["axes"][e, t - 1], d["axes"][e, t])
        things = Things(
            d["place"][e, t], d["axes"][e, t], d["place"][e, t] - d["place"][e, t - 1], spin,
            d["half"][e], d["present"][e][..., None],
        )
        steps = t[:, None] + torch.arange(length)
        after = {k: d[k][e[:, None], steps + 1] for k in ("pose", "felt", "place", "axes")}
        return robot, things, d["actions"][e[:, None], steps], after


def commanded(pose: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Where the gripper was told to be [E, T + 1, 6] and to close [E, T + 1, 1], from a start at
    rest with open fingers."""
    from ..model.contacts import LEASH, LIMIT_HIGH, LIMIT_LOW

    low, high = (pose.new_tensor(v) for v in (LIMIT_LOW, LIMIT_HIGH))
    target, closing = pose[:, 0], torch.zeros_like(pose[:, 0, :1])
    targets, closings = [target], [closing]
    for t in range(actions.shape[1]):
        target = (target + actions[:, t, :6]).clamp(low, high)
        here = pose[:, t, :3]
        target = torch.cat([target[:, :3].clamp(here - LEASH, here + LEASH), target[:, 3:]], -1)
        closing = (closing + 0.5 * actions[:, t, 6:]).clamp(0, 1)
        targets.append(target)
        closings.append(closing)
    return torch.stack(targets, 1), torch.stack(closings, 1)


def spin_between(before: Tensor, after: Tensor) -> Tensor:
    """Rotation vector [.., 3] between two close attitudes given as axes [.., 6]."""
    def columns(a: Tensor) -> list[Tensor]:
        return [a[..., :3], a[..., 3:], torch.linalg.cross(a[..., :3], a[..., 3:], dim=-1)]

    pairs = zip(columns(before), columns(after), strict=True)
    return 0.5 * sum(torch.linalg.cross(a, b, dim=-1) for a, b in pairs)


def on_table(place: Tensor) -> Tensor:
    """1.0 where things at place [.., 3] are on or above the table: how they fall is not learned."""
    return ((place[..., :2].abs() < 0.37).all(-1) & (place[..., 2] > -0.04)).float()


def loss_of(robot: Robot, things: Things, after: dict[str, Tensor], k: int, moved: Tensor):
    """Loss of tick k of a rollout: hundredths of a metre, tenths of a radian and the like."""
    pose, felt = after["pose"][:, k], after["felt"][:, k]
    own = (F.smooth_l1_loss(robot.pose[:, :3] / 0.003, pose[:, :3] / 0.003)
           + F.smooth_l1_loss(robot.pose[:, 3:] / 0.03, pose[:, 3:] / 0.03)
           + F.smooth_l1_loss(robot.opening / 0.05, felt[:, 0:1] / 0.05)
           + F.smooth_l1_loss(robot.effort / 0.2, felt[:, 1:2] / 0.2)
           + F.smooth_l1_loss(robot.force / FORCE * 3, felt[:, 2:3] / FORCE * 3))
    there = on_table(after["place"][:, k])[..., None]
    weight = things.present * there * (1 + 4 * moved[..., None])
    place = F.smooth_l1_loss(things.place / 0.005, after["place"][:, k] / 0.005, reduction="none")
    axes = F.smooth_l1_loss(things.axes / 0.1, after["axes"][:, k] / 0.1, reduction="none")
    return 0.3 * own + (place * weight).sum(-1).mean() + 0.3 * (axes * weight).sum(-1).mean()


def train(files: list[Path], out: Path, *, steps: int, seed: int = 0, batch: int = 96,
          most: int = 8, rate: float = 1e-3, width: int = 128,
          progress: Callable[[dict], None] | None = None) -> ContactNet:
    """Train for some steps; unrolls grow from 1 tick to ``most``. Resumes from ``out``."""
    motion = Motion(files)
    torch.manual_seed(seed)
    net = ContactNet(width)

    def parts(step: int) -> dict[str, Tensor]:
        length = 1 + int((most - 1) * min(1.0, step / steps / 0.7))
        draw = rng(seed, "contacts", step)
        robot, things, actions, after = motion.window(draw, batch, length)
        generator = torch.Generator().manual_seed(int(draw.integers(2**62)))
        things = _shaken(things, generator)
        start, loss = things.place, 0.0
        for k in range(length):
            robot, things = net(robot, things, actions[:, k])
            moved = ((after["place"][:, k] - start).norm(dim=-1) > 0.002).float()
            loss = loss + loss_of(robot, things, after, k, moved)
        return {"loss": loss / length}

    plan = Plan(steps, rate, weight_decay=1e-4, warm=200, decay=0.999)
    config = {"batch": batch, "most": most, "seed": seed}
    return fit(net, plan, out / "contacts.run.safetensors", config, parts, progress)


def _shaken(things: Things, generator: torch.Generator) -> Things:
    """Small errors of what is known at first, as an encoder of pictures makes them."""
    from dataclasses import replace

    def noise(like: Tensor, size: float) -> Tensor:
        return torch.randn(like.shape, generator=generator) * size

    some = (torch.rand(len(things.place), 1, 1, generator=generator) < 0.5).float()
    return replace(things, place=things.place + some * noise(things.place, 0.0012),
                   change=things.change + some * noise(things.change, 0.0006))


@torch.no_grad()
def judge(net: ContactNet, motion: Motion, length: int = 48, seed: int = 0) -> dict[str, float]:
    """Errors after ``length`` ticks of open loop from tick 1 of every episode: mean and median m of
    things that moved by over a centimetre, beside leaving them where they were; tip error."""
    e = torch.arange(motion.episodes)
    robot, things, actions, after = motion.at(e, torch.ones_like(e), length)
    start = things.place
    for k in range(length):
        robot, things = net(robot, things, actions[:, k])
    truth = after["place"][:, length - 1]
    there = (things.present[..., 0] > 0) & (on_table(truth) > 0)
    moved = ((truth - start).norm(dim=-1) > 0.01) & there
    error, still = (things.place - truth).norm(dim=-1), (start - truth).norm(dim=-1)
    tip = (robot.pose[:, :3] - after["pose"][:, length - 1, :3]).norm(dim=-1)
    calm = there & ~moved
    return {"moved": int(moved.sum()), "error_m": float(error[moved].mean()),
            "median_m": float(error[moved].median()), "still_m": float(still[moved].mean()),
            "tip_m": float(tip.mean()), "calm_m": float(error[calm].mean())}
