"""Closed-loop skills of the built-in policies: carry a thing to a place, shove it there.

A skill sees a ``Sight``: what eyes and proprioception tell, never where things truly are. What a
policy does worse than it could is in its ``Manner``; what of that chance decides, in ``Errors``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..model.scene_reader import MARKS
from .eyes import Sight

TRAVEL, LIFT = 0.115, 0.125
"""m: heights of free and of loaded motion."""
GRASP = 0.010
"""m below a box's centre, where it is taken."""
LOW = 0.022
"""m: height of the tip while it shoves."""
EMPTY = 0.2
"""Opening below which nothing is between the fingers."""
KEEP_OUT = MARKS.index("keep_out")


@dataclass(frozen=True)
class Manner:
    """How a policy works; the values given here are the careful ones.

    step, gain  m a tick at most, and the share of the way to a goal that it goes in a tick
    travel      m, height of free motion; clearance: m that it keeps from the middle of a keep-out
                zone, 0 where it does not care
    aside       m, standard deviation of where it takes hold or touches (each level axis)
    inexact     m, standard deviation of where it brings the thing (each level axis)
    high        m above the right height to take hold or to shove; below 0: it presses down
    grip        0..1, how far it closes the fingers on a thing; late: ticks its gripper is late
    short       it ends the work early: at most at this share of the way before the end
    beyond      m that it goes on past the goal at most
    confused    chance that it takes another thing
    stop        tick from which it stands still
    every       it looks once in so many ticks; 0: only at the start
    retry       whether it looks if the work is done, and tries again
    """

    step: float = 0.036
    gain: float = 0.72
    travel: float = TRAVEL
    clearance: float = 0.10
    aside: float = 0.0
    inexact: float = 0.0
    high: float = 0.0
    grip: float = 1.0
    late: int = 0
    short: float = 0.0
    beyond: float = 0.0
    confused: float = 0.0
    stop: int | None = None
    every: int = 1
    retry: bool = True


@dataclass(frozen=True)
class Errors:
    """What chance decided for one run: aside and goal [2] m, short (share of the way), beyond
    (m), and whether it takes another thing."""

    aside: np.ndarray
    goal: np.ndarray
    short: float
    beyond: float
    confused: bool

    @classmethod
    def draw(cls, manner: Manner, r: np.random.Generator) -> Errors:
        """All numbers are drawn for every manner, so that equal seeds give kindred errors."""
        return cls(manner.aside * r.standard_normal(2), manner.inexact * r.standard_normal(2),
                   manner.short * float(r.random()), manner.beyond * float(r.random()),
                   float(r.random()) < manner.confused)


class Skill:
    """What both skills share: ways through the air, and phases, one after another.

    A phase is a method: an action, or None after it went on to the next one.
    """

    CLOSING = 0.0  # of the fingers while they move free

    def __init__(self, manner: Manner, errors: Errors, thing: str, goal: str) -> None:
        self.manner, self.errors = manner, errors
        self.thing, self.goal = MARKS.index(thing), MARKS.index(goal)
        self._phase, self._count, self._closing = "reach", 0, 0.0

    def act(self, s: Sight) -> np.ndarray:
        """The action [7] of this tick."""
        self._count += 1
        action = None
        if not (s.known[self.thing] and s.known[self.goal]):
            action = self._stay(s)
        while action is None:
            action = getattr(self, f"_{self._phase}")(s)
        self._closing = min(max(self._closing + 0.5 * min(max(action[6], -1.0), 1.0), 0.0), 1.0)
        return action

    def _next(self, phase: str) -> None:
        self._phase, self._count = phase, 0

    def _reach(self, s: Sight) -> np.ndarray | None:
        raise NotImplementedError

    def _stay(self, s: Sight) -> np.ndarray:
        return self._to(s, s.felt[:3], None, self.CLOSING)

    def _to(self, s: Sight, goal, yaw: float | None, closing: float,
            step: float | None = None) -> np.ndarray:
        """Towards a tip position, a yaw and a closing."""
        limit = self.manner.step if step is None else min(step, self.manner.step)
        d = self.manner.gain * (np.asarray(goal, np.float64) - s.felt[:3])
        norm = float(np.linalg.norm(d))
        if norm > limit:
            d *= limit / norm
        turn = 0.0 if yaw is None else 0.7 * (yaw - s.felt[5])
        return np.array([*d, *(-0.5 * s.felt[3:5]), turn, self._fingers(s, closing)])

    def _fingers(self, s: Sight, closing: float) -> float:
        """The change of closing; all the way it goes whatever became of earlier commands."""
        if closing <= 0 or closing >= 1:
            return -1.0 if closing <= 0 else 1.0
        return 2.0 * (closing - self._closing)

    def _over(self, s: Sight, goal, yaw: float | None, closing: float,
              height: float) -> np.ndarray:
        """Travel at a height to above a point [2], around the keep-out zone."""
        tip = s.felt[:3]
        way = self._around(s, np.asarray(goal[:2], np.float64))
        if tip[2] < height - 0.03 and math.dist(tip[:2], way) > 0.02:  # up first, then across
            way = tip[:2] + (0.2 if tip[2] < height - 0.06 else 0.5) * (way - tip[:2])
        return self._to(s, [*way, height], yaw, closing)

    def _around(self, s: Sight, goal: np.ndarray) -> np.ndarray:
        """The goal, or a point beside the keep-out zone where that lies in the way."""
        clear = self.manner.clearance
        if not s.known[KEEP_OUT] or not clear:
            return goal
        centre, tip = s.place[KEEP_OUT, :2], s.felt[:2]
        along = goal - tip
        length = float(np.hypot(*along))
        if length < 1e-6:
            return goal
        along = along / length
        t = float((centre - tip) @ along)
        aside = centre - tip - t * along
        if not 0 < t < length + 0.02 or np.hypot(*aside) >= clear:
            return goal
        left = np.array([-along[1], along[0]])
        side = -1.0 if float(left @ aside) > 0 else 1.0
        return centre + side * (clear + 0.015) * left


class Carry(Skill):
    """Over the thing, down, close, lift, over its place, lower, open, up; again if it failed."""

    def __init__(self, manner: Manner, errors: Errors, thing: str, goal: str,
                 onto: bool = False) -> None:
        super().__init__(manner, errors, thing, goal)
        self.onto = onto  # the goal is a thing, and its top is where the work ends
        self._at = self._from = np.zeros(3)

    def _place(self, s: Sight) -> tuple[np.ndarray, float]:
        """Where the thing has to go [2], and the height of what it will stand on."""
        goal = s.place[self.goal]
        line = goal[:2] - self._from[:2]
        ahead = line / max(float(np.hypot(*line)), 1e-6)
        floor = float(goal[2] + s.half[self.goal]) if self.onto else 0.0
        return goal[:2] + self.errors.goal + self.errors.beyond * ahead, floor

    def _grasp(self, s: Sight) -> np.ndarray:
        m, thing = self.manner, s.place[self.thing]
        height = max(float(thing[2]), 0.8 * float(s.half[self.thing])) - GRASP + m.high
        return np.array([*(thing[:2] + self.errors.aside), height])

    def _turn(self, s: Sight) -> float:
        return nearest_quarter(float(s.yaw[self.thing]), float(s.felt[5]))

    def _height(self, floor: float) -> float:
        return floor + max(self.manner.travel, 0.06) + LIFT - TRAVEL

    def _reach(self, s: Sight) -> np.ndarray | None:
        grasp, turn = self._grasp(s), self._turn(s)
        if math.dist(s.felt[:2], grasp[:2]) < 0.008 and abs(turn - s.felt[5]) < 0.09:
            return self._next("down")
        return self._over(s, grasp, turn, 0.0, max(self.manner.travel, grasp[2] + 0.07))

    def _down(self, s: Sight) -> np.ndarray | None:
        grasp = self._grasp(s)
        if s.felt[2] < grasp[2] + 0.006 or self._count > 10:
            self._at, self._from = grasp, s.place[self.thing].copy()
            return self._next("close")
        return self._to(s, grasp, self._turn(s), 0.0, 0.03)

    def _close(self, s: Sight) -> np.ndarray | None:
        if self._count > 3:
            return self._next("lift")
        return self._to(s, self._at, None, self.manner.grip)

    def _lift(self, s: Sight) -> np.ndarray | None:
        floor = self._place(s)[1]
        height = self._height(floor)
        if s.felt[2] > height - 0.012 or self._count > 9:
            low = s.held != self.thing and s.place[self.thing, 2] < self._from[2] + 0.02
            empty = low or s.felt[6] < EMPTY
            return self._next("open" if empty and self.manner.retry else "bring")
        return self._to(s, [*s.felt[:2], height], None, self.manner.grip, 0.034)

    def _bring(self, s: Sight) -> np.ndarray | None:
        (goal, floor), thing = self._place(s), s.place[self.thing]
        left = math.dist(thing[:2], goal)
        if s.felt[6] < EMPTY and self.manner.retry:
            return self._next("open")
        if self.errors.short and left < self.errors.short * math.dist(self._from[:2], goal):
            return self._next("open")
        if left < 0.008 or self._count > 30:
            return self._next("lower")
        hold = s.felt[:2] - thing[:2]
        if float(np.hypot(*hold)) > 0.05:  # it stayed behind: the hold would grow with every step
            hold = np.zeros(2)
        return self._over(s, goal + hold, None, self.manner.grip, self._height(floor))

    def _lower(self, s: Sight) -> np.ndarray | None:
        (goal, floor), thing = self._place(s), s.place[self.thing]
        bottom = float(thing[2] - s.half[self.thing]) - floor
        if bottom < 0.004 or self._count > 9 or (self._count > 2 and s.felt[8] > 2.5):
            return self._next("open")
        aim = goal + s.felt[:2] - thing[:2]
        return self._to(s, [*aim, s.felt[2] - bottom], None, self.manner.grip, 0.024)

    def _open(self, s: Sight) -> np.ndarray | None:
        if self._count > 3:
            return self._next("up")
        return self._to(s, s.felt[:3], None, 0.0)

    def _up(self, s: Sight) -> np.ndarray | None:
        goal, floor = self._place(s)
        if self.manner.retry and self._count > 6:
            thing = s.place[self.thing]
            on = math.dist(thing[:2], goal) < 0.03 and thing[2] > floor
            if not on and reachable(thing):
                return self._next("reach")
        return self._to(s, [*s.felt[:2], self._height(floor)], None, 0.0, 0.03)


class Shove(Skill):
    """Behind the thing, down, along the line to the goal, back, up; again if it failed."""

    CLOSING = 0.7

    def __init__(self, manner: Manner, errors: Errors, thing: str, goal: str,
                 rail: bool = False) -> None:
        super().__init__(manner, errors, thing, goal)
        self.rail = rail  # the thing moves along a line that ends at the goal
        self._ahead: np.ndarray | None = None
        self._first: float | None = None
        self._tries = 0

    def _fingers(self, s: Sight, closing: float) -> float:
        return 2.0 * (closing - 1 + float(s.felt[6]))  # nothing is between them

    def _line(self, s: Sight) -> tuple[np.ndarray, float]:
        """The direction of the shove, and how far it still is (m)."""
        e = self.errors
        line = s.place[self.goal, :2] + e.goal - s.place[self.thing, :2]
        left = float(np.hypot(*line))
        free = self._phase in ("reach", "down") if self.rail else left > 0.05
        # Near the goal the line turns with every error; a rail's never turns at all.
        if self._ahead is None or (free and not (self.rail and self._tries)):
            self._ahead = line / max(left, 1e-6)
        left = float(line @ self._ahead)
        self._first = left if self._first is None else self._first
        return self._ahead, left + e.beyond - e.short * max(self._first, 0.0)

    def _ready(self, s: Sight, ahead: np.ndarray) -> np.ndarray:
        back = 0.037 + math.sqrt(2) * float(s.half[self.thing])
        return s.place[self.thing, :2] - back * ahead + self._side(ahead)

    def _side(self, ahead: np.ndarray) -> np.ndarray:
        """The error of where it touches: across the push only."""
        across = np.array([-ahead[1], ahead[0]])
        return float(self.errors.aside @ across) * across

    def _reach(self, s: Sight) -> np.ndarray | None:
        ahead, _ = self._line(s)
        ready, turn = self._ready(s, ahead), across(math.atan2(ahead[1], ahead[0]), s.felt[5])
        if math.dist(s.felt[:2], ready) < 0.012 and abs(turn - s.felt[5]) < 0.12:
            return self._next("down")
        return self._over(s, ready, turn, self.CLOSING, self.manner.travel)

    def _down(self, s: Sight) -> np.ndarray | None:
        ahead, _ = self._line(s)
        low = LOW + self.manner.high
        if s.felt[2] < low + 0.008 or self._count > 8:
            return self._next("along")
        turn = across(math.atan2(ahead[1], ahead[0]), s.felt[5])
        return self._to(s, [*self._ready(s, ahead), low], turn, self.CLOSING, 0.032)

    def _along(self, s: Sight) -> np.ndarray | None:
        ahead, left = self._line(s)
        rel = s.felt[:2] - s.place[self.thing, :2]
        side = np.array([-ahead[1], ahead[0]])
        wanted = float(self._side(ahead) @ side)
        aside = float(rel @ side) - wanted
        near = 0.003 if self.rail else 0.014
        blocked = self.rail and left < 0.03 and s.felt[8] > 6.0
        if left < near or blocked:
            return self._next("away")
        if abs(aside) > 0.032 or float(rel @ ahead) > 0.0 or self._count > 45:
            return self._next("up")
        gap = -float(rel @ ahead) - float(s.half[self.thing]) - 0.012
        pace = min(0.022, max(gap, 0.0) + min(max(left, 0.0) + 0.004, 0.030))
        if left < 0.04 and gap < 0.01 and not self.errors.beyond:
            pace = min(pace, 0.4 * left + 0.004)
        shift = float(np.clip(-1.2 * aside, -0.02, 0.02))
        turn = across(math.atan2(ahead[1], ahead[0]), s.felt[5])
        action = self._to(s, [*s.felt[:2], LOW + self.manner.high], turn, self.CLOSING)
        action[:2] = pace * ahead + shift * side
        return action

    def _away(self, s: Sight) -> np.ndarray | None:
        ahead, _ = self._line(s)
        if self._count > 3:
            return self._next("up")
        back = [*(s.felt[:2] - 0.03 * ahead), LOW + self.manner.high]
        return self._to(s, back, None, self.CLOSING, 0.02)

    def _up(self, s: Sight) -> np.ndarray | None:
        if self.manner.retry and self._count > 5:
            thing, goal = s.place[self.thing], s.place[self.goal, :2] + self.errors.goal
            there = math.dist(thing[:2], goal) < (0.012 if self.rail else 0.03)
            if not there and reachable(thing):
                self._tries += 1
                return self._next("reach")
        return self._to(s, [*s.felt[:2], self.manner.travel], None, self.CLOSING, 0.03)


def reachable(place: np.ndarray) -> bool:
    """Whether a thing still lies where the gripper can work on it."""
    return bool((np.abs(place[:2]) < 0.27).all()) and float(place[2]) > 0


def nearest_quarter(yaw: float, now: float) -> float:
    """The turn of a square thing that is nearest to the gripper's own, within its limits."""
    quarter = math.pi / 2
    turn = yaw + quarter * round((now - yaw) / quarter)
    while abs(turn) > 1.45:
        turn -= math.copysign(quarter, turn)
    return turn


def across(heading: float, now: float) -> float:
    """The yaw at which both fingers stand across a heading, nearest to the gripper's own."""
    turn = heading - math.pi / 2
    turn += math.pi * round((now - turn) / math.pi)
    if abs(turn) > 1.45:
        other = turn - math.copysign(math.pi, turn)
        turn = other if abs(other) < abs(turn) else turn
    return float(np.clip(turn, -1.48, 1.48))
