"""The built-in policies: scripts that see through one pair of eyes, from expert to hopeless.

    policy = make_policy("expert", "push")               # reset(seed), select_action(observation)
    policies = {name: lambda name=name: make_policy(name, "push") for name in POLICIES}

They know what a look shows and what the robot feels, never where things truly are, so that they act
in the true world and in the predicted one alike. One object is one run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import RoboticsError
from ..model.scene_reader import MARKS
from ..noise import check_seed, rng
from .eyes import FELT, Eyes, Sight, load_eyes
from .policy import Biased, Delayed, GripperFault, Noisy, Slow, within
from .scripted_skills import Carry, Errors, Manner, Shove, Skill

WORK = {"push": ("red", "goal"), "pick_place": ("red", "plate"), "stack": ("red", "blue"),
        "slide": ("knob", "rail_end")}
"""What each task moves, and where to."""
LOOSE = ("red", "blue", "yellow")


class Scripted:
    """One script (see Manner) of a task, looking through ``eyes``."""

    def __init__(self, task: str, eyes: Eyes, manner: Manner) -> None:
        if task not in WORK:
            raise RoboticsError(f"task: {task!r}; {', '.join(WORK)} are accepted")
        self.task, self.eyes, self.manner = task, eyes, manner
        self.reset(0)

    def reset(self, seed: int = 0) -> None:
        """Start anew; the seed decides the errors of this run."""
        self._errors = Errors.draw(self.manner, rng(check_seed(seed), "scripted", self.task))
        self._skill: Skill | None = None
        self._sight: Sight | None = None
        self._tick = 0
        self._grips: deque[float] = deque([0.0] * self.manner.late)

    def select_action(self, observation: dict[str, Any]) -> np.ndarray:
        """The action float32 [7] of this tick; RoboticsError for a batch of looks."""
        felt = np.asarray(observation["agent_pos"], np.float32)
        if felt.shape != (FELT,):
            raise RoboticsError(f"observation: agent_pos {felt.shape}; one look, [{FELT}], is "
                                "accepted; a policy object for each run")
        m, tick = self.manner, self._tick
        self._tick += 1
        looks = tick == 0 or (m.every > 0 and tick % m.every == 0)
        marks = self.eyes.find(observation).row(0) if looks else None
        self._sight = (Sight.first(marks, felt) if self._sight is None
                       else self._sight.after(marks, felt))
        if m.stop is not None and tick >= m.stop:
            return np.zeros(7, np.float32)
        self._skill = self._skill or self._begun(self._sight)
        action = self._skill.act(self._sight)
        self._grips.append(float(action[6]))
        action[6] = self._grips.popleft()
        return within(action)

    def _begun(self, sight: Sight) -> Skill:
        thing, goal = WORK[self.task]
        if self._errors.confused:
            thing = next((n for n in LOOSE if n not in (thing, goal)
                          and sight.known[MARKS.index(n)]), thing)
        if self.task in ("push", "slide"):
            rail = self.task == "slide" and thing == "knob"
            return Shove(self.manner, self._errors, thing, goal, rail=rail)
        return Carry(self.manner, self._errors, thing, goal, onto=self.task == "stack")


class Wander:
    """No script at all: smooth motion between drawn poses, eyes closed."""

    def __init__(self) -> None:
        self.reset(0)

    def reset(self, seed: int = 0) -> None:
        """Start anew; the seed decides the way."""
        self._rng, self._left = rng(check_seed(seed), "wander"), 0

    def select_action(self, observation: dict[str, Any]) -> np.ndarray:
        """The action float32 [7] of this tick."""
        felt = np.asarray(observation["agent_pos"], np.float64)
        r = self._rng
        if self._left <= 0:
            self._goal = np.array([*r.uniform(-0.25, 0.25, 2), r.uniform(0.01, 0.2)])
            self._yaw, self._grip = r.uniform(-1.2, 1.2), r.choice([-1.0, 1.0])
            self._left = int(r.integers(6, 16))
        self._left -= 1
        move = 0.4 * (self._goal - felt[:3])
        norm = float(np.linalg.norm(move))
        move *= min(1.0, 0.03 / max(norm, 1e-9))
        turn = [*(-0.5 * felt[3:5]), 0.3 * (self._yaw - felt[5])]
        return within([*move, *turn, self._grip])


# ------------------------------------------------------------------ the graded set


@dataclass(frozen=True)
class Recipe:
    """A policy of the set: what it does, its script, and what goes wrong around it."""

    about: str
    manner: Manner | None = Manner()
    around: Callable[[Any], Any] | None = None


RECIPES: dict[str, Recipe] = {
    "expert": Recipe("the script as good as it is"),
    "hasty": Recipe("above the limit of speed, and through keep-out zones",
                    Manner(step=0.066, gain=0.95, travel=0.085, clearance=0.0)),
    "low-flying": Recipe("moves low above the table and minds no keep-out zone",
                         Manner(travel=0.05, clearance=0.0)),
    "pressing": Recipe("presses down on the table while it works", Manner(high=-0.035)),
    "blind": Recipe("looks only at the start", Manner(every=0, retry=False)),
    "noisy-10": Recipe("actions with noise", around=lambda p: Noisy(p, 1.0)),
    "noisy-15": Recipe("actions with half as much noise again", around=lambda p: Noisy(p, 1.5)),
    "noisy-20": Recipe("actions with twice as much noise", around=lambda p: Noisy(p, 2.0)),
    "late-1": Recipe("actions a tick late", around=lambda p: Delayed(p, 1)),
    "late-2": Recipe("actions two ticks late", around=lambda p: Delayed(p, 2)),
    "slow-40": Recipe("40 % of every motion", around=lambda p: Slow(p, 0.4)),
    "slow-32": Recipe("32 % of every motion", around=lambda p: Slow(p, 0.32)),
    "slow-25": Recipe("25 % of every motion", around=lambda p: Slow(p, 0.25)),
    "biased-8": Recipe("drifts by 8 mm a tick", around=lambda p: Biased(p, 0.008)),
    "biased-12": Recipe("drifts by 12 mm a tick", around=lambda p: Biased(p, 0.012)),
    "aside-12": Recipe("takes hold some 12 mm beside the right place", Manner(aside=0.012)),
    "aside-18": Recipe("takes hold some 18 mm beside the right place", Manner(aside=0.018)),
    "aside-30": Recipe("takes hold some 30 mm beside the right place", Manner(aside=0.030)),
    "inexact-20": Recipe("brings the thing some 20 mm beside its place",
                         Manner(inexact=0.020)),
    "inexact-40": Recipe("brings the thing some 40 mm beside its place",
                         Manner(inexact=0.040)),
    "inexact-60": Recipe("brings the thing some 60 mm beside its place",
                         Manner(inexact=0.060)),
    "short-30": Recipe("ends the work at up to 30 % of the way before the end",
                       Manner(short=0.3, retry=False)),
    "short-90": Recipe("ends the work at up to 90 % of the way before the end",
                       Manner(short=0.9, retry=False)),
    "beyond-12": Recipe("goes on past the goal, by up to 12 cm",
                        Manner(beyond=0.12, retry=False)),
    "beyond-40": Recipe("goes on past the goal, by up to 40 cm",
                        Manner(beyond=0.4, retry=False)),
    "high-30": Recipe("works 30 mm too high", Manner(high=0.030)),
    "high-40": Recipe("works 40 mm too high", Manner(high=0.040)),
    "loose-grip": Recipe("closes its fingers too little", Manner(grip=0.38)),
    "late-grip": Recipe("its gripper obeys two ticks late", Manner(late=2)),
    "failing-grip": Recipe("its gripper opens by itself at one tick in four",
                           around=lambda p: GripperFault(p, 0.25)),
    "confused-30": Recipe("takes another thing in 3 runs of 10", Manner(confused=0.3)),
    "confused-50": Recipe("takes another thing in 5 runs of 10", Manner(confused=0.5)),
    "confused-70": Recipe("takes another thing in 7 runs of 10", Manner(confused=0.7)),
    "tired-28": Recipe("stands still after 28 ticks", Manner(stop=28)),
    "wandering": Recipe("moves about without a task", None),
    "idle": Recipe("stands still", Manner(stop=0)),
}
POLICIES: dict[str, str] = {name: recipe.about for name, recipe in RECIPES.items()}
"""Names of the built-in policies, and what each does."""


def make_policy(name: str, task: str, eyes: Eyes | None = None) -> Any:
    """A built-in policy of a task (push, pick_place, stack, slide) for one run.

    eyes  what it sees through; None: the shipped ones. Policies with the same eyes share looks:
          ``rollouts`` asks once a tick for all runs.
    """
    if name not in RECIPES:
        raise RoboticsError(f"policy {name!r}: {', '.join(RECIPES)} are accepted")
    if task not in WORK:
        raise RoboticsError(f"task: {task!r}; {', '.join(WORK)} are accepted")
    recipe = RECIPES[name]
    if recipe.manner is None:
        return Wander()
    policy: Any = Scripted(task, load_eyes() if eyes is None else eyes, recipe.manner)
    return policy if recipe.around is None else recipe.around(policy)
