"""What a plan is for: things at places, as a goal image shows them, or any cost of a state.

    goal = goal_of(model, observation)          # a look at how it should be in the end
    goal = CostGoal(lambda state: state.things.place[:, 0, 0].abs(), proposals=[Push(0)])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ..errors import RoboticsError
from .proposals import Noise, PickPlace, Proposal, Push
from .table_model import TableModel, TableState

Cost = Callable[[TableState], Tensor]
"""``cost(state of B runs) -> float [B]``, at least 0, the smaller the better."""
TOLERANCE = 0.012
"""m by which a thing may be off its goal."""
REST = 0.003
"""m a tick: what moves more is not at rest."""
LEVEL = 0.025
"""m of height that a push does not bridge."""
CLEAR = 0.05
"""m between the tip and a thing that it has let go of."""


class Goal(Protocol):
    """See the module."""

    def cost(self, state: TableState) -> Tensor:
        """float [B], at least 0."""

    def reached(self, state: TableState) -> Tensor:
        """bool [B]."""

    def proposals(self, state: TableState) -> list[Proposal]:
        """What may lead there from a state of one run."""


@dataclass(frozen=True, eq=False)
class PlaceGoal:
    """Things at places: place float [K, 3] (m), weight float [K] (0: does not matter) in the
    model's order of things, tolerance (m). Its cost is the weighted sum of distances (m).

    hints: whether proposals begin in the goal's direction; without them imagination alone has to
    find it.
    """

    place: Tensor
    weight: Tensor
    tolerance: float = TOLERANCE
    hints: bool = True

    def __post_init__(self) -> None:
        if self.place.ndim != 2 or self.place.shape[1] != 3 or not self.place.isfinite().all():
            raise RoboticsError(f"goal: place {tuple(self.place.shape)}; finite numbers [K, 3] are "
                                "accepted")
        if self.weight.shape != self.place.shape[:1] or not bool((self.weight >= 0).all()):
            raise RoboticsError(f"goal: weight {tuple(self.weight.shape)}; {len(self.place)} "
                                "numbers from 0 are accepted")
        if not bool((self.weight > 0).any()):
            raise RoboticsError("goal: no thing matters; at least one weight above 0 is accepted")

    def distances(self, state: TableState) -> Tensor:
        """m from the goal, [B, K]; 0 for things that are missing or do not matter."""
        counts = state.things.present[..., 0] * (self.weight > 0)
        return (state.things.place - self.place).norm(dim=-1) * counts

    def cost(self, state: TableState) -> Tensor:
        return (self.distances(state) * self.weight).sum(-1)

    def reached(self, state: TableState) -> Tensor:
        """Whether all things are there, at rest and let go of."""
        things, robot = state.things, state.robot
        far = (things.place - robot.pose[:, None, :3]).norm(dim=-1) > CLEAR
        wide = robot.opening > 0.9
        rest = things.change.norm(dim=-1) < REST
        there = self.distances(state) < self.tolerance
        free = (far | wide) & rest
        return (there & (free | (self.weight == 0) | (things.present[..., 0] < 0.5))).all(-1)

    def proposals(self, state: TableState) -> list[Proposal]:
        """A pick-and-place, and on one level a push, of every thing that is not there yet."""
        out: list[Proposal] = []
        far = self.distances(state)[0]
        for k in torch.nonzero(far > self.tolerance)[:, 0].tolist():
            x, y, z = self.place[k].tolist()
            out.append(PickPlace(k, (x, y, z) if self.hints else None))
            if abs(float(state.things.place[0, k, 2]) - z) < LEVEL:
                out.append(Push(k, (x, y) if self.hints else None))
        return out or [Noise()]


@dataclass(frozen=True, eq=False)
class CostGoal:
    """Any cost of a state; reached where it is below ``enough``."""

    of: Cost
    motions: Sequence[Proposal]
    enough: float = -float("inf")

    def __post_init__(self) -> None:
        if not callable(self.of) or not self.motions:
            raise RoboticsError("goal: a function of a state, and one or more proposals, are "
                                "accepted")

    def cost(self, state: TableState) -> Tensor:
        return self.of(state)

    def reached(self, state: TableState) -> Tensor:
        return self.of(state) < self.enough

    def proposals(self, state: TableState) -> list[Proposal]:
        return list(self.motions)


def goal_of(model: TableModel, observation: dict[str, Any], things: Sequence[int] | None = None,
            tolerance: float = TOLERANCE, hints: bool = True) -> PlaceGoal:
    """The goal that one look of every camera shows, as the model reads it.

    things            indices of those that matter; None: all that are seen
    tolerance, hints  see PlaceGoal
    """
    seen = model.begin(observation)
    if len(seen) != 1:
        raise RoboticsError(f"goal: {len(seen)} observations; one is accepted")
    weight = seen.things.present[0, :, 0].clone()
    if things is not None:
        bad = [k for k in things if not 0 <= k < len(weight) or weight[k] == 0]
        if bad:
            there = torch.nonzero(weight)[:, 0].tolist()
            raise RoboticsError(f"goal: thing {bad[0]} is not seen in the look; those that are: "
                                f"{', '.join(map(str, there)) or 'none'}")
        weight *= torch.tensor([float(k in things) for k in range(len(weight))])
    if not bool(weight.any()):
        raise RoboticsError("goal: nothing is seen in the look; one with things on the table is "
                            "accepted")
    return PlaceGoal(seen.things.place[0].clone(), weight, tolerance, hints)
