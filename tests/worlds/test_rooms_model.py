"""The embedded rooms model end to end: words, pictures, ticks, files, branches."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import gwm_core as gwm
from gwm_core.bodies import BALL
from gwm_core.errors import GWMError
from gwm_core.pictures import fit_picture

TRACK = "W*2 look(8,0)*3"


def psnr(a, b):
    return 10 * np.log10(255**2 / max(np.square(a.astype(float) - b.astype(float)).mean(), 1e-9))


def test_what_a_step_gives(model, walked):
    world, clip = walked
    assert world.tick == 9 and len(clip) == 9
    assert clip.frames["eye"].shape == (18, 160, 256, 3)
    assert clip.depth["eye"].shape == (18, 160, 256)
    assert clip.audio.shape == (1, 18000) and clip.sample_rate == 24000 and clip.fps == 24
    assert np.isfinite(clip.audio).all() and 0.01 < np.abs(clip.audio).max() <= 1
    assert clip.depth["eye"].min() >= 0.05
    # Two distinct pictures a tick while the camera moves.
    assert all((clip.frames["eye"][i] != clip.frames["eye"][i + 1]).any() for i in range(11))


def test_the_walker_walks_and_turns_as_told(walked):
    world, _ = walked
    path = world.path
    assert 0.25 < np.linalg.norm(path[12, :2] - path[0, :2]) < 1.2
    turned = np.degrees(path[12, 3] - path[0, 3])
    assert turned == pytest.approx(-18, abs=0.01)


def test_a_throw_makes_a_ball(walked):
    state = walked[0].state()
    assert len(state.bodies.of(BALL)) == 3


def test_the_prompt_is_understood_and_the_rest_named(model, walked):
    assert walked[0].ignored == ()
    assert "dusk" in walked[0].understood
    said = model.understand("a green study at night with a dragon")
    assert "night" in said.understood and said.ignored == ["dragon"]


def test_same_inputs_same_bits(model, walked):
    world, clip = walked
    again = model.new_world(prompt="a brick hall at dusk, two red balls, lamps on", seed=7)
    again, other = model.step(again, "W*3 W+look(6,0)*3 Q look(-4,2)*2")
    assert again == world and other.hash() == clip.hash()


def test_another_seed_is_another_place(model):
    a, b = (model.new_world(prompt="a brick hall", seed=s).observation.frames["eye"]
            for s in (1, 2))
    assert psnr(a, b) < 30


def test_a_saved_world_goes_on_exactly(model, walked, tmp_path):
    world, _ = walked
    world.save(tmp_path / "hall.gwm")
    fresh = gwm.load("gwm-rooms")
    loaded = gwm.load_world(tmp_path / "hall.gwm", fresh)
    assert loaded == world
    assert fresh.step(loaded, TRACK)[1].hash() == model.step(world, TRACK)[1].hash()


def test_a_state_comes_back_from_its_arrays_whole(model, walked):
    state = walked[0].state()
    lifted = tuple(dataclasses.replace(p, lift=1.05 + 0.01 * i)
                   for i, p in enumerate(state.placements))
    state = state.replace(placements=lifted)
    arrays, meta = state.to_arrays()
    back = model.state_from_arrays(arrays, json.loads(json.dumps(meta)))
    assert lifted and back.placements == lifted
    again, said = back.to_arrays()
    assert said == meta and set(again) == set(arrays)
    assert all(np.array_equal(again[k], arrays[k]) for k in arrays)


def test_a_dropped_state_is_replayed_exactly(model, walked):
    world, _ = walked
    wanted = model.step(world, TRACK)[1].hash()
    model.store.clear()
    assert model.step(world, TRACK)[1].hash() == wanted


def test_branches_are_what_a_step_alone_gives(model, walked):
    world, _ = walked
    worlds, clips = model.branch(world, ["A*2", TRACK, "D*2"])
    assert clips[1].hash() == model.step(world, TRACK)[1].hash()
    assert worlds[0].rewind(world.tick) == worlds[2].rewind(world.tick) == world


def test_turning_back_shows_what_was_there(model):
    world = model.new_world(prompt="a stone cellar by day", seed=4)
    _, clip = model.step(world, "look(15,0)*12 look(-15,0)*12")
    assert psnr(clip.frames["eye"][-1], world.observation.frames["eye"]) > 30


def test_lights_go_out_and_on_again(model, walked):
    world, clip = walked
    before = clip.frames["eye"][-1].mean()
    dark, gone = model.step(world.with_event("the lights go out, it is night"), "idle*3")
    assert gone.frames["eye"][-1].mean() < 0.7 * before
    _, back = model.step(dark.with_event("the lamps are on, it is day"), "idle*3")
    assert back.frames["eye"][-1].mean() > 1.3 * gone.frames["eye"][-1].mean()


def test_fog_hides_what_is_far(model):
    world = model.new_world(prompt="a brick hall by day", seed=7)
    _, clear = model.step(world, "idle")
    _, foggy = model.step(world.with_event("dense fog rolls in"), "idle")
    far = clear.depth["eye"][-1] > 4
    assert far.any()
    a, b = clear.frames["eye"][-1][far], foggy.frames["eye"][-1][far]
    assert b.astype(float).std(0).mean() < 0.75 * a.astype(float).std(0).mean()


def test_walls_stop_the_walker(model):
    world = model.new_world(prompt="a stone cellar by day", seed=4)
    _, clip = model.step(world, "W*72")
    ends = clip.info["poses"][1::2, :2]
    assert np.linalg.norm(ends[-1] - ends[-6]) < 0.5
    assert np.linalg.norm(ends[-1]) < 12


def test_own_picture_is_kept_while_one_walks(model):
    y, x = np.mgrid[0:300, 0:420] / 300
    picture = (np.stack([x, y, 1 - y], -1) / 1.5 * 255).astype(np.uint8)
    picture[120:180, 200:260] = np.random.default_rng(0).integers(0, 255, (60, 60, 3))
    world = model.new_world(image=picture, seed=1)
    first = world.observation.frames["eye"]
    assert (first == fit_picture(picture, 256, 160)).all()
    _, clip = model.step(world, "idle look(0.5,0)")
    assert psnr(clip.frames["eye"][1], first) > 50  # as it is, whatever depth was estimated


def test_given_depth_decides_where_things_are(model):
    picture = np.full((160, 256, 3), 128, np.uint8)
    near = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (160, 1))
    white = model.new_world(image=picture, depth=near, depth_kind="near_white")
    black = model.new_world(image=picture, depth=near, depth_kind="near_black")
    a, b = (w.observation.depth["eye"] for w in (white, black))
    assert a[:, 200].mean() < a[:, 50].mean() and b[:, 200].mean() > b[:, 50].mean()


@pytest.mark.parametrize("kwargs, words", [
    ({"image": np.full((160, 256, 3), np.nan, np.float32)}, "image|picture|NaN|finite"),
    ({"image": np.zeros((4, 4, 4, 4), np.uint8)}, "picture|image"),
    ({"depth": np.ones((8, 8), np.float32)}, "image"),
    ({"seed": -1}, "seed"),
    ({"prompt": "x" * 5000}, "prompt"),
])
def test_bad_beginnings_are_named(model, kwargs, words):
    with pytest.raises(GWMError, match=f"(?i){words}"):
        model.new_world(**kwargs)


def test_bad_controls_are_named(model, walked):
    with pytest.raises(GWMError, match="(?i)fly"):
        model.step(walked[0], "W*2 fly*3")


def test_cancel_stops_within_a_tick(model, walked):
    seen = []

    def stop(tick, total, frame):
        seen.append(tick)
        raise gwm.Cancelled

    with pytest.raises(gwm.Cancelled):
        model.step(walked[0], "W*20", progress=stop)
    assert seen == [1]
