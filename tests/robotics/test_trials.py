"""Single runs as rows: shards, CSV, tables, intervals, given rates; and branches of one moment."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gwm_core.errors import RoboticsError
from gwm_core.model.contacts import ContactNet
from gwm_core.model.scene_reader import SceneReader
from gwm_core.robotics.counterfactual import Branch, branch_out, describe_branches, past_of
from gwm_core.robotics.evaluation import Start, evaluate, in_model
from gwm_core.robotics.eyes import Eyes
from gwm_core.robotics.policy import Noisy, Recorded
from gwm_core.robotics.probes import TaskProbe
from gwm_core.robotics.rig import tabletop_rig
from gwm_core.robotics.rollouts import rollouts
from gwm_core.robotics.table_model import TableModel
from gwm_core.robotics.trials import (
    Trial,
    agreement,
    compare,
    describe_run,
    from_csv,
    read_rates,
    run_trials,
    summaries,
    table,
    to_csv,
    together,
    wilson,
)
from gwm_core.simulators.tabletop.truth import simulated_starts

PLAN = np.array([[0.03, 0.01, -0.02, 0, 0, 0.1, 1.0]] * 6, np.float32)


@pytest.fixture(scope="module")
def model() -> TableModel:
    torch.manual_seed(0)
    return TableModel(SceneReader(width=8), ContactNet(width=16), tabletop_rig())


@pytest.fixture(scope="module")
def starts() -> list[Start]:
    return simulated_starts("push", (1, 3, 5))


@pytest.fixture(scope="module")
def probe() -> TaskProbe:
    torch.manual_seed(1)
    return TaskProbe(Eyes(SceneReader(width=8)))


POLICIES = {"plan": lambda: Recorded(PLAN), "noisy": lambda: Noisy(Recorded(PLAN), 2.0)}


def trial(policy: str, start: int, success: bool | None, **first: int) -> Trial:
    return Trial("push", policy, start, 7 + start, success, 40, first)


# Shards


def test_shards_together_are_the_whole_and_what_evaluate_gives(model, starts, probe):
    run = in_model(model, 4, probe)
    whole = run_trials(POLICIES, starts, run, seed=3, batch=2)
    parts = [run_trials(POLICIES, starts, run, seed=3, batch=2, shard=(i, 3)) for i in range(3)]
    assert [len(part) for part in parts] == [3, 1, 2]  # batches of 2, 1, 2, 1 runs
    assert sorted(map(str, together(parts))) == sorted(map(str, whole))
    results = evaluate(POLICIES, starts, run, seed=3, batch=2)
    assert {t.seed for t in whole if t.start == 1} == {results.seeds[1]}
    for t in whole:
        at = list(POLICIES).index(t.policy), t.start
        assert t.success == results.success[at] and t.ticks == results.ticks[at]
        for name, first in t.first.items():
            assert first == (results.first[name][at] if np.isfinite(results.first[name][at])
                             else -1)


def test_a_start_has_its_seed_wherever_the_evaluation_begins(model, starts):
    run = in_model(model, 2)
    whole = run_trials({"plan": POLICIES["plan"]}, starts, run)
    later = run_trials({"plan": POLICIES["plan"]}, starts[2:], run, offset=2)
    assert later[0].seed == whole[2].seed and later[0].start == 2


def test_progress_and_what_is_kept(model, starts):
    seen, kept = [], []
    run_trials(POLICIES, starts, in_model(model, 2), batch=2,
               progress=lambda done, total: seen.append((done, total)),
               keep=lambda t, e: kept.append((t.policy, t.start, e.ticks)))
    assert seen == [(2, 6), (3, 6), (5, 6), (6, 6)]
    assert kept[0] == ("plan", 0, 2) and len(kept) == 6


@pytest.mark.parametrize("bad", [{"shard": (3, 3)}, {"shard": (-1, 2)}, {"shard": (0, 0)},
                                 {"batch": 0}])
def test_bad_shards(model, starts, bad):
    with pytest.raises(RoboticsError, match="shard"):
        run_trials(POLICIES, starts, in_model(model, 2), **bad)
    with pytest.raises(RoboticsError, match="0 policies"):
        run_trials({}, starts, in_model(model, 2))


# CSV and tables


def test_csv_comes_back_the_same():
    trials = [trial("a, with comma", 0, True, drop=-1, force=12), trial("b", 1, None),
              trial("b", 2, False, drop=3)]
    text = to_csv(trials)
    assert text.splitlines()[0] == "task,policy,start,seed,success,ticks,drop,force"
    assert from_csv(text) == trials
    assert from_csv(text + "\n" + to_csv(trials[:1])) == [*trials, trials[0]]
    assert from_csv("") == []


@pytest.mark.parametrize(("text", "words"), [
    ("push,a,0,1,1,5", "line 1: a head"),
    ("task,policy,start,seed,success,ticks\npush,a,0,1,2,5", "line 2"),
    ("task,policy,start,seed,success,ticks\npush,a,zero,1,1,5", "line 2"),
    ("task,policy,start,seed,success,ticks,drop\npush,a,0,1,1,5", "6 columns, the head has 7"),
])
def test_bad_csv(text, words):
    with pytest.raises(RoboticsError, match=words):
        from_csv(text)


def test_two_results_of_one_run():
    with pytest.raises(RoboticsError, match="two results of a from start 0"):
        together([[trial("a", 0, True)], [trial("a", 0, False)]])


def test_summaries_are_sorted_and_say_what_is_not_known():
    trials = [*(trial("good", i, i > 0, drop=-1) for i in range(4)),
              *(trial("bad", i, False, drop=5 if i else -1) for i in range(4)),
              trial("unknown", 0, None)]
    good, bad, unknown = summaries(trials)
    assert (good.policy, good.rate, good.broken) == ("good", 0.75, 0.0)
    assert (bad.policy, bad.rate, bad.broken, bad.predicates) == ("bad", 0.0, 0.75, {"drop": 0.75})
    assert unknown.rate is None and unknown.broken is None
    lines = table(trials).splitlines()
    assert lines[1].startswith("good") and " 75.0%" in lines[1] and lines[0].endswith("drop")
    assert lines[3].split()[:3] == ["unknown", "1", "-"]


def test_wilson_against_known_values():
    assert wilson(0, 0) == (0.0, 1.0)
    assert np.allclose(wilson(8, 10), (0.4902, 0.9433), atol=1e-4)
    assert np.allclose(wilson(0, 10), (0.0, 0.2775), atol=1e-4)
    assert wilson(10, 10)[1] == pytest.approx(1.0)


def test_given_rates_in_several_forms():
    text = "# real trials\nexpert, 17/20\nidle, 0\nslow, of two, 35 %"
    assert read_rates(text) == {"expert": 0.85, "idle": 0.0, "slow, of two": 0.35}
    assert read_rates(to_csv([trial("a", 0, True), trial("a", 1, False)])) == {"a": 0.5}
    assert read_rates("") == {}
    for bad in ("expert", "expert, 1.5", "expert, 3/0", ", 0.5", "expert, nan"):
        with pytest.raises(RoboticsError, match="rates, line 1"):
            read_rates(bad)


def test_agreement_with_given_rates():
    trials = [trial(name, i, i < good, drop=-1)
              for name, good in (("a", 9), ("b", 6), ("c", 3), ("d", 0)) for i in range(10)]
    found = summaries(trials)
    ranking = compare(found, {"a": 0.8, "b": 0.6, "c": 0.4, "d": 0.2, "other": 1.0})
    assert ranking.pearson == pytest.approx(1.0) and ranking.spearman == pytest.approx(1.0)
    assert ranking.mmrv == 0 and ranking.bias == pytest.approx(-0.05)
    assert "of 4 policies" in agreement(ranking) and "MMRV" in agreement(ranking)
    assert compare(found, {"a": 0.8}) is None


# Branches


def test_branches_begin_alike_and_equal_plans_are_equal(model, starts, probe):
    other = PLAN * np.float32(-1)
    out = branch_out(model, starts[0].observation,
                     [Branch("a", Recorded(PLAN)), Branch("b", Recorded(PLAN)),
                      Branch("c", Recorded(other))], 6, task="push", probe=probe)
    assert [e.info["policy"] for e in out] == ["a", "b", "c"]
    assert all(e.ticks == 6 and e.success is not None for e in out)
    for view in out[0].views:
        assert (out[0].views[view] == out[1].views[view]).all()
        assert (out[0].views[view][0] == out[2].views[view][0]).all()
    assert (out[0].state == out[1].state).all() and not (out[0].state == out[2].state).all()
    text = describe_branches(out, probe.eyes)
    assert text.count("gripper (") == 3 and "1. a: a, seed 0" in text


def test_a_branch_inside_a_run_goes_on_as_the_run_did(model, starts, probe):
    (run,) = rollouts(model, Recorded(PLAN), [starts[0].observation], 6, task="push", probe=probe)
    look, before = past_of(run, 4)
    (rest,) = branch_out(model, look, [Branch("on", Recorded(PLAN[4:]))], 2, task="push",
                         probe=probe, before=before)
    assert rest.info["from_tick"] == 4 and (rest.state == run.state[4:]).all()
    for view in run.views:
        assert (rest.views[view] == run.views[view][4:]).all()
    for name, when in run.violations.items():
        assert rest.violations[name] == tuple(t - 4 for t in when if t >= 4)
    with pytest.raises(RoboticsError, match="at_tick: 7; 0 to 6"):
        past_of(run, 7)


def test_a_run_in_a_line(model, starts, probe):
    (run,) = rollouts(model, Recorded(PLAN), [starts[0].observation], 3, task="push")
    assert describe_run(run) == "Recorded, seed 0: 3 ticks (0.3 s); nothing broken"
    run.violations.update(force=(1, 2, 3), speed=(0,))
    assert describe_run(run).endswith("; broken: force at tick 1-3, speed at tick 0")
