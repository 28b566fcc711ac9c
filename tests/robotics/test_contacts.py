"""The rule of the contact network that needs no training: boxes that nothing holds stand flat."""

import copy
import math

import pytest
import torch

from gwm_core.model.contacts import OVER, REACH, TIPS, ContactNet, Robot, Things, rotate

HALF = torch.tensor([0.02, 0.02, 0.03])
FLAT = torch.tensor([1.0, 0, 0, 0, 1, 0])


@pytest.fixture(scope="module")
def net():
    """Moves nothing by itself: what happens to things is the rule's doing."""
    still = ContactNet(width=16)
    with torch.no_grad():
        for head in (still.robot_out, still.thing_out):
            head.weight.zero_()
            head.bias.zero_()
        still.thing_out.bias[0] = -8.0
    return still.eval()


def robot(tip):
    pose = torch.tensor([[*tip, 0.0, 0, 0]])
    one = torch.ones(1, 1)
    return Robot(pose, pose * 0, pose.clone(), one, one * 0, one * 0, one * 0)


def tilted(angle, kinds=(0,), up=0.0):
    """Things of which those of ``kinds`` are tilted about x and touch the table with an edge."""
    axes = FLAT.repeat(1, 4, 1)
    place = torch.tensor([[[0.1 * k - 0.15, 0.0, 0.03] for k in range(4)]])
    for k in kinds:
        axes[0, k] = rotate(rotate(FLAT, torch.tensor([0.0, 0, 0.4])), torch.tensor([angle, 0, 0]))
        place[0, k, 2] = lowest(axes[0, k]) + up
    return Things(place, axes, place * 0, place * 0, HALF.expand(1, 4, 3).clone(),
                  torch.ones(1, 4, 1))


def lowest(axes):
    """How far a box reaches down from its middle."""
    a, b = axes[:3], axes[3:]
    rows = torch.stack([a, b, torch.linalg.cross(a, b, dim=-1)])
    return float((rows[:, 2].abs() * HALF).sum())


def tilt(things, k):
    a, b = things.axes[0, k, :3], things.axes[0, k, 3:]
    return math.acos(min(abs(float(torch.linalg.cross(a, b, dim=-1)[2])), 1.0))


def rolled(net, things, tip=(0.0, 0.25, 0.2), ticks=6):
    hand, nothing = robot(tip), torch.zeros(1, 7)
    with torch.no_grad():
        for _ in range(ticks):
            hand, things = net(hand, things, nothing)
    return things


def test_a_tilted_box_stands_flat_again(net):
    before = tilted(0.12)
    after = rolled(net, before)
    assert tilt(before, 0) > 0.11 and tilt(after, 0) < 0.002
    assert abs(float(after.place[0, 0, 2]) - float(HALF[2])) < 1e-4
    assert torch.equal(after.place[0, 0, :2], before.place[0, 0, :2])
    yaw = torch.atan2(after.axes[0, 0, 1], after.axes[0, 0, 0])
    assert abs(float(yaw) - 0.4) < 0.02


def test_one_that_leans_too_far_does_not(net):
    assert tilt(rolled(net, tilted(TIPS + 0.1)), 0) > TIPS


def test_a_tip_beside_a_box_keeps_it_from_falling_while_it_is_in_reach(net):
    box = tilted(0.12)
    x = float(box.place[0, 0, 0])
    assert tilt(rolled(net, box, (x + 0.9 * REACH, 0.0, 0.02)), 0) > 0.11
    assert tilt(rolled(net, box, (x + 1.1 * REACH, 0.0, 0.02)), 0) < 0.002


def test_what_is_held_up_or_no_loose_box_stays_as_it_is(net):
    assert tilt(rolled(net, tilted(0.12, up=0.05)), 0) > 0.11
    assert tilt(rolled(net, tilted(0.12, kinds=(3,))), 3) > 0.11


def test_a_box_below_a_finger_falls_once_it_is_clear_of_it(net):
    box = tilted(0.12)
    x, top = float(box.place[0, 0, 0]), 2 * float(box.place[0, 0, 2])
    assert tilt(rolled(net, box, (x, 0.0, top + OVER / 2)), 0) > 0.11
    assert tilt(rolled(net, box, (x, 0.0, top + 2 * OVER)), 0) < 0.002


def test_a_held_box_stays_as_it_is(net):
    held = copy.deepcopy(net)
    with torch.no_grad():
        held.thing_out.bias[0] = 8.0
    assert tilt(rolled(held, tilted(0.12)), 0) > 0.11


def test_a_gone_box_stays_gone(net):
    things = tilted(0.12)
    things.present[0, 0] = 0
    assert torch.equal(rolled(net, things).place[0, 0], things.place[0, 0])
