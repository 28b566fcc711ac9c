"""One run of `gwm eval worlds`: protocols one after the other, kept as they are finished."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..report import Metric, Report
from . import AGAIN, NEEDS, episodes
from .keep import Kept
from .sets import Cases
from .sizes import Size

TRUE_DEPTH = "with_true_depth"
COMMITTED = Path(__file__).resolve().parents[2] / "checkpoints"


def cost(name: str, size: Size) -> float:
    """About how long a protocol takes, in ticks (a new world counts as 20)."""
    few = name.endswith(TRUE_DEPTH)
    name = name.split(" ")[0]
    walks, played = ((size.few_walks, size.few_played) if few else (size.walks, size.played))
    return {"walks": walks * (20 + size.long_ticks), "played": played * 44,
            "memory": size.turns * 130 + size.returns * 120,
            "collisions": (size.few_bumps if few else size.bumps) * 38,
            "balls": (size.few_balls if few else size.throws + size.pushes) * 35,
            "prompts": size.prompts * 20, "events": size.events * 48,
            "diversity": size.pairs * 40 + 60, "late": size.late + 20.0,
            "ablation": size.ablated * 3 * (88 + size.long_ticks)}[name]


class Clock:
    """Says which protocol runs and about how much time is left."""

    def __init__(self, steps: list[str], size: Size, progress: Callable[[str], None]):
        self.costs = {name: cost(name, size) for name in steps}
        self.progress, self.steps = progress, steps
        self.spent, self.done = 0.0, 0.0

    def begin(self, name: str) -> None:
        left = sum(self.costs[n] for n in self.steps[self.steps.index(name):])
        rate = self.spent / self.done if self.done else None
        note = f", about {max(1, round(left * rate / 60))} min left" if rate else ""
        self.progress(f"{self.steps.index(name) + 1} of {len(self.steps)}: {name}{note}")
        self.started = time.monotonic()

    def end(self, name: str, kept: bool) -> None:
        if kept:
            self.progress(f"{name}: kept from before")
            return
        self.spent += time.monotonic() - self.started
        self.done += self.costs[name]


def run(model: str, seed: int, size: Size, names: list[str], folder: Path,
        progress: Callable[[str], None]) -> Report:
    """All figures of some protocols (see NEEDS)."""
    from ...worlds import load
    from .ablation import ablation
    from .suite import Suite

    loaded = load(model)
    kept = Kept(folder, seed, f"{loaded.fingerprint}|{size}")
    cases = Cases(kept, size, seed)
    suite = Suite(loaded, seed, size, progress, cases)
    given = Suite(loaded, seed, size, progress, cases, given_depth=True)
    steps: dict[str, Callable[[], list[Metric]]] = {
        name: (lambda: ablation(suite)) if name == "ablation" else getattr(suite, name)
        for name in names}
    steps |= {f"{name} {TRUE_DEPTH}": getattr(given, name) for name in AGAIN if name in names}
    clock, found = Clock(list(steps), size, progress), {}
    left = [name for name in steps if not kept.has(name)]
    # The second core makes the cases of later protocols while the model plays the first ones.
    cases.ahead(list(dict.fromkeys(s for name in left for s in NEEDS[name.split(" ")[0]])))
    try:
        for name, measure in steps.items():
            clock.begin(name)
            metrics, before = kept.figures(name, measure)
            clock.end(name, before)
            for metric in metrics:
                if name.endswith(TRUE_DEPTH):
                    found[metric.id].baselines[TRUE_DEPTH] = metric.value
                else:
                    found[metric.id] = metric
    except KeyboardInterrupt:
        progress(f"stopped; what is done is kept in {folder}: the same command goes on")
        raise
    finally:
        cases.close()
    progress("episodes of the report")
    problems = replayed(loaded, model)
    info = {"imaginer": loaded.parts.imaginer.name, "episodes": episodes.record(loaded, seed)}
    return Report("worlds", list(found.values()), seed, loaded.fingerprint, problems, info)


def replayed(loaded, name: str) -> list[str]:
    """What random episodes of the report that is committed beside a checkpoint show now."""
    committed = COMMITTED / f"{name}.eval.json"
    if not committed.is_file():
        return []
    report = Report.from_json(json.loads(committed.read_text()))
    if report.fingerprint != loaded.fingerprint:
        return []  # the command says so
    return episodes.replay(loaded, report.info.get("episodes", []), np.random.default_rng())
