"""Dialogue and happenings as an artist types them into a Shot."""

from fractions import Fraction

import pytest

from gwm_core.errors import VideoError
from gwm_core.video.typed_lines import typed_happenings, typed_lines


def test_lines_keep_names_times_and_colons():
    first, second, third = typed_lines("Ada: Who is there?\r\n\n# a note\nBen at 2.5 s: Me: Ben.\n"
                                       "Old Tom at 90 frames: Hm.")
    assert (first.who, first.text, first.at) == ("Ada", "Who is there?", None)
    assert (second.who, second.text, second.at) == ("Ben", "Me: Ben.", Fraction(5, 2))
    assert (third.who, third.at) == ("Old Tom", Fraction(90, 24))


def test_happenings_have_times():
    ball, dark = typed_happenings("2.5: Q\nat 0:04: the lights go out")
    assert (ball.at, ball.text) == (Fraction(5, 2), "Q")
    assert (dark.at, dark.text) == (Fraction(4), "the lights go out")


@pytest.mark.parametrize("read, text, line", (
    (typed_lines, "Ada: hello\nnobody says this", 2), (typed_lines, "Ada:", 1),
    (typed_happenings, "the lights go out", 1), (typed_happenings, "1: Q\nsoon: Q", 2)))
def test_what_cannot_be_read_names_its_line(read, text, line):
    with pytest.raises(VideoError, match=f"line {line}") as caught:
        read(text)
    assert caught.value.line == line
