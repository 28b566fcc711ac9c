"""Any picture becomes a character: odd sizes and channels, masks of both kinds, placed anchors."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.avatars.actor import Actor, stronger
from gwm_core.avatars.anchors import anchors_of, corrected, marked, read_anchors
from gwm_core.avatars.character import Character
from gwm_core.avatars.landmarks import INDEX
from gwm_core.avatars.motion import INDEX as CHANNEL
from gwm_core.avatars.motion import MOTION, still
from gwm_core.avatars.portrait import covered, portrait_of, split
from gwm_core.errors import AvatarError


def picture(width: int, height: int, channels: int = 3) -> np.ndarray:
    """Soft colours: no face."""
    out = np.full((height, width, channels), 255, np.uint8)
    out[..., 0] = np.linspace(60, 180, width).astype(np.uint8)
    if channels > 1:
        out[..., 1] = np.linspace(60, 180, height).astype(np.uint8)[:, None]
        out[..., 2] = 120
    return out


def mouth_open() -> np.ndarray:
    motion = still(1)[0]
    motion[CHANNEL["jaw"]], motion[CHANNEL["yaw"]] = 0.8, 0.5
    return motion


@pytest.mark.parametrize("width, height, channels", (
    (16, 16, 3), (300, 400, 1), (300, 400, 4), (17, 1200, 3), (1200, 16, 3), (1999, 3001, 3)))
def test_a_portrait_without_a_face_is_driven_all_the_same(width, height, channels):
    made = portrait_of(picture(width, height, channels), name="Ada")
    assert not made.found and "no face" in made.message
    assert made.character.name == "Ada" and made.character.image.shape == (height, width, 3)
    assert (made.character.points >= 0).all()
    assert (made.character.points <= [width, height]).all()
    actor = Actor(made.character, 128)
    assert max(actor.size) == 128
    moved, at_rest = actor.draw(mouth_open()), Actor(made.character, 128, rest=1).draw(still(1)[0])
    assert moved.shape == at_rest.shape == (*actor.size, 3)
    if min(actor.size) > 60:
        assert (moved != at_rest).any()


def test_a_portrait_of_8000_pixels():
    made = portrait_of(picture(8000, 6000))
    actor = Actor(made.character, 256)
    assert actor.size == (192, 256) and actor.draw(mouth_open()).shape == (192, 256, 3)
    assert marked(made.character.image, made.character.points).shape == (576, 768, 3)


@pytest.mark.parametrize("width, height", ((15, 400), (400, 8200)))
def test_too_small_and_too_large_portraits_are_refused(width, height):
    with pytest.raises(AvatarError, match=f"{width} x {height} pixels; 16 to 8192"):
        portrait_of(np.zeros((height, width, 3), np.uint8))


def test_what_is_transparent_is_white_and_background():
    rgba = picture(80, 100, 4)
    rgba[..., 3] = 255
    assert split(rgba)[1] is None and np.array_equal(split(rgba)[0], rgba[..., :3])
    rgba[:, :40, 3] = 0
    image, alpha = split(rgba)
    assert (image[:, :40] == 255).all() and np.array_equal(image[:, 40:], rgba[:, 40:, :3])
    assert (alpha[:, :40] == 0).all() and (alpha[:, 40:] == 255).all()


def test_the_side_of_a_mask_with_the_face_is_the_character():
    points = Character.default_points(200, 240)
    y, x = np.mgrid[:120, :100]
    figure = (((x - 50) / 42) ** 2 + ((y - 60) / 56) ** 2 < 1).astype(np.float32)
    for mask in (figure, 1 - figure):
        alpha = covered(mask, points, 200, 240)
        assert alpha.shape == (240, 200) and alpha[120, 100] == 255 and alpha[2, 2] == 0
    for plain in (np.zeros((64, 64), np.float32), np.ones((64, 64), np.float32)):
        assert covered(plain, points, 200, 240) is None
    made = portrait_of(picture(200, 240), mask=np.zeros((64, 64), np.float32))
    assert made.character.alpha is None and "mask is all of one side" in made.message


def test_anchors_are_met_exactly_and_take_the_rest_along():
    image = picture(200, 240)
    before = portrait_of(image).character.points
    text = '{"mouth_left": [0.30, 0.60], "mouth_right": [0.5, 0.62], "chin": [0.41, 0.8]}'
    made = portrait_of(image, anchors=text)
    after = made.character.points
    assert np.allclose(after[INDEX["mouth_left"]], [60, 144], atol=1e-3)
    assert np.allclose(after[INDEX["chin"]], [82, 192], atol=1e-3)
    assert np.abs(after - before)[INDEX["lip_bottom"]].max() > 3 and "anchors" in made.message
    kept = anchors_of(after, 200, 240)
    assert read_anchors(str(kept).replace("'", '"'), 200, 240)["chin"] == pytest.approx((82, 192))


def test_a_small_correction_stays_where_it_is_made():
    found = Character.default_points(200, 240)
    left, right = (tuple(found[INDEX[name]] + [2, 9]) for name in ("mouth_left", "mouth_right"))
    after = corrected(found, {"mouth_left": left, "mouth_right": right})
    moved = np.linalg.norm(after - found, axis=1)
    assert np.allclose(after[INDEX["mouth_right"]], right, atol=1e-3)
    assert moved[INDEX["inner_top"]] > 6 and moved[INDEX["lip_top"]] > 6
    assert moved[[INDEX["iris_left"], INDEX["iris_right"], INDEX["chin"]]].max() < 0.01
    far = corrected(found, {"chin": tuple(found[INDEX["chin"]] + [60, 0])})
    assert np.allclose(far - found, [60, 0], atol=1e-2), "the whole face goes along"


@pytest.mark.parametrize("text, word", (
    ("{", "accepted"), ("[1, 2]", "accepted"), ('{"nose": [0.5, 0.5]}', "'nose'"),
    ('{"chin": [0.5]}', "two numbers"), ('{"chin": [0.5, "a"]}', "two numbers"),
    ('{"chin": [0.5, 9]}', "two numbers"), ('{"chin": [NaN, 0]}', "two numbers"),
    ("[" * 1500, "accepted"), (" " + "9" * 3000, "characters"),
))
def test_anchors_that_cannot_be_read_say_why(text, word):
    with pytest.raises(AvatarError, match=f"anchors: .*{word}"):
        read_anchors(text, 10, 10)
    assert read_anchors("  ", 10, 10) == {}


def test_strength_scales_all_but_closed_lips():
    motion = np.full(len(MOTION), 0.4, np.float32)
    twice, none = stronger(motion, 2.0), stronger(motion, 0.0)
    assert twice[CHANNEL["jaw"]] == pytest.approx(0.8) and twice[CHANNEL["yaw"]] == 0.8
    assert twice[CHANNEL["close"]] == pytest.approx(0.4) and not none.any()
    assert np.array_equal(stronger(motion, 1.0), motion)
    character = Character(picture(100, 120), Character.default_points(100, 120))
    calm, broad, off = (Actor(character, 120, strength) for strength in (0.5, 2, 0))
    rest = character.image
    difference = [np.abs(a.draw(mouth_open() / 2).astype(int) - rest).mean()
                  for a in (calm, broad, off)]
    assert difference[2] == 0 < difference[0] < difference[1]
    with pytest.raises(AvatarError, match="strength: 3"):
        Actor(character, 120, 3)


def test_the_marked_picture_shows_the_points():
    image = np.full((300, 240, 3), 200, np.uint8)
    points = Character.default_points(240, 300)
    shown = marked(image, points)
    assert shown.shape == (384, 307, 3)
    x, y = points[INDEX["mouth_left"]] * 384 / 300
    assert np.abs(shown[int(y), int(x)].astype(int) - (255, 216, 74)).max() < 30
    assert marked(picture(20, 16), Character.default_points(20, 16)).shape == (307, 384, 3)
