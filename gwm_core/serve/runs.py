"""Runs side by side for our own client: every view, batches, branches, success and violations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..embodiment import Embodiment
from ..errors import RoboticsError
from ..noise import rng
from ..robotics.policy import within
from ..robotics.rollouts import (
    HOLD,
    Probe,
    copied,
    felt_violations,
    first_reading,
    merged,
    next_reading,
    sentence,
    stacked,
    told,
)
from ..robotics.table_model import TableModel, TableState
from .arrays import packed, unpacked

RUNS, TICKS, WORK = 64, 512, 2048
"""Runs side by side, ticks of a call, and both multiplied: at most."""
WORDS = 300
"""Characters of a task at most."""
FRAMES = ("all", "last", "none")
"""Which pictures an answer has."""


@dataclass(frozen=True, eq=False)
class Runs:
    """B runs at one tick, a value.

    seen     what is seen and felt now, with a leading axis B
    held     int [B]: for how many ticks the task has been done
    success  whether it was ever done for HOLD ticks; None where no probe looks
    broken   names of violated predicates now
    memory   the probe's, of each run; None where none looks: without a probe, or without a task
    """

    state: TableState
    seen: dict[str, Any]
    tasks: tuple[str, ...]
    keep_outs: tuple[tuple[float, float] | None, ...]
    held: np.ndarray
    success: tuple[bool | None, ...]
    broken: tuple[tuple[str, ...], ...]
    memory: tuple | None = None
    tick: int = 0

    def __len__(self) -> int:
        return len(self.tasks)

    def pick(self, run: int, count: int) -> Runs:
        """One of the runs, so many times."""
        rows = [run] * count

        def some(values: tuple) -> tuple:
            return tuple(values[i] for i in rows)

        seen = {"pixels": {k: v[rows] for k, v in self.seen["pixels"].items()},
                "agent_pos": self.seen["agent_pos"][rows]}
        return Runs(self.state.pick(rows), seen, some(self.tasks), some(self.keep_outs),
                    self.held[rows], some(self.success), some(self.broken),
                    None if self.memory is None else some(self.memory), self.tick)

    def told(self, probe: Probe | None) -> dict[str, Any]:
        """As JSON, without pictures."""
        looks = probe if self.memory is not None else None
        return {"count": len(self), "tick": self.tick, "success": list(self.success),
                "violations": [list(b) for b in self.broken],
                "predicates": [list(told(z, looks)) for z in self.keep_outs],
                "task": [sentence(t) for t in self.tasks]}


class Starts:
    """First looks that come with the pack, read once for each task."""

    def __init__(self) -> None:
        self._read: dict[str, list] = {}

    def of(self, task: str) -> list:
        """All starts of a task; RoboticsError where there are none."""
        if task not in self._read:
            from ..robotics.starts import load_starts

            self._read[task] = load_starts(task)
        return self._read[task]


def begin(model: TableModel, body: dict[str, Any], starts: Starts, probe: Probe | None) -> Runs:
    """Runs that a client asks for: from ``observations`` of its own, from ``picks`` of the starts
    of a ``task``, or from ``count`` of them that ``seed`` draws."""
    if body.get("observations") is not None:
        look = read_looks(body["observations"])
        n = len(look["agent_pos"])
        tasks = _each(body.get("task", ""), n, "task", _text)
        zones = _each(body.get("keep_out"), n, "keep_out", _zone)
    else:
        task = _text(body.get("task"), "task")
        of = starts.of(task)
        chosen = [of[i] for i in _picks(body, task, len(of))]
        look = stacked([s.observation for s in chosen])
        tasks, zones = (task,) * len(chosen), tuple(s.keep_out for s in chosen)
    look["pixels"] = {v: p for v, p in look["pixels"].items() if v in model.rig.views}
    _, felt = model.checked(look)
    if len(felt) > RUNS:
        raise RoboticsError(f"observations: {len(felt)}; 1 to {RUNS} runs side by side are "
                            "accepted")
    state, memory, seen = model.begin(copied(look)), None, ((),) * len(felt)
    held, success = np.zeros(len(felt), int), (None,) * len(felt)
    if probe is not None and any(tasks):
        memory, reading = first_reading(probe, look, tasks)
        seen, success = reading.broken, (False,) * len(felt)
    broken = tuple(merged(felt_violations(f, None, z), s)
                   for f, z, s in zip(felt, zones, seen, strict=True))
    return Runs(state, look, tasks, zones, held, success, broken, memory)


def read_looks(value: Any) -> dict[str, Any]:
    """Observations with a leading axis, from JSON; the model says what does not fit it."""
    views = value.get("pixels") if isinstance(value, dict) else None
    if not isinstance(views, dict):
        raise RoboticsError("observations: pixels by view and agent_pos are accepted")
    looks = {"pixels": {str(k): unpacked(v, f"pixels {k!r}") for k, v in views.items()},
             "agent_pos": unpacked(value.get("agent_pos"), "agent_pos")}
    if looks["agent_pos"].ndim != 2 or not len(looks["agent_pos"]):
        raise RoboticsError(f"agent_pos: {list(looks['agent_pos'].shape)}; [B, 9] is accepted, "
                            "with B from 1")
    return looks


def read_actions(body: dict[str, Any], runs: int | None) -> np.ndarray:
    """``actions`` float32 [B, T, 7] of a call for so many runs (None: any number)."""
    actions = unpacked(body.get("actions"), "actions")
    wanted = f"[{'K' if runs is None else runs}, T, 7]"
    if actions.dtype != np.float32 or actions.ndim != 3 or actions.shape[2] != 7 or (
            runs is not None and len(actions) != runs):
        raise RoboticsError(f"actions: {actions.dtype} {list(actions.shape)}; float32 {wanted} is "
                            "accepted")
    n, ticks = actions.shape[:2]
    if not (1 <= n <= RUNS and 1 <= ticks <= TICKS and n * ticks <= WORK):
        raise RoboticsError(f"actions: {n} runs of {ticks} ticks; 1 to {RUNS} of 1 to {TICKS}, and "
                            f"at most {WORK} in all, are accepted")
    if not np.isfinite(actions).all():
        raise RoboticsError("actions: a value is not finite; numbers are accepted")
    return actions


def read_frames(body: dict[str, Any]) -> str:
    frames = body.get("frames", "all")
    if frames not in FRAMES:
        raise RoboticsError(f"frames: {str(frames)[:40]!r}; {', '.join(FRAMES)} are accepted")
    return frames


class Rolling:
    """Runs that go on under actions [B, T, 7]: ``advance`` once for every tick; then ``runs`` are
    where they got to, and ``answer`` tells it. What they came from stays as it was."""

    def __init__(self, model: TableModel, body: Embodiment, probe: Probe | None, runs: Runs,
                 actions: np.ndarray, frames: str) -> None:
        self._model, self._body, self._probe = model, body, probe
        low, high, _ = body.limits
        self._actions, self._frames = within(actions, low, high), frames
        self._cut = (self._actions != actions).any(2)
        self.runs = runs
        self._pixels: list[dict[str, np.ndarray]] = []
        self._felt: list[np.ndarray] = []
        self._successes: list[tuple[bool | None, ...]] = []
        self._broken: list[tuple[tuple[str, ...], ...]] = []

    def advance(self) -> bool:
        """Make one tick; whether more are to come."""
        now, t = self.runs, len(self._felt)
        state, seen = self._model.step(now.state, self._actions[:, t])
        held, success, memory, read = now.held, now.success, now.memory, ((),) * len(now)
        if memory is not None:
            memory, reading = next_reading(self._probe, memory, seen)
            read, held = reading.broken, np.where(reading.done, held + 1, 0)
            success = tuple(s or h >= HOLD for s, h in zip(success, held.tolist(), strict=True))
        felt, before = seen["agent_pos"], now.seen["agent_pos"]
        broken = tuple(merged(
            felt_violations(felt[b], before[b], now.keep_outs[b], self._body.fps), read[b])
            for b in range(len(now)))
        self.runs = Runs(state, seen, now.tasks, now.keep_outs, held, success, broken, memory,
                         now.tick + 1)
        last = t + 1 == self._actions.shape[1]
        if self._frames == "all" or (self._frames == "last" and last):
            self._pixels.append(seen["pixels"])
        self._felt.append(seen["agent_pos"])
        self._successes.append(success)
        self._broken.append(broken)
        return not last

    def answer(self) -> dict[str, Any]:
        """As JSON: pixels by view [B, T (last: 1), H, W, 3], agent_pos [B, T, 9], and of every run
        and tick ``successes``, ``broken`` and whether the action was cut to its limits."""
        b = range(len(self.runs))
        views = self._pixels[0] if self._pixels else {}
        return self.runs.told(self._probe) | {
            "pixels": {v: packed(np.stack([p[v] for p in self._pixels], 1)) for v in views},
            "agent_pos": packed(np.stack(self._felt, 1)),
            "successes": [[now[i] for now in self._successes] for i in b],
            "broken": [[list(now[i]) for now in self._broken] for i in b],
            "clipped": self._cut.tolist(),
        }


# ---------------------------------------------------------------- what a body may say


def _picks(body: dict[str, Any], task: str, there: int) -> list[int]:
    picks = body.get("picks")
    if picks is None:
        count = _whole(body.get("count", 1), "count", 1, RUNS)
        seed = _whole(body.get("seed", 0), "seed", 0, 2**64 - 1)
        chosen = rng(seed, "starts", task).choice(there, count, replace=count > there)
        return [int(i) for i in chosen]
    if not isinstance(picks, list) or not 1 <= len(picks) <= RUNS:
        raise RoboticsError(f"picks: {str(picks)[:60]}; a list of 1 to {RUNS} whole numbers is "
                            "accepted")
    return [_whole(i, "picks", 0, there - 1) for i in picks]


def _whole(value: Any, name: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise RoboticsError(f"{name}: {str(value)[:40]}; a whole number from {low} to {high} is "
                            "accepted")
    return value


def _each(value: Any, n: int, name: str, check: Any) -> tuple:
    """One value for all n runs, or a list with one for each (a pair of numbers is one)."""
    many = isinstance(value, list) and not (
        len(value) == 2 and all(isinstance(v, (int, float)) for v in value))
    values = value if many else [value] * n
    if len(values) != n:
        raise RoboticsError(f"{name}: {len(values)} for {n} runs; one for each is accepted")
    return tuple(check(v, name) for v in values)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > WORDS:
        raise RoboticsError(f"{name}: {str(value)[:40]!r}; a text of up to {WORDS} characters is "
                            "accepted")
    return value


def _zone(value: Any, name: str) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        x, y = (float(v) for v in value)
    except (TypeError, ValueError):
        x = y = float("nan")
    if not (np.isfinite(x) and np.isfinite(y)):
        raise RoboticsError(f"{name}: {str(value)[:40]}; the centre (x, y) in metres, or null, is "
                            "accepted")
    return x, y
