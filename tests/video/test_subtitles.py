"""SRT of what is said: exact times, rows that fit, nothing lost."""

from __future__ import annotations

import re
from fractions import Fraction as F

import pytest

from gwm_core.video.storyboard import Shot, Storyboard
from gwm_core.video.subtitles import Spoken, film_lines, srt, stamp, wrapped
from gwm_core.video.timeline import Timeline

LONG = ("Then run, run as fast as you can and never, never look back at that old house on the "
        "hill; it is not what it seems to be, and I should know because I was born there.")
CUE = re.compile(r"(\d+)\n(\S+) --> (\S+)\n((?:.+\n)+)(?:\n|$)")


def cues(text: str) -> list[tuple[int, str, str, list[str]]]:
    found = [(int(n), a, b, rows.splitlines()) for n, a, b, rows in CUE.findall(text)]
    assert len(found) == text.count("-->") and [c[0] for c in found] == [
        k + 1 for k in range(len(found))]
    return found


def milliseconds(text: str) -> int:
    hours, minutes, seconds, rest = map(int, re.split("[:,]", text))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


def test_times_are_exact_milliseconds():
    assert stamp(F(1, 3)) == "00:00:00,333" and stamp(F(2, 3)) == "00:00:00,667"
    assert stamp(F(3599999, 1000)) == "00:59:59,999" and stamp(F(35999999, 10000)) == "01:00:00,000"
    text = srt([Spoken("Ada", "Who is there?", F(5, 2), F(17, 4))])
    assert text == "1\n00:00:02,500 --> 00:00:04,250\nWho is there?\n"
    assert srt([("Ada", "Hello to you.", F(2), F(4))], names=True).endswith("Ada: Hello to you.\n")
    assert srt([]) == "" and srt([("Ada", "  ", F(0), F(1))]) == ""


def test_times_of_shots_become_times_of_the_film():
    line = Timeline(Storyboard((), (Shot(F(4)), Shot(F(4), cut="dissolve", cut_seconds=F(1)))))
    spoken = film_lines(line, [[("Ada", "One.", F(3), F(4))], [("Ben", "Two.", F(1, 3), F(2))]])
    assert spoken == [("Ada", "One.", 3, 4), ("Ben", "Two.", F(10, 3), 5)]


def test_long_lines_are_cut_where_they_read_well():
    found = cues(srt([Spoken("Ben", LONG, F(2), F(11))]))
    assert len(found) >= 2
    assert " ".join(" ".join(rows) for *_, rows in found) == LONG
    assert all(len(rows) <= 2 and max(map(len, rows)) <= 42 for *_, rows in found)
    assert all(before[2] == after[1] for before, after in zip(found, found[1:], strict=False))
    assert found[0][1] == "00:00:02,000" and "00:00:11,000" <= found[-1][2] < "00:00:12"
    assert wrapped("I heard it too, and I did not like it at all.") == (
        "I heard it too,\nand I did not like it at all.")


@pytest.mark.parametrize("text", ["x" * 500, "a " * 300, "Supercalifragilisticexpialidocious " * 9,
                                  "你好" * 60, "One.\n\n2\n00:00:01,000 --> 00:00:02,000\nFake"])
def test_any_text_makes_well_formed_cues(text):
    found = cues(srt([Spoken("Ada", text, F(0), F(10)), Spoken("Ben", "End.", F(10), F(12))]))
    assert all(len(rows) <= 2 and max(map(len, rows)) <= 42 for *_, rows in found)
    said = "".join("".join(rows) for *_, rows in found[:-1])
    assert said.replace(" ", "") == "".join(text.replace("-->", "→").split())
    times = [milliseconds(t) for _, a, b, _ in found for t in (a, b)]
    assert times == sorted(times)


def test_short_cues_stay_as_long_as_there_is_room():
    alone = cues(srt([Spoken("Ada", "No.", F(1), F(3, 2))]))
    assert alone[0][2] == "00:00:02,000"
    tight = cues(srt([Spoken("Ada", "No.", F(1), F(3, 2)), Spoken("Ben", "Yes!", F(7, 4), F(3))]))
    assert tight[0][2] == "00:00:01,667" and tight[1][1] == "00:00:01,750"
    over = cues(srt([Spoken("Ada", "No.", F(1), F(3, 2)), Spoken("Ben", "Yes!", F(5, 4), F(3))]))
    assert over[0][2] == "00:00:01,500"
