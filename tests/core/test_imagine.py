"""Imagining from remembered places, on box rooms whose true surroundings are known."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from gwm_core.errors import GWMError
from gwm_core.imagine import Context, imagine
from gwm_core.imaginers.panorama import camera_basis, place_basis, view
from gwm_core.imaginers.remembered import RememberedImaginer
from gwm_core.imaginers.seams import View, blend, join, rim_weights
from gwm_core.imaginers.search import view_points, wall_phase

from .box_places import SHADES, box_bank, box_place

WIDTH, HEIGHT = 256, 160
FOCAL = 0.5 * HEIGHT / math.tan(math.radians(30))


@pytest.fixture(scope="module")
def imaginer():
    return RememberedImaginer(box_bank())


def guide_of(theme: int, yaw: float, hidden: slice, pose_yaw: float = 0.0, pitch: float = 0.0):
    """A view of a room that is not in the bank with some columns unknown."""
    room = box_place(2.1, 1.7, 1.9, 2.4, theme, 2.7, SHADES[theme])
    rgb, depth, label, _, _ = view(room, (0, 0, 0), place_basis(yaw + pose_yaw, pitch, False),
                                   WIDTH, HEIGHT, FOCAL)
    mask = np.ones((HEIGHT, WIDTH), bool)
    mask[:, hidden] = False
    shown = np.where(mask[..., None], rgb, 0).astype(np.uint8)
    disparity = np.where(mask, 1 / depth, 0).astype(np.float32)
    return shown, disparity, mask, np.where(mask, label, 255).astype(np.uint8), (rgb, depth, label)


def run(imaginer, parts, yaw, seed=3, **more):
    shown, disparity, mask, label, _ = parts
    pose = np.array([0, 0, 1.55, yaw, more.pop("pitch", 0.0)])
    return imagine(imaginer, shown, disparity, mask, label=label, pose=pose, seed=seed, **more)


def test_covered_pixels_stay_and_the_room_goes_on(imaginer):
    parts = guide_of(1, 0.4, slice(0, 128), pitch=-0.4)
    out = run(imaginer, parts, 0.4, pitch=-0.4)
    shown, disparity, mask, label, (rgb, depth, truth) = parts
    assert (out.rgb[mask] == shown[mask]).all()
    np.testing.assert_allclose(out.depth[mask], depth[mask], rtol=1e-5)
    assert out.rgb.dtype == np.uint8 and out.depth.dtype == np.float32
    hole = ~mask
    assert (out.label[hole] >> 3 == 1).mean() > 0.95, "the wall changed its theme"
    # Floors meet exactly: the imagined floor lies where the true one does.
    floor = hole & (truth == 8) & (out.label == 8)
    assert floor.sum() > 300
    assert np.median(np.abs(out.depth[floor] / depth[floor] - 1)) < 0.01
    assert out.mismatch < 0.3 and out.remembered > 0.8


def test_same_arguments_same_bits_and_seeds_differ(imaginer):
    parts = guide_of(0, 2.0, slice(100, 256))
    a, b = run(imaginer, parts, 2.0), run(imaginer, parts, 2.0)
    assert (a.rgb == b.rgb).all() and (a.depth == b.depth).all() and a.placements == b.placements
    blank = np.zeros((HEIGHT, WIDTH), np.float32)
    pictures = [
        imagine(imaginer, np.zeros((HEIGHT, WIDTH, 3), np.uint8), blank, blank > 0, seed=s,
                context=Context(theme=2)) for s in range(4)
    ]
    assert len({p.rgb.tobytes() for p in pictures}) == 4
    for p in pictures:
        assert (p.label >> 3 == 2).mean() > 0.9 and p.sure.all()


def test_a_place_goes_on_round_the_turn(imaginer):
    blank = np.zeros((HEIGHT, WIDTH), np.float32)
    first = imagine(imaginer, np.zeros((HEIGHT, WIDTH, 3), np.uint8), blank, blank > 0, seed=5)
    placed = first.placements[0]
    # The right third of what was seen is the left third of the next view.
    turn = -math.radians(50)
    points = view_points(1 / first.depth, 0.0, 0.0, FOCAL).reshape(-1, 3)
    basis = camera_basis(turn, 0.0)
    z = points @ basis[2]
    x = points @ basis[0] / np.maximum(z, 1e-6) * FOCAL + WIDTH / 2
    y = points @ basis[1] / np.maximum(z, 1e-6) * FOCAL + HEIGHT / 2
    ok = (z > 0.1) & (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    disparity = np.zeros((HEIGHT, WIDTH), np.float32)
    label = np.full((HEIGHT, WIDTH), 255, np.uint8)
    rows, columns = y[ok].astype(int), x[ok].astype(int)
    rgb[rows, columns] = first.rgb.reshape(-1, 3)[ok]
    disparity[rows, columns] = 1 / z[ok]
    label[rows, columns] = first.label.ravel()[ok]
    mask = disparity > 0
    out = imagine(imaginer, rgb, disparity, mask, label=label,
                  pose=np.array([0, 0, 1.55, turn, 0]), seed=9,
                  context=Context(placements=first.placements))
    assert out.placements == (placed,)
    # Untold, it finds something that goes on as well.
    again = imagine(imaginer, rgb, disparity, mask, label=label,
                    pose=np.array([0, 0, 1.55, turn, 0]), seed=9)
    assert again.mismatch < 0.1


def test_wall_direction_is_read_from_depth():
    for angle in (-0.6, -0.2, 0.0, 0.3, 0.7):
        _, disparity, mask, _, _ = guide_of(0, 1.0 - angle, slice(0, 20))
        points = view_points(disparity, 1.0, 0.0, FOCAL)
        phase, sure = wall_phase(points, mask)
        assert abs(math.remainder(phase - angle, math.pi / 2)) < 0.01 and sure > 0.8


def test_two_places_meet_at_a_cut():
    depth = np.tile(np.linspace(1, 3, 64, dtype=np.float32), (40, 1))
    left = View(np.full((40, 64, 3), 80, np.uint8), depth, np.full((40, 64), 9, np.uint8),
                np.ones((40, 64), bool))
    right = View(np.full((40, 64, 3), 80, np.uint8), depth[:, ::-1].copy(), left.label, left.sure)
    out, cost = join(left, right, np.zeros((40, 64), bool))
    # They agree where their depths cross: in the middle.
    assert abs(int(out.depth[20].argmax()) - 31) <= 2 and cost < 0.2


def test_blend_keeps_brightness_at_the_seam():
    mask = np.zeros((40, 64), bool)
    mask[:, :32] = True
    rgb = np.full((40, 64, 3), 120, np.uint8)
    other = View(np.full((40, 64, 3), 108, np.uint8), np.full((40, 64), 2.0, np.float32),
                 np.full((40, 64), 9, np.uint8), np.ones((40, 64), bool))
    out = blend(other, rgb, np.full((40, 64), 0.5, np.float32), other.label, mask)
    assert abs(int(out.rgb[20, 34, 0]) - 120) <= 2
    assert rim_weights(mask, 10)[20, 31] > 0.9 > 0.1 > rim_weights(mask, 10)[20, 0]


def test_bad_guides_are_named(imaginer):
    blank = np.zeros((HEIGHT, WIDTH), np.float32)
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with pytest.raises(GWMError, match="uint8"):
        imagine(imaginer, black.astype(np.float32), blank, blank > 0)
    with pytest.raises(GWMError, match="disparity"):
        imagine(imaginer, black, blank[:10], blank > 0)
    with pytest.raises(GWMError, match="not finite"):
        imagine(imaginer, black, np.full_like(blank, np.nan), blank == 0)
    with pytest.raises(GWMError, match="pose"):
        imagine(imaginer, black, blank, blank > 0, pose=[0, 0, math.nan, 0, 0])


def test_quick_enough_for_a_side_thread(imaginer):
    parts = guide_of(1, 0.4, slice(0, 128))
    run(imaginer, parts, 0.4)
    best = math.inf
    for _ in range(3):
        began = time.process_time()
        run(imaginer, parts, 0.4)
        best = min(best, time.process_time() - began)
    assert best < 1.0, f"{best:.2f} s"
