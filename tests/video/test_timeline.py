"""Frames and samples of a film are whole numbers that add up exactly."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction as F

import pytest

from gwm_core.errors import VideoError
from gwm_core.video.storyboard import CUTS, Shot, Storyboard
from gwm_core.video.timeline import Timeline, frames_of, sample_at, samples_of


def film(*shots: tuple, fps=F(24), rate=48000) -> Timeline:
    """Shots as (seconds, cut, cut seconds)."""
    return Timeline(Storyboard((), tuple(
        Shot(F(seconds), cut=cut, cut_seconds=F(overlap)) for seconds, cut, overlap in shots),
        fps=fps, sample_rate=rate))


def test_a_dissolve_and_sound_cuts_overlap_whole_shots():
    line = film((8, "cut", 0), (F(13, 2), "dissolve", F(1, 2)), (4, "j-cut", 1), (3, "l-cut", 1),
                (2, "cut", 1))
    assert [p.first_frame for p in line.shots] == [0, 180, 312, 384, 456]
    assert [p.frames for p in line.shots] == [192, 156, 96, 72, 48]
    assert [p.shown for p in line.shots] == [(0, 192), (180, 336), (336, 384), (384, 456),
                                             (456, 504)]
    assert line.cuts == (180, 336, 384, 456) and line.frames == 504
    assert line.seconds == F(21) and line.samples == 21 * 48000
    assert [p.first_sample for p in line.shots] == [f * 2000 for f in (0, 180, 312, 384, 456)]
    assert [p.overlap_samples for p in line.shots] == [0, 24000, 48000, 48000, 0]
    assert line.shots[1].fade == 12 and line.shots[2].fade == 0
    assert [p.index for p in line.at_frame(185)] == [0, 1]
    assert [p.index for p in line.at_frame(320)] == [1]
    assert line.shots[2].own_shown == (24, 72)
    assert line.seconds_at(1, F(1)) == F(17, 2)


def test_a_first_dissolve_fades_from_black():
    line = film((2, "dissolve", F(1, 2)), (2, "cut", 1))
    assert (line.shots[0].fade, line.shots[0].overlap, line.frames) == (12, 0, 96)
    assert film((2, "j-cut", 1)).shots[0].shown == (0, 48)


@pytest.mark.parametrize("fps", [F(24), F(25), F(24000, 1001), F(30000, 1001), F(50, 3), F(12)])
@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
def test_no_gap_no_drift(fps, rate):
    chance = random.Random(f"{fps} {rate}")
    shots = [(F(chance.randint(300, 3000), 500), chance.choice(CUTS), F(chance.randint(1, 9), 40))
             for _ in range(200)]
    line = film(*shots, fps=fps, rate=rate)
    overlaps = sum(p.overlap for p in line.shots)
    assert line.frames == sum(frames_of(s, fps) for s, _, _ in shots) - overlaps
    assert 0 <= line.frames * rate / fps - line.samples < 1
    for before, after in zip(line.shots, line.shots[1:], strict=False):
        # Each position is its own frame's exact time: nothing adds up.
        assert 0 <= after.first_frame * rate / fps - after.first_sample < 1
        assert before.end_sample - after.first_sample - after.overlap_samples in (0, 1)
        assert after.first_frame == before.end_frame - after.overlap
    assert line.shots[-1].end_sample - line.samples in (0, 1)
    shown = sorted(f for p in line.shots for f in range(*p.shown))
    fades = sum(p.fade for p in line.shots[1:])
    assert sorted(set(shown)) == list(range(line.frames)) and len(shown) == line.frames + fades


def test_whole_samples_are_exact():
    assert samples_of(90, F(24), 48000) == sample_at(90, F(24), 48000) == 180000
    assert samples_of(7, F(24000, 1001), 48000) == 7 * 2002
    assert (sample_at(1, F(24), 44100), samples_of(1, F(24), 44100)) == (1837, 1838)
    assert (frames_of(F(1, 48), F(24)), frames_of(F(1, 49), F(24))) == (1, 0)


def test_what_cannot_be_laid_out():
    with pytest.raises(VideoError, match="shot 2: it has 24 frames .* 12 \\+ 12 "):
        film((2, "cut", 0), (1, "dissolve", F(1, 2)), (2, "l-cut", F(1, 2)))
    board = Storyboard((), (Shot(F(1)), Shot(F(1, 100), name="blink")))
    with pytest.raises(VideoError, match='shot 2 "blink": 0.01 s is no frame'):
        Timeline(board)
    assert Timeline(replace(board, shots=board.shots[:1])).frames == 24
