"""Memory: immutable, bounded, the same after a file."""

import numpy as np
import pytest

from gwm_core.errors import GWMError
from gwm_core.guide import Camera, Keyframe, Memory, draw

from .box_room import render

CAMERA = Camera(64, 40, 60.0)


def frame(x, yaw=0.0, light=0):
    pose = np.array([x, 2.0, 1.55, yaw, 0.0])
    rgb, depth = render(pose, CAMERA)
    return Keyframe(rgb, depth, pose, light=light, camera=CAMERA, origin="first",
                    label=np.full((40, 64), 3, np.uint8))


def test_adding_leaves_the_old_memory_alone():
    one = Memory().add(frame(1.0))
    two = one.add(frame(2.0, 2.0))
    assert len(one) == 1 and len(two) == 2 and two.keyframes[0] is one.keyframes[0]
    with pytest.raises(AttributeError):
        one.keyframes = ()
    with pytest.raises(ValueError):
        one.keyframes[0].rgb[0, 0] = 1
    assert two.nbytes > one.nbytes > 40 * 64 * 8


def test_bounds_hold_and_the_first_stays():
    memory = Memory(max_keyframes=8)
    first = frame(1.0)
    memory = memory.add(first)
    for i in range(30):
        memory = memory.add(frame(1.0 + 0.1 * i))
        assert len(memory) <= 8 and memory.keyframes[0] is first
    limit = 3 * first.nbytes
    memory = Memory(max_bytes=limit)
    for i in range(8):
        memory = memory.add(frame(1.0 + 0.1 * i))
        assert memory.nbytes <= limit or len(memory) == 2


def test_from_arrays_gives_the_same_pictures():
    memory = Memory().add(frame(1.0, light=4)).add(frame(2.0, 1.0))
    back = Memory.from_arrays({k: v.copy() for k, v in memory.to_arrays().items()})
    assert [k.light for k in back.keyframes] == [4, 0] and back.keyframes[0].origin == "first"
    pose = np.array([1.4, 2.1, 1.5, 0.4, -0.1])
    a, b = draw(memory, pose, CAMERA), draw(back, pose, CAMERA)
    assert (a.rgb == b.rgb).all() and (a.depth == b.depth).all()
    assert set(np.unique(a.lights(memory))) <= {-1, 0, 4}


def test_damaged_arrays_are_named():
    arrays = Memory().add(frame(1.0)).to_arrays()
    del arrays["0.depth"]
    with pytest.raises(GWMError, match="0.depth"):
        Memory.from_arrays(arrays)
    with pytest.raises(GWMError, match="memory"):
        Memory.from_arrays({})


def test_what_lies_behind_the_camera_is_not_drawn():
    memory = Memory().add(frame(1.0)).add(frame(4.0, np.pi))
    assert list(memory.nearest(np.array([0.9, 2, 1.5, np.pi, 0.0]), CAMERA)) == [1]
    assert len(memory.nearest(np.array([1.0, 2, 1.5, 0.0, 0.0]), CAMERA)) == 2


def test_cameras_outside_the_range_are_refused():
    with pytest.raises(GWMError, match="accepted"):
        Camera(0, 10, 60)
    with pytest.raises(GWMError, match="accepted"):
        Camera(10, 10, 190)
