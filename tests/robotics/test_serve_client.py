"""Our own client of `gwm serve` over HTTP: batches, branches, seeds, success and violations."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gwm_core.errors import RoboticsError
from gwm_core.model.contacts import ContactNet
from gwm_core.model.scene_reader import SceneReader
from gwm_core.robotics import starts as starts_module
from gwm_core.robotics.evaluation import Start
from gwm_core.robotics.rig import tabletop_rig
from gwm_core.robotics.rollouts import HOLD, Reading
from gwm_core.robotics.table_model import TableModel
from gwm_core.serve.arrays import packed, unpacked
from gwm_core.serve.client import TableClient
from gwm_core.serve.server import Server
from gwm_core.serve.shelf import Shelf, weight
from gwm_core.simulators.tabletop import Tabletop

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model() -> TableModel:
    torch.manual_seed(0)
    return TableModel(SceneReader(width=8), ContactNet(width=16), tabletop_rig())


@pytest.fixture(scope="module")
def looks() -> list[dict]:
    return [Tabletop("push", seed).observe() for seed in (1, 3, 5)]


@pytest.fixture(scope="module")
def server(model):
    with Server(model) as server:
        yield server


@pytest.fixture
def client(server) -> TableClient:
    return TableClient(server.url)


def actions(*shape: int, seed: int = 0) -> np.ndarray:
    limit = np.array([0.02] * 3 + [0.1] * 3 + [1.0], np.float32)
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, 7)).astype(np.float32) * limit


class Right:
    """A probe: done while the tip is right of where it began; "late" from the third tick on."""

    predicates = ("late",)

    def begin(self, observation, tasks):
        if set(tasks) - {"push"}:
            raise RoboticsError(f"task: {tasks[0]!r}; push is accepted")
        memory = tuple((float(felt[0]), 0) for felt in observation["agent_pos"])
        return memory, Reading(np.zeros(len(tasks), bool))

    def step(self, memory, observation):
        memory = tuple((x, ticks + 1) for x, ticks in memory)
        felt = observation["agent_pos"]
        return memory, Reading(
            np.array([felt[b, 0] > x + 0.01 for b, (x, _) in enumerate(memory)]),
            tuple(("late",) if ticks >= 3 else () for _, ticks in memory))


def equal(a: dict, b: dict) -> bool:
    return all(np.array_equal(a[v], b[v]) for v in ("front", "side", "wrist"))


# What it can do


def test_a_batch_is_what_the_model_says(model, client, looks):
    plan = actions(3, 4)
    with client.reset(looks, task="push") as runs:
        assert len(runs) == 3 and equal(runs.observation["pixels"],
                                        {v: np.stack([o["pixels"][v] for o in looks])
                                         for v in model.rig.views})
        seen = runs.step(plan)
        assert seen.pixels["side"].shape == (3, 4, 64, 64, 3) and seen.agent_pos.shape == (3, 4, 9)
        batch = {"pixels": {v: np.stack([o["pixels"][v] for o in looks]) for v in model.rig.views},
                 "agent_pos": np.stack([o["agent_pos"] for o in looks])}
        state = model.begin(batch)
        for t in range(4):
            state, true = model.step(state, plan[:, t])
            assert np.array_equal(seen.agent_pos[:, t], true["agent_pos"])
            assert equal({v: p[:, t] for v, p in seen.pixels.items()}, true["pixels"])
        # In two calls the same as in one
        state, true = model.step(state, plan[:, 0])
        runs.step(plan[:, :1], frames="last")
        assert equal(runs.observation["pixels"], true["pixels"]) and runs.tick == 5
        assert runs.task == ["Push the red box into the green zone."] * 3


def test_branches_leave_the_runs_where_they_are(client, looks):
    plan = actions(4, 3, seed=1)
    with client.reset(looks[:2]) as runs:
        ways = runs.branch(plan, run=1, keep=True)
        assert ways.pixels["wrist"].shape == (4, 3, 64, 64, 3) and runs.tick == 0
        same = runs.branch(np.stack([plan[2]] * 2), run=1)
        assert equal({v: p[0] for v, p in same.pixels.items()},
                     {v: p[1] for v, p in same.pixels.items()})
        assert not np.array_equal(ways.pixels["front"][0, -1], ways.pixels["front"][1, -1])
        assert same.runs is None
        # A branch that is kept goes on from where it ended
        on = ways.runs.step(actions(4, 1, seed=2), frames="last")
        long = runs.branch(np.concatenate([plan, actions(4, 1, seed=2)], 1), run=1, frames="last")
        assert equal(on.pixels, long.pixels) and ways.runs.tick == 4
        ways.runs.release()


def test_violations_and_limits_are_told(client, looks):
    tip = looks[0]["agent_pos"][:2]
    with client.reset(looks[:2], keep_out=[[float(tip[0]), float(tip[1])], None]) as runs:
        assert "keep_out" in runs.violations[0] and "keep_out" not in runs.violations[1]
        assert "keep_out" not in runs.predicates[1] and runs.success == [None, None]
        up = np.zeros((2, 8, 7), np.float32)
        up[0, :, 2] = 0.5  # cut to .04 a tick, and out of the workspace after some
        seen = runs.step(up, frames="none")
        assert seen.pixels == {} and seen.clipped[0].all() and not seen.clipped[1].any()
        assert "workspace" in seen.violations[0][-1] and "workspace" not in seen.violations[1][-1]
        assert runs.violations[0] == seen.violations[0][-1]


def test_a_probe_tells_success_and_more_violations(model, looks):
    way = np.zeros((2, 4, 7), np.float32)
    way[0, :, 0], way[1, :, 0] = 0.03, -0.03
    with Server(model, probe=Right()) as server:
        client = TableClient(server.url)
        assert client.model()["tells_success"] is True
        with client.reset(looks[:2], task="push") as runs:
            assert runs.success == [False, False] and "late" in runs.predicates[0]
            seen = runs.step(way[:, :2], frames="none")
            assert seen.success == [[False] * 2] * 2 and seen.violations[0][-1] == ()
            ways = runs.branch(way[:, :HOLD], run=0, frames="none")  # what was held goes on
            assert ways.success[0] == [True] * HOLD and "late" in ways.violations[0][0]
            seen = runs.step(way[:, 2:], frames="none")
            assert seen.success[0][-1] is True and seen.success[1][-1] is False
            assert all("late" in now for now in seen.violations[1])
            assert runs.success == [True, False]
        assert client.reset(looks[:1]).success == [None]  # nobody said what was to be done
        with pytest.raises(RoboticsError, match="juggle"):
            client.reset(looks[:1], task="juggle")


def test_starts_of_the_pack_by_pick_and_by_seed(model, looks, tmp_path, monkeypatch):
    file = tmp_path / "starts.npz"
    starts_module.save_starts(file, [Start("push", o, k, (0.1, 0.1)) for k, o in enumerate(looks)])
    load = starts_module.load_starts
    monkeypatch.setattr(starts_module, "load_starts", lambda task: load(task, path=file))
    with Server(model) as server:
        client = TableClient(server.url)
        runs = client.reset(task="push", picks=[2, 0])
        assert np.array_equal(runs.observation["agent_pos"][0], looks[2]["agent_pos"])
        assert np.array_equal(runs.observation["pixels"]["front"][1], looks[0]["pixels"]["front"])
        drawn = [client.reset(task="push", count=1, seed=s).observation["agent_pos"]
                 for s in (1, 1, 2, 3, 4)]
        assert np.array_equal(drawn[0], drawn[1])
        assert any(not np.array_equal(drawn[0], d) for d in drawn[2:])
        for wrong, said in (({"picks": [3]}, "0 to 2"), ({"picks": []}, "picks"),
                            ({"picks": ["1"]}, "picks"), ({"count": 65}, "count"),
                            ({"seed": -1}, "seed"), ({"task": "juggle"}, "juggle")):
            with pytest.raises(RoboticsError, match=said):
                client.reset(**{"task": "push", **wrong})


def test_the_model_is_described(client):
    about = client.model()
    assert about["embodiment"]["name"] == "tabletop" and about["tells_success"] is False


def test_the_client_needs_numpy_alone():
    code = ("import sys; import gwm_core.serve.client; "
            "print({'torch', 'aiohttp', 'cv2', 'PIL', 'av'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


# What is refused


def test_wrong_actions_change_nothing(client, looks):
    with client.reset(looks[:2]) as runs:
        for plan, said in (
            (np.zeros((2, 3, 6)), r"\[2, T, 7\]"), (np.zeros((3, 3, 7)), r"\[2, T, 7\]"),
            (np.zeros((2, 7)), r"\[2, T, 7\]"), (np.zeros((2, 0, 7)), "0 ticks"),
            (np.full((2, 1, 7), np.nan), "not finite"), (np.zeros((2, 600, 7)), "600 ticks"),
            ([[["a"] * 7]], "no array"),
        ):
            with pytest.raises(RoboticsError, match=f"actions.*{said}"):
                runs.step(plan)
        assert runs.step(actions(2, 1), frames="last").runs.tick == 1


def test_wrong_looks(client, looks):
    look = looks[0]
    for wrong, said in (({"pixels": {"front": look["pixels"]["front"]}}, "front, side, wrist"),
                        ({"agent_pos": np.zeros(8)}, "agent_pos"),
                        ({"agent_pos": np.full(9, np.inf)}, "finite"),
                        ({"pixels": {v: p / 255 for v, p in look["pixels"].items()}}, "uint8"),
                        ({"pixels": {v: p[:32] for v, p in look["pixels"].items()}}, "64")):
        with pytest.raises(RoboticsError, match=said):
            client.reset([look | wrong])
    with pytest.raises(RoboticsError, match="3 for 1 runs"):
        client.reset([look], task=["push"] * 3)
    with pytest.raises(RoboticsError, match="keep_out"):
        client.reset([look], keep_out=[1.0, 2.0, 3.0])
    with pytest.raises(RoboticsError, match="64 runs"):
        client.reset([look] * 65)


def test_unknown_and_released_runs(client, looks):
    runs = client.reset(looks[:1])
    with pytest.raises(RoboticsError, match="from 0 to 0"):
        runs.branch(actions(2, 1), run=1)
    with pytest.raises(RoboticsError, match="frames"):
        runs.step(actions(1, 1), frames="some")
    runs.release()
    for call in (lambda: runs.step(actions(1, 1)), runs.release):
        with pytest.raises(RoboticsError, match="no such ones"):
            call()


def test_urls_and_services_that_are_none(server):
    with pytest.raises(RoboticsError, match="url"):
        TableClient("ftp://127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(RoboticsError, match="gwm serve"):
            TableClient(f"http://127.0.0.1:{taken.getsockname()[1]}").model()


def test_arrays_in_json():
    for array in (np.arange(6, dtype=np.uint8).reshape(1, 2, 3), actions(2, 3),
                  np.zeros((0, 7), np.float32)):
        again = unpacked(packed(array), "a")
        assert again.dtype == array.dtype and np.array_equal(again, array)
    good = packed(actions(2))
    for wrong in (good | {"dtype": "object"}, good | {"shape": [3, 7]}, good | {"shape": [-2, -7]},
                  good | {"shape": 14}, good | {"data": "*"}, good | {"data": None}, None, "a",
                  [[1], [1, 2]], good | {"shape": [1 << 24] * 6}):
        with pytest.raises(RoboticsError, match="^a: "):
            unpacked(wrong, "a")


# Clients that go, and what is kept of them


def test_a_client_killed_in_a_long_call_changes_nothing(client, server, model, looks, monkeypatch):
    runs, step, made = client.reset(looks[:1]), model.step, []

    def slow(*arguments):
        made.append(time.sleep(0.02))
        return step(*arguments)

    monkeypatch.setattr(model, "step", slow)
    code = (
        "import numpy as np\n"
        "from gwm_core.serve.client import TableClient\n"
        f"TableClient({server.url!r}).call('POST', '/runs/{runs._name}/step', "
        "{'actions': np.zeros((1, 512, 7)).tolist()})\n")
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as process:
        while len(made) < 10:
            time.sleep(0.01)
        process.kill()
    seen = runs.step(actions(1, 2))
    assert runs.tick == 2, "the killed call's ticks must not count"
    assert len(made) < 256, "its ticks must not be made to the end"
    assert np.isfinite(seen.agent_pos).all()


def test_short_calls_do_not_wait_for_long_ones(client, looks):
    slow, quick = client.reset(looks), client.reset(looks[:1])
    long = threading.Thread(target=lambda: slow.step(np.zeros((3, 120, 7)), frames="none"))
    long.start()
    time.sleep(0.2)
    quick.step(actions(1, 2))
    assert long.is_alive()
    long.join()
    assert slow.tick == 120


def test_a_shelf_is_bounded_in_number_bytes_and_time():
    now, gone = [0.0], []
    shelf = Shelf(3, 100, 10.0, gone.append, clock=lambda: now[0])
    names = [shelf.put(k, 10) for k in range(4)]
    assert len(shelf) == 3 and gone == [0] and shelf.get(names[0]) is None
    assert shelf.get(names[1]) == 1  # now 2 is the one that was asked for longest ago
    shelf.grow(names[3], 85)
    assert gone == [0, 2] and shelf.bytes == 95
    now[0] = 9.0
    shelf.get(names[1])
    now[0] = 11.0
    assert shelf.get(names[3]) is None and shelf.get(names[1]) == 1
    assert not shelf.drop("none") and shelf.drop(names[1]) and shelf.bytes == 0
    shelf.put(5, 101)
    assert len(shelf) == 0 and gone[-1] == 5
    assert len({shelf.put(0) for _ in range(3)}) == 3 and min(map(len, names)) >= 32


def test_what_is_kept_is_weighed(model, looks):
    state = model.begin(looks[0])
    pixels = sum(p.nbytes for p in looks[0]["pixels"].values())
    assert weight(state) > pixels
    assert weight(state.pick([0, 0])) > 1.9 * weight(state)
