"""The report of sync: finds a known shift, tells chance from agreement, says what it cannot say."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.avatars.sound import Recording
from gwm_core.avatars.sync_plot import plot
from gwm_core.avatars.sync_report import at_ticks, compare, loudness
from gwm_core.errors import AvatarError

TICKS = 250


def spoken(seed: int = 0, ticks: int = TICKS, rate: int = 22050) -> tuple[np.ndarray, Recording]:
    """(how open a mouth should be [T], noise as loud as that): words with pauses."""
    random = np.random.default_rng(seed)
    words = np.repeat(random.random(ticks // 20 + 1) > 0.3, 20)[:ticks]
    level = np.convolve(random.standard_normal(ticks), np.hanning(7) / 3, mode="same")
    level = np.clip(0.5 + level, 0, 1) * words
    at = (np.arange(ticks * rate // 25) / rate) * 25 - 0.5
    noise = random.standard_normal(len(at)) * np.interp(at, np.arange(ticks), level) * 0.2
    return level.astype(np.float32), Recording(noise[None].astype(np.float32), rate)


@pytest.mark.parametrize("late", (-7, -2, 0, 1, 4, 9))
def test_a_known_shift_is_found(late):
    level, recording = spoken()
    found = compare(0.1 * np.roll(level, late), recording)
    assert abs(found.offset - late) <= 0.5 and found.frames_late() == late
    assert found.score > 0.6 and found.score > found.control + 0.2
    assert found.frames_late(50) == pytest.approx(2 * late, abs=1)
    said = found.verdict()
    assert ("In sync" in said) == (abs(late) <= 1) and (late < 2 or f"{late * 40} ms late" in said)


def test_another_voice_is_chance():
    level, _ = spoken(1)
    _, recording = spoken(2)
    found = compare(level, recording)
    assert found.score < 0.5 and "by chance" in found.verdict()


def test_an_expected_curve_takes_the_place_of_loudness():
    level, recording = spoken()
    curve = np.random.default_rng(5).random(TICKS).astype(np.float32)
    found = compare(np.roll(curve, 3), recording, voice=curve, expected="model")
    assert found.offset == 3 and found.score == pytest.approx(1, abs=0.02)
    assert "expected  by the model" in found.text() and level.shape == curve.shape


def test_a_mouth_that_moves_in_pauses_is_told():
    level, recording = spoken()
    heard = loudness(recording) > 0
    quiet = compare(0.1 * level * heard, recording)
    chatter = compare(0.1 * level + 0.05, recording)
    assert quiet.pauses < 0.02 < 0.4 < chatter.pauses
    assert f"{chatter.pauses:.0%}" in chatter.text()


@pytest.mark.parametrize("mouth, sound, why", (
    (1, 0, "nothing is heard"), (0, 1, "the mouth does not move")))
def test_what_cannot_be_told(mouth, sound, why):
    level, recording = spoken()
    quiet = Recording(sound * recording.samples, recording.rate)
    found = compare(mouth * 0.1 * level, quiet)
    assert why in found.verdict() and np.isnan(found.offset)
    assert found.frames_late() == 0 and found.score == 0
    assert plot(found).shape == (620, 1120, 3)


def test_too_short_and_broken_curves_are_refused():
    level, recording = spoken()
    with pytest.raises(AvatarError, match="at least 1 s"):
        compare(level[:24], recording)
    with pytest.raises(AvatarError, match="not finite"):
        compare(np.full(TICKS, np.nan), recording)


def test_curves_of_other_rates_keep_their_times():
    seconds = np.arange(0, 4, 1 / 60)
    curve = np.sin(2 * np.pi * (seconds + 0.5 / 60)).astype(np.float32)
    ticks = at_ticks(curve, 60)
    assert len(ticks) == 100
    truth = np.sin(2 * np.pi * (np.arange(100) + 0.5) / 25)
    assert np.abs(ticks - truth)[2:-2].max() < 0.01
    assert at_ticks(curve, 25) is not None and len(at_ticks(curve, 25)) == len(curve)


def test_the_plot_shows_both_curves_and_the_best_shift():
    level, recording = spoken()
    late, in_place = (plot(compare(0.1 * np.roll(level, by), recording)) for by in (6, 0))
    blue = (np.abs(late.astype(int) - (110, 178, 255)).sum(-1) < 40)
    orange = (np.abs(late.astype(int) - (255, 176, 84)).sum(-1) < 40)
    assert blue[92:392].sum() > 500 and orange[92:392].sum() > 500
    green = [np.nonzero(np.abs(p[450:560].astype(int) - (120, 214, 140)).sum(-1) < 40)[1].mean()
             for p in (late, in_place)]
    assert green[0] > green[1] + 100


def test_loudness_of_room_tone_is_a_pause():
    level, recording = spoken()
    noise = np.random.default_rng(3).standard_normal(recording.samples.shape) * 0.0008
    heard = loudness(Recording((recording.samples + noise).astype(np.float32), recording.rate))
    assert heard.max() == 1 and (heard[level == 0] == 0).mean() > 0.8
    for rate in (8000, 96000):
        other = loudness(spoken(rate=rate)[1])
        assert len(other) == TICKS and np.corrcoef(other, level)[0, 1] > 0.7
