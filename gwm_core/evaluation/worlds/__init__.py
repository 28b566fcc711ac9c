"""`gwm eval worlds`: quality of gwm-rooms on held-out layouts, prompts and seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import GWMError
from ..report import Report

NEEDS = {"walks": ["walks"], "played": ["played"], "memory": ["turns", "returns", "other"],
         "collisions": ["bumps"], "balls": ["thrown", "pushed"], "prompts": [],
         "events": ["events"], "diversity": ["fitting"], "late": ["late"],
         "ablation": ["walks", "turns", "other"]}
"""The protocols, and the simulated sets of each."""
AGAIN = ("walks", "played", "collisions", "balls")
"""Protocols that are run again, on fewer cases, with true depth of the first picture."""


def evaluate(seed: int = 0, full: bool = False, progress: Callable[[str], None] = print,
             model: str = "gwm-rooms", only: Sequence[str] = (),
             work: str | Path | None = None) -> Report:
    """All figures of the worlds family, each beside its baseline.

    A world begins with the simulator's first picture alone: depth and tilt are the model's own
    estimate. Figures that depend on it have the baseline `with_true_depth` beside them: the same
    on fewer cases where the first picture comes with its depth, as from a perfect depth node.

    full: more cases of each kind. only: names of the protocols to run (see NEEDS), all by
    default. work: folder where simulated cases and finished protocols are kept: an interrupted
    run goes on from there, as long as checkpoint, code, seed and sizes stay what they were.
    """
    from .keep import default_folder
    from .run import run
    from .sizes import FULL, SHORT

    unknown = sorted(set(only) - set(NEEDS))
    if unknown:
        raise GWMError(f"protocol {unknown[0]!r}: accepted are {', '.join(NEEDS)}")
    names = [name for name in NEEDS if not only or name in only]
    folder = Path(work) if work else default_folder()
    return run(model, seed, FULL if full else SHORT, names, folder, progress)
