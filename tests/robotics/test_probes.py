"""The probe of the tabletop's tasks against the simulator's own success and violations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gwm_core.errors import RoboticsError
from gwm_core.model.contacts import ContactNet
from gwm_core.model.scene_reader import MARKS, THINGS, SceneReader
from gwm_core.robotics import probes
from gwm_core.robotics.env import TableEnv
from gwm_core.robotics.evaluation import Start, evaluate, in_model
from gwm_core.robotics.eyes import Eyes, Marks, Sight
from gwm_core.robotics.probes import Run, TaskProbe, finished, named, reached
from gwm_core.robotics.rig import tabletop_rig
from gwm_core.robotics.rollouts import HOLD, SENTENCES, rollouts
from gwm_core.robotics.scripted import make_policy
from gwm_core.robotics.table_model import TableModel
from gwm_core.simulators.tabletop import TASKS, Tabletop, build, expert, randomise
from gwm_core.simulators.tabletop import tasks as sim_tasks
from gwm_core.simulators.tabletop import violations as sim_violations

from .noisy_eyes import look, noisy_eyes


def batch(sim: Tabletop) -> dict:
    seen = look(sim)
    return {"pixels": {k: v[None] for k, v in seen["pixels"].items()},
            "agent_pos": seen["agent_pos"][None]}


def sight_of(truth) -> Sight:
    """What perfect eyes know of a simulator's truth; nothing is felt between the fingers."""
    place, half, shown = np.zeros((8, 3)), np.full(8, 0.02), np.zeros(8)
    for i, name in enumerate(MARKS):
        if i < THINGS and name in truth.objects:
            place[i], half[i], shown[i] = truth.objects[name][1], truth.objects[name][3][0], 1
        elif name in truth.zones:
            place[i], shown[i] = truth.zones[name][1], 1
    felt = np.array([*truth.tip, *truth.rpy, truth.opening, 0.0, truth.force])
    return Sight.first(Marks(place, np.zeros(8), half, shown), felt)


# Thresholds


def test_thresholds_are_the_simulators():
    assert probes.SLOW == sim_tasks.SLOW and HOLD == sim_tasks.HOLD
    assert probes.OPENING == build.OPENING and probes.TICK == build.TICK
    assert probes.ON_PLATE == pytest.approx(randomise.PLATE_HALF - 0.008)
    assert probes.RIM == build.TABLE_HALF and probes.FALL == sim_violations.FALL
    for height in (-0.0101, -0.0099):
        assert sim_violations.off_table(np.array([0, 0, height])) == (height < probes.BELOW)


@pytest.mark.parametrize("task", TASKS)
def test_done_is_the_simulators(task):
    """With perfect eyes and no slack, wherever things are put: both sides of every threshold."""
    truth = Tabletop(task, 1).truth()
    thing = "knob" if task == "slide" else "red"
    goal = {"push": "goal", "pick_place": "plate", "stack": "blue", "slide": "rail_end"}[task]
    r, counts = np.random.default_rng(0), [0, 0]
    for _ in range(3000):
        end = truth.objects[goal][1] if goal in truth.objects else truth.zones[goal][1]
        kind, _, yaw, half, rgb = truth.objects[thing]
        half = np.full(3, half[0])
        above = half[2] + (truth.objects["blue"][3][0] if task == "stack" else 0)
        pos = end + (*(r.uniform(-0.06, 0.06, 2)), above + r.choice([1, 4, 9]) * 0.003 * r.normal())
        if task == "slide":
            pos = end + (*r.uniform(-0.02, 0.02, 2), 0.02)
        objects = truth.objects | {thing: (kind, pos, yaw, half, rgb)}
        if "blue" in objects:
            objects["blue"] = (*objects["blue"][:3], np.full(3, objects["blue"][3][0]),
                               objects["blue"][4])
        tip = pos + r.choice([0.01, 0.04]) * r.normal(size=3)
        now = replace(truth, objects=objects, tip=tip, opening=float(r.uniform(0.5, 0.95)),
                      speeds=dict.fromkeys(objects, 0.0))
        wanted = bool(sim_tasks.done(task, now))
        assert reached(task, sight_of(now), slack=1e-12) == wanted, now
        counts[wanted] += 1
    assert min(counts) > 100, counts


def test_what_moves_is_not_done():
    truth = Tabletop("push", 1).truth()
    goal = truth.zones["goal"][1]
    kind, _, yaw, half, rgb = truth.objects["red"]

    def moving(step: float) -> bool:
        run = None
        for k in range(4):
            pos = goal + ((k - 2) * step, 0, half[2])
            now = replace(truth, objects=truth.objects | {"red": (kind, pos, yaw, half, rgb)})
            run = Run.first("push", sight_of(now)) if run is None else run.after(sight_of(now))
        return finished(run)

    assert moving(0.0) and moving(0.002)
    assert not moving(0.012)  # .12 m/s, four times too fast, within the zone all the time


def test_tasks_by_name_or_sentence():
    for name, sentence in SENTENCES.items():
        assert named(name) == named(sentence) == name
    sim, eyes = Tabletop("push", 1), noisy_eyes()
    eyes.reader.sim = sim
    with pytest.raises(RoboticsError, match="push"):
        TaskProbe(eyes).begin(batch(sim), ["dance"])


# Against the simulator, over whole runs


def played(task: str, scene: int, style: str, ticks: int = 70):
    """(simulator, reading) tick by tick, of an expert's run; read by noisy eyes."""
    sim, eyes = Tabletop(task, scene), noisy_eyes(seed=scene)
    eyes.reader.sim = sim
    probe, policy = TaskProbe(eyes), expert(task, style)
    policy.reset(scene)
    memory, reading = probe.begin(batch(sim), [task])
    yield sim, reading
    for _ in range(ticks):
        sim.advance(policy.act(sim.truth(), {"agent_pos": sim.agent_pos()}))
        memory, reading = probe.step(memory, batch(sim))
        yield sim, reading


@pytest.mark.parametrize("task", TASKS)
def test_success_is_the_true_one(task):
    """Of good and of bad runs, each as long as it takes; first success some ticks late at most."""
    agree, late, true = [], [], []
    for scene in range(1, 15, 2):
        for style in ("expert", "clumsy"):
            held, told, real = 0, None, None
            for tick, (sim, reading) in enumerate(played(task, scene, style)):
                held = held + 1 if reading.done[0] else 0
                told = tick if told is None and held >= HOLD else told
                real = tick if real is None and sim.success() else real
            agree.append((told is None) == (real is None))
            true.append(real is not None)
            if told is not None and real is not None:
                late.append(told - real)
    assert np.mean(agree) >= 0.9, (agree, true)
    assert 0 < np.mean(true) < 1
    assert np.median(np.abs(late)) <= 3, late


def test_violations_are_the_true_ones():
    """Runs that break a rule, against those that do not."""
    for name, tasks, styles in (("keep_out", ("push", "stack"), ("clumsy", "fast")),
                                ("drop", ("pick_place", "push"), ("clumsy", "wander"))):
        got = {True: [], False: []}
        for task in tasks:
            for scene in range(1, 19, 2):
                for style in styles:
                    real = told = False
                    for sim, reading in played(task, scene, style, 55):
                        real |= name in sim.violations()
                        told |= name in reading.broken[0]
                    got[real].append(told)
        assert min(map(len, got.values())) >= 4, got
        assert np.mean(got[True]) >= 0.8 and np.mean(got[False]) <= 0.12, (name, got)


def test_memory_is_not_changed():
    """A run can be picked, kept and gone on with from any tick, any number of times."""
    states = []
    sim, eyes = Tabletop("push", 1), noisy_eyes(error=0.0, miss=0.0)
    eyes.reader.sim = sim
    probe = TaskProbe(eyes)
    memory, _ = probe.begin(batch(sim), ["push"])
    place = memory[0].sight.place.copy()
    seen = batch(sim)
    for _ in range(2):
        after, reading = probe.step(memory, seen)
        for _ in range(5):
            after, reading = probe.step(after, seen)
        states.append((after[0].sight.place, reading.done))
    assert np.array_equal(memory[0].sight.place, place) and len(memory[0].trail) == 1
    assert np.array_equal(states[0][0], states[1][0])


# In the table model


@pytest.fixture(scope="module")
def model() -> TableModel:
    torch.manual_seed(0)
    return TableModel(SceneReader(width=8), ContactNet(width=16), tabletop_rig())


def test_runs_in_the_model(model):
    """Success and violations come from what the eyes find in generated pictures."""
    class Told(SceneReader):
        """Finds red at the goal whatever it sees, and the keep-out zone below the tip."""

        def forward(self, pixels, felt):
            out = super().forward(pixels, felt)
            out["place"] = torch.zeros_like(out["place"])
            out["place"][:, MARKS.index("red"), 2] = 0.022
            out["place"][:, MARKS.index("keep_out"), :2] = felt[:, :2]
            out["half"] = torch.full_like(out["half"], 0.022)
            out["shown"] = torch.full_like(out["shown"], 4.0)
            return out

    eyes = Eyes(Told(width=8))
    looks = [Tabletop("push", seed).observe() for seed in (1, 3, 5)]
    tasks = ["push", "slide", "pick_place"]
    got = rollouts(model, [make_policy("idle", t, eyes) for t in tasks], looks, 6, task=tasks,
                   probe=TaskProbe(eyes))
    assert [e.success for e in got] == [True, True, True]
    assert [e.ticks for e in got] == [HOLD] * 3  # a run ends at its success
    assert got[0].violations["keep_out"] == (0, 1, 2, 3) and not got[0].violations["drop"]
    assert set(got[0].violations) == {"workspace", "force", "speed", "keep_out", "drop"}
    env = TableEnv(model, starts=looks, task="stack", probe=TaskProbe(eyes), max_ticks=5)
    _, info = env.reset(options={"start": 0})
    assert info["violations"] == ("keep_out",) and info["is_success"] is False
    ends = [env.step(np.zeros(7))[2:4] for _ in range(5)]
    assert ends[-1] == (False, True)  # red lies beside no blue box: it is not stacked
    results = evaluate({n: lambda n=n: make_policy(n, "push", eyes) for n in ("idle", "expert")},
                       [Start("push", look) for look in looks[:2]],
                       in_model(model, 4, probe=TaskProbe(eyes)))
    assert results.success.tolist() == [[1, 1], [1, 1]]
    assert (results.broken("keep_out") == 1).all() and (results.broken("drop") == 0).all()
