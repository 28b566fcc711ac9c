"""Policies ranked in the model and in the true simulator, closed loop, from the shipped starts.

Beside the model's ranking stand two that need less: the actions that the policies took in the true
world, replayed open loop in the model; and statistics of the actions alone, fitted on the true
success of the other policies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ...noise import rng
from ...robotics.episode import Episode
from ...robotics.evaluation import Results
from ...robotics.evaluation_job import (
    Job,
    evaluate_jobs,
    model_world,
    simulator_world,
    stored_starts,
)
from ...robotics.eyes import SHIPPED
from ...robotics.ranking import Ranking, pearson, rank_tasks
from ...robotics.recipe import Recipe, file, recipe
from ...robotics.rollouts import MAX_TICKS
from ...robotics.scripted import POLICIES
from ..report import Metric, Report
from .replay import save_actions
from .violations import violations

TASKS = ("push", "pick_place")
STARTS = 50
REPLAYED = 10
"""Starts of the open-loop replay, of each task."""
BATCH = 10
WORKERS = 2
Say = Callable[[str], None]


def eyes() -> Recipe:
    """The shipped eyes, as they are now."""
    return recipe("gwm_core.robotics.eyes:load_eyes", path=file(SHIPPED))


def imagined_world(model: str) -> Recipe:
    """The model, with success and violations read from its pictures."""
    return model_world(model, MAX_TICKS, recipe("gwm_core.robotics.probes:TaskProbe", eyes=eyes()))


def jobs(world: Recipe, task_policies: Callable[[str], Mapping[str, Recipe]], starts: int,
         seed: int) -> dict[str, Job]:
    """A job for each task."""
    return {task: Job(task_policies(task), stored_starts(task), starts, world, seed, BATCH)
            for task in TASKS}


def built_in(task: str) -> dict[str, Recipe]:
    """All built-in policies of a task."""
    seen = eyes()
    return {name: recipe("gwm_core.robotics.scripted:make_policy", name=name, task=task, eyes=seen)
            for name in POLICIES}


def played(world: Recipe, starts: int, seed: int, folder: Path, say: Say, what: str,
           policies: Callable[[str], Mapping[str, Recipe]] = built_in):
    """(results by task, actions by task, policy and seed) in a world; resumes from ``folder``."""
    actions: dict[str, dict[str, dict[int, np.ndarray]]] = {task: {} for task in TASKS}

    def keep(task: str, policy: str, start: int, episode: Episode) -> None:
        actions[task].setdefault(policy, {})[int(episode.info["seed"])] = episode.actions

    def progress(done: int, wanted: int) -> None:
        if done % 40 == 0:
            say(f"{what}: {done} of {wanted} batches of {BATCH} runs")

    found = evaluate_jobs(jobs(world, policies, starts, seed), "pool", WORKERS, folder / "items",
                          progress, keep=keep)
    return found, actions


def ranking(model: str, seed: int, folder: Path, report: Report, say: Say, starts: int = STARTS
            ) -> list[Metric]:
    """The figures of the whole ranking; its runs go into ``report.info``."""
    imagined = imagined_world(model)
    true, acted = played(simulator_world(), starts, seed, folder, say, "true runs")
    made, _ = played(imagined, starts, seed, folder, say, "imagined runs")
    replays = replayed(imagined, acted, min(REPLAYED, starts), seed, folder, say)
    pairs = {task: (true[task].success, made[task].success) for task in TASKS}
    names = list(POLICIES)
    ranked = rank_tasks(pairs, names, seed=seed)
    report.info["ranking"] = {
        "starts": starts, "seed": seed, "batch": BATCH,
        "true": {t: brief(true[t]) for t in TASKS}, "imagined": {t: brief(made[t]) for t in TASKS},
        "tables": {t: r.to_json() for t, r in ranked.items()}}
    few = {task: (true[task].success[:, : min(REPLAYED, starts)], replays[task].success)
           for task in TASKS}
    by_replay = rank_tasks(few, names, seed=seed)["all"]
    by_actions = np.concatenate([from_actions(acted[t], true[t]) for t in TASKS], 1).mean(1)
    return [*figures(ranked, by_replay, by_actions), *violations(true, made)]


def figures(ranked: Mapping[str, Ranking], by_replay: Ranking, by_actions: np.ndarray
            ) -> list[Metric]:
    """The metrics of rankings by task and of all tasks together, beside both baselines."""
    whole = ranked["all"]
    n = len(whole.policies) * whole.starts
    low = whole.intervals["policies"]
    true = np.array(whole.true)
    stats = {"pearson": float(pearson(true, by_actions)),
             "spearman": float(pearson(np.argsort(np.argsort(true)).astype(float),
                                       np.argsort(np.argsort(by_actions)).astype(float)))}

    def one(id: str, figure: str, must: str, aim: str, note: str = "") -> Metric:
        value = getattr(whole, figure)
        beside = {t: getattr(ranked[t], figure) for t in TASKS}
        if low.get(figure):
            beside["bootstrap low"], beside["bootstrap high"] = low[figure]
        beside["open-loop replay"] = getattr(by_replay, figure)
        if figure in stats:
            beside["action statistics"] = stats[figure]
        beside = {k: float("nan") if v is None else float(v) for k, v in beside.items()}
        return Metric(id, float("nan") if value is None else float(value), "", beside, n, must, aim,
                      note)

    worst = min(ranked["all"].leverage.items(),
                key=lambda item: 0.0 if item[1] is None else item[1][0])
    note = f"{len(whole.policies)} policies, {whole.starts} paired starts"
    if worst[1] is not None:
        note += f"; without {worst[0]!r} r is {worst[1][0]:.3f}"
    bias = whole.bias
    return [one("robotics.ranking_r", "pearson", ">= 0.85", ">= 0.95", note),
            one("robotics.ranking_rho", "spearman", ">= 0.85", ""),
            one("robotics.mmrv", "mmrv", "<= 0.06", "<= 0.03"),
            Metric("robotics.success_bias", abs(bias), "",
                   {"signed": bias, **{t: ranked[t].bias for t in TASKS}}, n, "<= 0.10", "<= 0.07",
                   "predicted less true success, mean over policies"),
            Metric("robotics.agreement", whole.agreement, "", {"kappa": float(
                "nan") if whole.kappa is None else whole.kappa}, n,
                note="share of single runs of which success is predicted rightly")]


# ------------------------------------------------------------------ baselines


def replayed(world: Recipe, acted: Mapping, starts: int, seed: int, folder: Path, say: Say
             ) -> dict[str, Results]:
    """The policies' true actions from the first starts, open loop in the model."""
    made: dict[str, dict[str, Recipe]] = {}
    for task in TASKS:
        path = folder / f"actions-{task}.npz"
        save_actions(path, acted[task])
        there = recipe("gwm_core.evaluation.robotics.replay:load_actions", path=file(path))
        made[task] = {name: recipe("gwm_core.evaluation.robotics.replay:replay", actions=there,
                                   name=name) for name in acted[task]}
    return played(world, starts, seed, folder, say, "open-loop replays", made.__getitem__)[0]


def statistics(rows: np.ndarray) -> list[float]:
    """What a run's actions [T, 7] alone say: speed, its unsteadiness, grip, way, length."""
    move = rows[:, :3] / 0.04
    jerk = np.abs(np.diff(move, axis=0)).mean() if len(move) > 1 else 0.0
    grip = rows[:, 6]
    return [float(np.linalg.norm(move, axis=1).mean()), float(jerk), float(np.abs(grip).mean()),
            float(grip.sum()), float(np.linalg.norm(move.sum(0))), len(rows) / MAX_TICKS]


def from_actions(acted: Mapping[str, Mapping[int, np.ndarray]], true: Results) -> np.ndarray:
    """Success [P, 1] of each policy as a ridge regression on its actions' statistics has it, which
    was fitted on all other policies."""
    x = np.array([np.mean([statistics(a) for a in acted[name].values()], 0)
                  for name in true.policies])
    x = (x - x.mean(0)) / (x.std(0) + 1e-9)
    x, y = np.concatenate([x, np.ones((len(x), 1))], 1), true.success.mean(1)
    out = []
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        weights = np.linalg.solve(x[rest].T @ x[rest] + 0.5 * np.eye(x.shape[1]),
                                  x[rest].T @ y[rest])
        out.append([x[i] @ weights])
    return np.array(out)


# ------------------------------------------------------------------ what a report remembers


def brief(results: Results) -> dict:
    """Success (a text of 0 and 1) and ticks of every run, by policy."""
    return {name: {"success": "".join(str(int(v)) for v in results.success[i]),
                   "ticks": results.ticks[i].tolist(),
                   "digest": digest(results, i)}
            for i, name in enumerate(results.policies)}


def digest(results: Results, i: int) -> str:
    """A name for all that is known of a policy's runs."""
    first = {k: v[i].tolist() for k, v in sorted(results.first.items())}
    text = json.dumps([results.success[i].tolist(), results.ticks[i].tolist(), str(first)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def again(model: str, committed: Mapping, seed: int, folder: Path, say: Say, runs: int = 3
          ) -> tuple[list[str], int]:
    """Random policies of a committed ranking, from its first BATCH starts, once more in the model:
    (what differs, runs played). The runs are the report's own batches."""
    kept = committed["imagined"]
    draw = rng(seed, "ranking", "again")
    problems, count = [], 0
    imagined = imagined_world(model)
    for name in (str(n) for n in draw.choice(sorted(kept[TASKS[0]]), runs, replace=False)):
        say(f"ranking: {name} once more")
        found, _ = played(imagined, BATCH, int(committed["seed"]), folder, say, name,
                          lambda task, name=name: {name: built_in(task)[name]})
        for task, results in found.items():
            now = brief(results)[name]
            for part in ("success", "ticks"):
                if list(now[part]) != list(kept[task][name][part])[:BATCH]:
                    problems.append(f"ranking: {name} in {task}: {part} differs from the report")
            count += BATCH
    return problems, count
