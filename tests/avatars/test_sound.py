"""Recordings as people bring them, two of them in one sound, and a film of one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gwm_core.avatars.conversation import TwoShot, mix, who_speaks
from gwm_core.avatars.film import Film
from gwm_core.avatars.film_reader import FilmReader
from gwm_core.avatars.sound import Recording
from gwm_core.errors import AvatarError


def tone(seconds: float, rate: int, hertz: float = 220.0, channels: int = 1) -> Recording:
    at = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * hertz * at)
    return Recording(np.tile(wave, (channels, 1)).astype(np.float32), rate)


@pytest.mark.parametrize("rate", (8000, 11025, 16000, 22050, 44100, 48000, 96000))
def test_lengths_are_exact(rate):
    for count in (1, 2, rate // 25, rate // 25 + 1, rate - 1, rate, 3 * rate + 7):
        one = Recording(np.zeros((1, count), np.float32), rate)
        assert one.seconds == Fraction(count, rate)
        assert (one.ticks - 1) * Fraction(1, 25) < one.seconds <= one.ticks * Fraction(1, 25)
        edges = [one.at(tick) for tick in range(one.ticks + 1)]
        assert edges[0] == 0 and edges[-1] == count and edges == sorted(edges)


def test_what_is_no_recording_is_refused_by_name():
    for samples, rate, word in (
        (np.zeros((1, 0), np.float32), 16000, "empty"),
        (np.zeros((0, 9), np.float32), 16000, "empty"),
        (np.zeros(9, np.float32), 16000, "channels"),
        (np.full((1, 9), np.nan, np.float32), 16000, "NaN"),
        (np.zeros((1, 9), np.float32), 0, "a second"),
        (np.zeros((1, 9), np.float32), 16000.0, "a second"),
    ):
        with pytest.raises(AvatarError, match=f"own voice: .*{word}"):
            Recording(samples, rate, "own voice")


def test_clipped_sound_is_listened_to_within_range_and_kept_as_it_is():
    loud = Recording(np.array([[3.0, -9.0, 0.5]], np.float32), 16000)
    assert loud.mono().tolist() == [1.0, -1.0, 0.5] and loud.samples[0, 1] == -9
    assert not loud.silent and Recording(np.zeros((2, 50), np.float32), 16000).silent
    stereo = Recording(np.array([[0.5, 1.0], [0.1, -1.0]], np.float32), 48000)
    assert np.allclose(stereo.mono(), [0.3, 0]) and "stereo" in stereo.described()


def test_a_mix_adds_and_never_clips():
    one, two = tone(1, 16000), tone(0.5, 16000, 330)
    both = mix(one, two)
    assert both.rate == 16000 and len(both) == 16000
    assert np.array_equal(both.samples[0, :8000], one.samples[0, :8000] + two.samples[0])
    assert np.array_equal(both.samples[0, 8000:], one.samples[0, 8000:])
    loud = Recording(np.ones((1, 100), np.float32), 16000)
    assert float(np.abs(mix(loud, loud).samples).max()) == pytest.approx(0.99)


def test_a_mix_of_other_rates_and_channels_keeps_both_voices():
    both = mix(tone(1, 44100, 200, channels=2), tone(1, 16000, 500))
    assert both.rate == 44100 and both.samples.shape == (2, 44100)
    heard = np.abs(np.fft.rfft(both.samples[0]))
    assert set(np.argsort(heard)[-2:]) == {200, 500}
    assert np.allclose(both.samples[0], both.samples[1])


def test_a_two_shot_says_where_each_one_is():
    shot = TwoShot((40, 30), (20, 50), "side by side")
    left, right = np.full((40, 30, 3), 90, np.uint8), np.full((20, 50, 3), 200, np.uint8)
    frame = shot.compose(left, right)
    assert frame.shape == (40, 80, 3)
    assert (frame[shot.mask("left")[0] > 0] == 90).all() and shot.mask("left").sum() == 40 * 30
    assert (frame[shot.mask("right")[0] > 0] == 200).all() and shot.mask("right").sum() == 20 * 50
    cut = TwoShot((40, 30), (20, 50), "cut to the speaker")
    assert cut.size == (40, 50) and not cut.shows("right", "left")
    assert (cut.compose(left, None, "left")[:, 10:40] == 90).all()
    assert (cut.compose(None, right, "right")[10:30] == 200).all()
    masks = cut.mask("right", np.array([0, 1, 1]))
    assert masks.sum(axis=(1, 2)).tolist() == [0, 1000, 1000] and len(cut.mask("right")) == 1
    alone = TwoShot((40, 30), (20, 50), "right only")
    assert alone.size == (20, 50) and alone.mask("left").sum() == 0
    assert (alone.compose(None, right) == 200).all()
    with pytest.raises(AvatarError, match="layout: 'above'.*side by side"):
        TwoShot((1, 1), (1, 1), "above")


def test_a_camera_goes_to_who_speaks_and_does_not_flicker():
    rate, seconds = 16000, 12
    noise = np.random.default_rng(0).standard_normal(rate * seconds) * 0.2
    at = np.arange(rate * seconds) / rate
    left = noise * ((at > 0.5) & (at < 4) | (at > 9))
    right = noise * ((at > 5) & (at < 8.5) | ((at > 2) & (at < 2.15)))  # and a short "mhm"
    voices = [Recording(one[None].astype(np.float32), rate) for one in (left, right)]
    shown = who_speaks(*voices, 25 * seconds)
    cuts = np.flatnonzero(np.diff(shown))
    assert shown[0] == 0 and len(cuts) == 2 and shown[150] == 1 and shown[-1] == 0
    assert 4.5 < cuts[0] / 25 < 5.05 and 8.5 < cuts[1] / 25 < 9.05
    silent = Recording(np.zeros((1, 16000), np.float32), rate)
    assert not who_speaks(silent, silent, 25).any()
    both = who_speaks(voices[0], voices[0], 25 * seconds)
    assert not both.any(), "nobody is clearly louder"


@pytest.mark.parametrize("rate, channels", ((8000, 1), (44100, 2), (96000, 1), (16001, 6)))
def test_a_film_is_as_long_as_its_sound(tmp_path, rate, channels):
    sound = Recording(tone(1.01, rate, channels=channels).samples, rate)
    with Film(tmp_path / "film.mp4", sound) as film:
        for tick in range(sound.ticks):
            film.add(np.full((33, 47, 3), 9 * tick, np.uint8))
    with FilmReader(str(tmp_path / "film.mp4")) as film:
        assert film.rate == 25 and film.count == sound.ticks == 26
        frames = list(film.frames())
    assert frames[0].shape == (34, 48, 3) and len(frames) == 26
    assert abs(float(frames[20].mean()) - 180) < 6
    heard = FilmReader.sound_of(str(tmp_path / "film.mp4"))
    assert heard.rate == (rate if rate != 16001 else 22050)
    assert float(heard.seconds) == pytest.approx(float(sound.seconds), abs=0.05)
    level = np.sqrt((heard.mono() ** 2).mean())
    assert level == pytest.approx(0.3 / 2**0.5, rel=0.1)


def test_a_film_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError), Film(tmp_path / "film.mp4", None) as film:
        film.add(np.zeros((32, 32, 3), np.uint8))
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_what_is_no_film_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no film")
    with pytest.raises(AvatarError, match="video: it cannot be read"):
        FilmReader(str(tmp_path / "a.mp4"))
