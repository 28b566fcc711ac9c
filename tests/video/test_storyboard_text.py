"""The text form of a storyboard: what it means, its exact round trip, and its errors."""

from __future__ import annotations

import random
import time
from fractions import Fraction as F

import numpy as np
import pytest

from gwm_core.avatars.character import Character
from gwm_core.avatars.sound import Recording
from gwm_core.errors import VideoError
from gwm_core.video.exact_times import parse_time, print_time
from gwm_core.video.storyboard import CUTS, CastMember, Happening, Line, Shot, Storyboard
from gwm_core.video.storyboard_text import parse, parse_with_places, print_board, recordings_of

EXAMPLE = """\
title: The lighthouse            # comments stand after "# "
size: 512x288   fps: 24   loudness: -23
cast: Ada (voice: Ruby), Ben (voice: Daniel)          # portraits come by name

shot: hall, 8 s
place: a brick hall at dusk, two red balls   seed: 7
camera: walk forward
at 2.5: Q
at 4 s: the lights go out
Ada (off): Who is there?

shot: 6.5 s, dissolve 0.5 s
seen: Ada, Ben     camera: two-shot
Ada: I heard it too.
Ben at 3: Then run!
"""
HEAD = "cast: Ada, Ben\nshot: hall, 8 s\nplace: a brick hall\n"


def value(board: Storyboard) -> tuple:
    """Everything that a text can hold, to compare."""
    return (
        board.title, F(board.fps), board.width, board.height, board.sample_rate, board.loudness,
        board.true_peak, board.ducking, board.extend, board.notes,
        [(m.name, m.voice, m.strength, id(m.character)) for m in board.cast],
        [(s.seconds, s.place, s.seed, s.camera, s.seen, s.ambience, s.cut,
          s.cut_seconds if s.cut != "cut" else 0, s.name, s.happens,
          [(x.who, x.text, x.at, x.seconds, id(x.recording)) for x in s.lines])
         for s in board.shots],
    )


def test_what_the_example_means():
    board, places = parse_with_places(EXAMPLE)
    assert (board.title, board.fps, board.width, board.height) == ("The lighthouse", 24, 512, 288)
    assert [(m.name, m.voice) for m in board.cast] == [("Ada", "Ruby"), ("Ben", "Daniel")]
    hall, pair = board.shots
    assert (hall.name, hall.seconds, hall.seed, hall.camera) == ("hall", 8, 7, "walk forward")
    assert hall.place == "a brick hall at dusk, two red balls" and hall.seen == ()
    assert hall.happens == (Happening(F(5, 2), "Q"), Happening(F(4), "the lights go out"))
    assert (pair.cut, pair.cut_seconds, pair.seconds) == ("dissolve", F(1, 2), F(13, 2))
    assert pair.seen == ("Ada", "Ben")
    assert [(x.who, x.text, x.at) for x in pair.lines] == [
        ("Ada", "I heard it too.", None), ("Ben", "Then run!", 3)]
    assert places.shot(1) == (12, 1) and places.spoken(1, 1) == (15, 1)
    assert places.happens(0, 1) == (9, 1)


def test_pasted_text_is_read_the_same():
    wanted = value(parse(EXAMPLE))
    assert value(parse("\ufeff" + EXAMPLE.replace("\n", "\r\n"))) == wanted
    assert value(parse(EXAMPLE.replace("\n\n", "\n").replace("   ", " \t"))) == wanted
    indented = "\n".join("    " + line for line in EXAMPLE.splitlines())
    assert value(parse(indented)) == wanted
    assert value(parse(EXAMPLE.replace("camera:", "CAMERA :").replace("Ada (off)", "ADA (OFF)")
                       .replace("Ben at", "ben at").replace("shot:", "Shot 3:"))) == wanted
    quoted = EXAMPLE.replace("Then run!", "“Then run!”").replace("-23", "−23 LUFS")
    assert value(parse(quoted)) == wanted


def test_a_line_may_go_on_below_and_names_may_be_any():
    board = parse("cast: Zoe\u0301, The Old Man, 李雷\nshot: 5 s\nplace: a hall\n"
                  "THE OLD  MAN: It was\n   long ago: when\n   I was young.\n"
                  "Zo\u00e9 (off) at 0:04 for 1/2 s: Oh.\n李雷：嗯 # x")
    assert [(x.who, x.text) for x in board.shots[0].lines] == [
        ("The Old Man", "It was long ago: when I was young."), ("Zoe\u0301", "Oh."), ("李雷", "嗯")]
    assert (board.shots[0].lines[1].at, board.shots[0].lines[1].seconds) == (4, F(1, 2))


def test_who_is_seen():
    def seen(rest: str) -> tuple[str, ...]:
        return parse(HEAD + rest).shots[0].seen

    assert seen("Ben: Hi.\nAda: Hi.") == ("Ben", "Ada")
    assert seen("Ben (off): Hi.\nAda: Hi.") == ("Ada",)
    assert seen("camera: medium\nBen: Hi.") == ("Ben",)
    assert seen("camera: walk forward\nBen: Hi.") == ()
    assert seen("camera: W*24\nBen: Hi.") == ()
    assert seen("seen: nobody\nBen: Hi.") == ()
    assert seen("seen: Ada and Ben\nBen: Hi.") == ("Ada", "Ben")


@pytest.mark.parametrize(("text", "seconds"), [
    ("8", 8), ("8 s", 8), ("2.5 sec", F(5, 2)), ("1/3 s", F(1, 3)), ("90 frames", F(15, 4)),
    ("1 frame", F(1, 24)), ("0:08", 8), ("1:02.5", F(125, 2)), ("0:01:30", 90), ("500 ms", F(1, 2)),
    ("1.5 min", 90), (".1s", F(1, 10)), ("8.", 8),
])
def test_times_are_exact(text, seconds):
    assert parse_time(text, F(24)) == seconds
    assert parse_time(print_time(F(seconds)), F(24)) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", "1,5", "8 d", "1/0 s", "0:8", "0:60", "٣", "8 ss"])
def test_what_is_no_time(text):
    assert parse_time(text, F(24)) is None


def test_wires_bring_portraits_and_recordings():
    face = Character(np.zeros((64, 64, 3), np.uint8), Character.default_points(64, 64))
    take = Recording(np.ones((1, 99), np.float32), 16000, "take")
    wired = (CastMember("ada", face, "Grace", 0.5), CastMember("Zoe", face, "Nora"))
    board = parse("cast: Ada (voice: Ruby)\nshot: 3 s\nplace: x\nAda (recording: Take): Hi\n"
                  "Zoe: Hi", wired, {"take": take})
    assert [(m.name, m.voice, m.strength) for m in board.cast] == [
        ("Ada", "Ruby", 0.5), ("Zoe", "Nora", 1.0)]
    assert board.cast[0].character is face and board.shots[0].lines[0].recording is take
    again = parse(print_board(board), board.cast, recordings_of(board))
    assert value(again) == value(board)


def test_what_the_text_leaves_open_is_as_usual():
    usual = Storyboard((), (), F(30), 640, 360, loudness=-16.0)
    board = parse("size: 512x288\nshot: 90 frames\nplace: x", usual=usual)
    assert (board.fps, board.width, board.loudness) == (30, 512, -16)
    assert board.shots[0].seconds == 3
    assert parse("fps: 24\nshot: 90 frames", usual=usual).shots[0].seconds == F(15, 4)


BITS = ["a hall", "seed: 7", "# a", "#", "\\", "\\#", '"', '"x"', "“q”", "camera: up", "at 3: Q",
        "(off)", "Ada: hi", ":", "shot: 3 s", "cut 2", "8 s", "é", "中文", ",", "dissolve",
        "title: x", "-->", "j-cut", "place:", "note a: b", "1/2", "it's"]


def some_board(chance: random.Random) -> Storyboard:
    """A storyboard of texts that look like the text form's own marks."""
    def text():
        return " ".join(chance.choice(BITS) for _ in range(chance.randint(1, 4)))

    def time_():
        return F(chance.randint(1, 999), chance.choice([1, 2, 3, 24, 1000, 97]))

    names = ["Ada", "Zoë", "The Old Man", "Ben 2"][: chance.randint(1, 4)]
    takes = [None, *(Recording(np.zeros((1, 9), np.float32), 16000, chance.choice(["a", "b (1)"]))
                     for _ in range(2))]
    shots = []
    for _ in range(chance.randint(1, 3)):
        lines = tuple(Line(chance.choice(names), text(), chance.choice([None, time_()]),
                           chance.choice(takes), chance.choice([None, time_()]))
                      for _ in range(chance.randint(0, 3)))
        seen = chance.sample(names, min(len(names), chance.choice([0, 1, 2])))
        camera = chance.choice(["", "walk forward", "close-up", "W*24 look(+6,0)"])
        shots.append(Shot(
            time_(), chance.choice(["", text()]), chance.choice([0, 7, 2**64 - 1]), camera,
            tuple(seen), lines, tuple(Happening(time_(), text()) for _ in range(2)),
            chance.choice([0.0, None, -6.25]), chance.choice(CUTS), time_(),
            chance.choice(["", text()])))
    return Storyboard(
        tuple(CastMember(name, None, chance.choice(["", "Ruby"]), chance.choice([1.0, 0.3]))
              for name in names),
        tuple(shots), chance.choice([F(24), F(24000, 1001), F(50, 3)]), 640, 360,
        chance.choice([48000, 44100]), chance.choice([-23.0, -16.1]), -1.5, text(), {"": text()},
        chance.choice([0.0, 6.0]), chance.choice([True, False]))


def test_round_trips_are_exact():
    chance = random.Random(5)
    for _ in range(100):
        board = some_board(chance)
        text = print_board(board)
        again = parse(text, board.cast, recordings_of(board))
        assert value(again) == value(board), text
        assert print_board(again) == text


@pytest.mark.parametrize(("text", "line", "column", "words"), [
    ("", 1, 1, "empty"),
    ("# nothing\n\n", 1, 1, "empty"),
    ("cast: Ada\n", 1, 1, "no shot"),
    ("title: x\nOnce upon a time.", 2, 1, "shot:"),
    ("cast: Ada\nAda: Hi", 2, 1, "before the first shot"),
    ("titel: x\nshot: 1 s", 1, 1, "did you mean title?"),
    ("fps: fast\nshot: 1 s", 1, 6, "24000/1001"),
    ("size: 512   fps: 24\nshot: 1 s", 1, 7, "512x288"),
    ("cast: Ada, ada\nshot: 1 s", 1, 12, "already"),
    ("cast: Seed\nshot: 1 s", 1, 7, "word of the storyboard"),
    ("cast: Ada (voice: Rubi)\nshot: 1 s", 1, 19, "did you mean Ruby?"),
    ("shot: hall", 1, 7, "no length"),
    ("shot: 8,5 s", 1, 9, "8.5 s"),
    ("shot: hall, 8 s, disolve 0.5 s", 1, 18, "did you mean dissolve?"),
    ("shot: 8 s, dissolve x", 1, 21, "1/3 s"),
    (HEAD + "Adda: Hi", 4, 1, "did you mean Ada?"),
    (HEAD + "  Ada at noon: Hi", 4, 7, "Ada at 3 s"),
    (HEAD + "Ada (recording: x): Hi", 4, 17, "unknown recording"),
    (HEAD + "Ada:", 4, 1, "says nothing"),
    (HEAD + "plaec: x", 4, 1, "did you mean place?"),
    (HEAD + "camera: medium  place: y", 4, 17, "first on line 3"),
    (HEAD + "seen: Ada, Bne", 4, 12, "did you mean Ben?"),
    (HEAD + "at noon: Q", 4, 4, "90 frames"),
    (HEAD + "at 3 s:", 4, 1, "the lights go out"),
    (HEAD + "seed: -1", 4, 7, "whole number"),
    (HEAD + "cut: dissolve", 4, 1, "shot: hall, 8 s, dissolve 0.5 s"),
    (HEAD + "fps: 24", 4, 1, "before the first shot"),
    (HEAD + "seen: Ada\nAda (off): Hi", 5, 1, "one of the two"),
    (HEAD + "Ada: Hi\x00", 4, 8, "plain text"),
    ("shot: 1 s\nBen: Hi", 2, 1, "cast: …"),
])
def test_errors_say_where_and_what_is_accepted(text, line, column, words):
    with pytest.raises(VideoError) as error:
        parse(text)
    assert (error.value.line, error.value.column) == (line, column)
    assert words in str(error.value)


def test_long_texts():
    many = "cast: Ada\n" + "".join(f"shot: {k}a, 2 s\nplace: p\nAda: Hi.\n" for k in range(500))
    assert len(parse(many).shots) == 500
    with pytest.raises(VideoError, match="more than 500 shots"):
        parse(many + "shot: 1 s")
    began = time.process_time()
    parse("cast: Ada\nshot: 8 s\nplace: x\nAda: " + "la " * 350_000)
    for paste in (" " * 10**6 + "x", "(" * 10**6, "shot: " + '"' * 10**6, "Lorem ipsum\n" * 90_000,
                  "cast: Ada\nshot: 1 s\n" + "Ada (off) " * 10**5, "size: " * 170_000):
        with pytest.raises(VideoError):
            parse(paste)
    assert time.process_time() - began < 10
    with pytest.raises(VideoError, match="up to 4000000"):
        parse("x" * 4_000_001)
    with pytest.raises(VideoError, match="a text is accepted"):
        parse(None)
