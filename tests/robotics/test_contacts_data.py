"""What the contacts are trained on, and what they are told of distances."""

import numpy as np
import pytest
import torch

from gwm_core.model.contacts import (
    BALL,
    OPEN,
    PALM,
    THICK,
    WIDE,
    Robot,
    Things,
    _clearances,
    _reach,
    rotate,
)
from gwm_core.noise import rng

LEVEL = torch.tensor([1.0, 0, 0, 0, 1, 0])


def robot(opening, closing, pose=(0, 0, 0, 0, 0, 0)):
    one = torch.ones(1, 1)
    pose = torch.tensor([pose], dtype=torch.float32)
    return Robot(pose, pose * 0, pose, opening * one, 0 * one, 0 * one, closing * one)


def box(place, half=0.025, axes=LEVEL):
    place = torch.tensor([[place]])
    return Things(place, axes.expand(1, 1, 6), place * 0, place * 0, torch.full((1, 1, 3), half),
                  torch.ones(1, 1, 1))


def clear(r, things, top):
    return _clearances(r, things, r.target, r.closing, torch.tensor([[[top]]]))[0, 0].tolist()


@pytest.mark.parametrize("yaw", [0.0, 0.7])
def test_clearances_are_what_a_ruler_would_say(yaw):
    """A box that stands 4 mm aside between open fingers, its top 20 mm above the tip."""
    at = torch.tensor([0.004, 0.0, -0.005])
    c, s = np.cos(yaw), np.sin(yaw)
    place = [float(c * at[0]), float(s * at[0]), 0.0]
    axes = rotate(LEVEL[None], torch.tensor([[0, 0, yaw]]))
    r = robot(1.0, 0.4, (0, 0, 0.005, 0, 0, yaw))
    got = clear(r, box(place, axes=axes), 0.025)
    wanted = [OPEN - 0.029, OPEN - 0.021, 0.6 * OPEN - 0.025, 0.004 - 0.025 - OPEN - THICK,
              -0.025 - WIDE, -0.020, PALM - 0.020, -0.020]
    assert got == pytest.approx(wanted, abs=1e-6)


def test_a_box_turned_reaches_further_and_a_ball_does_not():
    turned = rotate(LEVEL[None], torch.tensor([[0, 0, np.pi / 4]])).expand(1, 4, 6)
    reach = _reach(turned, torch.full((1, 4, 3), 0.02), torch.tensor([[1.0, 0, 0], [0, 0, 1]]))
    assert reach[0, :, 1].tolist() == pytest.approx([0.02] * 4)
    wanted = [0.02 if k == BALL else 0.02 * 2**0.5 for k in range(4)]
    assert reach[0, :, 0].tolist() == pytest.approx(wanted)


def test_habits_cover_their_ranges():
    pytest.importorskip("mujoco")
    from gwm_core.training.drawn_policies import drawn_manner

    drawn = [drawn_manner("pick_place", rng(k, "habits")) for k in range(400)]
    high = np.array([m.high for m in drawn])
    assert high.min() < -0.045 and high.max() > 0.043 and (high == 0).mean() > 0.5
    grip = np.array([m.grip for m in drawn])
    assert ((grip < 0.46) & (grip >= 0.3)).sum() > 20 and ((grip > 0.6) & (grip < 1)).sum() > 5
    assert {m.late for m in drawn} == {0, 1, 2, 3}


def test_an_episode_of_drawn_habits_is_decided_by_its_seed():
    pytest.importorskip("mujoco")
    from gwm_core.training.contacts_data import DRAWN, episode

    a, b = (episode("push", 31, DRAWN, 40) for _ in range(2))
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert a["actions"].shape == (40, 7) and a["place"].shape == (41, 4, 3)
    other = episode("push", 33, DRAWN, 40)
    assert not np.array_equal(a["actions"], other["actions"])
    assert np.ptp(a["pose"][:, :3], 0).max() > 0.05
