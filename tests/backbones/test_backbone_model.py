"""Tiny twins of the large models as worlds: stepped, cut, branched, rewound, saved, played live."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core import Session, load_world  # noqa: E402
from gwm_core.about import about  # noqa: E402
from gwm_core.backbones.beginnings import prompt_of  # noqa: E402
from gwm_core.backbones.encoders import Encoders, clip_pixels  # noqa: E402
from gwm_core.backbones.tiny_models import tiny_causal_wan, tiny_matrix_game  # noqa: E402
from gwm_core.clip import Clip  # noqa: E402
from gwm_core.errors import CheckpointError, WorldError  # noqa: E402
from gwm_core.store import ClipStore  # noqa: E402

PICTURE = (np.indices((90, 160)).sum(0)[..., None] * (1, 2, 3) % 256).astype(np.uint8)
GAME = "W*2 W+right*3 look(2,-1)*2 S*2"


def game(name="universal", seed=0):
    model = tiny_matrix_game(name, seed)
    return model, model.new_world(image=PICTURE, seed=7)


def words(name="self_forcing"):
    model = tiny_causal_wan(name)
    return model, model.new_world("a street in rain", seed=7)


@pytest.mark.parametrize("name, track", [
    ("universal", GAME), ("gta_drive", "W*5 W+A*4"), ("templerun", "idle*3 jump*3 left*3"),
])
def test_a_game_however_it_is_cut(name, track):
    model, world = game(name)
    end, clip = world.step(track)
    assert end.tick == 9 and clip.frame_count == 33 and clip.fps == 25
    assert clip.frames["view"].shape == (33, 64, 96, 3) and clip.frames["view"].std() > 5
    half, a = world.step(clip.controls[:3])
    there, b = half.step(clip.controls[3:])
    assert there == end and Clip.concat([a, b]).hash() == clip.hash()
    _, idle = world.step("idle*9")
    assert idle.hash() != clip.hash()
    _, fresh = game(name)
    assert fresh.step(track)[1].hash() == clip.hash()
    with pytest.raises(WorldError, match="makes 3 at once"):
        end.step("idle*4")


def test_what_was_pressed_is_seen_one_frame_late():
    _, world = game()
    still, moved = (world.step(t)[1].frames["view"] for t in ("idle*6", "idle*3 right*3"))
    assert np.array_equal(still[:9], moved[:9]) and not np.array_equal(still[9:], moved[9:])


@pytest.mark.parametrize("make, track", [(game, GAME), (words, "idle*9")])
def test_replay_rewind_branch_and_file(tmp_path, make, track):
    model, world = make()
    end, clip = world.step(track)
    wanted = end.step("idle*3")[1].hash()
    model.store.clear()
    assert end.step("idle*3")[1].hash() == wanted
    assert end.last_clip().hash() == clip[6:].hash()
    again, rest = end.rewind(3).step(clip.controls[3:])
    assert again == end and rest.hash() == clip[3:].hash()
    worlds, clips = end.branch(["idle*3", "idle*6"])
    assert clips[0].hash() == wanted and clips[1][:3].hash() == wanted
    end.save(tmp_path / "street.gwm")
    other, _ = make()
    loaded = load_world(tmp_path / "street.gwm", other)
    assert loaded == end and loaded.observation.info["licence"] == "Apache-2.0"
    assert loaded.step("idle*3")[1].hash() == wanted
    spec = model.dynamics.spec
    assert end.state().value.cache.nbytes == pytest.approx(spec.state_bytes, rel=0.05)


@pytest.mark.parametrize("name", ["self_forcing", "causal_forcing_2step"])
def test_words_change_a_world_of_words(name):
    model, world = words(name)
    end, clip = world.step('idle*3 event("a dragon lands") idle*3')
    assert clip.frame_count == 21
    _, calm = world.step("idle*6")
    assert np.array_equal(clip.frames["view"][:9], calm.frames["view"][:9])
    assert not np.array_equal(clip.frames["view"][9:], calm.frames["view"][9:])
    half, a = world.step("idle*3")
    there, b = half.with_event("a dragon lands").step("idle*3")
    assert there == end and Clip.concat([a, b]).hash() == clip.hash()
    assert model.understand("a dragon lands", event=True).understood == ("a dragon lands",)
    assert prompt_of("a street", ["it rains.", "it stops"]) == "a street. it rains. it stops."


def test_a_picture_begins_a_world_of_single_frames():
    model = tiny_causal_wan("causal_forcing_frames")
    world = model.new_world("a street", image=PICTURE, seed=7)
    end, clip = world.step("idle*4")
    assert clip.frame_count == 16 and clip.first is None
    assert model.new_world("a street", seed=7).step("idle*4")[1].frame_count == 13
    assert world.first_clip().frame_count == 1


def test_a_game_says_that_it_reads_no_words():
    model, world = game()
    end, clip = world.with_event("it rains").step(GAME)
    assert clip.hash() == world.step(GAME)[1].hash()
    said = model.understand("it rains", event=True)
    assert said.understood == () and "reads no words" in said.ignored[0]
    assert world.embodiment.extra["reads_text"] is False
    lines = about(model)
    assert "look(x,y)" in lines and "Licence: Apache-2.0" in lines and "25 frames a second" in lines


def test_a_live_session():
    model, world = game()
    clips, seen = ClipStore(), []
    with Session(world, clips=clips) as session:
        for tick in range(3):
            session.push({"W": 1, "look": [3, 0]}, tick + 1)
            seen.append(session.step())
        assert session.rewind(3).hash() == seen[0].hash()
        session.restore(session.start.after(Clip.concat(seen).controls).track)
        end = session.branch()
    track = Clip.concat(seen).controls
    fresh, clip = game()[1].step(track)
    assert fresh == end and clip.hash() == Clip.concat(seen).hash()


def test_what_a_world_cannot_begin_from():
    model, _ = game()
    with pytest.raises(WorldError, match="image: .* begins from a picture; connect one"):
        model.new_world("a street")
    with pytest.raises(WorldError, match="depth: .* leave it out"):
        model.new_world(image=PICTURE, depth=np.ones((9, 9)))
    with pytest.raises(CheckpointError, match="cannot read controls"):
        model.read_controls(None)
    street = tiny_causal_wan()
    with pytest.raises(WorldError, match="image: .* words alone"):
        street.new_world("a street", image=PICTURE)
    with pytest.raises(WorldError, match="prompt: .* say what is to be seen"):
        street.new_world("  ")
    with pytest.raises(WorldError, match="clip_vision_h.safetensors"):
        Encoders().need("vision", model.title)
    for kind, told in (("vision", "CLIP ViT-H/14"), ("picture", "load the whole VAE file")):
        lacking, _ = game()
        encoders = replace(lacking.beginning.encoders, **{kind: None})
        lacking.beginning = replace(lacking.beginning, encoders=encoders)
        with pytest.raises(WorldError, match=told):
            lacking.new_world(image=PICTURE)
    assert clip_pixels(PICTURE).shape == (1, 3, 224, 224)
