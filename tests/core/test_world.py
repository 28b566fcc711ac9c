"""Worlds are values: stepping, branching, rewinding, events, and their keys."""

import numpy as np
import pytest

from gwm_core.controls import Controls
from gwm_core.errors import ControlError, GWMError, WorldError
from gwm_core.store import ClipStore, StateStore
from gwm_core.world import Observation, World

WALK = 'W*5 look(+6,-2)*4 event("the lights go out") W+look(-3,0)*3 SPACE idle*2 grip(0.5)*3'


def test_stepping_leaves_the_old_world_as_it_was(fake_model):
    world = fake_model().new_world()
    first, a = world.step(WALK)
    again, b = world.step(WALK)
    assert world.tick == 0 and first.tick == len(a) == 18
    assert a.hash() == b.hash() and first == again and first.key != world.key
    assert first.last_hash == a.last_frame_hash() != ""
    assert hash(first) == hash(again) and world != "world"


@pytest.mark.parametrize("block", [1, 3])
def test_how_a_walk_is_cut_changes_nothing(fake_model, block):
    model = fake_model(block)
    world = model.new_world()
    whole, clip = world.step(WALK)
    for cut in range(0, 19, block):
        controls = Controls.parse(WALK, model.embodiment)
        half, a = world.step(controls[:cut])
        end, b = half.step(controls[cut:])
        assert end == whole and end.state_key == whole.state_key
        assert type(a).concat([a, b]).hash() == clip.hash()
        assert np.array_equal(end.path, whole.path)


def test_seed_prompt_picture_and_events_are_part_of_the_key(fake_model):
    model = fake_model()
    world = model.new_world()
    worlds = [
        world, model.new_world(seed=8), model.new_world("a room"), world.step("W")[0],
        world.step("W*2")[0], world.with_event("rain"), world.with_event("rain").step("W")[0],
        world.step('W event("rain")')[0], fake_model(fingerprint="e" * 64).new_world(),
    ]
    assert len({w.key for w in worlds}) == len(worlds)


def test_an_event_waits_for_the_next_tick(fake_model):
    world = fake_model().new_world().step("W*3")[0]
    waiting = world.with_event("the lights go out")
    assert waiting.tick == 3 and waiting.state_key == world.state_key
    assert waiting.key != world.key and waiting.last_hash == world.last_hash
    written = world.step('event("the lights go out") W*2')
    stepped = waiting.step("W*2")
    assert stepped[0] == written[0] and stepped[1].hash() == written[1].hash()
    assert stepped[1].hash() != world.step("W*2")[1].hash()
    only, clip = world.step('event("the lights go out")')
    assert only == waiting and len(clip) == 0
    assert waiting.with_event("rain").step("W")[0] == world.step(
        'event("the lights go out") event("rain") W')[0]


def test_rewinding_is_having_stopped_there(fake_model):
    model = fake_model()
    world = model.new_world()
    end = world.step(WALK)[0]
    for tick in range(end.tick):
        back = end.rewind(tick)
        there = world.step(Controls.parse(WALK, model.embodiment)[:tick].without_pending())[0]
        assert back == there and back.tick == tick and back.last_hash == ""
        assert np.array_equal(back.path, there.path)
        assert back.step("W*2")[1].hash() == there.step("W*2")[1].hash()
    assert end.rewind(end.tick) is end
    assert end.with_event("rain").rewind(end.tick) == end
    for bad in (-1, end.tick + 1, 2.0, True, "3"):
        with pytest.raises(WorldError, match="accepted"):
            end.rewind(bad)


def test_branches_share_what_came_before(fake_model):
    world = fake_model().new_world().step("W*4")[0]
    seen = []
    worlds, clips = world.branch(["W*2", "look(5,0)*3", ""], lambda *a: seen.append(a[:2]))
    assert [w.tick for w in worlds] == [6, 7, 4] and worlds[2] is world
    assert seen == [(i, 5) for i in range(1, 6)]
    for track, other, clip in zip(("W*2", "look(5,0)*3"), worlds, clips, strict=False):
        alone = world.step(track)
        assert alone[0] == other and alone[1].hash() == clip.hash()


def test_clips_of_a_world(fake_model):
    world = fake_model().new_world()
    first = world.first_clip()
    assert first.frames["eye"].shape == (1, 4, 6, 3) and len(first) == 0 and first.lead == 1
    assert world.last_clip().hash() == first.hash()
    assert world.understood == ("hall",) and world.ignored == ("a",)
    end, clip = world.step(WALK)
    assert end.path.shape == (37, 5)
    assert np.array_equal(end.path[1:], clip.info["poses"])
    assert end.last_clip().hash() == clip[-1:].hash()
    joined = type(clip).concat([first, clip])
    assert joined.frame_count == 37 and joined[:3].hash() != clip[:3].hash()
    assert joined[3:].hash() == clip[3:].hash()


def test_a_model_of_blocks_takes_whole_blocks(fake_model):
    world = fake_model(block=3).new_world()
    with pytest.raises(WorldError, match="3 or 6 ticks are accepted"):
        world.step("W*4")
    with pytest.raises(WorldError, match="so 3 ticks are accepted"):
        world.step("W*2")
    after = world.step('W event("rain") W*5')[0]
    with pytest.raises(WorldError, match="steps of 3"):
        after.rewind(4)
    assert after.rewind(3).step("W*3")[0] == after


def test_progress_and_cancel(fake_model):
    model = fake_model(store=StateStore(1 << 20, every=5))
    world = model.new_world()
    seen = []
    world.step("W*12", lambda done, total, frame: seen.append((done, total, frame.shape)))
    assert seen == [(i, 12, (4, 6, 3)) for i in range(1, 13)]

    class Stop(Exception):
        pass

    def stop(done, total, frame):
        if done == 4:
            raise Stop

    before = model.calls
    with pytest.raises(Stop):
        world.step("look(1,0)*100", stop)
    assert model.calls == before + 4


def test_a_later_world_without_its_ticks(fake_model):
    model = fake_model()
    world = model.new_world().with_event("rain")
    real = world.step(WALK)[0]
    model.store.clear()
    later = world.after(WALK)
    assert later == real and len(later.path) == 0
    assert later.step("W")[1].hash() == real.step("W")[1].hash()


def test_kept_clips_save_the_work(fake_model):
    model = fake_model()
    world, clips = model.new_world(), ClipStore()
    end, clip = world.step(WALK, clips=clips)
    calls = model.calls
    assert world.step(WALK, clips=clips)[1].hash() == clip.hash() and model.calls == calls
    model.store.clear()
    longer = world.step(WALK + " W*2", clips=clips)
    assert longer[1][:18].hash() == clip.hash()
    assert longer[1][18:].hash() == end.step("W*2")[1].hash()


def test_ram_usage_counts_what_is_kept(fake_model):
    model = fake_model(ballast=100_000)
    world = model.new_world().step("W*2")[0]
    assert world.get_ram_usage() > 100_000
    model.store.clear()
    assert 0 < world.get_ram_usage() < 2_000


@pytest.mark.parametrize("prompt", [3, None, "x" * 5000, "\ud800"])
def test_bad_prompts(fake_model, prompt):
    with pytest.raises(WorldError, match="prompt"):
        fake_model().new_world(prompt)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "7", True, None])
def test_bad_seeds(fake_model, seed):
    with pytest.raises(GWMError, match="seed"):
        fake_model().new_world(seed=seed)


def test_bad_observations(fake_model):
    model = fake_model()
    good = np.zeros((4, 6, 3), np.uint8)
    flat = np.ones((4, 6), np.float32)
    for frames, depth in (
        ({"eye": good.astype(np.float32)}, {}), ({"eye": good[..., :2]}, {}), ({"eye": None}, {}),
        ({"eye": good}, {"eye": flat * np.nan}), ({"eye": good}, {"eye": flat * 0}),
        ({"eye": good}, {"eye": flat[None]}), ({}, {}), ({"eye": good, "b": good}, {}),
        ({"eye": good[:2]}, {}), ({"eye": good}, {"eye": flat[:2]}), ({"eye": good}, {"b": flat}),
    ):
        with pytest.raises(WorldError, match="first|needed"):
            World.begin(model, "", Observation(frames, depth), 0)
    with pytest.raises(WorldError, match="pose"):
        World.begin(model, "", Observation({"eye": good}, {}, {"pose": [1, 2]}), 0)
    with pytest.raises(WorldError, match="JSON"):
        Observation({"eye": good}, {}, {"pose": np.zeros(5)})


def test_an_observation_cannot_be_changed(fake_model):
    picture = np.zeros((4, 6, 3), np.uint8)
    observation = Observation({"eye": picture})
    before = observation.hash
    picture[:] = 9
    assert Observation(observation.frames).hash == before
    with pytest.raises(ValueError):
        observation.frames["eye"][0] = 1


def test_bad_controls(fake_model):
    world = fake_model().new_world()
    for bad in ("X", "W*0", 3, None, np.zeros((2, 5), np.float32)):
        with pytest.raises(ControlError):
            world.step(bad)
