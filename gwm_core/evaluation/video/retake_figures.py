"""`video.retake_edge_ratio`: a retake changes its range, nothing else, and does not show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ...video.film import make_film
from ...video.kept_shot import STEMS, KeptShot
from ...video.retake import retake
from ...video.shelf import Shelf
from ...video.storyboard import Storyboard
from ..report import Metric
from .board import board
from .edges import Edges, Heard, edge_ratio, mean_ratio

RANGES = tuple((shot, Fraction(start, 4), Fraction(start + 4, 4))
               for shot, starts in ((0, (1, 5, 7)), (1, (2, 4, 6, 8))) for start in starts)
"""(shot, from, to): seconds of the shot that are taken again, each from the film as it was."""
SIZE = (256, 144)
"""Of the film: what is measured does not depend on it."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Retaken:
    """One retake: its edges; frames and samples outside of it that changed; shares of frames and
    samples inside that did."""

    edges: Edges
    frames_outside: int
    samples_outside: int
    frames_inside: float
    samples_inside: float


def retake_film(seed: int) -> Storyboard:
    """A room in which something is thrown, and a character who speaks."""
    whole = board(seed, width=SIZE[0], height=SIZE[1])
    return replace(whole, shots=(whole.shots[0], replace(whole.shots[1], cut="cut")))


def heard(shot: KeptShot) -> Heard:
    """A kept shot's frames and the sum of its stems, as they are before any encoding."""
    total = np.zeros((2, shot.samples), np.float32)
    for stem in STEMS:
        with shot.sound(stem) as sound:
            total += sound[:, :]
    return Heard(np.stack(list(shot.pictures())), total, shot.fps, shot.rate)


def compared(before: Heard, after: Heard, span: tuple[Fraction, Fraction]) -> Retaken:
    """A clip before and after ``span`` (seconds) of it was taken again."""
    frames = (np.asarray(before.frames) != np.asarray(after.frames)).any((1, 2, 3))
    samples = (before.sound != after.sound).any(0)
    first, last = (round(t * before.fps) for t in span)
    a, b = (round(t * before.rate) for t in span)
    return Retaken(edge_ratio(before, after, span),
                   int(frames[:first].sum() + frames[last:].sum()),
                   int(samples[:a].sum() + samples[b:].sum()),
                   float(frames[first:last].mean()), float(samples[a:b].mean()))


def retakes(parts: Any, folder: Path, seed: int, say: Say) -> list[Retaken]:
    """All of ``RANGES``, each taken again in picture and sound."""
    film, shelf, out = retake_film(seed), folder / "shots", []
    say("retake: the film")
    report = make_film(film, folder / "retake.mp4", parts=parts, folder=shelf)
    for k, (index, start, end) in enumerate(RANGES):
        say(f"retake: {k + 1} of {len(RANGES)}")
        first = report.shots[index].first / report.fps
        new = retake(report, None, first + start, first + end, "both", seed + 1, parts=parts,
                     folder=shelf, path=folder / f"retake {k}.mp4")
        kept = Shelf(shelf)
        out.append(compared(heard(kept.get(report.shots[index].key)),
                            heard(kept.get(new.shots[index].key)), (start, end)))
    return out


def retake_metrics(found: list[Retaken]) -> list[Metric]:
    """Steps at the edges over the clip's usual ones, and what changed where."""
    ratio, before = mean_ratio([f.edges for f in found])
    worst = max((v for f in found for v in (*f.edges.picture, *f.edges.level)),
                default=float("nan"))
    return [
        Metric("video.retake_edge_ratio", ratio, "", {"before the retake": before,
               "the worst edge": worst}, len(found), "<= 1.5",
               note="picture and level at both edges, over the clip's median step"),
        Metric("video.retake_outside", sum(f.frames_outside + f.samples_outside for f in found),
               "frames and samples", {}, len(found), "<= 0",
               note="that changed outside of the range, before any encoding"),
        Metric("video.retake_inside", min((min(f.frames_inside, f.samples_inside) for f in found),
                                          default=float("nan")), "", {}, len(found), ">= 0.5",
               note="least share of frames or samples within the range that changed"),
    ]
