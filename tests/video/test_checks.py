"""A storyboard is verified before any work starts: rules, remarks and errors."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F

import numpy as np
import pytest

from gwm_core.avatars.character import Character
from gwm_core.avatars.sound import Recording
from gwm_core.errors import VideoError
from gwm_core.understand import Understanding
from gwm_core.video.checks import check
from gwm_core.video.storyboard import CastMember, Happening, Line, Shot, Storyboard
from gwm_core.video.storyboard_text import parse_with_places

FACE = Character(np.zeros((64, 64, 3), np.uint8), Character.default_points(64, 64))
CAST = (CastMember("Ada", FACE, "Ruby"), CastMember("Ben", FACE), CastMember("Narrator"))


def measure(line: Line, member: CastMember) -> F:
    """Ten characters a second."""
    return F(len(line.text), 10)


def board(*shots: Shot, **values) -> Storyboard:
    return Storyboard(CAST, shots, **values)


def hall(seconds=8, **values) -> Shot:
    return Shot(F(seconds), **{"place": "a brick hall", **values})


def said(length: int, who: str = "Ada", at=None, **values) -> Line:
    """A line that takes ``length`` tenths of a second."""
    words = ("go on " * length)[:length]
    return Line(who, words[:-1] + "." if length > 1 else words, at, **values)


def test_the_rules_fill_in_what_was_left_open():
    plan = check(board(
        hall(F(801, 100), lines=(said(10, "narrator"), said(10, "Ben"))),
        Shot(F(3), seen=("ada",), cut="dissolve", cut_seconds=F(49, 100)),
        Shot(F(3), seen=("Ada", "ben"), camera=""),
        Shot(F(3), place="a gallery", seed=4, camera="Walk Forward", cut="j-cut"),
    ), measure)
    first, second, third, last = plan.storyboard.shots
    assert first.seconds == F(192, 24) and "192 frames" in plan.remarks[2]
    assert [(x.who, x.at, x.seconds) for x in first.lines] == [
        ("Narrator", F(1, 4), None), ("Ben", F(1, 4) + 1 + F(3, 10), None)]
    assert (second.place, second.seen, second.camera) == ("a brick hall", ("Ada",), "close-up")
    assert second.cut_seconds == F(12, 24)
    assert (third.seen, third.camera) == (("Ada", "Ben"), "two-shot")
    assert (last.camera, last.seed) == ("walk forward", 4)
    voices = {m.name: m.voice for m in plan.storyboard.cast}
    assert voices["Ada"] == "Ruby" and len(set(voices.values())) == 3
    assert plan.timeline.frames == 192 + 72 - 12 + 72 + 72 - 12
    again = check(plan.storyboard, measure)
    assert again.remarks == () and again.storyboard.shots[0].lines[1].at == F(31, 20)


def test_characters_may_speak_before_a_place_is_named():
    plan = check(board(Shot(F(2), seen=("Ada",), seed=3)), measure)
    assert "gallery" in plan.storyboard.shots[0].place and "no place" in plan.remarks[0]
    assert plan.storyboard.shots[0].seed == 3


def test_a_line_too_long_is_spoken_faster_then_its_shot_grows():
    faster = check(board(hall(2, lines=(said(24),))), measure)
    line = faster.shots[0].lines[0]
    assert line.start == 0 and line.end == 2 and line.pace == F(6, 5)
    assert faster.storyboard.shots[0].lines[0].seconds == line.seconds
    assert "1.20 times" in faster.remarks[-1]
    assert check(faster.storyboard, measure).remarks == ()

    long = board(hall(2, lines=(said(30),)))
    with pytest.raises(VideoError, match=r"takes 3.00 s .*2.40 s spoken 1.25 .*extend: yes"):
        check(long, measure)
    plan = check(replace(long, extend=True), measure)
    assert plan.storyboard.shots[0].seconds == F(58, 24) and plan.shots[0].lines[0].pace == F(5, 4)
    assert "extended from 2 s" in plan.remarks[-1]
    assert plan.timeline.frames == 58
    # Without a voice to measure with, lengths are guesses and stop nothing.
    assert any("estimated" in r for r in check(board(hall(1, lines=(said(60),)))).remarks)


def test_all_lines_of_a_run_share_the_pace():
    plan = check(board(hall(3, lines=(said(15), said(15, "Ben")))), measure)
    one, two = plan.shots[0].lines
    assert one.pace == pytest.approx(two.pace, abs=0.01) and 1 < one.pace < 1.25
    assert two.end <= 3 and two.start == one.end + F(3, 10)


def test_one_may_interrupt_another_but_nobody_oneself():
    plan = check(board(hall(4, lines=(said(30), said(10, "Ben", F(2))))), measure)
    assert [(p.start, p.pace) for p in plan.shots[0].lines] == [(F(1, 4), 1), (2, 1)]
    plan = check(board(hall(4, lines=(said(20), said(10, at=F(2))))), measure)
    assert plan.shots[0].lines[0].end <= 2 and plan.shots[0].lines[0].pace > 1
    with pytest.raises(VideoError, match="Ada speaks again at 2.00 s"):
        check(board(hall(4, lines=(said(30), said(10, at=F(2))))), measure)
    with pytest.raises(VideoError, match="one line of a person at a time"):
        check(board(hall(4, lines=(said(20, at=F(1)), said(30, "Ben", F(0)), said(9, at=F(2)),
                                   said(9, at=F(3, 2))))), measure)


def test_recordings_are_never_changed():
    take = Recording(np.ones((2, 44100 * 3), np.float32), 44100)
    line = Line("Ada", "Hm", None, take)
    plan = check(board(hall(4, lines=(line, said(4)))), measure)
    assert plan.shots[0].lines[0].seconds == 3 and "resampled to 48000 Hz" in plan.remarks[0]
    # Words of a recording may be in any language.
    check(board(hall(4, lines=(replace(line, text="Привет"),))), measure)
    with pytest.raises(VideoError, match="a recording is never changed"):
        check(board(hall(2, lines=(line,))), measure)
    grown = check(board(hall(2, lines=(line,)), extend=True), measure)
    assert grown.storyboard.shots[0].seconds == 3
    with pytest.raises(VideoError, match="keeps its own length"):
        check(board(hall(4, lines=(replace(line, seconds=F(2)),))), measure)


def test_a_line_may_be_told_how_long_to_take():
    plan = check(board(hall(4, lines=(said(20, seconds=F(3)),))), measure)
    assert plan.shots[0].lines[0].seconds == 3 and plan.shots[0].lines[0].pace == F(2, 3)
    for seconds in (F(1), F(9)):
        with pytest.raises(VideoError, match=r"1.60 to 4.00 s are accepted"):
            check(board(hall(20, lines=(said(20, seconds=seconds),))), measure)


def test_what_happens_is_read_by_the_rooms_own_words():
    class Rooms:
        def understand(self, text, event=False):
            known = [w for w in ("lights", "hall") if w in text]
            return Understanding({}, understood=known, ignored=["dragon"] * ("dragon" in text))

    def happens(*texts):
        return board(hall(happens=tuple(Happening(F(1), text) for text in texts)))

    plan = check(happens("Q", "W+SPACE", "E*3", "the lights go out"), rooms=Rooms())
    assert plan.remarks == ()
    assert "dragon" in check(happens("a dragon lights up"), rooms=Rooms()).remarks[0]
    with pytest.raises(VideoError, match="nothing of it is understood"):
        check(happens("a dragon comes"), rooms=Rooms())
    for text in ("K", "W+K", "Q*x"):
        with pytest.raises(VideoError, match="or a sentence"):
            check(happens(text))


@pytest.mark.parametrize(("shot", "words"), [
    (hall(0), "0 s long"),
    (hall(F(1, 100)), "half a frame"),
    (hall(301), "up to 300 s"),
    (Shot(F(1)), "the first shot needs one"),
    (hall(seen=("Adda",)), "did you mean Ada?"),
    (hall(seen=("Narrator",)), "no portrait"),
    (hall(seen=("Ada", "ada")), "seen twice"),
    (hall(seen=("Ada", "Ben", "Narrator")), "none, one or two"),
    (hall(seen=("Ada",), camera="walk forward"), "shots of a room"),
    (hall(seen=("Ada",), camera="close up and far"), "close-up, medium"),
    (hall(seen=("Ada",), camera="two-shot"), "two characters"),
    (hall(camera="medium"), "none is seen"),
    (hall(camera="walk forwards!"), "did you mean walk forward?"),
    (hall(camera="W*24 jupm*3"), "unknown control 'jupm'"),
    (hall(F(1, 4), camera="full turn"), "360 degrees"),
    (hall(ambience=3.0), "-60 to 0"),
    (hall(seed=-1), "whole number"),
    (hall(cut="wipe"), "accepted are cut, dissolve"),
    (hall(cut="dissolve", cut_seconds=F(0)), "one frame"),
    (hall(happens=(Happening(F(8), "Q"),)), "from 0 to 8 s"),
    (hall(happens=(Happening(F(1), " "),)), "the lights go out"),
    (hall(lines=(Line("Bob", "Hi"),)), "unknown character 'Bob'"),
    (hall(lines=(Line("Ada", " "),)), "without words"),
    (hall(lines=(Line("Ada", "Hi", F(8)),)), "the shot ends at 8 s"),
    (hall(lines=(Line("Ada", "Hi", F(-1)),)), "beginning are accepted"),
    (hall(lines=(Line("Ada", "Привет, как дела сегодня?"),)), "English"),
])
def test_shots_that_do_not_fit(shot, words):
    with pytest.raises(VideoError, match="shot 1.*") as error:
        check(board(shot), measure)
    assert words in str(error.value)


@pytest.mark.parametrize(("values", "words"), [
    ({"width": 511}, "even numbers from 64 to 2048"),
    ({"height": 4096}, "even numbers"),
    ({"width": 512.0}, "whole number"),
    ({"fps": F(0)}, "1 to 120"),
    ({"sample_rate": 44000}, "44100"),
    ({"loudness": float("nan")}, "-40 to -10"),
    ({"true_peak": 1.0}, "-20 to 0"),
    ({"cast": (CastMember("Ada"), CastMember("ADA"))}, "same name"),
    ({"cast": (CastMember("A:b"),)}, "without :"),
    ({"cast": (CastMember("Ada", voice="Rubi"),)}, "did you mean Ruby?"),
    ({"cast": (CastMember("Ada", strength=3.0),)}, "0 to 2"),
    ({"shots": ()}, "no shots"),
    ({"shots": (hall(1),) * 501}, "1 to 500"),
    ({"shots": (hall(300),) * 5}, "20 minutes"),
    ({"shots": (hall(1), hall(1, cut="dissolve", cut_seconds=F(2)))}, "cuts may take"),
])
def test_films_that_do_not_fit(values, words):
    with pytest.raises(VideoError) as error:
        check(replace(board(hall()), **values), measure)
    assert words in str(error.value)


def test_errors_say_where_in_the_text():
    text = ("cast: Ada\nshot: 2 s\nplace: x\nshot: 2 s\nAda (off): Hi.\n"
            "Ada (off): This is a very long line that never fits in here.\n\nshot: 1 s\nat 3 s: Q")
    with pytest.raises(VideoError) as error:
        check_text(text)
    assert (error.value.line, error.value.column) == (6, 1)
    with pytest.raises(VideoError) as error:
        check_text(text.replace("This is a very long line that never fits in here", "No"))
    assert (error.value.line, error.value.column) == (9, 1)
    with pytest.raises(VideoError) as error:
        check_text(text.replace("shot: 2 s\nAda", "shot: 0 s\nAda"))
    assert (error.value.line, error.value.column) == (4, 1)
    with pytest.raises(VideoError) as error:
        check_text("shot: 9 s\nplace: x\n\nshot: 2 s, dissolve 1 s\n shot: 3 s, l-cut 1 s")
    assert (error.value.line, error.value.column) == (4, 1)


def check_text(text: str):
    read, places = parse_with_places(text)
    return check(read, measure, places=places)


def test_two_hundred_shots_are_fine():
    shots = [hall(2, lines=(said(12),)), *(
        Shot(F(2), lines=(said(12, "Ben"),), cut="dissolve") for _ in range(199))]
    plan = check(board(*shots), measure)
    assert len(plan.shots) == 200 and plan.timeline.frames == 200 * 48 - 199 * 12
