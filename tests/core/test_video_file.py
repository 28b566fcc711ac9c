"""Video files are written part by part, whole or not at all."""

from __future__ import annotations

import av
import numpy as np
import pytest

from gwm_core.clip import Clip
from gwm_core.video_file import VideoFile


@pytest.fixture
def clips(fake_model):
    """Three parts of 12 ticks each: 24 frames and a second of sound."""
    world, parts = fake_model().new_world(), []
    for _ in range(3):
        world, clip = world.step("W*12")
        parts.append(clip)
    return parts


def look(path):
    """(frames, their size, frames a second, samples, sample rate, channels) of a file."""
    with av.open(str(path)) as file:
        video = file.streams.video[0]
        frames = sum(1 for _ in file.decode(video))
        size, rate = (video.width, video.height), float(video.average_rate)
    with av.open(str(path)) as file:
        if not file.streams.audio:
            return frames, size, rate, 0, 0, 0
        sound = file.streams.audio[0]
        samples = sum(frame.samples for frame in file.decode(sound))
        return frames, size, rate, samples, sound.rate, sound.channels


def test_frames_sound_and_rates(tmp_path, clips):
    path = tmp_path / "walk.mp4"
    with VideoFile(path, metadata={"title": "a walk"}) as video:
        for clip in clips:
            video.add(clip)
            assert not path.exists(), "it appears when it is whole"
    frames, size, rate, samples, sample_rate, channels = look(path)
    assert (frames, size, rate) == (72, (6, 4), 24.0)
    assert (sample_rate, channels) == (8000, 1), "AAC has no 2400, which the model makes"
    assert 3 * 8000 <= samples < 3.3 * 8000
    with av.open(str(path)) as file:
        assert file.metadata["title"] == "a walk"
    assert [p.name for p in tmp_path.iterdir()] == ["walk.mp4"]


def test_parts_make_no_difference(tmp_path, clips):
    for name, parts in (("parts", clips), ("whole", [Clip.concat(clips)])):
        with VideoFile(tmp_path / f"{name}.mp4") as video:
            for clip in parts:
                video.add(clip)
    assert pictures(tmp_path / "parts.mp4") == pictures(tmp_path / "whole.mp4")


def pictures(path):
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in file.decode(video=0)]


def test_pictures_are_near_the_originals(tmp_path, fake_model):
    """A plain colour comes back as itself, within what the colours of H.264 allow."""
    world = fake_model().new_world()
    clip = world.step("idle*12")[1]
    for array in clip.frames.values():
        array.flags.writeable = True
        array[:] = (200, 120, 40)
    with VideoFile(tmp_path / "plain.mp4") as video:
        video.add(clip)
    found = np.frombuffer(pictures(tmp_path / "plain.mp4")[5], np.uint8).reshape(4, 6, 3)
    assert np.abs(found.astype(int) - (200, 120, 40)).max() <= 12


def test_a_silent_model_makes_a_silent_file(tmp_path, fake_model):
    clip = fake_model(sound=False).new_world().step("W*6")[1]
    with VideoFile(tmp_path / "silent.mp4") as video:
        video.add(clip)
    assert look(tmp_path / "silent.mp4")[0] == 12 and look(tmp_path / "silent.mp4")[3] == 0


@pytest.mark.parametrize("after", [0, 1])
def test_an_error_leaves_what_was_there_before(tmp_path, clips, after):
    path = tmp_path / "walk.mp4"
    path.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        with VideoFile(path) as video:
            for clip in clips[:after]:
                video.add(clip)
            raise KeyboardInterrupt
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["walk.mp4"]


def test_nothing_added_makes_no_file(tmp_path):
    with VideoFile(tmp_path / "walk.mp4"):
        pass
    assert not list(tmp_path.iterdir())


def test_an_error_at_the_very_end_leaves_nothing(tmp_path, clips, monkeypatch):
    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr("gwm_core.video_file.os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        with VideoFile(tmp_path / "walk.mp4") as video:
            video.add(clips[0])
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError):
        with VideoFile(tmp_path / "missing" / "walk.mp4") as video:
            video.add(clips[0])
