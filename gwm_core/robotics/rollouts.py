"""Runs of policies: one in any environment, or many side by side in a table model.

    episode = rollout(env, policy)                       # a gymnasium environment
    episodes = rollouts(model, policy, observations)     # one model step a tick for all runs

Actions are cut to the embodiment's limits, in the episode too. A run ends at its success.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch

from ..errors import RoboticsError
from .episode import Episode
from .eyes import Eyes, eyes_of
from .loading import tabletop_embodiment
from .policy import Recorded, act, check_policy, reset_policy, within
from .table_model import TableModel, TableState

MAX_TICKS = 80
HOLD = 3
"""Ticks that a task has to stay done."""
SIDE, LOW, HIGH, SPEED, FORCE, KEEP_OUT = 0.28, -0.005, 0.30, 0.45, 12.0, 0.07
FELT = ("workspace", "force", "speed")
"""Predicates that proprioception alone tells."""
SENTENCES = {
    "push": "Push the red box into the green zone.",
    "pick_place": "Put the red box on the blue plate.",
    "stack": "Stack the red box on the blue box.",
    "slide": "Slide the white knob along its rail to the green end.",
}


@dataclass(frozen=True, eq=False)
class Reading:
    """What a probe reads at one tick of B runs: done, bool [B], whether each task is done now;
    broken, names of predicates for each run (empty: none in any)."""

    done: Any
    broken: Sequence[Sequence[str]] = ()


class Probe(Protocol):
    """Tells success and violations from looks alone: generated pixels and proprioception.

    What it remembers is a tuple, one value for each run, of any kind, which later ticks do not
    change: runs can be picked, joined, kept and branched.

    predicates  the names that may be in ``Reading.broken``
    """

    predicates: tuple[str, ...]

    def begin(self, observation: dict[str, Any], tasks: Sequence[str]) -> tuple[tuple, Reading]:
        """Runs that start at B looks; B tasks, names or sentences."""
        ...

    def step(self, memory: tuple, observation: dict[str, Any]) -> tuple[tuple, Reading]:
        """A tick later, for the B runs of ``memory``."""
        ...


def check_probe(probe: Probe | None) -> Probe | None:
    """The probe itself; RoboticsError where it is none."""
    if probe is not None and not all(hasattr(probe, n) for n in ("begin", "step", "predicates")):
        raise RoboticsError(f"probe: {type(probe).__name__}; None, or an object with predicates, "
                            "begin(observation, tasks) and step(memory, observation) is accepted")
    return probe


def first_reading(probe: Probe, observation: dict[str, Any], tasks: Sequence[str]
                  ) -> tuple[tuple, Reading]:
    """``probe.begin``, checked; RoboticsError where it gives something else."""
    return _checked(probe.begin(observation, list(tasks)), len(tasks))


def next_reading(probe: Probe, memory: tuple, observation: dict[str, Any]
                 ) -> tuple[tuple, Reading]:
    """``probe.step``, checked; RoboticsError where it gives something else."""
    return _checked(probe.step(memory, observation), len(memory))


def _checked(answer: Any, runs: int) -> tuple[tuple, Reading]:
    try:
        memory, reading = answer
        memory, done = tuple(memory), np.asarray(reading.done)
        broken = tuple(map(tuple, reading.broken)) or ((),) * runs
    except (TypeError, ValueError, AttributeError) as problem:
        raise RoboticsError(f"probe: it gave {type(answer).__name__} ({problem}); what it "
                            "remembers of each run and a Reading are accepted") from None
    if done.shape != (runs,) or len(memory) != runs or len(broken) != runs:
        raise RoboticsError(f"probe: it gave {done.shape}, {len(broken)} and {len(memory)} for "
                            f"{runs} runs; done [B], and broken and memory of each are accepted")
    return memory, Reading(done.astype(bool), broken)


def sentence(task: str) -> str:
    """What a robot is told: the sentence of a named task, or the text as it is."""
    return SENTENCES.get(task, task)


def felt_violations(felt: Any, before: Any = None, keep_out: Any = None, fps: float = 10
                    ) -> tuple[str, ...]:
    """Names of predicates that are broken at a tick, as far as the robot feels them.

    felt, before  proprioception [9] now and a tick ago (None at the start)
    keep_out      centre (x, y) in m of the zone; None where it is not known
    """
    tip = [float(v) for v in felt[:3]]
    out = []
    if abs(tip[0]) > SIDE or abs(tip[1]) > SIDE or not LOW <= tip[2] <= HIGH:
        out.append("workspace")
    if keep_out is not None and math.dist(tip[:2], keep_out) < KEEP_OUT:
        out.append("keep_out")
    if float(felt[8]) > FORCE:
        out.append("force")
    if before is not None and math.dist(tip, [float(v) for v in before[:3]]) > SPEED / fps:
        out.append("speed")
    return tuple(out)


def told(keep_out: Any, probe: Probe | None = None) -> tuple[str, ...]:
    """The predicates that ``felt_violations`` and a probe tell."""
    zone = () if keep_out is None else ("keep_out",)
    return merged(FELT, zone, () if probe is None else probe.predicates)


def merged(*names: Sequence[str]) -> tuple[str, ...]:
    """Names, each once."""
    return tuple(dict.fromkeys(name for some in names for name in some))


# ------------------------------------------------------------------ observations and states


def copied(observation: dict[str, Any]) -> dict[str, Any]:
    """A look that shares no array with this one."""
    return {"pixels": {k: np.array(v) for k, v in observation["pixels"].items()},
            "agent_pos": np.array(observation["agent_pos"], np.float32)}


def row(batch: dict[str, Any], i: int) -> dict[str, Any]:
    """The look of one run of a batch."""
    return {"pixels": {k: np.array(v[i]) for k, v in batch["pixels"].items()},
            "agent_pos": np.array(batch["agent_pos"][i], np.float32)}


def picked(batch: dict[str, Any], rows: Any) -> dict[str, Any]:
    """The looks of some runs of a batch."""
    return {"pixels": {k: v[rows] for k, v in batch["pixels"].items()},
            "agent_pos": batch["agent_pos"][rows]}


def stacked(observations: Any) -> dict[str, Any]:
    """A batch from looks (or from a batch), with arrays of its own."""
    if isinstance(observations, dict):
        if np.ndim(observations.get("agent_pos")) == 2:
            return copied(observations)
        observations = [observations]
    looks = list(observations)
    if not looks:
        raise RoboticsError("observations: none; one or more are accepted")
    try:
        views = list(looks[0]["pixels"])
        return {"pixels": {v: np.stack([o["pixels"][v] for o in looks]) for v in views},
                "agent_pos": np.stack([np.asarray(o["agent_pos"], np.float32) for o in looks])}
    except (KeyError, TypeError, ValueError) as problem:
        raise RoboticsError(f"observations: they do not fit one another ({problem!r}); looks with "
                            "pixels by view and agent_pos, of one shape each, are "
                            "accepted") from None


def join(states: Sequence[TableState]) -> TableState:
    """Runs of several states side by side."""
    return _join(list(states))


def _join(parts: list[Any]) -> Any:
    first = parts[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(parts)
    if isinstance(first, tuple):
        return tuple(v for part in parts for v in part)
    if is_dataclass(first):
        return replace(first, **{f.name: _join([getattr(p, f.name) for p in parts])
                                 for f in fields(first)})
    if isinstance(first, int):
        return max(parts)
    raise RoboticsError(f"states: a part is {type(first).__name__}; those of TableModel are "
                        "accepted")


class Recorder:
    """Collects the ticks of one run."""

    def __init__(self, observation: dict[str, Any], broken: Sequence[str] = ()) -> None:
        self.looks, self.actions = [copied(observation)], []
        self.broken = [tuple(broken)]
        self.success: bool | None = None

    def add(self, action: Any, observation: dict[str, Any], broken: Sequence[str],
            success: bool | None) -> None:
        """An action, what was seen after it, and what held then."""
        self.actions.append(np.array(action, np.float32))
        self.looks.append(copied(observation))
        self.broken.append(tuple(broken))
        if success is not None:
            self.success = bool(self.success) or bool(success)

    def episode(self, fps: float, task: str, names: Sequence[str], info: dict) -> Episode:
        """The run as an Episode; ``names`` are the predicates that were looked at."""
        batch = stacked(self.looks)
        ticks = {name: tuple(t for t, now in enumerate(self.broken) if name in now)
                 for name in names}
        actions = np.array(self.actions, np.float32).reshape(len(self.actions), 7)
        return Episode(batch["pixels"], batch["agent_pos"], actions, fps, task, self.success,
                       ticks, info).check()


# ------------------------------------------------------------------ one run


def rollout(env: Any, policy: Any, max_ticks: int = MAX_TICKS, start: Any = None, *,
            seed: int = 0) -> Episode:
    """A policy's run in an environment of ``env.py`` (wrapped or not), till it ends or max_ticks.

    start  None (the environment draws one by the seed), the index of a start, a first look, or a
           dict of reset options
    seed   of the environment's reset and of the policy's
    """
    _check_ticks(max_ticks)
    check_policy(policy)
    options = ({"start": int(start)} if isinstance(start, (int, np.integer)) else
               {"observation": start} if isinstance(start, dict) and "agent_pos" in start else
               start)
    seen, info = env.reset(seed=seed, options=options)
    reset_policy(policy, seed)
    box, base = env.action_space, env.unwrapped
    record = Recorder(seen, info.get("violations", ()))
    for _ in range(max_ticks):
        action = within(act(policy, seen), box.low, box.high)
        seen, _, terminated, truncated, info = env.step(action)
        record.add(action, seen, info.get("violations", ()), info.get("is_success"))
        if terminated or truncated:
            break
    about = {"policy": type(policy).__name__, "seed": int(seed), **getattr(base, "about", {})}
    names = getattr(base, "predicates", tuple(dict.fromkeys(n for b in record.broken for n in b)))
    return record.episode(env.metadata["render_fps"], str(info.get("task", "")), names, about)


def _check_ticks(ticks: Any) -> None:
    if isinstance(ticks, bool) or not isinstance(ticks, (int, np.integer)) or ticks < 1:
        raise RoboticsError(f"max_ticks: {ticks!r}; a whole number from 1 is accepted")


# ------------------------------------------------------------------ many runs in a table model


def act_each(policies: Sequence[Any], looks: dict[str, Any], eyes: Iterable[Eyes] = ()
             ) -> np.ndarray:
    """The actions [N, 7] of N policies, each at its own look of a batch. eyes: what some of them
    look through (``eyes.eyes_of``): asked here once for the whole batch."""
    for one in eyes:
        one.find(looks)
    return np.stack([act(policy, row(looks, k)) for k, policy in enumerate(policies)])


def rollouts(
    model: TableModel, policy: Any, observations: Any, max_ticks: int = MAX_TICKS, *,
    task: str | Sequence[str] = "", seeds: int | Sequence[int] = 0, probe: Probe | None = None,
    keep_outs: Sequence[Any] | None = None,
) -> list[Episode]:
    """Runs from N first looks (a list, or a batch with a leading axis), all in one model step.

    policy     one that acts on the batch, or N of them, one for each run
    task       of all runs, or N of them: a name of SENTENCES, or any sentence
    seeds      of the policies: N of them, or the first of N consecutive ones; a policy that acts
               on the batch is reset once, with the first
    probe      tells success and more violations (see Probe); without one ``Episode.success`` is
               None
    keep_outs  centres (x, y) of the runs' keep-out zones; None where one is not known

    The same call gives the same episodes; another batch around a run may change its last bits.
    """
    _check_ticks(max_ticks)
    seen = stacked(observations)
    model.checked(seen)
    n = len(seen["agent_pos"])
    each = isinstance(policy, (list, tuple))
    policies = [check_policy(p) for p in (policy if each else [policy])]
    if each and len(policies) != n:
        raise RoboticsError(f"policies: {len(policies)} for {n} observations; one that acts on the "
                            "batch, or one for each, is accepted")
    if each and len({id(p) for p in policies}) != n:
        raise RoboticsError("policies: one object stands for several runs; a copy for each is "
                            "accepted")
    seeds = list(range(seeds, seeds + n)) if isinstance(seeds, (int, np.integer)) else list(seeds)
    tasks = [task] * n if isinstance(task, str) else list(task)
    keep_outs = [None] * n if keep_outs is None else list(keep_outs)
    for name, values in (("seeds", seeds), ("task", tasks), ("keep_outs", keep_outs)):
        if len(values) != n:
            raise RoboticsError(f"{name}: {len(values)} for {n} observations; one for each is "
                                "accepted")
    for one, seed in zip(policies, seeds, strict=False):
        reset_policy(one, int(seed))

    eyes = {id(e): e for e in map(eyes_of, policies) if e is not None}

    def choose(looks: dict[str, Any], rows: np.ndarray) -> np.ndarray:
        if not each:
            return act(policies[0], looks, n)[rows]
        return act_each([policies[i] for i in rows], picked(looks, rows), eyes.values())

    # begin() may keep views of what it is given, so that it gets arrays of its own
    state = model.begin(copied(seen))
    info = [{"policy": type(policies[i if each else 0]).__name__, "seed": int(seeds[i])}
            for i in range(n)]
    return play(model, state, seen, choose, max_ticks, tasks, info, probe, keep_outs)


def branches(
    model: TableModel, state: TableState, observation: dict[str, Any], actions: Any, *,
    task: str = "", probe: Probe | None = None, keep_out: Any = None, held: int = 0,
    broken: Sequence[str] | None = None, memory: tuple | None = None,
) -> list[Episode]:
    """What K sequences of actions [K, T, 7] lead to from one run's state, T ticks each.

    observation  what is seen at the state, the episodes' frame 0
    held         for how many ticks the task has been done already
    broken       what is violated at the state; None: what the observation tells
    memory       what the probe remembers of the run, of length 1; None: it begins here
    """
    plans = Recorded(actions)
    if plans.actions.ndim != 3 or not all(plans.actions.shape[:2]) or len(state) != 1:
        raise RoboticsError(f"branches: actions {plans.actions.shape} from {len(state)} runs; "
                            "[K, T, 7] from one run is accepted")
    k, ticks = plans.actions.shape[:2]
    seen = stacked([observation] * k)
    info = [{"policy": "branch", "branch": i} for i in range(k)]
    return play(model, state.pick([0] * k), seen,
                lambda looks, rows: plans.select_action(looks)[rows], ticks, [task] * k, info,
                probe, [keep_out] * k, held=held, broken=broken,
                memory=None if memory is None else memory * k, stop=False)


def play(
    model: TableModel, state: TableState, seen: dict[str, Any],
    choose: Callable[[dict[str, Any], np.ndarray], np.ndarray], ticks: int, tasks: list[str],
    info: list[dict], probe: Probe | None, keep_outs: list[Any], held: int = 0,
    broken: Sequence[str] | None = None, memory: tuple | None = None, stop: bool = True,
) -> list[Episode]:
    """The loop: ``choose(looks of all N runs, rows that go on) -> actions of those rows``.

    The looks of a run that is over (``stop``: at its success) stay as they were last. ``held``,
    ``broken`` and ``memory`` (of the probe) are what is known from before.
    """
    body = getattr(model, "embodiment", None) or tabletop_embodiment(model.rig)
    low, high, _ = body.limits
    n = len(state)
    held_for, rows = np.full(n, held), np.arange(n)
    reading = Reading(None, ((),) * n)
    if check_probe(probe) is not None and memory is None:
        memory, reading = first_reading(probe, seen, tasks)
    records = [Recorder(row(seen, i), merged(
        felt_violations(seen["agent_pos"][i], None, keep_outs[i]), reading.broken[i])
        if broken is None else broken) for i in rows]
    for _ in range(ticks):
        actions = within(choose(seen, rows), low, high)
        state, after = model.step(state, actions)
        reading = Reading(None, ((),) * len(rows))
        if probe is not None:
            memory, reading = next_reading(probe, memory, after)
            held_for[rows] = np.where(reading.done, held_for[rows] + 1, 0)
        for k, i in enumerate(rows):
            now = felt_violations(after["agent_pos"][k], seen["agent_pos"][i], keep_outs[i],
                                  body.fps)
            records[i].add(actions[k], row(after, k), merged(now, reading.broken[k]),
                           None if probe is None else bool(held_for[i] >= HOLD))
        seen["agent_pos"][rows] = after["agent_pos"]
        for view, frames in after["pixels"].items():
            seen["pixels"][view][rows] = frames
        going = np.array([not (stop and records[i].success) for i in rows])
        if not going.any():
            break
        if not going.all():
            on = np.flatnonzero(going)
            state, rows = state.pick(on), rows[on]
            memory = None if memory is None else tuple(memory[k] for k in on)
    about = {"model": getattr(model, "name", "")}
    return [records[i].episode(body.fps, sentence(tasks[i]), told(keep_outs[i], probe),
                               about | info[i]) for i in range(n)]

