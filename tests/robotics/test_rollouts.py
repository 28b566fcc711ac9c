"""Policies, what can go wrong with them, runs of them one by one and in batches, evaluations.

The table model has untrained weights: a real model, of which no picture is judged here.
"""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from gwm_core.errors import Cancelled, RoboticsError
from gwm_core.model.contacts import ContactNet
from gwm_core.model.scene_reader import SceneReader
from gwm_core.robotics.env import TableEnv
from gwm_core.robotics.evaluation import Start, evaluate, in_model, paired
from gwm_core.robotics.policy import (
    LIMIT,
    NOISE,
    Biased,
    Chunked,
    Delayed,
    GripperFault,
    Noisy,
    Policy,
    Recorded,
    Slow,
    act,
    check_policy,
    reset_policy,
    within,
)
from gwm_core.robotics.ranking import rank
from gwm_core.robotics.rig import tabletop_rig
from gwm_core.robotics.rollouts import SENTENCES, join, rollout, rollouts, row, stacked
from gwm_core.robotics.table_model import TableModel
from gwm_core.simulators.tabletop import ACTION_LIMIT, expert, record
from gwm_core.simulators.tabletop.env import SimEnv
from gwm_core.simulators.tabletop.truth import in_simulator, simulated_starts

from .simple_probe import SimpleProbe

ONE = {"agent_pos": np.zeros(9, np.float32)}
MANY = {"agent_pos": np.zeros((4, 9), np.float32)}


@pytest.fixture(scope="module")
def model() -> TableModel:
    torch.manual_seed(0)
    return TableModel(SceneReader(width=8), ContactNet(width=16), tabletop_rig())


@pytest.fixture(scope="module")
def starts() -> list[Start]:
    return simulated_starts("push", (1, 3, 5))


class Reach:
    """Goes to a place by what it feels; also for a batch."""

    def __init__(self, goal=(0.1, 0.0, 0.1)) -> None:
        self.goal, self.resets = np.array(goal, np.float32), []

    def reset(self, seed: int = 0) -> None:
        self.resets.append(seed)

    def select_action(self, obs: dict) -> np.ndarray:
        felt = np.asarray(obs["agent_pos"])
        out = np.zeros((*felt.shape[:-1], 7), np.float32)
        out[..., :3] = np.clip(self.goal - felt[..., :3], -0.02, 0.02)
        return out


class Steady:
    """The same action whatever it sees."""

    def __init__(self, action) -> None:
        self.action = np.asarray(action, np.float32)

    def reset(self) -> None: ...

    def select_action(self, obs: dict) -> np.ndarray:
        shape = np.shape(obs["agent_pos"])[:-1]
        return np.broadcast_to(self.action, (*shape, 7)).copy()


class Counting:
    """Chunks that count on: action k has k / 100 as its first number."""

    def __init__(self, length: int = 5) -> None:
        self.length, self.asked, self.seeds = length, 0, []

    def reset(self, seed: int) -> None:
        self.asked = 0
        self.seeds.append(seed)

    def predict_action_chunk(self, obs: dict) -> torch.Tensor:
        out = torch.zeros(*np.shape(obs["agent_pos"])[:-1], self.length, 7)
        out[..., 0] = (torch.arange(self.length) + 10 * self.asked) / 100
        self.asked += 1
        return out


def play(policy, ticks: int, seed: int = 0, obs: dict = ONE) -> np.ndarray:
    reset_policy(policy, seed)
    return np.stack([policy.select_action(obs) for _ in range(ticks)])


# Policies


def test_limits_are_the_simulators():
    assert np.allclose(LIMIT, ACTION_LIMIT)
    assert within(np.full((2, 7), 9.0)).tolist() == np.stack([LIMIT, LIMIT]).tolist()


def test_checks_name_what_is_wrong():
    assert isinstance(Reach(), Policy) and check_policy(Reach())
    for bad, text in ((object(), "no method reset"), (Counting(), "Chunked"),
                      (Reach, "is a class"), (None, "reset")):
        with pytest.raises(RoboticsError, match=text):
            check_policy(bad)
    for action, text in ((np.zeros(6), r"\(6,\)"), (np.zeros((2, 7)), r"\[7\]"),
                         (np.full(7, np.inf), "not finite"), ({"a": 1}, "dict")):
        policy = Reach()
        policy.select_action = lambda obs, action=action: action
        with pytest.raises(RoboticsError, match=text):
            act(policy, ONE)
    # Tensors, and a batch of one where one is asked for, are accepted: LeRobot's answers.
    policy = Reach()
    policy.select_action = lambda obs: torch.ones(1, 7, requires_grad=True)
    assert act(policy, ONE).shape == (7,) and act(policy, MANY, 1).shape == (1, 7)


def test_seeds_reach_the_innermost():
    inner = Reach()
    reset_policy(Noisy(Delayed(inner, 1)), 5)
    assert inner.resets == [5]
    chunks = Counting()
    reset_policy(Chunked(chunks, 2), 6)
    assert chunks.seeds == [6]
    reset_policy(Steady(np.zeros(7)), 7)  # has no seed, is not given one


def test_chunks_are_played_piece_by_piece():
    chunked = Chunked(Counting(5), every=3)
    got = play(chunked, 7)[:, 0]
    assert np.allclose(got * 100, [0, 1, 2, 10, 11, 12, 20])
    chunked.select_action(ONE)
    assert np.allclose(play(chunked, 2)[:, 0] * 100, [0, 1])  # nothing is left over
    assert play(Chunked(Counting(5), 3), 4, obs=MANY).shape == (4, 4, 7)
    with pytest.raises(RoboticsError, match="5 actions; 6"):
        play(Chunked(Counting(5), 6), 1)
    with pytest.raises(RoboticsError, match="every"):
        Chunked(Counting(), 0)
    with pytest.raises(RoboticsError, match="predict_action_chunk"):
        Chunked(Reach(), 2)


def test_recordings():
    plan = np.random.default_rng(0).uniform(-0.02, 0.02, (3, 7)).astype(np.float32)
    got = play(Recorded(plan), 5)
    assert np.array_equal(got[:3], plan) and not got[3:].any()
    assert np.array_equal(play(Recorded(plan), 1, obs=MANY)[0], np.stack([plan[0]] * 4))
    each = np.stack([plan * k for k in range(4)])
    assert np.array_equal(play(Recorded(each), 2, obs=MANY)[1], each[:, 1])
    with pytest.raises(RoboticsError, match="3 runs"):
        play(Recorded(each[:3]), 1, obs=MANY)
    with pytest.raises(RoboticsError, match="recorded actions"):
        Recorded(np.zeros(7))


# Degradations


@pytest.mark.parametrize("make", [
    lambda p: Noisy(p, 2.0), lambda p: Biased(p, 0.01), lambda p: GripperFault(p, 0.4),
    lambda p: Delayed(p, 2), lambda p: Slow(p, 0.5)])
def test_degradations_are_decided_by_the_seed(make):
    plan = np.random.default_rng(1).uniform(-1, 1, (12, 7)) * LIMIT
    for obs in (ONE, MANY):
        policy = make(Recorded(plan))
        first, again, other = (play(policy, 12, seed, obs) for seed in (3, 3, 4))
        assert np.array_equal(first, again)
        assert (np.abs(first) <= LIMIT).all() and first.dtype == np.float32
        assert not np.array_equal(first, play(Recorded(plan), 12, 0, obs))
        drawn = not isinstance(policy, (Delayed, Slow))
        assert np.array_equal(first, other) != drawn
        assert np.array_equal(play(make(Recorded(plan)), 12, 3, obs), first)


def test_what_the_degradations_do():
    still, plan = Steady(np.zeros(7)), np.arange(1, 6)[:, None] * np.full(7, 0.005)
    noise = play(Noisy(still, 0.5), 4000)
    assert np.allclose(noise.std(0) / (0.5 * NOISE), 1, atol=0.06)
    assert np.allclose(noise.mean(0) / NOISE, 0, atol=0.05)

    late = play(Delayed(Recorded(plan), 2), 5)
    assert not late[:2].any() and np.allclose(late[2:], plan[:3])

    bias = play(Biased(still, 0.01), 3)
    assert np.allclose(np.hypot(bias[:, 0], bias[:, 1]), 0.01) and not bias[:, 2:].any()
    assert (bias == bias[0]).all()
    fixed = play(Biased(still, [0.01, 0, 0, 0, 0, 0.1, 0]), 1)[0]
    assert np.allclose(fixed, [0.01, 0, 0, 0, 0, 0.1, 0])
    directions = play(Biased(still, 0.01), 1, obs=MANY)[0]
    assert len({math.atan2(d[1], d[0]) for d in directions}) == 4

    slow = play(Slow(Steady(LIMIT), 0.25), 1)[0]
    assert np.allclose(slow, [*(0.25 * LIMIT[:6]), 1.0])

    grip = play(GripperFault(Steady([0.01, 0, 0, 0, 0, 0, 1]), 0.3), 2000)
    assert np.allclose(grip[:, :6], [0.01, 0, 0, 0, 0, 0]) and set(grip[:, 6]) == {-1.0, 1.0}
    assert abs((grip[:, 6] < 0).mean() - 0.3) < 0.04
    assert (play(GripperFault(Steady([0, 0, 0, 0, 0, 0, 1]), 0), 50)[:, 6] == 1).all()


@pytest.mark.parametrize("make", [
    lambda p: Noisy(p, -1), lambda p: Noisy(p, math.nan), lambda p: Delayed(p, -1),
    lambda p: Delayed(p, 1.5), lambda p: Biased(p, 0.5), lambda p: Biased(p, [0.1] * 6),
    lambda p: Slow(p, 2), lambda p: GripperFault(p, True), lambda p: Noisy(None)])
def test_degradations_refuse(make):
    with pytest.raises(RoboticsError, match="accepted"):
        make(Steady(np.zeros(7)))


# One run


def test_rollout_in_the_simulator_is_the_recorded_one():
    """The same actions give the simulator's own recording, frame for frame."""
    wanted, _ = record("push", 1, "noisy", ticks=12)
    got = rollout(SimEnv("push", (3, 1)), Recorded(wanted.actions), 12, start=1)
    assert got.ticks == 12 and got.task == SENTENCES["push"] and got.fps == 10
    assert np.array_equal(got.actions, wanted.actions)
    assert np.array_equal(got.state, wanted.state)
    for view in wanted.views:
        assert np.array_equal(got.views[view], wanted.views[view])
    assert got.violations == wanted.violations and got.success is False
    assert got.info["scene"] == 1


class Script:
    """The simulator's expert, as a policy: it reads the truth of an environment."""

    def __init__(self, env: SimEnv) -> None:
        self.env, self.expert = env, expert(env.task)

    def reset(self, seed: int) -> None:
        self.expert.reset(seed)

    def select_action(self, obs: dict) -> np.ndarray:
        return self.expert.act(self.env.sim.truth())


def test_rollout_ends_at_success():
    env = SimEnv("slide", 1)
    got = rollout(env, Script(env), 80)
    assert got.success is True and got.ticks < 80


def test_rollout_starts(model, starts):
    env = TableEnv(model, starts=[s.observation for s in starts], task="push", max_ticks=4)
    own = starts[2].observation
    for start in (2, own, {"start": 2}):
        got = rollout(env, Reach(), 80, start)
        assert got.ticks == 4 and got.success is None  # the environment's own limit
        assert np.array_equal(got.views["front"][0], own["pixels"]["front"])
        assert np.array_equal(got.state[0], own["agent_pos"])
    assert rollout(env, Reach(), 2).ticks == 2
    policy = Reach()
    a, b = (rollout(env, policy, 2, seed=5) for _ in range(2))
    assert np.array_equal(a.state, b.state) and policy.resets == [5, 5]
    # Too wide an action is cut, in the recording too.
    wide = rollout(env, Steady(np.full(7, 0.5)), 2, 0)
    assert np.allclose(wide.actions[0], [0.04] * 3 + [0.3] * 3 + [0.5])
    assert wide.violations["speed"] and "keep_out" not in wide.violations
    with pytest.raises(RoboticsError, match="max_ticks"):
        rollout(env, Reach(), 0)


def test_a_policy_cannot_change_the_recording(model, starts):
    class Careless(Reach):
        def select_action(self, obs):
            out = super().select_action(obs)
            obs["agent_pos"][:] = 7
            obs["pixels"]["front"][:] = 7
            return out

    looks = [s.observation for s in starts]
    env = TableEnv(model, starts=looks)
    a, b = rollout(env, Reach(), 3, 0), rollout(env, Careless(), 3, 0)
    (c,) = rollouts(model, [Careless()], looks[:1], 3)
    for other in (b, c):
        assert np.array_equal(a.state, other.state)
        assert np.array_equal(a.views["front"], other.views["front"])


# Many runs


def near(a, b) -> None:
    """The same run, up to the rounding of batched products."""
    assert a.ticks == b.ticks and a.success == b.success and a.violations == b.violations
    assert np.allclose(a.actions, b.actions, atol=1e-5)
    assert np.allclose(a.state, b.state, atol=1e-4)
    for view in a.views:
        assert (a.views[view] != b.views[view]).mean() < 0.01


left = SimpleProbe(lambda felt, tick, task: felt[0] < -0.05)


def test_batches_are_as_single_runs(model, starts):
    looks = [s.observation for s in starts]
    goal = (-0.1, 0.05, 0.1)
    env = TableEnv(model, starts=looks, task="push", probe=left)
    single = [rollout(env, Noisy(Reach(goal)), 12, i, seed=40 + i) for i in range(3)]
    each = rollouts(model, [Noisy(Reach(goal)) for _ in looks], looks, 12, task="push", seeds=40,
                    probe=left)
    for a, b in zip(single, each, strict=True):
        near(a, b)
    assert len({e.ticks for e in each}) > 1 and any(e.success for e in each)  # ends differ
    env = TableEnv(model, starts=looks, task="push")
    one = [rollout(env, Reach(goal), 6, i) for i in range(3)]
    for a, b in zip(one, rollouts(model, Reach(goal), stacked(looks), 6, task="push"), strict=True):
        near(a, b)


def test_a_batch_policy_always_sees_all_runs(model, starts):
    sizes = []

    class Watching(Reach):
        def select_action(self, obs):
            sizes.append(len(obs["agent_pos"]))
            return super().select_action(obs)

    looks = [s.observation for s in starts]
    got = rollouts(model, Watching((-0.1, 0.05, 0.1)), looks, 12, probe=left)
    assert len({e.ticks for e in got}) > 1 and set(sizes) == {3}
    assert max(e.ticks for e in got) == len(sizes)


def test_the_same_call_gives_the_same_episodes(model, starts):
    looks = [s.observation for s in starts]
    runs = [rollouts(model, [Noisy(Reach()) for _ in looks], looks, 5, seeds=[1, 2, 3])
            for _ in range(2)]
    for a, b in zip(*runs, strict=True):
        assert np.array_equal(a.state, b.state)
        assert all(np.array_equal(a.views[v], b.views[v]) for v in a.views)
    assert [e.info["seed"] for e in runs[0]] == [1, 2, 3]


def test_zones_that_are_told(model, starts):
    looks = [starts[0].observation] * 2
    tip = tuple(looks[0]["agent_pos"][:2])
    a, b = rollouts(model, Steady(np.zeros(7)), looks, 2, keep_outs=[tip, None])
    assert a.violations["keep_out"] == (0, 1, 2) and "keep_out" not in b.violations


def test_rollouts_refuse(model, starts):
    looks = [s.observation for s in starts]
    one = Reach()
    for call, text in (
        (lambda: rollouts(model, [Reach()] * 2, looks), "2 for 3"),
        (lambda: rollouts(model, [one] * 3, looks), "copy for each"),
        (lambda: rollouts(model, one, []), "none"),
        (lambda: rollouts(model, one, [*looks, {"pixels": {}}]), "do not fit"),
        (lambda: rollouts(model, one, looks, seeds=[1]), "seeds"),
        (lambda: rollouts(model, one, looks, task=["a"]), "task"),
        (lambda: rollouts(model, one, looks, probe=lambda s, t: [True], max_ticks=1), "probe"),
        (lambda: rollouts(model, Counting(), looks), "Chunked"),
    ):
        with pytest.raises(RoboticsError, match=text):
            call()


def test_states_join(model, starts):
    states = [model.begin(s.observation) for s in starts]
    joined = join(states)
    assert len(joined) == 3
    for i, state in enumerate(states):
        again = joined.pick([i])
        assert torch.equal(again.things.place, state.things.place)
        assert torch.equal(again.robot.pose, state.robot.pose)
        assert again.tables[0] is state.tables[0]


# Evaluations


def test_evaluation_is_paired(model, starts):
    """The same policies, starts and draws in both worlds."""
    policies = {"reach": Reach, "noisy": lambda: Noisy(Reach(), 1.0),
                "still": lambda: Steady(np.zeros(7))}
    kept, calls = {}, []

    def keep(world):
        return lambda name, j, episode: kept.__setitem__((world, name, j), episode)

    true = evaluate(policies, starts, in_simulator(4), seed=2, batch=2, keep=keep("true"))
    got = evaluate(policies, starts, in_model(model, 4, probe=left), seed=2, batch=2,
                   keep=keep("model"), progress=lambda *c: calls.append(c))
    assert calls == [(2, 9), (3, 9), (5, 9), (6, 9), (8, 9), (9, 9)]
    assert true.ticks.tolist() == [[4] * 3] * 3 and true.success.tolist() == [[0] * 3] * 3
    assert 0 < got.success.sum() < 9  # start 1 begins where the probe says that it is done
    assert np.array_equal(got.ticks, np.where(got.success == 1, 3, 4))
    for name in policies:
        for j, start in enumerate(starts):
            a, b = kept["true", name, j], kept["model", name, j]
            assert np.array_equal(a.state[0], b.state[0])
            assert np.array_equal(a.views["wrist"][0], start.observation["pixels"]["wrist"])
            # Both feel the same before the first action, so that what differs would be the draw.
            assert np.array_equal(a.actions[0], b.actions[0])
    first = [kept["true", "noisy", j].actions[0] - kept["true", "reach", j].actions[0]
             for j in range(3)]
    assert not np.allclose(first[0], first[1])  # each start has its own draw
    ranking = rank(*paired(true, got), true.policies, "push", draws=50)
    assert ranking.starts == 3
    other = evaluate(policies, starts, in_simulator(4), seed=3)
    with pytest.raises(RoboticsError, match="seeds differ"):
        paired(other, got)
    assert not np.array_equal(other.seeds, got.seeds)
    json.dumps(true.to_json())


def test_figures_of_an_evaluation(model, starts):
    policies = {"out": lambda: Steady([0.04, 0.04, 0.04, 0, 0, 0, 0]),
                "still": lambda: Steady(np.zeros(7))}
    got = evaluate(policies, starts, in_model(model, 6))
    assert np.isnan(got.success).all() and np.isnan(got.rates).all()
    assert (got.first["speed"][0] >= 1).all() and np.isfinite(got.first["speed"][0]).all()
    assert (got.first["speed"][1] == np.inf).all()
    assert got.broken("speed").tolist() == [[1] * 3, [0] * 3]
    assert (got.exposure["speed"][0] > 0.5).all() and not got.exposure["speed"][1].any()
    assert got.to_json()["first"]["speed"][1] == [-1, -1, -1]
    assert got.to_json()["success"][0] == [None] * 3
    with pytest.raises(RoboticsError, match="keep_out"):
        got.broken("keep_out")  # nothing tells the model where the zone is
    told = evaluate(policies, starts, in_model(model, 2, known_zones=True))
    known = [s.keep_out is not None for s in starts]
    assert any(known) and not all(known)
    assert (~np.isnan(told.first["keep_out"])).tolist() == [known] * 2
    with pytest.raises(RoboticsError, match="not known"):
        paired(got, got)


def test_evaluations_refuse(model, starts):
    run = in_model(model, 2)
    for call, text in (
        (lambda: evaluate({}, starts, run), "0 policies"),
        (lambda: evaluate({"a": Reach}, [], run), "0 starts"),
        (lambda: evaluate({"a": Reach()}, starts, run), "function"),
        (lambda: evaluate({"a": object}, starts, run), "no method reset"),
        (lambda: evaluate({"a": Reach}, starts, run, batch=0), "batch"),
        (lambda: evaluate({"a": Reach}, starts, lambda p, s, d: []), "0 episodes for 3"),
        (lambda: evaluate({"a": Reach}, [Start("push", starts[0].observation)],
                          in_simulator(2)), "no scene"),
    ):
        with pytest.raises(RoboticsError, match=text):
            call()
    with pytest.raises(Cancelled):
        evaluate({"a": Reach}, starts, run, stop=lambda: True)


def test_first_looks_are_the_scenes(starts):
    env = SimEnv("push", [s.scene for s in starts])
    for i, start in enumerate(starts):
        seen, _ = env.reset(options={"start": i})
        assert np.array_equal(seen["pixels"]["side"], start.observation["pixels"]["side"])
        zone = env.sim.truth().zones.get("keep_out")
        assert (start.keep_out is None) == (zone is None)
        assert zone is None or np.allclose(start.keep_out, zone[1][:2])
    batch = stacked([s.observation for s in starts])
    assert np.array_equal(row(batch, 1)["agent_pos"], starts[1].observation["agent_pos"])
