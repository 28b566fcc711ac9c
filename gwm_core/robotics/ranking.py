"""Does an imagined world rank policies as the true one does? The statistics, with their doubt.

Every figure comes from paired results: the same policies from the same starts, in the true world
and in the predicted one. A few policies give a high correlation easily, so each figure has
intervals over policies and over starts, what each policy alone does to r, and a permutation p that
cannot be below 1 / k!.

MMRV (mean maximum rank violation) has the convention of SIMPLER (arXiv 2405.05941 and its code):
``mean over i of max over j of |true_i - true_j| * [(pred_i > pred_j) != (true_i > true_j)]``, the
gap being that of the true success rates. Of two policies that are predicted equal and are not, that
counts the better one. ``mmrv_opposite`` counts only pairs in strictly opposite order.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from scipy.stats import rankdata

from ..errors import RoboticsError
from ..noise import rng

LEAST_POLICIES = 3
EXACT_UP_TO = 8
"""Policies of which all orders are tried for p (8! = 40,320); of more, some at random."""
PERMUTATIONS = 9_999
MAX_UNDEFINED = 0.5
"""Share of resamples without a value from which on an interval is not given."""
FIGURES = ("pearson", "spearman", "mmrv", "bias", "error", "kappa")
_CHUNK = 4_000_000  # numbers at a time in the comparison of all pairs


@dataclass(frozen=True)
class Ranking:
    """How well predicted success ranks k policies; None where a figure is undefined.

    task              what the policies did
    policies          their names
    starts            number of paired starts of each policy
    true, predicted   success rates (0..1) by policy
    pearson, spearman of the success rates (-1..1); ties have their average rank
    mmrv, mmrv_opposite  0..1, 0 is best; the convention is in the module's text
    bias              mean of predicted - true rates (-1..1): above 0 the prediction is rosy
    error             mean of |predicted - true| rates (0..1)
    agreement         share of single runs of which success is predicted rightly (0..1)
    kappa             Cohen's kappa of the single runs (-1..1)
    p                 probability of a Pearson r as high if the prediction had nothing to do with
                      the truth (one-sided), over orders of the policies
    p_floor           the least that p can be: 1 / k!, or 1 / (permutations + 1) if that is more
    p_exact           whether all orders were tried
    intervals         "policies" and "starts" -> figure of FIGURES -> (low, high) or None:
                      percentile bootstrap at ``confidence``, resampling policies or starts
    leverage          policy -> (Pearson r without it, how much that is above r), or None
    reasons           figure -> why it is None
    """

    task: str
    policies: tuple[str, ...]
    starts: int
    true: tuple[float, ...]
    predicted: tuple[float, ...]
    pearson: float | None
    spearman: float | None
    mmrv: float
    mmrv_opposite: float
    bias: float
    error: float
    agreement: float
    kappa: float | None
    p: float | None
    p_floor: float
    p_exact: bool
    intervals: dict[str, dict[str, tuple[float, float] | None]]
    leverage: dict[str, tuple[float, float] | None]
    agreements: tuple[float, ...]
    reasons: dict[str, str]
    seed: int
    draws: int
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, one entry a field."""
        out = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("policies", "true", "predicted", "agreements"):
            out[name] = list(out[name])
        out["intervals"] = {
            over: {name: _list(pair) for name, pair in figures.items()}
            for over, figures in self.intervals.items()
        }
        out["leverage"] = {name: _list(pair) for name, pair in self.leverage.items()}
        out["reasons"] = dict(self.reasons)
        return out

    def table(self) -> str:
        """Text for people: figures with their intervals, then a line a policy."""
        level = f"{self.confidence:.0%}"
        title = f"{self.task}: " if self.task else ""
        lines = [f"{title}{len(self.policies)} policies, {self.starts} starts each", ""]
        lines.append(f"{'figure':<14} {'value':>7}  {level + ' over policies':>17}  "
                     f"{level + ' over starts':>17}")
        for name in (*FIGURES[:3], "mmrv_opposite", *FIGURES[3:]):
            pairs = (self.intervals[over].get(name) for over in ("policies", "starts"))
            texts = "  ".join(f"{_pair(pair):>17}" for pair in pairs)
            lines.append(f"{name:<14} {_number(getattr(self, name)):>7}  {texts}".rstrip())
        lines.append(f"{'agreement':<14} {_number(self.agreement):>7}")
        way = "all orders" if self.p_exact else f"{PERMUTATIONS} random orders"
        p = "-" if self.p is None else f"{self.p:.2g}"
        lines.append(f"{'p':<14} {p:>7}  {way}, floor {self.p_floor:.2g}")
        lines += [f"{name}: {why}" for name, why in self.reasons.items()]
        width = max(len("policy"), *map(len, self.policies))
        lines += ["", f"{'policy':<{width}}   true   pred    bias  agree  r without"]
        for i in sorted(range(len(self.policies)), key=lambda i: (-self.true[i], i)):
            pair = self.leverage[self.policies[i]]
            without = "-" if pair is None else f"{pair[0]:.3f} ({pair[1]:+.3f})"
            lines.append(
                f"{self.policies[i]:<{width}}  {self.true[i]:.3f}  {self.predicted[i]:.3f}  "
                f"{self.predicted[i] - self.true[i]:+.3f}  {self.agreements[i]:.3f}  {without}"
            )
        return "\n".join(lines)

    def csv(self) -> str:
        """A line a policy with a head: task, policy, starts, true, predicted, bias, agreement,
        r_without, r_change (empty where undefined)."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["task", "policy", "starts", "true", "predicted", "bias", "agreement",
                         "r_without", "r_change"])
        for i, name in enumerate(self.policies):
            pair = self.leverage[name] or ("", "")
            bias = self.predicted[i] - self.true[i]
            writer.writerow([self.task, name, self.starts, self.true[i], self.predicted[i], bias,
                             self.agreements[i], *pair])
        return out.getvalue()


def rank(
    true: Any, predicted: Any, policies: Sequence[str], task: str = "", *, seed: int = 0,
    draws: int = 2000, confidence: float = 0.95,
) -> Ranking:
    """The ranking of k policies from their single runs.

    true        bool or 0..1 [k, n]: success of policy i from start j in the true world
    predicted   the same runs in the predicted world; 0..1 may be a probability (for ``agreement``
                and ``kappa`` .5 and above is a success)
    policies    k names
    seed        of the resamples: the same seed gives the same intervals
    draws       bootstrap resamples
    confidence  of the intervals, 0..1
    With fewer than 3 policies, or a constant rate on one side, correlations are None and
    ``reasons`` says why. RoboticsError where shapes, names or values do not fit.
    """
    true, predicted = _results(true, "true"), _results(predicted, "predicted")
    if true.shape != predicted.shape:
        raise RoboticsError(
            f"ranking: true results {true.shape}, predicted {predicted.shape}; the same runs "
            "[policies, starts] on both sides are accepted"
        )
    policies = tuple(map(str, policies))
    if len(policies) != len(true) or len(set(policies)) != len(policies):
        raise RoboticsError(
            f"ranking: {len(policies)} names ({len(set(policies))} different) for {len(true)} "
            "policies; one name of its own for each is accepted"
        )
    if draws < 1 or not 0 < confidence < 1:
        raise RoboticsError(
            f"ranking: {draws} draws, confidence {confidence}; 1 or more and 0..1 are accepted"
        )
    rates = true.mean(1), predicted.mean(1)
    runs = _confusion(true, predicted)
    reasons: dict[str, str] = {}
    why = _undefined(*rates)
    r = None if why else _scalar(pearson(*rates))
    rho = None if why else _scalar(spearman(*rates))
    agreement = _scalar(kappa(runs.sum((0, 1))))
    reasons |= dict.fromkeys(("pearson", "spearman", "p"), why) if why else {}
    if agreement is None:
        reasons["kappa"] = "all runs have the same result on both sides"
    p, floor, exact = _permutation(*rates, r, seed)
    intervals, few = _intervals(true, predicted, runs, seed, draws, confidence, why)
    reasons |= few
    return Ranking(
        task, policies, true.shape[1], tuple(rates[0].tolist()), tuple(rates[1].tolist()), r, rho,
        float(mmrv(*rates)), float(mmrv(*rates, opposite=True)),
        float((rates[1] - rates[0]).mean()), float(np.abs(rates[1] - rates[0]).mean()),
        float(runs[..., [0, 3]].sum() / runs.sum()), agreement, p, floor, exact, intervals,
        _leverage(*rates, policies, r), tuple(runs[..., [0, 3]].sum(2).mean(1).tolist()),
        reasons, seed, draws, confidence,
    )


def rank_tasks(
    results: Mapping[str, tuple[Any, Any]], policies: Sequence[str], **options: Any
) -> dict[str, Ranking]:
    """A ranking for every task, and "all" over the starts of all tasks together.

    results  task -> (true, predicted), each as in ``rank``; the options are those of ``rank``
    """
    if not results or "all" in results:
        raise RoboticsError(
            f"ranking: tasks {list(results)}; one or more, none of them named all, are accepted"
        )
    out = {task: rank(*pair, policies, task, **options) for task, pair in results.items()}
    both = [np.concatenate([_results(pair[side], task) for task, pair in results.items()], 1)
            for side in (0, 1)]
    out["all"] = rank(*both, policies, "all", **options)
    return out


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's r [...] of two series [..., k]; NaN where one is constant."""
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    # What is left of a constant series after its mean is rounding: it counts as constant.
    scale = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    small = (np.abs(a).max(-1) < 1e-12) | (np.abs(b).max(-1) < 1e-12)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(small, np.nan, np.clip((a * b).sum(-1) / scale, -1, 1))


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation [...] of two series [..., k]; ties have their average rank."""
    return pearson(rankdata(_tidy(a), axis=-1), rankdata(_tidy(b), axis=-1))


def mmrv(true: np.ndarray, predicted: np.ndarray, opposite: bool = False) -> np.ndarray:
    """Mean maximum rank violation [...] of success rates [..., k] (the module's text)."""
    true, predicted = _tidy(true), _tidy(predicted)
    gap = true[..., :, None] - true[..., None, :]
    other = predicted[..., :, None] - predicted[..., None, :]
    violated = gap * other < 0 if opposite else (other > 0) != (gap > 0)
    return np.where(violated, np.abs(gap), 0.0).max(-1).mean(-1)


def kappa(counts: np.ndarray) -> np.ndarray:
    """Cohen's kappa [...] of counts [..., 4]: both fail, only predicted, only true, both succeed.

    NaN where chance alone would agree on every run.
    """
    counts = np.asarray(counts, float)
    none, predicted, true, both = np.moveaxis(counts, -1, 0)
    n = counts.sum(-1)
    seen = (none + both) / n
    chance = ((true + both) * (predicted + both) + (none + predicted) * (none + true)) / n**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(1 - chance < 1e-12, np.nan, (seen - chance) / (1 - chance))


def _results(values: Any, name: str) -> np.ndarray:
    values = np.asarray(values, float)
    if values.ndim != 2 or not values.size:
        raise RoboticsError(
            f"ranking: {name} results {values.shape}; [policies, starts] with one of each at least "
            "is accepted"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise RoboticsError(f"ranking: {name} results hold a value that is not in 0..1")
    return values


def _undefined(true: np.ndarray, predicted: np.ndarray) -> str:
    """Why a correlation says nothing; empty where it does."""
    if len(true) < LEAST_POLICIES:
        return f"{len(true)} policies; a correlation needs {LEAST_POLICIES} or more"
    for name, rates in (("true", true), ("predicted", predicted)):
        if np.ptp(rates) < 1e-12:
            return f"every policy has the same {name} success rate, {rates[0]:.3g}"
    return ""


def _permutation(
    true: np.ndarray, predicted: np.ndarray, r: float | None, seed: int
) -> tuple[float | None, float, bool]:
    """p, its floor, and whether all orders were tried."""
    k = len(true)
    exact = k <= EXACT_UP_TO
    # A factorial of thousands of policies is no float any more.
    floor = max(1 / math.factorial(min(k, 170)), 0.0 if exact else 1 / (PERMUTATIONS + 1))
    if r is None:
        return None, floor, exact
    if exact:
        orders = np.array(list(permutations(range(k))))
    else:
        orders = rng(seed, "permutation").permuted(np.tile(np.arange(k), (PERMUTATIONS, 1)), axis=1)
    as_high = int((pearson(true, predicted[orders]) >= r - 1e-12).sum())
    # All orders hold the true one itself; random ones count it besides.
    return (as_high / len(orders) if exact else (as_high + 1) / (len(orders) + 1)), floor, exact


def _leverage(
    true: np.ndarray, predicted: np.ndarray, policies: tuple[str, ...], r: float | None
) -> dict[str, tuple[float, float] | None]:
    """Each policy left out: Pearson's r then, and its change."""
    out: dict[str, tuple[float, float] | None] = {}
    for i, name in enumerate(policies):
        rest = np.delete(true, i), np.delete(predicted, i)
        left = None if r is None or _undefined(*rest) else _scalar(pearson(*rest))
        out[name] = None if left is None else (left, left - r)
    return out


def _confusion(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """[k, n, 4]: one 1 a run, in the order that ``kappa`` reads."""
    cell = 2 * (true >= 0.5).astype(int) + (predicted >= 0.5)
    return np.eye(4)[cell]


def _intervals(
    true: np.ndarray, predicted: np.ndarray, runs: np.ndarray, seed: int, draws: int,
    confidence: float, why: str,
) -> tuple[dict[str, dict[str, tuple[float, float] | None]], dict[str, str]]:
    """Percentile bootstrap over policies and over starts; reasons of the missing ones."""
    k, n = true.shape
    sides = true.mean(1), predicted.mean(1)
    drawn = rng(seed, "policies").integers(0, k, (draws, k))
    per_policy = runs.sum(1)
    figures = {"policies": _figures(*(side[drawn] for side in sides), per_policy[drawn].sum(1))}
    # How often each start was drawn, so that a resample is a product of matrices.
    counts = rng(seed, "starts").multinomial(n, np.full(n, 1 / n), draws)
    rates = (counts @ true.T / n, counts @ predicted.T / n)
    figures["starts"] = _figures(*rates, counts @ runs.sum(0))
    out: dict[str, dict[str, tuple[float, float] | None]] = {}
    reasons: dict[str, str] = {}
    tail = 50 * (1 - confidence)
    for over, values in figures.items():
        out[over] = dict.fromkeys(FIGURES)
        units, least = (k, LEAST_POLICIES) if over == "policies" else (n, 2)
        if units < least:  # the same resample every time would look like certainty
            reasons[f"intervals over {over}"] = f"{units} {over}; {least} or more are needed"
            continue
        for name, drawn_values in values.items():
            good = drawn_values[np.isfinite(drawn_values)]
            if why and name in ("pearson", "spearman"):
                continue
            if len(good) < (1 - MAX_UNDEFINED) * draws:
                reasons[f"{name} over {over}"] = (
                    f"undefined in {draws - len(good)} of {draws} resamples"
                )
                continue
            low, high = np.percentile(good, (tail, 100 - tail))
            out[over][name] = float(low), float(high)
    return out, reasons


def _figures(
    true: np.ndarray, predicted: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Every figure [draws] of resampled rates [draws, k] and counts of runs [draws, 4]."""
    bias = predicted - true
    step = max(1, _CHUNK // true.shape[1] ** 2)
    pieces = range(0, len(true), step)
    violations = [mmrv(true[i : i + step], predicted[i : i + step]) for i in pieces]
    values = (pearson(true, predicted), spearman(true, predicted), np.concatenate(violations),
              bias.mean(1), np.abs(bias).mean(1), kappa(counts))
    return dict(zip(FIGURES, values, strict=True))


def _tidy(rates: np.ndarray) -> np.ndarray:
    """Rates of which equal ones are equal to the last bit, whatever order they were summed in."""
    return np.round(np.asarray(rates, float), 12)


def _scalar(value: np.ndarray) -> float | None:
    return float(value) if np.isfinite(value) else None


def _list(pair: tuple[float, float] | None) -> list[float] | None:
    return None if pair is None else list(pair)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _pair(pair: tuple[float, float] | None) -> str:
    return "" if pair is None else f"{pair[0]:.3f} .. {pair[1]:.3f}"
