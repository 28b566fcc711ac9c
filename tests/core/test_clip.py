"""Clips: what fits together, slicing by ticks, joining, hashing."""

from dataclasses import replace

import numpy as np
import pytest

from gwm_core.clip import Clip, ClipWriter
from gwm_core.controls import Controls
from gwm_core.errors import ClipError


def make(model, ticks, seed=0, **changes):
    rng = np.random.default_rng(seed)
    body = model.embodiment
    first, lead = changes.get("first"), changes.get("lead", 0)
    count = ticks * 2 + lead - (0 if first is None or not ticks else 2 - first)
    values = {
        "frames": {"eye": rng.integers(0, 255, (count, 4, 6, 3), dtype=np.uint8)},
        "depth": {"eye": rng.random((count, 4, 6), dtype=np.float32)},
        "audio": rng.random((1, (count - lead) * 100), dtype=np.float32),
        "sample_rate": 2400, "fps": 24.0, "controls": Controls.parse(f"W*{ticks}", body)
        if ticks else Controls.idle(0, body),
        "info": {"poses": rng.random((count, 5)), "ticks": list(range(ticks)), "note": "a"},
    }
    return Clip(**{**values, **changes})


@pytest.mark.parametrize("first, lead", [(None, 0), (None, 1), (1, 0), (1, 1)])
def test_slices_join_to_the_whole(fake_model, first, lead):
    clip = make(fake_model(), 6, first=first, lead=lead)
    assert len(clip) == 6 and clip.seconds == clip.frame_count / 24
    for cut in range(7):
        a, b = clip[:cut], clip[cut:]
        assert len(a) == cut and len(b) == 6 - cut
        joined = Clip.concat([a, b])
        assert joined.hash() == clip.hash()
        assert np.array_equal(joined.info["poses"], clip.info["poses"])
        assert list(joined.info["ticks"]) == list(range(6)) and joined.info["note"] == "a"
        assert joined.controls == clip.controls and joined.lead == lead
    singles = Clip.concat(clip[i : i + 1] for i in range(6))
    assert singles.hash() == clip.hash()
    assert clip[2:4].frames["eye"].base is not None
    with pytest.raises(ClipError, match="slices"):
        clip[2]


def test_the_hash_sees_everything(fake_model):
    model = fake_model()
    clip = make(model, 3)
    frames, depth, audio = clip.frames["eye"].copy(), clip.depth["eye"].copy(), clip.audio.copy()
    frames[5, 3, 5, 2] ^= 1
    depth[0, 0, 0] += 1
    audio[0, -1] = 0
    others = [
        replace(clip, frames={"eye": frames}), replace(clip, depth={"eye": depth}),
        replace(clip, audio=audio), replace(clip, depth={}), replace(clip, fps=23.0,
        audio=clip.audio[:, :0], sample_rate=0), clip[:2],
    ]
    assert len({c.hash() for c in [clip, *others]}) == 7
    assert clip.hash() == make(model, 3).hash() == replace(clip, info={}).hash()
    assert clip.last_frame_hash() == clip[2:].last_frame_hash() != clip[:2].last_frame_hash()
    assert clip[:0].last_frame_hash() == ""


def bad(clip):
    frames, depth, audio = clip.frames["eye"], clip.depth["eye"], clip.audio
    nan = audio.copy()
    nan[0, 3] = np.nan
    return [
        ({"frames": {}}, "no view"), ({"frames": {"eye": frames[:-1]}}, "5 frames of 'eye' for 3"),
        ({"frames": {"eye": frames / 255}}, "uint8"), ({"frames": {"eye": frames[..., 0]}}, "H, W"),
        ({"frames": {"eye": frames[..., :2]}}, "got uint8"),
        ({"frames": {"eye": None}}, "NoneType"),
        ({"depth": {"eye": depth[:-1]}}, "5 depth"), ({"depth": {"b": depth}}, "no frames"),
        ({"depth": {"eye": depth.astype(float)}}, "float32"),
        ({"depth": {"eye": depth[:, :2]}}, "no frames of its size"),
        ({"audio": audio[0]}, r"\[C, N\]"), ({"audio": audio[:, :-1]}, "599 samples for 3 ticks"),
        ({"audio": nan}, "NaN"), ({"audio": None}, "NoneType"),
    ]


def test_what_does_not_fit_together(fake_model):
    clip = make(fake_model(), 3)
    for changes, message in bad(clip):
        with pytest.raises(ClipError, match=message):
            replace(clip, **changes)


def test_what_cannot_be_joined(fake_model):
    model = fake_model()
    clip = make(model, 3)
    for other, message in (
        (replace(clip, fps=25.0, audio=clip.audio[:, :0]), "fps differ"),
        (replace(clip, depth={}), "depth differ"),
        (replace(clip, audio=clip.audio[:, :0]), "sound"),
        (replace(clip, audio=np.repeat(clip.audio, 2, 0)), "channels differ"),
        (replace(clip, frames={"b": clip.frames["eye"]}, depth={}), "views differ"),
        (make(model, 3, lead=1), "first picture"), (make(model, 3, first=1), "first picture"),
    ):
        with pytest.raises(ClipError, match=message):
            Clip.concat([clip, other])
    with pytest.raises(ClipError, match="nothing"):
        Clip.concat([])
    writer = ClipWriter(4)
    writer.add(clip)
    with pytest.raises(ClipError, match="3 of 4"):
        writer.clip()
    with pytest.raises(ClipError, match="announced"):
        writer.add(clip)


def test_empty_and_silent_clips(fake_model):
    model = fake_model()
    clip, empty = make(model, 2), Clip.empty(model.embodiment)
    assert len(empty) == 0 and Clip.concat([empty, clip, empty]) is clip
    assert Clip.concat([empty, empty]) is empty and empty.nbytes == 0
    silent = replace(clip, audio=clip.audio[:, :0])
    assert Clip.concat([silent, silent]).audio.shape == (1, 0)
    assert silent[1:].audio.shape == (1, 0) and clip.nbytes > silent.nbytes
    partly = Clip.concat([clip, replace(clip, info={})])
    assert "poses" not in partly.info and partly.info["note"] == "a"
