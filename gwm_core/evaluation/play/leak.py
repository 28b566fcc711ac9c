"""Whether a player that goes on for long keeps memory: a hub in a process of its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable

from ..report import Metric
from .figures import growth

LONG, SHORT = 10_000, 1000
SETTLED, SHORT_SETTLED = 1000, 800
"""Ticks after which memory must be flat: before, stores and a world's memory of views fill up."""
PLAYER = f"{__package__}.leak_player"
Say = Callable[[str], None]


def measure(
    model: str, seed: int, full: bool, say: Say
) -> tuple[list[Metric], list[str]]:
    """(metrics, problems) of 10,000 ticks, or of a piece. What a piece grows is mostly chance, so
    it is held against the bound itself, not against the long figure."""
    ticks, settled = (LONG, SETTLED) if full else (SHORT, SHORT_SETTLED)
    samples = _watched(model, seed, ticks + settled, say)
    name = "play.leak_mb" if full else f"play.leak{SHORT}_mb"
    held = {f"held at {settled}": next((mb for t, mb in samples if t >= settled), math.nan)}
    grown = growth(samples, settled, ticks + settled)
    note = "a hub alone at full speed, with reconnections; PNG as for a page on another machine"
    metric = Metric(name, grown, "MB", held, ticks, "<= 20", note=note)
    problems = [] if metric.ok or full else [f"{ticks} ticks have kept {grown:.1f} MB"]
    return [metric], problems


def _watched(model: str, seed: int, ticks: int, say: Say) -> list[tuple[int, float]]:
    command = [sys.executable, "-m", PLAYER, "--model", model, "--seed", str(seed)]
    with subprocess.Popen(
        [*command, "--ticks", str(ticks)], stdout=subprocess.PIPE, text=True
    ) as child:
        samples, said = [], 0
        try:
            for line in child.stdout:
                tick, mb = json.loads(line)
                samples.append((tick, mb))
                if tick // 500 > said:
                    said = tick // 500
                    say(f"tick {tick}: {mb:.0f} MB")
        finally:
            if child.poll() is None and (not samples or samples[-1][0] < ticks):
                child.terminate()
    if child.returncode or not samples:
        raise RuntimeError("the process that plays for the memory figure has failed")
    return samples
