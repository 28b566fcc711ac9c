"""How smoothly a retaken range joins what is around it: steps of picture and level at its edges.

A step of the picture is the mean absolute difference of two neighbouring frames; a step of the
level is the difference of the loudness (RMS, in dB over a floor) just before and just after a
moment. At both edges of the range they are held against the clip's median step, or against what
that very place had before the retake where that is more (an impact just there is none of the
splice's): 1 is what any moment of the clip has, a visible or audible splice has many times that.
What the same places had before, over the median, stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

SPAN = Fraction(1, 20)
"""Seconds before and after a moment over which its level is measured."""
FLOOR = 1e-4
"""RMS below which sound is silence."""
LEAST_STEP, LEAST_DECIBELS = 0.05, 0.25
"""Steps nobody perceives: medians below them count as so much (levels of 0..255; dB)."""


@dataclass(frozen=True)
class Edges:
    """picture, level    steps at both edges over the larger of the clip's median step and the step
                      that was there before
    picture_before, level_before  steps at the same places before the retake, over the median
    """

    picture: tuple[float, ...]
    level: tuple[float, ...]
    picture_before: tuple[float, ...]
    level_before: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The mean of all steps, nan where there are none."""
        return _mean((*self.picture, *self.level))

    @property
    def ratio_before(self) -> float:
        return _mean((*self.picture_before, *self.level_before))


@dataclass(frozen=True, eq=False)
class Heard:
    """A clip: frames uint8 [T, H, W, 3] at ``fps`` (none: []), sound float [C, N] at ``rate``."""

    frames: np.ndarray | list[np.ndarray]
    sound: np.ndarray
    fps: Fraction
    rate: int


def edge_ratio(before: Heard, after: Heard, span: tuple[Fraction, Fraction]) -> Edges:
    """How the clip ``after`` joins at the edges of ``span`` (seconds), against ``before``.

    An edge at the clip's beginning or end is none. Both clips have one length and rates.
    """
    length = max(len(after.frames) / Fraction(after.fps),
                 Fraction(after.sound.shape[1], after.rate) if after.rate else Fraction(0))
    edges = [Fraction(t) for t in span if 0 < t < length]
    new, old = _picture_steps(after.frames), _picture_steps(before.frames)
    places = [k for k in (round(t * after.fps) - 1 for t in edges) if 0 <= k < len(new)]
    picture = _ratios(new[places], old[places], new, LEAST_STEP)
    loud, all_steps = _level_steps(after, edges)
    loud_before, _ = _level_steps(before, edges)
    level = _ratios(loud, loud_before, all_steps, LEAST_DECIBELS)
    return Edges(picture[0], level[0], picture[1], level[1])


def mean_ratio(edges: Iterable[Edges]) -> tuple[float, float]:
    """(ratio, ratio before any retake) over the edges of many retakes, each step counted once."""
    edges = list(edges)
    return (_mean([v for e in edges for v in (*e.picture, *e.level)]),
            _mean([v for e in edges for v in (*e.picture_before, *e.level_before)]))


def _picture_steps(frames: np.ndarray | list[np.ndarray]) -> np.ndarray:
    steps = [float(np.abs(b.astype(np.int16) - a).mean())
             for a, b in zip(frames[:-1], frames[1:], strict=True)]
    return np.array(steps, np.float64)


def _level_steps(clip: Heard, edges: list[Fraction]) -> tuple[np.ndarray, np.ndarray]:
    """Steps at the edges and all over the clip, dB."""
    count = int(SPAN * clip.rate)
    if not count or clip.sound.shape[1] < 3 * count:
        return np.zeros(0), np.zeros(0)
    power = np.concatenate([[0.0], np.cumsum((clip.sound.astype(np.float64) ** 2).mean(axis=0))])

    def level(start: int, stop: int) -> float:
        start, stop = max(start, 0), min(stop, len(power) - 1)
        mean = (power[stop] - power[start]) / max(stop - start, 1)
        return 20 * np.log10(max(float(np.sqrt(max(mean, 0.0))), FLOOR))

    def step(at: int) -> float:
        return abs(level(at, at + count) - level(at - count, at))

    everywhere = range(count, clip.sound.shape[1] - count, count // 4)
    return (np.array([step(round(t * clip.rate)) for t in edges]),
            np.array([step(at) for at in everywhere]))


def _ratios(new: np.ndarray, old: np.ndarray, all_steps: np.ndarray, least: float
            ) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not len(new):
        return (), ()
    usual = max(float(np.median(all_steps)), least)
    return (tuple(float(n / max(usual, o)) for n, o in zip(new, old, strict=True)),
            tuple(float(o / usual) for o in old))


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return float(np.mean(values)) if values else float("nan")
