"""The built-in policies and their eyes: what they see, what they do of it, how they are graded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gwm_core.errors import CheckpointError, RoboticsError
from gwm_core.model.contacts import ContactNet
from gwm_core.model.scene_reader import MARKS, SceneReader
from gwm_core.robotics import eyes as eyes_module
from gwm_core.robotics.eyes import Eyes, Sight, eyes_of, load_eyes, save_eyes
from gwm_core.robotics.loading import save_table
from gwm_core.robotics.policy import LIMIT
from gwm_core.robotics.rig import tabletop_rig
from gwm_core.robotics.rollouts import rollouts, row, stacked
from gwm_core.robotics.scripted import POLICIES, WORK, Scripted, make_policy
from gwm_core.robotics.scripted_skills import Errors, Manner, across, nearest_quarter
from gwm_core.robotics.table_model import TableModel
from gwm_core.simulators.tabletop import TASKS, Tabletop

from .noisy_eyes import look, noisy_eyes, run

RED, BLUE, GOAL = (MARKS.index(n) for n in ("red", "blue", "goal"))


@pytest.fixture
def untrained() -> Eyes:
    torch.manual_seed(3)
    return Eyes(SceneReader(width=8))


@pytest.fixture(scope="module")
def looks() -> list[dict]:
    return [Tabletop("push", seed).observe() for seed in (1, 3, 5)]


def sights(task: str, scene: int, ticks: int, act, **errors):
    """(simulator, what eyes know) tick by tick, under ``act(truth)``."""
    sim, eyes = Tabletop(task, scene), noisy_eyes(**errors)
    eyes.reader.sim = sim
    sight = Sight.first(eyes.find(look(sim)).row(0), sim.agent_pos())
    yield sim, sight
    for _ in range(ticks):
        sim.advance(act(sim.truth()))
        sight = sight.after(eyes.find(look(sim)).row(0), sim.agent_pos())
        yield sim, sight


def still(truth) -> np.ndarray:
    return np.zeros(7)


# Eyes


def test_eyes_find_what_the_reader_says(untrained, looks):
    batch = stacked(looks)
    marks = untrained.find(batch)
    with torch.inference_mode():
        pixels = np.stack([batch["pixels"][v] for v in ("front", "side", "wrist")], 1)
        wanted = untrained.reader(torch.from_numpy(pixels).permute(0, 1, 4, 2, 3),
                                  torch.from_numpy(batch["agent_pos"]))
    assert np.allclose(marks.place, wanted["place"].numpy())
    assert np.allclose(np.sin(4 * marks.yaw),
                       (wanted["turn"] / wanted["turn"].norm(dim=-1, keepdim=True))[..., 0],
                       atol=1e-5)
    assert ((marks.shown > 0.5) == (wanted["shown"].numpy() > 0)).all()
    one = marks.row(1)
    assert one.place.shape == (8, 3) and np.array_equal(one.half, marks.half[1])


def test_the_last_looks_are_remembered(untrained, looks, monkeypatch):
    calls = []
    monkeypatch.setattr(untrained, "reader", lambda pixels, felt, r=untrained.reader: (
        calls.append(len(pixels)), r(pixels, felt))[1])
    whole = untrained.find(stacked(looks))
    for i in (2, 0, 1):
        assert np.array_equal(untrained.find(looks[i]).place[0], whole.place[i])
    again = untrained.find(stacked([looks[2], looks[0]]))
    assert np.array_equal(again.place, whole.place[[2, 0]]) and calls == [3]
    other = {"pixels": dict(looks[0]["pixels"]), "agent_pos": looks[0]["agent_pos"].copy()}
    other["pixels"]["side"] = 255 - other["pixels"]["side"]  # a different look, the same felt
    assert not np.array_equal(untrained.find(other).place[0], whole.place[0])
    assert calls == [3, 1]


@pytest.mark.parametrize("change, text", [
    (lambda o: o["pixels"].pop("side"), "front, side, wrist"),
    (lambda o: o.update(agent_pos=np.zeros(8)), "agent_pos"),
    (lambda o: o.update(agent_pos=np.full(9, np.nan)), "finite"),
    (lambda o: o["pixels"].update(front=np.zeros((32, 32, 3), np.uint8)), "front"),
    (lambda o: o["pixels"].update(front=np.zeros((64, 64, 3), np.float32)), "front"),
])
def test_looks_that_do_not_fit(untrained, looks, change, text):
    wrong = row(stacked(looks), 0)
    change(wrong)
    with pytest.raises(RoboticsError, match=text):
        untrained.find(wrong)


def test_files_of_eyes(untrained, looks, tmp_path):
    path = tmp_path / "own.eyes.safetensors"
    fingerprint = save_eyes(path, untrained.reader)
    loaded = load_eyes(path)
    assert loaded is load_eyes(str(path)) and loaded.fingerprint == fingerprint
    assert np.allclose(loaded.find(looks[0]).place, untrained.find(looks[0]).place, atol=2e-3)
    table = tmp_path / "table.safetensors"
    save_table(table, untrained.reader, ContactNet(width=16))
    with pytest.raises(CheckpointError, match="tabletop-eyes"):
        load_eyes(table)
    with pytest.raises(CheckpointError):
        load_eyes(tmp_path / "none.safetensors")


def test_policies_share_their_eyes(untrained):
    policies = [make_policy(name, "push", untrained) for name in POLICIES]
    seeing = [p for p in policies if eyes_of(p) is untrained]
    assert len(seeing) == len(policies) - 1  # all but the one that wanders
    assert eyes_of(object()) is None


# Sight


def test_what_stands_still_is_seen_better_with_time():
    first, later = [], []
    for scene in range(1, 61, 2):
        for k, (sim, sight) in enumerate(sights("push", scene, 6, still, seed=scene)):
            truth = sim.truth()
            error = [np.linalg.norm(sight.place[GOAL, :2] - truth.zones["goal"][1][:2]),
                     np.linalg.norm(sight.place[RED] - truth.objects["red"][1])]
            (first if k == 0 else later if k == 6 else []).append(error)
    first, later = np.mean(first, 0), np.mean(later, 0)
    assert (first > 0.003).all() and (later < 0.7 * first).all()


def test_zones_never_move():
    runs = [sight.place[GOAL] for _, sight in sights("push", 1, 14, still)]
    assert not np.array_equal(runs[2], runs[1])  # a mean of the first looks
    assert all(np.array_equal(p, runs[8]) for p in runs[8:])


def test_unseen_things_stay():
    """A thing that was seen and hides is where it was; one that was never seen is not known."""
    misses = sights("push", 1, 12, still, error=0.0, miss=0.0)
    sim, sight = next(misses)
    place = sight.place[RED].copy()
    hidden = eyes_module.Marks(sight.place + 1.0, sight.yaw, sight.half, np.zeros(8))
    for _ in range(6):
        sight = sight.after(hidden, sight.felt)
    assert sight.known[RED] and np.allclose(sight.place[RED], place) and sight.lost[RED] == 6
    never = Sight.first(hidden, sim.agent_pos())
    assert not never.known.any() and never.of("red") is None


def carried(policy: str, task: str, scene: int, **errors):
    """(truth, sight) tick by tick, of a policy that works."""
    sim, eyes = Tabletop(task, scene), noisy_eyes(**errors)
    eyes.reader.sim = sim
    made = make_policy(policy, task, eyes)
    made.reset(0)
    out = []
    for _ in range(60):
        truth, action = sim.truth(), made.select_action(look(sim))
        out.append((truth, made._sight))
        sim.advance(action)
        if sim.success():
            break
    return out


def test_what_is_held_moves_with_the_gripper():
    """Also while nothing of it is seen."""
    sim, eyes = Tabletop("pick_place", 1), noisy_eyes(error=0.002, miss=0.0)
    eyes.reader.sim = sim
    policy = make_policy("expert", "pick_place", eyes)
    policy.reset(0)
    hidden, errors, held = None, [], 0
    for _ in range(60):
        seen = look(sim)
        action = policy.select_action(seen)
        sight = policy._sight
        if hidden is None and sight.held == RED and sim.truth().objects["red"][1][2] > 0.06:
            hidden = sight  # from here on a second sight goes on without looks
        sim.advance(action)
        if hidden is not None:
            hidden = hidden.after(None, sim.agent_pos())
            if hidden.held != RED:
                break
            held += 1
            errors.append(np.linalg.norm(hidden.place[RED] - sim.truth().objects["red"][1]))
    assert held >= 5 and max(errors) < 0.012


def test_what_is_pushed_is_not_seen_late():
    errors = [np.linalg.norm(sight.place[RED, :2] - truth.objects["red"][1][:2])
              for truth, sight in carried("expert", "push", 3, error=0.002)
              if truth.speeds["red"] > 0.1]
    # The median alone would be two ticks late: 44 mm.
    assert len(errors) >= 5 and np.mean(errors) < 0.010


# Policies


def test_the_set():
    assert len(POLICIES) >= 24 and all(POLICIES.values())
    for task in WORK:
        assert task in TASKS
        for name in POLICIES:
            make_policy(name, task, noisy_eyes())
    with pytest.raises(RoboticsError, match="expert"):
        make_policy("perfect", "push", noisy_eyes())
    for call in (lambda: make_policy("expert", "swim", noisy_eyes()),
                 lambda: Scripted("swim", noisy_eyes(), Manner())):
        with pytest.raises(RoboticsError, match="pick_place"):
            call()
    assert make_policy("expert", "push").eyes is load_eyes()  # the shipped ones


def test_one_look_at_a_time(untrained, looks):
    policy = make_policy("expert", "push", untrained)
    with pytest.raises(RoboticsError, match="each run"):
        policy.select_action(stacked(looks))


@pytest.mark.parametrize("name", list(POLICIES))
def test_the_seed_decides(name, untrained, looks):
    """Whatever is seen, actions are finite, within limits, and the same for the same seed."""
    def play(seed: int) -> np.ndarray:
        policy.reset(seed)
        return np.stack([policy.select_action(looks[k % 3]) for k in range(8)])

    policy = make_policy(name, "pick_place", untrained)
    first = play(5)
    assert first.dtype == np.float32 and first.shape == (8, 7)
    assert (np.abs(first) <= LIMIT + 1e-7).all()
    play(6)
    assert np.array_equal(play(5), first)


def test_what_chance_decides():
    draws = [Errors.draw(Manner(inexact=0.02, aside=0.01, short=0.5, confused=0.3, beyond=0.1),
                         np.random.default_rng(k)) for k in range(400)]
    assert np.std([d.goal for d in draws]) == pytest.approx(0.02, rel=0.1)
    assert np.std([d.aside for d in draws]) == pytest.approx(0.01, rel=0.1)
    assert np.mean([d.confused for d in draws]) == pytest.approx(0.3, abs=0.07)
    assert 0 < min(d.short for d in draws) and max(d.short for d in draws) < 0.5
    worse = Errors.draw(Manner(inexact=0.04), np.random.default_rng(7))
    assert np.allclose(worse.goal, 2 * draws[7].goal)  # equal seeds, kindred errors
    none = Errors.draw(Manner(), np.random.default_rng(7))
    assert not none.goal.any() and none.short == 0 and not none.confused


def test_turns_stay_within_reach():
    for yaw in np.linspace(-3.2, 3.2, 41):
        for now in (-1.4, 0.0, 1.4):
            turn = nearest_quarter(yaw, now)
            assert abs(turn) <= 1.45
            assert abs(np.sin(2 * (turn - yaw))) < 1e-9
            assert abs(across(yaw, now)) <= 1.48


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_succeeds(task):
    done = []
    for scene in range(1, 17, 2):
        eyes = noisy_eyes(seed=scene)
        done.append(run(Tabletop(task, scene), make_policy("expert", task, eyes), eyes, scene))
    assert np.mean(done) >= 0.85, done


@pytest.mark.parametrize("task", ["push", "pick_place"])
def test_policies_are_graded(task):
    """Far better ones succeed far more often; the worst never."""
    names = ("expert", "inexact-40", "confused-70", "idle")
    rates = {}
    for name in names:
        done = []
        for scene in range(1, 21, 2):
            eyes = noisy_eyes(seed=scene)
            policy = make_policy(name, task, eyes)
            done.append(run(Tabletop(task, scene), policy, eyes, scene + 100))
        rates[name] = np.mean(done)
    assert rates["expert"] >= 0.8 and rates["idle"] == 0, rates
    assert 0.1 <= rates["inexact-40"] <= rates["expert"] - 0.2, rates
    assert 0 < rates["confused-70"] <= rates["expert"] - 0.3, rates


def test_some_look_less_often():
    counts = {}
    for every in (1, 12, 0):
        eyes = noisy_eyes()
        run(Tabletop("push", 1), Scripted("push", eyes, Manner(every=every)), eyes, 0, ticks=16)
        counts[every] = eyes.reader.calls
    assert counts == {1: 16, 12: 2, 0: 1}


def test_careless_ones_break_rules():
    def broken(name: str, task: str) -> set[str]:
        out: set[str] = set()
        for scene in range(1, 25, 2):
            eyes = noisy_eyes(seed=scene)
            run(Tabletop(task, scene), make_policy(name, task, eyes), eyes, scene, 40,
                watch=lambda sim: out.update(sim.violations()))
        return out

    assert not broken("expert", "pick_place")
    assert {"speed", "keep_out"} <= broken("hasty", "pick_place")
    assert "force" in broken("pressing", "push")


# In the table model


def test_all_runs_of_a_tick_are_one_look(untrained, looks, monkeypatch):
    """Policies one by one act as in a batch, and the reader sees each tick once."""
    torch.manual_seed(0)
    model = TableModel(SceneReader(width=8), ContactNet(width=16), tabletop_rig())
    calls = []
    monkeypatch.setattr(untrained, "reader", lambda pixels, felt, r=untrained.reader: (
        calls.append(len(pixels)), r(pixels, felt))[1])
    names = ("expert", "noisy-20", "wandering")
    got = rollouts(model, [make_policy(n, "push", untrained) for n in names], looks, 5,
                   task="push", seeds=[1, 2, 3])
    assert calls == [3] * 5
    for k, name in enumerate(names):
        alone, = rollouts(model, [make_policy(name, "push", untrained)], [looks[k]], 5,
                          task="push", seeds=[k + 1])
        assert np.allclose(alone.actions, got[k].actions, atol=2e-3)
