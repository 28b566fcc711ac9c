"""`gwm eval robotics` and `gwm bench robotics`: protocols by name, figures kept as they finish."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import GWMError
from ...robotics.loading import load_table
from ..report import Metric, Report
from ..worlds.keep import Kept, default_folder
from . import counterfactuals, open_loop, ranking, rollout, speed
from .planning import planning_metrics
from .synthetic import synthetic

PROTOCOLS = ("rollout", "following", "inverse", "counterfactuals", "planning", "synthetic",
             "ranking")
RUNS = {False: 12, True: 48}
MOMENTS = {False: 12, True: 40}
LESSONS = {False: (40, 12), True: (200, 50)}
"""Episodes to learn from, and tries in the true world."""
SCENES = {False: 1, True: 4}
"""Of each task, for planning."""
COMMITTED = Path(__file__).resolve().parents[2] / "checkpoints"
FROM_RANKING = ("robotics.ranking_r", "robotics.ranking_rho", "robotics.mmrv",
                "robotics.success_bias", "robotics.agreement", "robotics.violation_auroc",
                "robotics.violation_lead_s")
Say = Callable[[str], None]


def evaluate(seed: int = 0, full: bool = False, progress: Say = print,
             model: str = "gwm-tabletop", only: Sequence[str] = (),
             work: str | Path | None = None) -> Report:
    """All figures of the robotics family, each beside its baseline; truth is the simulator on
    held-out scenes.

    full: more cases, and the whole ranking (all policies from all shipped starts); the short run
    plays random episodes of the committed ranking again and says where one differs. only: names of
    PROTOCOLS. work: folder where finished protocols are kept.
    """
    unknown = sorted(set(only) - set(PROTOCOLS))
    if unknown:
        raise GWMError(f"protocol {unknown[0]!r}: accepted are {', '.join(PROTOCOLS)}")
    table = load_table(model)
    report = Report("robotics", [], seed, table.fingerprint)
    folder = Path(work) if work else default_folder()
    kept = Kept(folder, seed, f"robotics {table.fingerprint} {full}")
    runs: list[open_loop.Run] = []

    def true_runs() -> list[open_loop.Run]:
        if not runs:
            progress(f"{RUNS[full]} true runs")
            runs.extend(open_loop.true_runs(RUNS[full], seed))
        return runs

    measured: dict[str, Callable[[], list[Metric]]] = {
        "rollout": lambda: rollout.pictures(table, true_runs()),
        "following": lambda: rollout.following(table, true_runs(), seed),
        "inverse": lambda: rollout.inverse(table, true_runs(), seed),
        "counterfactuals": lambda: counterfactuals.counterfactuals(
            table, MOMENTS[full], seed, progress),
        "ranking": lambda: ranked(model, seed, full, kept.results_at, report, progress),
        "planning": lambda: planning_metrics(
            table, SCENES[full], seed,
            progress=lambda done, wanted: progress(f"planning: case {done} of {wanted}")),
        "synthetic": lambda: synthetic(table, *LESSONS[full], seed, progress),
    }
    for name in PROTOCOLS:
        if only and name not in only:
            continue
        progress(name)
        if name == "ranking":  # keeps its runs, and the report needs them
            report.metrics += measured[name]()
            continue
        metrics, before = kept.figures(name, measured[name])
        if before:
            progress(f"{name}: kept from before")
        report.metrics += metrics
    return report


def ranked(model: str, seed: int, full: bool, folder: Path, report: Report, say: Say
           ) -> list[Metric]:
    """The whole ranking, or the committed one's figures after some of its runs were played
    again."""
    if full:
        return ranking.ranking(model, seed, folder, report, say)
    committed = COMMITTED / f"{Path(model).stem}.eval.json"
    if not committed.is_file():
        say(f"ranking: there is no {committed.name} yet; --full makes it")
        return []
    kept = Report.from_json(json.loads(committed.read_text()))
    problems, _ = ranking.again(model, kept.info["ranking"], seed, folder, say)
    report.problems += problems
    return [m for m in kept.metrics if m.id in FROM_RANKING]


def bench(seed: int = 0, full: bool = False, progress: Say = print,
          model: str = "gwm-tabletop") -> Report:
    """Speed of the robotics family."""
    table = load_table(model)
    metrics = speed.speed(table, seed, progress) + speed.sdk_chunk(table, seed, progress)
    metrics += speed.workers(model, seed, progress)
    return Report("robotics", metrics, seed, table.fingerprint)
