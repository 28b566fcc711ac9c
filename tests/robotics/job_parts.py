"""Policies, a probe and worlds that tests of evaluation jobs name: workers load this file by its
path."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from gwm_core.robotics.policy import Biased, Noisy
from gwm_core.robotics.rollouts import Reading


class Aim:
    """Goes to a place that depends on what the front camera sees."""

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def reset(self) -> None:
        pass

    def select_action(self, observation: dict) -> np.ndarray:
        seen = observation["pixels"]["front"].astype(np.float32).mean((0, 1)) / 255
        action = np.zeros(7, np.float32)
        action[:3] = self.gain * (seen - 0.4)
        return action


def aim(gain: float, noise: float = 0.0, bias: float = 0.0):
    return Biased(Noisy(Aim(gain), noise), bias)


class Low:
    """A probe that says "done" while the gripper is low, and "dark" where the picture is."""

    predicates = ("dark",)

    def __init__(self, height: float) -> None:
        self.height = height

    def begin(self, observation: dict, tasks: list[str]) -> tuple[tuple, Reading]:
        return self.step(tuple(tasks), observation)

    def step(self, memory: tuple, observation: dict) -> tuple[tuple, Reading]:
        dark = observation["pixels"]["side"].mean((1, 2, 3)) < 128
        return memory, Reading(observation["agent_pos"][:, 2] < self.height,
                               [("dark",) * int(one) for one in dark])


def dying(world, log: str, deaths: int):
    """A world in which the first ``deaths`` processes are killed."""
    def run(policies, starts, seeds):
        with open(log, "a") as lines:
            lines.write("called\n")
        if len(Path(log).read_text().splitlines()) <= deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return world(policies, starts, seeds)

    return run


def short(world):
    """A world that forgets its last run."""
    return lambda policies, starts, seeds: world(policies, starts, seeds)[:-1]
