"""Training of the inverse-dynamics judge on true walks (see judge_data)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..evaluation.judges import FOLDER, load_judge, save_judge
from ..evaluation.judges.inverse import KEYS, MIRRORED, InverseJudge, mirrored, motion_of
from ..evaluation.worlds.control import effective
from .judge_data import is_held, unpack
from .judge_loop import loop

SPAN = 12
"""Ticks of a training excerpt."""


def motion_targets(poses: np.ndarray) -> np.ndarray:
    """Motion ahead, right and up of each pair of frames, float32 [2T, 3] in units of 8 cm."""
    step = np.diff(poses[:, :3], axis=0)
    yaw = (poses[1:, 3] + poses[:-1, 3]) / 2
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([step[:, 0] * c + step[:, 1] * s, step[:, 0] * s - step[:, 1] * c,
                     step[:, 2]], 1).astype(np.float32) / 0.08


def prepare(path: Path) -> dict:
    """Motion and targets of one walk; kept beside it, for flow is slow."""
    kept = path.with_suffix(".motion")
    if not kept.exists():
        with np.load(path) as file:
            case = unpack({k: file[k] for k in file.files})
        pairs, turns = motion_of(case.frames)
        part = kept.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, pairs=pairs.astype(np.float16), turns=turns,
                     hit=effective(case), free=case.controls[:, :7] < 0.5,
                     look=case.controls[:, 7:9] / 10, moved=motion_targets(case.poses))
        part.rename(kept)
    with np.load(kept) as file:
        return {k: torch.from_numpy(file[k]) for k in file.files}


def walks(folder: Path, report=print) -> tuple[list[dict], list[dict]]:
    """Prepared walks of a folder: (to learn from, to score on)."""
    learn, score = [], []
    paths = sorted(folder.glob("walk_*.npz"))
    for n, path in enumerate(paths):
        (score if is_held(int(path.stem.split("_")[1])) else learn).append(prepare(path))
        if n % 20 == 0:
            report(f"inverse judge: motion of {n + 1} of {len(paths)} walks")
    return learn, score


def excerpts(learn: list[dict], count: int, generator: torch.Generator) -> dict:
    """`count` stretches of SPAN ticks, oftener where rare keys are pressed."""
    chosen = []
    for _ in range(count):
        best = -1.0
        for _ in range(3):
            w = learn[int(torch.randint(len(learn), (1,), generator=generator))]
            t = int(torch.randint(len(w["hit"]) - SPAN + 1, (1,), generator=generator))
            rare = w["hit"][t:t + SPAN].float().sum(0)
            worth = float((rare * torch.tensor([.05, .3, .3, .3, 1., 2., 1.])).sum().clamp(max=4))
            worth += float(torch.rand(1, generator=generator)) * 1.5
            if worth > best:
                best, pick = worth, (w, t)
        chosen.append(pick)
    out = {k: torch.stack([w[k][2 * t:2 * (t + SPAN)] for w, t in chosen])
           for k in ("pairs", "turns", "moved")}
    out |= {k: torch.stack([w[k][t:t + SPAN] for w, t in chosen]) for k in ("hit", "free", "look")}
    return out


def augment(batch: dict, generator: torch.Generator) -> dict:
    """Mirror, noise, and cells whose motion is lost: generated frames are worse than true ones."""
    pairs, turns = batch["pairs"].float(), batch["turns"].clone()
    if float(torch.rand(1, generator=generator)) < 0.5:
        pairs, turns = mirrored(pairs, turns)
        order = list(MIRRORED)
        sign = torch.tensor([-1.0, 1.0])
        batch = {**batch, "hit": batch["hit"][..., order], "free": batch["free"][..., order],
                 "look": batch["look"] * sign,
                 "moved": batch["moved"] * torch.tensor([1.0, -1.0, 1.0])}
    n, m = turns.shape[:2]
    strength = torch.rand(n, 1, 1, 1, 1, generator=generator) ** 3
    pairs = pairs + torch.randn(pairs.shape, generator=generator) * 0.1 * strength
    lost = torch.rand(n, m, 1, 5, 8, generator=generator) < 0.15 * strength
    lost = lost.repeat_interleave(4, -2).repeat_interleave(4, -1)
    pairs[:, :, :3] = torch.where(lost, torch.zeros(()), pairs[:, :, :3])
    # Another light: brightness and tint of the picture mean nothing for motion.
    gain = 1 + 0.25 * torch.randn(n, 1, 3, 1, 1, generator=generator)
    pairs[:, :, 3:6] = (pairs[:, :, 3:6] + 1) * gain - 1
    return {**batch, "pairs": pairs, "turns": turns}


def train_inverse(folder: Path, minutes: float = 10, batch: int = 10, seed: int = 0,
                  go_on: bool = False, report=print) -> dict:
    """Train and store the inverse-dynamics judge; returns its scores on held-back layouts."""
    torch.manual_seed(seed)
    learn, score = walks(folder, report)
    model = InverseJudge()
    if go_on and (FOLDER / "inverse.safetensors").exists():
        model = load_judge("inverse", model)[0].train()
    hits, free = (torch.cat([w[k] for w in learn]).float().sum(0) for k in ("hit", "free"))
    # Both classes weigh the same, as in balanced accuracy (excerpts already favour rare keys).
    weight = (free / hits.clamp(min=1)).clamp(1, 40).sqrt() * 1.5
    generator = torch.Generator().manual_seed(seed)

    def step() -> torch.Tensor:
        b = augment(excerpts(learn, batch, generator), generator)
        keys, look, moved = model(b["pairs"], b["turns"])
        valid = (b["hit"] | b["free"]).float()
        loss = (F.binary_cross_entropy_with_logits(keys, b["hit"].float(), reduction="none",
                                                   pos_weight=weight) * valid).mean()
        return loss + F.smooth_l1_loss(look, b["look"]) + 2 * F.smooth_l1_loss(moved, b["moved"])

    loop(model, step, minutes, 3e-3, folder / "inverse.state",
         lambda: evaluate(model.eval(), score), report=report)
    scores = evaluate(model.eval(), score)
    save_judge("inverse", model, scores)
    return scores


@torch.no_grad()
def evaluate(model: InverseJudge, walks: list[dict]) -> dict:
    """Balanced accuracy by key, and how the turn correlates."""
    p, look = [], []
    for w in walks:
        keys, seen, _ = model(w["pairs"].float()[None], w["turns"][None])
        p.append(keys[0].sigmoid())
        look.append(seen[0])
    p, look = torch.cat(p), torch.cat(look)
    hit, free, true = (torch.cat([w[k] for w in walks]) for k in ("hit", "free", "look"))
    scores = {}
    for k, name in enumerate(KEYS):
        if hit[:, k].any():
            scores[name] = float(((p[hit[:, k], k] > 0.5).float().mean()
                                  + (p[free[:, k], k] <= 0.5).float().mean()) / 2)
            scores[f"n_{name}"] = int(hit[:, k].sum())
    scores["turn_r"] = float(np.corrcoef(look[:, 0], true[:, 0])[0, 1])
    return scores
