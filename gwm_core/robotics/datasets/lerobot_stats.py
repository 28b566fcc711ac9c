"""Minimum, maximum, mean, deviation and quantiles as LeRobot 0.4 keeps them, per episode and set.

Sets are merged from episodes as lerobot.datasets.compute_stats.aggregate_stats does: means and
variances exactly, quantiles as the mean of the episodes' quantiles weighted by their length.
"""

from __future__ import annotations

from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
LARGE = 300  # pictures from this size on are thinned out for their statistics
THINNED = 150  # about so many pixels stay on the longer side

Stats = dict[str, dict[str, np.ndarray]]


def column_stats(values: np.ndarray) -> dict[str, np.ndarray]:
    """Of a column [n] or [n, d]: every statistic [d] ([1] for [n]), ``count`` [1] the rows."""
    values = values.reshape(len(values), -1)
    exact = values.astype(np.float64)
    quantiles = np.quantile(exact, list(QUANTILES.values()), axis=0)
    return {
        "min": values.min(0),
        "max": values.max(0),
        "mean": exact.mean(0),
        "std": exact.std(0),
        "count": np.array([len(values)]),
        **dict(zip(QUANTILES, quantiles, strict=True)),
    }


def picture_stats(frames: np.ndarray) -> dict[str, np.ndarray]:
    """Of uint8 [n, H, W, 3]: every statistic [3, 1, 1] in 0..1, ``count`` [1] the frames."""
    longer = max(frames.shape[1:3])
    step = longer // THINNED if longer >= LARGE else 1
    pixels = frames[:, ::step, ::step].reshape(-1, 3)
    levels = np.arange(256) / 255.0
    out = {name: np.empty((3, 1, 1)) for name in ("min", "max", "mean", "std", *QUANTILES)}
    for channel in range(3):
        bins = np.bincount(pixels[:, channel], minlength=256)
        share, there = bins / bins.sum(), np.flatnonzero(bins)
        mean = float(share @ levels)
        out["min"][channel], out["max"][channel] = levels[there[0]], levels[there[-1]]
        out["mean"][channel] = mean
        out["std"][channel] = np.sqrt(share @ (levels - mean) ** 2)
        below = np.cumsum(bins) / bins.sum()
        for name, q in QUANTILES.items():
            out[name][channel] = levels[min(int(np.searchsorted(below, q)), 255)]
    return {**out, "count": np.array([len(frames)])}


def merge(all_of: Stats, more: Stats) -> Stats:
    """The statistics of both together; a feature or statistic that only one has stays as it is."""
    merged = dict(all_of)
    for key, new in more.items():
        old = all_of.get(key)
        merged[key] = _merge(old, new) if old else new
    return merged


def _merge(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    n, m = int(old["count"][0]), int(new["count"][0])
    a, b = n / (n + m), m / (n + m)
    mean = a * old["mean"] + b * new["mean"]
    spread = [s["std"] ** 2 + (s["mean"] - mean) ** 2 for s in (old, new)]
    both = {
        "min": np.minimum(old["min"], new["min"]),
        "max": np.maximum(old["max"], new["max"]),
        "mean": mean,
        "std": np.sqrt(a * spread[0] + b * spread[1]),
        "count": np.array([n + m]),
    }
    for name in QUANTILES:
        if name in old and name in new:
            both[name] = a * old[name] + b * new[name]
    return both


def to_json(stats: Stats) -> dict[str, Any]:
    """Lists and numbers only."""
    return {key: {name: value.tolist() for name, value in of.items()} for key, of in stats.items()}


def from_json(stats: dict[str, Any]) -> Stats:
    """The inverse of ``to_json``."""
    return {key: {name: np.array(value) for name, value in of.items()} for key, of in stats.items()}
