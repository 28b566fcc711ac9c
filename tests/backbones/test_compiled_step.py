"""Compiled layers beside the play: ticks go on, results agree, replays are exact, failures and
closing leave everything as it was."""

import json
import shutil
import threading
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core import load_world  # noqa: E402
from gwm_core.backbones.compile_files import Folder, job_of  # noqa: E402
from gwm_core.backbones.tiny_models import TWINS  # noqa: E402
from gwm_core.backbones.ways import Ways  # noqa: E402
from gwm_core.clip import Clip  # noqa: E402
from gwm_core.errors import GWMError  # noqa: E402
from gwm_core.walk import Walk, facts_of  # noqa: E402

PICTURE = (np.indices((90, 160)).sum(0)[..., None] * (1, 2, 3) % 256).astype(np.uint8)
LATE = {"waypoint": 10, "matrix-game-2": 4, "causal-wan": 6}
"""After so many blocks a history is full and its shapes have come twice."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Compiled files that the tests of this module share."""
    return tmp_path_factory.mktemp("compiled")


def model_of(kind, folder=None):
    model = TWINS[kind]()
    if folder is not None:
        model.compile_in_background(folder)
        model.compiled._say = model.compiled.told = Told()
    return model


class Told(list):
    """What was said."""

    def __call__(self, text):
        self.append(text)


def begun(model, seed=5):
    text = model.embodiment.name == "causal-wan" or model.beginning.text
    return model.new_world(seed=seed, **({"prompt": "a street"} if text else {"image": PICTURE}))


def steps(world, count):
    """The world after some blocks, and their clip."""
    block, clips = world.embodiment.block_ticks, []
    for _ in range(count):
        world, clip = world.step(f"idle*{block}")
        clips.append(clip)
    return world, Clip.concat(clips)


class Rounding(Folder):
    """Code that rounds otherwise than the layers themselves, as compilers do: the traced code, off
    by a few millionths."""

    def build(self, jobs):
        made = super().build(jobs)
        return {job: lambda *t, code=code: [x * (1 + 3e-5) for x in code(*t)]
                for job, code in made.items()}


@pytest.mark.parametrize("kind", TWINS)
def test_ticks_go_on_and_then_take_what_was_compiled(kind, kept):
    model, plain = model_of(kind, Rounding(kept, "trace")), model_of(kind)
    world, other = begun(model), begun(plain)
    world, clip = steps(world, LATE[kind])
    other, wanted = steps(other, LATE[kind])
    assert model.computed(world) == () or model.compiled.idle(0), "as it is while it compiles"
    assert model.compiled.idle(120) and not model.compiled.failed
    more, after = steps(world, 6)
    _, as_it_is = steps(other, 6)
    (start, *_) = model.computed(more)
    assert start <= world.tick + world.embodiment.block_ticks * 2
    apart = np.abs(after.frames["view"].astype(int) - as_it_is.frames["view"].astype(int))
    assert apart.max() <= 8, "the same but for rounding"
    late = model.dynamics.spec.frames_per_tick * (start - world.tick)
    if start > world.tick:
        assert not apart[:late].any()
    # Any replay takes the same way: in the same program ...
    model.store.clear()
    assert steps(world, 6)[1].hash() == after.hash()
    assert more.rewind(world.tick).step(after.controls)[1].hash() == after.hash()
    # ... and in another one, which has compiled nothing yet, from the walk alone.
    walk = json.loads(Walk(more.track, facts_of(more.rewind(0))).to_text())
    assert walk["of"]["computed"] == list(model.computed(more))
    fresh = model_of(kind, Rounding(kept, "trace"))
    again = begun(fresh)
    read = Walk.read(walk, again.embodiment)
    read.remind(again)
    whole = Clip.concat([clip, after])
    assert again.step(read.controls)[1].hash() == whole.hash()
    assert fresh.computed(again) == model.computed(more)


def test_traced_layers_are_the_layers_to_the_bit(kept):
    model = model_of("waypoint", Folder(kept, "trace"))
    world, clip = steps(begun(model), 9)
    assert model.compiled.idle(120)
    world, more = steps(world, 8)
    assert model.computed(world) and not model.compiled.told
    _, wanted = steps(begun(model_of("waypoint")), 17)
    assert Clip.concat([clip, more]).hash() == wanted.hash()


def test_a_world_file_carries_on_how_it_was_computed(kept, tmp_path):
    model = model_of("waypoint", Rounding(kept, "trace"))
    world, _ = steps(begun(model), 9)
    assert model.compiled.idle(120)
    world, _ = steps(world, 4)
    assert model.computed(world)
    world.save(tmp_path / "world.gwm")
    wanted = steps(world, 2)[1].hash()
    fresh = model_of("waypoint", Rounding(kept, "trace"))
    loaded = load_world(tmp_path / "world.gwm", fresh)
    loaded.state()
    assert fresh.computed(loaded)[0] == model.computed(world)[0]
    fresh.store.clear()  # what was before it is made again, in the way it was
    assert loaded.rewind(10).step("idle*3")[1].hash() == world.rewind(10).step("idle*3")[1].hash()
    assert steps(load_world(tmp_path / "world.gwm", model), 2)[1].hash() == wanted


class Held(Folder):
    """A compiler that waits until it is let go."""

    def __init__(self, path, *args):
        super().__init__(path, *args)
        self.free, self.begun = threading.Event(), threading.Event()

    def build(self, jobs):
        self.begun.set()
        assert self.free.wait(60)
        if self._stopped.is_set():
            raise RuntimeError("stopped")
        return super().build(jobs)


def test_no_tick_waits_for_the_compiler(kept):
    folder = Held(kept, "trace")
    model = model_of("waypoint", folder)
    world, _ = steps(begun(model), 8)
    assert folder.begun.wait(10)
    world, _ = steps(world, 5)  # would never end if one waited
    assert model.computed(world) == () and not model.compiled.idle(0)
    folder.free.set()
    assert model.compiled.idle(120)
    # A branch from before it was there is computed as the first one was there.
    branch, _ = steps(world.rewind(9), 8)
    assert model.computed(branch)[0] >= world.tick


def test_closing_while_something_is_compiled(kept):
    folder = Held(kept, "trace")
    model = model_of("waypoint", folder)
    world, _ = steps(begun(model), 8)
    assert folder.begun.wait(10)
    model.compiled.close()
    folder.free.set()
    assert model.compiled.idle(60) and not model.compiled.told
    _, clip = steps(world, 6)
    assert model.computed(world) == () and clip.frame_count


def test_closing_ends_the_process_that_compiles(tmp_path):
    model = model_of("matrix-game-2", Folder(tmp_path, "trace"))
    steps(begun(model), LATE["matrix-game-2"])
    limit = time.monotonic() + 60
    while (worker := model.compiled.folder._worker) is None and time.monotonic() < limit:
        time.sleep(0.01)
    assert worker is not None
    model.compiled.close()
    assert model.compiled.idle(60) and worker.wait(10) != 0
    assert not list(tmp_path.iterdir()) and not model.compiled.told


class Broken(Folder):
    """Code that fails, or gives something else."""

    def __init__(self, path, how):
        super().__init__(path, "trace")
        self.how = how

    def build(self, jobs):
        made = super().build(jobs)

        def wrong(code, *tensors):
            if self.how == "fails later" and not hasattr(wrong, "checked"):
                return code(*tensors)
            if self.how == "fails later":
                raise RuntimeError("out of memory")
            return [x + 1 for x in code(*tensors)]

        if self.how == "fails later":
            self.arm = lambda: setattr(wrong, "checked", True)
        return {job: lambda *t, code=code: wrong(code, *t) for job, code in made.items()}


@pytest.mark.parametrize("how", ["another result", "fails later", "no compiler"])
def test_a_failure_is_said_once_and_play_goes_on(kept, tmp_path, how, monkeypatch):
    folder = Broken(kept, how)
    if how == "no compiler":
        folder = Folder(tmp_path, "trace")
        python = "gwm_core.backbones.compile_files.sys.executable"
        monkeypatch.setattr(python, shutil.which("false"))
    model = model_of("waypoint", folder)
    world, clip = steps(begun(model), 9)
    assert model.compiled.idle(120)
    if how == "fails later":
        assert not model.compiled.failed
        folder.arm()
    world, more = steps(world, 6)
    model.compiled.idle(60)
    assert len(model.compiled.told) == 1
    said = {"another result": "apart", "fails later": "out of memory",
            "no compiler": "the compiler failed"}[how]
    assert said in model.compiled.told[0] and "play goes on" in model.compiled.told[0]
    _, wanted = steps(begun(model_of("waypoint")), 15)
    assert Clip.concat([clip, more]).hash() == wanted.hash()
    assert len(model.computed(world)) % 2 == 0, "as it is at the end"


def test_weights_that_went_elsewhere_are_not_computed_with(kept):
    model = model_of("waypoint", Folder(kept, "trace"))
    world, _ = steps(begun(model), 9)
    assert model.compiled.idle(120) and not model.compiled.failed
    block = model.dynamics.network.transformer.blocks[0]
    job = next(j for j in model.compiled._code if "attn.k_proj.weight" in j.parameters)
    with torch.no_grad():
        block.attn.k_proj.to("meta")
    with pytest.raises(RuntimeError, match="weights are on meta now"):
        model.compiled._weights(job, block)


def test_shapes_of_a_filling_history_are_not_compiled(kept):
    """They come again with the next world, a history later."""
    model = model_of("waypoint", Held(kept, "trace"))
    step, asked = model.compiled, []
    step._noted = lambda key, work: asked.append(key) or work()
    for key in (*range(20), *range(20)):
        step.run(key, lambda: None)
    assert asked == []
    for key in (1, 2, 1, 2):
        step.run(key, lambda: None)
    assert asked == [1, 2]


def test_blocks_alike_share_their_code():
    model = TWINS["waypoint"]()
    network = model.dynamics.network
    jobs = {}
    network.call = lambda function, block, *args: (
        jobs.setdefault(job_of(function, block, args), []).append(block),
        function(block, *args),
    )[1]
    steps(begun(model), 1)
    assert 2 <= len(jobs) <= 8 < sum(map(len, jobs.values()))


def test_the_record_of_ways():
    ways, yes, no = Ways(), lambda: True, lambda: False
    assert [ways.decide("a", t, 1, no) for t in range(3)] == [False] * 3
    assert ways.decide("a", 3, 1, yes) and ways.decide("a", 3, 1, no)
    assert not ways.decide("a", 1, 1, yes), "what was computed stays so"
    assert ways.switches("a") == (3,) and ways.switches("b") == ()
    assert not ways.decide("a", 4, 1, no) and ways.switches("a") == (3, 4)
    ways.back("a", 3)
    assert ways.switches("a") == ()
    assert ways.recall("c", [2, 9], 6) and ways.switches("c") == (2,)
    assert ways.decide("c", 5, 1, no) and not ways.decide("c", 6, 1, no)
    assert not ways.recall("c", [], 6) and ways.recall("c", [2], 6)


def test_a_damaged_file_is_compiled_again(kept, tmp_path):
    model = model_of("waypoint", Folder(tmp_path, "trace"))
    world, _ = steps(begun(model), 9)
    assert model.compiled.idle(120) and not model.compiled.failed
    files = sorted(tmp_path.iterdir())
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[: len(whole) // 2])
    files[1].unlink()
    again = model_of("waypoint", Folder(tmp_path, "trace"))
    steps(begun(again), 9)
    assert again.compiled.idle(120) and not again.compiled.failed
    assert sorted(tmp_path.iterdir()) == files and files[0].stat().st_size == len(whole)


def test_a_folder_keeps_so_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr("gwm_core.backbones.compile_files.KEPT", 2)
    folder = Folder(tmp_path, "trace")
    for n in range(4):
        (tmp_path / f"{n}.pt").write_bytes(b"x")
        time.sleep(0.02)
    folder._tidy()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["2.pt", "3.pt"]
    with pytest.raises(GWMError, match="accepted are inductor, trace"):
        Folder(tmp_path, "gcc")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="a C++ compiler is needed")
def test_machine_code_agrees_with_the_layers(tmp_path):
    """What a card uses, on the processor: minutes of compiling."""
    model = model_of("causal-wan", Folder(tmp_path, "inductor"))
    world, clip = steps(begun(model), LATE["causal-wan"])
    assert model.compiled.idle(900) and not model.compiled.told
    world, more = steps(world, 4)
    assert model.computed(world)
    _, wanted = steps(begun(model_of("causal-wan")), LATE["causal-wan"] + 4)
    frames = Clip.concat([clip, more]).frames["view"].astype(int)
    assert np.abs(frames - wanted.frames["view"]).max() <= 2
    fresh = model_of("causal-wan", Folder(tmp_path, "inductor"))
    again = begun(fresh)
    Walk(world.track, facts_of(world.rewind(0))).remind(again)
    assert again.step(world.track)[1].hash() == Clip.concat([clip, more]).hash()
