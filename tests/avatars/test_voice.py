"""What is heard of a voice: streaming equals offline, and gain, rate and microphone fade."""

import numpy as np
import pytest

from gwm_core.avatars import voice
from gwm_core.errors import AvatarError


def speech(rng, seconds=3.0, rate=16000):
    """Harmonics under a moving formant, in syllables: what a voice is to a filter bank."""
    t = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 15 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formant = 900 + 500 * np.sin(2 * np.pi * 2.3 * t)
    out = np.zeros(len(t))
    for k in range(1, 40):
        gain = np.exp(-0.5 * ((k * pitch - formant) / 400) ** 2) + 0.3 / k
        out += gain * np.sin(k * phase) * (k * pitch < 0.45 * rate)
    out *= np.clip(np.sin(2 * np.pi * 3 * t), 0, None) * 0.1
    return (out + 1e-4 * rng.standard_normal(len(t))).astype(np.float32)


def bands_of_tracks(audio, rate=16000):
    return voice.heard(voice.bands_of(voice.ticks_of(audio, rate)))


@pytest.mark.parametrize("rate", [16000, 8000, 44100, 48000, 96000, 11025, 44099])
def test_any_chunks_give_the_numbers_of_the_whole(rate):
    rng = np.random.default_rng(rate)
    audio = speech(rng, 0.7, rate)
    whole = voice.ticks_of(audio, rate)
    track, rows, at = voice.Ticks(rate), [], 0
    while at < len(audio):
        size = int(rng.choice([1, 7, 333, rate // 50]))
        rows += track.push(audio[at:at + size])
        at += size
    rows += track.finish()
    assert np.array_equal(np.stack(rows), whole)
    assert len(whole) == -(-len(audio) * 25 // rate)
    listener, mel = voice.Listener(), voice.LogMel()
    live = [listener.tick(row) for row in whole]
    offline = voice.heard(np.stack([mel.tick(row) for row in whole]))
    assert np.array_equal(np.stack([bands[-1] for bands in live]), offline)
    assert np.array_equal(np.stack([voice.fine(bands)[-1] for bands in live]), voice.fine(offline))


def test_a_tick_needs_no_sound_of_the_next():
    for rate in (8000, 16000, 22050, 44100, 48000, 96000):
        track, made = voice.Ticks(rate), 0
        for k in range(1, 26):
            start, stop = -(-(k - 1) * rate // 25), -(-k * rate // 25)
            made += len(track.push(np.zeros(stop - start, np.float32)))
            assert made == k, rate


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_a_tone_keeps_its_place_and_height_at_any_rate(rate):
    t = np.arange(rate) / rate
    resampler = voice.Resampler(rate)
    out = np.concatenate([resampler.push(np.sin(2 * np.pi * 1000 * t).astype(np.float32)),
                          resampler.finish()])
    assert len(out) == 16000
    wanted = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    assert np.abs(out - wanted)[200:-200].max() < 0.003


def test_what_is_above_8_khz_does_not_fold_down():
    t = np.arange(48000) / 48000
    resampler = voice.Resampler(48000)
    out = resampler.push(np.sin(2 * np.pi * 10_000 * t).astype(np.float32))
    assert np.abs(out[200:-200]).max() < 0.001


def test_gain_and_microphone_matter_little():
    audio = speech(np.random.default_rng(1), 6.0)
    usual = bands_of_tracks(audio)[50:]
    quiet = bands_of_tracks(audio * 0.1)[50:]
    dull = np.convolve(audio, [0.5, 0.5])[:len(audio)].astype(np.float32)
    dull = bands_of_tracks(dull)[50:]
    loudness = np.sqrt(np.mean(np.square(usual)))
    assert np.sqrt(np.mean(np.square(quiet - usual))) < 0.12 * loudness
    assert np.sqrt(np.mean(np.square(dull - usual))) < 0.15 * loudness
    raw = voice.bands_of(voice.ticks_of(audio))[50:]
    assert np.abs(voice.bands_of(voice.ticks_of(audio * 0.1))[50:] - raw).mean() > 2


def test_a_batch_hears_what_each_track_hears():
    rng = np.random.default_rng(2)
    tracks = [voice.bands_of(voice.ticks_of(speech(rng, 1.0))) for _ in range(3)]
    both = voice.heard(np.stack(tracks))
    assert np.allclose(both[1], voice.heard(tracks[1]), atol=1e-5)


@pytest.mark.parametrize("audio, ticks", [
    (np.zeros(0, np.float32), 0), (np.zeros(1, np.float32), 1), (np.ones(16001, np.float32), 26),
    (np.full((2, 640), 3.0), 1), (np.full(640, -32768, np.int16), 1), (np.zeros((0, 9)), 1),
])
def test_odd_sound_is_heard(audio, ticks):
    out = bands_of_tracks(audio)
    assert out.shape == (ticks, 4, 40) and np.isfinite(out).all()
    assert np.abs(out).max(initial=0) <= 2


@pytest.mark.parametrize("audio, rate, said", [
    (np.array([0.0, np.nan]), 16000, "NaN"), (np.zeros((2, 2, 2)), 16000, r"\[2, 2, 2\]"),
    (np.zeros(4, np.int64), 16000, "int64"), (np.zeros(4), 0, "rate: 0"),
    (np.zeros(4), 16000.5, "rate"),
])
def test_what_is_no_sound_is_named(audio, rate, said):
    with pytest.raises(AvatarError, match=said):
        voice.ticks_of(audio, rate)
