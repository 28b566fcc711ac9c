"""A shot of a storyboard as a large video model takes it: a prompt, and a size on its grid.

LTX-2 takes 8n + 1 frames and sides that are multiples of 32, and reads one paragraph in the present
tense with what is said in quotation marks. Wan S2V takes all of that too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from ..camera_path import MOVES
from ..controls import Controls
from ..embodiment import rooms_embodiment
from ..errors import VideoError
from .checks import PlannedShot, check
from .storyboard import Shot, Storyboard

GRID, SIDE = 8, 32
"""Frames come in 8n + 1, sides in multiples of 32."""
LONGEST_SECONDS = 20
"""What LTX-2 makes at once."""
LEAST_SIDE, MOST_SIDE = 256, 3840
MOVING = {
    "walk forward": "moves forward", "walk backward": "moves back", "step left": "moves left",
    "step right": "moves right", "walk in an arc": "moves forward in an arc to the right",
    "circle around": "circles around to the left", "turn on the spot": "pans right by 90 degrees",
    "full turn": "pans once around", "look around": "pans to one side and back",
    "walk and look around": "moves forward and looks to the sides",
    "there and back": "moves forward and back again", "stand still": "stands still",
}
DONE = {"Q": "a ball is thrown", "E": "something is pushed away", "SPACE": "the camera jumps up"}
WALKED = (("W", "moves forward"), ("S", "moves back"), ("A", "moves left"), ("D", "moves right"),
          ("jump", "jumps"))
MOST_MOVES = 6


@dataclass(frozen=True)
class ShotRequest:
    """What a video model is asked for. length: frames; fps: frames a second; notes: what differs
    from the storyboard, in sentences."""

    prompt: str
    length: int
    fps: Fraction
    width: int
    height: int
    notes: tuple[str, ...]


def request_of(board: Storyboard, number: int, fps: Fraction | None = None,
               longest: int | None = None) -> ShotRequest:
    """Shot ``number`` (from 1) as a request.

    fps: 1..120, None is the film's. longest: of the two sides, 256..3840 pixels; None is the
    film's. Frames and sides go to the next place on the grid: a shot never becomes shorter.
    VideoError for a number or size that is not accepted, or a storyboard with an error.
    """
    plan = check(board)
    if not 1 <= number <= len(plan.shots):
        raise VideoError(f"shot: {number}; 1 to {len(plan.shots)} are accepted")
    rate = board.fps if fps is None else fps
    if not 1 <= rate <= 120:
        raise VideoError(f"fps: {float(rate):g}; 1 to 120 are accepted")
    planned = plan.shots[number - 1]
    seconds = planned.shot.seconds
    length = frames_on_grid(seconds * rate)
    width, height = size_on_grid(board.width, board.height, longest)
    notes = []
    more = length / rate - seconds
    if more > 0:
        notes.append(f"{length} frames are {float(length / rate):.2f} s, {float(more):.2f} s more "
                     "than the shot: cut the end off")
    if seconds > LONGEST_SECONDS:
        notes.append(f"{float(seconds):g} s is longer than the {LONGEST_SECONDS} s that LTX-2 "
                     "makes at once: make shorter shots")
    off = abs(width / height / (board.width / board.height) - 1)
    if off > 0.01:
        notes.append(f"{width} x {height} is {100 * off:.1f} % off the film's shape")
    return ShotRequest(prompt_of(planned, board), length, rate, width, height, tuple(notes))


def frames_on_grid(frames: Fraction) -> int:
    """The least 8n + 1 that holds so many frames."""
    return GRID * max(0, math.ceil((frames - 1) / GRID)) + 1


def size_on_grid(width: int, height: int, longest: int | None = None) -> tuple[int, int]:
    """The film's shape in multiples of 32."""
    longest = max(width, height) if longest is None else longest
    if longest != max(width, height) and not LEAST_SIDE <= longest <= MOST_SIDE:
        raise VideoError(f"longest: {longest}; {LEAST_SIDE} to {MOST_SIDE} are accepted")
    scale = longest / max(width, height)
    return tuple(SIDE * max(1, math.floor(side * scale / SIDE + 0.5)) for side in (width, height))


def prompt_of(planned: PlannedShot, board: Storyboard) -> str:
    """One paragraph: the place, who is seen how, the camera, what happens, what is said."""
    shot = planned.shot
    said = [_said(line.line.who, line.line.text, shot, index, board)
            for index, line in enumerate(planned.lines)]
    happens = [_happens(h.at, h.text) for h in sorted(shot.happens, key=lambda h: h.at)]
    return " ".join([*_seen(shot, board), *happens, *said])


def _seen(shot: Shot, board: Storyboard) -> list[str]:
    place = shot.place.strip().rstrip(".")
    if not shot.speaks:
        return [*([_sentence(place)] if place else []), f"The camera {_camera(shot)}."]
    names = [_name(name, board) for name in shot.seen]
    framing = shot.camera.strip() or ("two-shot" if len(names) > 1 else "medium")
    framing = {"medium": "medium shot", "wide": "wide shot"}.get(framing, framing)
    where = f", the place: {place}" if place else ""
    return [_sentence(f"{framing} of {' and '.join(names)}{where}"), "The camera stands still."]


def _camera(shot: Shot) -> str:
    """What the camera of a shot without characters does, after "The camera"."""
    camera = shot.camera.strip()
    if not camera or camera in MOVES:
        return MOVING.get(camera, camera) if camera else "pans slowly"
    body = rooms_embodiment()
    track = Controls.parse(camera, body)[: round(float(shot.seconds) * body.tick_rate)]
    told = [words for words, _ in groupby(filter(None, _moves(track)))]
    return ", then ".join(told[:MOST_MOVES]) or "stands still"


def _moves(track: Controls) -> list[str]:
    """What each stretch of equal controls does, in words; "" for nothing."""
    out = []
    for row, stretch in groupby(map(tuple, track.values.tolist())):
        held, ticks = dict(zip(track.embodiment.control_names, row, strict=True)), len([*stretch])
        turn, tilt = held["look_x"] * ticks, held["look_y"] * ticks
        words = [text for key, text in WALKED if held[key] > 0.5]
        if abs(turn) >= 1:
            words.append(f"pans {'right' if turn > 0 else 'left'} by {abs(turn):.0f} degrees")
        if abs(tilt) >= 1:
            words.append(f"tilts {'up' if tilt > 0 else 'down'} by {abs(tilt):.0f} degrees")
        out.append(" and ".join(words))
    return out


def _happens(at: Fraction, text: str) -> str:
    return _sentence(f"{_when(at)} {DONE.get(text.strip().upper(), text.strip())}")


def _said(who: str, text: str, shot: Shot, index: int, board: Storyboard) -> str:
    seen = {name.casefold() for name in shot.seen}
    off = "" if who.casefold() in seen else ", who is not seen,"
    then = "Then " if index else ""
    quoted = text.strip().replace('"', "'")
    return f'{then}{_name(who, board)}{off} says: "{quoted}"'


def _name(name: str, board: Storyboard) -> str:
    member = board.member(name)
    return name if member is None else member.name


def _when(at: Fraction) -> str:
    return "at the beginning" if at < Fraction(1, 2) else f"after {float(at):.3g} seconds"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
