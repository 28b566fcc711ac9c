"""Registration of the table and of the gripper between two looks of the gripper's own camera."""

import math

import pytest
import torch
import torch.nn.functional as F

from gwm_core.model.action_reader import ActionReader
from gwm_core.model.ground_motion import GroundMotion
from gwm_core.model.hand_motion import HandMotion
from gwm_core.robotics.rig import on_gripper, tabletop_rig

SIDE = 64
CAMERA = on_gripper(tabletop_rig())
MOUNTED = SIDE, CAMERA["fov"], CAMERA["mount"]


@pytest.fixture(scope="module")
def ground():
    return GroundMotion(*MOUNTED, CAMERA["hides"])


def table(seed: int, cells: int = 34) -> torch.Tensor:
    """A soft pattern on the table's top, levels [1, 3, 400, 400], 2.5 mm a pixel."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, cells, cells, generator=draw)
    return 255 * F.interpolate(coarse, size=(400, 400), mode="bicubic").clamp(0, 1)


def seen(ground, top, tip, yaw):
    """The look [1, 3, S, S] of the camera over that table; the tip at tip [3] (m)."""
    spots = ground.place[:2] + ground.flat * (tip[2] + ground.place[2])
    c, s = math.cos(yaw), math.sin(yaw)
    x = tip[0] + c * spots[:, 0] - s * spots[:, 1]
    y = tip[1] + s * spots[:, 0] + c * spots[:, 1]
    at = (torch.stack([x, y], -1) / 0.5).view(1, SIDE, SIDE, 2)
    return F.grid_sample(top, at, align_corners=False, padding_mode="border")


@pytest.mark.parametrize("way", [(0.012, -0.008, 0.01, 0.05), (-0.02, 0.015, -0.012, -0.2),
                                 (0.0, 0.0, 0.0, 0.15)])
def test_the_motion_is_found_from_a_guess(ground, way):
    yaw, tip, top = 0.7, (0.03, -0.05, 0.1), table(1)
    c, s = math.cos(yaw), math.sin(yaw)
    moved = (tip[0] + c * way[0] - s * way[1], tip[1] + s * way[0] + c * way[1], tip[2] + way[2])
    before, after = seen(ground, top, tip, yaw), seen(ground, top, moved, yaw + way[3])
    guess = torch.tensor([[way[0] + 0.003, way[1] - 0.003, way[2] + 0.002, way[3] - 0.05]])
    found = ground(before, after, torch.tensor([tip[2]]), guess)
    wrong = (found[0, :4] * torch.tensor(ground.errors) - torch.tensor(way)).abs()
    assert found.shape == (1, 13)
    assert (wrong < torch.tensor([0.0012, 0.0012, 0.0012, 0.006])).all(), wrong


def test_a_turn_far_from_the_guess_is_searched_for(ground):
    top, tip = table(4, cells=70), (0.0, 0.0, 0.1)
    before, after = (seen(ground, top, tip, yaw) for yaw in (0.0, 0.25))
    found = ground(before, after, torch.tensor([0.1]), torch.zeros(1, 4))
    assert abs(float(found[0, 3]) * ground.errors[3] - 0.25) < 0.02


def test_a_plain_table_leaves_the_guess_and_says_so(ground):
    plain = torch.full((1, 3, SIDE, SIDE), 120.0)
    guess = torch.tensor([[0.01, 0.0, -0.01, 0.1]])
    nothing = ground(plain, plain, torch.tensor([0.1]), guess)
    assert nothing[0, 4:8].abs().max() < 1e-4
    top = table(2)
    told = ground(*(seen(ground, top, (0, 0, 0.1), y) for y in (0.0, 0.1)), torch.tensor([0.1]),
                  guess)
    assert (told[0, 8:12] > nothing[0, 8:12] + 0.5).all()


def test_what_stands_before_the_table_is_left_out(ground):
    seen = ground.shown.view(SIDE, SIDE)
    assert 0.3 < float(seen.mean()) < 0.8
    assert not seen[:10, 24:40].any()  # the palm, at the top of the picture
    assert seen[50:, 5:].all()


def test_tilt_and_opening_are_found():
    """Looks of a pattern on the gripper's side, drawn where the plane is after the motion."""
    hand = HandMotion(*MOUNTED, **CAMERA["hand"])
    pose, motion = torch.tensor([[0.05, -0.1]]), torch.tensor([[0.03, -0.04, 0.1]])
    draw = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, 16, 16, generator=draw)
    after = 255 * F.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
    at = hand.places(pose, motion).view(1, SIDE, SIDE, 2)
    before = F.grid_sample(after, at, align_corners=False, padding_mode="border")
    guess = motion + torch.tensor([[0.008, 0.008, -0.04]])
    found = hand(before, after, pose, guess)
    wrong = (found[0, :3] * torch.tensor(hand.errors) - motion[0]).abs()
    assert found.shape == (1, 10)
    assert (wrong < torch.tensor([0.002, 0.002, 0.01])).all(), wrong
    assert 0.1 < float(hand.seen(pose).mean()) < 0.6


def test_a_reader_corrects_its_answer_with_it():
    torch.manual_seed(0)
    net = ActionReader(width=4, mounted=on_gripper(tabletop_rig())).eval()
    film = torch.randint(0, 256, (4, 3, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        found = net(film[:-1], film[1:])
        joined = net.join(net.seen(film[:-1], film[1:]))
        assert torch.allclose(found[:, : joined.shape[1]], joined, atol=1e-6)
        one, other = net.pair(found), net.pair(joined)
        assert torch.allclose(one["moved"], other["moved"], atol=1e-6)
        assert not torch.allclose(one["action"], other["action"], atol=1e-5)
        assert net.read(film).shape == net.read(film, alone=True).shape == (3, 7)
