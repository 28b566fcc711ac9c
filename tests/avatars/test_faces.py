"""Procedural portraits: the points are where the drawing is, and mean what a motion says."""

import time

import numpy as np
import pytest

from gwm_core.avatars import landmarks
from gwm_core.avatars.motion import INDEX, NAMES, still
from gwm_core.avatars.mouth import mouth_shape
from gwm_core.errors import AvatarError
from gwm_core.noise import rng
from gwm_core.simulators.faces.canvas import GROWTH, Canvas
from gwm_core.simulators.faces.faces import HELD_STYLES, STYLES, Face
from gwm_core.simulators.faces.poses import random_motion

ALL = STYLES + HELD_STYLES
HEAD = ("yaw", "pitch", "roll", "sway", "breath")


def put(**channels: float) -> np.ndarray:
    motion = still(1)[0]
    for name, value in channels.items():
        motion[INDEX[name]] = value
    return motion


def test_styles():
    assert len(STYLES) >= 6 and HELD_STYLES and not set(STYLES) & set(HELD_STYLES)
    assert {Face(k).style for k in range(60)} == set(STYLES)


@pytest.mark.parametrize("style", ALL)
def test_same_seed_same_picture(style):
    motion = random_motion(rng(5, "test"))
    rgb, points = Face(7, style).draw(motion, 64)
    again, same = Face(7, style).draw(motion, 64)
    assert rgb.shape == (64, 64, 3) and rgb.dtype == np.uint8
    assert points.shape == (landmarks.COUNT, 2) and points.dtype == np.float32
    assert np.array_equal(rgb, again) and np.array_equal(points, same)
    other = Face(8, style).draw(motion, 64)[0]
    held = Face(7, style, "held").draw(motion, 64)[0]
    for picture in (other, held):
        assert np.abs(picture.astype(int) - rgb).mean() > 3


def test_identities_differ():
    shapes = {tuple(Face(k, STYLES[k % len(STYLES)]).points(still(1)[0]).ravel().round(2))
              for k in range(150)}
    assert len(shapes) == 150


@pytest.mark.parametrize("style", ALL)
def test_opening_is_what_the_motion_says(style):
    for seed in range(8):
        face = Face(seed, style)
        rest = face.points(still(1)[0])
        motion = random_motion(rng(seed, "test"))
        motion[[INDEX[name] for name in HEAD]] = 0
        wanted = mouth_shape(motion).open * landmarks.face_height(rest)
        assert abs(landmarks.lip_opening(face.points(motion)) - wanted) < 0.5
        assert landmarks.lip_opening(rest) < 1e-3
        assert landmarks.lip_opening(face.points(put(jaw=1, close=1))) < 1e-3


def test_canvas_is_exact():
    """Shapes are where they should be, and by less than half a pixel larger on every side."""
    for left, right in ((10.0, 20.0), (10.25, 20.75), (9.9, 20.1)):
        canvas = Canvas(np.zeros((64, 64, 3), np.uint8), 2)
        canvas.fill(np.array([[left, 8], [right, 8], [right, 24], [left, 24]]), (200, 200, 200))
        row = canvas.picture()[15, :, 0].astype(int)
        middle = (row * (np.arange(32) + 0.5)).sum() / row.sum()
        assert abs(middle - (left + right) / 2) < 0.05
        assert 0 <= row.sum() / 200 - (right - left) < 2 * GROWTH / 2 + 0.1


def test_opening_is_seen():
    """The hole that is drawn is where the inner lips are, whatever the head does."""
    count = 0
    for seed in range(80):
        face = Face(seed, "cartoon")
        i = face.identity
        if (i.finish != "none" or i.mouth != "toon"
                or {"moustache", "beard", "stubble", "lipstick"} & set(i.extras)):
            continue
        mouth = [np.array(c, float) for c in (i.palette.inside, i.palette.tongue, i.palette.teeth)]
        inside = np.array([a + (b - a) * t for a in mouth for b in mouth
                           for t in np.linspace(0, 1, 9)])
        if np.abs(inside - i.palette.skin).max(1).min() < 35 or count >= 9:
            continue  # skin that could be taken for tongue or teeth
        for motion in (put(jaw=0.8), put(jaw=0.6, yaw=0.8, pitch=-0.5), put(jaw=1, sway=-1)):
            rgb, points = face.draw(motion, 512)
            top = points[landmarks.INDEX["inner_top"]]
            bottom = points[landmarks.INDEX["inner_bottom"]]
            column = rgb[:, int((top[0] + bottom[0]) / 2)].astype(float)
            hole = np.abs(column[:, None] - inside).max(2).min(1) < 30
            first = last = int((top[1] + bottom[1]) / 2)
            while hole[first - 1]:
                first -= 1
            while hole[last + 1]:
                last += 1
            # the lips' contours lie on both ends, and may be as dark as the hole
            line = i.outline * i.face_size * 512
            assert abs(first - top[1]) < 0.6 * line + 2
            assert abs(last + 1 - bottom[1]) < 0.6 * line + 2
            count += 1
    assert count >= 6


@pytest.mark.parametrize("style", ["anime", "clay", "photo", "ink"])
def test_every_channel_is_seen(style):
    face = Face(4, style)
    rest = face.draw(put(jaw=0.4), 96)[0].astype(int)
    for name in NAMES:
        value = 0.9 if name == "jaw" else 1.0
        changed = face.draw(put(**{"jaw": 0.4, name: value}), 96)[0]
        assert np.abs(changed - rest).max() > 8, name


def test_signs():
    face = Face(2, "vector")
    rest = face.points(still(1)[0], 256)

    def moved(point: str, **channels: float) -> np.ndarray:
        return (face.points(put(**channels), 256) - rest)[landmarks.INDEX[point]]

    assert moved("nose_tip", yaw=1)[0] > 5 and moved("nose_tip", pitch=1)[1] < -3
    assert moved("crown", roll=1)[0] > 5 and moved("chin", sway=1)[0] > 5
    assert moved("iris_left", gaze_x=1)[0] > 1 and moved("iris_right", gaze_y=1)[1] < -0.5
    assert moved("brow_left", brow_left=1)[1] < -2 and moved("brow_right", brow_left=1)[1] == 0
    assert moved("mouth_left", smile=1)[1] < -1 and moved("mouth_left", smile=1)[0] < -1
    assert moved("mouth_left", pucker=1)[0] > 3 and moved("chin", jaw=1)[1] > 8
    lids = landmarks.INDEX["eye_left_upper"], landmarks.INDEX["eye_left_lower"]
    shut = face.points(put(blink_left=1), 256)
    assert np.abs(shut[lids[0]] - shut[lids[1]]).max() < 0.5
    assert np.array_equal(shut[landmarks.INDEX["eye_right_upper"]],
                          rest[landmarks.INDEX["eye_right_upper"]])


def test_sizes_agree():
    face = Face(3, "mascot")
    motion = put(jaw=0.6, yaw=0.5)
    small, points = face.draw(motion, 64)
    large, big = face.draw(motion, 192, supersample=1)
    assert np.allclose(points * 3, big, atol=1e-3)
    shrunk = large.reshape(64, 3, 64, 3, 3).mean((1, 3))
    assert np.abs(shrunk - small).mean() < 12


def test_background_and_face_are_in_the_picture():
    inside = [np.mean((p > 0) & (p < 128)) for p in
              (Face(k).points(random_motion(rng(k, "test"))) for k in range(100))]
    assert np.mean(inside) > 0.99 and min(inside) > 0.6


def test_errors():
    with pytest.raises(AvatarError, match="style.*oil"):
        Face(1, "oil")
    face = Face(1)
    with pytest.raises(AvatarError, match="motion: shape"):
        face.draw(np.zeros(5))
    with pytest.raises(AvatarError, match="motion: .*finite"):
        face.draw(np.full(24, np.nan))
    with pytest.raises(AvatarError, match="size: 8"):
        face.draw(still(1)[0], 8)
    with pytest.raises(AvatarError, match="supersample: 9"):
        face.draw(still(1)[0], 64, 9)


def test_speed():
    face = Face(1, "anime")
    motions = [random_motion(rng(k, "test")) for k in range(40)]
    face.draw(motions[0])
    start = time.process_time()
    for motion in motions:
        face.draw(motion)
    assert (time.process_time() - start) / len(motions) < 0.03  # usually 4 ms
