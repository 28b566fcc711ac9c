"""Drawing kept pixels: truth in a ray-traced house, no holes, the same bits for any threads."""

import numpy as np
import pytest

from gwm_core.errors import GWMError
from gwm_core.guide import Camera, Keyframe, Memory, draw, fill_cracks, new_pixels
from gwm_core.mesh import connections

from .box_room import psnr, render

CAMERA = Camera(256, 160, 60.0)
START = np.array([1.0, 2.0, 1.55, 0.2, -0.05])
FIELDS = ("rgb", "depth", "covered", "source_depth", "label", "keyframe", "scale", "body")


@pytest.fixture(scope="module")
def first():
    rgb, depth = render(START, CAMERA)
    return Memory().add(Keyframe(rgb, depth, START))


def walk(metres, side=0.0, turn=0.0, pitch=0.0):
    """A pose so far from START along and across its own direction."""
    c, s = np.cos(START[3]), np.sin(START[3])
    move = [metres * c - side * s, metres * s + side * c, 0.0, turn, pitch]
    return START + np.array(move)


def test_the_same_pose_gives_the_same_pixels(first):
    guide = draw(first, START, CAMERA)
    assert guide.covered.all()
    assert (guide.rgb == first.keyframes[0].rgb).all()
    assert np.abs(guide.depth / first.keyframes[0].depth - 1).max() < 0.004
    assert (guide.keyframe == 0).all() and guide.scale.max() < 1.2


def test_what_is_imagined_beside_the_first_picture_never_covers_it(first):
    """A view to the side holds the same walls a little nearer, over the rim of the first one."""
    side = START + [0, 0, 0, 0.9, 0]
    rgb, depth = render(side, CAMERA)
    depth = depth * np.float32(0.97)
    keep, border = new_pixels(draw(first, side, CAMERA), rgb, depth)
    memory = first.add(Keyframe(255 - rgb, depth, side, keep=keep, border=border))
    assert (draw(memory, START, CAMERA).rgb == first.keyframes[0].rgb).all()
    # A step aside both are weighed against each other again.
    assert (draw(memory, walk(0.0, 0.1), CAMERA).keyframe == 1).any()


@pytest.mark.parametrize("pose", [walk(0.63), walk(0.3, 0.2, 0.3), walk(0.1, -0.3, -0.4, 0.2)])
def test_four_ticks_of_walking_stay_true(first, pose):
    guide = draw(first, pose, CAMERA)
    rgb, depth = render(pose, CAMERA)
    assert psnr(guide.rgb, rgb, guide.covered) > 30
    wrong = guide.covered & (np.abs(guide.depth / depth - 1) > 0.05)
    assert wrong.mean() < 0.01


def test_walking_closer_leaves_no_holes_in_surfaces(first):
    pose = walk(1.5)
    guide = draw(first, pose, CAMERA)
    _, depth = render(pose, CAMERA)
    # what the first picture showed: places of this view that lie on its surfaces
    right, down, forward, eye = _axes(pose)
    world = eye + (CAMERA.rays() * depth[..., None]) @ np.stack([right, down, forward])
    there = first.keyframes[0].view(world.reshape(-1, 3))
    column, row = np.round(there[:, 0]).astype(int), np.round(there[:, 1]).astype(int)
    inside = (column >= 2) & (column < 254) & (row >= 2) & (row < 158)
    shown = np.zeros(len(there), bool)
    kept = first.keyframes[0].depth
    shown[inside] = np.abs(kept[row[inside], column[inside]] / there[inside, 2] - 1) < 0.02
    hole = shown.reshape(160, 256) & ~guide.covered
    for _ in range(1):  # holes wider than two pixels survive one erosion
        inner = hole[1:-1, 1:-1] & hole[2:, 1:-1] & hole[:-2, 1:-1]
        hole = inner & hole[1:-1, 2:] & hole[1:-1, :-2]
    assert not hole.any()


def _axes(pose):
    from gwm_core.raster import axes

    return axes(pose)


def test_what_was_hidden_is_not_covered(first):
    pose = walk(0.6, -0.5)
    guide = draw(first, pose, CAMERA)
    rgb, depth = render(pose, CAMERA)
    # no surface may hang in front of the truth, and hardly any show what lies behind it
    assert (guide.covered & (guide.depth < 0.93 * depth - 0.03)).mean() < 0.002
    assert (guide.covered & (guide.depth > 1.07 * depth + 0.05)).mean() < 0.03
    assert not guide.covered.all()


def test_a_surface_seen_from_behind_hides_and_is_unknown():
    small = Camera(64, 40, 60.0)
    wall = Keyframe(np.full((40, 64, 3), 200, np.uint8), np.full((40, 64), 2.0, np.float32),
                    np.array([0, 0, 1.5, 0, 0.0]))
    other = Keyframe(np.full((40, 64, 3), 90, np.uint8), np.full((40, 64), 8.0, np.float32),
                     np.array([6, 0, 1.5, np.pi, 0.0]))
    memory = Memory().add(wall).add(other)
    front = draw(memory, np.array([1.0, 0, 1.5, 0, 0]), small)
    assert (front.rgb[10:30, 20:44] == 200).all()
    behind = draw(memory, np.array([4.0, 0, 1.5, np.pi, 0]), small)
    middle = behind.covered[17:23, 28:36]
    assert not middle.any()


def test_any_number_of_threads_gives_the_same_bits(first):
    pose = walk(0.9, 0.4, 0.4)
    rgb, depth = render(pose, CAMERA)
    keep, border = new_pixels(draw(first, pose, CAMERA), rgb, depth)
    memory = first.add(Keyframe(rgb, depth, pose, keep=keep, border=border))
    there = walk(1.9, 0.1, 0.2, -0.2)
    one = draw(memory, there, CAMERA, threads=1)
    for threads in (2, 3, 7):
        many = draw(memory, there, CAMERA, threads=threads)
        for name in FIELDS:
            assert (getattr(one, name) == getattr(many, name)).all(), (name, threads)


def test_new_pixels_close_the_view_and_leave_what_is_known(first):
    pose = walk(0.2, 0.0, 0.7)
    guide = draw(first, pose, CAMERA)
    rgb, depth = render(pose, CAMERA)
    keep, border = new_pixels(guide, rgb, depth)
    assert not (keep & guide.covered).any() and not (border & ~guide.covered).any()
    frame = Keyframe(rgb, depth, pose, keep=keep, border=border)
    memory = first.add(frame)
    again = fill_cracks(draw(memory, pose, CAMERA))
    assert again.known.mean() > 0.995
    assert psnr(again.rgb, rgb, again.covered) > 33
    # what was shown before still looks the same
    known = guide.covered & (draw(memory, pose, CAMERA).keyframe == 0)
    assert known.sum() > 0.97 * guide.covered.sum()
    # pixels beside a jump in depth are not kept
    across, _ = connections(depth)
    jump = np.zeros_like(keep)
    jump[:, :-1] = ~across[:, :-1]
    assert not (keep & jump).any()


def test_silhouettes_are_not_bridged_and_grazing_floors_are():
    camera = Camera(256, 160, 60.0)
    _, depth = render(START, camera)
    across, down = connections(depth)
    jump = np.abs(np.diff(depth, axis=1)) > 0.5 * np.minimum(depth[:, 1:], depth[:, :-1])
    assert not (across[:, :-1] & jump).any()
    rows = camera.rays()[:, :, 1]
    floor = np.where(rows > 0.03, 1.55 / np.maximum(rows, 1e-3), 60).astype(np.float32)
    _, down = connections(floor)
    solid = rows[:-1] > 0.05
    assert down[:-1][solid].all()


def test_an_empty_memory_draws_nothing():
    guide = draw(Memory(), START, CAMERA)
    assert not guide.covered.any() and guide.coverage == 0
    assert (guide.keyframe == -1).all() and (guide.label == 255).all()


def test_bad_keyframes_are_named():
    rgb, depth = np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.float32)
    with pytest.raises(GWMError, match="depth has shape"):
        Keyframe(rgb, depth[:4], START)
    with pytest.raises(GWMError, match="uint8"):
        Keyframe(rgb.astype(np.float32), depth, START)
    with pytest.raises(GWMError, match="not finite"):
        Keyframe(rgb, depth, START * np.nan)
    depth[0] = np.nan
    depth[1] = 0
    assert Keyframe(rgb, depth, START).keep.sum() == 48
