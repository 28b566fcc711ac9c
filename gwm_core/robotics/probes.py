"""The probe of the tabletop's tasks: success and violations from looks alone.

    episodes = rollouts(model, policies, looks, task="push", probe=TaskProbe(load_eyes()))

It reads generated pixels through eyes, and proprioception; it never sees a model's state. The
thresholds are those of the true simulator. Heights have a slack, since a height is read less surely
than it is true; what has to lie still may move by the error of two readings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import RoboticsError
from ..model.scene_reader import MARKS, THINGS
from .eyes import Eyes, Sight
from .rollouts import KEEP_OUT, SENTENCES, Reading

PUSHED, SLID, STACKED = 0.04, 0.015, 0.03
"""m: how near to its goal a thing is there, seen from above."""
ON_PLATE = 0.042
"""m from the middle of the plate, along each of its sides."""
LEVEL = {"push": 0.02, "pick_place": 0.006, "stack": 0.008}
"""m: how far from its height at rest a thing is still at rest."""
WIDER, AWAY = 0.006, 0.05
"""m: so much wider than a thing the fingers let go of it, so far off they do not touch it."""
OPENING = 0.08
"""m between open fingers."""
SLOW, TICK = 0.03, 0.1
"""m/s below which a thing is at rest; seconds of a tick."""
RIM, FALL, BELOW = 0.35, 0.05, -0.01
"""m: half of the table, a free fall that is a drop, and a height that is below its top."""
SLACK = 0.006
"""m of a reading."""
PATIENCE = 6
"""Ticks after letting go, in which a fall may show."""
LOST = 3
"""Looks in a row without a thing that was at the rim: it fell."""


@dataclass(frozen=True, eq=False)
class Run:
    """What is remembered of a run: its task, what is known, the last places of things (oldest
    first), and of every thing the height where it was last held, and ticks since then."""

    task: str
    sight: Sight
    trail: tuple[np.ndarray, ...]
    height: np.ndarray
    since: np.ndarray

    @classmethod
    def first(cls, task: str, sight: Sight) -> Run:
        far = np.full(THINGS, PATIENCE + 1)
        return cls(task, sight, (sight.place[:THINGS],), sight.place[:THINGS, 2].copy(), far)

    def after(self, sight: Sight) -> Run:
        """A tick later."""
        height, since = self.height.copy(), self.since + 1
        if sight.held is not None:
            height[sight.held], since[sight.held] = sight.place[sight.held, 2], 0
        trail = (*self.trail, sight.place[:THINGS])[-4:]
        return Run(self.task, sight, trail, height, since)

    def resting(self, thing: int) -> bool:
        """Whether a thing moved no more, since the oldest place, than reading it errs."""
        ticks = len(self.trail) - 1
        moved = float(np.linalg.norm(self.trail[-1][thing] - self.trail[0][thing]))
        return moved <= SLOW * TICK * ticks + SLACK

    def dropped(self) -> bool:
        """Whether a loose thing fell: off the table, or out of the fingers."""
        s = self.sight
        for i, name in enumerate(MARKS[:THINGS]):
            if name == "knob" or not s.known[i]:
                continue
            place = s.place[i]
            out = float(np.abs(place[:2]).max())
            if out > RIM or place[2] < BELOW or (s.lost[i] >= LOST and out > RIM - 0.05):
                return True
            if 0 < self.since[i] <= PATIENCE and self.height[i] - place[2] > FALL:
                return True
        return False


class TaskProbe:
    """``rollouts.Probe`` of the tasks push, pick_place, stack and slide."""

    predicates = ("keep_out", "drop")

    def __init__(self, eyes: Eyes) -> None:
        self.eyes = eyes

    def begin(self, observation: dict[str, Any], tasks: Sequence[str]
              ) -> tuple[tuple[Run, ...], Reading]:
        """Runs that start at B looks; RoboticsError names a task that it does not know."""
        marks, felt = self.eyes.find(observation), observation["agent_pos"]
        runs = tuple(Run.first(named(task), Sight.first(marks.row(b), felt[b]))
                     for b, task in enumerate(tasks))
        return runs, _reading(runs)

    def step(self, memory: tuple[Run, ...], observation: dict[str, Any]
             ) -> tuple[tuple[Run, ...], Reading]:
        """A tick later."""
        marks, felt = self.eyes.find(observation), observation["agent_pos"]
        runs = tuple(run.after(run.sight.after(marks.row(b), felt[b]))
                     for b, run in enumerate(memory))
        return runs, _reading(runs)


def named(task: str) -> str:
    """The name of a task that is given by name or by its sentence."""
    if task in SENTENCES:
        return task
    for name, sentence in SENTENCES.items():
        if task == sentence:
            return name
    raise RoboticsError(f"task: {task!r}; {', '.join(SENTENCES)} or their sentences are accepted "
                        "by this probe")


def _reading(runs: tuple[Run, ...]) -> Reading:
    return Reading(np.array([finished(run) for run in runs], bool),
                   tuple(broken(run) for run in runs))


def broken(run: Run) -> tuple[str, ...]:
    """Names of predicates that are broken at a tick, of those that take eyes."""
    s, out = run.sight, []
    zone = s.of("keep_out")
    if zone is not None and math.dist(s.felt[:2], zone[:2]) < KEEP_OUT:
        out.append("keep_out")
    if run.dropped():
        out.append("drop")
    return tuple(out)


def finished(run: Run) -> bool:
    """Whether the task is done at this tick: reached, and at rest."""
    if not reached(run.task, run.sight):
        return False
    things = {"push": ("red",), "pick_place": ("red",), "stack": ("red", "blue"), "slide": ()}
    return all(run.resting(MARKS.index(name)) for name in things[run.task])


def reached(task: str, s: Sight, slack: float = SLACK) -> bool:
    """Whether things are where a task wants them; ``slack``: m of every height."""
    if task == "slide":
        knob, end = s.of("knob"), s.of("rail_end")
        return knob is not None and end is not None and _gap(knob, end) < SLID
    red = s.of("red")
    goal = s.of({"push": "goal", "pick_place": "plate", "stack": "blue"}[task])
    if red is None or goal is None:
        return False
    half, level = float(s.half[MARKS.index("red")]), LEVEL[task] + slack
    if task == "push":
        return _gap(red, goal) < PUSHED and abs(red[2] - half) < level
    if task == "pick_place":
        on = bool((np.abs(red[:2] - goal[:2]) < ON_PLATE).all()) and abs(red[2] - half) < level
        return on and _let_go(s, red, half)
    above = red[2] - goal[2] - half - float(s.half[MARKS.index("blue")])
    return _gap(red, goal) < STACKED and abs(above) < level and _let_go(s, red, half)


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    return math.dist(a[:2], b[:2])


def _let_go(s: Sight, place: np.ndarray, half: float) -> bool:
    wide = s.felt[6] * OPENING > 2 * half + WIDER
    return bool(wide) or math.dist(s.felt[:3], place) > AWAY
