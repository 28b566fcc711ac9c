"""Walks for the model's own inverse dynamics: the simulator's, and worlds that the model makes.

Both on the model's training plans (or from training prompts), with every key pressed often. Of
each walk the frames are kept, and beside every tick what was held and what that really did. One
file a walk, written whole or not at all: recording stops and goes on at any time.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..evaluation.worlds.cases import Case
from ..evaluation.worlds.control import effective
from ..evaluation.worlds.made import again, imagined
from ..evaluation.worlds.walks import Player, pick_light, prompt_of, walk
from ..noise import rng
from ..simulators.rooms.layout import HELD_IN

TICKS = 48
COUNTS = 80, 80, 80
"""True walks; how many of them the model walks too, from their first picture; walks of the model
in worlds of training prompts."""
HELD_EVERY = 10
"""Every tenth walk of each kind only scores."""


def record(folder: Path, checkpoint: str | Path = "gwm-rooms", seed: int = 0, ticks: int = TICKS,
           counts: tuple[int, int, int] = COUNTS, report: Callable[[str], None] = print) -> None:
    """All walks into `folder` (resumable); checkpoint: the model that walks, too."""
    folder.mkdir(parents=True, exist_ok=True)
    plans = rng(seed, "inverse plans").permutation(np.array(HELD_IN))
    model = None
    jobs = [(f"true_{n:03d}", "true", n) for n in range(counts[0])]
    jobs += [(f"again_{n:03d}", "again", n) for n in range(min(counts[0], counts[1]))]
    jobs += [(f"prompt_{n:03d}", "prompt", n) for n in range(counts[2])]
    jobs.sort(key=lambda job: job[2])  # every beginning holds all kinds
    for done, (name, kind, n) in enumerate(jobs):
        path = folder / f"{name}.npz"
        if path.exists():
            continue
        generator = rng(seed, "inverse", kind, n)
        if kind == "true":
            case = true_walk(int(plans[n % len(plans)]), ticks, generator)
        else:
            if model is None:
                from ..worlds import load

                model = load(checkpoint)
            if kind == "again":
                case = again_of(model, folder / f"true_{n:03d}.npz", generator)
            else:
                case = imagined(model, ticks, generator)
        save(path, case)
        if done % 10 == 0:
            report(f"inverse dynamics: walk {done + 1} of {len(jobs)}")


def is_held(path: Path) -> bool:
    return int(path.stem.split("_")[1]) % HELD_EVERY == 0


def true_walk(layout: int, ticks: int, generator: np.random.Generator) -> Case:
    """A walk of the simulator's playful explorer."""
    from ..simulators.rooms.sim import Rooms

    sim = Rooms(layout)
    try:
        return walk(sim, ticks, generator, pick_light(generator), Player)
    finally:
        sim.close()


def again_of(model, path: Path, generator: np.random.Generator) -> Case:
    """The model's own walk under the controls of a recorded true one (see made.again)."""
    with np.load(path) as file:
        first, depth, rows = file["frames"][0], file["first_depth"], file["controls"]
        prompt = prompt_of(int(file["condition"]))
    return again(model, first, depth.astype(np.float32), rows, prompt, generator)


def save(path: Path, case: Case) -> None:
    """Frames, controls and what they did; whole or not at all."""
    part = path.with_suffix(".part")
    arrays = {"frames": case.frames, "controls": case.controls, "condition": case.condition,
              "hit": effective(case), "moved": motion_targets(case.poses)}
    if case.depth is not None:
        arrays["first_depth"] = case.depth[0].astype(np.float16)
    with part.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(part, path)


def motion_targets(poses: np.ndarray) -> np.ndarray:
    """Motion ahead, right and up of each pair of frames, float32 [2T, 3] in units of 8 cm."""
    step = np.diff(poses[:, :3], axis=0)
    turn = np.remainder(np.diff(poses[:, 3]) + math.pi, 2 * math.pi) - math.pi
    yaw = poses[:-1, 3] + turn / 2
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([step[:, 0] * c + step[:, 1] * s, step[:, 0] * s - step[:, 1] * c,
                     step[:, 2]], 1).astype(np.float32) / 0.08
