"""Futures: the first is the run itself, the others begin beside it, disagreement grows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gwm_core.errors import RoboticsError
from gwm_core.model.contacts import ContactNet
from gwm_core.model.scene_reader import SceneReader
from gwm_core.robotics.futures import PLACE, disagreement, futures
from gwm_core.robotics.rig import tabletop_rig
from gwm_core.robotics.rollouts import stacked
from gwm_core.robotics.table_model import TableModel
from gwm_core.simulators.tabletop import Tabletop


@pytest.fixture(scope="module")
def begun():
    torch.manual_seed(0)
    model = TableModel(SceneReader(width=8), ContactNet(width=16), tabletop_rig())
    return model, model.begin(stacked([Tabletop("push", s).observe() for s in (1, 3)]))


def test_first_future_is_the_run(begun):
    model, state = begun
    many = futures(state, 4, seed=2)
    assert len(many) == 8
    assert torch.equal(many.things.place[::4], state.things.place)
    assert torch.equal(many.things.axes[::4], state.things.axes)
    assert not torch.equal(many.things.place[1], many.things.place[0])
    a, b = many.things.axes[..., :3], many.things.axes[..., 3:]
    assert torch.allclose(a.norm(dim=-1), torch.ones(()), atol=1e-5)
    assert torch.allclose((a * b).sum(-1), torch.zeros(()), atol=1e-5)
    again = futures(state, 4, seed=2)
    assert torch.equal(again.things.place, many.things.place)
    assert not torch.equal(futures(state, 4, seed=3).things.place, many.things.place)


def test_disagreement_is_the_spread_of_things_that_are_there(begun):
    _, state = begun
    many = futures(state, 32, seed=0)
    apart = disagreement(many, 32)
    there = state.things.present[..., 0].sum(1) > 0
    assert apart.shape == (2,)
    for one, some in zip(apart, there, strict=True):
        assert one == 0 if not some else 0.5 * PLACE < one < 3 * PLACE
    assert np.allclose(disagreement(state.pick([0, 0, 1, 1]), 2), 0)


@pytest.mark.parametrize("count", [1, 0, 65, 2.0, True, "4"])
def test_counts_are_checked(begun, count):
    with pytest.raises(RoboticsError, match="2 to 64"):
        futures(begun[1], count)
