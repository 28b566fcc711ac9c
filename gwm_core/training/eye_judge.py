"""Training of the eye judge, on faces of all styles that no model is trained or measured on.

    python -m gwm_core.training.eye_judge DIR record      cuts of drawn eyes
    python -m gwm_core.training.eye_judge DIR train       the judge and its scores

Every face is the simulator's own drawing. Each is one file, written whole or not at all: recording
goes on where it was stopped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..avatars.landmarks import face_height
from ..avatars.motion import INDEX
from ..evaluation.avatars.eye_sight import SIDES, as_left, cut_of
from ..evaluation.avatars.lip_sight import follow
from ..evaluation.judges.eyes import SIDE, EyeJudge
from ..noise import rng
from .face_judge import Say, command, fit_judge, recoloured
from .fit import Plan

FIRST = 6_500_000
MARGIN = 3
"""Pixels around a cut, by which it is shifted in training."""
POSES = 12
SIZES = (128, 160, 192)
FLUTTER = 0.012
"""Spread of what a reader errs on eyes and nose, in face heights."""
BLINKS = 0.6
"""Share of the poses whose lids are moved: open and shut are the usual ones."""
HELD = 10
"""Every tenth face scores and is not learnt from."""
SHUT = 0.5
"""Where a score counts an eye as shut."""
EYES = [INDEX[name] for name in ("blink_left", "gaze_x", "gaze_y")]
GAZE = 0.5
"""Weight of an open eye's gaze beside how far it is shut."""


def moment(draw: np.random.Generator) -> np.ndarray:
    """float32 [24]: a face at some moment, its lids open, shut or between."""
    from ..simulators.faces.poses import random_motion

    motion = random_motion(draw)
    shut = float(draw.beta(0.5, 0.5)) if draw.random() < BLINKS else 0.0
    motion[[INDEX["blink_left"], INDEX["blink_right"]]] = shut
    return motion


def record(folder: Path, faces: int, say: Say) -> None:
    """One file a face: frames u8 [POSES, 2, S, S, 3] of both eyes as left ones, rest u8
    [2, S, S, 3], eyes f32 [POSES, 3]: how far shut, gaze to the right and up."""
    from ..simulators.faces.faces import HELD_STYLES, STYLES, Face

    folder.mkdir(parents=True, exist_ok=True)
    wide = (SIDE + 2 * MARGIN) / SIDE
    for k in range(faces):
        path = folder / f"face_{k:05d}.npz"
        if path.is_file():
            continue
        draw = rng(FIRST + k, "lid judge")
        known = HELD_STYLES if draw.random() < 0.3 else STYLES
        style = str(known[int(draw.integers(len(known)))])
        face, size = Face(FIRST + k, style=style, split="judge"), int(draw.choice(SIZES))
        motion = np.stack([moment(draw) for _ in range(POSES)])
        portrait, rest = face.draw(np.zeros_like(motion[0]), size=size)
        drawn = [face.draw(row, size=size) for row in motion]
        points = np.stack([at for _, at in drawn])
        noise = FLUTTER * float(face_height(rest))
        about = points + draw.normal(0, noise, points.shape)
        near = rest + draw.normal(0, noise / 2, rest.shape)
        frames, still = [], []
        for side in SIDES:
            crop = cut_of(near, side, wide)
            frames.append([as_left(c.cut(f, SIDE + 2 * MARGIN), side) for c, (f, _) in zip(
                follow(crop, about, near), drawn, strict=True)])
            still.append(as_left(crop.cut(portrait, SIDE + 2 * MARGIN), side))
        part = folder / f".part-{path.name}"
        np.savez(part, frames=np.stack(frames, 1), rest=np.stack(still),
                 eyes=motion[:, EYES], style=style)
        part.replace(path)
        if k % 50 == 0:
            say(f"face {k + 1} of {faces}")


def load(folder: Path) -> tuple[dict, dict]:
    """All faces: (to learn from, to score on), each frames, rest, eyes, style."""
    parts: dict[bool, dict[str, list]] = {False: {}, True: {}}
    for path in sorted(folder.glob("face_*.npz")):
        with np.load(path) as file:
            into = parts[int(path.stem.split("_")[1]) % HELD == 0]
            for key in ("frames", "rest", "eyes", "style"):
                into.setdefault(key, []).append(file[key])
    return tuple({k: np.stack(v) for k, v in parts[held].items()} for held in (False, True))


def batch_of(data: dict, count: int, draw: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """frame, rest float [B, 3, 32, 32] and of a left eye how far shut and its gaze [B, 3]; shifted,
    mirrored and recoloured."""
    frames, rests, eyes = [], [], []
    for _ in range(count):
        i, j, eye = (int(draw.integers(n)) for n in (len(data["rest"]), POSES, 2))
        y, x = (int(v) for v in draw.integers(0, 2 * MARGIN + 1, 2))
        v, u = (int(np.clip(a + b, 0, 2 * MARGIN)) for a, b in
                zip((y, x), draw.integers(-1, 2, 2), strict=True))
        frame = data["frames"][i, j, eye][y: y + SIDE, x: x + SIDE].astype(np.float32)
        rest = data["rest"][i, eye][v: v + SIDE, u: u + SIDE].astype(np.float32)
        told = data["eyes"][i, j] * (1, -1 if eye else 1, 1)  # right eyes are mirrored
        if draw.random() < 0.5:
            frame, rest = frame[:, ::-1], rest[:, ::-1]
            told = told * (1, -1, 1)
        frame, rest = recoloured(frame, rest, draw)
        frames.append(frame)
        rests.append(rest)
        eyes.append(told)
    return (*(torch.from_numpy(np.stack(v)).float() for v in (frames, rests)),
            torch.tensor(np.array(eyes), dtype=torch.float32))


def train(folder: Path, steps: int, say: Say, seed: int = 0, batch: int = 64) -> dict:
    """Train, and store the judge; its scores on faces that it did not see. Resumable."""
    data, held = load(folder)
    torch.manual_seed(seed)
    judge = EyeJudge().train()

    def loss(step: int) -> Tensor:
        frame, rest, eyes = batch_of(data, batch, rng(seed, "lid judge", step))
        wrong = F.smooth_l1_loss(judge(frame, rest), eyes, reduction="none", beta=0.1)
        return wrong[:, 0].mean() + GAZE * (wrong[:, 1:] * (1 - eyes[:, :1])).mean()

    return fit_judge(judge, "eyes", ("eye", SIDE), Plan(steps, 2e-3, clip=2.0), folder, seed,
                     loss, lambda net: scores(net, held), {"faces": len(data["rest"])}, say)


@torch.inference_mode()
def scores(judge: EyeJudge, held: dict) -> dict[str, float]:
    """Of both eyes' mean, by style known or held: r and mean error of how far they are shut, how
    surely open (below .2) and shut (above .8) ones fall on their side of ``SHUT``, and r of the
    gaze of open ones across."""
    inner = slice(MARGIN, MARGIN + SIDE)
    told = []
    for frames, rest in zip(held["frames"], held["rest"], strict=True):
        eyes = []
        for eye in range(2):
            frame = torch.from_numpy(frames[:, eye, inner, inner]).permute(0, 3, 1, 2)
            still = torch.from_numpy(rest[eye, inner, inner]).permute(2, 0, 1)[None]
            eyes.append(judge(frame, still.expand_as(frame)).numpy() * (1, -1 if eye else 1, 1))
        told.append(np.mean(eyes, 0))
    told_, true = np.array(told), held["eyes"]
    ink = np.array([str(s) == "ink" for s in held["style"]])
    out = {}
    for name, where in (("known", ~ink), ("held", ink)):
        if where.any():
            a, b = told_[where][..., 0].ravel(), true[where][..., 0].ravel()
            out[f"r {name}"] = round(float(np.corrcoef(a, b)[0, 1]), 4)
            out[f"error {name}"] = round(float(np.abs(a - b).mean()), 4)
            out[f"open {name}"] = round(float((a[b < 0.2] < SHUT).mean()), 4)
            gaze = np.corrcoef(told_[where][..., 1].ravel()[b < 0.2],
                               true[where][..., 1].ravel()[b < 0.2])[0, 1]
            out[f"gaze {name}"] = round(float(gaze), 4)
            out[f"shut {name}"] = round(float((a[b > 0.8] > SHUT).mean()), 4)
    return out


if __name__ == "__main__":
    command(__doc__, record, train, {"faces": 800})
