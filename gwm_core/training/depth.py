"""Trains the picture reader on views of the simulator's training layouts.

A fifth of the pictures is recoloured (hue, contrast, grain) with things of random shape put in
front, so that depth is also read from lines and shading where the wallpaper is unknown.
"""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from ..depth import ray_maps
from ..model.depth import HEIGHT, PARTS, THEMES, WIDTH, PictureReader, begin_with

UNKNOWN = 255
FOCAL = 0.5 * HEIGHT / math.tan(math.radians(30))
#: share of pictures in altered colours, and of those with depth given (only labels are to be told)
ALTERED, GIVEN = 0.2, 0.15
#: share of the altered ones that are no room at all, so that such are told apart
DRAWN = 0.3
RATE = 2e-3


def _things(rgb, depth, label, rng) -> None:
    """Puts up to three balls or boxes of random looks in front, in place."""
    height, width = depth.shape
    y, x = np.mgrid[0:height, 0:width]
    for _ in range(int(rng.integers(0, 4))):
        cx, cy = rng.uniform(0, width), rng.uniform(0.3 * height, height)
        r = rng.uniform(1.5, 8)
        if rng.random() < 0.5:
            inside = (x - cx) ** 2 + (y - cy) ** 2 < r * r
        else:
            inside = (np.abs(x - cx) < r) & (np.abs(y - cy) < r * rng.uniform(0.5, 1.5))
        if not inside.any():
            continue
        depth[inside] = float(depth[inside].min()) * rng.uniform(0.6, 0.95)
        label[inside] = UNKNOWN
        shade = rng.uniform(0.6, 1.1, 3) * rng.uniform(0.1, 1)
        light = 1.0 - 0.3 * (y[inside] - cy + r) / (2 * r)
        rgb[inside] = np.clip(shade * light[:, None], 0, 1)


def _recolour(rgb: np.ndarray, rng) -> np.ndarray:
    """Any hue, contrast and grain; f32 in 0..1."""
    matrix = np.eye(3)[rng.permutation(3)] + rng.normal(0, 0.25, (3, 3))
    matrix /= np.maximum(np.abs(matrix).sum(1, keepdims=True), 0.5)
    x = rgb @ matrix.T.astype(np.float32)
    if rng.random() < 0.3:
        x = np.repeat(x.mean(-1, keepdims=True), 3, -1)
    x = np.clip(x, 0, 1) ** float(np.exp(rng.normal(0, 0.4)))
    return 0.5 + (x - 0.5) * float(np.exp(rng.normal(0, 0.25))) + rng.normal(0, 0.08)


def _drawing(height: int, width: int, rng) -> np.ndarray:
    """A picture of no room: a sky, hills, shapes and washes of colour; f32 [H, W, 3] in 0..1."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    low = (y / height)[..., None]
    rgb = rng.uniform(0, 1, 3) * (1 - low) + rng.uniform(0, 1, 3) * low
    for _ in range(int(rng.integers(1, 5))):
        edge = height * rng.uniform(0.3, 0.95) + rng.uniform(0, 4) * np.sin(
            x * rng.uniform(0.05, 0.4) + rng.uniform(0, 6)) + (x - width / 2) * rng.normal(0, 0.2)
        rgb[y > edge] = rng.uniform(0, 1, 3)
    for _ in range(int(rng.integers(0, 12))):
        cx, cy, a, b = rng.uniform(0, width), rng.uniform(0, height), *rng.uniform(1, 16, 2)
        dx, dy = np.abs(x - cx) / a, np.abs(y - cy) / b
        shape = (dx < 1) & (dy < 1) if rng.random() < 0.5 else dx ** 2 + dy ** 2 < 1
        rgb[shape] = rng.uniform(0, 1, 3) * rng.uniform(0.3, 1)
    coarse = rng.normal(0, rng.uniform(0, 0.12), (height // 4, width // 4))
    return (rgb + np.kron(coarse, np.ones((4, 4)))[..., None]).astype(np.float32)


def batch(data: dict, rng, size: int):
    """Inputs f32 [B, 7, 40, 64], log-disparity, label u8 (255: none), whether it is of a known
    theme [B], tilt [B] (by how much the given rays look too low), whether it is a room [B]."""
    count, lights = data["rgb"].shape[:2]
    chosen = rng.integers(count, size=size)
    # Half of the pictures are in neutral light.
    light = rng.integers(1, lights, size) * (rng.random(size) < 0.5) if lights > 1 else 0 * chosen
    rgb = data["rgb"][chosen, light].astype(np.float32) / 255.0
    depth = data["depth"][chosen].astype(np.float32)
    label, pitch = data["label"][chosen], data["pitch"][chosen]
    altered = rng.random(size) < ALTERED
    for k in np.flatnonzero(altered):
        if rng.random() < 0.7:
            _things(rgb[k], depth[k], label[k], rng)
        rgb[k] = _recolour(rgb[k], rng)
    room = ~(altered & (rng.random(size) < DRAWN))
    for k in np.flatnonzero(~room):
        rgb[k], label[k] = _drawing(HEIGHT, WIDTH, rng), UNKNOWN
    # Small changes of exposure and tint, and grain, of all.
    rgb *= np.exp(rng.normal(0, 0.08, (size, 1, 1, 1)) + rng.normal(0, 0.03, (size, 1, 1, 3)))
    grain = rng.uniform(0, 0.02, (size, 1, 1, 1)) * (rng.random((size, 1, 1, 1)) < 0.5)
    rgb += grain.astype(np.float32) * rng.standard_normal(rgb.shape, np.float32)
    flip = rng.random(size) < 0.5
    rgb[flip], depth[flip], label[flip] = (v[flip][:, :, ::-1] for v in (rgb, depth, label))
    target = -np.log(np.clip(depth, 0.05, 60))
    # Rays that are wrong teach the tilt; most often they are those of a level camera.
    kind = rng.random(size)
    off = np.where(kind < 0.15, rng.normal(0, 0.2, size), np.where(kind < 0.45, pitch, 0.0))
    x = np.zeros((size, 7, HEIGHT, WIDTH), np.float32)
    np.clip(rgb.transpose(0, 3, 1, 2), 0, 1, out=x[:, :3])
    for k in range(size):
        x[k, 3:5] = ray_maps(WIDTH, HEIGHT, FOCAL, float(pitch[k] - off[k]))
    given = rng.random(size) < GIVEN
    x[given, 5] = target[given] + rng.normal(0, 0.03, (int(given.sum()), 1, 1))
    x[given, 6] = 1.0
    return x, target, label, ~altered, off.astype(np.float32), room


def loss_of(model, x, target, label, themed, tilt, room):
    """Log-disparity, its slopes, parts, themes and tilt."""
    out, parts, themes, leaning = model(x)
    smooth, ce = torch.nn.functional.smooth_l1_loss, torch.nn.functional.cross_entropy
    none, part = label == UNKNOWN, (label & 7).long()
    # Floors are put in place by geometry, and given depth is kept: both count less.
    weight = torch.where((part == 0) & ~none, 0.4, 1.0) * (1 - 0.9 * x[:, 6])
    weight = weight * room[:, None, None]
    loss = (weight * smooth(out, target, beta=0.03, reduction="none")).mean()
    for axis in (1, 2):
        slopes = (out.diff(dim=axis) - target.diff(dim=axis)).abs().clamp(max=0.5)
        loss = loss + 0.5 * (slopes * room[:, None, None]).mean()
    loss = loss + 2.0 * (smooth(leaning, tilt, beta=0.02, reduction="none") * room).mean()
    loss = loss + 0.3 * ce(parts, torch.where(none, PARTS, part))
    # What is recoloured or drawn is of no known theme.
    theme = torch.where(none | ~themed[:, None, None], THEMES, (label >> 3).long())
    return loss + 0.2 * ce(themes, theme)


class _Average:
    """A slow average of the weights, which reads better than the last ones."""

    def __init__(self, model) -> None:
        self.model, self.steps = copy.deepcopy(model).eval(), 0

    @torch.no_grad()
    def take(self, model) -> None:
        self.steps += 1
        share = min(0.998, self.steps / (self.steps + 10))
        for mine, its in zip(self.model.state_dict().values(), model.state_dict().values(),
                             strict=True):
            if mine.is_floating_point():
                mine.lerp_(its, 1 - share)
            else:
                mine.copy_(its)


def train(out, views, seed: int = 0, minutes: float = 50.0, steps: int = 9000, size: int = 16,
          resume: Path | None = None, begin: Path | None = None, cases: list[dict] | None = None,
          log=print) -> dict:
    """Trains on what depth_data collected in the folder `views` and writes `out` (safetensors,
    fp16); returns figures. The schedule ends after `steps`, or `minutes` if these end earlier.

    resume: a file that keeps the state of a run that is stopped; begin: weights of version 1
    to begin with; cases: what to measure on, held-out rooms by default.
    """
    from . import depth_data
    from .depth_eval import measure

    torch.manual_seed(seed)
    data = depth_data.load(views)
    log(f"depth: {len(data['pitch'])} views")
    model = PictureReader()
    if begin:
        begin_with(model, {k: t.float() for k, t in load_file(str(begin)).items()})
    average = _Average(model)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.02)
    done, spent = 0, 0.0
    if resume and Path(resume).exists():
        kept = torch.load(resume, weights_only=True)
        model.load_state_dict(kept["model"])
        average.model.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        done, spent = kept["done"], kept["spent"]
        average.steps = done
    began = time.monotonic() - spent
    mean = 0.0
    while True:
        spent = time.monotonic() - began
        share = max(done / steps, spent / (60 * minutes))
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (done + 1) / 150) * (
                0.5 + 0.5 * math.cos(math.pi * share)) + 1e-6
        # Every step has its own numbers, so that a resumed run sees the same pictures.
        rng = np.random.Generator(np.random.Philox(key=[seed, 40000 + done]))
        loss = loss_of(model, *(torch.from_numpy(a) for a in batch(data, rng, size)))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.take(model)
        done += 1
        mean += float(loss.detach())
        if done % 100 == 0:
            log(f"depth {done} loss {mean / 100:.4f} {time.monotonic() - began:.0f} s")
            mean = 0.0
        if resume and done % 250 == 0:
            torch.save({"model": model.state_dict(), "average": average.model.state_dict(),
                        "optimiser": optimiser.state_dict(), "done": done, "spent": spent}, resume)
            write(str(resume) + ".safetensors", average.model, {"steps": done})
    figures = {"steps": done, **measure(average.model, seed, cases)}
    write(out, average.model, figures)
    log(f"depth {figures}")
    return figures


def write(path, model, figures: dict) -> None:
    """The weights as fp16 with their config and figures."""
    tensors = {k: (t.half() if t.is_floating_point() else t).contiguous()
               for k, t in model.state_dict().items()}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(path), metadata={
        "config": json.dumps({"part": "depth", **model.config}), "figures": json.dumps(figures)})
