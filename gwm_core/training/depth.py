"""Trains the picture reader on views of remembered places, with colours altered heavily.

The bank's panoramas give any number of views with exact depth and labels. Half of the pictures
are recoloured (hue, contrast, noise, blur), so that depth is read from lines and shading rather
than from known wallpapers; things of random shape are put in front.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ..bank import open_bank
from ..depth import ray_maps
from ..imaginers.panorama import UNKNOWN, place_basis, view
from ..model.depth import HEIGHT, PARTS, THEMES, WIDTH, PictureReader

#: views are drawn so much finer and averaged
FINER = 3
FOCAL = 0.5 * HEIGHT / math.tan(math.radians(30))


def collect(bank_path, count: int, seed: int, log=print) -> dict:
    """Views of the bank: rgb u8 [N, 40, 64, 3], depth f16, label u8 (255: unknown), pitch f32."""
    bank = open_bank(bank_path)
    rng = np.random.Generator(np.random.Philox(key=[seed, 3]))
    data = {"rgb": np.zeros((count, HEIGHT, WIDTH, 3), np.uint8),
            "depth": np.zeros((count, HEIGHT, WIDTH), np.float16),
            "label": np.zeros((count, HEIGHT, WIDTH), np.uint8),
            "pitch": np.zeros(count, np.float32)}
    per_place = 12
    for n in range(count):
        if n % per_place == 0:
            index = int(rng.integers(len(bank)))
        pitch = float(np.clip(rng.normal(0, 0.15), -0.6, 0.6))
        origin = (*rng.uniform(-0.25, 0.25, 2), 0.0)
        basis = place_basis(rng.uniform(0, 2 * math.pi), pitch, bool(rng.integers(2)))
        rgb, depth, label, seen, _ = view(bank.panorama(index), origin, basis, FINER * WIDTH,
                                          FINER * HEIGHT, FINER * FOCAL, 1.0, False)
        mean = rgb.reshape(HEIGHT, FINER, WIDTH, FINER, 3).astype(np.float32).mean((1, 3))
        part = (slice(1, None, FINER), slice(1, None, FINER))
        data["rgb"][n] = mean.astype(np.uint8)
        data["depth"][n] = depth[part]
        data["label"][n] = np.where(seen, label, UNKNOWN)[part]
        data["pitch"][n] = pitch
        if n % 1000 == 0:
            log(f"depth: {n} views")
    return data


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
        near = float(depth[inside].min()) * rng.uniform(0.6, 0.95)
        depth[inside] = near
        label[inside] = UNKNOWN
        shade = rng.uniform(0.6, 1.1, 3) * rng.uniform(30, 255)
        light = 1.0 - 0.3 * (y[inside] - cy + r) / (2 * r)
        rgb[inside] = np.clip(shade * light[:, None], 0, 255)


def _recolour(rgb: np.ndarray, rng) -> np.ndarray:
    """Any hue, contrast and grain; f32 in 0..1."""
    matrix = np.eye(3)[rng.permutation(3)] + rng.normal(0, 0.25, (3, 3))
    matrix /= np.maximum(np.abs(matrix).sum(1, keepdims=True), 0.5)
    x = rgb @ matrix.T.astype(np.float32)
    if rng.random() < 0.3:
        x = np.repeat(x.mean(-1, keepdims=True), 3, -1)
    x = np.clip(x, 0, 1) ** float(np.exp(rng.normal(0, 0.4)))
    return 0.5 + (x - 0.5) * float(np.exp(rng.normal(0, 0.25))) + rng.normal(0, 0.08)


def _relit(rgb, depth, rng) -> np.ndarray:
    """A tint and sometimes fog, as light conditions do; f32 in 0..1."""
    x = rgb * np.clip(np.exp(rng.normal(-0.25, 0.45)) * rng.uniform(0.75, 1.2, 3), 0.1, 1.5)
    if rng.random() < 0.3:
        through = np.exp(-rng.uniform(0.04, 0.25) * depth)[..., None]
        x = x * through + rng.uniform(0.1, 0.9, 3) * (1 - through)
    return x


def batch(data: dict, rng, size: int, alter: bool = True):
    """Inputs f32 [B, 7, 40, 64], log-disparity, part (8: none), theme (14: none, -1: not said),
    tilt f32 [B] (by how much the given rays look too low)."""
    k = rng.integers(len(data["pitch"]), size=size)
    x = np.zeros((size, 7, HEIGHT, WIDTH), np.float32)
    target = np.zeros((size, HEIGHT, WIDTH), np.float32)
    part = np.zeros((size, HEIGHT, WIDTH), np.int64)
    theme = np.zeros((size, HEIGHT, WIDTH), np.int64)
    tilt = np.zeros(size, np.float32)
    for b in range(size):
        rgb = data["rgb"][k[b]].astype(np.float32) / 255.0
        depth = data["depth"][k[b]].astype(np.float32)
        label = data["label"][k[b]].copy()
        off = float(rng.normal(0, 0.2)) if rng.random() < 0.5 else 0.0
        tilt[b] = off
        x[b, 3:5] = ray_maps(WIDTH, HEIGHT, FOCAL, float(data["pitch"][k[b]]) - off)
        recoloured = False
        if alter:
            colour = rgb * 255
            _things(colour, depth, label, rng)
            rgb = colour / 255
            recoloured = rng.random() < 0.35
            rgb = _recolour(rgb, rng) if recoloured else _relit(rgb, depth, rng)
            rgb = rgb + rng.normal(0, rng.uniform(0, 0.03), rgb.shape)
            if rng.random() < 0.5:
                rgb, depth, label = rgb[:, ::-1], depth[:, ::-1], label[:, ::-1]
        x[b, :3] = np.clip(rgb, 0, 1).transpose(2, 0, 1)
        target[b] = -np.log(np.clip(depth, 0.05, 60))
        part[b] = np.where(label == UNKNOWN, PARTS, label & 7)
        theme[b] = -1 if recoloured else np.where(label == UNKNOWN, THEMES, label >> 3)
        if alter and rng.random() < 0.4:
            x[b, 5], x[b, 6] = target[b] + rng.normal(0, 0.03), 1.0
    return x, target, part, theme, tilt


def loss_of(model, x, target, part, theme, tilt):
    """Log-disparity, its slopes, parts, themes and tilt."""
    out, parts, themes, leaning = model(x)
    error = out - target
    loss = torch.nn.functional.smooth_l1_loss(out, target, beta=0.05)
    for axis in (1, 2):
        loss = loss + 0.5 * error.diff(dim=axis).abs().clamp(max=0.5).mean()
    ce = torch.nn.functional.cross_entropy
    loss = loss + 2.0 * torch.nn.functional.smooth_l1_loss(leaning, tilt, beta=0.05)
    loss = loss + 0.4 * ce(parts, part, ignore_index=-1)
    if (theme >= 0).any():
        loss = loss + 0.4 * ce(themes, theme, ignore_index=-1)
    return loss


def train(out, bank_path, seed: int = 0, minutes: float = 16.0, steps: int = 2600,
          views: int = 4000, size: int = 16, log=print) -> dict:
    """Trains on views of ``bank_path`` and writes ``out`` (safetensors, fp16); returns figures."""
    torch.manual_seed(seed)
    rng = np.random.Generator(np.random.Philox(key=[seed, 4]))
    data = collect(bank_path, views, seed, log)
    model = PictureReader()
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-3)
    began, done = time.monotonic(), 0
    for step in range(steps):
        share = max(step / steps, (time.monotonic() - began) / (60 * minutes))
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 60) * (1 - share) ** 0.8 + 1e-6
        x, *targets = (torch.from_numpy(a) for a in batch(data, rng, size))
        loss = loss_of(model, x, *targets)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        done = step + 1
        if step % 100 == 0:
            log(f"depth {step} loss {float(loss.detach()):.4f} {time.monotonic() - began:.0f} s")
    figures = {"steps": done, **measure(model, seed)}
    tensors = {k: t.half().contiguous() for k, t in model.state_dict().items()}
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(out), metadata={
        "config": json.dumps({"part": "depth", **model.config}), "figures": json.dumps(figures)})
    log(f"depth {figures}")
    return figures


def _level(x: np.ndarray) -> np.ndarray:
    """The same input with the rays of a level camera."""
    out = x.copy()
    out[0, 3:5] = ray_maps(WIDTH, HEIGHT, FOCAL, 0.0)
    return out


@torch.no_grad()
def measure(model, seed: int, layouts: int = 12, views: int = 5) -> dict:
    """On held-out rooms: median relative depth error, shares of right parts and themes."""
    from ..simulators.rooms.sim import Rooms

    model = model.eval()
    rng = np.random.Generator(np.random.Philox(key=[seed, 5]))
    errors, parts_right, themes_right, tilts = [], [], [], []
    for layout in range(10000, 10000 + layouts):
        sim = Rooms(layout, width=3 * WIDTH, height=3 * HEIGHT)
        for _ in range(views):
            room = sim.layout.rooms[int(rng.integers(len(sim.layout.rooms)))]
            pose = np.array([rng.uniform(room.x0 + 0.5, room.x1 - 0.5),
                             rng.uniform(room.y0 + 0.5, room.y1 - 0.5), 1.55,
                             rng.uniform(0, 2 * math.pi), rng.uniform(-0.2, 0.1)])
            shown = sim.render(pose, int(rng.integers(18)))
            shown = {k: shown[k][1::3, 1::3] if k != "rgb" else shown[k].reshape(
                HEIGHT, 3, WIDTH, 3, 3).mean((1, 3)) for k in ("rgb", "depth", "label")}
            x = np.zeros((1, 7, HEIGHT, WIDTH), np.float32)
            x[0, :3] = shown["rgb"].transpose(2, 0, 1) / 255.0
            x[0, 3:5] = ray_maps(WIDTH, HEIGHT, FOCAL, float(pose[4]))
            tilts.append(abs(float(model(torch.from_numpy(_level(x)))[3]) - pose[4]))
            out, parts, themes, _ = model(torch.from_numpy(x))
            known = shown["label"] != UNKNOWN
            errors.append(np.abs(out[0].numpy() + np.log(shown["depth"]))[known].ravel())
            parts_right.append((parts[0].argmax(0).numpy() == shown["label"] & 7)[known])
            themes_right.append((themes[0].argmax(0).numpy() == shown["label"] >> 3)[known])
        sim.close()
    every = np.concatenate(errors)
    return {"tilt_error_deg": round(float(np.degrees(np.median(tilts))), 2),
            "depth_error_median": round(float(np.median(every)), 4),
            "depth_error_p90": round(float(np.quantile(every, 0.9)), 4),
            "parts": round(float(np.concatenate(parts_right).mean()), 4),
            "themes": round(float(np.concatenate(themes_right).mean()), 4)}
