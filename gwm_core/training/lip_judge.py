"""Training of the lip judge, on faces of all styles that no model is trained or measured on.

    python -m gwm_core.training.lip_judge DIR record      cuts of drawn and of moved faces
    python -m gwm_core.training.lip_judge DIR train       the judge and its scores

Most of the faces are portraits that the rig moves, the others the simulator's own drawings; a
third has a beard, a moustache or stubble. Half of the moments are of speech.
Each face is one file, written whole or not at all: recording goes on where it was stopped.
Where DIR has a start.safetensors, a judge of before, training goes on from its weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..avatars.character import Character
from ..avatars.landmarks import face_height
from ..avatars.motion import still
from ..avatars.rig import Rig
from ..checkpoint import load_into, read_checkpoint
from ..evaluation.avatars.curves import pearson
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
POSES = 10
SIZES = (128, 160, 192)
MOVED, HAIRY = 0.6, 0.33
"""Shares of faces that the rig moves, and that have hair about the mouth."""
HAIR = ("beard", "moustache", "stubble")
ASIDE = 10_000
"""From one seed that is tried to the next: beyond all numbers of faces."""
BARE = ("mascot", "robot")
"""Styles that grow none."""
SPEECHES, SPEECH_SECONDS = 40, 8.0
"""Performances whose moments are drawn from, of voices that training uses."""
BIAS, FLUTTER = 0.010, 0.005
"""Spread of what a reader errs on eyes and nose, in face heights: on a face, from tick to tick."""
PLACED = 0.006
"""Spread of what a finder errs on the points by which the rig is laid, in face heights."""
HELD = 10
"""Every tenth face scores and is not learnt from."""
WEIGHT = (3.0, 1.5, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Of each number of MOUTH: how far the lips are open counts most."""
TOGETHER = 4
"""Moments of a face in a batch: what they differ by counts beside what they are."""


def spoken_motion(folder: Path) -> np.ndarray:
    """Moments of speech, float32 [N, 24], made once."""
    from ..simulators.faces.performance import perform

    path = folder / "spoken.npy"
    if not path.is_file():
        rows = [one.motion[one.speaking] for one in (
            perform(FIRST + k, seconds=SPEECH_SECONDS, layout="monologue")
            for k in range(SPEECHES))]
        part = folder / f".part-{path.name}"
        np.save(part, np.concatenate(rows))
        part.replace(path)
    return np.load(path)


def face_of(seed: int, draw: np.random.Generator):
    """The face of a seed; of HAIRY, the first of its style from there on that has some."""
    from ..simulators.faces.faces import HELD_STYLES, STYLES, Face

    known = HELD_STYLES if draw.random() < 0.4 else STYLES
    style, hairy = str(known[int(draw.integers(len(known)))]), draw.random() < HAIRY
    face = Face(seed, style=style, split="judge")
    while hairy and style not in BARE and not any(h in face.identity.extras for h in HAIR):
        seed += ASIDE
        face = Face(seed, style=style, split="judge")
    return face


def record(folder: Path, faces: int, say: Say) -> None:
    """One file a face: frames u8 [POSES, S, S, 3], rest u8 [S, S, 3], numbers [POSES, 8], and
    what face it is: style, hairy, and whether the rig moves it."""
    from ..simulators.faces.poses import random_motion

    folder.mkdir(parents=True, exist_ok=True)
    spoken = spoken_motion(folder)
    for k in range(faces):
        path = folder / f"face_{k:05d}.npz"
        if path.is_file():
            continue
        draw = rng(FIRST + k, "lip judge")
        face, size, rig = face_of(FIRST + k, draw), int(draw.choice(SIZES)), draw.random() < MOVED
        motion = np.stack([random_motion(draw) if j % 2 else spoken[draw.integers(len(spoken))]
                           for j in range(POSES)])
        portrait, rest = face.draw(still(1)[0], size=size)
        height = float(face_height(rest))
        if rig:
            placed = rest + draw.normal(0, PLACED * height, rest.shape)
            one = Rig(Character(portrait, placed.astype(np.float32)), size=size)
            frames = [one.draw(row, rest=0.0) for row in motion]
            points = np.stack([one.points(row, rest=0.0) for row in motion])
            rest = one.points(still(1)[0], rest=0.0)
        else:
            frames = [face.draw(row, size=size)[0] for row in motion]
            points = np.stack([face.points(row, size) for row in motion])
        wide = (SIDE + 2 * MARGIN) / SIDE
        bias = draw.normal(0, BIAS * height, rest.shape)
        about = points + bias + draw.normal(0, FLUTTER * height, points.shape)
        near = rest + bias + draw.normal(0, FLUTTER * height, rest.shape)
        crop = cut_of(near, wide)
        cuts = [c.cut(f, SIDE + 2 * MARGIN)
                for c, f in zip(follow(crop, about, near), frames, strict=True)]
        part = folder / f".part-{path.name}"
        np.savez(part, frames=np.stack(cuts), rest=crop.cut(portrait, SIDE + 2 * MARGIN),
                 numbers=mouth_numbers(points, rest), style=face.style, rig=rig,
                 hairy=any(h in face.identity.extras for h in HAIR))
        part.replace(path)
        if k % 50 == 0:
            say(f"face {k + 1} of {faces}")


def load(folder: Path) -> tuple[dict, dict]:
    """All faces: (to learn from, to score on), each frames, rest, numbers, style, rig, hairy."""
    parts: dict[bool, dict[str, list]] = {False: {}, True: {}}
    for path in sorted(folder.glob("face_*.npz")):
        with np.load(path) as file:
            row = {k: file[k] for k in file.files}
        into = parts[int(path.stem.split("_")[1]) % HELD == 0]
        for key in ("frames", "rest", "numbers", "style", "rig", "hairy"):
            into.setdefault(key, []).append(row[key])
    return tuple({k: np.stack(v) for k, v in parts[held].items()} for held in (False, True))


def batch_of(data: dict, count: int, draw: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """frame, rest float [B, 3, 48, 48] and numbers [B, 8], shifted, mirrored and recoloured;
    TOGETHER of each face, one after another."""
    frames, rests, numbers = [], [], []
    for k in range(count):
        if k % TOGETHER == 0:
            i, moments = int(draw.integers(len(data["rest"]))), draw.permutation(POSES)
        j = int(moments[k % TOGETHER])
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


def apart(wrong: Tensor) -> Tensor:
    """Errors [B, n] less the mean error on each face: a curve's shape, whatever its level."""
    faces = wrong.view(-1, TOGETHER, wrong.shape[-1])
    return (faces - faces.mean(1, keepdim=True)).view_as(wrong)


def train(folder: Path, steps: int, say: Say, seed: int = 0, batch: int = 48) -> dict:
    """Train, and store the judge; its scores on faces that it did not see. Resumable."""
    data, held = load(folder)
    torch.manual_seed(seed)
    judge, spread, weight = LipJudge().train(), torch.tensor(SPREAD), torch.tensor(WEIGHT)
    start = folder / "start.safetensors"
    if start.is_file():
        load_into(judge, read_checkpoint(start)[0], "the judge of before")

    def size(wrong: Tensor) -> Tensor:
        each = F.smooth_l1_loss(wrong, torch.zeros_like(wrong), reduction="none", beta=0.3)
        return (each * weight).mean()

    def loss(step: int) -> Tensor:
        frame, rest, numbers = batch_of(data, batch, rng(seed, "lip judge", step))
        wrong = judge(frame, rest) - numbers / spread
        return size(wrong) + size(apart(wrong))

    return fit_judge(judge, "lips", ("mouth", SIDE), Plan(steps, 2e-3, clip=2.0), folder, seed,
                     loss, lambda net: scores(net, held),
                     {"faces": len(data["rest"]), "goes_on": start.is_file()}, say)


@torch.inference_mode()
def scores(judge: LipJudge, held: dict) -> dict[str, float]:
    """Of the opening: r and mean error (face heights), and the mean r over the moments of a face
    ("within"), by style known or held, drawn or moved, with hair about the mouth or without."""
    inner = slice(MARGIN, MARGIN + SIDE)
    told, true = [], held["numbers"][:, :, 0]
    for frames, rest in zip(held["frames"], held["rest"], strict=True):
        frame = torch.from_numpy(frames[:, inner, inner]).permute(0, 3, 1, 2)
        base = torch.from_numpy(rest[inner, inner]).permute(2, 0, 1)[None]
        told.append(judge(frame, base.expand_as(frame)).numpy()[:, 0] * SPREAD[0])
    told = np.array(told)
    within = np.array([pearson(a, b) for a, b in zip(told, true, strict=True)])
    ink, rig, hairy = held["style"] == "ink", held["rig"], held["hairy"]
    out = {}
    for name, where in (("known", ~ink), ("held", ink), ("rig", rig), ("drawn", ~rig),
                        ("hairy", hairy), ("hairy rig", hairy & rig), ("bare", ~hairy)):
        if where.any():
            a, b = told[where].ravel(), true[where].ravel()
            out[f"r {name}"] = round(float(np.corrcoef(a, b)[0, 1]), 4)
            out[f"error {name}"] = round(float(np.abs(a - b).mean()), 4)
            out[f"within {name}"] = round(float(within[where].mean()), 4)
    return out


if __name__ == "__main__":
    command(__doc__, record, train, {"faces": 700})
