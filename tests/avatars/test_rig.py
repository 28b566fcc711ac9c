"""The rig: the portrait itself at rest, mouths that open as much as the motion says, and no more
than the face moving."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from gwm_core.avatars.character import Character, points_from_anchors
from gwm_core.avatars.finder import load_finder
from gwm_core.avatars.landmarks import INDEX as POINT
from gwm_core.avatars.landmarks import face_height, lip_opening
from gwm_core.avatars.motion import INDEX, MOTION, clamp
from gwm_core.avatars.mouth import mouth_shape
from gwm_core.avatars.rig import Rig
from gwm_core.errors import AvatarError
from gwm_core.simulators.faces.faces import Face

PORTRAITS = Path(__file__).parent / "portraits"
POINTS = json.loads((PORTRAITS / "points.json").read_text())
HEAD = ("yaw", "pitch", "roll", "sway", "breath")
NARROW = 9_840_473
"""A face whose iris fills its eye."""


def move(**channels: float) -> np.ndarray:
    motion = np.zeros(len(MOTION), np.float32)
    for name, value in channels.items():
        motion[INDEX[name]] = value
    return motion


@lru_cache
def character(name: str) -> Character:
    image = cv2.imread(str(PORTRAITS / name))[..., ::-1]
    return Character(np.ascontiguousarray(image), np.array(POINTS[name], np.float32), name=name)


@lru_cache
def rig(name: str, size: int | None = None) -> Rig:
    return Rig(character(name), size)


def random_motion(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    motion = rng.normal(0, 0.6, len(MOTION)) * (rng.random(len(MOTION)) < 0.6)
    return clamp(motion.astype(np.float32))


every = pytest.mark.parametrize("name", sorted(POINTS))


@every
def test_rest_is_the_portrait_exactly(name):
    portrait = character(name)
    whole = Rig(portrait, max(portrait.image.shape[:2]))
    assert np.array_equal(whole.draw(move()), portrait.image)
    off = np.abs(whole.points(move()) - portrait.points)
    assert off.max() < 0.04 * face_height(portrait.points)
    nearly = np.abs(whole.draw(move(yaw=1e-6)).astype(int) - portrait.image)
    assert nearly.max() <= 4
    small = rig(name, 200)
    assert max(small.draw(move()).shape) == 200
    assert not small.painted(move()).any()


def test_frames_depend_on_the_motion_alone():
    one, two = rig("cartoon.png", 256), Rig(character("cartoon.png"), 256)
    motion = random_motion(1)
    first = one.draw(motion)
    one.draw(random_motion(2))
    assert np.array_equal(first, one.draw(motion))
    assert np.array_equal(first, two.draw(motion))


@every
def test_the_mouth_opens_as_far_as_the_motion_says(name):
    face = rig(name)
    tall = face_height(face.rest_points)
    for motion in (move(), move(jaw=0.3), move(jaw=1), move(jaw=0.6, pucker=0.7), move(upper=1),
                   move(jaw=0.8, close=1), move(jaw=0.5, stretch=1, smile=1)):
        want = float(mouth_shape(motion).open) * tall
        assert lip_opening(face.points(motion, rest=0)) == pytest.approx(want, abs=0.3)
        # And in the pixels: the height of what is painted at the middle of the mouth.
        middle = face.points(motion, rest=0)[[POINT["inner_top"], POINT["inner_bottom"]], 0]
        column = face.painted(motion, rest=0)[:, int(middle.mean())]
        if not face.mouth.own:
            assert column.sum() == pytest.approx(want, abs=1.6)


@every
def test_an_open_mouth_is_darker_inside_than_it_was(name):
    face = rig(name)
    motion = move(jaw=1)
    x, y = face.points(motion)[[POINT["inner_top"], POINT["inner_bottom"]]].T
    row, column = int(y[0] + 0.6 * (y[1] - y[0])), int(x.mean())
    inside = face.draw(motion)[row - 1:row + 2, column - 1:column + 2].mean()
    skin = face.palette.skin.mean()
    assert inside < 0.6 * skin


def test_parted_lips_close_and_speech_takes_them_over():
    face = rig("astronaut.jpg")
    own = lip_opening(face.rest_points)
    assert own > 4
    assert lip_opening(face.points(move(smile=0.5))) == pytest.approx(own, abs=0.3)
    assert lip_opening(face.points(move(close=1))) < 0.2
    assert lip_opening(face.points(move(press=1))) < 0.3 * own
    assert lip_opening(face.points(move(), rest=0)) < 0.2
    assert not np.array_equal(face.draw(move(), rest=0), face.image)
    want = float(mouth_shape(move(jaw=0.2)).open) * face_height(face.rest_points)
    assert lip_opening(face.points(move(jaw=0.2))) == pytest.approx(want, abs=0.3)


def test_lips_with_nothing_between_them_are_shut():
    """A finder takes a moustache, or a shadow, for an inside: it is none where all is alike."""
    portrait = character("astronaut.jpg")
    plain = np.full_like(portrait.image, 150)
    assert rig("astronaut.jpg").lips.parted
    face = Rig(Character(plain, portrait.points))
    assert not face.lips.parted
    assert lip_opening(face.rest_points) < 0.2


def test_a_mouth_in_a_black_beard_opens_visibly():
    portrait = character("cartoon.png")
    image = portrait.image.copy()
    low, left, right = (portrait.points[POINT[n]] for n in ("chin", "jaw_left", "jaw_right"))
    top = int(portrait.points[POINT["nose_tip"], 1])
    image[top:int(low[1]), int(left[0]):int(right[0])] = 30
    face = Rig(Character(image, portrait.points))
    motion = move(jaw=0.8)
    top, bottom = face.points(motion)[[POINT["inner_top"], POINT["inner_bottom"]]]
    x, y = (top + 0.5 * (bottom - top)).astype(int)
    assert face.draw(motion)[y, x].mean() > 30 + 15


def test_lips_part_at_their_line_when_the_landmarks_are_a_little_off():
    """A finder is off by a few pixels: the two layers still meet where the portrait's lips do."""
    portrait = character("cartoon.png")
    lips = [i for name, i in POINT.items() if name.startswith(("inner_", "lip_", "mouth_"))]
    iris = POINT["iris_left"]
    right = Rig(portrait).rest_points
    for off in (-5, 5):
        points = portrait.points.copy()
        points[lips, 1] += off
        points[iris, 0] += off
        found = Rig(Character(portrait.image, points)).rest_points
        assert np.abs(found - right)[lips].max() < 2
        assert np.abs(found - right)[iris, 0] < 2


@every
def test_lids_close_over_the_eyes(name):
    face = rig(name)
    shut = move(blink_left=1)
    upper, lower = POINT["eye_left_upper"], POINT["eye_left_lower"]
    gap, rest = (p[lower, 1] - p[upper, 1] for p in (face.points(shut), face.rest_points))
    assert abs(gap) < 0.12 * rest
    before, after = face.image.astype(float), face.draw(shut).astype(float)
    changed = {side: np.abs(after - before)[eye_pixels(face, side)].mean()
               for side in ("left", "right")}
    assert changed["left"] > 10
    assert changed["right"] == 0


def eye_pixels(face: Rig, side: str) -> tuple[slice, slice]:
    corners = face.rest_points[[POINT[f"eye_{side}_{end}"] for end in
                                ("outer", "inner", "upper", "lower")]]
    (x0, y0), (x1, y1) = np.floor(corners.min(0)), np.ceil(corners.max(0))
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


@pytest.mark.parametrize("name", ["cartoon.png", "anime.png", "ink.png", "astronaut.jpg"])
def test_the_iris_looks_where_the_gaze_says(name):
    face = rig(name)

    def darkness(motion) -> float:
        """Where the dark of the left eye is, in pixels to the right."""
        part = 255 - face.draw(motion)[eye_pixels(face, "left")].mean(-1)
        part = np.maximum(part - np.median(part), 0)
        return float((part.sum(0) @ np.arange(part.shape[1])) / part.sum())

    left, rest, right = (darkness(move(gaze_x=x)) for x in (-1, 0, 1))
    far = face.eyes[0].half
    assert rest - left > 0.1 * far
    assert right - rest > 0.1 * far


@every
def test_a_face_that_speaks_leaves_the_rest_of_the_picture_alone(name):
    face = rig(name)
    low, high = face.rest_points.min(0), face.rest_points.max(0)
    reach = 0.12 * face.frame.height
    far = np.ones(face.image.shape[:2], bool)
    far[int(max(low[1], 0)):int(high[1] + 0.6 * face.frame.height),
        int(max(low[0] - reach, 0)):int(high[0] + reach)] = False
    motion = move(jaw=1, smile=1, stretch=1, brow_left=1, blink_right=1, gaze_x=1)
    moved = np.abs(face.draw(motion).astype(int) - face.image)[far]
    assert np.mean(moved.astype(float) ** 2) < 255 ** 2 / 10 ** 4


@every
@pytest.mark.parametrize("seed", range(3))
def test_the_skin_is_never_torn_or_folded(name, seed):
    """The map keeps neighbours in their order everywhere but across the lips and lids."""
    face = rig(name)
    motion = random_motion(seed)
    state = face._state(motion, 1.0)
    x, y = face._sheet(state.x, state.y, state)
    grid_x, grid_y = face._map.x, face._map.y
    (xu, xv), (yu, yv) = (np.gradient(a.astype(float))[::-1] for a in (x, y))
    area = (xu * yv - xv * yu) / ((grid_x[0, 1] - grid_x[0, 0]) * (grid_y[1, 0] - grid_y[0, 0]))
    shown = np.ones(area.shape, bool)
    for axis, half, tall, at in (
            (face.lips.axis, 1.2 * face.lips.half, 0.28 * face.frame.height, 0.1),
            *((e.axis, 1.2 * e.half, 1.8 * e.open + 0.03 * face.frame.height, 0)
              for e in face.eyes)):
        u, v = axis.local(state.x, state.y)
        shown &= ~((np.abs(u) < half) & (np.abs(v - at * face.frame.height) < tall))
    assert area[shown].min() > 0.02
    assert area[shown].max() < 8


@pytest.mark.parametrize("name", ["astronaut.jpg", "cartoon.png", "mascot.png", "painting.jpg"])
def test_small_steps_of_a_motion_are_small_steps_of_the_picture(name):
    face = rig(name, 256)
    start, end = np.zeros(len(MOTION), np.float32), random_motion(7)
    frames = [face.draw(start + (end - start) * t).astype(int) for t in np.linspace(0, 1, 26)]
    steps = [np.abs(b - a).mean() for a, b in zip(frames, frames[1:], strict=False)]
    assert max(steps) < 3 * np.median(steps) + 0.1


@pytest.mark.parametrize("name", ["astronaut.jpg", "painting.jpg", "cartoon.png"])
def test_points_go_where_the_pixels_go(name):
    """What surrounds a landmark at rest surrounds it in the frame."""
    face = rig(name, 480)
    for motion in (move(yaw=0.7), move(pitch=-0.7), move(roll=0.8), move(sway=1, breath=1),
                   move(jaw=0.7), move(brow_left=1, brow_right=-1, smile=0.7)):
        before = cv2.GaussianBlur(face.image, (0, 0), 3).astype(float)
        after = cv2.GaussianBlur(face.draw(motion), (0, 0), 3).astype(float)
        points = face.points(motion)
        names = ["nose_left", "nose_right", "brow_left", "brow_right", "eye_left_outer",
                 "eye_right_outer", "lip_top", "chin"]
        off, still = [], []
        for i in (POINT[n] for n in names):
            (x0, y0), (x1, y1) = face.rest_points[i].astype(int), points[i].astype(int)
            off.append(np.abs(after[y1, x1] - before[y0, x0]).mean())
            still.append(np.abs(after[y0, x0] - before[y0, x0]).mean())
        assert np.mean(off) < 14, motion
        assert np.mean(off) < max(0.6 * np.mean(still), 6), motion


@pytest.mark.parametrize(("channel", "name", "axis", "sign"), [
    ("yaw", "nose_tip", 0, 1), ("pitch", "nose_tip", 1, -1), ("roll", "crown", 0, 1),
    ("sway", "chin", 0, 1), ("breath", "chin", 1, -1), ("smile", "mouth_left", 1, -1),
    ("brow_left", "brow_left", 1, -1), ("gaze_x", "iris_left", 0, 1),
    ("gaze_y", "iris_right", 1, -1), ("stretch", "mouth_right", 0, 1), ("jaw", "chin", 1, 1),
    ("squint", "eye_left_lower", 1, -1), ("wide", "eye_left_upper", 1, -1)])
def test_each_channel_moves_its_part_its_way(channel, name, axis, sign):
    face = rig("cartoon.png")
    moved = face.points(move(**{channel: 1})) - face.rest_points
    assert sign * moved[POINT[name], axis] > 0.004 * face.frame.height


def test_a_figure_moves_before_a_ground_that_stands_still():
    rng = np.random.default_rng(0)
    portrait = character("mascot.png")
    mask = np.zeros(portrait.image.shape[:2], np.uint8)
    cv2.ellipse(mask, (240, 230), (155, 145), 0, 0, 360, 255, -1, cv2.LINE_AA)
    noise = rng.integers(0, 255, portrait.image.shape, dtype=np.uint8)
    share = mask[..., None] / 255
    image = (portrait.image * share + noise * (1 - share)).astype(np.uint8)
    face = Rig(Character(image, portrait.points, mask))
    assert np.array_equal(face.draw(move()), image)
    tiny = np.abs(face.draw(move(yaw=1e-4)).astype(int) - image)
    assert tiny.max() <= 2
    turned = face.draw(move(yaw=1, roll=0.5))
    reached = cv2.dilate(mask, np.ones((121, 121))) > 0
    assert np.array_equal(turned[~reached], image[~reached])
    assert np.abs(turned.astype(int) - image)[mask == 255].mean() > 3
    # What the figure leaves shows no figure: the ground is filled from its sides.
    left = np.abs(turned[225:235, 92:100].astype(int) - portrait.image[230, 150]).mean()
    assert left > 15


@pytest.mark.parametrize(("width", "height"), [(16, 16), (16, 700), (900, 20), (64, 48)])
def test_any_shape_of_portrait_can_be_drawn(width, height):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    face = Rig(Character(image, Character.default_points(width, height)))
    for seed in range(3):
        frame = face.draw(random_motion(seed))
        assert frame.shape == face.image.shape and frame.dtype == np.uint8
        assert np.isfinite(face.points(random_motion(seed))).all()


def test_points_anywhere_are_drawn():
    """A finder may be wrong: points outside of the picture, on one spot, or upside down."""
    rng = np.random.default_rng(2)
    image = rng.integers(0, 255, (90, 80, 3), dtype=np.uint8)
    base = Character.default_points(80, 90)
    spot = np.full_like(base, 40)
    spot[POINT["crown"], 1] -= 20
    for points in (base + 200, base - 60, base * [1, -1] + [0, 90], spot,
                   rng.uniform(-20, 110, base.shape), base[:, ::-1]):
        face = Rig(Character(image, points))
        for seed in range(3):
            assert face.draw(random_motion(seed)).shape == image.shape
            assert np.isfinite(face.points(random_motion(seed))).all()


@pytest.mark.parametrize(("image", "points", "alpha", "named"), [
    (np.zeros((64, 64), np.uint8), None, None, "portrait"),
    (np.zeros((64, 64, 3), np.float32), None, None, "portrait"),
    (np.zeros((15, 64, 3), np.uint8), None, None, "16 to 8192"),
    (np.zeros((16, 8193, 3), np.uint8), None, None, "16 to 8192"),
    (np.zeros((64, 64, 3), np.uint8), np.zeros((43, 2)), None, "points"),
    (np.zeros((64, 64, 3), np.uint8), np.full((44, 2), np.nan), None, "finite"),
    (np.zeros((64, 64, 3), np.uint8), np.ones((44, 2)), None, "crown"),
    (np.zeros((64, 64, 3), np.uint8), None, np.zeros((64, 63), np.uint8), "alpha")])
def test_characters_that_do_not_fit_are_named(image, points, alpha, named):
    if points is None:
        points = Character.default_points(64, 64)
    with pytest.raises(AvatarError, match=named):
        Character(image, points, alpha)


def test_motions_and_sizes_that_do_not_fit_are_named():
    face = rig("cartoon.png", 200)
    with pytest.raises(AvatarError, match="24"):
        face.draw(np.zeros(23, np.float32))
    with pytest.raises(AvatarError, match="finite"):
        face.draw(np.full(24, np.nan, np.float32))
    for size in (15, 0, 1.5, True):
        with pytest.raises(AvatarError, match="size"):
            Rig(character("cartoon.png"), size)


def test_anchors_are_met_and_take_the_face_along():
    points = Character.default_points(400, 500)
    assert np.array_equal(points_from_anchors(points, {}), points)
    turn = np.array([[0.8, -0.3], [0.3, 0.8]])
    want = points @ turn.T + [30, -20]
    names = {"mouth_left": "mouth_left", "mouth_right": "mouth_right", "eye_left": "iris_left",
             "eye_right": "iris_right", "chin": "chin", "mouth_top": "lip_top"}
    anchors = {name: tuple(want[POINT[mark]]) for name, mark in names.items()}
    assert np.abs(points_from_anchors(points, anchors) - want).max() < 0.01
    anchors["chin"] = (anchors["chin"][0], anchors["chin"][1] + 40)
    moved = points_from_anchors(points, anchors)
    for name, mark in names.items():
        assert np.allclose(moved[POINT[mark]], anchors[name], atol=0.01)
    assert 10 < (moved - want)[POINT["chin_left"], 1] < 45
    shifted = points_from_anchors(points, {"chin": (210, 450)})
    assert np.allclose(shifted - points, shifted[0] - points[0], atol=0.01)


@pytest.mark.parametrize(("anchors", "named"), [
    ({"nose": (1, 2)}, "nose"), ({"chin": (1, float("nan"))}, "chin"), ({"chin": (1,)}, "chin"),
    ({"eye_left": (9, 9), "eye_right": (9, 9)}, "spot")])
def test_anchors_that_do_not_fit_are_named(anchors, named):
    with pytest.raises(AvatarError, match=named):
        points_from_anchors(Character.default_points(64, 64), anchors)


def test_every_channel_is_drawn():
    face = rig("cartoon.png", 256)
    base = face.draw(move(jaw=0.3))
    for channel in MOTION:
        value = channel.low if channel.low < 0 else channel.high
        if channel.name != "jaw":
            assert not np.array_equal(face.draw(move(**{"jaw": 0.3, channel.name: value})), base)


@pytest.mark.parametrize(("seed", "style", "white"), [
    (7_700_004, "anime", True), (7_700_010, "photo", True), (7_700_005, "vector", False)])
def test_whites_beside_large_irises_and_in_the_shade_are_found(seed, style, white):
    """Else such an eye moves as a whole, as a drawn dot does."""
    face = Face(seed, style=style, split="held")
    picture, _ = face.draw(move(), size=256)
    points = load_finder().find_or_default(picture)[0]  # as the product finds them
    assert [eye.white for eye in Rig(Character(picture, points), size=256).eyes] == [white] * 2


@every
def test_what_is_left_out_does_not_move(name, monkeypatch):
    """Lips and lids are worked out only where they move anything; brows and cheeks have tables
    that reach as far as they do."""
    face = rig(name, 256)
    motions = [random_motion(seed) for seed in range(6)]
    fast = [(face.draw(m, rest=0.0), face.points(m)) for m in motions]

    def everywhere(u, *_):
        return np.ones_like(u, bool)

    monkeypatch.setattr(face.lips, "near", everywhere)
    for eye in face.eyes:
        monkeypatch.setattr(eye, "near", everywhere)
    for motion, (frame, points) in zip(motions, fast, strict=True):
        assert np.abs(face.draw(motion, rest=0.0).astype(int) - frame).max() <= 2
        assert np.abs(face.points(motion) - points).max() < 0.02
    skin = np.abs(face.expression.pose(move(brow_left=1, brow_right=-1, brow_inner=-1, smile=1)))
    assert skin.max() > 0.02 * face.frame.height
    assert max(side.max() for side in (skin[:, 0], skin[:, -1], skin[:, :, 0], skin[:, :, -1])
               ) < 0.02


def test_an_iris_of_an_ink_drawing_leaves_paper_behind():
    """In narrow drawn eyes hardly any white is seen that could tell its colour."""
    picture, points = Face(NARROW, style="ink", split="held").draw(move(), size=192)
    face = Rig(Character(picture, np.asarray(points, np.float32)))
    _, paper = face.palette.ink
    for eye in face.eyes:
        u = eye.iris[0] - np.linspace(0.55, 0.95, 9) * eye.radius  # what it leaves to the right
        x, y = (np.floor(at).astype(int) for at in eye.axis.picture(u, np.full(9, eye.iris[1])))
        before, after = (face.draw(m)[y, x].mean() for m in (move(), move(gaze_x=0.7)))
        assert after > before + 25 and after > 0.6 * paper.mean()
