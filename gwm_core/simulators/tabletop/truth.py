"""The true world to evaluate policies in, as ``gwm_core.robotics.evaluation`` takes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import RoboticsError
from ...robotics.episode import Episode
from ...robotics.evaluation import Run, Start
from ...robotics.rollouts import MAX_TICKS, copied, rollout
from . import Tabletop
from .env import SimEnv


def simulated_starts(task: str, seeds: Iterable[int]) -> list[Start]:
    """First looks of the simulator's scenes."""
    out = []
    for seed in seeds:
        sim = Tabletop(task, int(seed))
        zone = sim.truth().zones.get("keep_out")
        centre = None if zone is None else (float(zone[1][0]), float(zone[1][1]))
        out.append(Start(task, copied(sim.observe()), int(seed), centre))
        sim.close()
    return out


def in_simulator(max_ticks: int = MAX_TICKS) -> Run:
    """The true world: the simulator's scenes, one after another."""
    def run(policies: list[Any], starts: list[Start], seeds: list[int]) -> list[Episode]:
        out = []
        for policy, start, seed in zip(policies, starts, seeds, strict=True):
            if start.scene is None:
                raise RoboticsError("start: it is no scene of the simulator; those of "
                                    "simulated_starts are accepted here")
            size = next(iter(start.observation["pixels"].values())).shape[0]
            env = SimEnv(start.task, start.scene, max_ticks=max_ticks, size=size)
            try:
                out.append(rollout(env, policy, max_ticks, seed=seed))
            finally:
                env.close()
        return out

    return run
