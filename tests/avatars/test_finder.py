"""The face finder: geometry of its crops, what it finds, what it says where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gwm_core import checkpoint
from gwm_core.avatars.face_crop import FaceCrop
from gwm_core.avatars.finder import SHIPPED, Finder, load_finder, save_finder
from gwm_core.avatars.landmarks import COUNT, INDEX, face_height
from gwm_core.avatars.motion import INDEX as MOTION
from gwm_core.avatars.motion import still
from gwm_core.avatars.mouth import aperture
from gwm_core.errors import AvatarError, CheckpointError
from gwm_core.model.landmark_net import SIDE, FaceDetector, LandmarkNet
from gwm_core.noise import rng
from gwm_core.simulators.faces.faces import HELD_STYLES, STYLES, Face
from gwm_core.simulators.faces.poses import random_motion
from gwm_core.training import landmarks_data, landmarks_eval
from gwm_core.training.landmarks import detector_losses, net_losses, train_beards

REST = still(1)[0]


@pytest.fixture(scope="module")
def finder() -> Finder:
    return load_finder()


@pytest.fixture(scope="module")
def portrait() -> tuple[np.ndarray, np.ndarray]:
    return Face(12, "cartoon", "held").draw(REST, 160)


def error(found: np.ndarray, true: np.ndarray) -> float:
    """Mean distance of points in face heights."""
    return float(np.linalg.norm(found - true, axis=-1).mean() / face_height(true))


# ------------------------------------------------------------------ crops


def test_a_crop_is_upright_and_shows_its_face_where_its_points_say(portrait):
    _, points = portrait
    turn = np.radians(25)
    turned = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    a, b = FaceCrop.around(points), FaceCrop.around(turned)
    assert b.roll - a.roll == pytest.approx(turn, abs=1e-5)
    assert np.allclose(a.into(points), b.into(turned), atol=1e-5)
    assert np.allclose(b.out_of(b.into(turned)), turned, atol=1e-4)


@pytest.mark.parametrize("side", [40.0, 300.0, 2500.0])
def test_what_a_crop_shows_is_where_its_matrix_puts_it(side):
    picture = np.zeros((1500, 1700, 3), np.uint8)
    spot, r = np.array([731.0, 644.0]), max(2, int(side / 30))
    picture[644 - r:644 + r, 731 - r:731 + r] = 255
    crop = FaceCrop(731 + 0.1 * side, 644 - 0.17 * side, side, 0.3)
    cut = crop.cut(picture, SIDE)[..., 0].astype(float)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    seen = np.array([(columns * cut).sum(), (rows * cut).sum()]) / cut.sum()
    assert np.allclose(seen, crop.into(spot) * SIDE, atol=0.3)


# ------------------------------------------------------------------ the networks


def test_a_reading_does_not_depend_on_what_else_is_in_the_batch():
    torch.manual_seed(0)
    net = LandmarkNet().eval()
    pixels = torch.randint(0, 256, (3, 3, SIDE, SIDE), dtype=torch.uint8)
    with torch.inference_mode():
        alone, all_ = net(pixels[1:2]), net(pixels)
    for key in ("points", "spread", "face"):
        assert torch.allclose(alone[key][0], all_[key][1], atol=1e-4), key
    assert sum(p.numel() for m in (net, FaceDetector()) for p in m.parameters()) < 1_000_000


def test_a_companion_is_saved_loaded_and_no_model(tmp_path):
    torch.manual_seed(0)
    file = tmp_path / "x.landmarks.safetensors"
    save_finder(file, FaceDetector(), LandmarkNet())
    assert load_finder(file) is load_finder(file)
    assert checkpoint.is_companion(SHIPPED.name)
    with pytest.raises(CheckpointError, match="kind"):
        load_finder(checkpoint.EMBEDDED / "gwm-tabletop.eyes.safetensors")
    with pytest.raises(CheckpointError, match="no such file"):
        load_finder(tmp_path / "missing.safetensors")


# ------------------------------------------------------------------ finding


@pytest.mark.parametrize("styles", [STYLES, HELD_STYLES], ids=["known", "held out"])
def test_points_of_new_faces_in_any_motion(finder, styles):
    scores = landmarks_eval.score_styles(finder, styles, 12, seed=5)
    assert scores["error"] <= 0.05
    assert scores["error_mouth"] <= 0.05
    assert scores["found"] >= 0.8


def test_lips_that_open_are_read_to_open(finder):
    face = Face(3, "anime", "held")
    true, seen = [], []
    frames = []
    for jaw in np.linspace(0, 1, 9):
        motion = REST.copy()
        motion[MOTION["jaw"]] = jaw
        rgb, points = face.draw(motion, 160)
        frames.append(rgb)
        true.append(aperture(motion))
    _, around = face.draw(REST, 160)
    read, spread = finder.read(frames, around)
    seen = landmarks_eval.opening(read) / face_height(around)
    assert np.corrcoef(true, seen)[0, 1] > 0.95
    assert abs(seen[0]) < 0.03
    assert read.shape == (9, COUNT, 2) and spread.shape == (9, COUNT) and (spread > 0).all()


def test_two_faces_are_both_found_the_larger_first(finder):
    large, at_large = Face(21, "vector", "held").draw(REST, 224)
    small, at_small = Face(8, "clay", "held").draw(REST, 128)
    picture = np.full((224, 360, 3), 90, np.uint8)
    picture[:, :224], picture[60:188, 228:356] = large, small
    faces = finder.find(picture)
    assert len(faces) == 2
    assert error(faces[0].points, at_large) < 0.06
    assert error(faces[1].points, at_small + [228, 60]) < 0.06
    points, found, message = finder.find_or_default(picture)
    assert found and "2 faces" in message and np.array_equal(points, faces[0].points)
    mouth = at_small[INDEX["mouth_left"]] + [228, 60]
    points, found, _ = finder.find_or_default(picture, {"mouth_left": tuple(mouth)})
    assert np.allclose(points[INDEX["mouth_left"]], mouth, atol=0.01)
    assert error(points, at_small + [228, 60]) < 0.1


@pytest.mark.parametrize("shape", [(16, 16), (24, 2000), (900, 700)])
def test_no_face_is_said_and_does_not_stop_anything(finder, shape):
    picture = np.full((*shape, 3), 120, np.uint8)
    assert finder.find(picture) == []
    points, found, message = finder.find_or_default(picture)
    assert not found and "no face found" in message
    assert points.shape == (COUNT, 2) and np.isfinite(points).all()
    points, found, message = finder.find_or_default(picture, {"chin": (7.0, 9.0)})
    assert not found and "anchors are used" in message
    assert np.allclose(points[INDEX["chin"]], [7, 9], atol=1e-3)


def test_grey_alpha_floats_small_large_and_long_pictures(finder, portrait):
    rgb, points = portrait
    same = finder.find(rgb)[0].points
    alpha = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    assert np.array_equal(finder.find(alpha)[0].points, same)
    assert np.allclose(finder.find(torch.from_numpy(rgb).float()[None] / 255)[0].points, same,
                       atol=0.05)
    grey = rgb.astype(np.float32).mean(-1).astype(np.uint8)
    assert error(finder.find(grey)[0].points, points) < 0.05
    large = np.repeat(np.repeat(rgb, 40, 0), 40, 1)
    assert error(finder.find(large)[0].points, points * 40) < 0.05
    long = np.full((160, 1600, 3), 60, np.uint8)
    long[:, 700:860] = rgb
    assert error(finder.find(long)[0].points, points + [700, 0]) < 0.05
    for wrong in (np.zeros((4, 4, 3)), np.zeros((64, 64, 5), np.uint8), np.full((64, 64), np.nan)):
        with pytest.raises(AvatarError, match="picture"):
            finder.find_or_default(wrong)
    with pytest.raises(AvatarError, match="around"):
        finder.read([rgb], points[:3])


# ------------------------------------------------------------------ training


def test_bent_crops_keep_points_where_they_are_drawn():
    """Dots that are drawn are found again where the points of the bent picture are."""
    for seed in range(4):
        draw = rng(3, seed)
        dots = np.array(Face(1).draw(random_motion(draw), 160)[1])
        picture = np.zeros((160, 160, 3), np.uint8)
        i = INDEX["mouth_left"]
        x, y = np.round(dots[i]).astype(int)
        dots[i] = x, y
        picture[y - 2:y + 2, x - 2:x + 2] = 255
        while True:
            cut, moved = landmarks_data.cut_out(picture, dots, draw)
            if cut.any() and cut[0].max() == cut[:, 0].max() == cut[-1].max() == 0:
                break
        seen = cut[..., 0].astype(float)
        rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
        at = np.array([(columns * seen).sum(), (rows * seen).sum()]) / seen.sum()
        assert np.allclose(at, moved[i] * SIDE, atol=0.6)


def test_every_other_bearded_mouth_is_shut(tmp_path, monkeypatch):
    drawn = []
    true = Face.draw

    def draw(self, motion, size):
        drawn.append((self.identity.extras, motion[landmarks_data.group("mouth")].any()))
        return true(self, motion, size)

    monkeypatch.setattr(Face, "draw", draw)
    bearded = landmarks_data.Drawings(
        landmarks_data.collect(tmp_path / "b", 1, seed=4, shard=16, bearded=True))
    assert all({"beard", "moustache"} & extras.keys() for extras, _ in drawn)
    spoken = [moves for _, moves in drawn]
    assert not any(spoken[1::2]) and any(spoken[::2])
    usual = landmarks_data.Drawings(landmarks_data.collect(tmp_path / "u", 1, seed=4, shard=8))
    both = usual + bearded
    assert len(both) == 24 and len(usual) == 8
    for i, (part, k) in {3: (usual, 3), 8: (bearded, 0), 23: (bearded, 15)}.items():
        assert np.array_equal(both.at(i)[0], part.at(k)[0])
        assert np.array_equal(both.at(i)[1], part.at(k)[1])


def test_the_net_goes_on_with_beards(tmp_path):
    """From the weights it has, and from where it was stopped."""
    faces = landmarks_data.Drawings(landmarks_data.collect(tmp_path / "f", 1, seed=4, shard=4))
    bearded = landmarks_data.Drawings(
        landmarks_data.collect(tmp_path / "b", 1, seed=4, shard=4, bearded=True))
    torch.manual_seed(0)
    net, lines = LandmarkNet(), []
    before = {k: v.clone() for k, v in net.state_dict().items()}
    train_beards(net, faces, bearded, tmp_path, 2, progress=lines.append)
    after = net.state_dict()
    change = max(float((after[k] - before[k]).abs().max()) for k in before)
    assert 0 < change < 0.05
    again = train_beards(LandmarkNet(), faces, bearded, tmp_path, 2)
    assert all(torch.equal(v, after[k]) for k, v in again.state_dict().items())


def test_losses_fall_and_batches_are_a_function_of_their_seed(tmp_path):
    files = landmarks_data.collect(tmp_path, 1, seed=4, shard=8)
    drawings = landmarks_data.Drawings(files)
    assert landmarks_data.collect(tmp_path, 1, seed=4, shard=8) == files and len(drawings) == 8
    one = landmarks_data.crops(drawings, rng(0, 1), 8)
    two = landmarks_data.crops(drawings, rng(0, 1), 8)
    assert np.array_equal(one.pixels, two.pixels) and np.array_equal(one.points, two.points)
    torch.manual_seed(0)
    net, detector = LandmarkNet(), FaceDetector()
    whole = landmarks_data.canvases(drawings, rng(0, 2), 6)
    assert (whole.heat == 1).sum() == (whole.weight == 1).sum() > 0
    for module, loss in (
        (net, lambda: net_losses(net, torch.from_numpy(one.pixels).permute(0, 3, 1, 2),
                                 torch.from_numpy(one.points), torch.from_numpy(one.face))),
        (detector, lambda: detector_losses(
            detector, torch.from_numpy(whole.pixels).permute(0, 3, 1, 2),
            *map(torch.from_numpy, (whole.heat, whole.values, whole.weight)))),
    ):
        optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3)
        losses = []
        for _ in range(12):
            total = sum(loss().values())
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            losses.append(float(total.detach()))
        assert losses[-1] < 0.8 * losses[0]
