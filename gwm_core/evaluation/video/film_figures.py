"""Figures of one finished film: cuts, lengths, loudness. From its files, not from its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...noise import rng
from ...video.storyboard import Storyboard
from ..report import Metric
from .board import expected_cuts
from .film_read import Film, found_cuts, loudness, middle_of_fade, wav

NEAR = 1.0
"""Pictures by which the middle of a dissolve may be off: its steps are that coarse."""


@dataclass(frozen=True)
class Cuts:
    """Cuts wanted, those at their frame (dissolves: half done at their middle), and pictures where
    a cut is seen that nobody wanted."""

    wanted: int
    right: int
    extra: int

    @property
    def accuracy(self) -> float:
        """Right ones of all that are wanted or seen."""
        return self.right / (self.wanted + self.extra) if self.wanted + self.extra else float("nan")


def cuts_of(board: Storyboard, small: np.ndarray) -> Cuts:
    """What of a storyboard's cuts is seen in the film's pictures [T, h, w, 3]."""
    cuts, dissolves, _ = expected_cuts(board)
    found = found_cuts(small)
    right = sum(cut in found for cut in cuts)
    faded = [abs(middle_of_fade(small, first, count) - (first + (count - 1) / 2)) <= NEAR
             for first, count in dissolves]
    return Cuts(len(cuts) + len(dissolves), right + sum(faded), len(set(found) - set(cuts)))


def random_cuts(board: Storyboard, seed: int, draws: int = 200) -> float:
    """The accuracy of as many hard cuts at frames drawn by chance."""
    cuts, dissolves, frames = expected_cuts(board)
    generator, right = rng(seed, "video random cuts"), 0
    for _ in range(draws):
        right += len(set(generator.integers(1, frames, len(cuts)).tolist()) & set(cuts))
    return right / (draws * (len(cuts) + len(dissolves)))


def cut_metric(board: Storyboard, film: Film, seed: int) -> Metric:
    found = cuts_of(board, film.small)
    return Metric("video.cut_accuracy", found.accuracy, "", {"random": random_cuts(board, seed),
                  "seen where none is": found.extra}, found.wanted, ">= 1",
                  note="decoded pictures against the storyboard; every kind of cut")


def length_metric(board: Storyboard, film: Film, files: Mapping[str, Path]) -> Metric:
    """Samples too many or too few of the mix and every stem, and frames of the picture (as
    samples), against the storyboard's exact length."""
    frames = expected_cuts(board)[2]
    samples = frames * board.sample_rate / board.fps
    wrong = abs(len(film.small) - frames) * board.sample_rate / board.fps
    for path in files.values():
        sound, rate = wav(path)
        wrong += abs(sound.shape[1] - samples) if rate == board.sample_rate else samples
    return Metric("video.duration_error_samples", float(wrong), "samples",
                  {"of the coded sound": film.samples - float(samples),
                   "sound begins after picture": (film.starts[1] - film.starts[0])
                   * board.sample_rate}, 1 + len(files), "<= 0",
                  note="picture, mix and stems, summed; coded sound comes in blocks of 1024")


def loudness_metrics(board: Storyboard, files: Mapping[str, Path]) -> list[Metric]:
    """Of the mix, by a meter of other hands; beside it the stems summed without any limit."""
    sound, rate = wav(files["mix"])
    heard, peak = loudness(sound, rate)
    stems = [wav(path)[0] for name, path in files.items() if name != "mix"]
    plain = loudness(np.sum(stems, axis=0), rate) if stems else (float("nan"), float("nan"))
    error = abs(heard - board.loudness)
    return [
        Metric("video.loudness_error_lu", error, "LU", {
            "mix, LUFS": heard, "target, LUFS": board.loudness,
            "stems summed": abs(plain[0] - board.loudness)}, 1, "<= 0.5"),
        Metric("video.true_peak_over_db", float(max(peak - board.true_peak, -99)), "dB",
               {"mix, dBTP": peak, "limit, dBTP": board.true_peak}, 1, "<= 0.1",
               note="the meter's own error is 0.1 dB"),
    ]
