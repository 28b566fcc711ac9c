"""Environments: gymnasium's own checker, snapshots, branches, batches against single runs.

The table model has untrained weights: a real model, of which no picture is judged here. The checker
runs on the shipped checkpoint too.
"""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from gwm_core.errors import RoboticsError
from gwm_core.model.contacts import ContactNet
from gwm_core.model.scene_reader import SceneReader
from gwm_core.robotics import env as env_module
from gwm_core.robotics import rollouts as rollouts_module
from gwm_core.robotics.env import TableEnv
from gwm_core.robotics.loading import load_table
from gwm_core.robotics.rig import tabletop_rig
from gwm_core.robotics.rollouts import SENTENCES, felt_violations
from gwm_core.robotics.table_model import TableModel
from gwm_core.robotics.vector_env import TableVectorEnv, make_env
from gwm_core.simulators import tabletop
from gwm_core.simulators.tabletop import Tabletop
from gwm_core.simulators.tabletop import tasks as sim_tasks
from gwm_core.simulators.tabletop import violations as sim_violations
from gwm_core.simulators.tabletop.env import SimEnv
from gwm_core.simulators.tabletop.env import make_env as make_true_env

from .simple_probe import SimpleProbe

STILL = np.zeros(7, np.float32)


@pytest.fixture(scope="module")
def model() -> TableModel:
    torch.manual_seed(0)
    return TableModel(SceneReader(width=8), ContactNet(width=16), tabletop_rig())


@pytest.fixture(scope="module")
def starts() -> list[dict]:
    return [Tabletop("push", seed).observe() for seed in (1, 3, 5)]


class Still:
    def reset(self) -> None: ...

    def select_action(self, observation) -> np.ndarray:
        return STILL


def actions(*shape: int, seed: int = 0) -> np.ndarray:
    limit = np.array([0.02] * 3 + [0.1] * 3 + [1.0], np.float32)
    return np.random.default_rng(seed).uniform(-1, 1, (*shape, 7)).astype(np.float32) * limit


right = SimpleProbe(lambda felt, tick, task: felt[0] > 0.02)
"""Done where the tip is right of x = 2 cm."""


def same(a: dict, b: dict, exact: bool = True) -> None:
    """Exactly the same look, or up to the rounding of batched products."""
    if exact:
        assert np.array_equal(a["agent_pos"], b["agent_pos"])
    else:
        assert np.allclose(a["agent_pos"], b["agent_pos"], atol=1e-5)
    for view, frame in a["pixels"].items():
        differ = (frame != b["pixels"][view]).mean()
        assert differ == 0 if exact else differ < 0.01, view


def strict_check(make) -> None:
    """gymnasium's checker, render modes too; any warning is an error."""
    gymnasium.register("gwm-test/Table-v0", entry_point=make)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = gymnasium.make("gwm-test/Table-v0", disable_env_checker=True,
                                  render_mode="rgb_array")
            check_env(made.unwrapped)
            made.close()
    finally:
        gymnasium.registry.pop("gwm-test/Table-v0")


# gymnasium


def test_checker_on_the_model(model, starts):
    strict_check(lambda render_mode=None: TableEnv(model, starts=starts, task="push", probe=right,
                                                   render_mode=render_mode))
    strict_check(lambda render_mode=None: TableEnv(model, starts=starts, render_mode=render_mode))


def test_checker_on_the_simulator():
    strict_check(lambda render_mode=None: SimEnv("push", (1, 3, 5), render_mode=render_mode))


def test_checker_on_the_shipped_checkpoint(starts):
    shipped = load_table()
    strict_check(lambda render_mode=None: TableEnv(shipped, starts=starts, task="push",
                                                   render_mode=render_mode))


def test_spaces_are_those_of_the_contract(model, starts):
    env = TableEnv(model, starts=starts)
    assert list(env.observation_space["pixels"]) == ["front", "side", "wrist"]
    assert env.observation_space["pixels"]["wrist"].shape == (64, 64, 3)
    assert env.observation_space["agent_pos"].shape == (9,)
    assert np.allclose(env.action_space.high, [0.04] * 3 + [0.3] * 3 + [1])
    assert np.array_equal(env.action_space.low, -env.action_space.high)
    sim = SimEnv("push", 1)
    assert sim.observation_space == env.observation_space
    assert sim.action_space == env.action_space and env.metadata["render_fps"] == 10


def test_words_and_limits_are_the_simulators():
    assert SENTENCES == sim_tasks.SENTENCES and rollouts_module.HOLD == sim_tasks.HOLD
    for name in ("SIDE", "LOW", "HIGH", "FORCE", "SPEED", "KEEP_OUT"):
        assert getattr(rollouts_module, name) == getattr(sim_violations, name), name
    assert np.allclose(env_module.tabletop_embodiment().limits[1], tabletop.ACTION_LIMIT)


# One run


def test_own_first_look(model, starts):
    env = TableEnv(model)
    with pytest.raises(RoboticsError, match="options\\['observation'\\]"):
        env.reset(seed=0)
    look = {"pixels": {k: v.copy() for k, v in starts[0]["pixels"].items()},
            "agent_pos": starts[0]["agent_pos"].copy()}
    seen, info = env.reset(options={"observation": look})
    same(seen, starts[0])
    assert info["is_success"] is None and info["violations"] == ()
    state, wanted = model.step(model.begin(starts[0]), STILL[None])
    look["agent_pos"][:] = 0.2  # the user goes on to use these arrays
    seen["agent_pos"][:] = 0.2
    for frame in look["pixels"].values():
        frame[:] = 0
    after = env.step(STILL)[0]
    same(after, rollouts_module.row(wanted, 0))


def test_starts_are_drawn_by_the_seed(model, starts):
    env = TableEnv(model, starts=starts)
    tips = {tuple(env.reset(seed=s)[0]["agent_pos"]) for s in range(12)}
    assert tips == {tuple(s["agent_pos"]) for s in starts}
    same(env.reset(options={"start": 2})[0], starts[2])
    sim = SimEnv("push", (1, 3, 5))
    for seed in range(6):  # the same draw in both worlds
        same(sim.reset(seed=seed)[0], env.reset(seed=seed)[0])
    same(sim.reset(options={"scene": 5})[0], starts[2])


@pytest.mark.parametrize("options, text", [
    ({"start": 3}, "0 to 2"), ({"start": "a"}, "0 to 2"), ({"begin": 1}, "'begin'"),
    ({"keep_out": (1, 2, 3)}, "keep_out"), ({"observation": {"agent_pos": [0] * 9}}, "front"),
])
def test_wrong_options(model, starts, options, text):
    with pytest.raises(RoboticsError, match=text):
        TableEnv(model, starts=starts).reset(seed=0, options=options)


def test_wrong_steps(model, starts):
    env = TableEnv(model, starts=starts, max_ticks=2)
    with pytest.raises(RoboticsError, match="reset"):
        env.step(STILL)
    env.reset(seed=0)
    for bad in (np.zeros(6), np.zeros((1, 7)), np.full(7, np.nan)):
        with pytest.raises(RoboticsError, match="action"):
            env.step(bad)
    with pytest.raises(RoboticsError, match="max_ticks"):
        TableEnv(model, max_ticks=0)
    with pytest.raises(RoboticsError, match="render_mode"):
        TableEnv(model, render_mode="human")


def test_ends_and_limits(model, starts):
    env = TableEnv(model, starts=starts, max_ticks=3)
    env.reset(seed=0)
    assert not env.step(STILL)[4]["clipped"]
    kept = env.get_state()
    far = env.step(np.full(7, 9.0))
    assert far[4]["clipped"]
    env.set_state(kept)
    cut = env.step(env.action_space.high)
    same(far[0], cut[0])
    assert not cut[4]["clipped"] and cut[2:4] == (False, False)
    assert env.step(STILL)[2:4] == (False, True)
    with pytest.raises(RoboticsError, match="over"):
        env.step(STILL)


def test_success_holds_for_three_ticks(model, starts):
    env = TableEnv(model, starts=starts, task="push", probe=SimpleProbe(
        lambda felt, tick, task: task == "push" and tick not in (1, 4)))
    _, info = env.reset(seed=0)
    assert info["is_success"] is False and info["task"] == SENTENCES["push"]
    got = [env.step(STILL) for _ in range(7)]  # done at ticks 2, 3, not at 4, then from 5 on
    assert [g[4]["is_success"] for g in got] == [False] * 6 + [True]
    assert [g[2] for g in got] == [False] * 6 + [True] and got[-1][1] == 1.0


def test_probes_that_are_none(model, starts):
    class Short(SimpleProbe):
        def step(self, memory, observation):
            return super().step(memory, observation)[0], rollouts_module.Reading(True)

    env = TableEnv(model, starts=starts, probe=Short(lambda *_: True))
    env.reset(seed=0)
    with pytest.raises(RoboticsError, match="probe"):
        env.step(STILL)
    for bad in (lambda state, tasks: [True], SimpleProbe(lambda *_: 1, lambda *_: None)):
        with pytest.raises(RoboticsError, match="probe"):
            TableEnv(model, starts=starts, probe=bad).reset(seed=0)


def test_violations_of_a_probe(model, starts):
    """They come with those that are felt, at the start too, in episodes and in snapshots."""
    probe = SimpleProbe(lambda *_: False,
                        lambda felt, tick, task: ("drop",) if tick in (0, 2) else (), ("drop",))
    env = TableEnv(model, starts=starts, task="push", probe=probe)
    _, info = env.reset(options={"start": 0, "keep_out": starts[0]["agent_pos"][:2]})
    assert info["violations"] == ("keep_out", "drop")
    assert env.predicates == ("workspace", "force", "speed", "keep_out", "drop")
    kept = env.get_state()
    for _ in range(2):
        got = [env.step(STILL)[4]["violations"] for _ in range(3)]
        assert ["drop" in v for v in got] == [False, True, False]
        env.set_state(kept)
    env.step(STILL)
    made = env.branch(np.zeros((2, 3, 7)))  # ticks 1 to 4 of the run
    assert [e.violations["drop"] for e in made] == [(1,), (1,)]
    pair = TableVectorEnv(model, 2, starts=starts, task="push", probe=probe)
    pair.reset(seed=0)
    pair.step(np.zeros((2, 7)))
    pair.reset(options={"reset_mask": np.array([True, False])})
    info = pair.step(np.zeros((2, 7)))[4]
    assert ["drop" in v for v in info["violations"]] == [False, True]  # each at its own tick
    episodes = rollouts_module.rollouts(model, [Still(), Still()], starts[:2], 3, task="push",
                                        probe=probe)
    assert [e.violations["drop"] for e in episodes] == [(0, 2), (0, 2)]


def test_violations_that_are_felt(model, starts):
    felt = np.array([0, 0, 0.1, 0, 0, 0, 1, 0, 0], np.float32)
    assert felt_violations(felt) == ()
    assert felt_violations(felt + [0.29, 0, 0, 0, 0, 0, 0, 0, 13]) == ("workspace", "force")
    assert felt_violations(felt + [0, 0, 0.21, 0, 0, 0, 0, 0, 0]) == ("workspace",)
    assert felt_violations(felt, felt + [0.046, 0, 0, 0, 0, 0, 0, 0, 0]) == ("speed",)
    assert felt_violations(felt, felt + [0.044, 0, 0, 0, 0, 0, 0, 0, 0]) == ()
    assert felt_violations(felt, None, (0.05, 0.04)) == ("keep_out",)
    assert felt_violations(felt, None, (0.06, 0.04)) == ()

    env = TableEnv(model, starts=starts)
    tip = starts[0]["agent_pos"][:2]
    _, info = env.reset(options={"start": 0, "keep_out": tip})
    assert info["violations"] == ("keep_out",) and "keep_out" in env.predicates
    fast = [0.04, 0.04, 0.04, 0, 0, 0, 0]  # 0.69 m/s along the diagonal
    assert "speed" in env.step(fast)[4]["violations"]
    _, info = env.reset(options={"start": 0})
    assert info["violations"] == () and "keep_out" not in env.predicates
    assert "speed" not in env.step([0.04, 0, 0, 0, 0, 0, 0])[4]["violations"]


def test_snapshot_is_deep(model, starts):
    # done at two ticks, at the third not: no run ends
    probe = SimpleProbe(lambda felt, tick, task: tick % 3 != 0)
    env = TableEnv(model, starts=starts, probe=probe)
    env.reset(seed=4)
    plan = actions(6)
    env.step(plan[0])
    kept = env.get_state()
    runs = []
    for _ in range(2):
        got = [env.step(a) for a in plan[1:]]
        drawn = [env.reset()[0] for _ in range(4)]  # the generator is part of it
        runs.append((got, drawn))
        for _ in range(3):
            env.reset(seed=9)
        env.set_state(kept)
    for a, b in zip(*(run[0] for run in runs), strict=True):
        same(a[0], b[0])
        assert a[1:] == b[1:]
    for a, b in zip(*(run[1] for run in runs), strict=True):
        same(a, b)
    other = TableEnv(model, starts=starts, probe=probe)  # and goes on in another environment
    other.set_state(kept)
    same(other.step(plan[1])[0], runs[0][0][0][0])
    with pytest.raises(RoboticsError, match="snapshot"):
        SimEnv("push", 1).set_state(kept)


def test_branches(model, starts):
    env = TableEnv(model, starts=starts, task="push", probe=right, max_ticks=4)
    env.reset(seed=0)
    env.step(STILL)
    kept = env.get_state()
    plans = actions(3, 5)
    plans[2] = plans[0]
    made = env.branch(plans)
    assert [e.ticks for e in made] == [5] * 3  # beyond max_ticks: they are what-ifs
    assert made[0].task == SENTENCES["push"] and made[0].success in (True, False)
    for view in made[0].views:
        assert np.array_equal(made[0].views[view], made[2].views[view])
    assert not np.array_equal(made[0].state, made[1].state)
    # Nothing of it stays, and stepping gives what was foretold.
    assert env.get_state()["tick"] == 1 and env.get_state()["rest"][1:] == kept["rest"][1:]
    for k, t in ((0, 3), (1, 3)):
        env.set_state(kept)
        for i in range(t):
            seen = env.step(plans[k, i])[0]
            same({"pixels": {v: f[i + 1] for v, f in made[k].views.items()},
                  "agent_pos": made[k].state[i + 1]}, seen, exact=False)
    with pytest.raises(RoboticsError, match="K, T, 7"):
        env.branch(plans[0])


def test_render(model, starts):
    env = TableEnv(model, starts=starts, render_mode="rgb_array")
    seen, _ = env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (64, 192, 3)
    assert np.array_equal(picture[:, 64:128], seen["pixels"]["side"])
    assert TableEnv(model, starts=starts).render() is None


# The simulator


def test_simulator_is_the_true_one():
    env = SimEnv("push", (1, 3), max_ticks=30)
    expert = tabletop.expert("push")
    expert.reset(1)
    env.reset(options={"scene": 1})
    sim = Tabletop("push", 1)
    for _ in range(30):
        action = expert.act(env.sim.truth())
        seen, _, terminated, truncated, info = env.step(action)
        same(seen, sim.step(action))
        assert info["violations"] == sim.violations() and info["is_success"] == sim.success()
        if terminated or truncated:
            break
    env.reset(options={"scene": 1})
    kept = env.get_state()
    plans = actions(2, 4)
    foretold = env.branch(plans)
    env.reset(options={"scene": 3})
    env.set_state(kept)  # also from another scene
    for k in range(4):
        assert np.array_equal(env.step(plans[1, k])[0]["agent_pos"], foretold[1].state[k + 1])
    assert set(foretold[0].violations) == set(tabletop.VIOLATIONS)


def test_simulator_tells_success():
    """The expert ends a run by its success."""
    env = SimEnv("slide", 1)
    env.reset(seed=0)
    expert = tabletop.expert("slide")
    expert.reset(0)
    for _ in range(80):
        _, reward, terminated, truncated, info = env.step(expert.act(env.sim.truth()))
        if terminated or truncated:
            break
    assert terminated and reward == 1.0 and info["is_success"] is True


# Batches


def pair(model, starts, mode, **more):
    def one():
        return TableEnv(model, starts=starts, task="push", max_ticks=6, probe=right, **more)

    wanted = gymnasium.vector.SyncVectorEnv([one] * 3, autoreset_mode=mode)
    got = TableVectorEnv(model, 3, starts=starts, task="push", max_ticks=6, probe=right,
                         autoreset_mode=mode, **more)
    return wanted, got


def same_infos(a: dict, b: dict) -> None:
    assert set(a) == set(b)
    for key, value in a.items():
        if isinstance(value, dict):
            same_infos(value, b[key])
        elif key != "final_obs":
            assert value.dtype == b[key].dtype and value.tolist() == b[key].tolist(), key
        else:
            for x, y in zip(value, b[key], strict=True):
                assert (x is None) == (y is None)
                if x is not None:
                    same(x, y, exact=False)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_batch_is_as_single_runs(model, starts, mode):
    wanted, got = pair(model, starts, mode)
    assert got.metadata["autoreset_mode"].value == mode
    looks = [env.reset(seed=7) for env in (wanted, got)]
    same(looks[0][0], looks[1][0], exact=True)
    # Runs end at different ticks: one soon at success, others by the number of ticks.
    plan = actions(20, 3)
    plan[:, 0, 0] = 0.04
    ends = 0
    for a in plan:
        x, y = (env.step(a) for env in (wanted, got))
        same(x[0], y[0], exact=False)
        for i in (1, 2, 3):
            assert x[i].tolist() == y[i].tolist()
        same_infos(x[4], y[4])
        over = x[2] | x[3]
        ends += int(over.any() and not over.all())
        if mode == "Disabled" and over.any():
            with pytest.raises(RoboticsError, match="reset_mask"):
                got.step(a)
            x, y = (env.reset(options={"reset_mask": over.copy()}) for env in (wanted, got))
            same(x[0], y[0], exact=False)
    assert ends


def test_batch_makes_one_model_step(model, starts, monkeypatch):
    calls = []
    step = TableModel.step
    monkeypatch.setattr(TableModel, "step", lambda self, state, a, draw=True: (
        calls.append(len(state)), step(self, state, a, draw))[1])
    env = TableVectorEnv(model, 3, starts=starts, max_ticks=2)
    env.reset(seed=0)
    for _ in range(3):
        env.step(actions(3))
    assert calls == [3, 3]  # the third step begins all runs anew


def test_batch_options_and_errors(model, starts):
    env = TableVectorEnv(model, 3, starts=starts, render_mode="rgb_array")
    with pytest.raises(RoboticsError, match="reset"):
        env.step(actions(3))
    seen, _ = env.reset(options={"start": [2, 0, 1]})
    for i, k in enumerate((2, 0, 1)):
        same(rollouts_module.row(seen, i), starts[k])
    own = rollouts_module.stacked([starts[1], starts[1], starts[2]])
    zones = [tuple(starts[1]["agent_pos"][:2]), (9.0, 9.0), (9.0, 9.0)]
    seen, info = env.reset(options={"observation": own, "keep_out": zones})
    same(seen, own)
    assert list(info["violations"]) == [("keep_out",), (), ()]
    seen, _ = env.reset(options={"start": 0, "reset_mask": np.array([True, False, False])})
    same(rollouts_module.row(seen, 0), starts[0])
    same(rollouts_module.row(seen, 2), starts[2])
    assert len(env.render()) == 3 and env.render()[0].shape == (64, 192, 3)
    for bad, text in ((actions(2), "3, 7"), (np.full((3, 7), np.nan), "finite")):
        with pytest.raises(RoboticsError, match=text):
            env.step(bad)
    with pytest.raises(RoboticsError, match="2 for 3"):
        env.reset(options={"start": [0, 1]})
    with pytest.raises(RoboticsError, match="NextStep"):
        TableVectorEnv(model, 3, starts=starts, autoreset_mode="never")
    with pytest.raises(RoboticsError, match="num_envs"):
        TableVectorEnv(model, 0, starts=starts)


def test_futures_say_how_sure_a_run_is(model, starts):
    """The run itself is what it is without them; snapshots keep them."""
    env = TableEnv(model, starts=starts, max_ticks=4, futures=6)
    plain = TableEnv(model, starts=starts, max_ticks=4)
    seen, info = env.reset(seed=3)
    same(seen, plain.reset(seed=3)[0])
    assert 0 < info["uncertainty"] < 0.05 and "uncertainty" not in plain._info()
    kept, told = env.get_state(), []
    for _ in range(2):
        steps = [env.step(actions(1, seed=k)[0]) for k in range(2)]
        told.append([step[4]["uncertainty"] for step in steps])
        env.set_state(kept)
    same(steps[0][0], plain.step(actions(1, seed=0)[0])[0])
    assert told[0] == told[1] and told[0][0] != info["uncertainty"]
    many = TableVectorEnv(model, 2, starts=starts, max_ticks=4, futures=6)
    many.reset(seed=3)
    apart = many.step(actions(2))[4]["uncertainty"]
    assert apart.shape == (2,) and (apart > 0).all()
    with pytest.raises(RoboticsError, match="2 to 64"):
        TableEnv(model, starts=starts, futures=1)


def test_make_env_with_what_the_pack_brings():
    env = make_env(n_envs=2, task="pick_place")
    seen, _ = env.reset(seed=0)
    assert seen["pixels"]["wrist"].shape == (2, 64, 64, 3)
    info = env.step(np.zeros((2, 7), np.float32))[4]
    assert info["is_success"].tolist() == [False, False]


def test_batch_snapshot(model, starts):
    env = TableVectorEnv(model, 2, starts=starts, max_ticks=3)
    env.reset(seed=1)
    env.step(actions(2))
    kept, ends = env.get_state(), []
    for _ in range(2):
        ends.append([env.step(actions(2, seed=k)) for k in range(4)])
        env.set_state(kept)
    for a, b in zip(*ends, strict=True):
        same(a[0], b[0])
        assert a[2].tolist() == b[2].tolist() and a[3].tolist() == b[3].tolist()


def test_make_env_as_lerobot_calls_it(model, starts):
    """What lerobot-eval asks of a vector environment."""
    class FirstRun(SimpleProbe):
        def begin(self, observation, tasks):
            memory, _ = super().begin(observation, [next(runs)])
            return memory, rollouts_module.Reading([False])

    runs = itertools.count()
    env = make_env(n_envs=2, use_async_envs=False, model=model, task="push", max_ticks=3,
                   starts=starts, probe=FirstRun(lambda felt, tick, run: run == 0))
    assert isinstance(env, gymnasium.vector.VectorEnv)
    assert isinstance(env, gymnasium.vector.SyncVectorEnv)  # else it draws no videos
    assert env.call("_max_episode_steps")[0] == 3
    assert list(env.call("task_description")) == [SENTENCES["push"]] * 2
    assert hasattr(env.envs[0], "task") and env.unwrapped.metadata["render_fps"] == 10
    env.reset(seed=range(5, 7))
    for _ in range(3):
        _, _, terminated, truncated, info = env.step(actions(2))
    assert truncated.tolist() == [True, True] and terminated.tolist() == [True, False]
    assert info["final_info"]["is_success"].tolist() == [True, False]
    assert np.stack([e.render() for e in env.envs]).shape == (2, 64, 192, 3)
    env.close()


def test_make_env_of_both_worlds(model):
    first = Tabletop("stack", 1).observe()
    env = make_env(2, True, model=model, task="stack", starts=[first], cfg=None)
    seen, _ = env.reset(seed=0)
    same(rollouts_module.row(seen, 1), first)
    true = make_true_env(2, task="stack", seeds=(1,), max_ticks=2)
    same(true.reset(seed=0)[0], seen)
    for _ in range(2):
        info = true.step(np.zeros((2, 7), np.float32))[4]
    assert info["final_info"]["is_success"].tolist() == [False, False]
    true.close()


# Packages


def test_missing_gymnasium(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    monkeypatch.delitem(sys.modules, "gwm_core.robotics.env")
    with pytest.raises(RoboticsError, match="gwm\\[robotics\\]"):
        importlib.import_module("gwm_core.robotics.env")


def test_the_rest_needs_no_gymnasium():
    code = ("import sys, gwm_core.robotics, gwm_core.robotics.policy, gwm_core.robotics.rollouts, "
            "gwm_core.robotics.evaluation; print('gymnasium' in sys.modules, "
            "'mujoco' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"], done.stderr
