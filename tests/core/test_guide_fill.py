"""Cracks and holes are filled for the eye and never become part of what is covered."""

import numpy as np

from gwm_core.fill import narrow, smooth
from gwm_core.guide import Camera, Keyframe, Memory, draw, fill_cracks, push_pull

CAMERA = Camera(64, 40, 60.0)
POSE = np.array([0, 0, 1.5, 0, 0.0])


def guide_with(keep):
    rgb = np.zeros((40, 64, 3), np.uint8)
    rgb[:, :32], rgb[:, 32:] = 100, 200
    depth = np.full((40, 64), 2.0, np.float32)
    depth[:, 32:] = 6.0
    return draw(Memory().add(Keyframe(rgb, depth, POSE, keep=keep)), POSE, CAMERA)


def test_narrow_gaps_only():
    covered = np.ones((40, 64), bool)
    covered[:, 10:15] = False
    covered[:, 30:36] = False
    covered[:, :2] = False
    gap = narrow(covered, 5)
    assert gap[:, 10:15].all() and not gap[:, 30:36].any() and not gap[:, :2].any()


def test_cracks_continue_what_is_behind():
    keep = np.ones((40, 64), bool)
    keep[:, 30:34] = False
    guide = guide_with(keep)
    done = fill_cracks(guide)
    assert not guide.covered[5:35, 31:33].any() and not done.covered[5:35, 31:33].any()
    assert done.filled[5:35, 31:33].all()
    assert (done.rgb[5:35, 31:33] == 200).all()
    assert np.allclose(done.depth[5:35, 31:33], 6.0, rtol=0.01)
    assert (done.rgb[guide.covered] == guide.rgb[guide.covered]).all()


def test_holes_fill_smoothly_and_completely():
    keep = np.ones((40, 64), bool)
    keep[8:30, 4:28] = False
    guide = guide_with(keep)
    done = push_pull(guide)
    assert done.known.all() and (done.covered == guide.covered).all()
    hole = ~guide.covered
    assert (np.abs(done.rgb[hole].astype(int) - 100) <= 25).mean() > 0.9
    assert (done.depth > 0).all() and np.isfinite(done.depth).all()


def test_nothing_known_gives_a_plain_picture():
    rgb, depth = smooth(np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6), np.float32),
                        np.zeros((4, 6), bool))
    assert (rgb == 128).all() and (depth == 3).all()


def test_odd_sizes():
    known = np.zeros((7, 13), bool)
    known[3, 5] = True
    rgb = np.full((7, 13, 3), 77, np.uint8)
    out, depth = smooth(rgb, np.full((7, 13), 2.0, np.float32), known)
    assert (out == 77).all() and np.allclose(depth, 2.0)
