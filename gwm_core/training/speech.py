"""`gwm train speech`: takes of a synthesiser, then the networks that speak, then their checkpoint.

The takes are made on this machine with espeak-ng, needed for the data alone. Resumable: what is
there is not made again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..checkpoint import EMBEDDED
from ..model import speech_tokens as tokens
from ..model.residual import ResidualNet
from ..noise import rng as keyed_rng
from ..speech.talk_model import (
    AUDIO,
    FACE,
    NAME,
    Scale,
    TalkModel,
    new_dynamics,
    new_guess,
    new_pace,
    save_talk,
)
from .fit import Plan, fit
from .scene_reader import has_bfloat16
from .speech_data import load, record
from .speech_eval import judge
from .speech_loss import motion_losses, speech_losses
from .speech_masks import UNGUESSED, masked
from .speech_rows import Takes, lengths_of
from .stages import chosen, no_minutes

STAGES = ("takes", "lengths", "guess", "lips", "talk", "pack")
COUNT = 200
"""Takes of each voice: an hour and a half in all."""
LENGTH_STEPS, GUESS_STEPS, LIPS_STEPS, TALK_STEPS = 2500, 2400, 600, 750
STRETCH, STRETCHES = 16, 128
"""Rows of 10 ms, and how many such stretches a batch has."""
BATCH, TICKS = 10, 44
SQUARE, LIPS = 0.3, 6.0
"""Weights of the sound's squared errors and of the lips while the dynamics learns to talk."""


def train(work: Path, out: Path | None = None, stages: list[str] | None = None,
          minutes: float | None = None, seed: int = 0,
          progress: Callable[[str], None] = print) -> None:
    """Run the stages (all by default) in the folder `work`.

    seed: of data and networks. ValueError for an unknown stage, or for ``minutes``: the training
    takes a number of steps.
    """
    no_minutes(minutes, "speech")
    work = Path(work)
    path = Path(out) if out else EMBEDDED / f"{NAME}.safetensors"
    torch.set_num_threads(1)
    for stage in chosen(STAGES, stages):
        progress(f"{stage}: begins")

        def told(line: dict, stage: str = stage) -> None:
            progress(f"{stage}: " + ", ".join(f"{k} {v:.4g}" for k, v in line.items()))

        if stage == "takes":
            record(work / "data", COUNT, seed,
                   progress=lambda done, count: progress(f"takes: {done} of {count}"))
        elif stage == "lengths":
            fit_lengths(work, LENGTH_STEPS, seed, told)
        elif stage == "guess":
            fit_guess(work, GUESS_STEPS, seed, told)
        elif stage == "lips":
            fit_talk(work, LIPS_STEPS, seed, told, stage)
        elif stage == "talk":
            fit_talk(work, TALK_STEPS, seed, told)
            told({f"held out {k}": v for k, v in judge(model(work)).items()})
        else:
            progress(f"checkpoint {path.name}: {save_talk(path, model(work))}")


def fit_lengths(work: Path, steps: int, seed: int = 0,
                progress: Callable[[dict], None] | None = None) -> ResidualNet:
    """The network of lengths."""
    read, wanted, weight = lengths_of(load(work / "data"))
    net = _seeded(new_pace, seed).train()

    def parts(step: int) -> dict[str, Tensor]:
        take = torch.from_numpy(keyed_rng(seed, "lengths", step).integers(0, len(read), size=512))
        error = (net(read[take])[:, 0] - wanted[take]).abs()
        return {"length": (error * weight[take]).sum() / weight[take].sum()}

    plan = Plan(steps, 2e-3, weight_decay=0.01, warm=50, every=min(250, steps))
    return fit(net, plan, work / "lengths" / "run.safetensors", {"seed": seed}, parts, progress)


def fit_guess(work: Path, steps: int, seed: int = 0,
              progress: Callable[[dict], None] | None = None, **sizes: int) -> ResidualNet:
    """The network of the first guess: from script rows to speech."""
    takes = Takes.of(load(work / "data"))
    scale, net, fast = takes.scale(), _seeded(new_guess, seed, **sizes).train(), has_bfloat16()

    def parts(step: int) -> dict[str, Tensor]:
        rows, truth = takes.fine_batch(seed, step, STRETCHES, STRETCH)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            found = net(rows)
        found = found.float().unflatten(-1, (2, tokens.WIDTH)) * scale.spread + scale.mean
        return speech_losses(found.flatten(1, 2), truth.flatten(1, 2), scale.spread)

    plan = Plan(steps, 1.5e-3, weight_decay=0.02, warm=min(150, steps // 4), fall=0.5, decay=0.997,
                every=min(50, steps))
    return fit(net, plan, work / "guess" / "run.safetensors", {"seed": seed}, parts, progress)


def guessed(takes: Takes, net: ResidualNet) -> np.ndarray:
    """The first guess of all ticks, float16 [T, 2, 276]."""
    rows, out = len(takes.speech) * 4, []
    with torch.inference_mode():
        for start in range(0, rows, 4096):
            index = np.arange(start, min(start + 4096, rows))
            out.append(net(takes.fine.rows(index)).half().numpy())
    return np.concatenate(out).reshape(len(takes.speech), 2, -1)


def fit_talk(work: Path, steps: int, seed: int = 0,
             progress: Callable[[dict], None] | None = None, stage: str = "talk",
             **sizes: int) -> nn.Module:
    """The dynamics. In the stage "lips" it always has the first guess, so that it soon learns to
    read the script for the lips; from there it learns in "talk" to tell all of the sound."""
    first = stage == "lips"
    takes = Takes.of(load(work / "data"))
    scale = takes.scale()
    takes.guess = guessed(takes, network(work, "guess"))
    net, fast = _seeded(new_dynamics, seed, **sizes).train(), has_bfloat16()
    if not first:
        net.load_state_dict(_average(work / "lips" / "run.safetensors"))

    def parts(step: int) -> dict[str, Tensor]:
        index = takes.windows(seed, step, BATCH, TICKS)
        speech = torch.from_numpy(takes.speech[index].astype(np.float32))
        motion = torch.from_numpy(takes.motion[index].astype(np.float32))
        guess = torch.from_numpy(takes.guess[index].astype(np.float32))
        seen = masked(keyed_rng(seed, "masks", step), takes.coarse.rows(index), scale.of(speech),
                      guess, motion, 0.0 if first else UNGUESSED)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            found = net(seen.given, seen.levels, seen.guides, seen.prompt)
        talked = scale.back(found[AUDIO].float())
        weight = seen.imagined[AUDIO].float()[..., None].expand(*index.shape, tokens.SUBS)
        return {**speech_losses(talked.flatten(1, 2), speech.flatten(1, 2), scale.spread,
                                weight.flatten(1, 2), 0.0 if first else SQUARE),
                **motion_losses(found[FACE][:, :, 0].float(), motion,
                                seen.imagined[FACE].float(), 1.0 if first else LIPS)}

    plan = Plan(steps, 1e-3, weight_decay=0.02, warm=min(60, steps // 4), fall=0.7, decay=0.995,
                every=min(50, steps))
    return fit(net, plan, work / stage / "run.safetensors", {"seed": seed}, parts, progress)


def _seeded(make: Callable[..., nn.Module], seed: int, **sizes: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(**sizes)


_MAKERS = {"lengths": new_pace, "guess": new_guess, "lips": new_dynamics, "talk": new_dynamics}


def network(work: Path, stage: str) -> nn.Module:
    """The network of a stage as it is now: its running average."""
    net = _MAKERS[stage]()
    net.load_state_dict(_average(Path(work) / stage / "run.safetensors"))
    return net.eval()


def _average(file: Path) -> dict[str, Tensor]:
    return {k[8:]: v for k, v in load_file(file).items() if k.startswith("average.")}


def scale_of(work: Path) -> Scale:
    """The scale of the speech that the networks learned from."""
    return Takes.of(load(Path(work) / "data")).scale()


def model(work: Path) -> TalkModel:
    """The model of a run as it is now."""
    return TalkModel(network(work, "talk"), network(work, "guess"), network(work, "lengths"),
                     scale_of(work))
