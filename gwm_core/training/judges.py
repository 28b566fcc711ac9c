"""Training of the evaluation's judges, on layouts that no model is trained or measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..evaluation.judges import load_judge, save_judge
from ..evaluation.judges.blocks import to_input
from ..evaluation.judges.inverse import KEYS, MIRRORED, InverseJudge, mirrored, motion
from ..evaluation.judges.scene import SceneJudge
from ..simulators.rooms.catalogue import THEMES
from .record import load_episode, read, record_set, relight_episode

LAYOUTS, TICKS = 110, 36
HELD = 14
"""The last layouts of the judges' range score them."""


def record_data(folder: Path, workers: int = 1, report=print) -> None:
    """The judges' own episodes (resumable)."""
    record_set(folder, "judge", LAYOUTS, TICKS, render=True, sound=False, workers=workers,
               report=report)


# ------------------------------------------------------------------ what was pressed
def inverse_targets(episode: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(keys that had an effect [T, 7], keys not held [T, 7], look in 10 degrees [T, 2])."""
    from ..evaluation.worlds.cases import Case
    from ..evaluation.worlds.control import effective

    bodies = [{k: episode[f"first_bodies_{k}"] for k in ("kind", "vel", "id")}]
    for t in range(len(episode["controls"])):
        bodies += [{k: episode[f"bodies_{k}"][t, f] for k in ("kind", "vel", "id")}
                   for f in range(2)]
    poses = np.concatenate([episode["first_pose"][None], episode["pose"].reshape(-1, 5)])
    case = Case(0, None, None, poses, episode["controls"], 0, bodies, None, None, [])
    held = episode["controls"][:, :7] > 0.5
    return effective(case), ~held, episode["controls"][:, 7:9] / 10


def _frames(episode: dict) -> np.ndarray:
    size = episode["rgb"].shape[-3:]
    return np.concatenate([episode["first_rgb"][None], episode["rgb"].reshape(-1, *size)])


def inverse_set(folder: Path) -> tuple[list, list]:
    """Motion features (float16) and targets per episode, and their layout seeds."""
    rows, seeds = [], []
    for episode in read(folder):
        features = motion(to_input(_frames(episode))).half()
        rows.append((features, *(torch.from_numpy(np.ascontiguousarray(v))
                                 for v in inverse_targets(episode))))
        seeds.append(episode["layout_seed"])
    return rows, seeds


def train_inverse(folder: Path, steps: int = 1500, batch: int = 48, seed: int = 0,
                  report=print) -> dict:
    """Train and store the inverse-dynamics judge; returns its scores on held-back layouts."""
    torch.manual_seed(seed)
    rows, seeds = inverse_set(folder)
    cut = sorted(set(seeds))[-HELD]
    train = [r for r, s in zip(rows, seeds, strict=True) if s < cut]
    held = [r for r, s in zip(rows, seeds, strict=True) if s >= cut]
    x, pos, neg, look = (torch.cat([r[i] for r in train]) for i in range(4))
    # Rare keys are drawn more often, so that every batch holds some of each.
    share = pos.float().mean(0).clamp(min=1e-3)
    rarity = 0.3 + (pos.float() * (0.12 / share).clamp(max=30)).sum(1)
    model = InverseJudge()
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    order = torch.tensor(MIRRORED)
    for step in range(steps):
        i = torch.multinomial(rarity, batch, generator=generator)
        features, hit, free, turn = x[i].float(), pos[i], neg[i], look[i].clone()
        if bool(torch.randint(2, (1,), generator=generator)):
            features, hit, free = mirrored(features), hit[:, order], free[:, order]
            turn[:, 0] *= -1
        features = features + torch.randn(features.shape, generator=generator) * 0.03
        keys, seen = model(features)
        valid = (hit | free).float()
        loss = (F.binary_cross_entropy_with_logits(keys, hit.float(), reduction="none")
                * valid).mean() + F.smooth_l1_loss(seen, turn)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            report(f"inverse judge {step}/{steps}: loss {loss.item():.4f}")
    scores = _score_inverse(model.eval(), held)
    save_judge("inverse", model, scores)
    return scores


@torch.no_grad()
def _score_inverse(model: InverseJudge, held: list) -> dict:
    p, turn = [], []
    for features, *_ in held:
        keys, look = model(features.float())
        p.append(keys.sigmoid())
        turn.append(look)
    p, turn = torch.cat(p), torch.cat(turn)
    pos, neg, look = (torch.cat([r[i] for r in held]) for i in (1, 2, 3))
    scores = {}
    for k, name in enumerate(KEYS):
        if pos[:, k].any():
            scores[name] = float(((p[pos[:, k], k] > 0.5).float().mean()
                                  + (p[neg[:, k], k] <= 0.5).float().mean()) / 2)
    scores["turn_r"] = float(np.corrcoef(turn[:, 0], look[:, 0])[0, 1])
    return scores


# ------------------------------------------------------------------ what is to be seen
def scene_set(folder: Path, seed: int = 0, every: int = 3):
    """Pictures in all lights with labels: x u8 [N, 3, 80, 128], label u8 [N, 20, 32], light
    [N, 3], ball f16 [N, 20, 32] (a Gaussian at each ball's centre), boxes bool [N], seeds."""
    generator = np.random.default_rng(seed)
    xs, labels, lights, balls, boxes, seeds = [], [], [], [], [], []
    from .record import episodes

    for path in episodes(folder):
        episode = load_episode(path)
        source = episode["condition"]["index"]
        ticks = np.arange(int(generator.integers(every)), len(episode["controls"]), every)
        for t in ticks:
            condition = source
            if source % 3 == 0 and generator.random() < 0.8:
                condition = int(generator.integers(18))
                rgb = relight_episode(episode, condition, int(t))[0, 1]
            else:
                rgb = episode["rgb"][t, 1]
            xs.append(((to_input(rgb[None]) + 1) * 127.5).round().to(torch.uint8))
            label = episode["label"][t, 1]
            labels.append(label[4::8, 4::8])
            lights.append((condition // 6, condition // 3 % 2, condition % 3))
            ball, box = thing_maps(episode, t)
            balls.append(ball)
            boxes.append(box)
            seeds.append(episode["layout_seed"])
    return (torch.cat(xs), torch.from_numpy(np.stack(labels)), torch.tensor(lights),
            torch.from_numpy(np.stack(balls)), torch.tensor(boxes), np.array(seeds))


def thing_maps(episode: dict, t: int) -> tuple[np.ndarray, bool]:
    """Heat map [20, 32] of ball centres seen in the second frame of tick t; boxes in view."""
    body = episode["body_map"][t, 1]
    heat = np.zeros((20, 32), np.float16)
    box = False
    yy, xx = np.mgrid[0:20, 0:32]
    for slot in np.unique(body[body > 0]) - 1:
        where = body == slot + 1
        if where.sum() < 12:
            continue
        kind = episode["bodies_kind"][t, 1, slot]
        box |= kind == 2
        if kind == 1:
            rows, cols = np.nonzero(where)
            y, x = rows.mean() / 8, cols.mean() / 8
            heat = np.maximum(heat, np.exp(-((yy + .5 - y) ** 2 + (xx + .5 - x) ** 2) / 1.3))
    return heat.astype(np.float16), bool(box)


def train_scene(folder: Path, steps: int = 2800, batch: int = 24, seed: int = 0,
                go_on: bool = False, report=print) -> dict:
    """Train and store the scene judge; returns its scores on held-back layouts.

    go_on: begin with the stored judge instead of a new one.
    """
    torch.manual_seed(seed)
    x, label, light, ball, box, seeds = scene_set(folder, seed)
    cut = sorted(set(seeds.tolist()))[-HELD]
    train = torch.from_numpy(np.flatnonzero(seeds < cut))
    held = torch.from_numpy(np.flatnonzero(seeds >= cut))
    model = SceneJudge(len(THEMES))
    if go_on:
        model = load_judge("scene", model)[0].train()
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        i = train[torch.randint(len(train), (batch,), generator=generator)]
        frames = x[i].float() / 127.5 - 1
        mirror = bool(torch.randint(2, (1,), generator=generator))
        y, heat = label[i].long(), ball[i].float()
        if mirror:
            frames, y, heat = frames.flip(-1), y.flip(-1), heat.flip(-1)
        out = model(frames)
        known = torch.where(y == 255, torch.full_like(y, -100), y)
        loss = F.cross_entropy(out["label"], known)
        loss = loss + 0.5 * F.cross_entropy(out["theme"], _main_theme(known))
        for k, name in enumerate(("time", "lamps", "fog")):
            loss = loss + 0.5 * F.cross_entropy(out[name], light[i, k])
        loss = loss + 0.5 * F.binary_cross_entropy_with_logits(out["boxes"], box[i].float())
        heat_loss = F.binary_cross_entropy_with_logits(out["ball"], heat, reduction="none")
        loss = loss + 4 * (heat_loss * (1 + 30 * heat)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            report(f"scene judge {step}/{steps}: loss {loss.item():.4f}")
    scores = _score_scene(model.eval(), x[held], label[held], light[held], ball[held], box[held])
    save_judge("scene", model, scores)
    return scores


def _main_theme(label: torch.Tensor) -> torch.Tensor:
    """Commonest theme [N] of labels [N, h, w] (negative: unknown)."""
    theme = torch.where(label < 0, torch.full_like(label, len(THEMES) * 8), label) // 8
    counts = F.one_hot(theme.flatten(1), len(THEMES) + 1).sum(1)
    return counts[:, :len(THEMES)].argmax(1)


@torch.no_grad()
def _score_scene(model: SceneJudge, x, label, light, ball, box) -> dict:
    frames = (x.permute(0, 2, 3, 1)).numpy()
    seen = model.read(frames)
    known = label.numpy() != 255
    theme = (seen["label"] // 8 == label.numpy() // 8)[known].mean()
    marked = torch.where(label == 255, -100, label.long())
    scores = {"theme": float((seen["theme"] == _main_theme(marked).numpy()).mean()),
              "theme_by_cell": float(theme),
              "label_by_cell": float((seen["label"] == label.numpy())[known].mean())}
    for k, name in enumerate(("time", "lamps", "fog")):
        scores[name] = float((seen[name] == light[:, k].numpy()).mean())
    has = ball.numpy().max((1, 2)) > 0.5
    scores["ball_in_view"] = float(((seen["ball"].max((1, 2)) > 0.5) == has).mean())
    scores["box_in_view"] = float(((seen["boxes"] > 0.5) == box.numpy()).mean())
    return scores
