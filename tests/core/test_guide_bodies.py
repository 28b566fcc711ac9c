"""Moving things drawn into the guide: size, place, order, map."""

import numpy as np

from gwm_core.bodies import BALL, BOX, DOOR, Bodies
from gwm_core.guide import Camera, Keyframe, Memory, draw, new_pixels

CAMERA = Camera(256, 160, 60.0)
POSE = np.array([0.0, 0.0, 1.5, 0.0, 0.0])


def wall(distance=4.0):
    depth = np.full((160, 256), distance, np.float32)
    return Memory().add(Keyframe(np.full((160, 256, 3), 120, np.uint8), depth, POSE))


def test_a_ball_has_the_right_size_place_and_depth():
    bodies = Bodies.empty().add(BALL, (2.0, 0.5, 1.2), size=(0.2,) * 3, rgb=(1, 0, 0))
    guide = draw(wall(), POSE, CAMERA, bodies)
    rows, columns = np.nonzero(guide.body == 1)
    f = CAMERA.focal
    assert abs(columns.mean() + 0.5 - (128 - f * 0.25)) < 1.5  # to the left: y is positive
    assert abs(rows.mean() + 0.5 - (80 + f * 0.15)) < 1.5
    assert abs(np.ptp(rows) + 1 - 2 * f * 0.1) < 3
    assert abs(guide.depth[guide.body == 1].min() - 1.8) < 0.01
    assert guide.covered.all() and (guide.keyframe[guide.body == 1] == -1).all()
    assert guide.rgb[guide.body == 1, 0].min() > 80 and guide.rgb[guide.body == 1, 1].max() == 0


def test_surfaces_and_nearer_things_hide():
    ball = Bodies.empty().add(BALL, (5.0, 0, 1.5), size=(0.3,) * 3)
    assert not (draw(wall(4.0), POSE, CAMERA, ball).body > 0).any()
    assert (draw(wall(8.0), POSE, CAMERA, ball).body > 0).any()
    two = ball.add(BOX, (3.0, 0, 1.5), size=(0.4, 0.4, 0.4), rgb=(0, 1, 0))
    body = draw(wall(8.0), POSE, CAMERA, two).body
    assert (body == 2).sum() > 500 and not (body == 1).any()


def test_a_door_starts_at_its_hinge():
    door = Bodies.empty().add(DOOR, (3.0, 0.0, 0.0), yaw=np.pi / 2, size=(0.45, 0.02, 1.0))
    body = draw(wall(6.0), POSE, CAMERA, door).body
    rows, columns = np.nonzero(body == 1)
    f = CAMERA.focal
    assert abs(columns.max() + 1 - 128) <= 2  # the hinge, straight ahead
    assert abs(columns.min() - (128 - f * 0.9 / 3)) <= 3
    assert abs(rows.min() - (80 - f * 0.5 / 2.98)) <= 2


def test_textures_keep_their_orientation():
    texture = np.zeros((24, 24, 3), np.uint8)
    texture[:12, :, 0] = 255
    texture[:, :12, 1] = 255
    for kind, size in ((BALL, (0.5,) * 3), (BOX, (0.5,) * 3)):
        bodies = Bodies.empty().add(kind, (2.5, 0.0, 1.5), size=size, texture=texture)
        guide = draw(wall(), POSE, CAMERA, bodies)
        rows, columns = np.nonzero(guide.body == 1)
        top, left = rows < 80, columns < 128
        red, green = guide.rgb[rows, columns, 0] > 128, guide.rgb[rows, columns, 1] > 128
        assert (red == top).mean() > 0.95 and (green == left).mean() > 0.95


def test_bodies_do_not_enter_the_memory_and_threads_do_not_matter():
    bodies = Bodies.empty().add(BALL, (1.0, 0.0, 1.4), size=(0.3,) * 3)
    bodies = bodies.add(BOX, (0.5, 0.4, 1.3), yaw=0.4, size=(0.2, 0.3, 0.2))
    turned = POSE + [0, 0, 0, 0.5, 0]
    one = draw(wall(), turned, CAMERA, bodies, threads=1)
    for threads in (2, 5):
        many = draw(wall(), turned, CAMERA, bodies, threads=threads)
        assert (one.rgb == many.rgb).all() and (one.body == many.body).all()
    keep, border = new_pixels(one, one.rgb, np.full((160, 256), 3.0, np.float32))
    assert not ((keep | border) & (one.body > 0)).any()
