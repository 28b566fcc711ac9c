"""What a planner tries: motions of the gripper with few parameters.

White noise of forty seven-part actions never meets a box. So a proposal is a value that turns
parameters into actions: ``Push`` a thing along a line, ``PickPlace`` it, or ``Noise`` around given
actions. A search (``planning.py``) finds the parameters; nothing here knows what they lead to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import RoboticsError
from .policy import LIMIT, WIDTH, within
from .table_model import TableState, yaw_of

TRAVEL = 0.115
"""m: height of free motion, above whatever stands on the table."""
PACE = 0.036
"""m a tick of free motion, below the speed that counts as a violation."""
TURN = 0.25
"""rad a tick."""
YAW = 1.48
"""rad, either way: how far the gripper turns."""


class Proposal(Protocol):
    """See the module. Both methods take a state of one run."""

    @property
    def name(self) -> str: ...

    def start(self, state: TableState) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation [P] of the parameters to begin with."""

    def actions(self, state: TableState, parameters: np.ndarray, horizon: int) -> np.ndarray:
        """float32 [N, T, 7] of parameters [N, P], at most ``horizon`` ticks long."""


@dataclass(frozen=True, eq=False)
class Here:
    """One run's state as arrays: where the gripper is told to be [6], how far to close (0..1), its
    tip [3], and of things place [K, 3], yaw [K], half [K, 3]."""

    told: np.ndarray
    closing: float
    tip: np.ndarray
    place: np.ndarray
    yaw: np.ndarray
    half: np.ndarray


def here(state: TableState) -> Here:
    """RoboticsError for a state of several runs."""
    if len(state) != 1:
        raise RoboticsError(f"state: {len(state)} runs; a plan begins at one "
                            "(state.pick([i]) is one)")
    robot, things = state.robot, state.things
    return Here(robot.target[0].double().numpy(), float(robot.closing[0]),
                robot.pose[0, :3].double().numpy(), things.place[0].double().numpy(),
                yaw_of(things.axes)[0].double().numpy(), things.half[0].double().numpy())


@dataclass(frozen=True, eq=False)
class Legs:
    """N ways of M legs: where each ends, place [N, M, 3] (m), yaw (rad) and closing (0..1) [N, M],
    pace [M] (m a tick) and ticks to wait there [M]."""

    place: np.ndarray
    yaw: np.ndarray
    closing: np.ndarray
    pace: np.ndarray
    wait: np.ndarray


def follow(now: Here, legs: Legs, horizon: int) -> np.ndarray:
    """Actions float32 [N, T, 7] along legs; ways that end earlier stand still. T is the longest of
    them, from 1 to ``horizon``."""
    n, m = legs.yaw.shape
    rows, leg, left = np.arange(n), np.zeros(n, int), np.full(n, legs.wait[0])
    at, level = np.tile(now.told[:3], (n, 1)), np.tile(now.told[3:5], (n, 1))
    turn, shut = np.full(n, now.told[5]), np.full(n, now.closing)
    out = []
    for _ in range(horizon):
        for _ in range(m):  # a leg that leads nowhere takes no tick
            k = np.minimum(leg, m - 1)
            there = (np.linalg.norm(legs.place[rows, k] - at, axis=1) < 1e-6) & (left <= 0)
            there &= np.abs(legs.yaw[rows, k] - turn) < 1e-6
            there &= (np.abs(legs.closing[rows, k] - shut) < 1e-6) & (leg < m)
            if not there.any():
                break
            leg = leg + there
            left = np.where(there, legs.wait[np.minimum(leg, m - 1)], left)
        going = leg < m
        if not going.any():
            break
        k = np.minimum(leg, m - 1)
        gap = legs.place[rows, k] - at
        far = np.linalg.norm(gap, axis=1)
        left = left - (far < 1e-6)
        a = np.zeros((n, WIDTH))
        a[:, :3] = gap * np.minimum(1.0, legs.pace[k] / np.maximum(far, 1e-9))[:, None]
        a[:, 3:5] = np.clip(-level, -TURN, TURN)
        a[:, 5] = np.clip(legs.yaw[rows, k] - turn, -TURN, TURN)
        a[:, 6] = np.clip(2 * (legs.closing[rows, k] - shut), -1, 1)
        a *= going[:, None]
        at, level, turn = at + a[:, :3], level + a[:, 3:5], turn + a[:, 5]
        shut = np.clip(shut + 0.5 * a[:, 6], 0, 1)
        out.append(a)
    return within(np.stack(out, 1) if out else np.zeros((n, 1, WIDTH)))


@dataclass(frozen=True)
class Push:
    """Behind a thing, down, along a line, back and up.

    thing   index of what is pushed
    toward  (x, y) m where it should go; None: in any direction

    Parameters: direction (rad), shift of the line sideways (m), how far the thing should go (m).
    """

    thing: int
    toward: tuple[float, float] | None = None

    CLOSING, LOW, BACK, STROKE = 0.7, 0.022, 0.025, 0.022

    @property
    def name(self) -> str:
        return f"push {self.thing}"

    def start(self, state: TableState) -> tuple[np.ndarray, np.ndarray]:
        if self.toward is None:
            return np.array([0.0, 0.0, 0.12]), np.array([math.pi, 0.008, 0.06])
        gap = np.asarray(self.toward) - here(state).place[self.thing, :2]
        mean = np.array([math.atan2(gap[1], gap[0]), 0.0, float(np.hypot(*gap))])
        return mean, np.array([0.25, 0.006, 0.02])

    def actions(self, state: TableState, parameters: np.ndarray, horizon: int) -> np.ndarray:
        now = here(state)
        angle, shift, far = parameters.T
        ahead = np.stack([np.cos(angle), np.sin(angle)], 1)
        aside = np.stack([-ahead[:, 1], ahead[:, 0]], 1)
        middle, half = now.place[self.thing, :2], now.half[self.thing]
        line = middle + shift[:, None] * aside
        clear = 0.012 + float(np.hypot(*half[:2]))
        ready = line - (clear + self.BACK) * ahead
        touch = float(half[0]) + 0.012
        end = line + (np.clip(far, 0, 0.5) - touch)[:, None] * ahead
        low = np.full(len(ready), self.LOW)
        # from behind the thing there is no need to rise and come down again
        near = now.tip[2] < self.LOW + 0.015
        rel = now.told[:2] - middle
        near = near & (ahead @ rel < -0.8 * float(half[0]))
        near &= np.linalg.norm(ready - now.told[:2], axis=1) < 0.09
        gap = np.abs(((now.told[:2] - line) * aside).sum(1))
        straight = near & (gap < 0.003)
        first = np.where(near[:, None], now.told[:3], _risen(now))
        over = np.where(near[:, None], first, _at(ready, TRAVEL))
        begin = np.where(straight[:, None], now.told[:3], _at(ready, low))
        back = end - 0.03 * ahead
        legs = np.stack([first, over, begin, _at(end, low), _at(back, low), _at(back, TRAVEL)], 1)
        turn = _across(angle, now.told[5])
        yaw = np.tile(turn[:, None], (1, 6))
        yaw[:, 0] = np.where(near, turn, now.told[5])
        return follow(now, Legs(legs, yaw, np.full(yaw.shape, self.CLOSING),
                                np.array([PACE, PACE, 0.032, self.STROKE, 0.02, 0.03]),
                                np.zeros(6, int)), horizon)


@dataclass(frozen=True)
class PickPlace:
    """Over a thing, down, close, lift, over its new place, down, open, up. One that is held already
    is carried on.

    thing   index of what is taken
    toward  (x, y, z) m where its centre should be; None: anywhere near

    Parameters: shift of the grasp x, y (m), its depth below the centre (m), its turn (rad), shift
    of the new place x, y, z (m).
    """

    thing: int
    toward: tuple[float, float, float] | None = None

    LIFT, CLEAR = 0.125, 0.003

    @property
    def name(self) -> str:
        return f"pick and place {self.thing}"

    def start(self, state: TableState) -> tuple[np.ndarray, np.ndarray]:
        mean = np.array([0.0, 0.0, 0.010, 0.0, 0.0, 0.0, self.CLEAR])
        sd = np.array([0.003, 0.003, 0.003, 0.06, 0.006, 0.006, 0.003])
        if self.toward is None:
            sd[4:], mean[6] = [0.12, 0.12, 0.03], 0.03
        return mean, sd

    def actions(self, state: TableState, parameters: np.ndarray, horizon: int) -> np.ndarray:
        now, n = here(state), len(parameters)
        thing = now.place[self.thing]
        goal = thing if self.toward is None else np.asarray(self.toward, np.float64)
        aim = goal + parameters[:, 4:7]
        held = bool(now.closing > 0.5 and np.linalg.norm(now.tip - thing) < 0.03)
        turn = np.full(n, now.told[5])
        if held:
            grasp = np.tile(now.told[:3], (n, 1))
        else:
            grasp = thing + parameters[:, :3] * [1, 1, -1]
            turn = np.clip(_quarter(now.yaw[self.thing], now.told[5]) + parameters[:, 3],
                           -YAW, YAW)
        hold = (now.tip if held else grasp) - thing  # the tip relative to what it holds
        lift = max(self.LIFT, float(goal[2] - now.half[self.thing, 2]) + self.LIFT)
        high = np.full(n, lift)
        place = aim + hold
        first = grasp if held else np.tile(_risen(now), (n, 1))
        over = grasp if held else _at(grasp[:, :2], np.full(n, max(TRAVEL, thing[2] + 0.06)))
        legs = np.stack([first, over, grasp, grasp, _at(grasp[:, :2], high),
                         _at(place[:, :2], high), place, place, _at(place[:, :2], high)], 1)
        yaw = np.tile(turn[:, None], (1, 9))
        yaw[:, 0] = now.told[5]
        shut = float(held)
        closing = np.tile([shut, shut, shut, 1, 1, 1, 1, 0, 0], (n, 1)).astype(np.float64)
        wait = np.array([0, 0, 0, 0 if held else 2, 0, 0, 1, 2, 0])
        pace = np.array([PACE, PACE, 0.03, PACE, 0.034, PACE, 0.024, PACE, 0.03])
        return follow(now, Legs(legs, yaw, closing, pace, wait), horizon)


@dataclass(frozen=True, eq=False)
class Noise:
    """Smooth noise: parameters are actions at ``knots`` ticks, straight lines between them.

    ticks   how long the actions are, where none are given to vary
    scale   standard deviation as a share of the actions' limits
    around  actions [T, 7] that are varied; None: standing still
    """

    ticks: int = 40
    knots: int = 8
    scale: float = 0.5
    around: np.ndarray | None = None

    name = "noise"

    def start(self, state: TableState) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(self.knots * WIDTH), np.tile(self.scale * LIMIT, self.knots)

    def actions(self, state: TableState, parameters: np.ndarray, horizon: int) -> np.ndarray:
        base = np.zeros((self.ticks, WIDTH)) if self.around is None else self.around
        base = base[:horizon]
        knots = parameters.reshape(-1, self.knots, WIDTH)
        at = np.linspace(0, self.knots - 1, len(base))
        before = np.minimum(at.astype(int), max(self.knots - 2, 0))
        share = (at - before)[:, None]
        after = np.minimum(before + 1, self.knots - 1)
        return within(base + (1 - share) * knots[:, before] + share * knots[:, after])


def _at(xy: np.ndarray, z) -> np.ndarray:
    """Points [N, 3] over xy [N, 2] at height(s) z."""
    return np.concatenate([xy, np.broadcast_to(np.asarray(z, np.float64), len(xy))[:, None]], 1)


def _risen(now: Here) -> np.ndarray:
    """Where the gripper is told to be, or the same raised clear of things."""
    return np.array([*now.told[:2], max(now.told[2], TRAVEL - 0.02)])


def _quarter(yaw: float, now: float) -> float:
    """The turn of a square thing that is nearest to the gripper's own, within its limits."""
    quarter = math.pi / 2
    turn = yaw + quarter * round((now - yaw) / quarter)
    return turn - quarter * (turn > YAW) + quarter * (turn < -YAW)


def _across(heading: np.ndarray, now: float) -> np.ndarray:
    """Yaws at which both fingers stand across headings [N], the nearest within the limits."""
    turn = heading - math.pi / 2
    turn = turn + math.pi * np.round((now - turn) / math.pi)
    other = turn - np.copysign(math.pi, turn)
    better = (np.abs(turn) > YAW) & (np.abs(other) < np.abs(turn))
    return np.clip(np.where(better, other, turn), -YAW, YAW)
