"""Training of the sync judge, on true faces with voices that no model is trained or measured on.

    python -m gwm_core.training.sync_judge DIR record      clips: sound and lips
    python -m gwm_core.training.sync_judge DIR train       the judge and its scores

Each clip is one file, written whole or not at all: recording goes on where it was stopped. In a
share of the clips the lips are read from true renders by the landmark judge, as in the evaluation;
in the others they are the simulator's own points, disturbed as a reader disturbs them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..evaluation.avatars import sound
from ..evaluation.avatars.points import mouth_numbers
from ..evaluation.judges.sync import SPREAD, WINDOW, SyncJudge, choices
from ..noise import rng
from .face_judge import Say, command, fit_judge
from .fit import Plan

FIRST = 7_000_000
"""Seeds of the judge's own performances and faces."""
VOICES = tuple(f"{accent}+{variant}" for variant in (
    "AnxiousAndy", "Gene2", "RicishayMax2", "announcer", "croak", "edward2", "fast", "iven2",
    "iven4", "klatt", "klatt3", "klatt5", "robosoft2", "steph3", "whisperf")
    for accent in ("en-us", "en", "en-gb-x-rp"))
"""Neither simulators.faces.voices.TRAIN nor HELD has any of these."""
SECONDS, SIZE = 8.0, 128
SPAN = 75
"""Ticks of a training excerpt."""
SHIFTS = (0, -1, 1, -2, 2, -3, 3, -5, 5, -9, 9, -14, 14)
HELD = 8
"""Every eighth clip scores and is not learnt from."""


def record(folder: Path, count: int, rendered: int, say: Say) -> None:
    """``count`` clips: mel [4 T, 40], mouth [T, 8], speaking [T]; the first ``rendered`` ones are
    read from frames, in files of their own name."""
    from ..evaluation.avatars.sight import load_sight
    from ..simulators.faces.faces import Face
    from ..simulators.faces.performance import perform

    sight = load_sight() if rendered else None
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        seen = k < rendered
        path = folder / f"{'seen' if seen else 'clip'}_{k:05d}.npz"
        if path.is_file():
            continue
        one = perform(FIRST + k, voice=VOICES[k % len(VOICES)], seconds=SECONDS,
                      layout=("monologue", "dialogue")[k % 8 == 7])
        face = Face(FIRST + k)
        near = face.points(np.zeros_like(one.motion[0]), SIZE)
        if seen:
            portrait = face.draw(np.zeros_like(one.motion[0]), size=SIZE)[0]
            frames = np.stack([face.draw(row, size=SIZE)[0] for row in one.motion])
            rest, points = sight.read(portrait[None], near)[0], sight.read(frames, near)
            mouth = sight.mouth(frames, points, portrait, rest)
        else:
            mouth = mouth_numbers(np.stack([face.points(row, SIZE) for row in one.motion]), near)
        part = folder / f".part-{path.name}"
        np.savez(part, mel=sound.whitened(sound.log_mel(one.audio_self)).astype(np.float16),
                 mouth=mouth, speaking=np.asarray(one.speaking, bool), voice=one.voice)
        part.replace(path)
        if k % 20 == 0:
            say(f"clip {k + 1} of {count}")


def clips(folder: Path) -> tuple[list[dict], list[dict]]:
    """Recorded clips: (to learn from, to score on). Where there are rendered ones, only these
    score."""
    learn, score = [], []
    rendered = any(folder.glob("seen_*.npz"))
    for path in sorted([*folder.glob("seen_*.npz"), *folder.glob("clip_*.npz")]):
        with np.load(path) as file:
            one = {k: file[k] for k in file.files}
        one["mel"] = one["mel"].astype(np.float32)
        if int(path.stem.split("_")[1]) % HELD:
            learn.append(one)
        elif path.name.startswith("seen") or not rendered:
            score.append(one)
    return learn, score


def excerpts(learn: list[dict], count: int, draw: np.random.Generator
             ) -> tuple[Tensor, Tensor, Tensor]:
    """voice [B, 40, 4 SPAN], mouth [B, 8, SPAN], speaking [B, SPAN] of random moments, disturbed:
    other sizes and styles of mouths, the flutter of a reader, other rooms and microphones."""
    voice, mouth, talk = [], [], []
    while len(voice) < count:
        one = learn[int(draw.integers(len(learn)))]
        if len(one["mouth"]) < SPAN:
            continue
        t = int(draw.integers(len(one["mouth"]) - SPAN + 1))
        if one["speaking"][t: t + SPAN].mean() < 0.4 and draw.random() < 0.9:
            continue
        lips = one["mouth"][t: t + SPAN] * draw.uniform(0.5, 1.4) * draw.uniform(0.75, 1.3, 8)
        slow = np.repeat(draw.normal(0, 0.15, (SPAN // 15, 8)), 15, 0)
        lips = lips + np.array(SPREAD) * (draw.normal(0, draw.uniform(0, 0.35), (SPAN, 8)) + slow
                                          + draw.normal(0, 0.2, 8))
        if draw.random() < 0.3:  # some faces move some things not at all
            lips[:, int(draw.integers(3, 8))] = 0
        mel = one["mel"][4 * t: 4 * (t + SPAN)]
        mel = mel + draw.normal(0, 0.3, 40) + draw.normal(0, draw.uniform(0, 0.3), mel.shape)
        voice.append(mel.T)
        mouth.append(lips.T)
        talk.append(one["speaking"][t: t + SPAN])
    return (torch.from_numpy(np.stack(voice)).float(), torch.from_numpy(np.stack(mouth)).float(),
            torch.from_numpy(np.stack(talk)).float())


def loss_of(judge: SyncJudge, voice: Tensor, mouth: Tensor, talk: Tensor) -> Tensor:
    """Cross entropy of which shift is the true one, for every window with enough speech."""
    each = judge.agreement(voice, mouth, list(SHIFTS))
    windows = F.avg_pool1d(each, WINDOW, 5)
    share = F.avg_pool1d(talk[:, None], WINDOW, 5)[:, 0]
    logits = windows.transpose(1, 2) * judge.sharp.exp()
    wrong = F.cross_entropy(logits.flatten(0, 1), torch.zeros(logits.shape[:2].numel(),
                            dtype=torch.long), reduction="none").view(share.shape)
    weight = (share > 0.5).float()
    return (wrong * weight).sum() / weight.sum().clamp(min=1)


def train(folder: Path, steps: int, say: Say, seed: int = 0, batch: int = 16) -> dict:
    """Train, and store the judge; its scores on clips that it did not see. Resumable."""
    learn, held = clips(folder)
    torch.manual_seed(seed)
    judge = SyncJudge().train()

    def loss(step: int) -> Tensor:
        return loss_of(judge, *excerpts(learn, batch, rng(seed, "sync judge", step)))

    plan = Plan(steps, 2e-3, weight_decay=1e-2)
    return fit_judge(judge, "sync", ("face", SIZE), plan, folder, seed, loss,
                     lambda net: scores(net, held), {"clips": len(learn)}, say)


def scores(judge: SyncJudge, held: list[dict]) -> dict[str, float]:
    """Share of right choices at 40, 80 and 200 ms, and at 40 ms with sound from elsewhere."""
    out = {}
    for name, by, roll in (("40 ms", 1, 0), ("80 ms", 2, 0), ("200 ms", 5, 0), ("shuffled", 1, 90)):
        right = asked = 0
        for one in held:
            r, a = choices(judge, one["mel"], np.roll(one["mouth"], roll, 0), one["speaking"], by)
            right, asked = right + r, asked + a
        out[name] = round(right / asked, 4) if asked else float("nan")
    return out


if __name__ == "__main__":
    command(__doc__, record, train, {"clips": 320, "rendered": 80})
