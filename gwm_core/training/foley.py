"""Training of the impact network, which hears in silent pictures (see gwm_core.video.foley).

One command makes the clips, trains and stores; stopped at any time, it goes on. Deterministic by
seed unless `minutes` cut it short.
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
from ..model import modes
from ..model.audio_tokens import strength_of
from ..model.impacts import GRID, MATERIALS, OUT, ImpactNet
from ..noise import rng
from ..simulators.rooms.sim import IMPACT
from ..video.foley_frames import window
from ..video.foley_reading import KIND, peaks
from . import foley_data

NAME, LICENCE = "gwm-rooms", "Apache-2.0"
STEPS, BATCH, RATE, DECAY = 3000, 32, 2e-3, 0.02
KEEP_EVERY = 100
EVEN = (0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
"""Outputs that are tried as the one which is right as often as not."""
FAINT = 0.06
"""Strength at the camera below which an impact is neither asked for nor counted as a mistake."""
SPREAD, BESIDE = 0.8, 0.5
"""Of an impact's mark: its width in cells, and its height in the pictures before and after."""
WEIGHTS = {"moving": 0.3, "loud": 1.0, "pitch": 0.5, "offset": 0.5, "material": 0.3,
           "surface": 0.2}
Log = Callable[[str], None]


# ------------------------------------------------------------------ what is learnt from
def marks(facts: np.ndarray) -> np.ndarray:
    """f32 [n, 7] of the impacts that can be seen: frame, row and column (in cells, fractional),
    strength at the camera, pitch, material, 1 where it counts (0: too faint)."""
    out = []
    for f in facts:
        frame, _, kind, material, strength, distance, size, column, row, seen, slot = f
        if kind != IMPACT or slot < 0 or not seen:
            continue
        loud = strength_of(modes.loudness(strength) * modes.distance_gain(distance))
        pitch = math.log(modes.size_pitch(size)) / math.log(1.4)
        out.append((frame, row * GRID[0], column * GRID[1], loud, pitch, material,
                    float(loud >= FAINT)))
    return np.array(out, np.float32).reshape(-1, 7)


def load(path: Path) -> dict:
    """One recorded clip with its marks."""
    with np.load(path) as file:
        clip = {k: file[k] for k in file.files}
    clip["marks"] = marks(clip["facts"])
    return clip


def targets(rows: np.ndarray, frame: int) -> dict[str, np.ndarray]:
    """Marks of a clip -> heat f32 [20, 32] (1 where and when something strikes), certain (0 beside
    what is too faint), and of the struck cells: index [k, 2], values [k, 5] (strength, pitch,
    offset right and down, material)."""
    heat, certain = np.zeros(GRID, np.float32), np.ones(GRID, np.float32)
    yy, xx = np.mgrid[0:GRID[0], 0:GRID[1]] + 0.5
    cells, values = [], []
    for when, row, column, loud, pitch, material, counts in rows:
        away = abs(int(when) - frame)
        if away > 2:
            continue
        spot = np.exp(-((yy - row) ** 2 + (xx - column) ** 2) / (2 * SPREAD**2))
        if not counts:
            certain[spot > 0.1] = 0
            continue
        if away == 2:
            continue
        r, c = min(int(row), GRID[0] - 1), min(int(column), GRID[1] - 1)
        heat = np.maximum(heat, spot * 0.95 * (BESIDE if away else 1.0))
        if away == 0:
            heat[r, c] = 1.0
            certain[r, c] = 1
            cells.append((r, c))
            values.append((loud, pitch, column - c - 0.5, row - r - 0.5, material))
    return {"heat": heat, "certain": certain, "cells": np.array(cells, int).reshape(-1, 2),
            "values": np.array(values, np.float32).reshape(-1, 5)}


def draw(clips: list[dict], generator: np.random.Generator) -> tuple[dict, int]:
    """A clip and a frame of it: half of them at or beside an impact."""
    clip = clips[int(generator.integers(len(clips)))]
    last = len(clip["frames"]) - 1
    if len(clip["marks"]) and generator.random() < 0.6:
        when = int(clip["marks"][int(generator.integers(len(clip["marks"]))), 0])
        away = (0, 0, 0, -1, 1, -2, 2, -3, 3)[int(generator.integers(9))]
        return clip, min(max(when + away, 1), last)
    return clip, int(generator.integers(1, last + 1))


def batch(clips: list[dict], count: int, generator: np.random.Generator) -> dict:
    """`count` moments, some mirrored, in another light, or with the colours' order changed."""
    inputs, rows = [], []
    for n in range(count):
        clip, frame = draw(clips, generator)
        x = window(clip["frames"], clip["turns"], frame)
        goal = targets(clip["marks"], frame)
        moving, surface = clip["moving"][frame] / 255.0, clip["surface"][frame]
        if generator.random() < 0.5:
            x, moving, surface = x[..., ::-1], moving[:, ::-1], surface[:, ::-1]
            goal = mirror(goal)
        inputs.append(light(x, generator))
        rows.append({**goal, "moving": moving, "surface": surface, "which": n})
    out = {k: torch.from_numpy(np.stack([np.ascontiguousarray(r[k]) for r in rows]))
           for k in ("heat", "certain", "moving", "surface")}
    where = np.concatenate([np.column_stack([np.full(len(r["cells"]), r["which"]), r["cells"]])
                            for r in rows]).astype(int)
    values = np.concatenate([r["values"] for r in rows])
    return {**out, "x": torch.from_numpy(np.stack(inputs)), "where": torch.from_numpy(where),
            "values": torch.from_numpy(values)}


def mirror(goal: dict) -> dict:
    """The targets of the mirrored picture."""
    cells, values = goal["cells"].copy(), goal["values"].copy()
    cells[:, 1] = GRID[1] - 1 - cells[:, 1]
    values[:, 2] *= -1
    return {"heat": goal["heat"][:, ::-1], "certain": goal["certain"][:, ::-1], "cells": cells,
            "values": values}


def light(x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Another exposure and tint, and a little noise in the differences."""
    out = x.astype(np.float32)
    gain = math.exp(generator.normal() * 0.2)
    tint = np.exp(generator.normal(size=(3, 1, 1)) * 0.05)
    out[:3] = out[:3] * gain * tint
    out[3:] = (out[3:] - 128) * gain + 128
    if generator.random() < 0.3:
        out[3:] += generator.normal(size=out[3:].shape) * generator.uniform(0, 3)
    return np.clip(np.round(out), 0, 255).astype(np.uint8)


def losses(out: torch.Tensor, b: dict, balance: torch.Tensor) -> dict[str, torch.Tensor]:
    """All parts of the loss; the heat's is the focal one of CenterNet (arXiv 1904.07850)."""
    logit, heat, certain = out[:, OUT["hit"]][:, 0], b["heat"], b["certain"]
    p = logit.sigmoid()
    struck = heat >= 1
    good = F.logsigmoid(logit) * (1 - p) ** 2
    bad = F.logsigmoid(-logit) * p**2 * (1 - heat) ** 4
    hit = -torch.where(struck, good, bad * certain).sum() / max(int(struck.sum()), 1)
    moving = F.binary_cross_entropy_with_logits(out[:, OUT["moving"]][:, 0], b["moving"].float())
    surface = F.cross_entropy(out[:, OUT["material"]], _known(b["surface"]), balance,
                              ignore_index=-1)
    n, r, c = b["where"].T
    at, v = out[n, :, r, c], b["values"]
    parts = {"hit": hit, "moving": moving, "surface": surface}
    if len(v):
        parts["loud"] = F.smooth_l1_loss(at[:, OUT["loud"]][:, 0], v[:, 0], beta=0.1)
        parts["pitch"] = F.smooth_l1_loss(at[:, OUT["pitch"]][:, 0], v[:, 1], beta=0.1)
        parts["offset"] = F.smooth_l1_loss(at[:, OUT["offset"]], v[:, 2:4], beta=0.3)
        parts["material"] = F.cross_entropy(at[:, OUT["material"]], v[:, 4].long(), balance)
    return parts


def _known(surface: torch.Tensor) -> torch.Tensor:
    return torch.where(surface < MATERIALS, surface.long(), -1)


def material_balance(clips: list[dict]) -> torch.Tensor:
    """Weights of the materials, [6]: rare ones count more."""
    count = np.ones(MATERIALS)
    for clip in clips:
        count += np.bincount(clip["marks"][:, 5].astype(int), minlength=MATERIALS)[:MATERIALS]
    weight = (count.mean() / count) ** 0.5
    return torch.tensor(weight / weight.mean(), dtype=torch.float32)


# ------------------------------------------------------------------ training
def train(out: Path, folder: Path, seed: int = 0, minutes: float | None = None,
          log: Log = print, steps: int = STEPS, count: int = foley_data.COUNT,
          ticks: int = foley_data.TICKS, record: bool = True) -> dict:
    """Make the clips, train and store; returns the scores on held clips of training plans.

    minutes: processor time after which training stops with what it has. record: False takes the
    clips that are there.
    """
    if record:
        foley_data.record(folder, seed, count, ticks, log)
    paths = sorted(folder.glob("clip_*.npz"))
    clips = [load(p) for p in paths if not foley_data.is_held(p)]
    held = [load(p) for p in paths if foley_data.is_held(p)]
    torch.manual_seed(seed)
    model = ImpactNet().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    state, done, spent, mean = folder / "foley.state", 0, 0.0, {}
    if state.exists():
        kept = torch.load(state, weights_only=True)
        if kept["steps"] == steps and kept["clips"] == len(clips):
            model.load_state_dict(kept["model"])
            optimiser.load_state_dict(kept["optimiser"])
            done, spent = kept["done"], kept["spent"]
    balance, last = material_balance(clips), time.process_time()
    while done < steps and (minutes is None or spent < minutes):
        share = done / steps
        optimiser.param_groups[0]["lr"] = RATE * (min(1.0, share * 25 + 0.04)
                                                  * (0.5 + 0.5 * math.cos(math.pi * share)) + 0.003)
        b = batch(clips, BATCH, rng(seed, "foley batch", done))
        parts = losses(model.train()(b["x"]), b, balance)
        loss = sum(WEIGHTS.get(name, 1.0) * part for name, part in parts.items())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        done += 1
        now = time.process_time()
        spent, last = spent + (now - last) / 60, now
        for name, part in parts.items():
            mean[name] = 0.98 * mean.get(name, part.item()) + 0.02 * part.item()
        if done % 50 == 0:
            log(f"foley: step {done} of {steps}, {spent:.1f} min, "
                + ", ".join(f"{k} {v:.3f}" for k, v in mean.items()))
        if done % KEEP_EVERY == 0:
            part = state.with_suffix(".part")
            torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(),
                        "done": done, "spent": spent, "steps": steps, "clips": len(clips)}, part)
            os.replace(part, state)
    scores = evaluate(model, held)
    log(json.dumps(scores))
    tensors = {k: v.detach() for k, v in model.state_dict().items()}
    save_checkpoint(out, tensors, {
        "name": f"{NAME}.{KIND}", "kind": KIND, "embodiment": rooms_embodiment(), "config": {},
        "licence": LICENCE, "checkpoint": NAME, "scores": scores, "even": scores["even"],
        "training": {"steps": done, "seed": seed, "clips": len(clips), "minutes": round(spent, 1)}})
    return scores


def evaluate(model: ImpactNet, held: list[dict]) -> dict:
    """On held clips: F1 of impacts within one picture and three cells at the output ("even") that
    is best, their material, and the error of their strength."""
    model.eval()
    maps = [read(model, clip) for clip in held]
    return max((_score(held, maps, even) for even in EVEN), key=lambda score: score["f1"])


@torch.no_grad()
def read(model: ImpactNet, clip: dict) -> np.ndarray:
    """The network's maps f32 [F, 12, 20, 32] of a clip."""
    x = np.stack([window(clip["frames"], clip["turns"], k) for k in range(len(clip["frames"]))])
    return np.concatenate([model(torch.from_numpy(x[k:k + 32])).numpy()
                           for k in range(0, len(x), 32)])


def _score(held: list[dict], maps: list[np.ndarray], even: float) -> dict:
    right = found = true = material = 0
    gaps = []
    for clip, one in zip(held, maps, strict=True):
        seen = peaks(one, even=even)
        free = [m for m in clip["marks"] if m[6]]
        found, true = found + len(seen), true + len(free)
        for hit in seen:
            near = [m for m in free if abs(m[0] - hit.frame) <= 1
                    and math.hypot(m[1] - hit.row, m[2] - hit.column) < 3]
            if near:
                best = min(near, key=lambda m: abs(m[0] - hit.frame))
                free = [m for m in free if m is not best]
                right += 1
                material += int(best[5]) == int(hit.material.argmax())
                gaps.append(abs(best[3] - hit.loud))
    return {"f1": round(2 * right / max(found + true, 1), 3), "found": found, "true": true,
            "right": right, "material": round(material / max(right, 1), 3), "even": even,
            "strength_error": round(float(np.mean(gaps)) if gaps else 0.0, 3)}
