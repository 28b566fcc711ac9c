"""Planning: goals reached in the true simulator by planning in the table model.

A goal is a picture of the task done: the simulator's own scene with the thing put where it belongs.
Everybody begins at the same held-out scenes (odd seeds) and has the same ticks. Proposals get no
hints: where to push or put a thing is found by imagination, or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...noise import rng
from ...robotics.goals import goal_of
from ...robotics.planning import Effort, PlanningPolicy
from ...robotics.proposals import Noise
from ...robotics.rollouts import MAX_TICKS, rollout
from ...robotics.table_model import TableModel
from ..report import Metric

TASKS = ("push", "pick_place", "stack", "slide")
SCENES = 4
"""Scenes of each task."""
EFFORT = Effort(samples=64, rounds=4)


@dataclass(frozen=True)
class Case:
    """A task in a scene of the simulator."""

    task: str
    scene: int


def cases(scenes: int, seed: int, tasks: Sequence[str] = TASKS) -> list[Case]:
    """Held-out scenes (odd seeds), so many of every task, the tasks in turn."""
    return [Case(task, 2 * int(rng(seed, "planning", task, k).integers(2**40)) + 1)
            for k in range(scenes) for task in tasks]


def put_done(sim: Any) -> None:
    """Put a simulator's thing where its task wants it, at rest."""
    import mujoco

    from ...simulators.tabletop.randomise import RAIL_TRAVEL

    truth = sim.truth()
    if sim.task == "slide":
        sim.data.qpos[sim.model.joint("knob").qposadr[0]] = RAIL_TRAVEL
    else:
        tall = truth.objects["red"][3][2]
        if sim.task == "stack":
            _, under, _, half, _ = truth.objects["blue"]
            place = under + [0, 0, half[2] + tall]
        else:
            zone = truth.zones["goal" if sim.task == "push" else "plate"]
            place = [*zone[1][:2], tall]
        begin = sim.model.joint("red").qposadr[0]
        sim.data.qpos[begin : begin + 3] = place
    mujoco.mj_forward(sim.model, sim.data)


def goal_look(case: Case, size: int = 64) -> dict[str, Any]:
    """What the cameras would see at the start, were the task done already."""
    from ...simulators.tabletop import Tabletop

    sim = Tabletop(case.task, case.scene, size=size)
    put_done(sim)
    look = sim.observe()
    sim.close()
    return look


def expert_reaches(case: Case, ticks: int = MAX_TICKS) -> bool:
    """Whether the script that knows the truth does the task."""
    from ...simulators.tabletop import Tabletop, expert

    sim, policy = Tabletop(case.task, case.scene), expert(case.task)
    policy.reset(case.scene)
    for _ in range(ticks):
        sim.advance(policy.act(sim.truth(), {"agent_pos": sim.agent_pos()}))
        if sim.success():
            return True
    return False


class Drawn(PlanningPolicy):
    """The same motions without imagination: one is drawn and done, and then another."""

    def choose(self, state, left, seed):
        if len(left):
            return left
        draw, ways = rng(seed, "drawn"), self.goal.proposals(state)
        way = ways[int(draw.integers(len(ways)))]
        mean, sd = way.start(state)
        drawn = mean + sd * draw.standard_normal(len(mean))
        return way.actions(state, drawn[None], EFFORT.horizon)[0]


class Timed(PlanningPolicy):
    """Notes how long every plan took (s)."""

    def __init__(self, *args: Any, seconds: list[float], **options: Any) -> None:
        self.seconds = seconds
        super().__init__(*args, **options)

    def choose(self, state, left, seed):
        began = time.perf_counter()
        out = super().choose(state, left, seed)
        self.seconds.append(time.perf_counter() - began)
        return out


def shooting(model: TableModel, goal: Any, effort: Effort,
             stop: Callable[[], bool] | None = None) -> PlanningPolicy:
    """Random shooting: as many sequences as ``effort`` imagines, of smooth noise, in one round."""
    budget = Effort(effort.samples * (effort.rounds + effort.polish), 1, 0, effort.horizon)
    return PlanningPolicy(model, goal, effort=budget, stop=stop,
                          proposals=lambda state: [Noise()])


def reaches(policy: PlanningPolicy, case: Case, seed: int, ticks: int = MAX_TICKS) -> bool:
    """Whether a policy does the task in the true simulator."""
    from ...simulators.tabletop.env import SimEnv

    env = SimEnv(case.task, case.scene, max_ticks=ticks, size=policy.model.rig.size)
    try:
        return bool(rollout(env, policy, ticks, seed=seed).success)
    finally:
        env.close()


def planning_metrics(
    model: TableModel, scenes: int = SCENES, seed: int = 0, tasks: Sequence[str] = TASKS,
    effort: Effort = EFFORT, progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[Metric]:
    """robotics.plan_success_ratio (success as a share of the expert's, beside random shooting with
    the same number of imagined sequences, and the same motions drawn without imagination) and
    robotics.plan_s. ``stop`` is asked while planning; True raises Cancelled.
    """
    seconds: list[float] = []
    players: dict[str, Callable[[Any], PlanningPolicy]] = {
        "planned": lambda goal: Timed(model, goal, effort=effort, stop=stop, seconds=seconds),
        "random_shooting": lambda goal: shooting(model, goal, effort, stop),
        "drawn": lambda goal: Drawn(model, goal),
    }
    which = cases(scenes, seed, tasks)
    won = {name: np.zeros(len(which)) for name in ("expert", *players)}
    for i, case in enumerate(which):
        won["expert"][i] = expert_reaches(case)
        goal = goal_of(model, goal_look(case, model.rig.size), hints=False)
        for name, make in players.items():
            won[name][i] = reaches(make(goal), case, i)
        if progress is not None:
            progress(i + 1, len(which))
    rate = {name: float(v.mean()) for name, v in won.items()}
    best = rate["expert"] or float("nan")
    by_task = {f"{name}_{task}": float(np.mean([w for w, c in zip(won[name], which, strict=True)
                                                if c.task == task]))
               for task in tasks for name in ("expert", "planned")}
    return [
        Metric("robotics.plan_success_ratio", rate["planned"] / best, "",
               {"random_shooting": rate["random_shooting"] / best,
                "drawn": rate["drawn"] / best, **by_task}, len(which), ">= 0.6"),
        Metric("robotics.plan_s", float(np.median(seconds)), "s", {}, len(seconds),
               note="median of one plan"),
    ]
