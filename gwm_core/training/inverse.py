"""Training of the model's own inverse dynamics (see gwm_core.inverse and inverse_data).

Walks are read as they are, and every other one also as it comes back from a video file, since that
is how clips are kept. Deterministic by seed; stopped at any time, the same command goes on.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..checkpoint import save_checkpoint
from ..embodiment import rooms_embodiment
from ..evaluation.worlds.made import as_video
from ..inverse import KIND, NUMBERS, SIGNED, TickReader
from ..model.inverse import KEYS, MIRRORED, InverseDynamics
from . import inverse_data

NAME, LICENCE = "gwm-rooms", "Apache-2.0"
SPAN = 12
"""Ticks of a training excerpt."""
STEPS, BATCH, RATE, DECAY = 3000, 12, 3e-3, 0.03
KEEP_EVERY = 250
LOOK_WEIGHT, LOOK_KNEE = 2.0, 0.05
"""Weight of the look's error, and where (in units of 10 degrees) it goes over to counting
linearly: most ticks are read to a tenth of a degree, some not at all."""
RARE = (.05, .3, .3, .3, 1., 2., 1.)
"""How much an excerpt is worth for each tick in which a key does something."""
Log = Callable[[str], None]


# ------------------------------------------------------------------ what is learnt from
def read_pairs(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames [1 + 2T, H, W, 3] -> (fields f16 [2T, 13, 20, 32], numbers f32 [2T, NUMBERS])."""
    reader = TickReader(frames)
    rows = [reader.tick([(k, k + 1, 1.0), (k + 1, k + 2, 1.0)])
            for k in range(0, len(frames) - 2, 2)]
    fields, numbers = (np.concatenate(v) for v in zip(*rows, strict=True))
    return fields.astype(np.float16), numbers


def prepare(path: Path) -> list[dict]:
    """A walk as it is and, every other one, from a video file; kept beside it: flow is slow."""
    kept = path.with_suffix(".motion")
    if not kept.exists():
        with np.load(path) as file:
            walk = {k: file[k] for k in file.files}
        rows = {"hit": walk["hit"], "free": walk["controls"][:, :7] < 0.5,
                "look": walk["controls"][:, 7:9] / 10, "moved": walk["moved"]}
        shown = {"plain": walk["frames"]}
        if int(path.stem.split("_")[1]) % 2 == 0:
            shown["video"] = as_video(walk["frames"])
        for name, frames in shown.items():
            rows[f"pairs_{name}"], rows[f"turns_{name}"] = read_pairs(frames)
        part = kept.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **rows)
        os.replace(part, kept)
    with np.load(kept) as file:
        a = {k: torch.from_numpy(file[k]) for k in file.files}
    same = {k: a[k] for k in ("hit", "free", "look", "moved")}
    return [{**same, "pairs": a[f"pairs_{n}"], "turns": a[f"turns_{n}"]}
            for n in ("plain", "video") if f"pairs_{n}" in a]


def walks(folder: Path, log: Log = print) -> tuple[list[dict], dict[str, list[dict]]]:
    """Prepared walks of a folder: (to learn from, to score on by kind)."""
    learn, score = [], {}
    paths = sorted(folder.glob("*_*.npz"), key=lambda p: (p.stem.split("_")[1], p.stem))
    for n, path in enumerate(paths):
        shown = prepare(path)
        if inverse_data.is_held(path):
            score.setdefault(path.stem.split("_")[0], []).append(shown[0])
            score.setdefault("video", []).extend(shown[1:])
        else:
            learn += shown
        if n % 20 == 0:
            log(f"inverse dynamics: motion of {n + 1} of {len(paths)} walks")
    return learn, score


# ------------------------------------------------------------------ batches
def excerpts(learn: list[dict], count: int, generator: torch.Generator) -> dict:
    """`count` stretches of SPAN ticks, oftener where rare keys are pressed."""
    rare, chosen = torch.tensor(RARE), []
    for _ in range(count):
        best = -1.0
        for _ in range(3):
            w = learn[int(torch.randint(len(learn), (1,), generator=generator))]
            t = int(torch.randint(len(w["hit"]) - SPAN + 1, (1,), generator=generator))
            worth = float((w["hit"][t:t + SPAN].float().sum(0) * rare).sum().clamp(max=4))
            worth += float(torch.rand(1, generator=generator)) * 1.5
            if worth > best:
                best, pick = worth, (w, t)
        chosen.append(pick)
    out = {k: torch.stack([w[k][2 * t:2 * (t + SPAN)] for w, t in chosen])
           for k in ("pairs", "turns", "moved")}
    return out | {k: torch.stack([w[k][t:t + SPAN] for w, t in chosen])
                  for k in ("hit", "free", "look")}


def mirror(batch: dict) -> dict:
    """The mirrored walks."""
    pairs, turns, order = batch["pairs"].flip(-1).clone(), batch["turns"].clone(), list(MIRRORED)
    pairs[..., [0, 10, 12], :, :] *= -1
    turns[..., list(SIGNED)] *= -1
    return {"pairs": pairs, "turns": turns, "hit": batch["hit"][..., order],
            "free": batch["free"][..., order], "look": batch["look"] * torch.tensor([-1.0, 1.0]),
            "moved": batch["moved"] * torch.tensor([1.0, -1.0, 1.0])}


def augment(batch: dict, generator: torch.Generator) -> dict:
    """Mirrored, noisy, in another light, with cells whose motion is lost, or without the picture
    before the first tick."""
    batch = {**batch, "pairs": batch["pairs"].float(), "turns": batch["turns"].clone()}
    if float(torch.rand(1, generator=generator)) < 0.5:
        batch = mirror(batch)
    pairs, turns = batch["pairs"], batch["turns"]
    n, m = turns.shape[:2]
    strength = torch.rand(n, 1, 1, 1, 1, generator=generator) ** 3
    pairs = pairs + torch.randn(pairs.shape, generator=generator) * 0.1 * strength
    lost = torch.rand(n, m, 1, 5, 8, generator=generator) < 0.15 * strength
    lost = lost.repeat_interleave(4, -2).repeat_interleave(4, -1)
    pairs[:, :, :3] = torch.where(lost, torch.zeros(()), pairs[:, :, :3])
    gain = 1 + 0.25 * torch.randn(n, 1, 3, 1, 1, generator=generator)
    pairs[:, :, 3:6] = (pairs[:, :, 3:6] + 1) * gain - 1
    first = torch.rand(n, generator=generator) < 0.12
    pairs[first, 0], turns[first, 0] = pairs[first, 1], turns[first, 1]
    return {**batch, "pairs": pairs, "turns": turns}


# ------------------------------------------------------------------ training
def train(out: Path, folder: Path, checkpoint: str | Path = NAME, seed: int = 0,
          minutes: float | None = None, log: Log = print, steps: int = STEPS,
          counts: tuple[int, int, int] = inverse_data.COUNTS,
          ticks: int = inverse_data.TICKS) -> dict:
    """Record, prepare, train and store; returns the scores on held walks.

    checkpoint: the model that walks, too. minutes: processor time after which the training itself
    stops with what it has (without it the result depends on the seed alone).
    """
    began = time.process_time()
    inverse_data.record(folder, checkpoint, seed, ticks, counts, log)
    learn, score = walks(folder, log)
    torch.manual_seed(seed)
    model = InverseDynamics(turns=NUMBERS)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    generator = torch.Generator().manual_seed(seed)
    state, done, spent, mean = folder / "inverse.state", 0, 0.0, 0.0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        if kept["steps"] == steps:
            model.load_state_dict(kept["model"])
            optimiser.load_state_dict(kept["optimiser"])
            generator.set_state(kept["generator"])
            torch.set_rng_state(kept["dropout"])
            done, spent = kept["done"], kept["spent"]
    weight = key_weights(learn)
    last = time.process_time()
    while done < steps and (minutes is None or spent < minutes):
        share = done / steps
        optimiser.param_groups[0]["lr"] = RATE * (min(1.0, share * 25 + 0.04)
                                                  * (0.5 + 0.5 * math.cos(math.pi * share)) + 0.003)
        loss = losses(model.train(), augment(excerpts(learn, BATCH, generator), generator), weight)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        done += 1
        now = time.process_time()
        spent, last = spent + (now - last) / 60, now
        mean += (loss.item() - mean) / min(done, 50)
        if done % 50 == 0:
            log(f"inverse dynamics: step {done} of {steps}, {spent:.1f} min, loss {mean:.4f}")
        if done % KEEP_EVERY == 0:
            if done % (4 * KEEP_EVERY) == 0:
                log(json.dumps({k: evaluate(model, v) for k, v in score.items()}))
            part = state.with_suffix(".part")
            torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(),
                        "generator": generator.get_state(), "dropout": torch.get_rng_state(),
                        "done": done, "spent": spent, "steps": steps}, part)
            os.replace(part, state)
            last = time.process_time()
    scores = {kind: evaluate(model, held) for kind, held in score.items()}
    minutes_used = (time.process_time() - began) / 60
    log(f"inverse dynamics: {done} steps, {minutes_used:.0f} min in this run")
    save(out, model, checkpoint, {"steps": done, "seed": seed, "readings": len(learn),
                                  "minutes": round(spent, 1)}, scores)
    return scores


def key_weights(learn: list[dict]) -> torch.Tensor:
    """How much more a tick counts in which a key does something, [7]."""
    hits, free = (torch.cat([w[k] for w in learn]).float().sum(0) for k in ("hit", "free"))
    return (free / hits.clamp(min=1)).clamp(1, 40).sqrt()


def losses(model: InverseDynamics, b: dict, weight: torch.Tensor) -> torch.Tensor:
    keys, look, moved = model(b["pairs"], b["turns"])
    valid = (b["hit"] | b["free"]).float()
    loss = (F.binary_cross_entropy_with_logits(keys, b["hit"].float(), reduction="none",
                                               pos_weight=weight) * valid).mean()
    loss = loss + LOOK_WEIGHT * F.smooth_l1_loss(look, b["look"], beta=LOOK_KNEE)
    return loss + 2 * F.smooth_l1_loss(moved, b["moved"])


@torch.no_grad()
def evaluate(model: InverseDynamics, held: list[dict]) -> dict:
    """Balanced accuracy by key, and the error of the look in degrees a tick."""
    model.eval()
    p, look = [], []
    for w in held:
        keys, seen, _ = model(w["pairs"].float()[None], w["turns"][None])
        p.append(keys[0].sigmoid())
        look.append(seen[0])
    p, look = torch.cat(p), torch.cat(look)
    hit, free, true = (torch.cat([w[k] for w in held]) for k in ("hit", "free", "look"))
    out = {}
    for k, name in enumerate(KEYS):
        if hit[:, k].any():
            out[name] = round(float(((p[hit[:, k], k] > 0.5).float().mean()
                                     + (p[free[:, k], k] <= 0.5).float().mean()) / 2), 4)
            out[f"n_{name}"] = int(hit[:, k].sum())
    gap = (look - true).abs() * 10
    out["keys"] = round(float(np.mean([out[k] for k in KEYS if k in out])), 4)
    for i, axis in enumerate("xy"):
        out[f"look_{axis}_deg"] = round(float(gap[:, i].mean()), 4)
        out[f"look_{axis}_median"] = round(float(gap[:, i].median()), 4)
    if look[:, 0].std() > 0 and true[:, 0].std() > 0:
        out["turn_r"] = round(float(np.corrcoef(look[:, 0], true[:, 0])[0, 1]), 4)
    return out


def save(path: Path, model: InverseDynamics, checkpoint: str | Path, training: dict,
         scores: dict) -> str:
    """The companion file of the checkpoint; returns its fingerprint."""
    from ..checkpoint import open_checkpoint

    tensors = {k: v.detach() for k, v in model.state_dict().items()}
    return save_checkpoint(path, tensors, {
        "name": f"{NAME}.{KIND}", "kind": KIND, "embodiment": rooms_embodiment(),
        "config": {"turns": NUMBERS}, "licence": LICENCE, "checkpoint": NAME,
        "walked_with": open_checkpoint(checkpoint).fingerprint, "training": training,
        "scores": scores})
