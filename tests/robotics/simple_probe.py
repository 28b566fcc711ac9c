"""A probe for tests of what calls probes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gwm_core.robotics.rollouts import Reading


class SimpleProbe:
    """Done where ``done(proprioception [9], ticks since the start, task)`` says so; broken by
    ``broken``, which gets the same and gives names of ``predicates``."""

    def __init__(self, done: Callable, broken: Callable | None = None,
                 predicates: tuple[str, ...] = ()) -> None:
        self.done, self.broken, self.predicates = done, broken, predicates

    def begin(self, observation: dict, tasks: list[str]):
        return self._read(tuple((task, 0) for task in tasks), observation)

    def step(self, memory: tuple, observation: dict):
        return self._read(tuple((task, tick + 1) for task, tick in memory), observation)

    def _read(self, memory: tuple, observation: dict):
        assert set(observation["pixels"]) == {"front", "side", "wrist"}
        each = [(felt, tick, task) for felt, (task, tick)
                in zip(observation["agent_pos"], memory, strict=True)]
        done = np.array([self.done(*args) for args in each])
        return memory, Reading(done, [] if self.broken is None else
                               [self.broken(*args) for args in each])
