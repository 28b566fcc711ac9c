"""Imagining is asked for rarely, far ahead, and fills what is missing."""

import numpy as np

from gwm_core.guide import Camera, Keyframe, Memory, ahead, draw, new_pixels, urgent

from .box_room import render

CAMERA = Camera(256, 160, 60.0)
START = np.array([1.0, 2.0, 1.55, 0.0, 0.0])


def seen(memory, pose):
    """The memory with a whole true view at `pose`."""
    rgb, depth = render(pose, CAMERA)
    keep, border = new_pixels(draw(memory, pose, CAMERA), rgb, depth)
    return memory.add(Keyframe(rgb, depth, pose, keep=keep, border=border))


def test_nothing_is_asked_for_at_rest():
    memory = seen(Memory(), START)
    assert ahead(memory, START, CAMERA) is None
    assert urgent(memory, START, CAMERA) is None


def test_a_turn_asks_for_a_view_far_round_it():
    memory = seen(Memory(), START)
    left = ahead(memory, START, CAMERA, turn_rate=1.0)
    right = ahead(memory, START, CAMERA, turn_rate=-1.0)
    assert np.radians(45) < left[3] - START[3] < np.radians(95)
    assert -np.radians(95) < right[3] - START[3] < -np.radians(45)
    assert draw(memory, left, CAMERA).coverage > 0.25


def test_a_full_turn_needs_few_views():
    memory, pose, count = seen(Memory(), START), START.copy(), 0
    for _ in range(63):
        pose[3] += 0.1
        there = ahead(memory, pose, CAMERA, turn_rate=1.2)
        if there is not None:
            memory, count = seen(memory, there), count + 1
        assert draw(memory, pose, CAMERA).coverage > 0.85
    assert 3 <= count <= 8


def test_walking_through_a_door_asks_for_the_room_behind():
    memory, pose = seen(Memory(), START), START.copy()
    asked = []
    for _ in range(20):
        pose[0] += 0.15
        there = ahead(memory, pose, CAMERA, velocity=(1.8, 0.0))
        if there is not None:
            asked.append(there[0] - pose[0])
            memory = seen(memory, there)
    assert 1 <= len(asked) <= 8 and max(asked) > 0.8


def test_an_unseen_view_is_urgent():
    memory = seen(Memory(), START)
    behind = START + [0, 0, 0, np.pi, 0]
    assert np.allclose(urgent(memory, behind, CAMERA), behind)
    assert urgent(Memory(), START, CAMERA) is not None
