"""A character as a stream: the frames of a film, for any chunks; what is no portrait is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gwm_core as gwm
from gwm_core.avatars.actor import Actor
from gwm_core.avatars.character import Character
from gwm_core.avatars.dials import Dials
from gwm_core.avatars.driver import Driver
from gwm_core.avatars.faces_model import FacesModel, Reading, new_dynamics
from gwm_core.avatars.portrait_file import decode
from gwm_core.avatars.sound import Recording

PORTRAITS = Path(__file__).parent / "portraits"
RATE = 44_100


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    net = new_dynamics(stem_width=32, width=32, depth=1, heads=2, window=4)
    torch.nn.init.normal_(net.outlets["motion"].out.weight, std=0.1)
    torch.nn.init.constant_(net.outlets["motion"].out.bias, 0.3)
    return FacesModel(net, Reading(32))


@pytest.fixture(scope="module")
def character():
    image = np.random.default_rng(0).integers(0, 255, (120, 96, 3), np.uint8)
    return Character(image, Character.default_points(96, 120))


def babble(seconds: float) -> np.ndarray:
    at = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * at) / k for k in range(1, 20))
    return (0.1 * buzz * np.clip(np.sin(2 * np.pi * 3 * at), 0, 1)).astype(np.float32)


def test_any_chunks_give_the_frames_of_the_film(model, character):
    own, other = babble(1.01), babble(1.01)[::-1].copy()
    stream = gwm.AvatarStream(character, model=model, seed=3, size=64)
    seen, at, rng = [], 0, np.random.default_rng(1)
    while at < len(own):
        size = int(rng.integers(1, 6000))
        stream.push(own[at : at + size], other[at : at + size], rate=RATE)
        at += size
        seen += stream.frames()
    # Never more than 80 ms, and what the resampler wants, behind the sound
    assert len(seen) >= 26 - 4
    stream.finish()
    seen += stream.frames()
    assert [tick for tick, _ in seen] == list(range(26)) and stream.ready == 0
    actor = Actor(character, 64)
    film = [actor.draw(motion) for motion in Driver(model, seed=3).motions(
        Recording(own[None], RATE), Recording(other[None], RATE))]
    assert stream.size == (64, 51) == film[0].shape[:2]
    assert all(np.array_equal(a, b) for (_, a), b in zip(seen, film, strict=True))
    assert np.abs(film[0].astype(int) - film[-1]).max() > 20  # and it was not a still
    with pytest.raises(gwm.AvatarError, match="finished"):
        stream.push(own, rate=RATE)


def test_what_is_not_drawn_waits_or_is_passed_over(model, character):
    stream = gwm.AvatarStream(character, model=model, size=64)
    assert stream.latest() is None and list(stream.frames()) == []
    stream.push(babble(1.0), rate=RATE)
    ready = stream.ready
    assert ready >= 21
    for tick, _ in stream.frames():
        if tick == 4:
            break
    assert stream.ready == ready - 5 and stream.state == "speak" and stream.motion.any()
    tick, frame = stream.latest()
    assert tick == ready - 1 and frame.shape == (64, 51, 3) and stream.ready == 0
    stream.finish()
    assert next(stream.frames())[0] == ready


def test_a_picture_file_and_a_still(model, tmp_path):
    stream = gwm.AvatarStream(PORTRAITS / "anime.png", model=model, size=96,
                              dials=Dials(0, 0, 0, 0, 0, 0))
    assert stream.character.name == "anime" and "face" in stream.message
    stream.push(babble(0.4), rate=RATE)
    frames = [frame for _, frame in stream.frames()]
    assert len(frames) > 5 and all(np.array_equal(frame, frames[0]) for frame in frames)

    turned = Image.fromarray(np.zeros((40, 20, 3), np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert decode((tmp_path / "turned.jpg").read_bytes()).shape == (20, 40, 3)
    Image.new("LA", (30, 30), (9, 0)).save(tmp_path / "clear.png")
    assert decode((tmp_path / "clear.png").read_bytes()).shape == (30, 30, 4)


def test_what_is_no_portrait_is_named(model, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "half.png").write_bytes((PORTRAITS / "anime.png").read_bytes()[:3000])
    Image.new("RGB", (300, 8)).save(tmp_path / "low.png")
    for given, said in ((tmp_path / "none.png", "none.png: No such file"),
                        (tmp_path, "Is a directory"),
                        (tmp_path / "text.png", "no picture"), (tmp_path / "half.png", "damaged"),
                        (tmp_path / "low.png", "300 x 8 pixels"), (7, "portrait: int"),
                        (np.zeros((20, 20, 3), np.float32), r"float32 \[20, 20, 3\]")):
        with pytest.raises(gwm.AvatarError, match=said):
            gwm.AvatarStream(given, model=model)
