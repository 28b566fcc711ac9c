"""Planning in a table model: sequences of actions are imagined, the best is found, some of it done.

    goal = goal_of(model, picture_of_the_task_done)
    found = plan(model, model.begin(observation), goal, seed=3)     # found.actions [T, 7]
    policy = PlanningPolicy(model, goal)                            # plans again as it goes

Nothing is drawn while planning. The same seed and state give the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch

from ..errors import Cancelled, RoboticsError
from ..noise import check_seed, rng
from .goals import Goal
from .policy import WIDTH, within
from .proposals import Noise, Proposal
from .table_model import TableModel, TableState

HORIZON = 60
"""Ticks that a plan may have at most."""
SOON = 0.1
"""Weight of the mean cost along the way beside the last tick's: of two ways, the quicker."""
POLISH = 0.04
"""Share of the actions' limits by which the best plan is varied at the end."""
LOYAL = 0.05
"""Share of the cost of standing still by which another plan must be better than the one under way:
who changes his mind at every look gets nowhere."""
LOOK = 5
"""Ticks between two looks; the robot feels itself at every tick."""
STILL = 8
"""Ticks of a plan that does nothing."""
NEAR = 0.012
"""m between a thing as predicted and as read, up to which both count."""
FELT, GRIP = 0.2, 0.035
"""Share of the opening by which held fingers stay apart; m from the tip to what they hold."""


class Search(Protocol):
    """How parameters are drawn next from those that were tried."""

    def refit(self, tried: np.ndarray, costs: np.ndarray, mean: np.ndarray,
              sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation [P] after N parameters [N, P] with costs [N]."""


@dataclass(frozen=True)
class Cem:
    """Cross-entropy method: the best share of what was tried is what the next is drawn around."""

    elites: float = 0.12
    keep: float = 0.1

    def refit(self, tried, costs, mean, sd):
        best = tried[np.argsort(costs, kind="stable")[: max(4, round(self.elites * len(tried)))]]
        k = self.keep
        return (1 - k) * best.mean(0) + k * mean, (1 - k) * best.std(0) + k * sd


@dataclass(frozen=True)
class Mppi:
    """Model-predictive path integral: all that was tried counts, by exp(-cost / temperature).

    temperature: in the cost's units, as a share of the standard deviation of the costs.
    """

    temperature: float = 0.3
    shrink: float = 0.7

    def refit(self, tried, costs, mean, sd):
        spread = max(float(costs.std()), 1e-9) * self.temperature
        weight = np.exp(-(costs - costs.min()) / spread)
        return (weight / weight.sum()) @ tried, self.shrink * sd


@dataclass(frozen=True, eq=False)
class Plan:
    """actions float32 [T, 7], the cost that the model predicts, the name of the proposal that it
    came from, the cost of standing still, and the best cost after every round."""

    actions: np.ndarray
    cost: float
    proposal: str
    still: float
    rounds: tuple[float, ...]


@torch.inference_mode()
def imagine(model: TableModel, state: TableState, actions: np.ndarray, goal: Goal,
            horizon: int = HORIZON, soon: float = SOON) -> np.ndarray:
    """Costs float64 [N] of actions [N, T, 7] from a state of one run: the last tick's, and with the
    weight ``soon`` the mean over ``horizon`` ticks, as if all stayed so to its end. Infinite where
    a cost is not a number."""
    n, ticks = actions.shape[:2]
    runs = state.pick([0] * n)
    total = last = np.zeros(n)
    for t in range(ticks):
        runs, _ = model.step(runs, actions[:, t], draw=False)
        last = _costs(goal, runs)
        total = total + last
    out = last + soon * (total + max(horizon - ticks, 0) * last) / max(horizon, ticks)
    return np.where(np.isfinite(out), out, np.inf)


def _costs(goal: Goal, state: TableState) -> np.ndarray:
    cost = torch.as_tensor(goal.cost(state)).double().numpy()
    if cost.shape != (len(state),):
        raise RoboticsError(f"goal: its cost is {cost.shape} for {len(state)} runs; [B] is "
                            "accepted")
    return cost


@dataclass(frozen=True)
class Effort:
    """How hard to look: ``samples`` sequences a round, ``rounds`` of the search over all proposals
    (from the second on, the better half of those is kept), then ``polish`` rounds of small changes
    of the best."""

    samples: int = 48
    rounds: int = 3
    polish: int = 1
    horizon: int = HORIZON

    def __post_init__(self) -> None:
        for name, least in (("samples", 2), ("rounds", 1), ("polish", 0), ("horizon", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise RoboticsError(f"{name}: {value!r}; a whole number from {least} is accepted")


def plan(
    model: TableModel, state: TableState, goal: Goal, proposals: Sequence[Proposal] | None = None,
    *, search: Search | None = None, effort: Effort | None = None, known: Any = None, seed: int = 0,
    soon: float = SOON, progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Plan:
    """The best sequence of actions that was found from a state of one run.

    proposals  what is tried; None: what the goal proposes
    search     ``Cem()`` or ``Mppi(..)``
    known      actions [T, 7] under way (the rest of an earlier plan), or None: they are kept, but
               for small changes, unless something is better by LOYAL
    soon       see ``imagine``
    progress   called with (rounds done, rounds wanted)
    stop       asked before every round; True raises Cancelled
    """
    search, effort, seed = search or Cem(), effort or Effort(), check_seed(seed)
    if len(state) != 1:
        raise RoboticsError(f"state: {len(state)} runs; a plan begins at one "
                            "(state.pick([i]) is one)")
    ways = list(goal.proposals(state) if proposals is None else proposals)
    if not ways:
        raise RoboticsError("proposals: none; one or more are accepted")
    fits = [_Fit(way, *way.start(state)) for way in ways]

    def costs(actions: np.ndarray) -> np.ndarray:
        return imagine(model, state, actions, goal, effort.horizon, soon)

    nothing = np.zeros((STILL, WIDTH), np.float32)
    still = float(costs(nothing[None])[0])
    best = Plan(nothing, still, "stand still", still, ())
    kept = _kept(best, known, effort.horizon, costs)
    # what leads all but to the goal cannot be beaten by as much as it takes
    search_rounds = 0 if kept.cost <= LOYAL * still else effort.rounds
    rounds = search_rounds + effort.polish
    for k in range(rounds):
        if stop is not None and stop():
            raise Cancelled("planning: stopped")
        if k == search_rounds:
            best = _loyal(best, kept)
            small = Noise(scale=POLISH, around=best.actions, knots=6)
            fits = [_Fit(small, *small.start(state))]
        share = max(2, effort.samples // len(fits))
        for i, fit in enumerate(fits):
            draw = rng(seed, "plan", k, i)
            best = fit.improve(state, best, costs, search, share, effort.horizon, draw)
        fits.sort(key=lambda fit: fit.cost)
        if k:
            fits = fits[: (len(fits) + 1) // 2]
        best = replace(best, rounds=(*best.rounds, best.cost))
        if progress is not None:
            progress(k + 1, rounds)
    return best if effort.polish else _loyal(best, kept)


def _kept(still: Plan, known: Any, horizon: int, costs: Callable[[np.ndarray], np.ndarray]) -> Plan:
    """The plan under way, or standing still where there is none that is better."""
    if known is None or not len(known):
        return still
    rest = np.asarray(known, np.float32)[:horizon]
    if rest.ndim != 2 or rest.shape[1] != WIDTH:
        raise RoboticsError(f"known: {rest.shape}; actions [T, {WIDTH}] are accepted")
    rest = within(rest)
    cost = float(costs(rest[None])[0])
    if cost >= still.cost:
        return still
    return replace(still, actions=rest, cost=cost, proposal="as planned before")


def _loyal(found: Plan, kept: Plan) -> Plan:
    """What was found where it is clearly better than what is under way."""
    better = found.cost < kept.cost - LOYAL * kept.still
    return found if better or kept.cost >= kept.still else replace(kept, rounds=found.rounds)


@dataclass(eq=False)
class _Fit:
    """One proposal with the distribution of its parameters."""

    way: Proposal
    mean: np.ndarray
    sd: np.ndarray
    cost: float = field(default=float("inf"))

    def improve(self, state: TableState, best: Plan, imagined: Callable[[np.ndarray], np.ndarray],
                search: Search, samples: int, horizon: int, draw: np.random.Generator) -> Plan:
        """Draw, imagine, refit; the better of ``best`` and what was found."""
        tried = self.mean + self.sd * draw.standard_normal((samples, len(self.mean)))
        tried[0] = self.mean
        actions = self.way.actions(state, tried, horizon)
        costs = imagined(actions)
        self.mean, self.sd = search.refit(tried, costs, self.mean, self.sd)
        i = int(np.argmin(costs))
        self.cost = min(self.cost, float(costs[i]))
        if costs[i] < best.cost:
            name = best.proposal if isinstance(self.way, Noise) and self.way.around is not None \
                else self.way.name
            return replace(best, actions=actions[i], cost=float(costs[i]), proposal=name)
        return best


# ------------------------------------------------------------------ on the way


def felt_again(model: TableModel, state: TableState, observation: dict[str, Any]) -> TableState:
    """The state with the gripper as it feels to be; what it was told stays."""
    _, felt = model.checked(observation)
    if len(felt) != len(state):
        raise RoboticsError(f"observation: {len(felt)} runs; the state has {len(state)}")
    now, told = torch.from_numpy(felt), state.robot
    before = told.pose - told.change
    robot = replace(told, pose=now[:, :6], change=now[:, :6] - before, opening=now[:, 6:7],
                    effort=now[:, 7:8], force=now[:, 8:9])
    return replace(state, robot=robot)


def look_again(model: TableModel, state: TableState, observation: dict[str, Any]) -> TableState:
    """``felt_again``, and things as they are read.

    Which things there are and their sizes stay. A thing that is read near where it was predicted
    keeps its motion and is put half way between. One that is not seen stays as predicted; so does
    one that the fingers hold, as they feel, wherever it seems to be.
    """
    state = felt_again(model, state, observation)
    robot = state.robot
    seen, old = model.begin(observation).things, state.things
    apart = robot.opening + robot.closing - 1 > FELT  # something keeps the fingers from closing
    gap = (old.place - robot.pose[:, None, :3]).norm(dim=-1, keepdim=True)
    shown = (seen.present > 0) & (old.present > 0)
    far = (seen.place - old.place).norm(dim=-1, keepdim=True) >= NEAR
    shown &= ~(far & apart[..., None] & (gap < GRIP))
    near, moved = shown & ~far, shown & far
    place = torch.where(near, (seen.place + old.place) / 2,
                        torch.where(moved, seen.place, old.place))
    things = replace(old, place=place, axes=torch.where(moved, seen.axes, old.axes),
                     change=torch.where(moved, seen.change, old.change),
                     spin=torch.where(moved, seen.spin, old.spin))
    return replace(state, things=things)


class PlanningPolicy:
    """A policy that plans to a goal in a table model, does some of it and plans again from what it
    has seen by then.

    every      ticks between two plans
    proposals  a function of the state that gives what is tried; None: what the goal proposes

    ``search``, ``effort``, ``soon`` and ``stop`` are those of ``plan``. One object plays one run;
    ``last`` is its latest plan. It stands still while the goal is reached.
    """

    def __init__(
        self, model: TableModel, goal: Goal, *, every: int = 10,
        proposals: Callable[[TableState], Sequence[Proposal]] | None = None,
        search: Search | None = None, effort: Effort | None = None, soon: float = SOON,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise RoboticsError(f"every: {every!r}; a whole number from 1 is accepted")
        self.model, self.goal, self.every = model, goal, every
        self._options = {"search": search, "effort": effort, "soon": soon, "stop": stop}
        self._proposals = proposals
        self.reset()

    def reset(self, seed: int = 0) -> None:
        """Forget the run; the seed decides what is drawn."""
        self._seed, self._tick = check_seed(seed), 0
        self._state: TableState | None = None
        self._left = np.zeros((0, WIDTH), np.float32)
        self.last: Plan | None = None

    def select_action(self, observation: dict[str, Any]) -> np.ndarray:
        """float32 [7], for an observation of one run."""
        due = not len(self._left) or self._tick % self.every == 0
        if self._state is None:
            self._state = self.model.begin(observation)
        else:
            sense = look_again if due or self._tick % LOOK == 0 else felt_again
            self._state = sense(self.model, self._state, observation)
        if due:
            self._plan()
        action, self._left = self._left[0], self._left[1:]
        self._state, _ = self.model.step(self._state, action[None], draw=False)
        self._tick += 1
        return action

    def choose(self, state: TableState, left: np.ndarray, seed: int) -> np.ndarray:
        """Actions [T, 7] to do from a state; ``left``: what is left of those chosen before."""
        ways = None if self._proposals is None else self._proposals(state)
        self.last = plan(self.model, state, self.goal, ways, known=left, seed=seed,
                         **self._options)
        return self.last.actions

    def _plan(self) -> None:
        if bool(self.goal.reached(self._state)[0]):
            self._left = np.zeros((self.every, WIDTH), np.float32)
            return
        seed = int(rng(self._seed, "planning", self._tick).integers(2**31))
        self._left = self.choose(self._state, self._left, seed)
