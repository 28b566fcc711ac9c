"""`gwm eval worlds`: quality of gwm-rooms on held-out layouts, prompts and seeds."""

from __future__ import annotations

from collections.abc import Callable

from ..report import Report


def evaluate(seed: int = 0, full: bool = False, progress: Callable[[str], None] = print,
             model: str = "gwm-rooms", given_depth: bool = False, parts: str = "") -> Report:
    """All figures of the worlds family, each beside its baseline.

    full: more cases of each kind. given_depth: the first picture comes with its true depth, as
    from a perfect depth node; else the model estimates it. parts: letters of the protocols to run
    (w walks, m memory and imagining, p physics, t text, l a long walk), all by default.
    """
    from ...worlds import load
    from .suite import FULL, SHORT, Suite

    loaded = load(model)
    suite = Suite(loaded, seed, FULL if full else SHORT, progress, given_depth)
    metrics = []
    for letter, run in (("w", suite.walks), ("m", suite.memory), ("p", suite.motion),
                        ("t", suite.text), ("l", lambda: [suite.late()])):
        if not parts or letter in parts:
            metrics += run()
    return Report("worlds", metrics, seed, loaded.fingerprint,
                  info={"given_depth": given_depth, "imaginer": loaded.parts.imaginer.name})
