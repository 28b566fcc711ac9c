"""The robotics family's figures on results whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.evaluation.robotics import ranking, replay, violations
from gwm_core.evaluation.robotics.rollout import correlation
from gwm_core.robotics.evaluation import NEVER, Results
from gwm_core.robotics.ranking import rank_tasks

NAMES = tuple(f"p{i}" for i in range(6))


def results(success, first=None, task="push") -> Results:
    success = np.asarray(success, float)
    shape = success.shape
    first = {} if first is None else {k: np.asarray(v, float) for k, v in first.items()}
    exposure = {k: np.where(np.isfinite(v), 1 / (1 + v), 0.0) for k, v in first.items()}
    return Results(NAMES[: shape[0]], (task,) * shape[1], tuple(range(shape[1])),
                   tuple(range(shape[1])), success, np.full(shape, 20), first, exposure)


def graded(seed: int, starts: int = 40) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (draw.random((6, starts)) < np.linspace(0.1, 0.9, 6)[:, None]).astype(float)


def test_area_and_recall():
    label = np.array([True, True, False, False])
    assert violations.auroc(np.array([0.9, 0.8, 0.2, 0.1]), label) == 1.0
    assert violations.auroc(np.array([0.1, 0.2, 0.8, 0.9]), label) == 0.0
    assert violations.auroc(np.zeros(4), label) == 0.5
    assert violations.auroc(np.array([0.5, 0.1, 0.5, 0.0]), label) == pytest.approx(0.625)
    score = np.array([3.0, 2.0, 1.0] + [0.0] * 19 + [2.5])
    label = np.array([True] * 3 + [False] * 20)
    assert violations.recall_at(score, label) == 1.0  # 1 of 20 alarms is false
    assert violations.recall_at(score, label, 0.01) == pytest.approx(1 / 3)


def test_foreseen_violations_score_well_and_random_ones_do_not():
    draw = np.random.default_rng(0)
    truth = np.where(draw.random((6, 40)) < 0.4, 12.0, NEVER)
    near = np.where(np.isfinite(truth), truth + 2, NEVER)
    other = np.where(draw.random((6, 40)) < 0.4, 12.0, NEVER)
    true = {"push": results(graded(0), {"force": truth, "drop": np.full((6, 40), NEVER)})}
    good = violations.violations(true, {"push": results(graded(0), {
        "force": near, "drop": np.full((6, 40), NEVER)})})
    assert [m.id for m in good] == ["robotics.violation_auroc", "robotics.violation_lead_s"]
    assert good[0].value == 1.0 and "drop" not in good[0].baselines  # nobody ever dropped
    assert good[1].value == pytest.approx(1.2)
    assert good[1].baselines["s beside the true moment"] == pytest.approx(0.2)
    bad = violations.violations(true, {"push": results(graded(0), {"force": other})})
    assert 0.35 < bad[0].value < 0.65


def test_figures_of_a_ranking_stand_beside_their_baselines():
    true, made = graded(1), graded(2)
    pairs = {task: (true, made) for task in ranking.TASKS}
    flat = np.random.default_rng(3).random((6, 12)) < 0.5
    by_replay = rank_tasks({"push": (true[:, :12], flat)}, NAMES)["all"]
    found = {m.id: m for m in ranking.figures(rank_tasks(pairs, NAMES), by_replay,
                                              np.linspace(1, 0, 6))}
    r = found["robotics.ranking_r"]
    assert r.value > 0.9 and r.ok and r.n == 6 * 80
    assert r.baselines["action statistics"] < -0.9
    assert r.baselines["bootstrap low"] <= r.value
    assert "without" in r.note
    assert abs(found["robotics.success_bias"].value) < 0.1


def test_action_statistics_never_see_the_policy_they_judge():
    """A policy that acts like the others is judged like the others, whatever it truly did."""
    draw = np.random.default_rng(0)
    acted = {name: {s: draw.normal(0, 0.01, (20, 7)).astype(np.float32) for s in range(8)}
             for name in NAMES}
    success = np.ones((6, 8))
    success[2] = 0
    told = ranking.from_actions(acted, results(success))
    assert told.shape == (6, 1) and told[2, 0] > 0.5


def test_replays_are_kept_by_policy_and_seed(tmp_path):
    acted = {"a": {3: np.ones((4, 7), np.float32), 9: np.zeros((2, 7), np.float32)},
             "far-sighted": {3: np.full((1, 7), 2, np.float32)}}
    path = tmp_path / "deep" / "actions.npz"
    replay.save_actions(path, acted)
    back = replay.load_actions(path)
    assert set(back) == set(acted) and set(back["a"]) == {3, 9}
    policy = replay.replay(back, "a")
    policy.reset(9)
    policy.reset(3)
    assert [policy.select_action({}).sum() for _ in range(6)] == [7, 7, 7, 7, 0, 0]
    with pytest.raises(KeyError):
        policy.reset(4)


def test_a_report_remembers_runs_and_tells_others():
    one = results(graded(1), {"force": np.full((6, 40), NEVER)})
    two = results(graded(1), {"force": np.full((6, 40), 3.0)})
    kept = ranking.brief(one)["p3"]
    assert kept["success"].count("1") == int(one.success[3].sum()) and len(kept["ticks"]) == 40
    assert ranking.brief(one) == ranking.brief(results(graded(1), {
        "force": np.full((6, 40), NEVER)}))
    assert ranking.digest(one, 3) != ranking.digest(two, 3)


def test_correlation_of_parts():
    a = np.random.default_rng(0).normal(size=(50, 3))
    assert correlation(a, 2 * a + 1) == pytest.approx(1)
    assert abs(correlation(a, a[::-1])) < 0.3
