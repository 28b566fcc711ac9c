"""Clips for the impact network: the simulator's, on the model's training plans, made small.

Clips are made one by one from their seeds, so recording stops and goes on at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..evaluation.video.clips import film
from ..evaluation.worlds.made import as_video
from ..noise import rng
from ..simulators.rooms.layout import HELD_IN
from ..video.foley_frames import shrink, turns_of

TICKS, COUNT = 36, 720
HELD_EVERY = 11
"""Every eleventh clip only scores."""


def record(folder: Path, seed: int = 0, count: int = COUNT, ticks: int = TICKS,
           report: Callable[[str], None] = print) -> list[Path]:
    """Clips of training plans into `folder` (resumable), small, with the camera's turns."""
    folder.mkdir(parents=True, exist_ok=True)
    plans = rng(seed, "foley plans").permutation(np.array(HELD_IN))
    paths = []
    for n in range(count):
        path = folder / f"clip_{n:04d}.npz"
        paths.append(path)
        if path.exists():
            continue
        generator = rng(seed, "foley", n)
        shot = film(int(plans[n % len(plans)]), ticks, generator, midair=n % 3 == 0)
        frames = as_video(shot.frames) if n % 2 else shot.frames
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, frames=shrink(frames), turns=turns_of(frames), facts=shot.facts,
                     moving=shot.moving)
        os.replace(part, path)
        if n % 10 == 9:
            report(f"foley: clip {n + 1} of {count}")
    return paths


def is_held(path: Path) -> bool:
    return int(path.stem.split("_")[1]) % HELD_EVERY == 0
