"""A tiny Waypoint as worlds, sessions and files have it."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core import Session, load_world  # noqa: E402
from gwm_core.backbones.tiny_models import tiny_waypoint_model  # noqa: E402
from gwm_core.clip import Clip  # noqa: E402
from gwm_core.errors import GWMError  # noqa: E402
from gwm_core.store import ClipStore  # noqa: E402

PICTURE = (np.indices((90, 160)).sum(0)[..., None] * (1, 2, 3) % 256).astype(np.uint8)
WALK = "W*4 W+SHIFT+look(3,-1)*4 attack*2 wheel(1) idle*3"


@pytest.fixture(scope="module")
def model():
    return tiny_waypoint_model(2)


def test_a_walk_however_it_is_cut(model):
    world = model.new_world(image=PICTURE, seed=7)
    end, clip = world.step(WALK)
    assert end.tick == 14 and clip.fps == 60 and clip.frame_count == 14 * 4
    frames = clip.frames["view"]
    assert frames.shape[0] == 56 and frames.std() > 5
    for cut in (1, 9):
        half, a = world.step(clip.controls[:cut])
        there, b = half.step(clip.controls[cut:])
        assert there == end and Clip.concat([a, b]).hash() == clip.hash()
    assert world.step("idle*14")[1].hash() != clip.hash()
    assert model.new_world(image=PICTURE[::-1], seed=7).step(WALK)[1].hash() != clip.hash()
    worlds, clips = world.branch([WALK, "S*14"])
    assert clips[0].hash() == clip.hash() != clips[1].hash() and worlds[0] == end


def test_what_is_held_is_seen_in_the_very_tick(model):
    start = model.new_world(image=PICTURE, seed=7)
    still, moved = (start.step(t)[1].frames["view"] for t in ("idle*4", "idle*2 D*2"))
    assert np.array_equal(still[:8], moved[:8]) and not np.array_equal(still[8:12], moved[8:12])


def test_files_and_sessions_go_on_as_the_world_would(model, tmp_path):
    start = model.new_world(image=PICTURE, seed=3)
    end, clip = start.step(WALK)
    end.save(tmp_path / "there.gwm")
    other = tiny_waypoint_model(2)
    back = load_world(tmp_path / "there.gwm", other)
    assert back == end and back.step("W*3")[1].hash() == end.step("W*3")[1].hash()
    assert end.rewind(5).step(clip.controls[5:])[0] == end
    with Session(tiny_waypoint_model(2).new_world(image=PICTURE, seed=3), clips=ClipStore()) as s:
        seen = []
        for tick in range(6):
            s.push({"W": 1, "look_x": 0.5 * tick}, tick + 1)
            seen.append(s.step())
        track = s.track
    assert model.new_world(image=PICTURE, seed=3).step(track)[1].hash() == Clip.concat(seen).hash()


def test_bad_input_is_named(model):
    with pytest.raises(GWMError, match="begins from a picture"):
        model.new_world("a street")
    world = model.new_world("a street", image=PICTURE)
    assert "reads no words" in world.observation.info["ignored"][0]
