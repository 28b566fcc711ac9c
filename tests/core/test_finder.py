"""Reading slots from the finder's maps: projection, peaks, targets and back, textures."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core.bodies import BALL, BOX, DOOR, Bodies, middle  # noqa: E402
from gwm_core.finding import (  # noqa: E402
    Finder,
    View,
    face_points,
    merge,
    peaks,
    read_slot,
    take_texture,
)
from gwm_core.model.finder import CELL, FinderNet  # noqa: E402
from gwm_core.training.finder import frame_targets, slot_target  # noqa: E402

POSE = np.array([1.0, 2.0, 1.55, 0.7, -0.25])
WIDTH, HEIGHT = 256, 160


@pytest.fixture(scope="module")
def view():
    return View(POSE, WIDTH, HEIGHT)


def in_front(view, u=140.0, v=100.0, z=3.0):
    return view.world(np.float64(u), np.float64(v), np.float64(z))


def test_projection_round_trip(view):
    u, v, z = view.project(in_front(view))
    assert (u, v, z) == pytest.approx((140, 100, 3))
    ahead = view.world(np.float64(128), np.float64(80), np.float64(1.0)) - POSE[:3]
    c = np.cos(POSE[4])
    assert ahead == pytest.approx([c * np.cos(0.7), c * np.sin(0.7), np.sin(POSE[4])])


@pytest.mark.parametrize("kind", [BALL, BOX, DOOR])
@pytest.mark.parametrize("yaw", [-2.5, 0.2, 1.3])
def test_targets_read_back_as_the_same_body(view, kind, yaw):
    centre = in_front(view)
    size = {BALL: (0.2, 0.2, 0.2), BOX: (0.3, 0.3, 0.3), DOOR: (0.45, 0.02, 1.0)}[kind]
    pos = centre
    if kind == DOOR:
        pos = centre - np.array([np.cos(yaw) * size[0], np.sin(yaw) * size[0], size[2]])
    depth = np.full((HEIGHT, WIDTH), 2.85, np.float32)
    seen = np.array([141.5, 98.5])
    values = slot_target(kind, pos, yaw, size, seen, depth, view)
    row, col = int(seen[1] // CELL), int(seen[0] // CELL)
    slot = read_slot(kind, row, col, values, depth, view)
    assert np.allclose(slot["pos"], pos, atol=1e-4)
    assert np.allclose(slot["size"], size, atol=1e-5)
    if kind == DOOR:
        assert np.cos(slot["yaw"] - yaw) == pytest.approx(1, abs=1e-6)
    if kind == BOX:
        assert np.cos(4 * (slot["yaw"] - yaw)) == pytest.approx(1, abs=1e-6)


def test_peaks_are_local_maxima_in_order():
    heat = np.zeros((3, 8, 8), np.float32)
    heat[1, 2, 3], heat[1, 2, 4], heat[0, 6, 6] = 0.8, 0.5, 0.9
    assert peaks(heat, 0.4) == [(0, 6, 6), (1, 2, 3)]


def test_frame_targets_mark_visible_bodies(view):
    bodies = {"kind": np.array([1, 0], np.int8), "pos": np.stack([in_front(view)] * 2),
              "yaw": np.zeros(2), "size": np.full((2, 3), 0.15, np.float32)}
    body_map = np.zeros((HEIGHT, WIDTH), np.uint8)
    body_map[95:106, 135:146] = 1
    target = frame_targets(np.full((HEIGHT, WIDTH), 2.9, np.float32), POSE, bodies, body_map,
                           np.full((HEIGHT, WIDTH), 4, np.uint8))
    assert target["has"].sum() == 1 and target["has"][0, 12, 17] == 1
    assert target["cells"][0, 12, 17] == 1 and target["mask"].sum() == 121
    assert (target["material"] == 4).all()


def test_textures_show_the_side_that_faces_the_camera(view):
    slot = {"kind": BOX, "pos": in_front(view), "yaw": 0.7, "size": (0.3, 0.3, 0.3)}
    points = face_points(slot, POSE[:3])
    u, v, _ = view.project(points)
    assert (np.diff(u, axis=1) > 0).all() and (np.diff(v, axis=0) > 0).all()
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rgb[:, :140] = (200, 0, 0)
    rgb[:, 140:] = (0, 0, 200)
    moves = np.ones((HEIGHT, WIDTH), bool)
    colour, texture = take_texture(slot, rgb, np.full((HEIGHT, WIDTH), 2.8), moves, view)
    assert texture[12, 2, 0] == 200 and texture[12, -3, 2] == 200
    assert 0.2 < colour[0] < 0.6


def test_find_is_deterministic_and_checks_its_input():
    torch.manual_seed(0)
    finder = Finder(FinderNet(16), threshold=0.3)
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    depth = rng.uniform(1, 5, (HEIGHT, WIDTH)).astype(np.float32)
    a, b = finder.find(rgb, depth, POSE), finder.find(rgb, depth, POSE)
    assert np.array_equal(a.moves, b.moves) and np.array_equal(a.bodies.pos, b.bodies.pos)
    assert a.material.shape == (HEIGHT, WIDTH) and a.label.min() >= 240
    with pytest.raises(ValueError, match="multiples of 32"):
        finder.find(rgb[:100], depth[:100], POSE)


def test_merge_adds_only_what_is_new():
    one = Bodies.empty().add(BALL, (1, 1, 0.1))
    both = Bodies.empty().add(BALL, (1.1, 1, 0.1)).add(BOX, (3, 1, 0.3), size=(0.3,) * 3)
    merged = merge(one, both)
    assert list(merged.kind[:3]) == [BALL, BOX, 0] and merged.pos[0, 0] == 1
    assert np.allclose(middle(DOOR, (0, 0, 0), 0.0, (0.4, 0.02, 1.0)), (0.4, 0, 1))


def test_mirrored_targets_belong_to_the_mirrored_scene():
    from gwm_core.training.finder import mirrored

    pose = np.array([0.0, 0.0, 1.55, 0.0, -0.2])
    view = View(pose, WIDTH, HEIGHT)
    depth = np.full((HEIGHT, WIDTH), 2.6, np.float32)
    place = view.world(np.float64(150.0), np.float64(100.0), np.float64(2.7))
    size, yaw = (0.45, 0.02, 1.0), 1.1
    foot = place - np.array([np.cos(yaw) * size[0], np.sin(yaw) * size[0], size[2]])
    values = slot_target(DOOR, foot, yaw, size, (151.5, 99.5), depth, view)
    cells = np.zeros((1, 16, HEIGHT // CELL, WIDTH // CELL), np.float32)
    has = np.zeros((1, 3, HEIGHT // CELL, WIDTH // CELL), np.float32)
    cells[0, :, 12, 18], has[0, 2, 12, 18] = values, 1
    _, _, target = mirrored(np.zeros((1, HEIGHT, WIDTH, 3)), depth[None],
                            {"cells": cells, "has": has})
    col = WIDTH // CELL - 1 - 18
    slot = read_slot(DOOR, 12, col, target["cells"][0, :, 12, col], depth, view)
    assert np.allclose(slot["pos"], foot * (1, -1, 1), atol=1e-4)
    assert np.cos(slot["yaw"] + yaw) == pytest.approx(1, abs=1e-5)
