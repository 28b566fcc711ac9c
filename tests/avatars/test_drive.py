"""Whole recordings as films: exact lengths, odd sound, curves of another performance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gwm_core.avatars.actor import Actor
from gwm_core.avatars.character import Character
from gwm_core.avatars.dials import Dials
from gwm_core.avatars.drive import curves_from_voice, shoot, with_curves
from gwm_core.avatars.faces_model import FacesModel, Reading, new_dynamics
from gwm_core.avatars.film import Film
from gwm_core.avatars.film_reader import FilmReader
from gwm_core.avatars.motion import INDEX, from_json, group, still, to_json
from gwm_core.avatars.sound import Recording
from gwm_core.errors import AvatarError

MOUTH = group("mouth")


@pytest.fixture(scope="module")
def model() -> FacesModel:
    """Of random weights: it answers with the same nonsense to the same voices."""
    torch.manual_seed(0)
    net = new_dynamics(width=32, depth=1, heads=2, window=4)
    torch.nn.init.normal_(net.outlets["motion"].out.weight, std=0.1)
    torch.nn.init.constant_(net.outlets["motion"].out.bias, 0.3)
    return FacesModel(net, Reading(32))


@pytest.fixture(scope="module")
def actor() -> Actor:
    image = np.random.default_rng(0).integers(0, 255, (60, 48, 3)).astype(np.uint8)
    image = np.repeat(np.repeat(image, 2, 0), 2, 1)
    return Actor(Character(image, Character.default_points(96, 120)), 64)


def voice(seconds: float = 1.0, rate: int = 16000, channels: int = 1, gain: float = 0.3
          ) -> Recording:
    """Something like speech: a buzz with syllables."""
    at = np.arange(max(1, round(seconds * rate))) / rate
    buzz = np.sign(np.sin(2 * np.pi * 130 * at)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at))
    return Recording(np.tile(gain * buzz, (channels, 1)).astype(np.float32), rate)


def curves(model, own, other=None, **options) -> np.ndarray:
    return np.stack(list(curves_from_voice(model, own, other, **options)))


ODD = {
    "8 kHz": voice(0.5, 8000), "96 kHz": voice(0.5, 96000), "stereo": voice(0.5, 44100, 2),
    "six channels": voice(0.3, 48000, 6), "clipped": voice(0.5, gain=40.0),
    "silent": Recording(np.zeros((1, 9000), np.float32), 22050),
    "one sample": Recording(np.ones((1, 1), np.float32), 44100),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_sound_gives_a_film_of_its_length(model, actor, name, tmp_path):
    sound = ODD[name]
    with Film(tmp_path / "a.mp4", sound) as film:
        shot = shoot(curves_from_voice(model, sound), actor.draw, sound.ticks, film=film,
                     most_frames=3)
    assert len(shot.motion) == sound.ticks == -(-len(sound) * 25 // sound.rate)
    assert np.isfinite(shot.motion).all() and len(shot.frames) == min(3, sound.ticks)
    with FilmReader(str(tmp_path / "a.mp4")) as film:
        assert film.count == sound.ticks and film.rate == 25
    if name == "silent":
        assert not shot.motion[:, MOUTH].any()


def test_the_same_seed_is_the_same_film_and_another_is_not(model):
    first, again, other = (curves(model, voice(), seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_dials_at_zero_stand_still(model, actor):
    off = Dials(mouth=0, expression=0, eyes=0, gaze=0, head=0, blink_rate=0)
    motion = curves(model, voice(0.4), dials=off)
    assert not motion.any()
    shot = shoot(motion, actor.draw, len(motion), most_frames=99)
    assert (shot.frames == shot.frames[0]).all()


def test_listening_lasts_as_long_as_the_longer_voice_unless_told(model):
    own, other = voice(0.4), voice(1.0, 44100)
    assert len(curves(model, own, other)) == 25 and len(curves(model, None, other)) == 25
    short = curves(model, own, other, ticks=10)
    assert len(short) == 10
    assert not np.array_equal(short, curves(model, own, ticks=10)), "the other voice is heard"
    assert len(curves(model, own, ticks=40)) == 40


def test_curves_of_another_performance(model):
    given = still(6)
    given[:, INDEX["jaw"]], given[:, INDEX["yaw"]] = 0.5, np.linspace(-1, 1, 6)
    given = from_json(to_json(given))
    alone = np.stack(list(with_curves(None, given, "everything", 8)))
    assert np.array_equal(alone[:6], given) and np.array_equal(alone[7], given[5])
    spoken = curves(model, voice(0.32))
    mixed = np.stack(list(with_curves(iter(spoken), given, "all but the mouth", 8)))
    assert np.array_equal(mixed[:, MOUTH], spoken[:, MOUTH])
    assert np.array_equal(mixed[:, INDEX["yaw"]], alone[:, INDEX["yaw"]])
    assert given[0, INDEX["jaw"]] == 0.5, "what was given is not changed"
    with pytest.raises(AvatarError, match="no ticks"):
        list(with_curves(None, still(0), "everything", 8))
    with pytest.raises(AvatarError, match="curves: 'half'"):
        list(with_curves(None, given, "half", 8))


def test_no_voice_at_all_and_endless_ones_are_refused(model):
    with pytest.raises(AvatarError, match="audio: no voice"):
        curves(model, None)
    with pytest.raises(AvatarError, match="125 minutes; up to 120"):
        curves(model, voice(), ticks=125 * 1500)


def test_what_progress_raises_ends_the_film_at_once(model, actor, tmp_path):
    seen = []

    def progress(done, total, frame):
        seen.append((done, total, frame.shape))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Film(tmp_path / "a.mp4", voice()) as film:
        shoot(curves_from_voice(model, voice()), actor.draw, 25, film=film, progress=progress)
    assert seen == [(i, 25, (64, 51, 3)) for i in (1, 2, 3, 4)]
    assert not list(tmp_path.iterdir())


def test_motions_that_end_early_are_no_film(actor):
    with pytest.raises(AvatarError, match="3 of 5 ticks"):
        shoot(still(3), actor.draw, 5)
