"""The ranking's figures: hand-computed cases, independent formulas, and what cannot be said."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import time

import numpy as np
import pytest
from scipy import stats

from gwm_core.errors import RoboticsError
from gwm_core.robotics.ranking import (
    PERMUTATIONS,
    Ranking,
    kappa,
    mmrv,
    pearson,
    rank,
    rank_tasks,
    spearman,
)


def runs(rates: list[float], n: int = 20) -> np.ndarray:
    """[k, n] of zeros and ones with exactly these rates."""
    return np.array([[j < round(rate * n) for j in range(n)] for rate in rates])


def graded(k: int = 24, n: int = 100, seed: int = 0, wrong: float = 0.1) -> tuple[np.ndarray, ...]:
    """Policies of rising skill, of whose predicted runs a share is turned round."""
    rng = np.random.default_rng(seed)
    true = rng.random((k, n)) < np.linspace(0.05, 0.95, k)[:, None]
    return true, true ^ (rng.random((k, n)) < wrong)


def names(k: int) -> list[str]:
    return [f"p{i}" for i in range(k)]


# The figures


def test_mmrv_by_hand():
    def both(true: list[float], predicted: list[float]) -> tuple[float, float]:
        pair = np.array(true), np.array(predicted)
        return round(float(mmrv(*pair)), 6), round(float(mmrv(*pair, opposite=True)), 6)

    assert both([0.1, 0.5, 0.9], [0.2, 0.3, 0.4]) == (0, 0)
    # The gap is that of the truth, however far the predictions are apart.
    assert both([0.4, 0.5], [1.0, 0.0]) == (0.1, 0.1)
    # 0-1 swapped (gap .3): both have .3, the third none: (.3 + .3 + 0) / 3.
    assert both([0.2, 0.5, 0.9], [0.6, 0.4, 0.8]) == (0.2, 0.2)
    # All the wrong way round: the worst gap of each is .7, .4, .7.
    assert both([0.2, 0.5, 0.9], [0.9, 0.5, 0.2]) == (0.6, 0.6)
    # Predicted equal, truly not: the better one of each pair has it: 0, .3, .7.
    assert both([0.2, 0.5, 0.9], [0.5, 0.5, 0.5]) == (pytest.approx(1 / 3, abs=1e-6), 0)
    # Truly equal: no gap, so nothing to violate.
    assert both([0.5, 0.5, 0.5], [0.1, 0.9, 0.5]) == (0, 0)


def test_mmrv_as_simpler_defines_it():
    rng = np.random.default_rng(1)
    true, predicted = rng.integers(0, 6, (2, 50, 7)) / 5
    for t, p, got in zip(true, predicted, mmrv(true, predicted), strict=True):
        worst = [max(abs(t[i] - t[j]) * ((p[i] > p[j]) != (t[i] > t[j])) for j in range(7))
                 for i in range(7)]
        assert got == pytest.approx(np.mean(worst))


def test_correlations_agree_with_scipy():
    rng = np.random.default_rng(2)
    a = rng.integers(0, 5, (40, 9)) / 4  # with many ties
    b = a + rng.integers(0, 3, (40, 9)) / 4
    for i in range(40):
        assert pearson(a, b)[i] == pytest.approx(stats.pearsonr(a[i], b[i])[0])
        assert spearman(a, b)[i] == pytest.approx(stats.spearmanr(a[i], b[i])[0])
    assert np.isnan(pearson(np.full(4, 0.1) * 3, np.arange(4)))
    # .1 + .2 and .3 are one rank.
    tied = np.array([0.1 + 0.2, 0.3, 0.9])
    assert spearman(tied, np.array([0.5, 0.5, 0.7])) == pytest.approx(1)


def test_kappa_by_hand():
    # 20 both succeed, 15 both fail, 5 only predicted, 10 only true: .7 seen, .5 by chance.
    assert kappa(np.array([15, 5, 10, 20])) == pytest.approx(0.4)
    assert kappa(np.array([5, 0, 0, 5])) == 1
    assert kappa(np.array([0, 5, 5, 0])) == -1
    assert np.isnan(kappa(np.array([0, 0, 0, 9])))


def test_a_small_case_by_hand():
    true = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1]])
    predicted = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 1]])
    got = rank(true, predicted, ["good", "fair", "bad"], "push")
    assert got.true == (1, 0.5, 0.25) and got.predicted == (0.75, 0.5, 0.25)
    assert got.pearson == pytest.approx(stats.pearsonr(got.true, got.predicted)[0])
    assert got.spearman == pytest.approx(1) and got.mmrv == 0
    assert got.bias == pytest.approx(-0.25 / 3) and got.error == pytest.approx(0.25 / 3)
    assert got.agreement == pytest.approx(9 / 12)
    assert got.agreements == (0.75, 0.5, 1)
    assert got.kappa == pytest.approx(kappa(np.array([4, 1, 2, 5])))
    assert got.p == pytest.approx(1 / 6) and got.p_floor == pytest.approx(1 / 6) and got.p_exact
    assert got.leverage == {"good": None, "fair": None, "bad": None}  # two points make a line


def test_probabilities_count_as_rates():
    true = runs([0, 0.5, 1.0], 4)
    got = rank(true, np.array([[0.25] * 4, [0.5] * 4, [0.75] * 4]), names(3))
    assert got.predicted == (0.25, 0.5, 0.75) and got.pearson == pytest.approx(1)
    assert got.agreements == (1, 0.5, 1)  # .5 is a success


# Doubt


def test_permutations():
    rng = np.random.default_rng(3)
    true = runs([0.1, 0.35, 0.4, 0.75, 0.9])
    predicted = rng.random((5, 20)) < np.array([0.3, 0.1, 0.6, 0.5, 0.9])[:, None]
    got = rank(true, predicted, names(5))
    t, p = np.array(got.true), np.array(got.predicted)
    as_high = [stats.pearsonr(t, p[list(order)])[0] >= got.pearson - 1e-9
               for order in itertools.permutations(range(5))]
    assert got.p_exact and got.p == pytest.approx(np.mean(as_high))
    perfect = rank(true, true, names(5))
    assert perfect.p == perfect.p_floor == pytest.approx(1 / math.factorial(5))
    # Equal policies make several orders as good as the true one.
    tied = rank(runs([0.1, 0.1, 0.9]), runs([0.1, 0.1, 0.9]), names(3))
    assert tied.p == pytest.approx(2 / 6)
    many = rank(*graded(12), names(12))
    assert not many.p_exact and many.p == many.p_floor == 1 / (PERMUTATIONS + 1)
    # Unrelated predictions: p is spread over 0..1.
    ps = [rank(rng.random((6, 30)) < 0.5, rng.random((6, 30)) < 0.5, names(6), draws=1).p
          for _ in range(60)]
    assert 0.3 < np.mean(ps) < 0.7 and stats.kstest(ps, "uniform").pvalue > 1e-3


def test_intervals_as_a_plain_loop_makes_them():
    true, predicted = graded(10, 40, 4, wrong=0.25)
    got = rank(true, predicted, names(10), draws=4000)
    rng = np.random.default_rng(5)
    loops = {"policies": [], "starts": []}
    for _ in range(4000):
        i, j = rng.integers(0, 10, 10), rng.integers(0, 40, 40)
        for over, (t, p) in {
            "policies": (true[i], predicted[i]), "starts": (true[:, j], predicted[:, j])
        }.items():
            bias = p.mean(1) - t.mean(1)
            seen = (t == p).mean()
            chance = t.mean() * p.mean() + (1 - t.mean()) * (1 - p.mean())
            loops[over].append((np.corrcoef(t.mean(1), p.mean(1))[0, 1], bias.mean(),
                                np.abs(bias).mean(), (seen - chance) / (1 - chance)))
    for over, values in loops.items():
        low, high = np.percentile(np.array(values), (2.5, 97.5), axis=0)
        for i, name in enumerate(("pearson", "bias", "error", "kappa")):
            assert got.intervals[over][name] == pytest.approx((low[i], high[i]), abs=0.02), name
    assert got.intervals["policies"]["pearson"][0] < got.pearson
    narrow = rank(true, predicted, names(10), confidence=0.5).intervals["starts"]["bias"]
    wide = got.intervals["starts"]["bias"]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_seed():
    pair = graded(8, 30)
    first, again, other = (rank(*pair, names(8), seed=seed).to_json() for seed in (1, 1, 2))
    assert first == again
    assert first["intervals"] != other["intervals"]
    assert first["pearson"] == other["pearson"]


def test_leverage_finds_the_policy_that_makes_r():
    true = runs([0.5, 0.55, 0.45, 0.5, 0.0])
    predicted = runs([0.5, 0.45, 0.5, 0.55, 0.0])
    got = rank(true, predicted, names(5))
    assert got.pearson > 0.9
    left, change = got.leverage["p4"]
    assert left == pytest.approx(stats.pearsonr([0.5, 0.55, 0.45, 0.5], [0.5, 0.45, 0.5, 0.55])[0])
    assert change == pytest.approx(left - got.pearson) and change < -0.9
    assert all(abs(got.leverage[name][1]) < 0.1 for name in names(4))


def test_a_full_evaluation_is_quick():
    pair = graded(60, 200)
    begin = time.perf_counter()
    got = rank(*pair, names(60))
    assert time.perf_counter() - begin < 40
    assert got.pearson > 0.95 and got.intervals["policies"]["pearson"][0] > 0.9
    # A tenth of the runs wrong: what is good looks worse by that, what is bad better.
    assert abs(got.bias) < 0.03 and 0.85 < got.agreement < 0.95


# What cannot be said


@pytest.mark.parametrize(("true", "predicted", "why"), [
    ([0.2, 0.8], [0.3, 0.7], "2 policies; a correlation needs 3 or more"),
    ([0.5, 0.5, 0.5], [0.1, 0.2, 0.3], "the same true success rate, 0.5"),
    ([0.1, 0.2, 0.3], [1, 1, 1], "the same predicted success rate, 1"),
])
def test_undefined_correlations_say_why(true, predicted, why):
    got = rank(runs(true), runs(predicted), names(len(true)))
    assert got.pearson is None and got.spearman is None and got.p is None
    for name in ("pearson", "spearman", "p"):
        assert why in got.reasons[name]
    assert all(pair is None for pair in got.leverage.values())
    assert got.intervals["starts"]["pearson"] is None
    assert got.intervals["starts"]["bias"] is not None
    assert got.error == pytest.approx(np.abs(np.subtract(true, predicted)).mean())
    assert why in got.table()
    json.dumps(got.to_json(), allow_nan=False)


def test_too_few_for_intervals():
    got = rank(runs([0.2, 0.8]), runs([0.3, 0.7]), names(2))
    assert set(got.intervals["policies"].values()) == {None}
    assert got.reasons["intervals over policies"] == "2 policies; 3 or more are needed"
    got = rank(np.eye(4)[:, :1], np.eye(4)[:, :1], names(4))
    assert set(got.intervals["starts"].values()) == {None}
    # One policy of four succeeds; a third of the resamples leaves it out: still an interval.
    assert got.intervals["policies"]["pearson"] == pytest.approx((1, 1))
    perfect = rank(np.ones((4, 9)), np.ones((4, 9)), names(4))
    assert perfect.kappa is None and "same result" in perfect.reasons["kappa"]
    assert "undefined in 2000 of 2000" in perfect.reasons["kappa over starts"]


@pytest.mark.parametrize(("true", "predicted", "policies", "message"), [
    (np.zeros((3, 4)), np.zeros((3, 5)), names(3), "the same runs"),
    (np.zeros((3, 4)), np.zeros((3, 4)), names(2), "2 names"),
    (np.zeros((3, 4)), np.zeros((3, 4)), ["a", "b", "a"], "2 different"),
    (np.zeros(3), np.zeros(3), names(3), r"true results \(3,\)"),
    (np.zeros((0, 4)), np.zeros((0, 4)), [], "one of each at least"),
    (np.zeros((3, 4)), np.full((3, 4), 1.5), names(3), "not in 0..1"),
    (np.full((3, 4), np.nan), np.zeros((3, 4)), names(3), "not in 0..1"),
])
def test_refusals(true, predicted, policies, message):
    with pytest.raises(RoboticsError, match=message):
        rank(true, predicted, policies)


# Output


def test_json_table_and_csv():
    got = rank(*graded(24, 50), names(24), "stack, twice")
    assert isinstance(got, Ranking)
    plain = got.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert set(plain) == set(Ranking.__dataclass_fields__)
    rows = list(csv.DictReader(io.StringIO(got.csv())))
    assert [row["policy"] for row in rows] == names(24)
    assert {row["task"] for row in rows} == {"stack, twice"}
    for i, row in enumerate(rows):
        assert float(row["true"]) == got.true[i]
        assert float(row["bias"]) == pytest.approx(got.predicted[i] - got.true[i])
        assert float(row["r_without"]) == got.leverage[row["policy"]][0]
    table = got.table()
    assert f"{got.pearson:.3f}" in table and f"{got.mmrv:.3f}" in table
    assert "24 policies, 50 starts each" in table and "9999 random orders" in table
    low, high = got.intervals["policies"]["pearson"]
    assert f"{low:.3f} .. {high:.3f}" in table
    # The best policy of the truth comes first.
    body = table.splitlines()
    head = next(i for i, line in enumerate(body) if line.startswith("policy"))
    assert body[head + 1].split()[0] == f"p{int(np.argmax(got.true))}"
    assert len(body) == head + 25


def test_several_tasks():
    results = {"push": graded(6, 20, 1), "stack": graded(6, 30, 2)}
    got = rank_tasks(results, names(6), seed=3, draws=100)
    assert list(got) == ["push", "stack", "all"]
    assert [got[name].starts for name in got] == [20, 30, 50]
    together = (np.array(got["push"].true) * 20 + np.array(got["stack"].true) * 30) / 50
    assert got["all"].true == pytest.approx(tuple(together))
    assert got["push"].to_json() == rank(
        *results["push"], names(6), "push", seed=3, draws=100
    ).to_json()
    with pytest.raises(RoboticsError, match="none of them named all"):
        rank_tasks({"all": results["push"]}, names(6))
