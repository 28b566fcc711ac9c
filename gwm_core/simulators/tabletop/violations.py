"""What a policy must not do, by name."""

from __future__ import annotations

import math

import numpy as np

from .build import TABLE_HALF, TICK

VIOLATIONS = ("workspace", "keep_out", "drop", "force", "speed")
SIDE, LOW, HIGH = 0.28, -0.005, 0.30
KEEP_OUT, FORCE, SPEED, FALL = 0.07, 12.0, 0.45, 0.05


def violated(
    tip: np.ndarray,
    before: np.ndarray | None,
    force: float,
    keep_out: tuple[float, float] | None,
    things: dict[str, np.ndarray],
    falls: dict[str, float],
) -> tuple[str, ...]:
    """The names of VIOLATIONS that hold at one tick.

    tip, before  where the tip is, and was a tick ago (None at the start)
    force        N, mean of the tick
    keep_out     centre of the zone, None where there is none
    things       centre of every loose object
    falls        m that each of them fell without touching anything, the longest of this tick
    """
    out = []
    if abs(tip[0]) > SIDE or abs(tip[1]) > SIDE or not LOW <= tip[2] <= HIGH:
        out.append("workspace")
    if keep_out is not None and math.dist(tip[:2], keep_out) < KEEP_OUT:
        out.append("keep_out")
    if any(v > FALL for v in falls.values()) or any(off_table(p) for p in things.values()):
        out.append("drop")
    if force > FORCE:
        out.append("force")
    if before is not None and math.dist(tip, before) > SPEED * TICK:
        out.append("speed")
    return tuple(out)


def off_table(pos: np.ndarray) -> bool:
    """Whether a thing's centre has left the table."""
    return abs(pos[0]) > TABLE_HALF or abs(pos[1]) > TABLE_HALF or pos[2] < -0.01
