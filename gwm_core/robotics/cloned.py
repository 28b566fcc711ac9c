"""Policies cloned from episodes: a small network that acts on what a pair of eyes shows.

It has no script and no memory but that of its eyes: things stay where they were last seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..errors import RoboticsError
from ..model.cloned_policy import ClonedNet
from ..model.scene_reader import MARKS
from .episode import Episode
from .eyes import Eyes, Sight
from .policy import within
from .scripted import WORK

FEATURES = 25


def features(sight: Sight, task: str) -> np.ndarray:
    """What a run knows at a tick, float32 [FEATURES]: the gripper, and where the thing of the task
    and its goal are from there, also seen along the line from thing to goal."""
    if task not in WORK:
        raise RoboticsError(f"task: {task!r}; {', '.join(WORK)} are accepted")
    thing, goal = (MARKS.index(name) for name in WORK[task])
    tip, yaw = sight.felt[:3], float(sight.felt[5])
    gap, left = sight.place[thing] - tip, sight.place[goal] - sight.place[thing]
    way = math.hypot(left[0], left[1])
    ahead = left[:2] / max(way, 1e-6)
    along, aside = float(gap[:2] @ ahead), float(gap[0] * ahead[1] - gap[1] * ahead[0])
    turn = 4 * (float(sight.yaw[thing]) - yaw)
    across = 2 * (math.atan2(ahead[1], ahead[0]) - yaw)
    return np.array([
        *tip, math.sin(yaw), math.cos(yaw), *sight.felt[6:8], *gap, *left, way, *ahead, along,
        aside, math.sin(turn), math.cos(turn), math.sin(across), math.cos(across),
        sight.held == thing, sight.half[thing], sight.place[thing, 2]], np.float32)


class Cloned:
    """One run's policy: ``net`` on the features of what ``eyes`` show."""

    def __init__(self, net: ClonedNet, task: str, eyes: Eyes) -> None:
        self.net, self.task, self.eyes = net.eval(), task, eyes
        self.reset(0)

    def reset(self, seed: int = 0) -> None:
        """Start anew; there is nothing to draw."""
        self._sight: Sight | None = None

    @torch.inference_mode()
    def select_action(self, observation: dict[str, Any]) -> np.ndarray:
        """The action float32 [7] of this tick."""
        felt = np.asarray(observation["agent_pos"], np.float32)
        marks = self.eyes.find(observation).row(0)
        self._sight = (Sight.first(marks, felt) if self._sight is None
                       else self._sight.after(marks, felt))
        x = torch.from_numpy(features(self._sight, self.task))[None]
        return within(self.net(x)[0].numpy())


def examples(episodes: Sequence[Episode], task: str, eyes: Eyes) -> tuple[np.ndarray, np.ndarray]:
    """(features [N, FEATURES], actions [N, 7]) of all ticks of episodes, seen as the policy sees
    them."""
    xs, ys = [], []
    for episode in episodes:
        looks = {"pixels": episode.views, "agent_pos": episode.state}
        marks, sight = eyes.find(looks), None
        for t in range(len(episode.actions)):
            felt = episode.state[t]
            sight = Sight.first(marks.row(t), felt) if sight is None else sight.after(
                marks.row(t), felt)
            xs.append(features(sight, task))
        ys.append(episode.actions)
    if not xs:
        raise RoboticsError("episodes: none to learn from; one or more are accepted")
    return np.stack(xs), np.concatenate(ys).astype(np.float32)
