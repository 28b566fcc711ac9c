"""What the training of the judges of faces shares: the loop, the stored file, the command."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..checkpoint import save_checkpoint
from ..embodiment import Embodiment, ViewSpec
from ..evaluation.judges import FOLDER
from .fit import Plan, fit

Say = Callable[[str], None]


def recoloured(frame: np.ndarray, rest: np.ndarray, draw: np.random.Generator
               ) -> tuple[np.ndarray, np.ndarray]:
    """Cuts float [S, S, 3] in other colours, sometimes grey, the frame noisy: [3, S, S] each."""
    gain, lift = draw.uniform(0.7, 1.2, 3), draw.uniform(-20, 20, 3)
    if draw.random() < 0.15:
        grey = np.array([0.3, 0.6, 0.1])
        frame, rest = (np.repeat((p @ grey)[..., None], 3, 2) for p in (frame, rest))
    noisy = frame * gain + lift + draw.normal(0, draw.uniform(0, 6), frame.shape)
    other = rest * gain + lift
    return tuple(p.clip(0, 255).transpose(2, 0, 1) for p in (noisy, other))


def fit_judge(judge: nn.Module, name: str, view: tuple[str, int], plan: Plan, folder: Path,
              seed: int, loss: Callable[[int], Tensor], scores: Callable[[Any], dict],
              facts: Mapping[str, Any], say: Say) -> dict:
    """Train ``judge`` on ``loss(step)`` and store it as ``evaluation.judges.load_judge`` reads it.

    view    name and side of the picture that it judges
    folder  of its data; the run's state lies in it, in a folder of its own, and is gone on from
    scores  of the judge on what it did not see
    facts   what else is stored beside the scores; both are returned
    """
    def told(line: dict) -> None:
        say(", ".join(f"{k} {v:.4g}" for k, v in line.items()))

    config = {"seed": seed, "data": dict(facts)}
    fit(judge, plan, folder / "run" / "judge.safetensors", config,
        lambda step: {"loss": loss(step)}, told)
    found = {**scores(judge), **facts, "steps": plan.steps}
    side = ViewSpec(view[0], view[1], view[1], 30.0)
    save_checkpoint(
        FOLDER / f"{name}.safetensors", {k: v.detach() for k, v in judge.state_dict().items()},
        {"name": name, "kind": "judge", "embodiment": Embodiment("faces", 25, 1, 0, (side,), ()),
         "config": judge.config, "licence": "Apache-2.0", "scores": found})
    return found


def command(doc: str, record: Callable[..., None], train: Callable[[Path, int, Say], dict],
            counts: Mapping[str, int], words: list[str] | None = None) -> None:
    """``FOLDER record|train`` with a number for each of ``counts``, and --steps."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=["record", "train"])
    for name, count in {**counts, "steps": 2000}.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    args = parser.parse_args(words)

    def say(text: str) -> None:
        print(text, flush=True)

    torch.set_num_threads(1)
    if args.what == "record":
        record(args.folder, *(getattr(args, name) for name in counts), say)
    else:
        say(json.dumps(train(args.folder, args.steps, say)))
