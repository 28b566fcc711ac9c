"""Policies against one another, from the same starts, in the predicted world and in the true one.

    starts = simulated_starts("push", seeds=range(1, 41, 2))     # simulators.tabletop.truth
    predicted = evaluate(policies, starts, in_model(model, probe=probe))
    true = evaluate(policies, starts, in_simulator())            # simulators.tabletop.truth
    ranking = rank(*paired(true, predicted), true.policies)

Every policy begins at every start, with a seed that belongs to the start: what it draws is the same
for all policies and in both worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import Cancelled, RoboticsError
from ..noise import check_seed, rng
from .episode import Episode
from .policy import check_policy
from .rollouts import MAX_TICKS, Probe, rollouts
from .table_model import TableModel

NEVER = np.inf
"""In ``Results.first``: the predicate was looked at and never broken."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where runs begin: a task (a name or a sentence), the first look, and the seed of the
    simulator's scene where there is one. ``keep_out``: centre (x, y) m of the zone, if known."""

    task: str
    observation: dict[str, Any]
    scene: int | None = None
    keep_out: tuple[float, float] | None = None


Run = Callable[[list[Any], list[Start], list[int]], list[Episode]]
"""``run(N policies, N starts, N seeds) -> N episodes``: a world to evaluate in."""


def in_model(model: TableModel, max_ticks: int = MAX_TICKS, probe: Probe | None = None,
             known_zones: bool = False) -> Run:
    """The predicted world; all runs of a call are batched.

    probe        tells success and violations (``rollouts.Probe``, ``probes.TaskProbe``)
    known_zones  whether keep-out zones are told from outside (the starts' own), and violated
    """
    def run(policies: list[Any], starts: list[Start], seeds: list[int]) -> list[Episode]:
        return rollouts(
            model, policies, [s.observation for s in starts], max_ticks,
            task=[s.task for s in starts], seeds=seeds, probe=probe,
            keep_outs=[s.keep_out if known_zones else None for s in starts])

    return run


@dataclass(frozen=True, eq=False)
class Results:
    """What P policies did from S starts.

    success   float [P, S]: 1, 0, or NaN where nobody knows
    ticks     int [P, S]: actions of each run
    first     predicate -> float [P, S]: the first tick at which it was broken, NEVER, or NaN where
              it was not looked at
    exposure  predicate -> float [P, S]: share (0..1) of the ticks at which it was broken, or NaN
    tasks, scenes, seeds  of the starts
    """

    policies: tuple[str, ...]
    tasks: tuple[str, ...]
    scenes: tuple[int | None, ...]
    seeds: tuple[int, ...]
    success: np.ndarray
    ticks: np.ndarray
    first: dict[str, np.ndarray]
    exposure: dict[str, np.ndarray]

    @property
    def rates(self) -> np.ndarray:
        """Success rate [P] over the starts, NaN where one of them is not known."""
        return self.success.mean(1)

    def broken(self, name: str) -> np.ndarray:
        """[P, S]: 1 where the run broke the predicate, 0, or NaN where it was not looked at."""
        if name not in self.first:
            raise RoboticsError(f"predicate {name!r}: {', '.join(self.first) or 'none'} were "
                                "looked at")
        first = self.first[name]
        return np.where(np.isnan(first), np.nan, np.isfinite(first))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; None for NaN, -1 for NEVER."""
        def plain(values: np.ndarray) -> list:
            return [[None if np.isnan(v) else -1 if np.isinf(v) else float(v) for v in line]
                    for line in values]

        return {"policies": list(self.policies), "tasks": list(self.tasks),
                "scenes": list(self.scenes), "seeds": list(self.seeds),
                "success": plain(self.success), "ticks": self.ticks.tolist(),
                "first": {k: plain(v) for k, v in self.first.items()},
                "exposure": {k: plain(v) for k, v in self.exposure.items()}}


def evaluate(
    policies: Mapping[str, Callable[[], Any]], starts: Sequence[Start], run: Run, *, seed: int = 0,
    batch: int = 16, progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    keep: Callable[[str, int, Episode], None] | None = None,
) -> Results:
    """Every policy from every start in one world.

    policies  name -> a function that makes a policy; called once for every run
    run       ``in_model(..)``, ``in_simulator(..)`` or a function of this kind
    seed      decides the seed of every start
    batch     runs at a time; their frames are in memory together
    progress  called with (runs done, runs wanted)
    stop      asked between batches; True raises Cancelled
    keep      called with (policy's name, index of the start, episode); else only figures stay
    """
    starts, check = list(starts), check_seed(seed)
    if not policies or not starts:
        raise RoboticsError(f"evaluation: {len(policies)} policies, {len(starts)} starts; one of "
                            "each at least is accepted")
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise RoboticsError(f"batch: {batch!r}; a whole number from 1 is accepted")
    # Of the start's place alone, so that every policy and every world draws the same.
    seeds = [int(rng(check, "evaluation", j).integers(2**31)) for j in range(len(starts))]
    shape = len(policies), len(starts)
    success, ticks = np.full(shape, np.nan), np.zeros(shape, np.int64)
    first: dict[str, np.ndarray] = {}
    exposure: dict[str, np.ndarray] = {}
    for p, (name, make) in enumerate(policies.items()):
        for begin in range(0, len(starts), batch):
            if stop is not None and stop():
                raise Cancelled("evaluation: stopped")
            rows = range(begin, min(begin + batch, len(starts)))
            made = [_made(name, make) for _ in rows]
            episodes = run(made, [starts[j] for j in rows], [seeds[j] for j in rows])
            if len(episodes) != len(rows):
                raise RoboticsError(f"evaluation: the world gave {len(episodes)} episodes for "
                                    f"{len(rows)} runs; one for each is accepted")
            for j, episode in zip(rows, episodes, strict=True):
                if episode.success is not None:
                    success[p, j] = episode.success
                ticks[p, j] = episode.ticks
                for what, when in episode.violations.items():
                    at = first.setdefault(what, np.full(shape, np.nan))
                    share = exposure.setdefault(what, np.full(shape, np.nan))
                    at[p, j] = min(when, default=NEVER)
                    share[p, j] = len(when) / (episode.ticks + 1)
                if keep is not None:
                    keep(name, j, episode)
            if progress is not None:
                progress(p * len(starts) + rows.stop, shape[0] * shape[1])
    return Results(tuple(policies), tuple(s.task for s in starts),
                   tuple(s.scene for s in starts), tuple(seeds), success, ticks, first, exposure)


def _made(name: str, make: Callable[[], Any]) -> Any:
    if not callable(make):
        raise RoboticsError(f"policy {name!r}: {type(make).__name__}; a function that makes a "
                            "policy is accepted")
    return check_policy(make())


def paired(true: Results, predicted: Results) -> tuple[np.ndarray, np.ndarray]:
    """(true, predicted) success [P, S] of the same runs, as ``ranking.rank`` reads them.

    RoboticsError where policies, starts or seeds differ, or where success is not known.
    """
    for name in ("policies", "tasks", "scenes", "seeds"):
        if getattr(true, name) != getattr(predicted, name):
            raise RoboticsError(f"results: their {name} differ; the same policies and starts in "
                                "the same order, and the same seed, are accepted")
    for name, side in (("true", true), ("predicted", predicted)):
        unknown = int(np.isnan(side.success).sum())
        if unknown:
            raise RoboticsError(f"results: success of {unknown} {name} runs is not known; a world "
                                "that tells it (in_model with a probe) is accepted")
    return true.success, predicted.success
