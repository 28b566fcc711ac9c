"""Training of the impact network, which hears in silent pictures (see gwm_core.video.foley).

One command makes the clips, trains and stores; stopped at any time, it goes on. Deterministic by
seed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..checkpoint import save_checkpoint
from ..embodiment import rooms_embodiment
from ..model.impacts import MATERIALS, NOW, OUT, ImpactNet
from ..noise import rng
from ..video.foley_parts import Reading
from ..video.foley_reading import KIND, peaks, spots
from . import foley_data
from .fit import Plan, fit
from .foley_rows import Clip, sequence
from .scene_reader import has_bfloat16

NAME, LICENCE = "gwm-rooms", "Apache-2.0"
STEPS, BATCH, LENGTH, RATE = 3400, 4, 32, 2e-3
EVEN = (0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
"""Outputs that are tried as the one which is right as often as not."""
WEIGHTS = {"now": 1.5, "moving": 0.3, "pitch": 0.5, "offset": 0.5, "now pitch": 0.3,
           "now material": 0.3}
Log = Callable[[str], None]


# ------------------------------------------------------------------ losses
def losses(maps: torch.Tensor, now: torch.Tensor, b: dict, balance: torch.Tensor
           ) -> dict[str, torch.Tensor]:
    """All parts of the loss of answers [B, T, ...] to a batch of `sequence` rows.

    The marks' are focal ones as of CenterNet (arXiv 1904.07850)."""
    maps, now = maps.float().flatten(0, 1), now.float().flatten(0, 1)
    parts = {
        "hit": focal(maps[:, 0], b["heat"].flatten(0, 1), b["certain"].flatten(0, 1)),
        "now": focal(now[:, 0], b["now"].flatten(0, 1), b["now_certain"].flatten(0, 1)),
        "moving": F.binary_cross_entropy_with_logits(maps[:, 1], b["moving"].flatten(0, 1))}
    n, r, c = b["where"].T
    at, v = maps[n, :, r, c], b["values"]
    # A batch without an impact has nothing to say of its strength.
    parts |= dict.fromkeys(("loud", "pitch", "offset", "now loud", "now pitch", "now material"),
                           0 * now.sum())
    if len(v):
        parts["loud"] = F.smooth_l1_loss(at[:, OUT["loud"]][:, 0], v[:, 0], beta=0.1)
        parts["pitch"] = F.smooth_l1_loss(at[:, OUT["pitch"]][:, 0], v[:, 1], beta=0.1)
        parts["offset"] = F.smooth_l1_loss(at[:, OUT["offset"]], v[:, 2:4], beta=0.3)
    if len(b["heard"]):
        at, v = now[b["when"]], b["heard"]
        parts["now loud"] = F.smooth_l1_loss(at[:, NOW["loud"]][:, 0], v[:, 0], beta=0.1)
        parts["now pitch"] = F.smooth_l1_loss(at[:, NOW["pitch"]][:, 0], v[:, 1], beta=0.1)
        parts["now material"] = F.cross_entropy(at[:, NOW["material"]], v[:, 2].long(), balance)
    return {name: WEIGHTS.get(name, 1.0) * part for name, part in parts.items()}


def focal(logit: torch.Tensor, goal: torch.Tensor, certain: torch.Tensor) -> torch.Tensor:
    """Loss of marks: 1 in `goal` where something is, less beside it; per mark."""
    p = logit.sigmoid()
    struck = goal >= 1
    good = F.logsigmoid(logit) * (1 - p) ** 2
    bad = F.logsigmoid(-logit) * p**2 * (1 - goal) ** 4
    return -torch.where(struck, good, bad * certain).sum() / max(int(struck.sum()), 1)


def material_balance(clips: list[Clip]) -> torch.Tensor:
    """Weights of the materials, [6]: rare ones count more."""
    count = np.ones(MATERIALS)
    for clip in clips:
        count += np.bincount(clip.heard[:, 3].astype(int), minlength=MATERIALS)[:MATERIALS]
    weight = (count.mean() / count) ** 0.5
    return torch.tensor(weight / weight.mean(), dtype=torch.float32)


# ------------------------------------------------------------------ training
def train(out: Path, folder: Path, seed: int = 0, log: Log = print, steps: int = STEPS,
          count: int = foley_data.COUNT, ticks: int = foley_data.TICKS, length: int = LENGTH,
          width: int = 48) -> dict:
    """Make the clips, train and store; returns the scores on held clips of training plans."""
    foley_data.record(folder, seed, count, ticks, log)
    paths = sorted(folder.glob("clip_*.npz"))
    clips = [Clip.load(p) for p in paths if not foley_data.is_held(p)]
    held = [Clip.load(p) for p in paths if foley_data.is_held(p)]
    torch.manual_seed(seed)
    model = ImpactNet(width).to(memory_format=torch.channels_last)
    balance, fast = material_balance(clips), has_bfloat16()

    def parts(step: int) -> dict[str, torch.Tensor]:
        b = sequence(clips, BATCH, length, rng(seed, "foley batch", step))
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            maps, now = model(b["x"])
        return losses(maps, now, b, balance)

    def told(line: dict) -> None:
        log("foley: " + ", ".join(f"{k} {v:.3g}" for k, v in line.items()))

    plan = Plan(steps, RATE, weight_decay=0.02, warm=min(100, steps), fall=0.7, clip=5.0,
                decay=0.997, every=min(50, steps))
    model = fit(model, plan, folder / "foley.run.safetensors",
                {"seed": seed, "clips": len(clips), "length": length}, parts, told)
    scores = evaluate(model, held)
    log(json.dumps(scores))
    tensors = {k: v.detach() for k, v in model.state_dict().items()}
    save_checkpoint(out, tensors, {
        "name": f"{NAME}.{KIND}", "kind": KIND, "embodiment": rooms_embodiment(),
        "config": model.config, "licence": LICENCE, "checkpoint": NAME, "scores": scores,
        "even": scores["even"], "training": {"steps": steps, "seed": seed, "clips": len(clips)}})
    return scores


# ------------------------------------------------------------------ scores
def evaluate(model: ImpactNet, held: list[Clip]) -> dict:
    """On held clips: F1 of what is heard striking, within one picture, at the output ("even")
    that is best, its material, and the error of its strength."""
    model.eval()
    answers = [read(model, clip) for clip in held]
    return max((_score(held, answers, even) for even in EVEN), key=lambda score: score["f1"])


def read(model: ImpactNet, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """The network's answers on a clip, as `peaks` takes them."""
    reading = Reading(model, spots)
    reading.give(clip.windows())
    reading.go(last=True)
    return reading.answers()


def _score(held: list[Clip], answers: list[tuple], even: float) -> dict:
    right = found = true = material = 0
    gaps = []
    for clip, (table, now) in zip(held, answers, strict=True):
        seen = peaks(table, now, even=even)
        free = [m for m in clip.heard if m[4]]
        found, true = found + len(seen), true + len(free)
        for hit in seen:
            near = [m for m in free if abs(m[0] - hit.frame) <= 1]
            if near:
                best = min(near, key=lambda m: abs(m[0] - hit.frame))
                free = [m for m in free if m is not best]
                right += 1
                material += int(best[3]) == int(hit.material.argmax())
                gaps.append(abs(best[1] - hit.loud))
    return {"f1": round(2 * right / max(found + true, 1), 3),
            "iou": round(right / max(found + true - right, 1), 3), "found": found, "true": true,
            "right": right, "material": round(material / max(right, 1), 3), "even": even,
            "strength_error": round(math.fsum(gaps) / max(len(gaps), 1), 3)}
