"""The driver: the same numbers for any chunks, exact lengths, a still and a closed mouth."""

import numpy as np
import pytest
import torch

import gwm_core
from gwm_core.avatars.dials import Dials
from gwm_core.avatars.driver import Driver
from gwm_core.avatars.faces_model import (
    FacesModel,
    Reading,
    load_faces,
    new_dynamics,
    save_faces,
)
from gwm_core.avatars.gate import EASE, HOLD, SilenceGate
from gwm_core.avatars.motion import INDEX, NAMES, group
from gwm_core.avatars.sound import Recording
from gwm_core.errors import AvatarError, Cancelled, CheckpointError

MOUTH = group("mouth")


@pytest.fixture(scope="module")
def model():
    """A small network of random weights: it answers to everything that it hears."""
    torch.manual_seed(3)
    net = new_dynamics(stem_width=32, width=32, depth=2, heads=2, window=8)
    torch.nn.init.normal_(net.outlets["motion"].out.weight, std=0.1)
    torch.nn.init.constant_(net.outlets["motion"].out.bias, 0.3)
    return FacesModel(net, Reading(32))


def babble(seconds, rate=16000, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * 140 * k * t + k) / k for k in range(1, 20))
    return (0.1 * tone * (np.sin(2 * np.pi * 1.5 * t) > -0.6)
            + 1e-4 * rng.standard_normal(len(t))).astype(np.float32)


def whole(model, own, other=None, rate=16000, **kwargs):
    driver = Driver(model, **kwargs)
    driver.push(own, other, rate)
    driver.finish()
    return driver.pull()


@pytest.mark.parametrize("rate", [16000, 44100])
def test_any_chunks_give_the_motion_of_the_whole(model, rate):
    own, other = babble(1.5, rate), babble(1.5, rate, seed=1)[::-1].copy()
    want = whole(model, own, other, rate, seed=5)
    assert len(want) == 38 and np.ptp(want, axis=0).max() > 0.05
    driver, rng, rows, at = Driver(model, seed=5), np.random.default_rng(0), [], 0
    while at < len(own):
        size = int(rng.choice([1, 50, 700, 3000]))
        driver.push(own[at:at + size], other[at:at + size], rate)
        rows.append(driver.pull())
        at += size
    driver.finish()
    rows.append(driver.pull())
    assert np.array_equal(np.concatenate(rows), want)
    film = list(Driver(model, seed=5).motions(Recording(own[None], rate), Recording(other[None],
                                                                                   rate)))
    assert np.array_equal(np.stack(film), want)


def test_a_tick_is_ready_80_ms_after_its_end(model):
    driver, counts = Driver(model), []
    sound = babble(0.4)
    for at in range(0, len(sound), 640):
        driver.push(sound[at:at + 640])
        counts.append(len(driver.pull()))
    assert counts == [0, 0] + [1] * 8
    assert len(driver.states) == 1 and driver.ticks == 8


@pytest.mark.parametrize("samples, rate, ticks", [
    (0, 16000, 0), (1, 16000, 1), (1, 96000, 1), (640, 16000, 1), (641, 16000, 2),
    (44100, 44100, 25), (44101, 44100, 26), (8000, 8000, 25),
])
def test_ticks_are_the_begun_ones(model, samples, rate, ticks):
    assert whole(model, np.zeros(samples, np.float32), rate=rate).shape == (ticks, 24)
    if samples:
        recording = Recording(np.zeros((2, samples), np.float32), rate)
        assert len(list(Driver(model).motions(recording))) == ticks == recording.ticks
        assert len(list(Driver(model).motions(None, recording))) == ticks


def test_sound_beyond_the_ticks_asked_for_is_not_shown(model):
    own = Recording(babble(3.0)[None], 16000)
    assert len(list(Driver(model).motions(own, ticks=40))) == 40
    assert len(list(Driver(model).motions(own, ticks=90))) == 90


def test_seed_and_dials(model):
    own = babble(4.0)
    usual = whole(model, own, seed=1)
    assert np.array_equal(usual, whole(model, own, seed=1))
    assert not np.array_equal(usual, whole(model, own, seed=2))
    none = dict.fromkeys(("mouth", "expression", "eyes", "gaze", "head", "blink_rate"), 0.0)
    assert not whole(model, own, seed=1, dials=Dials(**none)).any()
    stiff = whole(model, own, seed=1, dials=Dials(head=0.0))
    assert not stiff[:, group("head")].any() and np.array_equal(stiff[:, MOUTH], usual[:, MOUTH])
    faint = whole(model, own, seed=1, dials=Dials(mouth=0.5))
    assert np.array_equal(faint[:, INDEX["close"]], usual[:, INDEX["close"]])
    assert np.allclose(faint[:, INDEX["jaw"]], 0.5 * usual[:, INDEX["jaw"]])
    with pytest.raises(AvatarError, match="dial mouth: 3; 0 to 2"):
        Dials(mouth=3)


def test_no_voice_of_its_own_moves_no_lips(model):
    quiet = 1e-4 * np.random.default_rng(0).standard_normal(48000).astype(np.float32)
    for own, other in ((quiet, None), (None, babble(3.0)), (np.zeros(48000, np.float32), quiet)):
        assert not whole(model, own, other)[:, MOUTH].any()
    spoken = np.concatenate([babble(2.0), quiet[:32000]])
    out = whole(model, spoken)
    assert out[:50, MOUTH].any(axis=1).mean() > 0.5
    assert not out[50 + HOLD + EASE + 12:, MOUTH].any()


def test_the_gate_opens_ahead_and_closes_gently():
    gate, full = SilenceGate(), np.ones(24, np.float32)
    jaw = [gate.apply(full, active)[INDEX["jaw"]]
           for active in [False] * 3 + [True] * 5 + [False] * 10]
    assert jaw[:3] == [0, 0, 0] and jaw[4:7] == [1, 1, 1]
    assert np.diff(jaw[7:]).min() >= -1 / EASE and jaw[-1] == 0
    assert gate.apply(full, False)[INDEX["yaw"]] == 1


def test_modes_hear_one_voice(model):
    own, other = babble(1.0), babble(1.0, seed=2)
    assert np.array_equal(whole(model, own, other, mode="puppet"), whole(model, own))
    assert np.array_equal(whole(model, own, other, mode="listen"),
                          whole(model, np.zeros_like(own), other))
    with pytest.raises(AvatarError, match="mode: 'sing'"):
        Driver(model, mode="sing")


def test_speech_is_said_as_time_goes_by_and_can_be_interrupted(model):
    speech, silence = babble(2.0), np.zeros(48000, np.float32)
    said = Driver(model)
    said.say(speech)
    said.push(other_audio=silence)
    said.finish()
    assert said.pull()[:, MOUTH].any()
    stopped = Driver(model)
    stopped.say(speech)
    stopped.push(other_audio=silence[:16000])
    assert stopped.interrupt() == pytest.approx(1.0)
    stopped.push(other_audio=silence[16000:])
    stopped.finish()
    out = stopped.pull()
    assert out[:20, MOUTH].any() and not out[45:, MOUTH].any()


def test_a_branch_goes_on_alone(model):
    own = babble(2.0)
    driver = Driver(model, seed=4)
    driver.push(own[:16000])
    driver.pull()
    twin = driver.branch()
    for one in (driver, twin):
        one.push(own[16000:])
    assert np.array_equal(driver.pull(), twin.pull())
    twin.push(own)
    assert len(twin.pull()) and not len(driver.pull())


def test_stop_and_progress(model):
    own, seen = Recording(babble(3.0)[None], 16000), []
    with pytest.raises(Cancelled):
        list(Driver(model).motions(own, stop=lambda: len(seen) == 2,
                                   progress=lambda done, ticks: seen.append((done, ticks))))
    assert seen == [(23, 75), (48, 75)]
    driver = Driver(model)
    driver.finish()
    with pytest.raises(AvatarError, match="finished"):
        driver.push(own.mono())


def test_memory_does_not_grow(model):
    driver, sizes = Driver(model), []
    for _ in range(12):
        driver.push(babble(1.0))
        driver.pull()
        sizes.append((driver._past.cache.nbytes, len(driver._own.ready), len(driver._ahead)))
    assert sizes[3] == sizes[-1]


def test_a_checkpoint_comes_back_and_others_are_refused(model, tmp_path):
    path = tmp_path / "mine.safetensors"
    made = save_faces(path, model.dynamics, model.reading)
    again = gwm_core.load(path)
    assert isinstance(again, FacesModel)
    assert again.fingerprint == made and again.embodiment.extra["motion"] == list(NAMES)
    assert np.allclose(whole(again, babble(0.5)), whole(model, babble(0.5)), atol=0.02)
    with pytest.raises(CheckpointError, match="kind 'rooms'"):
        load_faces("gwm-rooms")
