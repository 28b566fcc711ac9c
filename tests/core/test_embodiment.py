"""The contract of a checkpoint: round trip, derived values, and what it refuses."""

import json

import pytest

from gwm_core.embodiment import ControlSpec, Embodiment, StreamSpec, ViewSpec, rooms_embodiment
from gwm_core.errors import EmbodimentError


def test_rooms():
    rooms = rooms_embodiment()
    assert rooms.control_names == (
        "W", "A", "S", "D", "jump", "push", "throw", "look_x", "look_y")
    assert rooms.control_dim == 9 and rooms.fps == 24 and rooms.samples_per_tick == 2000
    assert rooms.block_ticks == 1
    assert [c.code for c in rooms.controls[:7]] == [
        "KeyW", "KeyA", "KeyS", "KeyD", "Space", "KeyE", "KeyQ"]
    assert rooms.view("eye").focal == pytest.approx(80 / 0.57735, rel=1e-4)
    with pytest.raises(EmbodimentError, match="has eye"):
        rooms.view("left")


@pytest.mark.parametrize("embodiment", [
    rooms_embodiment(),
    rooms_embodiment(320, 200, (StreamSpec("view.eye", 40, 256),), {"block_ticks": 3, "a": (1, 2)}),
    Embodiment("arm", 6.25, 4, 0, (ViewSpec("front", 64, 64, 45.5), ViewSpec("wrist", 32, 8, 90)),
               (ControlSpec("tip", "axis", low=-1, high=1, components=("x", "y", "z")),)),
])
def test_round_trip_through_json_text(embodiment):
    text = json.dumps(embodiment.to_json())
    assert Embodiment.from_json(text) == embodiment
    assert Embodiment.from_json(json.loads(text)).control_names == embodiment.control_names
    assert hash(embodiment) == hash(Embodiment.from_json(text))


def change(**changes):
    return {**rooms_embodiment().to_json(), **changes}


def test_extra_is_json():
    with pytest.raises(EmbodimentError, match="plain JSON"):
        rooms_embodiment(extra={"a": {1, 2}})


@pytest.mark.parametrize("data, message", [
    ("{", "not JSON"), ("[]", "not JSON|object"), (3, "not JSON"), ({}, "version"),
    (change(version=2), "version 2"), (change(surprise=1), "surprise"), (change(views=3), "wrong"),
    (change(views=[{"name": "eye"}]), "missing"), (change(tick_rate=0), "tick_rate"),
    (change(tick_rate="fast"), "wrong"), (change(frames_per_tick=0), "frames_per_tick"),
    (change(sample_rate=24001), "whole number of samples"), (change(name=""), "name"),
    (change(views=[{"name": "eye", "width": 0, "height": 4, "fov_deg": 60}]), "8192"),
    (change(views=[{"name": "eye", "width": 4, "height": 4, "fov_deg": 180}]), "field of view"),
    (change(views=[{"name": "e", "width": 4, "height": 4, "fov_deg": 60}] * 2), "twice"),
    (change(controls=[{"name": "W", "kind": "lever"}]), "button or axis"),
    (change(controls=[{"name": "W W", "kind": "button"}]), "letters"),
    (change(controls=[{"name": "Idle", "kind": "button"}]), "reserved"),
    (change(controls=[{"name": "W", "kind": "button"}, {"name": "w", "kind": "button"}]), "twice"),
    (change(controls=[{"name": "W", "kind": "axis", "low": 1, "high": 0}]), "low < high"),
    (change(controls=[{"name": "W", "kind": "axis", "low": 1, "high": 2}]), "idle"),
    (change(controls=[{"name": "W", "kind": "button", "high": 2}]), "0 or 1"),
    (change(extra={"block_ticks": 0}), "block_ticks"),
])
def test_what_is_refused(data, message):
    with pytest.raises(EmbodimentError, match=message):
        Embodiment.from_json(data)
