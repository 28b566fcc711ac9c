"""How long a walk is as the text that a workflow carries."""

from __future__ import annotations

import numpy as np

from ...controls import Controls
from ...embodiment import Embodiment
from ...noise import rng
from ...walk import Walk
from ..report import Metric
from ..worlds.wander import LOOK_X, LOOK_Y, wander

MINUTES = 10
HELD_STILL, LONGEST_MOVE = 0.35, 14
"""Share of the time in which a hand rests; longest movement in ticks."""


def measure(model, seed: int, played: dict | None = None) -> list[Metric]:
    """played: a walk that was really made with a mouse, as its JSON."""
    body = model.embodiment
    ticks = round(MINUTES * 60 * body.tick_rate)
    track = Controls(mouse_walk(ticks, body, rng(seed, "play", "track")), (), body)
    of = {"model": model.name, "fingerprint": model.fingerprint, "prompt": "x" * 200,
          "seed": str(2**64 - 1), "tick": 0}
    text = Walk(track, of, "0" * 64, "0" * 64).to_text()
    beside = {}
    if played and played["controls"]["ticks"]:
        kept = Walk.read(played, body)
        beside["played in Chromium, as long"] = (
            len(kept.to_text()) * ticks / len(kept.controls) / 1000
        )
    note = f"{MINUTES} minutes, the mouse moves in {moving(track):.0%} of the ticks"
    return [Metric("play.track_kb", len(text.encode()) / 1000, "kB", beside, ticks, "<= 150",
                   note=note)]


def mouse_walk(ticks: int, body: Embodiment, generator: np.random.Generator) -> np.ndarray:
    """A walk that looks round with the mouse: strokes that speed up and slow down, shaky as a
    hand is, with rests between them."""
    rows = wander(ticks, generator)
    rows[:, [LOOK_X, LOOK_Y]] = 0
    step, at = body.controls[-1].step, 0
    while at < ticks:
        length = int(generator.integers(3, LONGEST_MOVE))
        if generator.random() > HELD_STILL:
            shape = np.sin(np.pi * (np.arange(length) + 0.5) / length)
            size = generator.normal(0, 8.0), generator.normal(0, 1.5)
            stroke = shape[:, None] * size + generator.normal(0, 0.3, (length, 2))
            stroke = np.round(np.clip(stroke, -30, 30) / step) * step
            rows[at : at + length, [LOOK_X, LOOK_Y]] = stroke[: ticks - at]
        at += length
    return rows


def moving(track: Controls) -> float:
    """Share of ticks in which the mouse moves."""
    return float((track.values[:, [LOOK_X, LOOK_Y]] != 0).any(axis=1).mean())
