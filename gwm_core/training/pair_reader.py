"""Training of the reader of pairs of looks: inverse dynamics, and a judge of motion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model.pair_reader import ACTION, PairReader
from ..noise import rng
from ..robotics.rig import tabletop_rig
from .fit import Plan, fit

FIELDS = ("pixels", "felt", "actions")
TICKS = 24
EPISODES = 20
"""Of a shard."""
MANNERS = ("expert", "expert", "noisy", "noisy", "noisy", "clumsy", "wander", "fast")
"""Styles of the simulator's experts as often as they are recorded: actions that are noise can only
be read, the others can also be guessed from the scene."""


def record(folder: Path, episodes: int, seed: int, held_out: bool = False,
           progress: Callable[[int, int], None] | None = None) -> list[Path]:
    """Shards of EPISODES runs of TICKS ticks with pictures: pixels uint8 [E, T + 1, V, S, S, 3],
    felt [E, T + 1, 9], actions [E, T, 7]. Training scenes have even seeds, held-out ones odd."""
    from ..simulators.tabletop import TASKS, Tabletop, expert

    folder.mkdir(parents=True, exist_ok=True)
    views, out = tabletop_rig().views, []
    for start in range(0, episodes, EPISODES):
        name = folder / f"pairs{'-held' if held_out else ''}-{seed}-{start // EPISODES:04d}.npz"
        out.append(name)
        if name.exists():
            continue
        rows: dict[str, list] = {f: [] for f in FIELDS}
        for k in range(start, start + EPISODES):
            draw = rng(seed, "pairs", int(held_out), k)
            task = TASKS[int(draw.integers(len(TASKS)))]
            style = MANNERS[int(draw.integers(len(MANNERS)))]
            sim = Tabletop(task, 2 * int(draw.integers(2**40)) + int(held_out))
            policy = expert(task, style)
            policy.reset(sim.seed)
            for _ in range(int(draw.integers(0, 30))):  # somewhere in the middle of it
                sim.advance(policy.act(sim.truth(), {"agent_pos": sim.agent_pos()}))
            seen = [sim.observe()]
            actions = []
            for _ in range(TICKS):
                actions.append(policy.act(sim.truth(), seen[-1]))
                seen.append(sim.step(actions[-1]))
            rows["pixels"].append(np.stack([[s["pixels"][v] for v in views] for s in seen]))
            rows["felt"].append(np.stack([s["agent_pos"] for s in seen]))
            rows["actions"].append(np.stack(actions))
            sim.close()
            if progress is not None:
                progress(k + 1, episodes)
        aside = name.with_suffix(".part.npz")
        np.savez(aside, **{f: np.stack(v) for f, v in rows.items()})
        aside.replace(name)
    return out


class Pairs:
    """Recorded runs as pairs of consecutive looks."""

    def __init__(self, files: list[Path]) -> None:
        whole: dict[str, np.ndarray] = {}
        for i, file in enumerate(files):  # straight into place: pictures are gigabytes
            with np.load(file) as data:
                for k in FIELDS:
                    rows = data[k]
                    if not i:
                        whole[k] = np.empty((len(files), *rows.shape), rows.dtype)
                    whole[k][i] = rows
        self.data = {k: torch.from_numpy(v).flatten(0, 1) for k, v in whole.items()}
        self.count = self.data["actions"].shape[:2]

    def at(self, e, t) -> dict[str, Tensor]:
        """Pairs of ticks t and t + 1 of episodes e."""
        d = self.data
        moved = d["felt"][e, t + 1, :6] - d["felt"][e, t, :6]
        moved = torch.cat([moved[:, :3], torch.atan2(moved[:, 3:].sin(), moved[:, 3:].cos())], 1)
        looks = [d["pixels"][e, k].permute(0, 1, 4, 2, 3) for k in (t, t + 1)]
        return {"before": looks[0], "after": looks[1], "action": d["actions"][e, t].float(),
                "moved": moved.float()}

    def batch(self, draw: np.random.Generator, size: int) -> dict[str, Tensor]:
        """Pairs at random, in colours and light of their own and with noise."""
        e, t = (torch.from_numpy(draw.integers(n, size=size)) for n in self.count)
        out = self.at(e, t)
        gain = torch.from_numpy(draw.uniform(0.8, 1.2, (size, 1, 3, 1, 1)).astype(np.float32))
        for name in ("before", "after"):
            noise = torch.from_numpy(draw.standard_normal(out[name].shape, np.float32)) * 3
            out[name] = (out[name].float() * gain + noise).clamp(0, 255)
        return out


def train(pairs: Pairs, out: Path, *, steps: int, seed: int = 0, batch: int = 32,
          rate: float = 1e-3, width: int = 16,
          progress: Callable[[dict], None] | None = None) -> PairReader:
    """Train for some steps; resumes from ``out``. Another seed gives an independent reader."""
    torch.manual_seed(seed)
    net = PairReader(width=width)
    scale = torch.tensor(ACTION)

    def parts(step: int) -> dict[str, Tensor]:
        b = pairs.batch(rng(seed, "pairs", step), batch)
        found = net(b["before"], b["after"])
        loss = (F.smooth_l1_loss(found["action"] / scale, b["action"] / scale, beta=0.1)
                + F.smooth_l1_loss(found["moved"] / scale[:6], b["moved"] / scale[:6], beta=0.1))
        return {"loss": loss}

    config = {"batch": batch, "seed": seed}
    return fit(net, Plan(steps, rate, fall=0.5), out / "pairs.run.safetensors", config, parts,
               progress)


@torch.no_grad()
def judge(net: PairReader, pairs: Pairs, most: int = 960, seed: int = 0) -> dict[str, float]:
    """Correlations of what is read with the truth: mean of the 7 parts of actions, mean of the
    three parts of the gripper's displacement; each beside the same with actions shuffled."""
    draw = rng(seed, "pairs", "judge")
    n = pairs.count[0] * pairs.count[1]
    rows = torch.from_numpy(draw.permutation(n)[:most])
    e, t = rows // pairs.count[1], rows % pairs.count[1]
    found, true = [], []
    for i in range(0, len(rows), 48):
        b = pairs.at(e[i : i + 48], t[i : i + 48])
        out = net(b["before"], b["after"])
        found.append(torch.cat([out["action"], out["moved"]], 1))
        true.append(torch.cat([b["action"], b["moved"]], 1))
    found, true = torch.cat(found).numpy(), torch.cat(true).numpy()

    def r(one: np.ndarray, other: np.ndarray, parts) -> float:
        return float(np.mean([np.corrcoef(one[:, k], other[:, k])[0, 1] for k in parts]))

    mixed = true[draw.permutation(len(true))]
    return {"action_r": r(found, true, range(7)), "moved_r": r(found, true, range(7, 10)),
            "shuffled_action_r": r(found, mixed, range(7)),
            "shuffled_moved_r": r(found, mixed, range(7, 10))}
