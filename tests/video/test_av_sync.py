"""The AV-Sync Report on clips whose truth is known."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from gwm_core.avatars.sound import Recording
from gwm_core.errors import Cancelled, VideoError
from gwm_core.video.av_sync import av_sync, counted, matches
from gwm_core.video.av_sync_plot import SIZE, plot
from gwm_core.video.cut_finder import find_cuts
from gwm_core.video.onsets import onsets

RATE, FPS = 24000, 24
TIMES = (0.5, 0.92, 1.21, 1.9, 2.3, 3.05, 3.4)
FRAMES = [np.full((48, 64, 3), 90, np.uint8)] * (4 * FPS)


def knocks(times, rate=RATE, seconds=4.0, noise=0.002):
    generator = np.random.default_rng(1)
    out = generator.normal(0, noise, int(seconds * rate))
    t = np.arange(rate // 5) / rate
    knock = np.exp(-40 * t) * np.sin(2 * np.pi * 640 * t + 1)
    for k, time in enumerate(times):
        at = int(time * rate)
        part = out[at : at + len(knock)]
        part += (0.04 + 0.03 * (k % 3)) * knock[: len(part)]
    return out.astype(np.float32)


@pytest.mark.parametrize("rate", [16000, 24000, 48000])
def test_onsets_are_found_where_they_are(rate):
    found = onsets(knocks(TIMES, rate), rate)
    assert len(found) == len(TIMES) and np.abs(found - TIMES).max() < 0.004


def test_silence_and_steady_noise_have_no_onsets():
    assert len(onsets(np.zeros((2, RATE), np.float32), RATE)) == 0
    assert len(onsets(knocks((), noise=0.05), RATE)) == 0


@pytest.mark.parametrize("late", [0.0, 0.125, -0.2])
def test_a_shift_is_told(late):
    sound = Recording(knocks(TIMES)[None], RATE)
    found = av_sync(FRAMES, FPS, sound, seen=[t + late for t in TIMES], lips=False)
    assert abs(found.offset - late * FPS) < 0.3
    assert found.best_iou > 0.95 and found.floor < 0.35 and found.sure
    assert found.control < 0.8
    assert ("in sync" in found.verdict()) == (late == 0)
    if late == 0:
        assert found.iou == found.heard_of_seen == 1 and len(found.pairs) == len(TIMES)
    else:
        assert found.iou < 0.5 and f"{abs(1000 * late):.0f} ms" in found.verdict()


def test_events_of_another_clip_do_not_match():
    sound = Recording(knocks(TIMES)[None], RATE)
    generator = np.random.default_rng(3)
    found = [av_sync(FRAMES, FPS, sound, seen=np.sort(generator.uniform(0, 4, 7)), lips=False)
             for _ in range(16)]
    assert np.mean([report.iou for report in found]) < 0.3
    assert np.mean([report.sure for report in found]) < 0.25


def test_each_event_counts_once():
    assert matches([1.0, 1.01], [1.005], 0.05) == [(1.0, 1.005)] or \
        matches([1.0, 1.01], [1.005], 0.05) == [(1.01, 1.005)]
    assert counted([1.0, 1.01, 2.0], [1.005, 2.02, 5.0], 0.05) == 2
    assert len(matches([1.0, 2.0], [1.02, 1.98, 5.0], 0.05)) == 2


def test_the_report_as_text_json_and_picture():
    sound = Recording(knocks(TIMES)[None], RATE)
    found = av_sync(FRAMES, FPS, sound, seen=TIMES, lips=False)
    told = json.loads(found.to_json())
    assert told["offset_frames"] == pytest.approx(0, abs=0.3) and told["iou"] == 1
    assert "7 seen" in found.text()
    picture = plot(found)
    assert picture.shape == (SIZE[1], SIZE[0], 3) and picture.std() > 5
    nothing = av_sync(FRAMES, FPS, Recording(np.zeros((1, RATE), np.float32), RATE), seen=())
    assert "cannot be told" in nothing.verdict()
    assert json.loads(nothing.to_json())["offset_frames"] is None
    assert plot(nothing).shape == picture.shape


def test_cuts_are_found_and_motion_is_none():
    generator = np.random.default_rng(0)
    one, two = generator.integers(0, 200, (2, 6, 12, 3)).repeat(8, 1).repeat(8, 2)
    moving = [np.roll(one, k // 2, axis=1).astype(np.uint8) for k in range(20)]
    other = [np.roll(two, k // 2, axis=1).astype(np.uint8) for k in range(20)]
    assert find_cuts([*moving, *other]) == [20]
    assert find_cuts(moving) == []


def test_a_stop_and_a_clip_that_is_none():
    sound = Recording(knocks(TIMES)[None], RATE)
    with pytest.raises(Cancelled):
        av_sync(FRAMES, FPS, sound, seen=TIMES, stop=lambda: True)
    with pytest.raises(VideoError, match="fps"):
        av_sync(FRAMES, 0, sound, seen=TIMES)
    with pytest.raises(VideoError, match="clip"):
        av_sync([], Fraction(24), sound, seen=TIMES)
