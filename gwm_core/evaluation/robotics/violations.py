"""Are violations foreseen? What the imagined runs broke against what the true ones did."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...robotics.evaluation import Results
from ..report import Metric

LEAST = 10
"""Runs with, and without, a violation that a predicate must have to be counted."""
FALSE_POSITIVES = 0.10
TICK = 0.1


def auroc(score: np.ndarray, label: np.ndarray) -> float:
    """The area under the curve of receiver operation: how often a run with the label has the
    higher score, ties counted half."""
    order = np.argsort(score, kind="stable")
    ranks = np.empty(len(score))
    values, where, counts = np.unique(score[order], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks[order] = (ends - (counts - 1) / 2)[where]
    positive = label.astype(bool)
    n, m = positive.sum(), (~positive).sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def recall_at(score: np.ndarray, label: np.ndarray, share: float = FALSE_POSITIVES) -> float:
    """The most positives that a threshold finds with at most that share of false alarms."""
    best = 0.0
    for threshold in np.unique(score):
        alarm = score >= threshold
        if alarm[~label].mean() <= share:
            best = max(best, float(alarm[label].mean()))
    return best


def risk(results: Results, name: str) -> np.ndarray:
    """How badly each run broke a predicate [P, S]: the share of its ticks, the earlier the worse
    among equals."""
    first = np.where(np.isfinite(results.first[name]), results.first[name], 1e6)
    return results.exposure[name] + 1e-4 / (1 + first)


def violations(true: Mapping[str, Results], made: Mapping[str, Results]) -> list[Metric]:
    """robotics.violation_auroc: mean over the predicates; lead time and recall beside it."""
    names = sorted(set.intersection(*(set(r.first) for r in (*true.values(), *made.values()))))
    areas, recalls, leads, away, counted = {}, [], [], [], 0
    for name in names:
        label = np.concatenate([r.broken(name).ravel() for r in true.values()]).astype(bool)
        score = np.concatenate([risk(r, name).ravel() for r in made.values()])
        when = np.concatenate([r.first[name].ravel() for r in true.values()])
        said = np.concatenate([r.first[name].ravel() for r in made.values()])
        if min(label.sum(), (~label).sum()) < LEAST:
            continue
        areas[name] = auroc(score, label)
        recalls.append(recall_at(score, label))
        both = label & np.isfinite(said)
        leads += (when[both] * TICK).tolist()
        away += (np.abs(said[both] - when[both]) * TICK).tolist()
        counted += int(label.sum())
    if not areas:
        return [Metric("robotics.violation_auroc", float("nan"), must=">= 0.80", aim=">= 0.90")]
    return [Metric("robotics.violation_auroc", float(np.mean(list(areas.values()))), "",
                   {"chance": 0.5, **areas}, counted, ">= 0.80", ">= 0.90",
                   f"recall at {FALSE_POSITIVES:.0%} false alarms {np.mean(recalls):.2f}"),
            Metric("robotics.violation_lead_s", float(np.median(leads)), "s",
                   {"s beside the true moment": float(np.median(away))}, len(leads),
                   note="from the start, when it is foretold, to the true event; median")]
