"""Measures on curves of a clip: correlation, offset, area under the curve, spans of speech."""

from __future__ import annotations

import numpy as np

EDGE = 8
"""Ticks cut at both ends of a clip, where windows are not whole."""
REACH = 12
"""Ticks to either side in which an offset is looked for."""
SETTLED = 5
"""Ticks after and before speech that are no silence yet: a mouth needs 200 ms to close."""


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r of two curves; 0 where one is constant (it then says nothing of the other)."""
    if len(a) < 3:
        return float("nan")
    a, b = np.asarray(a, float) - np.mean(a), np.asarray(b, float) - np.mean(b)
    size = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / size) if size > 1e-12 else 0.0


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve of a score for bool labels (ties count half); NaN with one class."""
    score, positive = np.asarray(score, float), np.asarray(positive, bool)
    n = int(positive.sum())
    if n in (0, len(score)):
        return float("nan")
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def offset(seen: np.ndarray, true: np.ndarray, reach: int = REACH) -> float:
    """Ticks by which ``seen`` comes after ``true`` (before: negative), where they agree best;
    between ticks by a parabola through the three best."""
    a, b = seen - seen.mean(), true - true.mean()
    scores = np.array([pearson(a[reach + k: len(a) - reach + k], b[reach: len(b) - reach])
                       for k in range(-reach, reach + 1)])
    best = int(scores.argmax())
    if 0 < best < len(scores) - 1:
        left, here, right = scores[best - 1: best + 2]
        bend = left - 2 * here + right
        return best - reach + (0.5 * (left - right) / bend if bend < -1e-9 else 0.0)
    return float(best - reach)


def widened(where: np.ndarray, by: int) -> np.ndarray:
    """bool [T]: also true up to ``by`` ticks before and after."""
    if by <= 0 or not len(where):
        return np.asarray(where, bool).copy()
    return np.convolve(np.asarray(where, float), np.ones(2 * by + 1), "same") > 0.5


def narrowed(where: np.ndarray, by: int) -> np.ndarray:
    """bool [T]: true where all up to ``by`` ticks before and after is."""
    return ~widened(~np.asarray(where, bool), by)


def inner(ticks: int, edge: int = EDGE) -> np.ndarray:
    """bool [T]: all but the ends of a clip."""
    where = np.zeros(ticks, bool)
    where[edge: ticks - edge] = True
    return where


def onsets(where: np.ndarray) -> np.ndarray:
    """Ticks at which a bool curve becomes true."""
    return np.flatnonzero(np.asarray(where, bool) & ~np.r_[False, where[:-1]])


def apart(ticks: np.ndarray, least: int) -> np.ndarray:
    """Of sorted ticks those that come at least ``least`` after the last one kept."""
    kept: list[int] = []
    for tick in ticks:
        if not kept or tick - kept[-1] >= least:
            kept.append(int(tick))
    return np.array(kept, int)


def drift(values: np.ndarray, minutes: np.ndarray) -> float:
    """Slope of a straight line through ``values``, per minute."""
    return float(np.polyfit(minutes, values, 1)[0]) if len(values) > 1 else float("nan")
