"""Evaluations as work for an executor: ``evaluation.evaluate`` in processes, shards and pieces.

    job = Job(policies={"expert": recipe("my.policies:expert", task="push")},
              starts=stored_starts("push", 50), count=50, world=model_world())
    results = evaluate_jobs({"push": job}, "pool", workers=2, folder="kept")["push"]

An item is one batch of one policy's runs. Batches, seeds and figures are those of ``evaluate``
called here with one thread of torch: the same results bit for bit, whatever the executor, the
number of workers, or what a folder had from an earlier run.

    part = evaluate_shard({"push": job}, (1, 4))       # on one machine of four
    results = merge({"push": job}, parts)["push"]
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoint import resolve as checkpoint_file
from ..errors import RoboticsError
from .episode import Episode
from .evaluation import Results, Run, Start, evaluate
from .executor import Progress, Stop, check_shard, run, stream
from .policy import WIDTH, Recorded, check_policy
from .recipe import Recipe, checked, contents, file, made, recipe, shared
from .rollouts import MAX_TICKS
from .starts import FILE
from .work import decode, encode

WORK = "gwm_core.robotics.evaluation_job:work"
Keep = Callable[[str, str, int, Episode], None]
"""Called in order with (job's name, policy's name, index of the start, episode)."""


# ------------------------------------------------------------------ what is evaluated


@dataclass(frozen=True)
class Job:
    """One call of ``evaluate``, in JSON.

    policies  name -> recipe of a policy; a new one for every run
    starts    recipe of a list of Start
    count     how many of them: the first ones
    world     recipe of an ``evaluation.Run``
    seed, batch  as for ``evaluate``
    views     whether episodes come back with their frames (to write a data set)
    """

    policies: Mapping[str, Recipe]
    starts: Recipe
    count: int
    world: Recipe
    seed: int = 0
    batch: int = 16
    views: bool = False

    def __post_init__(self) -> None:
        for name, policy in self.policies.items():
            checked(policy, f"policy {name!r}")
        checked(self.starts, "starts")
        checked(self.world, "world")
        if isinstance(self.count, bool) or not isinstance(self.count, int) or self.count < 1:
            raise RoboticsError(f"count: {self.count!r} starts; a whole number from 1 is accepted")

    def items(self) -> list[dict]:
        """What ``work`` is to do, in the order in which ``evaluate`` asks for it."""
        out: list[dict] = []
        left, policy = iter(self.policies.values()), None

        def note(policies: list[Any], starts: list[Start], seeds: list[int]) -> list[Episode]:
            nonlocal policy
            rows = [start.scene for start in starts]
            policy = next(left) if rows[0] == 0 else policy
            out.append({"policy": policy, "rows": rows, "world": self.world,
                        "starts": self.starts, "views": self.views, "seeds": seeds})
            nothing = Episode({}, np.zeros((1, 0)), np.zeros((0, WIDTH)), 1.0)
            return [nothing] * len(starts)

        self._evaluate(note)
        return out

    def results(self, answers: Iterator[dict], keep: Keep | None = None, name: str = ""
                ) -> Results:
        """What ``evaluate`` makes of the answers to ``items``, in their order."""
        places: dict[int, dict] = {}

        def tell(policies: list[Any], starts: list[Start], seeds: list[int]) -> list[Episode]:
            answer = next(answers)
            for start, place in zip(starts, answer["starts"], strict=True):
                places[start.scene] = place
            return [_episode(plain) for plain in answer["episodes"]]

        results = self._evaluate(tell, None if keep is None else partial(keep, name))
        at = [places[j] for j in range(self.count)]
        return replace(results, tasks=tuple(place["task"] for place in at),
                       scenes=tuple(place["scene"] for place in at))

    def _evaluate(self, world: Run, keep: Callable[..., None] | None = None) -> Results:
        # The real policies and starts are elsewhere: here, a start's scene is its place in the
        # list.
        here = {name: partial(Recorded, np.zeros((1, WIDTH))) for name in self.policies}
        starts = [Start("", {}, j) for j in range(self.count)]
        return evaluate(here, starts, world, seed=self.seed, batch=self.batch, keep=keep)


def model_world(
    model: str | os.PathLike[str] = "gwm-tabletop", max_ticks: int = MAX_TICKS,
    probe: Recipe | None = None, known_zones: bool = False,
) -> Recipe:
    """The predicted world of a checkpoint, by name or path, as it is now (see ``in_model``)."""
    path = file(checkpoint_file(model, allow_path=True))
    return recipe("gwm_core.robotics.evaluation:in_model",
                  model=recipe("gwm_core.robotics.loading:load_table", name_or_path=path),
                  max_ticks=max_ticks, probe=probe, known_zones=known_zones)


def simulator_world(max_ticks: int = MAX_TICKS) -> Recipe:
    """The true world; who works it needs mujoco."""
    return recipe("gwm_core.simulators.tabletop.truth:in_simulator", max_ticks=max_ticks)


def stored_starts(task: str, count: int | None = None, path: str | os.PathLike[str] = FILE
                  ) -> Recipe:
    """Starts that ``starts.save_starts`` wrote, those of the pack by default."""
    return recipe("gwm_core.robotics.starts:load_starts", task=task, count=count, path=file(path))


def simulator_starts(task: str, seeds: Iterable[int]) -> Recipe:
    """Starts of the simulator's scenes; who works them needs mujoco."""
    return recipe("gwm_core.simulators.tabletop.truth:simulated_starts", task=task,
                  seeds=[int(seed) for seed in seeds])


# ------------------------------------------------------------------ the work


def work(item: dict) -> dict:
    """The episodes of an item, in whichever process."""
    world, starts, rows = shared(item["world"]), shared(item["starts"]), item["rows"]
    if len(starts) <= rows[-1]:
        raise RoboticsError(f"starts: there are {len(starts)}, start {rows[-1]} is wanted; a "
                            f"count up to {len(starts)} is accepted")
    chosen = [starts[j] for j in rows]
    policies = [check_policy(made(item["policy"])) for _ in rows]
    episodes = world(policies, chosen, item["seeds"])
    return {"starts": [{"task": start.task, "scene": start.scene} for start in chosen],
            "episodes": [_plain(episode, item["views"]) for episode in episodes]}


def _plain(episode: Episode, views: bool) -> dict:
    plain = {name: getattr(episode, name) for name in Episode.__dataclass_fields__}
    return plain if views else {**plain, "views": {}}


def _episode(plain: dict) -> Episode:
    ticks = {name: tuple(when) for name, when in plain["violations"].items()}
    return Episode(**{**plain, "violations": ticks})


# ------------------------------------------------------------------ all of it, and shards of it


def evaluate_jobs(
    jobs: Mapping[str, Job], executor: str = "inline", workers: int = 2,
    folder: str | os.PathLike[str] | None = None, progress: Progress | None = None,
    stop: Stop | None = None, keep: Keep | None = None,
) -> dict[str, Results]:
    """The results of all jobs, by name; the other parameters are those of ``executor.run``.

    Items of all jobs go to the same workers. ``progress`` counts items.
    """
    how = (executor, workers, folder, progress, stop)
    with contextlib.closing(stream(_items(jobs), WORK, *how)) as answers:
        return {name: job.results(answers, keep, name) for name, job in jobs.items()}


@dataclass(frozen=True, eq=False)
class Part:
    """What one shard (i, n) of some jobs gave.

    jobs     digest of the jobs; parts of the same jobs can be merged
    answers  of the items i, i + n, ...
    """

    jobs: str
    shard: tuple[int, int]
    answers: list[dict]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it into one file."""
        part = Path(f"{os.fspath(path)}.part")
        part.write_bytes(encode(
            {"jobs": self.jobs, "shard": self.shard, "answers": self.answers}))
        part.replace(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Part:
        """What ``save`` wrote; RoboticsError where it is not there or not whole."""
        try:
            plain = decode(Path(path).read_bytes())
            return cls(plain["jobs"], tuple(plain["shard"]), plain["answers"])
        except (OSError, KeyError, RoboticsError) as error:
            raise RoboticsError(f"part {os.fspath(path)}: {error}; a file that Part.save wrote is "
                                "accepted") from None


def evaluate_shard(
    jobs: Mapping[str, Job], shard: tuple[int, int], executor: str = "inline", workers: int = 2,
    folder: str | os.PathLike[str] | None = None, progress: Progress | None = None,
    stop: Stop | None = None,
) -> Part:
    """Every n-th item of the jobs from item i on, for ``shard`` (i, n)."""
    answers = run(_items(jobs), WORK, executor, workers, folder, progress, stop, shard)
    return Part(_digest(jobs), check_shard(shard), answers)


def merge(jobs: Mapping[str, Job], parts: Sequence[Part], keep: Keep | None = None
          ) -> dict[str, Results]:
    """The results that ``evaluate_jobs`` gives, from the parts of all shards in any order."""
    wanted, digest = len(_items(jobs)), _digest(jobs)
    answers: dict[int, dict] = {}
    for part in parts:
        if part.jobs != digest:
            raise RoboticsError(f"merge: shard {part.shard} is of other jobs; parts of the same "
                                "policies, starts, worlds and seeds are accepted")
        i, n = part.shard
        answers |= {i + n * k: answer for k, answer in enumerate(part.answers)}
    missing = [str(number) for number in range(wanted) if number not in answers]
    if missing:
        there = ", ".join(str(part.shard) for part in parts) or "none"
        some = ", ".join(missing[:5]) + (", .." if len(missing) > 5 else "")
        raise RoboticsError(f"merge: {len(missing)} of {wanted} items are missing ({some}); of "
                            "shards (i, n), all from 0 to n - 1 are accepted, there are "
                            f"{there}")
    ordered = (answers[number] for number in range(wanted))
    return {name: job.results(ordered, keep, name) for name, job in jobs.items()}


def _items(jobs: Mapping[str, Job]) -> list[dict]:
    return [item for job in jobs.values() for item in job.items()]


def _digest(jobs: Mapping[str, Job]) -> str:
    plain = [[name, list(job.policies), contents(job.items())] for name, job in jobs.items()]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
