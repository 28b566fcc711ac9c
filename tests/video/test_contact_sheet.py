"""The contact sheet shows every shot's picture, whatever the storyboard."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from PIL import Image

from gwm_core.avatars.character import Character
from gwm_core.errors import VideoError
from gwm_core.video.contact_sheet import cast_colours, clock, sheet
from gwm_core.video.lettering import Pen
from gwm_core.video.storyboard import CastMember, Happening, Line, Shot, Storyboard

TONES = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40), (40, 200, 200)]


def portrait(alpha: bool) -> Character:
    image = np.full((120, 100, 3), (240, 120, 200), np.uint8)
    mask = np.zeros((120, 100), np.uint8)
    mask[10:, 25:75] = 255
    return Character(image, Character.default_points(100, 120), mask if alpha else None)


def film(count: int, **values) -> Storyboard:
    cast = (CastMember("Ada", portrait(True)), CastMember("Zoë", portrait(False)))
    shots = [Shot(F(2), place="a brick hall at dusk, two red balls", camera="walk forward",
                  happens=(Happening(F(1), "Q"),), lines=(Line("Ada", "Hello. " * 30),),
                  cut="dissolve", name="A very long name of a shot " * 3) for _ in range(count)]
    return Storyboard(cast, tuple(shots), **values)


def plain(tone, height=72, width=128) -> np.ndarray:
    return np.full((height, width, 3), tone, np.uint8)


def amount(image: np.ndarray, tone) -> float:
    """Share of the picture in that tone."""
    return float((np.abs(image.astype(int) - tone).max(axis=2) < 12).mean())


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_picture_is_shown_once_and_as_large(count):
    out = sheet(film(count), [plain(tone) for tone in TONES[:count]])
    assert out.dtype == np.uint8 and out.shape[1] == 1600
    shares = [amount(out, tone) for tone in TONES[:count]]
    assert min(shares) > 0.05 and max(shares) - min(shares) < 0.01
    columns = [np.flatnonzero((np.abs(out.astype(int) - tone).max(axis=2) < 12).any(axis=0)).min()
               for tone in TONES[:count]]
    assert columns == sorted(columns) or count > 3


def test_pictures_of_another_shape_are_cropped_not_stretched():
    tall = plain((0, 0, 0), 300, 100)
    tall[140:160, 40:60] = 255
    out = sheet(film(1), {0: tall})
    white = np.argwhere((out[130:] > 250).all(axis=2))
    white = white[np.abs(white - np.median(white, axis=0)).max(axis=1) < 130]
    high, wide = np.ptp(white, axis=0)
    assert abs(high - wide) < 12


def test_shots_without_pictures_are_sketched_from_their_words():
    board = film(1)
    room = sheet(board)
    assert np.array_equal(room, sheet(board))
    bright = Storyboard(board.cast, (Shot(F(2), place="a sunlit gallery"),))
    assert sheet(bright)[250:600, 300:800].mean() > room[250:600, 300:800].mean() + 40
    shares = []
    for seen, camera in ((("Ada",), "wide"), (("Ada",), "close-up"), (("Ada", "Zoë"), ""),
                         (("Zoë",), "medium")):
        one = Storyboard(board.cast, (Shot(F(2), "a hall", seen=seen, camera=camera),))
        shares.append(amount(sheet(one), (240, 120, 200)))
    assert shares == sorted(shares) and shares[0] > 0.01


def test_many_shots_and_small_sheets():
    out = sheet(film(60), [None] * 60, width=900)
    assert out.shape[1] == 900 and out.shape[0] < 8000
    assert sheet(film(3, width=64, height=2048), width=480).shape[0] < 4000
    assert sheet(film(3, width=2048, height=64)).shape[1] == 1600
    for width in (479, 5000):
        with pytest.raises(VideoError, match="480 to 4096"):
            sheet(film(1), width=width)
    with pytest.raises(VideoError, match="no shots"):
        sheet(Storyboard((), ()))
    with pytest.raises(VideoError, match="picture of shot 1: float32"):
        sheet(film(1), [np.zeros((9, 9, 3), np.float32)])


def test_type_fits_and_no_letter_is_lost():
    pen = Pen(Image.new("RGB", (400, 60)), 2)
    for text in ("Hello there, this is a sentence", "x" * 99, "Zoë Łukasz"):
        for width in (40, 90, 180):
            cut = pen.fitted(text, 14, width)
            assert pen.width(cut, 14) <= width
            assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))
    assert pen.width("é", 14) > 0 and pen.width("Zoë", 14) > pen.width("Zo", 14)
    before = np.asarray(pen.image).sum()
    assert pen.text(5, 20, "Zoë", 14, (255, 255, 255)) > 10
    assert np.asarray(pen.image).sum() > before


def test_clock_and_colours():
    assert [clock(F(s)) for s in ("58.5", "60", "723", "0.04", "59.97")] == [
        "0:58.5", "1:00", "12:03", "0:00", "1:00"]
    cast = tuple(CastMember(str(k)) for k in range(8))
    colours = list(cast_colours(Storyboard(cast, ())).values())
    assert min(sum(abs(x - y) for x, y in zip(a, b, strict=True))
               for k, a in enumerate(colours) for b in colours[:k]) > 25
