"""How sure an imagined run is: futures from starts that the first look cannot tell apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..errors import RoboticsError
from ..noise import check_seed, rng
from .table_model import TableState

PLACE, TURN = 0.004, 0.06
"""m and rad: how far a reading of the first look is off, as a rule."""
MOST = 64


def check_futures(count: int) -> int:
    """How many futures; RoboticsError for what is no whole number from 2 to MOST."""
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= MOST:
        raise RoboticsError(f"futures: {count!r}; a whole number from 2 to {MOST} is accepted")
    return count


def futures(state: TableState, count: int, seed: int = 0) -> TableState:
    """Every run of ``state`` ``count`` times, one after another: the first as it is, the others
    with things a little beside where they were read (on the table: x, y, and turned)."""
    check_futures(count)
    runs = len(state)
    many = state.pick(np.repeat(np.arange(runs), count))
    draw = rng(check_seed(seed), "futures")
    things = many.things
    k = things.place.shape[1]
    off = np.zeros((runs, count, k, 3), np.float32)
    turn = np.zeros((runs, count, k), np.float32)
    off[:, 1:, :, :2] = draw.normal(0, PLACE, (runs, count - 1, k, 2))
    turn[:, 1:] = draw.normal(0, TURN, (runs, count - 1, k))
    angle = torch.from_numpy(turn).flatten(0, 1)[..., None]
    c, s = angle.cos(), angle.sin()
    x, y, z = things.axes.unflatten(-1, (2, 3)).unbind(-1)
    axes = torch.stack([c * x - s * y, s * x + c * y, z], -1).flatten(-2)
    place = things.place + torch.from_numpy(off).flatten(0, 1) * things.present
    return replace(many, things=replace(things, place=place, axes=axes))


def disagreement(state: TableState, count: int) -> np.ndarray:
    """How far apart the futures of each run are, float64 [B] (m): the spread (standard deviation,
    all directions together) of the thing that they agree least upon."""
    place = state.things.place.unflatten(0, (-1, count)).double()
    present = state.things.present.unflatten(0, (-1, count))[:, 0, :, 0].double()
    spread = place.var(1, unbiased=True).sum(-1).sqrt() * present
    return spread.amax(1).numpy()
