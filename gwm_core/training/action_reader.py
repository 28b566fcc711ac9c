"""Training of the reader of actions: first on pairs of looks; then, with that held, what
registration and films add.

The additions are learned from episodes that were kept back: what is found in pairs that were
trained on is truer than it is elsewhere, and an answer fitted to it trusts it too much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.action_reader import ACTION, FELT, MOVED, ActionReader
from ..noise import rng
from ..robotics.rig import on_gripper, tabletop_rig
from .fit import Plan, fit
from .pair_reader import Pairs
from .scene_reader import has_bfloat16

ADDED_STEPS = {"registered": 1500, "film": 600}
KEPT_BACK = 0.2
"""Share of the episodes, the last ones, that additions are learned from."""
DEAF = {"registered": 0.2, "film": 0.3}
"""Share of what an addition hears that is left out in training."""
FAR, SHIFT = 4, 2
"""Ticks between two looks at most; pixels by which a view is shifted at most."""
NOISE = 1.5
"""Levels (of 255) of a picture's noise, standard deviation."""
PARTS = ("x", "y", "z", "roll", "pitch", "yaw", "grip")


def train(pairs: Pairs, out: Path, *, steps: int, seed: int = 0, batch: int = 32,
          rate: float = 1e-3, width: int = 16, added_steps: dict[str, int] | None = None,
          begun: ActionReader | None = None,
          progress: Callable[[dict], None] | None = None) -> ActionReader:
    """Train for some steps, and the additions for ``added_steps`` (ADDED_STEPS where left out);
    resumes from ``out``. begun: a reader to go on from, instead of a new one of that width."""
    torch.manual_seed(seed)
    net = begun or ActionReader(width=width, mounted=on_gripper(tabletop_rig()))
    net = net.to(memory_format=torch.channels_last)
    fast, grain = has_bfloat16(), Grain(seed)
    known = pairs.count[0] - max(int(KEPT_BACK * pairs.count[0]), 1)
    action, moved, felt = (torch.tensor(v) for v in (ACTION, MOVED, FELT))

    def parts(step: int) -> dict[str, Tensor]:
        b = drawn(pairs, rng(seed, "actions", step), batch, grain, known)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            seen = net.seen(b["before"], b["after"])
        said = net.pair(net.join(seen))
        told = b["given"].float()
        miss = (((said["action"] - b["action"]) / action) ** 2).mean(-1)
        return {"action": (miss * told).sum() / told.sum().clamp(min=1),
                "moved": 0.5 * F.mse_loss(said["moved"] / moved, b["moved"] / moved),
                "felt": 0.1 * F.mse_loss(said["felt"] / felt, b["felt"] / felt)}

    config = {"batch": batch, "seed": seed}
    net = fit(net, Plan(steps, rate, fall=0.6), out / "actions.run.safetensors", config, parts,
              progress)
    train_added(net, pairs, known, out, ADDED_STEPS if added_steps is None else added_steps, seed,
                progress)
    return net.eval()


def train_added(net: ActionReader, pairs: Pairs, first: int, out: Path, steps: dict[str, int],
                seed: int = 0, progress: Callable[[dict], None] | None = None) -> None:
    """What is added to a pair's action from registration, then from the pair before; from the
    episodes from ``first`` on. Trains ``net`` where it is."""
    actions, scale = pairs.data["actions"][first:].float(), torch.tensor(ACTION)
    count, kept = actions.shape[:2], []
    for name in ("registered", "film"):
        if not steps.get(name) or not hasattr(net, f"{name}_out"):
            continue

        def parts(step: int, name: str = name) -> dict[str, Tensor]:
            if not kept:  # a finished run needs none
                kept.append(features(net, pairs, first))
            draw = rng(seed, name, step)
            e = torch.from_numpy(draw.integers(count[0], size=512))
            t = torch.from_numpy(draw.integers(1, count[1], size=512))
            now, wide = kept[0][e, t], getattr(net, f"{name}_out")[0].in_features
            heard = torch.from_numpy(draw.random((512, wide)) > DEAF[name]).float()
            heard = heard / (1 - DEAF[name])
            said = net.corrected(now, heard) if name == "registered" else net.film(
                kept[0][e, t - 1], now, heard)
            return {name: F.mse_loss(said / scale, actions[e, t] / scale)}

        plan = Plan(steps[name], 2e-3, weight_decay=0.1, fall=0.7, decay=0.98)
        fit(_Added(net, name), plan, out / name / f"{name}.run.safetensors", {"seed": seed}, parts,
            progress)


class _Added(nn.Module):
    """The part of a reader that makes an addition, with what a run's file must know of it."""

    def __init__(self, reader: ActionReader, name: str) -> None:
        super().__init__()
        self.config = reader.config
        setattr(self, f"{name}_out", getattr(reader, f"{name}_out"))


class Grain:
    """Noise for pictures out of one long row of it: drawing it anew costs as much as a network."""

    def __init__(self, seed: int, size: int = 1 << 23) -> None:
        self.row = torch.from_numpy(
            rng(seed, "grain").standard_normal(size, np.float32)) * NOISE

    def __call__(self, draw: np.random.Generator, shape: Sequence[int]) -> Tensor:
        """float32 of a shape, another piece of the row each time."""
        n = int(np.prod(shape))
        start = int(draw.integers(len(self.row) - n))
        return self.row[start : start + n].reshape(*shape)


def drawn(pairs: Pairs, draw: np.random.Generator, size: int, grain: Grain,
          most: int | None = None) -> dict[str, Tensor]:
    """Pairs of looks of the first ``most`` episodes (None: of all) at random, in colours, light and
    at places of a picture of their own and with noise; beside the pictures ``action``, ``moved``
    and ``felt``, see ActionReader.pair.

    Half of them are further apart or run backwards: what moved can be learned from any two looks
    of an episode, and there are many more of those. ``given`` [B] bool: an action led from one to
    the other.
    """
    (count, ticks), d = pairs.count, pairs.data
    e, t = draw.integers(most or count, size=size), draw.integers(ticks, size=size)
    free, back = draw.random((2, size)) < 0.5
    apart = np.where(free, draw.integers(1, FAR + 1, size=size), 1)
    other, back = np.minimum(t + apart, ticks), free & back
    one, two = np.where(back, other, t), np.where(back, t, other)
    e, t, one, two = (torch.from_numpy(v) for v in (e, t, one, two))
    moved = (d["felt"][e, two, :7] - d["felt"][e, one, :7]).float()
    moved[:, 3:6] = torch.atan2(moved[:, 3:6].sin(), moved[:, 3:6].cos())
    out = {"action": d["actions"][e, t].float(), "moved": moved,
           "felt": d["felt"][e, one, :7].float(), "given": two == one + 1}
    gain = torch.from_numpy(draw.uniform(0.8, 1.2, (size, 1, 1, 1, 3)).astype(np.float32))
    colours = torch.from_numpy(draw.permutation(3))
    shifts = draw.integers(-SHIFT, SHIFT + 1, (d["pixels"].shape[2], 2))
    for name, when in (("before", one), ("after", two)):
        look = shifted(d["pixels"][e, when], shifts)[..., colours].float().mul_(gain)
        look.add_(grain(draw, look.shape)).clamp_(0, 255)
        out[name] = look.permute(0, 1, 4, 2, 3)  # channels last in memory
    return out


def shifted(looks: Tensor, by: np.ndarray) -> Tensor:
    """Looks [B, V, S, S, 3] of which each view is shifted by its pixels [V, 2] (down, right); what
    comes in at an edge repeats it."""
    at = torch.arange(looks.shape[2])
    down, right = ((at - torch.from_numpy(by[:, i, None])).clamp(0, len(at) - 1) for i in (0, 1))
    return torch.stack([looks[:, v, down[v]][:, :, right[v]] for v in range(looks.shape[1])], 1)


@torch.no_grad()
def features(net: ActionReader, pairs: Pairs, first: int = 0) -> Tensor:
    """What is found in every pair of the episodes from ``first`` on: [E, T, ..] as of ``found``."""
    rows, fast = [], has_bfloat16()
    for e in range(first, pairs.count[0]):
        looks = pairs.data["pixels"][e].permute(0, 1, 4, 2, 3)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            seen = net.seen(looks[:-1], looks[1:])
        rows.append(net.found(net.join(seen), looks[:-1], looks[1:]))
    return torch.stack(rows)


@torch.no_grad()
def judge(net: ActionReader, pairs: Pairs) -> dict[str, float]:
    """Correlations of what is read with the truth, mean of the parts of an action: from two looks
    and from films (first actions left out of both), from two looks part by part, shuffled."""
    true = pairs.data["actions"].float()[:, 1:].reshape(-1, len(PARTS)).numpy()
    films = [pairs.data["pixels"][e].permute(0, 1, 4, 2, 3) for e in range(pairs.count[0])]
    alone, film = (torch.cat([net.read(f, alone=how)[1:] for f in films]).numpy()
                   for how in (True, False))

    def r(read: np.ndarray, truth: np.ndarray) -> list[float]:
        return [float(np.corrcoef(read[:, k], truth[:, k])[0, 1]) for k in range(len(PARTS))]

    mixed = true[rng(0, "actions", "judge").permutation(len(true))]
    parts = r(alone, true)
    return {"action_r": float(np.mean(parts)), "film_r": float(np.mean(r(film, true))),
            "shuffled_r": float(np.mean(r(alone, mixed))), **dict(zip(PARTS, parts, strict=True))}
