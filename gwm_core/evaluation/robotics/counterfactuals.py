"""What if: eight plans from one moment, in the simulator and in the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...noise import rng
from ...robotics.rollouts import stacked
from ...robotics.table_model import TableModel
from ..report import Metric

BRANCHES, TICKS = 8, 32
MOVED = 0.01  # m: what moves less in every branch is no counterfactual


def true_branches(seed: int, k: int):
    """(first look, plans [8, T, 7], where things end [8, K, 3], where they were [K, 3]): experts of
    all styles and of other targets go on from one moment of a held-out scene."""
    from ...simulators.tabletop import OBJECTS, STYLES, TASKS, Tabletop, expert

    draw = rng(seed, "counterfactuals", k)
    task = TASKS[k % len(TASKS)]
    sim = Tabletop(task, 2 * int(draw.integers(2**40)) + 1)
    look, here = sim.observe(), sim.get_state()

    def places() -> np.ndarray:
        objects = sim.truth().objects
        return np.array([objects[n][1] if n in objects else [np.nan] * 3 for n in OBJECTS])

    before, plans, ends = places(), [], []
    for branch in range(BRANCHES):
        sim.set_state(here)
        policy = expert(task, STYLES[branch % len(STYLES)])
        policy.reset(int(draw.integers(2**31)))
        plan = []
        for _ in range(TICKS):
            plan.append(np.asarray(policy.act(sim.truth(), {"agent_pos": sim.agent_pos()})))
            sim.advance(plan[-1])
        plans.append(plan)
        ends.append(places())
    sim.close()
    return look, np.array(plans, np.float32), np.array(ends), before


def counterfactuals(model: TableModel, starts: int, seed: int,
                    say: Callable[[str], None]) -> list[Metric]:
    """robotics.counterfactual_r: predicted against true displacement of what some branch moves."""
    made, true, other = [], [], []
    same = True
    for k in range(starts):
        look, plans, ends, before = true_branches(seed, k)
        first = model.begin(stacked([look]))
        ended = []
        for _ in range(2):  # the same actions, the same pictures
            state = first.pick([0] * BRANCHES)
            for t in range(TICKS):
                state, seen = model.step(state, plans[:, t], draw=t == TICKS - 1)
            ended.append((state.things.place.numpy() - first.things.place.numpy(), seen["pixels"]))
        same &= all(np.array_equal(ended[0][1][v], ended[1][1][v]) for v in ended[0][1])
        gone = ends - before
        moves = (np.linalg.norm(gone, axis=-1) > MOVED).any(0)  # by some branch
        made.append(ended[0][0][:, moves].reshape(-1, 3))
        true.append(gone[:, moves].reshape(-1, 3))
        turned = np.roll(gone, 1, axis=0)  # what the next branch does
        other.append(turned[:, moves].reshape(-1, 3))
        if (k + 1) % 8 == 0:
            say(f"counterfactuals {k + 1} of {starts}")
    a, b, c = (np.concatenate(v) for v in (made, true, other))
    if not same:
        raise AssertionError("the same branches gave other pictures")

    def r(one: np.ndarray, two: np.ndarray) -> float:
        return float(np.corrcoef(one[:, :2].ravel(), two[:, :2].ravel())[0, 1])

    return [Metric("robotics.counterfactual_r", r(a, b), "",
                   {"the next branch's": r(a, c), "median m off": float(np.median(
                       np.linalg.norm(a - b, axis=-1)))}, len(a), ">= 0.8", ">= 0.9",
                   f"{starts} moments, {BRANCHES} branches of {TICKS} ticks")]
