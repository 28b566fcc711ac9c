"""Trains the finder on rendered frames: targets from the simulator's body map, one command.

Frames are a folder of .npz shards with rgb [n,H,W,3] u8, depth [n,H,W] f16, pose [n,5], bodies
(kind, pos, yaw, size; [n,N,...]), body_map and material [n,H,W] u8 (255: no material).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from ..bodies import BOX, DOOR, EMPTY, middle
from ..finding import THRESHOLD, View, surface_depth
from ..model.finder import CELL, CHANNELS, HEAD, MATERIAL_CELL, TYPICAL, FinderNet, finder_input
from .finder_data import material_table
from .record import load_episode

SEEN_PIXELS = 14
NOTHING = 255


def slot_target(kind, pos, yaw, size, seen_uv, depth, view: View) -> np.ndarray:
    """Channels [16] of the cell that holds `seen_uv` (pixels); heat is left 0."""
    out = np.zeros(CHANNELS, np.float32)
    cell = np.floor(np.asarray(seen_uv) / CELL) + 0.5
    centre = middle(kind, pos, yaw, size)
    u, v, z = view.project(centre)
    out[HEAD["seen"]] = np.asarray(seen_uv) / CELL - cell
    out[HEAD["centre"]] = np.array([u, v]) / CELL - cell
    out[HEAD["behind"]] = z - surface_depth(depth, *seen_uv)
    out[HEAD["size"]] = np.log(np.asarray(size) / TYPICAL)
    bearing = math.atan2(centre[1] - view.eye[1], centre[0] - view.eye[0])
    turn = yaw - bearing
    out[HEAD["turn4"]] = math.cos(4 * turn), math.sin(4 * turn)
    out[HEAD["turn2"]] = math.cos(2 * turn), math.sin(2 * turn)
    out[HEAD["hinge"]] = float(math.sin(turn) < 0)
    return out


def frame_targets(depth, pose, bodies: dict, body_map, material, fov_deg: float = 60.0) -> dict:
    """Targets of one frame: cells [16,h,w], has [3,h,w], ignore [h,w], mask, material."""
    height, width = depth.shape
    view = View(pose, width, height, fov_deg)
    h, w = height // CELL, width // CELL
    cells = np.zeros((CHANNELS, h, w), np.float32)
    has = np.zeros((3, h, w), np.float32)
    heat = np.zeros((3, h, w), np.float32)
    yy, xx = np.mgrid[0:h, 0:w]
    for i in np.nonzero(bodies["kind"] != EMPTY)[0]:
        rows, cols = np.nonzero(body_map == i + 1)
        kind = int(bodies["kind"][i])
        if len(rows) < SEEN_PIXELS:
            continue
        middle_px = np.array([np.median(cols) + 0.5, np.median(rows) + 0.5])
        nearest = np.argmin((cols + 0.5 - middle_px[0]) ** 2 + (rows + 0.5 - middle_px[1]) ** 2)
        seen = np.array([cols[nearest] + 0.5, rows[nearest] + 0.5])
        target = slot_target(kind, bodies["pos"][i], float(bodies["yaw"][i]), bodies["size"][i],
                             seen, depth, view)
        if np.abs(target[HEAD["centre"]]).max() > 10 or abs(target[HEAD["behind"]][0]) > 1.5:
            continue
        c, r = int(seen[0] // CELL), int(seen[1] // CELL)
        spread = max(0.6, math.sqrt(len(rows)) / CELL / 4)
        bump = np.exp(-((xx - c) ** 2 + (yy - r) ** 2) / (2 * spread**2))
        heat[kind - 1] = np.maximum(heat[kind - 1], bump)
        cells[3:, r, c] = target[3:]
        has[kind - 1, r, c] = 1
    cells[HEAD["heat"]] = heat
    m = material.reshape(height // MATERIAL_CELL, MATERIAL_CELL, -1, MATERIAL_CELL)
    m = m.transpose(0, 2, 1, 3).reshape(height // MATERIAL_CELL, width // MATERIAL_CELL, -1)
    count = (m[..., None] == np.arange(6)).sum(2)
    label = np.where(count.sum(-1) > 40, count.argmax(-1), NOTHING).astype(np.uint8)
    return {"cells": cells, "has": has, "mask": (body_map > 0), "material": label}


def loss_of(out: dict, target: dict) -> tuple[torch.Tensor, dict]:
    """Focal heat, smooth-L1 slots, balanced mask and material cross-entropy."""
    cells, goal, has = out["cells"], target["cells"], target["has"]
    logit, heat = cells[:, HEAD["heat"]], goal[:, HEAD["heat"]]
    p = logit.sigmoid()
    pos = has * (1 - p) ** 2 * F.logsigmoid(logit)
    neg = (1 - has) * (1 - heat) ** 4 * p**2 * F.logsigmoid(-logit)
    count = has.sum().clamp(min=1)
    focal = -(pos.sum() + neg.sum()) / count
    here = has.amax(1, keepdim=True)
    box, door = has[:, BOX - 1 : BOX], has[:, DOOR - 1 : DOOR]

    def slot(name, where, weight):
        d = F.smooth_l1_loss(cells[:, HEAD[name]], goal[:, HEAD[name]], reduction="none", beta=0.1)
        return weight * (d * where).sum() / where.sum().clamp(min=1)

    slots = (slot("seen", here, 1.0) + slot("centre", here, 1.0) + slot("behind", here, 4.0)
             + slot("size", here, 1.0) + slot("turn4", box, 0.5) + slot("turn2", door, 1.0))
    hinge = F.binary_cross_entropy_with_logits(
        cells[:, HEAD["hinge"]], goal[:, HEAD["hinge"]], reduction="none")
    slots = slots + 0.5 * (hinge * door).sum() / door.sum().clamp(min=1)
    mask = F.binary_cross_entropy_with_logits(
        out["mask"][:, 0], target["mask"], pos_weight=torch.tensor(3.0))
    material = F.cross_entropy(out["material"], target["material"], ignore_index=NOTHING)
    parts = {"heat": focal, "slots": slots, "mask": mask, "material": material}
    return focal + slots + 4 * mask + 0.5 * material, parts


def episode_frames(path, count: int) -> dict[str, np.ndarray]:
    """`count` frames of a recorded episode in the form of this module's shards.

    Frames that show something movable are preferred, spread over the episode.
    """
    one = load_episode(path, ("rgb", "depth", "pose", "body_map", "label", "bodies_kind",
                              "bodies_pos", "bodies_yaw", "body_size"))
    flat = {k: v.reshape(-1, *v.shape[2:]) for k, v in one.items()
            if isinstance(v, np.ndarray) and k != "body_size"}
    shown = (flat["body_map"] > 0).mean((1, 2)) + 1e-4 * np.arange(len(flat["rgb"]))[::-1] % 1e-3
    blocks = np.array_split(np.arange(len(shown)), count)
    pick = np.array([block[np.argmax(shown[block])] for block in blocks if len(block)])
    out = {k: flat[k][pick] for k in ("rgb", "depth", "pose", "body_map")}
    out["material"] = material_table()[flat["label"][pick]]
    out |= {f"body_{k}": flat[f"bodies_{k}"][pick] for k in ("kind", "pos", "yaw")}
    out["body_size"] = np.repeat(one["body_size"][None], len(pick), 0)
    return out


def load_frames(folders, per_episode: int = 16) -> dict:
    """All shards of some folders with their targets, in memory; recorded episodes count too."""
    store: dict[str, list] = {}
    paths = [p for f in folders for p in sorted(Path(f).glob("[0-9t]*.npz"))
             if not p.name.endswith(".part.npz")]
    for path in paths:
        if path.name.startswith("train_"):
            data = episode_frames(path, per_episode)
        else:
            with np.load(path) as file:
                data = {k: file[k] for k in file.files}
        bodies = {k: data[f"body_{k}"] for k in ("kind", "pos", "yaw", "size")}
        for j, depth in enumerate(data["depth"].astype(np.float32)):
            t = frame_targets(depth, data["pose"][j], {k: v[j] for k, v in bodies.items()},
                              data["body_map"][j], data["material"][j])
            for k, v in t.items():
                store.setdefault(k, []).append(v)
        for k in ("rgb", "depth"):
            store.setdefault(k, []).extend(data[k])
    if not store:
        raise ValueError(f"finder training: no shards in {list(folders)}")
    return {k: np.stack(v) for k, v in store.items()}


def mirrored(rgb, depth, target: dict):
    """The whole batch seen in a mirror."""
    target = {k: np.ascontiguousarray(np.flip(v, -1)) for k, v in target.items()}
    cells = target["cells"] = target["cells"].copy()
    for name in ("seen", "centre"):
        cells[:, HEAD[name].start] *= -1
    for name in ("turn4", "turn2"):
        cells[:, HEAD[name].start + 1] *= -1
    cells[:, HEAD["hinge"]] = target["has"][:, DOOR - 1 : DOOR] * (1 - cells[:, HEAD["hinge"]])
    return rgb[:, :, ::-1], depth[:, :, ::-1], target


def batch_of(data: dict, index, rng) -> tuple[torch.Tensor, dict]:
    """A training batch, half of them mirrored, with noise on colour, exposure and depth."""
    rgb, depth = data["rgb"][index].astype(np.float32), data["depth"][index].astype(np.float32)
    target = {k: data[k][index] for k in ("cells", "has", "mask", "material")}
    if rng.random() < 0.5:
        rgb, depth, target = mirrored(rgb, depth, target)
    n, _, w, _ = rgb.shape
    gain = rng.uniform(0.75, 1.25, (n, 1, 1, 1)) * rng.uniform(0.93, 1.07, (n, 1, 1, 3))
    grain = np.resize(rng.normal(0, 1, 10007).astype(np.float32), rgb.shape[1:])
    rgb = np.clip(rgb * gain.astype(np.float32) + 3 * np.roll(grain, int(rng.integers(w)), 1),
                  0, 255)
    depth = depth * (1 + 0.01 * grain[..., 0])
    depth *= rng.uniform(0.97, 1.03, (n, 1, 1)).astype(np.float32)
    x = finder_input(rgb, depth)
    target = {k: torch.from_numpy(v) for k, v in target.items()}
    target["mask"], target["material"] = target["mask"].float(), target["material"].long()
    return x.to(memory_format=torch.channels_last), target


def train(data_dir, out, steps: int = 900, resume: bool = True, seed: int = 0, batch: int = 16,
          width: int = 24, log_every: int = 50) -> dict:
    """Trains and writes `out` (safetensors); resumes from `out` + '.resume' where there is one."""
    torch.manual_seed(seed)
    data = load_frames([data_dir] if isinstance(data_dir, str | Path) else data_dir)
    net = FinderNet(width).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.01)
    out, start = Path(out), 0
    checkpoint = out.with_suffix(".resume")
    if resume and checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(kept["net"])
        optimiser.load_state_dict(kept["optimiser"])
        start = kept["step"]
    shown = 0.3 + np.minimum(data["has"].sum((1, 2, 3)), 3)
    share = np.cumsum(shown / shown.sum())
    began, totals = time.time(), {}
    for step in range(start, steps):
        rate = 2e-3 * min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate + 1e-5
        rng = np.random.Generator(np.random.Philox(key=[seed, step]))
        index = np.searchsorted(share, rng.random(batch)).clip(max=len(share) - 1)
        x, target = batch_of(data, index, rng)
        loss, parts = loss_of(net(x), target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        for k, v in parts.items():
            totals[k] = totals.get(k, 0.0) + float(v.detach())
        if (step + 1) % log_every == 0:
            shown = " ".join(f"{k} {v / log_every:.4f}" for k, v in totals.items())
            print(f"finder {step + 1}/{steps} {shown} {time.time() - began:.0f} s", flush=True)
            totals = {}
        if (step + 1) % 250 == 0 or step + 1 == steps:
            torch.save({"net": net.state_dict(), "optimiser": optimiser.state_dict(),
                        "step": step + 1}, checkpoint)
            save(net, out)
    save(net, out)
    return {"steps": steps, "seconds": time.time() - began, "frames": len(data["rgb"])}


def save(net: FinderNet, out: Path) -> None:
    """fp16 tensors with the metadata that Finder.from_tensors needs."""
    tensors = {k: v.detach().half().contiguous() for k, v in net.state_dict().items()}
    config = {"width": net.width, "threshold": THRESHOLD}
    save_file(tensors, str(out), metadata={"finder": json.dumps(config)})


def load(path) -> FinderNet:
    """The net of a file that `save` wrote."""
    tensors = load_file(str(path))
    net = FinderNet(tensors["stem.0.bias"].shape[0])
    net.load_state_dict({k: v.float() for k, v in tensors.items()})
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("data", nargs="+")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(json.dumps(train(args.data, args.out, args.steps, seed=args.seed)))


if __name__ == "__main__":
    main()
