"""The films that are judged: two drawn characters of a held-out style talk in imagined rooms."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from ...avatars.character import Character
from ...noise import rng
from ...video.storyboard import CastMember, Happening, Line, Shot, Storyboard

PORTRAIT = 512
FIRST = 9_400_000
"""Seeds of faces that nothing is trained on."""
VOICES = ("Daniel", "Grace")
HALL, GALLERY = "a brick hall by day", "an empty white gallery"
_LINES = (
    ("I thought you said the train leaves at seven.", "Nobody answered, so I went there myself.",
     "Are you sure that this is the right address?", "Please close the window before it rains."),
    ("Have you ever thought about moving to another country? I think about it every day.",
     "My brother never told me why he left the city. He opened the door and was gone.",
     "It takes about an hour to get to the airport, so we still have plenty of time.",
     "Something moved at the other end of the hall. Wait for me outside, I will only be a minute."),
)
_SECONDS = ((3, Fraction(7, 2), Fraction(7, 2), 5, 3, Fraction(7, 2)), (10, 10, 10, 13, 8, 12))


def character(number: int, seed: int = 0, style: str = "") -> Character:
    """A drawn portrait of the held-out split (style: of the simulator's; "": the held-out one),
    its points as the product finds them."""
    from ...avatars.finder import load_finder
    from ...simulators.faces.faces import HELD_STYLES, Face

    face = Face(FIRST + 1000 * seed + number, style or HELD_STYLES[0], "held")
    picture, _ = face.draw(np.zeros(24, np.float32), size=PORTRAIT)
    points, _, _ = load_finder().find_or_default(picture)
    return Character(picture, points, name=f"face {number}")


def cast(seed: int = 0) -> tuple[CastMember, CastMember]:
    """Two characters with different voices."""
    return tuple(CastMember(name, character(k, seed), voice)
                 for k, (name, voice) in enumerate(zip(("Ann", "Ben"), VOICES[::-1], strict=True)))


def board(seed: int = 0, full: bool = False, width: int = 512, height: int = 288) -> Storyboard:
    """Six shots with four lines, every kind of cut among them; 60 s ``full``, else 20 s."""
    lines, seconds = _LINES[full], _SECONDS[full]
    place = int(rng(seed, "video board").integers(1 << 30))

    def said(who: str, k: int, at: Fraction | None = None) -> Line:
        return Line(who, lines[k], at)

    shots = (
        Shot(seconds[0], HALL, place, "walk forward", happens=(Happening(Fraction(1), "Q"),),
             name="the hall"),
        Shot(seconds[1], camera="close-up", seen=("Ann",), lines=(said("Ann", 0),), name="Ann"),
        Shot(seconds[2], camera="close-up", seen=("Ben",), lines=(said("Ben", 1, Fraction(1, 2)),),
             cut="j-cut", cut_seconds=Fraction(1, 3), name="Ben"),
        Shot(seconds[3], camera="two-shot", seen=("Ann", "Ben"), lines=(said("Ann", 2),),
             cut="dissolve", cut_seconds=Fraction(1, 2), name="both"),
        Shot(seconds[4], GALLERY, place + 1, "look around", cut="l-cut", cut_seconds=Fraction(1, 4),
             name="the gallery"),
        Shot(seconds[5], camera="medium", seen=("Ben",), lines=(said("Ben", 3),),
             name="Ben again"),
    )
    return Storyboard(cast(seed), shots, width=width, height=height, title="judged")


def long_board(seconds: int, seed: int = 0) -> Storyboard:
    """The shots of the 60 s film again and again until ``seconds`` are full: for memory."""
    one = board(seed, True)
    shots, left = [], Fraction(seconds)
    while left > 0:
        for shot in one.shots:
            if left <= 0:
                break
            # without overlaps, so that the parts add up
            length = min(Fraction(shot.seconds), left)
            keep = shot.lines if length == shot.seconds else ()
            shots.append(replace(shot, seconds=length, lines=keep, cut="cut"))
            left -= length
    return replace(one, shots=tuple(shots))


def expected_cuts(film: Storyboard) -> tuple[list[int], list[tuple[int, int]], int]:
    """(frames at which another picture begins, (first, frames) of every dissolve, frames in all),
    from the storyboard's stated rules alone: each shot keeps its length, and overlaps the one
    before for the time of its cut, but for a hard cut."""
    cuts, dissolves, at = [], [], 0
    for index, shot in enumerate(film.shots):
        overlap = 0 if index == 0 or shot.cut == "cut" else round(shot.cut_seconds * film.fps)
        start = at - overlap
        if index:
            if shot.cut == "dissolve":
                dissolves.append((start, overlap))
            else:
                cuts.append(at if shot.cut == "j-cut" else start)
        at = start + round(shot.seconds * film.fps)
    return cuts, dissolves, at
