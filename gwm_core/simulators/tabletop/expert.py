"""Scripted policies that read the true poses: for recording, not for evaluation.

Each task has one closed-loop script; a style bends it: noise on the actions, faults in where and
when it grasps and lets go, haste, or no task at all (smooth random motion).
"""

from __future__ import annotations

import math

import numpy as np

from ...errors import RoboticsError
from ...noise import rng
from ...robotics.scripted_skills import across
from .randomise import check_task
from .sim import ACTION_LIMIT
from .tasks import Truth

STYLES = ("expert", "noisy", "clumsy", "wander", "fast")
TRAVEL, LIFT = 0.115, 0.125  # heights (m) of free and of loaded motion
GRASP = 0.010  # how far below a box's centre the tip takes it
AROUND = 0.10  # m, clearance of the keep-out zone's centre
SAFE_STEP = 0.036  # m a tick, below the speed limit


def expert(task: str, style: str = "expert") -> Expert:
    """A scripted policy of a task (TASKS) and a style (STYLES)."""
    check_task(task)
    if style not in STYLES:
        raise RoboticsError(f"style: got {style!r}; accepted are {', '.join(STYLES)}")
    return Expert(task, style)


class Expert:
    """`reset(seed)`, then `act(truth, obs) -> float32 [7]` once a tick."""

    def __init__(self, task: str, style: str) -> None:
        self.task, self.style = task, style
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start anew; the seed decides noise, faults and wandering."""
        self._rng = r = rng(seed, "tabletop", self.task, "expert", self.style)
        self._phase, self._count, self._closing = "start", 0, 0.0
        self._step, self._gain = SAFE_STEP, 0.72
        self._noise = np.zeros(7)
        self._around, self._travel = AROUND, TRAVEL
        self._offset, self._early, self._beyond, self._press = np.zeros(3), None, 0.0, 0.0
        self._goal: np.ndarray | None = None
        self._visit: np.ndarray | None = None
        self._grab, self._bear = 0, math.inf  # N at which it stops pressing
        if self.style == "noisy":
            size = float(r.choice([0.3, 0.6, 1.0, 1.6]))
            self._noise = size * np.array([0.011, 0.011, 0.009, 0.03, 0.03, 0.06, 0.10])
        elif self.style == "fast":
            self._step, self._gain, self._travel = float(r.uniform(0.038, 0.07)), 0.9, 0.085
            self._around = 0.0
        elif self.style == "clumsy":
            self._clumsy(r)
        elif self.style == "wander":
            self._noise = np.array([0.002] * 3 + [0.01] * 3 + [0.02])
            self._grab = int(r.integers(2, 5)) if r.random() < 0.5 else 0

    def _clumsy(self, r: np.random.Generator) -> None:
        """Draw this episode's faults."""
        kinds = (["aside", "beyond", "beyond", "low", "careless", "high"]
                 if self.task in ("push", "slide")
                 else ["high", "low", "aside", "early", "early", "early", "careless", "beyond"])
        kind = kinds[int(r.integers(len(kinds)))]
        self._around = AROUND if r.random() < 0.3 else 0.0
        if r.random() < 0.35:  # through the keep-out zone, or just past it
            turn, far = r.uniform(-math.pi, math.pi), r.uniform(0.0, 0.10)
            self._visit = far * np.array([math.cos(turn), math.sin(turn)])
        self._noise = float(r.uniform(0, 0.5)) * np.array([0.011] * 3 + [0.03] * 3 + [0.05])
        if kind == "high":
            self._offset[2] = r.uniform(0.018, 0.045)
        elif kind == "low":
            self._press = float(r.uniform(0.012, 0.035))
            self._bear = float(r.uniform(6.0, 20.0))
        elif kind == "aside":
            turn, far = r.uniform(-math.pi, math.pi), r.uniform(0.012, 0.035)
            self._offset[:2] = far * math.cos(turn), far * math.sin(turn)
        elif kind == "early":
            self._early = int(r.integers(3, 12))
        elif kind == "beyond":
            far = (0.01, 0.06) if self.task == "slide" else (0.15, 0.5)
            self._beyond = float(r.uniform(*far))
            self._bear = float(r.uniform(6.0, 20.0))
        else:
            self._travel = float(r.uniform(0.03, 0.07))

    # ------------------------------------------------------------------ one tick
    def act(self, truth: Truth, obs: dict | None = None) -> np.ndarray:
        """The action of this tick, float32 [7], within ACTION_LIMIT."""
        if truth.force > self._bear:
            self._press = self._beyond = 0.0
        if self.style == "wander":
            take = self._grab and "red" in truth.objects
            take = take and self._phase in ("start", "down", "close", "lift")
            action = self._carry(truth) if take else self._wander(truth)
        elif self._visit is not None and "keep_out" in truth.zones and self._phase == "start":
            action = self._pass_by(truth)
        elif self.task == "push":
            action = self._shove(truth, "red", truth.zones["goal"][1], 0.012)
        elif self.task == "slide":
            action = self._shove(truth, "knob", truth.zones["rail_end"][1], 0.006)
        else:
            action = self._carry(truth)
        action = action + self._noise * self._rng.standard_normal(7)
        action = np.clip(action, -ACTION_LIMIT, ACTION_LIMIT)
        self._closing = float(np.clip(self._closing + 0.5 * action[6], 0.0, 1.0))
        return action.astype(np.float32)

    def _to(self, truth: Truth, goal, yaw: float | None, closing: float,
            step: float | None = None) -> np.ndarray:
        """An action towards a tip position, a yaw and a closing."""
        limit = self._step if step is None else min(step, self._step)
        d = self._gain * (np.asarray(goal, np.float64) - truth.tip)
        norm = float(np.linalg.norm(d))
        if norm > limit:
            d *= limit / norm
        turn = 0.0 if yaw is None else 0.7 * (yaw - truth.rpy[2])
        level = -0.5 * truth.rpy[:2]
        return np.array([*d, *level, turn, 2.0 * (closing - self._closing)])

    def _over(self, truth: Truth, goal, yaw: float | None, closing: float,
              height: float) -> np.ndarray:
        """Travel at a height, around the keep-out zone; down only by the caller's goal."""
        goal = np.array([goal[0], goal[1], height])
        way = self._around_zone(truth, goal[:2])
        far = math.dist(truth.tip[:2], way)
        if truth.tip[2] < height - 0.03 and far > 0.02:  # up first, then across
            lead = 0.2 if truth.tip[2] < height - 0.06 else 0.5
            way = truth.tip[:2] + lead * (way - truth.tip[:2])
        return self._to(truth, [*way, height], yaw, closing)

    def _around_zone(self, truth: Truth, goal: np.ndarray) -> np.ndarray:
        """The goal, or a point beside the keep-out zone where it lies in the way."""
        zone = truth.zones.get("keep_out")
        if zone is None or not self._around:
            return goal
        centre, tip = zone[1][:2], truth.tip[:2]
        along = goal - tip
        length = float(np.hypot(*along))
        if length < 1e-6:
            return goal
        along = along / length
        t = float((centre - tip) @ along)
        aside = centre - tip - t * along
        if not 0 < t < length + 0.02 or np.hypot(*aside) >= self._around:
            return goal
        left = np.array([-along[1], along[0]])
        side = -1.0 if float(left @ aside) > 0 else 1.0
        return centre + side * (self._around + 0.015) * left

    def _pass_by(self, truth: Truth) -> np.ndarray:
        """On the way: to a place in or beside the keep-out zone."""
        place = truth.zones["keep_out"][1][:2] + self._visit
        self._count += 1
        if math.dist(truth.tip[:2], place) < 0.015 or self._count > 14:
            self._visit = None
        return self._to(truth, [*place, self._travel], None, 0.0)

    # ------------------------------------------------------------------ tasks
    def _next(self, phase: str) -> None:
        self._phase, self._count = phase, 0

    def _carry(self, truth: Truth) -> np.ndarray:
        """pick_place and stack: over, down, close, lift, over, lower, open, up."""
        _, red, yaw, half, _ = truth.objects["red"]
        if self.task == "stack":
            _, under, _, below, _ = truth.objects["blue"]
            place, floor = under, under[2] + below[2]
        elif self.task == "pick_place":
            place, floor = truth.zones["plate"][1], 0.0
        else:
            place, floor = red, 0.0
        self._count += 1
        turn = _nearest_quarter(yaw, truth.rpy[2])
        grasp = red + self._offset - (0, 0, GRASP + self._press)
        tip, phase = truth.tip, self._phase
        if phase == "start":
            if math.dist(tip[:2], grasp[:2]) < 0.007 and abs(turn - truth.rpy[2]) < 0.08:
                self._next("down")
            else:
                return self._over(truth, grasp, turn, 0.0, max(self._travel, red[2] + 0.06))
        if self._phase == "down":
            if tip[2] < grasp[2] + 0.006 or self._count > 9:
                self._next("close")
                self._at = grasp
            else:
                return self._to(truth, grasp, turn, 0.0, 0.03)
        if self._phase == "close":
            if self._count > 3:
                self._next("lift")
                self._start = red.copy()
            else:
                return self._to(truth, self._at, None, 1.0)
        if self._phase == "lift":
            if tip[2] > floor + self._lifted() - 0.012 or self._count > 9:
                if red[2] < self._start[2] + 0.02 and self._early is None:
                    self._next("open")
                else:
                    self._next("over")
            else:
                return self._to(truth, [tip[0], tip[1], floor + self._lifted()], None, 1.0, 0.034)
        if self._phase == "over":
            hold = tip - red  # the tip relative to what it holds
            aim = place + hold
            if self._early is not None and self._count > self._early:
                self._next("open")
            elif self._beyond:  # over the rim of the table, and let go
                out = np.array([math.copysign(0.325, tip[0]), tip[1]])
                if abs(tip[0]) > 0.31 or self._count > 16:
                    self._next("open")
                return self._to(truth, [*out, floor + self._lifted()], None, 1.0)
            elif math.dist(red[:2], place[:2]) < 0.006 or self._count > 30:
                self._next("lower")
                self._held = hold
            else:
                return self._over(truth, aim, None, 1.0, floor + self._lifted())
        if self._phase == "lower":
            bottom = red[2] - half[2] - floor
            if bottom < 0.004 or self._count > 9:
                self._next("open")
            else:
                aim = place[:2] + self._held[:2]
                return self._to(truth, [*aim, tip[2] - bottom], None, 1.0, 0.024)
        if self._phase == "open":
            if self._count > 3:
                self._next("up")
            else:
                return self._to(truth, tip, None, 0.0)
        if self._phase == "up" and self._count > 6:
            on = math.dist(red[:2], place[:2]) < 0.03 and red[2] > floor
            near = bool((np.abs(red[:2]) < 0.26).all()) and red[2] > 0
            if not on and near:
                self._next("start")
        return self._to(truth, [tip[0], tip[1], floor + self._lifted()], None, 0.0, 0.03)

    def _lifted(self) -> float:
        return LIFT if self.style != "clumsy" else max(self._travel, 0.06) + 0.02

    def _shove(self, truth: Truth, name: str, goal: np.ndarray, near: float) -> np.ndarray:
        """push and slide: behind the thing, down, along the line to the goal, up."""
        _, pos, _, half, _ = truth.objects[name]
        self._count += 1
        line = goal[:2] - pos[:2]
        left = float(np.hypot(*line))
        if name == "knob":
            angle = truth.rail[2]
            ahead = np.array([math.cos(angle), math.sin(angle)])
            left = float(line @ ahead)
        else:
            ahead = line / max(left, 1e-6)
        if self._beyond:
            left += self._beyond
        turn = across(math.atan2(ahead[1], ahead[0]), truth.rpy[2])
        back = 0.012 + float(np.hypot(*half[:2]))
        low = 0.022 + self._offset[2] - self._press
        closing, tip, rel = 0.7, truth.tip, truth.tip[:2] - pos[:2]
        aside = float(ahead[0] * rel[1] - ahead[1] * rel[0])
        if self._phase == "start":
            ready = pos[:2] - (back + 0.025) * ahead + self._offset[:2]
            if math.dist(tip[:2], ready) < 0.012 and abs(turn - truth.rpy[2]) < 0.12:
                self._next("down")
            else:
                return self._over(truth, ready, turn, closing, self._travel)
        if self._phase == "down":
            ready = pos[:2] - (back + 0.025) * ahead + self._offset[:2]
            if tip[2] < low + 0.008 or self._count > 8:
                self._next("along")
            else:
                return self._to(truth, [*ready, low], turn, closing, 0.032)
        if self._phase == "along":
            lost = abs(aside) > 0.03 or float(rel @ ahead) > 0.0
            if left < near:
                self._next("away")
            elif lost and not self._offset.any():
                self._next("up")
            elif self._count > 45:
                self._next("up")
            else:
                # steer to the line through the thing, the faster the straighter
                reach = min(max(left, 0.0) + 0.004, 0.030)
                swift = 0.045 if self.style == "fast" else 0.032 if self._beyond else 0.022
                gap = float(-(rel @ ahead)) - float(half[0]) - 0.012
                pace = min(swift, max(gap, 0.0) + reach)
                if left < 0.04 and gap < 0.01:
                    pace = min(pace, 0.4 * left + 0.003)
                side = np.array([-ahead[1], ahead[0]])
                shift = float(np.clip(self._offset[:2] @ side - 1.4 * aside, -0.02, 0.02))
                move = pace * ahead + shift * side
                return self._direct(truth, move, low, turn, closing)
        if self._phase == "away":
            if self._count > 3:
                self._next("up")
            else:
                return self._to(truth, [*(tip[:2] - 0.03 * ahead), low], None, closing, 0.02)
        if self._phase == "up" and self._count > 5:
            there = math.dist(pos[:2], goal[:2]) < (0.03 if name == "red" else 0.012)
            if not there and bool((np.abs(pos[:2]) < 0.27).all()) and pos[2] > 0:
                self._next("start")
        return self._to(truth, [tip[0], tip[1], self._travel], None, closing, 0.03)

    def _direct(self, truth: Truth, move, height: float, yaw: float, closing: float):
        """A sideways motion given outright, the height and the yaw held."""
        action = self._to(truth, [*truth.tip[:2], height], yaw, closing)
        action[:2] = move
        return action

    # ------------------------------------------------------------------ no task
    def _wander(self, truth: Truth) -> np.ndarray:
        """Smooth motion between drawn poses: free, at things, into the table, over the rim."""
        r = self._rng
        self._count -= 1
        if truth.force > 5.0 and r.random() < 0.6:  # mostly it gives way
            self._goal, self._count = truth.tip + (0, 0, r.uniform(0.02, 0.08)), 4
        if self._goal is None or self._count <= 0:
            kind = r.random()
            spot = r.uniform(-0.30, 0.30, 2)
            height = float(r.uniform(0.01, 0.2))
            if kind < 0.5 and truth.objects:  # at a thing
                names = sorted(truth.objects)
                pos = truth.objects[names[int(r.integers(len(names)))]][1]
                if (np.abs(pos[:2]) < 0.33).all():
                    spot, height = pos[:2] + r.normal(0, 0.03, 2), float(r.uniform(0.0, 0.06))
            elif kind < 0.58:  # press on the table
                height = -0.02
            elif kind < 0.67:  # high up
                height = float(r.uniform(0.2, 0.34))
            elif kind < 0.77 and "keep_out" in truth.zones:
                spot = truth.zones["keep_out"][1][:2] + r.normal(0, 0.05, 2)
            self._goal = np.array([*spot, height])
            self._turn = np.array([*r.uniform(-0.3, 0.3, 2), r.uniform(-1.4, 1.4)])
            self._wish = float(r.choice([0.0, 0.3, 0.6, 1.0]))
            if self._grab:  # something may be held: carry it about, then let go wherever it is
                self._grab -= 1
                self._wish = 1.0 if self._grab else 0.0
                height = max(height, 0.06)
                self._goal[2] = height
            self._count = int(r.integers(5, 16))
            self._pace = float(r.uniform(0.012, 0.042))
        action = self._to(truth, self._goal, None, self._wish, self._pace)
        action[3:6] = 0.3 * (self._turn - truth.rpy)
        return action


def _nearest_quarter(yaw: float, now: float) -> float:
    """The turn of a square thing that is nearest to the gripper's own, within its limits."""
    quarter = math.pi / 2
    turn = yaw + quarter * round((now - yaw) / quarter)
    while turn > 1.45:
        turn -= quarter
    while turn < -1.45:
        turn += quarter
    return turn
