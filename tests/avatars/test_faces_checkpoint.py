"""The shipped gwm-faces: a voice that it never heard moves the lips, silence does not."""

import numpy as np
import pytest

import gwm_core
from gwm_core.avatars.driver import Driver
from gwm_core.avatars.motion import INDEX, group
from gwm_core.avatars.mouth import aperture
from gwm_core.simulators.faces import espeak
from gwm_core.simulators.faces.performance import perform


@pytest.fixture(scope="module")
def model():
    return gwm_core.load("gwm-faces")


def driven(model, performance, own=True, other=True):
    driver = Driver(model, seed=1)
    silence = np.zeros_like(performance.audio_self)
    driver.push(performance.audio_self if own else silence,
                performance.audio_other if other else silence)
    driver.finish()
    return driver.pull()


def r(a, b):
    return np.corrcoef(a, b)[0, 1]


def test_an_unheard_voice_moves_the_lips_in_time(model):
    if not espeak.available():
        pytest.skip("espeak-ng is not installed")
    told = perform(5, "held", "en-gb-scotland+f3", 8.0, layout="monologue")
    shown, truth = aperture(driven(model, told)), aperture(told.motion)
    spoken = told.speaking
    assert r(shown[spoken], truth[spoken]) > 0.65
    late = [r(np.roll(shown, -k)[spoken], truth[spoken]) for k in range(-4, 5)]
    assert abs(int(np.argmax(late)) - 4) <= 1
    assert r(np.roll(shown, 60)[spoken], truth[spoken]) < 0.4
    loudness = np.sqrt(np.square(told.audio_self.reshape(-1, 640)).mean(axis=1))
    assert r(shown[spoken], truth[spoken]) > r(loudness[spoken], truth[spoken]) + 0.1
    lips_meet = truth[spoken] < 0.01
    assert shown[spoken][lips_meet].mean() < 0.5 * shown[spoken][~lips_meet].mean()


def test_it_listens_with_a_closed_mouth_and_nods_at_pauses(model):
    if not espeak.available():
        pytest.skip("espeak-ng is not installed")
    told = perform(4, "held", "en-us+grandma", 12.0, layout="other")
    heard, alone = driven(model, told), driven(model, told, other=False)
    assert not heard[:, group("mouth")].any() and not alone[:, group("mouth")].any()
    answer = heard[:, INDEX["pitch"]] - alone[:, INDEX["pitch"]]  # the same seed: the head's own
    dips = np.stack([answer[t:t + 14].min() for t in told.nods])
    assert len(dips) and np.mean(dips < -0.2) > 0.5
    assert heard[:, INDEX["smile"]].max() > alone[:, INDEX["smile"]].max() + 0.1
