"""The first looks that are shipped: held-out scenes of every task, most of the ranked ones."""

from __future__ import annotations

from pathlib import Path

COUNTS = {"push": 50, "pick_place": 50, "stack": 12, "slide": 12}
FIRST_SCENE = 100_001
"""Odd: no training has it."""


def write_starts(path: Path) -> None:
    """Look at the first scenes of every task and write the file."""
    from ..robotics.starts import save_starts
    from ..simulators.tabletop.truth import simulated_starts

    starts = []
    for task, count in COUNTS.items():
        starts += simulated_starts(task, range(FIRST_SCENE, FIRST_SCENE + 2 * count, 2))
    save_starts(path, starts)
