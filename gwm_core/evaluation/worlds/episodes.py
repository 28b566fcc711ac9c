"""Short episodes that a committed report remembers, so that a later run can tell whether the
model still does what the report says: coarse pictures, the same on every machine."""

from __future__ import annotations

import numpy as np

from ...noise import rng

COUNT, REPLAYED = 8, 2
TRACKS = ("W*6 look(6,0)*6", "look(-8,0)*8 W*4", "Q W*5 A*6", "W+look(3,0)*12", "D*6 look(10,0)*6")
PLACES = ("a brick hall", "a timber cabin", "a green study", "a stone cellar", "a rose parlour",
          "a mustard kitchen")
CELLS = (8, 5)
"""Columns and rows of a remembered picture."""
ALIKE = 3.0
"""Grey levels that a remembered cell may differ by on average (40 dB of a frame is 2.6)."""


def coarse(frame: np.ndarray) -> list[int]:
    """Mean grey of CELLS of a frame u8 [H, W, 3], row by row."""
    columns, rows = CELLS
    height, width = frame.shape[:2]
    grey = frame[:height // rows * rows, :width // columns * columns].astype(float).mean(-1)
    cells = grey.reshape(rows, height // rows, columns, width // columns).mean((1, 3))
    return [int(round(v)) for v in cells.ravel()]


def play(model, prompt: str, seed: int, track: str) -> list[list[int]]:
    """The first picture and the last frame of an episode, coarse."""
    view = model.embodiment.views[0].name
    world = model.new_world(prompt=prompt, seed=seed)
    _, clip = model.step(world, track)
    return [coarse(world.observation.frames[view]), coarse(clip.frames[view][-1])]


def record(model, seed: int) -> list[dict]:
    """COUNT episodes for a report."""
    generator = rng(seed, "episodes")
    out = []
    for _ in range(COUNT):
        asked = {"prompt": str(generator.choice(PLACES)), "seed": int(generator.integers(1000)),
                 "track": str(generator.choice(TRACKS))}
        out.append({**asked, "shown": play(model, **asked)})
    return out


def replay(model, episodes: list[dict], generator: np.random.Generator) -> list[str]:
    """What differs in REPLAYED random episodes of a report: [] or one text each."""
    problems = []
    for k in generator.permutation(len(episodes))[:REPLAYED]:
        episode = episodes[int(k)]
        now = play(model, episode["prompt"], episode["seed"], episode["track"])
        away = float(np.abs(np.array(now) - np.array(episode["shown"])).mean())
        if not away <= ALIKE:
            problems.append(f"episode {int(k)} ({episode['prompt']!r}, seed {episode['seed']}, "
                            f"{episode['track']!r}) differs from the report by {away:.1f} grey "
                            "levels")
    return problems
