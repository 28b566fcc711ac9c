"""`gwm eval worlds`: quality of gwm-rooms on held-out layouts, prompts and seeds."""

from __future__ import annotations

from collections.abc import Callable

from ..report import Report


def evaluate(seed: int = 0, full: bool = False, progress: Callable[[str], None] = print,
             model: str = "gwm-rooms", parts: str = "") -> Report:
    """All figures of the worlds family, each beside its baseline.

    A world begins with the simulator's first picture alone: depth and tilt are the model's own
    estimate. Figures that depend on it have the baseline `with_true_depth` beside them: the same
    on fewer cases where the first picture comes with its depth, as from a perfect depth node.
    full: more cases of each kind. parts: letters of the protocols to run (w walks, m memory and
    imagining, p physics, t text, l a long walk), all by default.
    """
    from ...worlds import load
    from .suite import FEW, FULL, SHORT, Suite

    loaded = load(model)
    suite = Suite(loaded, seed, FULL if full else SHORT, progress)
    metrics = []
    for letter, run in (("w", suite.walks), ("m", suite.memory), ("p", suite.motion),
                        ("t", suite.text), ("l", lambda: [suite.late()])):
        if not parts or letter in parts:
            metrics += run()
    given = Suite(loaded, seed, FEW, progress, given_depth=True)
    found = {metric.id: metric for metric in metrics}
    for letter, run in (("w", given.walks), ("p", given.motion)):
        if not parts or letter in parts:
            progress("the same with true depth of the first picture")
            for metric in run():
                found[metric.id].baselines["with_true_depth"] = metric.value
    return Report("worlds", metrics, seed, loaded.fingerprint,
                  info={"imaginer": loaded.parts.imaginer.name})
