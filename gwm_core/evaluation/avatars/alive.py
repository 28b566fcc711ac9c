"""Signs of life: blinks, looks aside, a head that moves; each against the simulator's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..report import Metric
from .curves import apart, onsets

SHUT = 0.5
"""A lid counts as shut from here, of 0..1."""
LEAST_BETWEEN = 4
"""Ticks from one blink or look to the next."""
LOOK = 0.2
"""A gaze that moves so far (of -1..1) within two ticks has shifted."""
SIGNS = ("blinks", "looks", "yaw", "pitch")


def blinks(blink: np.ndarray) -> np.ndarray:
    """Ticks at which the lids shut; blink [T], 0 open to 1 shut."""
    return apart(onsets(blink > SHUT), LEAST_BETWEEN)


def looks(gaze: np.ndarray, blink: np.ndarray) -> np.ndarray:
    """Ticks at which the gaze [T, 2] jumps; behind shut lids it stays where it was."""
    held = gaze.copy()
    for t in range(1, len(held)):
        if blink[t] > 0.3:
            held[t] = held[t - 1]
    if len(held) < 5:
        return np.zeros(0, int)
    # the median of three keeps a jump as steep as it is and takes the flutter of a reader away
    near = np.median(np.stack([held[:-2], held[1:-1], held[2:]]), 0)
    step = np.linalg.norm(near[2:] - near[:-2], axis=1)
    return apart(onsets(np.r_[0.0, 0.0, step, 0.0, 0.0] > LOOK), LEAST_BETWEEN)


def alive_figures(read: dict[str, np.ndarray]) -> dict[str, float]:
    """Counts and sums of a clip's curves (gauge.read) that add up over clips."""
    ticks = len(read["blink"])
    gaze = np.stack([read["gaze_x"], read["gaze_y"]], -1)
    return {"ticks": ticks, "blinks": len(blinks(read["blink"])),
            "looks": len(looks(gaze, read["blink"])),
            "yaw": float(((read["yaw"] - read["yaw"].mean()) ** 2).sum()),
            "pitch": float(((read["pitch"] - read["pitch"].mean()) ** 2).sum())}


def totals(figures: Sequence[dict]) -> dict[str, float]:
    """Blinks and looks a minute, spread of yaw and pitch (share of their range)."""
    ticks = sum(f["ticks"] for f in figures)
    if not ticks:
        return dict.fromkeys(SIGNS, float("nan"))
    return {"blinks": sum(f["blinks"] for f in figures) * 1500 / ticks,
            "looks": sum(f["looks"] for f in figures) * 1500 / ticks,
            "yaw": float(np.sqrt(sum(f["yaw"] for f in figures) / ticks)),
            "pitch": float(np.sqrt(sum(f["pitch"] for f in figures) / ticks))}


def alive_metrics(model: Sequence[dict], true: Sequence[dict]) -> list[Metric]:
    """The lowest and the highest of the four ratios."""
    ours, theirs = totals(model), totals(true)
    ratio = {k: ours[k] / theirs[k] if theirs[k] > 1e-9 else float("nan") for k in SIGNS}
    known = [v for v in ratio.values() if v == v] or [float("nan")]
    note = "; ".join(f"{k} {ours[k]:.3g} beside {theirs[k]:.3g}" for k in SIGNS)
    n = len(model)
    return [Metric("avatars.alive_ratio_min", min(known), "", dict(ratio), n, ">= 0.5", note=note),
            Metric("avatars.alive_ratio_max", max(known), "", dict(ratio), n, "<= 1.5")]
