"""The state store: its cap, what it keeps, and that nothing depends on what it keeps."""

import gc
import threading

import numpy as np
import pytest

from gwm_core.errors import GWMError, WorldError
from gwm_core.store import ClipStore, StateStore, default_store

KB = 1 << 10


def test_a_lost_state_is_replayed_exactly(fake_model):
    model = fake_model()
    world = model.new_world()
    end = world.step('W*20 event("rain") look(3,1)*20')[0]
    going_on = end.step("W*3")[1].hash()
    model.store.clear()
    assert end.step("W*3")[1].hash() == going_on
    assert model.starts == 2
    model.store.clear()
    fresh = fake_model()
    copy = fresh.new_world().step('W*20 event("rain") look(3,1)*20')[0]
    assert np.array_equal(end.state().place, copy.state().place)


@pytest.mark.parametrize("block", [1, 3])
def test_replay_begins_at_the_nearest_ancestor(fake_model, block):
    model = fake_model(block, store=StateStore(1 << 22, every=30))
    end = model.new_world().step("W*90")[0]
    assert set(model.store.ticks(end.chain()[0])) == {0, 30, 60, 90}
    middle = end.rewind(75)
    calls, seen = model.calls, []
    middle.state(lambda done, total, frame: seen.append((done, total, frame)))
    assert model.calls - calls == 15 // block and model.starts == 1
    assert seen == [(done, 15, None) for done in range(block, 16, block)]
    middle.state()
    assert model.calls - calls == 15 // block


def test_a_replay_can_be_cancelled(fake_model):
    model = fake_model()
    end = model.new_world().step("W*40")[0]
    model.store.clear()

    def stop(done, total, frame):
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        end.state(stop)
    assert end.step("W")[0].tick == 41


def test_the_cap_holds_and_walks_stay_right(fake_model):
    size = 20 * KB
    model = fake_model(ballast=size, store=StateStore(10 * size, every=10))
    reference = fake_model()
    world, other = model.new_world(), reference.new_world()
    worlds = []
    for _ in range(25):
        world, a = world.step("W*7 look(1,0)*3")
        other, b = other.step("W*7 look(1,0)*3")
        worlds.append(world)
        assert a.hash() == b.hash() and model.store.nbytes <= 10 * size
    for old in worlds[::7]:
        assert old.last_clip().hash() == reference.new_world().after(old.track).last_clip().hash()
        assert model.store.nbytes <= 10 * size


def test_a_state_larger_than_the_cap_still_works(fake_model):
    model = fake_model(ballast=50 * KB, store=StateStore(KB))
    world = model.new_world()
    for tick in range(1, 6):
        calls = model.calls
        world = world.step("W")[0]
        assert model.calls == calls + 1 and len(model.store) == 1 and world.tick == tick


def test_ancestors_of_the_running_walk_thin_out_with_age(fake_model):
    """A second back is near at hand however long the walk; its beginning is not lost either."""
    model = fake_model(ballast=10 * KB, store=StateStore(160 * KB, every=10))
    model.store._freeze = lambda entry: None
    world = model.new_world()
    back = []
    for tick in range(1, 3001):
        world = world.step("W")[0]
        if tick > 1000 and tick % 37 == 0:
            kept = model.store.ticks(world.chain()[0])
            back.append(tick - 12 - max(t for t in kept if t <= tick - 12))
    assert np.max(back) < 150, "evenly it would be 300"
    ticks = [0, *model.store.ticks(world.chain()[0])]
    gaps = np.diff(ticks)
    assert len(ticks) >= 10 and ticks[-1] == 3000 and gaps.max() <= 1000
    half = len(gaps) // 2
    assert np.median(gaps[:half]) > np.median(gaps[half:])


def test_old_walks_lose_their_deepest_states_first(fake_model):
    model = fake_model(ballast=10 * KB, store=StateStore(120 * KB, every=10))
    model.store._freeze = lambda entry: None
    old = model.new_world(seed=1).step("W*50")[0]
    walk = old.chain()[0]
    assert model.store.ticks(walk) == [0, 10, 20, 30, 40, 50]
    new = model.new_world(seed=2).step("W*60")[0]
    left = model.store.ticks(walk)
    assert 50 in left, "a living world's state goes last"
    assert [t for t in left if t < 50] == list(range(0, 10 * len(left[:-1]), 10))
    assert model.store.ticks(new.chain()[0]) == [0, 10, 20, 30, 40, 50, 60]


def test_unused_ancestors_are_kept_as_smaller_arrays(fake_model):
    model = fake_model(ballast=40 * KB, store=StateStore(100 * KB, every=10))
    end = model.new_world().step("W*100")[0]
    assert model.store.ticks(end.chain()[0]) == list(range(0, 101, 10))
    assert model.store.nbytes <= 100 * KB
    calls = model.calls
    assert end.rewind(52).state().tick == 52
    assert model.calls == calls + 2 and model.thaws == 1
    end.rewind(50).state()
    assert model.calls == calls + 2 and model.thaws <= 2


def test_shared_parts_count_once(fake_model):
    store = StateStore()
    big = np.zeros(100 * KB, np.uint8)

    class Shared:
        nbytes = big.nbytes

        def buffers(self):
            return [big]

    for i in range(5):
        store.put(bytes([i]), Shared(), tick=50 * i)
    assert store.nbytes == big.nbytes and store.bytes_of(b"\0") == big.nbytes
    assert store.bytes_of(b"none") == 0
    for i in range(4):
        store.put(bytes([i]), np.zeros(10, np.uint8))
    assert store.nbytes == big.nbytes + 40
    store.put(bytes([4]), np.zeros(10, np.uint8))
    assert store.nbytes == 50


def test_states_on_no_world_go_first(fake_model):
    model = fake_model(store=StateStore(1 << 22, every=1000, recent=3))
    world = model.new_world()
    held = [world.step(f"look({i},0)")[0] for i in range(1, 6)]
    for _ in range(20):
        world = world.step("W")[0]
    gc.collect()
    assert all(w.store_key() in model.store for w in held)
    assert len(model.store) <= len(held) + 3 + len(["first", "last", "last but one"])


def test_many_ticks_leave_nothing_behind(fake_model):
    store = StateStore(1 << 16, every=10)
    model = fake_model(ballast=KB, store=store)
    world = model.new_world()
    sizes = []
    for tick in range(500):
        world = world.rewind(0).step("W")[0] if tick % 200 == 199 else world.step("W")[0]
        sizes.append((store.nbytes, len(store), len(store._holders), len(store._shared)))
    assert max(size for size, *_ in sizes) <= 1 << 16
    assert max(held for _, _, held, _ in sizes) < 600
    store.clear()
    assert store.nbytes == len(store) == len(store._shared) == 0


def test_many_threads(fake_model):
    model = fake_model(ballast=4 * KB, store=StateStore(64 * KB, every=5))
    wanted = fake_model().new_world().step("W*30")[1].hash()
    world, wrong = model.new_world(), []

    def work(seed):
        try:
            model.new_world(seed=seed).step("W*20")
            if world.step("W*30")[1].hash() != wanted:
                wrong.append(seed)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and model.store.nbytes <= 64 * KB


def test_devices_do_not_share_states(fake_model):
    store = StateStore()
    cpu, gpu = fake_model(store=store), fake_model(store=store)
    gpu.variant = "cuda/bf16"
    a, b = cpu.new_world().step("W*3")[0], gpu.new_world().step("W*3")[0]
    assert a == b and a.store_key() != b.store_key() and gpu.starts == 1


def test_clip_store(fake_model):
    model = fake_model()
    clip = model.new_world().step("W*4")[1]
    clips = ClipStore(clip.nbytes * 3)
    for i in range(5):
        clips.put(bytes([i]), clip)
    assert len(clips) == 3 and clips.nbytes == 3 * clip.nbytes and b"\0" not in clips
    assert clips.get(b"\2") is clip and clips.get(b"\0") is None
    clips.put(b"\5", clip)
    assert b"\2" in clips and b"\3" not in clips
    clips.put(b"\5", clip)
    assert clips.nbytes == 3 * clip.nbytes
    ClipStore(10).put(b"a", clip)
    clips.clear()
    assert clips.nbytes == len(clips) == 0


def test_the_model_is_checked(fake_model):
    model = fake_model()
    world = model.new_world()
    model.advance = lambda state, controls, events: (None, None)
    with pytest.raises(WorldError, match="no state"):
        world.step("W")
    short = fake_model()
    clip = short.new_world().step("W*2")[1]
    short.advance = lambda state, controls, events: (state, clip)
    with pytest.raises(WorldError, match="2 ticks for 1"):
        short.new_world().step("W")
    for bad in ({"max_bytes": -1}, {"every": 0}, {"recent": -1}):
        with pytest.raises(GWMError, match="accepted"):
            StateStore(**bad)


def test_models_without_a_store_share_one(fake_model):
    model = fake_model()
    model.store = None
    assert model.new_world().store is default_store()
    store = StateStore(1 << 20)
    store.put(b"a", np.zeros(1000), tick=1)
    store.put(b"b", np.zeros(1000), tick=2)
    store.resize(100)
    assert len(store) == 0
