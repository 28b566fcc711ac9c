"""Trains the state nets, one body kind after the other, from rows of `state_data`.

Targets are what the physics guides miss, in each token's own frame, where their gates are open.
Rows are mirrored at random; clearances get some noise and unknown sectors, velocities noise, so
that play from seen depth meets nothing new. Resumable and deterministic.
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

from ..model.body_tokens import INPUTS, MIRROR
from ..model.state import OUT, OUTPUTS, SCALE_POS, SCALE_YAW, StateNets
from ..noise import rng as noise_rng
from ..physics import DT, ball_rays
from ..rays import FAR
from ..state_inputs import ball_inputs, box_inputs, door_inputs, player_inputs, turn2
from ..state_observe import LEVEL_REACH, RAY_REACH
from .finder_data import material_table

KINDS = ("player", "ball", "box", "door")
STEPS = {"player": 3200, "ball": 3900, "box": 3900, "door": 2600}
REST_SPEED, REST_MOVE = 0.02, 0.001
# Which output columns mean something for a kind.
USED = {"player": (0, 1, 2, 3, 4, 5), "ball": (0, 1, 2, 3, 4, 5),
        "box": (0, 1, 2, 3, 4, 5, 6, 7), "door": (6, 7)}


def load_rows(folder, kind: str) -> dict[str, np.ndarray]:
    """All rows of a kind from a folder of shards."""
    parts: dict[str, list] = {}
    for path in sorted(Path(folder).glob("[0-9]*.npz")):
        if path.name.endswith(".part.npz"):
            continue
        with np.load(path) as data:
            for name in data.files:
                if name.startswith(kind + "."):
                    parts.setdefault(name.split(".", 1)[1], []).append(data[name])
    if not parts:
        raise ValueError(f"state training: no rows of kind {kind!r} in {folder}")
    return {k: np.concatenate(v) for k, v in parts.items()}


def blur(rows: dict, rng, strength: float = 1.0) -> dict:
    """Clearances as seen depth gives them: noisy, with unknown sectors; velocities a little off."""
    out = dict(rows)
    static = rows["static"].astype(np.float32)
    reach = RAY_REACH if "basis" in rows else LEVEL_REACH
    static = np.where(static >= reach, FAR, static)
    known = np.array(rows["known"])
    n, directions = known.shape
    soft = rng.random((n, 1)) * strength
    noise = rng.normal(0, 0.004, static.shape) + rng.normal(0, 0.005, static.shape) * static
    shape = (n,) + (1,) * (static.ndim - 1)
    static = np.maximum(static + (noise * soft.reshape(shape)).astype(np.float32), 0)
    lost = rng.random(n) < 0.15 * strength
    centre = rng.integers(directions, size=n)
    width = rng.integers(1, max(2, int(directions * 0.45)), size=n)
    away = np.abs((np.arange(directions)[None] - centre[:, None] + directions // 2) % directions
                  - directions // 2)
    unknown = lost[:, None] & (away < width[:, None] / 2)
    unknown |= (rng.random((n, directions)) < 0.04) & (rng.random((n, 1)) < 0.15 * strength)
    known &= ~unknown
    static = np.where(known.reshape(known.shape + (1,) * (static.ndim - 2)), static, FAR)
    out["static"], out["known"] = static, known
    vel = rows["vel"].astype(np.float64)
    out["vel"] = vel + rng.normal(0, 0.01, vel.shape) * strength * (np.abs(vel) > 1e-4)
    return out


def _wide(rows, *names):
    return [rows[name].astype(np.float64) for name in names]


def prepare(kind: str, rows: dict) -> tuple[np.ndarray, np.ndarray, dict]:
    """Tokens [B,n], corrections [B,8] wanted, and the labels (with the gate) of a batch of rows."""
    pos, vel, next_pos, next_vel, static, moving = _wide(
        rows, "pos", "vel", "next_pos", "next_vel", "static", "moving")
    n = len(pos)
    goal = np.zeros((n, 8))
    labels = {"event": rows["impact"] > 0, "force": rows["impact"].astype(np.float64),
              "rest": np.linalg.norm(next_vel, axis=1) < REST_SPEED,
              "ground": np.ones(n, bool)}
    if kind == "player":
        travel, wish, below = _wide(rows, "travel", "wish", "below")
        x, move, guide_v, gate, labels["asked"] = player_inputs(
            vel, wish, travel, rows["ground"], pos[:, 2], static, moving, rows["known"], below)
        goal[:, 0:3] = turn2(next_pos - pos, -travel) - move
        goal[:, 3:6] = (turn2(next_vel, -travel) - guide_v) * DT
        labels["ground"] = rows["next_ground"]
    elif kind == "ball":
        basis, radius = rows["basis"].astype(np.float64), rows["full"][:, 0].astype(np.float64)
        mate_pos, mate_vel = _wide(rows, "mate_pos", "mate_vel")
        x, guide_pos, guide_v, gate = ball_inputs(pos, vel, radius, basis, ball_rays(basis), static,
                                            moving, rows["known"], mate_pos, mate_vel)
        goal[:, 0:3] = np.einsum("bij,bj->bi", basis, next_pos - guide_pos)
        goal[:, 3:6] = np.einsum("bij,bj->bi", basis, next_vel - guide_v) * DT
        labels["rest"] &= np.linalg.norm(next_pos - pos, axis=1) < REST_MOVE
    elif kind == "box":
        frame, size, rate = _wide(rows, "frame", "size", "rate")
        mate_pos, mate_vel, wish = _wide(rows, "mate_pos", "mate_vel", "mate_wish")
        mate = turn2(mate_pos - pos, -frame)
        height = mate[:, 2] + size[:, 2]
        x, move, guide_v, turn, gate = box_inputs(
            turn2(vel, -frame), rate, size, static, moving, rows["known"], mate[:, :2], height,
            turn2(mate_vel, -frame)[:, :2], turn2(wish, -frame))
        goal[:, 0:3] = turn2(next_pos - pos, -frame) - move
        goal[:, 3:6] = (turn2(next_vel, -frame) - guide_v) * DT
        goal[:, 6] = rows["next_turn"] - turn * DT
        goal[:, 7] = (rows["next_rate"] - turn) * DT
        labels["rest"] &= np.abs(rows["next_rate"]) < 0.05
    else:
        side, yaw, rate = _wide(rows, "side", "yaw", "rate")
        size = rows["full"].astype(np.float64)
        mate_pos, mate_vel, wish = _wide(rows, "mate_pos", "mate_vel", "mate_wish")
        flip = np.stack([np.ones(n), side], 1)
        x, turn, guide_rate, gate = door_inputs(
            rate * side, size, turn2(mate_pos - pos, -yaw)[:, :2] * flip,
            turn2(mate_vel, -yaw)[:, :2] * flip, turn2(wish, -yaw) * flip, static, moving,
            rows["known"])
        goal[:, 6] = rows["next_turn"] * side - turn
        goal[:, 7] = (rows["next_rate"] * side - guide_rate) * DT
        labels["rest"] = np.abs(rows["next_rate"]) < 0.02
    goal[:, :6] /= SCALE_POS
    goal[:, 6:] /= SCALE_YAW
    labels["gate"] = gate
    labels.setdefault("asked", gate > 0)
    return x, goal.astype(np.float32), labels


def mirror(kind: str, x, goal, rng):
    """Half of the rows seen in a mirror (doors already turn towards the walker)."""
    if kind == "door":
        return x, goal
    index, sign = MIRROR[kind]
    which = rng.random(len(x)) < 0.5
    x, goal = x.copy(), goal.copy()
    x[which] = x[which][:, index] * sign
    goal[which] *= np.array([1, -1, 1, 1, -1, 1, -1, -1], np.float32)
    return x, goal


def importance(kind: str, rows: dict) -> np.ndarray:
    """How often each row is drawn [N], summing to 1: collisions and sounds most, rest least."""
    out = []
    for start in range(0, len(rows["pos"]), 2048):
        part = {k: v[start : start + 2048] for k, v in rows.items()}
        _, goal, labels = prepare(kind, blur(part, noise_rng(0, start, 6), 0.0))
        miss = np.abs(goal[:, list(USED[kind])]).max(1)
        w = 0.25 + np.tanh(miss / 0.5) + 0.7 * labels["event"]
        if kind != "player":
            moves = np.linalg.norm(part["next_vel"], axis=1) + np.abs(part["next_rate"])
            w = np.where(moves > 0.05, w, 0.15)
        # Free motion is the guide's own.
        w = np.where(labels["gate"] > 0, w, np.where(labels["asked"], 0.3 * w, 0.01))
        out.append(w)
    out = np.concatenate(out)
    return out / out.sum()


def loss_of(kind: str, out, goal, labels) -> torch.Tensor:
    used, gate = list(USED[kind]), labels["gate"]
    error = F.smooth_l1_loss(out[:, used] * gate[:, None], goal[:, used], reduction="none",
                             beta=0.1)
    total = (error.sum(1) * (gate > 0)).mean()
    asked = labels["asked"]
    for name, scale in (("rest", 0.1), ("event", 0.3), ("ground", 0.1)):
        bce = F.binary_cross_entropy_with_logits(out[:, OUT[name]], labels[name], weight=asked)
        total = total + scale * bce
    event = labels["event"] * asked
    force = F.smooth_l1_loss(out[:, OUT["force"]], labels["force"], reduction="none")
    return total + 0.5 * (force * event).sum() / event.sum().clamp(min=1)


def train(data_dir, out, steps: dict[str, int] | None = None, resume: bool = True, seed: int = 0,
          batch: int = 320, rate: float = 2e-3, average: float = 0.998) -> dict:
    """Trains the kinds in turn and writes `out` (safetensors); resumes from its .resume file."""
    steps = steps or dict(STEPS)
    torch.manual_seed(seed)
    nets = StateNets(INPUTS)
    out = Path(out)
    checkpoint = out.with_suffix(".resume")
    done: dict[str, int] = dict.fromkeys(KINDS, 0)
    kept = {}
    if resume and checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        nets.load_state_dict(kept["nets"])
        done |= kept["done"]
    began = time.time()
    for kind in KINDS:
        if done[kind] >= steps.get(kind, 0):
            continue
        rows = load_rows(data_dir, kind)
        net = getattr(nets, kind)
        mean = {k: v.detach().clone() for k, v in net.state_dict().items()}
        optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01)
        if done[kind] and kept.get("kind") == kind:
            net.load_state_dict(kept["raw"])
            optimiser.load_state_dict(kept["optimiser"])
            mean = kept["mean"]
        total, count = 0.0, len(rows["pos"])
        share = np.cumsum(importance(kind, rows))
        for step in range(done[kind], steps[kind]):
            r = noise_rng(seed, step, KINDS.index(kind), 5)
            lr = rate * min(1, (step + 1) / 100) * (
                0.5 + 0.5 * math.cos(math.pi * step / steps[kind])) + 1e-5
            for group in optimiser.param_groups:
                group["lr"] = lr
            index = np.searchsorted(share, r.random(batch)).clip(max=count - 1)
            some = blur({k: v[index] for k, v in rows.items()}, r)
            x, goal, labels = prepare(kind, some)
            x, goal = mirror(kind, x, goal, r)
            labels = {k: torch.from_numpy(np.asarray(v, np.float32)) for k, v in labels.items()}
            goal = torch.from_numpy(np.clip(goal, -30, 30))
            loss = loss_of(kind, net(torch.from_numpy(x)), goal, labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimiser.step()
            blend = min(average, step / (step + 50))
            with torch.no_grad():
                for k, v in net.state_dict().items():
                    mean[k].lerp_(v, 1 - blend)
            total += float(loss.detach())
            if (step + 1) % 100 == 0:
                print(f"{kind} {step + 1}/{steps[kind]} loss {total / 100:.4f} rows {count} "
                      f"{time.time() - began:.0f} s", flush=True)
                total = 0.0
            if (step + 1) % 500 == 0 or step + 1 == steps[kind]:
                raw = {k: v.detach().clone() for k, v in net.state_dict().items()}
                net.load_state_dict(mean)
                done[kind] = step + 1
                torch.save({"nets": nets.state_dict(), "done": done, "kind": kind, "raw": raw,
                            "mean": mean, "optimiser": optimiser.state_dict()}, checkpoint)
                save(nets, out)
                if step + 1 < steps[kind]:
                    net.load_state_dict(raw)
    return {"seconds": time.time() - began, "steps": steps}


def save(nets: StateNets, out) -> None:
    """fp16 tensors with the metadata that StateModel.from_tensors needs."""
    tensors = {k: v.detach().half().contiguous() for k, v in nets.state_dict().items()}
    config = {"inputs": nets.inputs, "widths": nets.widths, "outputs": OUTPUTS,
              "materials": material_table().tolist()}
    save_file(tensors, str(out), metadata={"state": json.dumps(config)})


def load(path) -> StateNets:
    """The nets of a file that `save` wrote."""
    nets = StateNets(INPUTS)
    nets.load_state_dict({k: v.float() for k, v in load_file(str(path)).items()})
    return nets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the default steps")
    args = parser.parse_args()
    steps = dict(STEPS)
    steps = {k: int(v * args.scale) for k, v in steps.items()}
    print(json.dumps(train(args.data, args.out, steps, seed=args.seed)))


if __name__ == "__main__":
    main()
