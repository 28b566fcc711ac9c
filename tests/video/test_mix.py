"""Loudness and true peak against values that standards and mathematics give; the mix."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from scipy import signal

from gwm_core.errors import Cancelled, VideoError
from gwm_core.video.limiter import Limiter
from gwm_core.video.loudness import LoudnessMeter, PeakMeter, k_weighting, loudness, true_peak
from gwm_core.video.mix import Mixer, mix

RATE = 48000


def tone(seconds: float, decibels: float, hertz: float = 1000.0, rate: int = RATE) -> np.ndarray:
    """A stereo sine, both channels the same."""
    wave = np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, wave]) * 10 ** (decibels / 20)


def noise(seconds: float, level: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return (level * chance.standard_normal((2, round(seconds * rate)))).astype(np.float32)


def sketch_of_a_film(seconds: int = 6) -> dict[str, np.ndarray]:
    """Words, bangs and a quiet tone."""
    at = np.arange(seconds * RATE) / RATE
    bangs = np.zeros((2, seconds * RATE), np.float32)
    for k in range(1, seconds):
        bangs[:, k * RATE : k * RATE + 6000] = noise(0.125, 0.8, k) * np.exp(-np.arange(6000) / 700)
    words = signal.lfilter([0.2], [1, -0.8], noise(seconds, 0.12)) * (np.sin(2 * at) > 0)
    return {"dialogue": words.astype(np.float32), "effects": bangs,
            "ambience": noise(seconds, 0.004, 9)}


def test_the_weighting_is_the_recommendations():
    """ITU-R BS.1770-4, tables 1 and 2: the coefficients at 48 kHz."""
    shelf, high = k_weighting(48000)
    assert shelf == pytest.approx([1.53512485958697, -2.69169618940638, 1.19839281085285,
                                   1, -1.69065929318241, 0.73248077421585], abs=1e-9)
    assert high == pytest.approx([1, -2, 1, 1, -1.99004745483398, 0.99007225036621], abs=1e-9)


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000, 96000])
def test_a_tone_has_its_known_loudness(rate):
    """A 997 Hz sine of full scale in one channel is -3.01 LKFS (BS.1770-4)."""
    one = tone(3, 0, 997, rate)[:1]
    assert loudness(one, rate) == pytest.approx(-3.01, abs=0.05)
    assert loudness(tone(3, -23, 1000, rate), rate) == pytest.approx(-23, abs=0.05)


@pytest.mark.parametrize(("parts", "lufs"), [
    ([(20, -23)], -23), ([(20, -33)], -33),
    ([(10, -36), (60, -23), (10, -36)], -23),
    ([(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)], -23),
    ([(20, -26), (20.1, -20), (20, -26)], -23),
])
def test_gates(parts, lufs):
    """EBU Tech 3341, cases 1 to 5, each within 0.1 LU."""
    meter = LoudnessMeter(16000)
    for seconds, level in parts:
        meter.add(tone(seconds, level, 1000, 16000))
    assert meter.integrated == pytest.approx(lufs, abs=0.1)


def test_silence_and_very_short_sound():
    assert loudness(np.zeros((2, RATE)), RATE) == -math.inf
    assert loudness(np.zeros((2, 0)), RATE) == -math.inf
    assert true_peak(np.zeros((2, 9))) == -math.inf
    assert loudness(tone(0.2, -23), RATE) == pytest.approx(-23, abs=0.5)


@pytest.mark.parametrize(("hertz", "phase"), [(12000, 45), (8000, 60), (6000, 0), (16000, 30)])
def test_peaks_between_samples_are_seen(hertz, phase):
    """EBU Tech 3341, cases 15 to 19: sines whose samples miss their peaks."""
    at = np.arange(RATE // 2) / RATE
    fade = np.minimum(1, np.minimum(at, at[::-1]) * 40)
    wave = 0.5 * np.sin(2 * np.pi * hertz * at + math.radians(phase)) * fade
    assert true_peak(wave) == pytest.approx(20 * math.log10(0.5), abs=0.2)
    assert 20 * math.log10(abs(wave).max()) <= true_peak(wave)


def test_pieces_are_the_whole():
    sound = noise(1.5, 0.1)
    whole = LoudnessMeter(RATE)
    whole.add(sound)
    pieces, peak = LoudnessMeter(RATE), PeakMeter()
    once, often = Limiter(RATE, -6.0, 4.0), Limiter(RATE, -6.0, 4.0)
    out, at = [], 0
    for count in (1, 7, 4800, 13, 30001, 10**6):
        part = sound[:, at : at + count]
        pieces.add(part)
        peak.add(part)
        out.append(often.add(part))
        at += count
    assert pieces.integrated == pytest.approx(whole.integrated, abs=1e-9)
    assert peak.decibels == pytest.approx(true_peak(sound), abs=1e-9)
    one = np.concatenate([once.add(sound), once.rest()], axis=1)
    many = np.concatenate([*out, often.rest()], axis=1)
    assert one.shape == sound.shape and np.abs(one - many).max() < 1e-6


@pytest.mark.parametrize("gain", [1.0, 8.0])
def test_nothing_exceeds_the_limit(gain):
    """Between samples too, by an exact interpolation of 16 times; also at the first sample."""
    bands = np.fft.rfft(noise(1, 0.5, 3))
    bands[:, 21000:] = 0
    loud = np.fft.irfft(bands).astype(np.float32)
    limiter = Limiter(RATE, -1.0, gain)
    out = np.concatenate([limiter.add(loud), limiter.rest()], axis=1)
    fine = signal.resample(np.pad(out.astype(np.float64), ((0, 0), (500, 500))),
                           16 * (out.shape[1] + 1000), axis=1)
    assert 20 * math.log10(abs(fine).max()) <= -1.0
    assert 20 * math.log10(abs(fine).max()) > -1.6
    soft = np.float32(0.1) * loud
    limiter = Limiter(RATE, -1.0)
    assert np.array_equal(np.concatenate([limiter.add(soft), limiter.rest()], axis=1), soft)


@pytest.mark.parametrize("target", [-23.0, -16.0])
def test_the_mix_has_its_loudness(target):
    stems = sketch_of_a_film()
    mixer = Mixer(stems, RATE, target, -1.0)
    out = np.concatenate(list(mixer.parts()), axis=1)
    assert out.shape == stems["effects"].shape and out.dtype == np.float32
    assert loudness(out, RATE) == pytest.approx(target, abs=0.5)
    assert loudness(out, RATE) == pytest.approx(mixer.report().loudness, abs=1e-6)
    assert true_peak(out) <= -1.0 and mixer.report().remark == ""
    assert np.array_equal(mix(stems, RATE, target, -1.0), out)


def test_stems_add_up_to_the_mix():
    quiet = {name: sound * np.float32(0.2) for name, sound in sketch_of_a_film().items()}
    mixer = Mixer(quiet, RATE, -30.0, -1.0, ducking=6.0)
    assert mixer.report().reduced == 0
    total = sum(np.concatenate(list(mixer.stem_parts(name)), axis=1) for name in quiet)
    out = np.concatenate(list(mixer.parts()), axis=1)
    assert np.abs(total - out).max() < 1e-6


def test_ambience_steps_back_under_words():
    words = np.zeros((2, 6 * RATE), np.float32)
    words[:, 3 * RATE : 4 * RATE] = noise(1, 0.1)
    stems = {"dialogue": words, "ambience": noise(6, 0.01, 4)}
    mixer = Mixer(stems, RATE, ducking=6.0)
    gain = 10 ** (mixer.report().gain / 20)
    ambience = np.concatenate(list(mixer.stem_parts("ambience")), axis=1)
    ratio = np.abs(ambience).mean(axis=0) / (gain * np.abs(stems["ambience"]).mean(axis=0))
    assert ratio[: 2 * RATE] == pytest.approx(1.0, abs=1e-3)
    assert ratio[3 * RATE : 4 * RATE] == pytest.approx(10 ** (-6 / 20), abs=1e-3)
    assert np.abs(np.diff(ratio)).max() < 1e-3


def test_silence_stays_silence_and_hopeless_targets_are_told():
    silent = Mixer({"effects": np.zeros((2, RATE), np.float32)}, RATE)
    assert not np.concatenate(list(silent.parts()), axis=1).any()
    assert silent.report().gain == 0 and silent.report().loudness == -math.inf
    assert mix({"effects": np.zeros((1, 0), np.float32)}, RATE).shape == (2, 0)
    faint = Mixer({"effects": noise(2, 4e-4)}, RATE, -10.0)
    assert "instead of -10" in faint.report().remark
    click = np.zeros((2, 3 * RATE), np.float32)
    click[:, ::RATE] = 1
    assert "peaks" in Mixer({"effects": click}, RATE, -10.0).report().remark


def test_one_channel_is_heard_in_the_middle():
    wave = noise(2, 0.05)[:1]
    assert loudness(mix({"dialogue": wave}, RATE, -20.0), RATE) == pytest.approx(-20, abs=0.1)


def test_bad_stems_and_a_stop():
    for stems in ({}, {"a": np.zeros(9)}, {"a": np.zeros((3, 9))},
                  {"a": np.zeros((2, 9)), "b": np.zeros((2, 8))}):
        with pytest.raises(VideoError):
            Mixer(stems, RATE)
    with pytest.raises(Cancelled):
        Mixer({"a": noise(1, 0.1)}, RATE, stop=lambda: True).report()


def test_memory_does_not_grow_with_the_film(tmp_path):
    def used(seconds: int) -> int:
        count = seconds * RATE
        file = np.memmap(tmp_path / f"{seconds}", np.float32, "w+", shape=(2, count))
        for start in range(0, count, RATE):
            file[:, start : start + RATE] = noise(1, 0.05, start)[:, : count - start]
        tracemalloc.start()
        for _ in Mixer({"effects": file}, RATE, -16.0).parts():
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert used(16) - used(4) < 2**20
