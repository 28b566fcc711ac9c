"""Training of the lip judge, on faces of all styles that no model is trained or measured on.

    python -m gwm_core.training.lip_judge DIR record      cuts of drawn and of moved faces
    python -m gwm_core.training.lip_judge DIR train       the judge and its scores

A third of the faces are portraits that the rig moves, the others the simulator's own drawings.
Each face is one file, written whole or not at all: recording goes on where it was stopped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..avatars.character import Character
from ..avatars.landmarks import face_height
from ..avatars.rig import Rig
from ..evaluation.avatars.lip_sight import cut_of, follow
from ..evaluation.avatars.points import mouth_numbers
from ..evaluation.judges.lips import SIDE, LipJudge
from ..evaluation.judges.sync import SPREAD
from ..noise import rng
from .face_judge import Say, command, fit_judge, recoloured
from .fit import Plan

FIRST = 6_000_000
MARGIN = 4
"""Pixels around a cut, by which it is shifted in training."""
POSES = 14
SIZES = (128, 160, 192)
FLUTTER = 0.012
"""Spread of what a reader errs on eyes and nose, in face heights."""
HELD = 10
"""Every tenth face scores and is not learnt from."""
WEIGHT = (3.0, 1.5, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Of each number of MOUTH: how far the lips are open counts most."""


def record(folder: Path, faces: int, say: Say) -> None:
    """One file a face: frames u8 [POSES, S, S, 3], rest u8 [S, S, 3], numbers [POSES, 8]."""
    from ..simulators.faces.faces import HELD_STYLES, STYLES, Face
    from ..simulators.faces.poses import random_motion

    folder.mkdir(parents=True, exist_ok=True)
    for k in range(faces):
        path = folder / f"face_{k:05d}.npz"
        if path.is_file():
            continue
        draw = rng(FIRST + k, "lip judge")
        known = HELD_STYLES if draw.random() < 0.3 else STYLES
        style = str(known[int(draw.integers(len(known)))])
        face, size = Face(FIRST + k, style=style, split="judge"), int(draw.choice(SIZES))
        motion = np.stack([random_motion(draw) for _ in range(POSES)])
        portrait, rest = face.draw(np.zeros_like(motion[0]), size=size)
        if k % 3 == 2:
            rig = Rig(Character(portrait, rest), size=size)
            frames = [rig.draw(row, rest=0.0) for row in motion]
            points = np.stack([rig.points(row, rest=0.0) for row in motion])
        else:
            frames = [face.draw(row, size=size)[0] for row in motion]
            points = np.stack([face.points(row, size) for row in motion])
        wide = (SIDE + 2 * MARGIN) / SIDE
        noise = FLUTTER * float(face_height(rest))
        about = points + draw.normal(0, noise, points.shape)
        near = rest + draw.normal(0, noise / 2, rest.shape)
        crop = cut_of(near, wide)
        cuts = [c.cut(f, SIDE + 2 * MARGIN)
                for c, f in zip(follow(crop, about, near), frames, strict=True)]
        part = folder / f".part-{path.name}"
        np.savez(part, frames=np.stack(cuts), rest=crop.cut(portrait, SIDE + 2 * MARGIN),
                 numbers=mouth_numbers(points, rest), style=style, rig=k % 3 == 2)
        part.replace(path)
        if k % 50 == 0:
            say(f"face {k + 1} of {faces}")


def load(folder: Path) -> tuple[dict, dict]:
    """All faces: (to learn from, to score on), each frames, rest, numbers, held style, rig."""
    parts: dict[bool, dict[str, list]] = {False: {}, True: {}}
    for path in sorted(folder.glob("face_*.npz")):
        with np.load(path) as file:
            row = {k: file[k] for k in file.files}
        into = parts[int(path.stem.split("_")[1]) % HELD == 0]
        for key in ("frames", "rest", "numbers", "style", "rig"):
            into.setdefault(key, []).append(row[key])
    return tuple({k: np.stack(v) for k, v in parts[held].items()} for held in (False, True))


def batch_of(data: dict, count: int, draw: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """frame, rest float [B, 3, 48, 48] and numbers [B, 8], shifted, mirrored and recoloured."""
    frames, rests, numbers = [], [], []
    for _ in range(count):
        i, j = int(draw.integers(len(data["rest"]))), int(draw.integers(POSES))
        y, x = (int(v) for v in draw.integers(0, 2 * MARGIN + 1, 2))
        v, u = (int(np.clip(a + b, 0, 2 * MARGIN)) for a, b in
                zip((y, x), draw.integers(-1, 2, 2), strict=True))
        frame = data["frames"][i, j][y: y + SIDE, x: x + SIDE].astype(np.float32)
        rest = data["rest"][i][v: v + SIDE, u: u + SIDE].astype(np.float32)
        told = data["numbers"][i, j].copy()
        if draw.random() < 0.5:
            frame, rest = frame[:, ::-1], rest[:, ::-1]
            told[[1, 2]] = told[[2, 1]]
        frame, rest = recoloured(frame, rest, draw)
        frames.append(frame)
        rests.append(rest)
        numbers.append(told)
    stack = [torch.from_numpy(np.stack(v)).float() for v in (frames, rests, numbers)]
    return stack[0], stack[1], stack[2]


def train(folder: Path, steps: int, say: Say, seed: int = 0, batch: int = 48) -> dict:
    """Train, and store the judge; its scores on faces that it did not see. Resumable."""
    data, held = load(folder)
    torch.manual_seed(seed)
    judge, spread, weight = LipJudge().train(), torch.tensor(SPREAD), torch.tensor(WEIGHT)

    def loss(step: int) -> Tensor:
        frame, rest, numbers = batch_of(data, batch, rng(seed, "lip judge", step))
        wrong = F.smooth_l1_loss(judge(frame, rest), numbers / spread, reduction="none", beta=0.3)
        return (wrong * weight).mean()

    return fit_judge(judge, "lips", ("mouth", SIDE), Plan(steps, 2e-3, clip=2.0), folder, seed,
                     loss, lambda net: scores(net, held), {"faces": len(data["rest"])}, say)


@torch.inference_mode()
def scores(judge: LipJudge, held: dict) -> dict[str, float]:
    """Of the opening: r and mean error (face heights), by style known or held, drawn or moved."""
    inner = slice(MARGIN, MARGIN + SIDE)
    told, true, styles, moved = [], [], [], []
    for i in range(len(held["rest"])):
        frame = torch.from_numpy(held["frames"][i][:, inner, inner]).permute(0, 3, 1, 2)
        rest = torch.from_numpy(held["rest"][i][inner, inner]).permute(2, 0, 1)[None]
        told.append(judge(frame, rest.expand_as(frame)).numpy()[:, 0] * SPREAD[0])
        true.append(held["numbers"][i][:, 0])
        styles.append(str(held["style"][i]))
        moved.append(bool(held["rig"][i]))
    told_, true_ = np.array(told), np.array(true)
    ink = np.array([s == "ink" for s in styles])
    out = {}
    for name, where in (("known", ~ink), ("held", ink), ("rig", np.array(moved)),
                        ("drawn", ~np.array(moved))):
        if where.any():
            a, b = told_[where].ravel(), true_[where].ravel()
            out[f"r {name}"] = round(float(np.corrcoef(a, b)[0, 1]), 4)
            out[f"error {name}"] = round(float(np.abs(a - b).mean()), 4)
    return out


if __name__ == "__main__":
    command(__doc__, record, train, {"faces": 600})
