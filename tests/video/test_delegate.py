"""A shot as a large video model takes it: words, frames, sides."""

from __future__ import annotations

from fractions import Fraction

import pytest

from gwm_core.errors import VideoError
from gwm_core.video.delegate import frames_on_grid, request_of, size_on_grid
from gwm_core.video.storyboard import CastMember, Happening, Line, Shot, Storyboard

HALL = "a brick hall at dusk, two red balls"


def board(*shots: Shot, **values) -> Storyboard:
    return Storyboard((CastMember("Ada"), CastMember("Ben")), shots, **values)


def walk(camera: str, seconds: int = 5, **values) -> Shot:
    return Shot(Fraction(seconds), place=HALL, camera=camera, **values)


@pytest.mark.parametrize(
    ("frames", "length"), [(1, 1), (2, 9), (9, 9), (Fraction(91, 10), 17), (120, 121), (121, 121)]
)
def test_frames_go_up_to_the_grid(frames, length):
    assert frames_on_grid(Fraction(frames)) == length


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [((512, 288), None, (512, 288)), ((512, 288), 960, (960, 544)), ((288, 512), 960, (544, 960)),
     ((1280, 720), None, (1280, 736)), ((2048, 64), 256, (256, 32))],
)
def test_sides_keep_the_shape_in_multiples_of_32(size, longest, expected):
    assert size_on_grid(*size, longest) == expected


def test_a_walk_is_told_in_order():
    shot = walk("W*24 look(+6,0)*12 W+look(-3,0)*8", happens=(
        Happening(Fraction(4), "the lights go out"), Happening(Fraction(2), "Q")))
    prompt = request_of(board(shot), 1).prompt
    assert prompt == (
        "A brick hall at dusk, two red balls. The camera moves forward, then pans right by 72 "
        "degrees, then moves forward and pans left by 24 degrees. After 2 seconds a ball is "
        "thrown. After 4 seconds the lights go out."
    )


def test_controls_after_the_end_of_a_shot_are_not_told():
    assert "pans" not in request_of(board(walk("W*24 look(+6,0)*12", 2)), 1).prompt


def test_who_speaks_is_quoted_and_the_place_goes_on():
    lines = (Line("ada", 'Who is "there"?'), Line("Ben", "Me."))
    silent = walk("look around")
    later = Shot(Fraction(6), lines=lines)
    prompt = request_of(board(silent, later), 2).prompt
    assert prompt.startswith("A brick hall at dusk, two red balls. The camera pans slowly.")
    assert "Ada, who is not seen, says: \"Who is 'there'?\"" in prompt
    assert 'Then Ben, who is not seen, says: "Me."' in prompt


def test_length_rate_and_notes():
    made = request_of(board(walk("look around")), 1)
    assert (made.length, made.fps, made.width, made.height) == (121, 24, 512, 288)
    assert "0.04 s more" in made.notes[0]
    wan = request_of(board(walk("look around")), 1, Fraction(16), 640)
    assert (wan.length, wan.fps, wan.width, wan.height) == (81, 16, 640, 352)
    long = request_of(board(walk("look around", 30)), 1)
    assert any("20 s" in note for note in long.notes)


@pytest.mark.parametrize(
    ("number", "values", "words"),
    [(0, {}, "shot: 0; 1 to 1"), (2, {}, "shot: 2; 1 to 1"), (1, {"longest": 100}, "256 to 3840"),
     (1, {"fps": Fraction(200)}, "1 to 120")],
)
def test_what_is_not_accepted(number, values, words):
    with pytest.raises(VideoError, match=words):
        request_of(board(walk("look around")), number, **values)
