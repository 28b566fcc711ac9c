"""Clearances from kept surfaces agree with rays traced through the true house."""

import numpy as np
import pytest

from gwm_core.bodies import BALL, BOX, Bodies
from gwm_core.clearance import HEIGHTS, seen_free
from gwm_core.guide import Camera, Keyframe, Memory, clearance, clearance_dirs, draw, new_pixels
from gwm_core.rays import directions

from .box_room import cast, render

CAMERA = Camera(256, 160, 60.0)


@pytest.fixture(scope="module")
def room():
    """A memory of the first room, looked at all round from two places."""
    memory = Memory()
    for x, y in ((1.2, 1.5), (2.0, 3.2)):
        for yaw in np.arange(0, 2 * np.pi, np.pi / 4):
            pose = np.array([x, y, 1.55, yaw, -0.2])
            rgb, depth = render(pose, CAMERA)
            keep, border = new_pixels(draw(memory, pose, CAMERA), rgb, depth)
            memory = memory.add(Keyframe(rgb, depth, pose, keep=keep, border=border))
    return memory


PLACES = [(1.2, 1.5), (0.4, 0.5), (3.0, 1.9), (4.6, 2.0), (1.5, 3.4), (3.7, 1.2)]


@pytest.mark.parametrize("place", PLACES)
def test_profiles_agree_with_true_rays(room, place):
    foot = np.array([*place, 0.0])
    dist, known = clearance(room, foot, HEIGHTS, 48)
    assert dist.shape == known.shape == (48, 5) and dist.dtype == np.float32
    angle = np.arange(48) * 2 * np.pi / 48
    flat = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    truth = np.stack([cast(foot + [0, 0, h], flat)[0] for h in HEIGHTS], 1).clip(0, 6)
    error = np.abs(dist - truth)[known]
    assert known.mean() > 0.85
    assert np.median(error) < 0.01 and (error < 0.05).mean() > 0.85


def test_rays_all_round_a_ball_agree(room):
    dirs = directions((-60, -30, 0, 30, 60), 14, True)
    place = np.array([2.6, 2.2, 0.6])
    dist, known = clearance_dirs(room, place, dirs)
    truth = cast(place, dirs)[0].clip(0, 6)
    assert known.mean() > 0.5  # the floor and ceiling close by were in no view
    assert (np.abs(dist - truth)[known] < 0.05).mean() > 0.9


def test_what_was_never_seen_is_unknown():
    pose = np.array([2.0, 2.0, 1.55, 0.0, 0.0])
    rgb, depth = render(pose, CAMERA)
    memory = Memory().add(Keyframe(rgb, depth, pose))
    dist, known = clearance(memory, (2.0, 2.0, 0.0), (1.15,), 4)
    assert known[0, 0] and not known[2, 0] and dist[2, 0] == 6.0
    assert list(seen_free(memory, [(3.0, 2.0, 1.5), (1.0, 2.0, 1.5)])) == [True, False]


def test_moving_things_count(room):
    bodies = Bodies.empty().add(BOX, (2.2, 1.5, 0.3), size=(0.2, 0.2, 0.3))
    bodies = bodies.add(BALL, (1.2, 2.5, 0.45), size=(0.2, 0.2, 0.2))
    foot = (1.2, 1.5, 0.0)
    dist, _ = clearance(room, foot, (0.45,), 4, bodies)
    assert abs(dist[0, 0] - 0.8) < 1e-3 and abs(dist[1, 0] - 0.8) < 1e-3
    free, _ = clearance(room, foot, (0.45,), 4, bodies, skip=0)
    assert free[0, 0] > 2


def test_pixels_hanging_at_a_silhouette_do_not_count():
    depth = np.full((160, 256), 4.0, np.float32)
    depth[:, 100:150] = 2.0
    depth[::3, 99] = 3.0  # flying pixels between the two surfaces
    pose = np.array([0.0, 0.0, 1.55, 0.0, 0.0])
    memory = Memory().add(Keyframe(np.zeros((160, 256, 3), np.uint8), depth, pose))
    x = (99 + 0.5 - 128) / CAMERA.focal
    angle = np.arctan2(-x, 1.0)
    dist, _ = clearance(memory, (0, 0, 0), (1.5,), [angle])
    assert abs(dist[0, 0] * np.cos(angle) - 3.0) > 0.3


def test_an_empty_memory_knows_nothing():
    dist, known = clearance(Memory(), (0, 0, 0))
    assert (dist == 6).all() and not known.any()
