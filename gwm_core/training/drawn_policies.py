"""Scripts with drawn habits, for recording: how they err is anywhere in wide ranges.

They are the skills of the built-in policies, told where things truly are (a little wrong) instead
of seeing it, with habits and faults of their own in every episode.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..model.scene_reader import MARKS, THINGS
from ..noise import rng
from ..robotics.eyes import Sight
from ..robotics.policy import Biased, Delayed, GripperFault, Noisy, Slow, reset_policy
from ..robotics.scripted import LOOSE, WORK
from ..robotics.scripted_skills import Carry, Errors, Manner, Shove, Skill
from ..simulators.tabletop import Truth

OFF, JITTER = 0.003, 0.0007
"""m: how wrong an episode is about a thing (each axis), and how much that changes in a tick."""
HABITS = {
    "push": ("high", "high", "pressing", "pressing", "aside", "inexact", "beyond", "short",
             "hasty", "low"),
    "pick_place": ("high", "pressing", "grip", "grip", "aside", "aside", "late", "beyond",
                   "inexact", "short", "hasty", "low"),
}
HABITS |= {"slide": HABITS["push"], "stack": HABITS["pick_place"]}
FAULTS = ("noise", "noise", "delay", "delay", "slow", "bias", "grip")


def drawn_manner(task: str, r: np.random.Generator) -> Manner:
    """A script's habits: none, one or two of HABITS, each of any strength."""
    values: dict[str, Any] = {"retry": r.random() < 0.8}
    for habit in r.choice(HABITS[task], int(r.choice([0, 1, 2], p=[0.25, 0.5, 0.25]))):
        if habit == "high":
            values["high"] = r.uniform(0.0, 0.048)
        elif habit == "pressing":
            values["high"] = -r.uniform(0.0, 0.05)
        elif habit == "grip":
            values["grip"] = r.uniform(0.30, 0.46) if r.random() < 0.7 else r.uniform(0.46, 1.0)
        elif habit == "aside":
            values["aside"] = r.uniform(0.004, 0.035)
        elif habit == "late":
            values["late"] = int(r.integers(1, 4))
        elif habit == "beyond":
            values["beyond"] = r.uniform(0.0, 0.45)
        elif habit == "inexact":
            values["inexact"] = r.uniform(0.0, 0.06)
        elif habit == "short":
            values["short"] = r.uniform(0.0, 1.0)
        elif habit == "hasty":
            values |= {"step": r.uniform(0.036, 0.07), "gain": r.uniform(0.7, 0.98)}
        else:
            values["travel"] = r.uniform(0.045, 0.115)
    if r.random() < 0.3:
        values["clearance"] = 0.0
    return Manner(**values)


def with_faults(policy: Any, r: np.random.Generator) -> Any:
    """The policy with none or one of FAULTS around it, of any strength."""
    if r.random() < 0.45:
        return policy
    fault = str(r.choice(FAULTS))
    if fault == "noise":
        return Noisy(policy, r.uniform(0.2, 2.4))
    if fault == "delay":
        return Delayed(policy, int(r.integers(1, 4)))
    if fault == "slow":
        return Slow(policy, r.uniform(0.2, 0.8))
    if fault == "bias":
        return Biased(policy, r.uniform(0.002, 0.014))
    return GripperFault(policy, r.uniform(0.05, 0.4))


class Told:
    """One script of a task that is told where things are; in some runs it takes another thing."""

    def __init__(self, task: str, manner: Manner, confused: float = 0.1) -> None:
        self.task, self.manner, self.confused = task, manner, confused
        self.reset(0)

    def reset(self, seed: int = 0) -> None:
        """Start anew; the seed decides the errors of this run."""
        self._rng = r = rng(seed, "drawn policy", self.task)
        self._errors = Errors.draw(self.manner, r)
        self._off = r.normal(0, OFF, (len(MARKS), 3))
        self._other = r.random() < self.confused
        self._skill: Skill | None = None
        self._grips = [0.0] * self.manner.late

    def select_action(self, observation: dict[str, Any]) -> np.ndarray:
        """The action [7] of this tick; the observation holds the Truth and agent_pos."""
        sight = self._sight(observation["truth"], observation["agent_pos"])
        self._skill = self._skill or self._begun(sight)
        action = self._skill.act(sight)
        self._grips.append(float(action[6]))
        action[6] = self._grips.pop(0)
        return action

    def _begun(self, sight: Sight) -> Skill:
        thing, goal = WORK[self.task]
        if self._other:
            thing = next((n for n in LOOSE if n not in (thing, goal)
                          and sight.known[MARKS.index(n)]), thing)
        if self.task in ("push", "slide"):
            return Shove(self.manner, self._errors, thing, goal, rail=thing == "knob")
        return Carry(self.manner, self._errors, thing, goal, onto=self.task == "stack")

    def _sight(self, truth: Truth, felt: Any) -> Sight:
        n = len(MARKS)
        place, yaw, half = np.zeros((n, 3)), np.zeros(n), np.full(n, 0.025)
        known = np.zeros(n, bool)
        for i, name in enumerate(MARKS):
            if name in truth.objects:
                _, place[i], angle, size, _ = truth.objects[name]
                yaw[i] = (angle + np.pi / 4) % (np.pi / 2) - np.pi / 4
                half[i], known[i] = float(size.mean()), True
            elif name in truth.zones:
                place[i], known[i] = truth.zones[name][1], True
        place = place + self._off + self._rng.normal(0, JITTER, place.shape)
        return Sight(place, yaw, half, known, np.zeros(THINGS, int), None,
                     np.asarray(felt, np.float64), 1, known.astype(float),
                     place[None, :THINGS], yaw[None, :THINGS])


def drawn_policy(task: str, seed: int) -> Any:
    """A script with habits and faults that the seed draws, ready to begin."""
    r = rng(seed, "drawn habits", task)
    policy = with_faults(Told(task, drawn_manner(task, r)), r)
    reset_policy(policy, seed)
    return policy
