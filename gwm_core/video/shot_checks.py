"""One shot verified: who is seen and speaks, its camera, its place, what happens in it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from fractions import Fraction

from ..camera_path import MOVES, camera_path
from ..control_text import MAX_EVENT_CHARS
from ..control_text import parse as parse_controls
from ..embodiment import Embodiment, rooms_embodiment
from ..errors import ControlError, GWMError, VideoError
from .board_checks import same_name
from .nearest import did_you_mean, listed, shortened
from .storyboard import CUTS, FRAMINGS, Happening, Line, Shot, Storyboard
from .timeline import called

MOST_SEEN = 2
MOST_LINES = 200
MOST_HAPPENINGS = 200
MOST_PLACE = 2000
USUAL_PLACE = "a white gallery by day"
"""Where characters are seen before any place was named."""
MOST_SEED = 2**64 - 1


def check_shot(shot: Shot, index: int, before: Shot | None, board: Storyboard, rooms, remarks,
               places) -> Shot:
    """The shot after the rules; VideoError says what is wrong with it. Its length is a whole
    number of frames already; ``before`` is the shot before, after the rules."""
    name = called(shot, index)
    shot = _cut(shot, index, name, remarks)
    shot = _place(shot, before, name, rooms, remarks)
    shot = replace(shot, seen=_seen(shot, name, board))
    shot = replace(shot, camera=_camera(shot, name, board, _controls_of(rooms), remarks))
    if shot.ambience is not None and not (
            isinstance(shot.ambience, (int, float)) and math.isfinite(shot.ambience)
            and -60 <= shot.ambience <= 0):
        raise VideoError(f"{name}: ambience {shot.ambience!r} dB; -60 to 0, or off, are accepted")
    lines = []
    if len(shot.lines) > MOST_LINES:
        raise VideoError(f"{name}: {len(shot.lines)} lines; up to {MOST_LINES} are accepted")
    for number, line in enumerate(shot.lines):
        try:
            lines.append(_line(line, name, shot, board, remarks))
        except VideoError as error:
            raise _at(error, places and places.spoken(index, number)) from None
    happens = []
    if len(shot.happens) > MOST_HAPPENINGS:
        raise VideoError(f"{name}: {len(shot.happens)} happenings; up to {MOST_HAPPENINGS} are "
                         "accepted")
    for number, happening in enumerate(shot.happens):
        try:
            happens.append(_happening(happening, name, shot, rooms, remarks))
        except VideoError as error:
            raise _at(error, places and places.happens(index, number)) from None
    return replace(shot, lines=tuple(lines), happens=tuple(happens))


def _cut(shot: Shot, index: int, name: str, remarks: list[str]) -> Shot:
    if shot.cut not in CUTS:
        raise VideoError(f"{name}: unknown cut {shot.cut!r}{did_you_mean(str(shot.cut), CUTS)}; "
                         f"accepted are {listed(CUTS)}")
    if index == 0 and shot.cut in ("j-cut", "l-cut"):
        remarks.append(f"{name}: nothing comes before the first shot; its {shot.cut} is a cut")
        return replace(shot, cut="cut")
    return shot


def _place(shot: Shot, before: Shot | None, name: str, rooms, remarks: list[str]) -> Shot:
    if not isinstance(shot.seed, int) or not 0 <= shot.seed <= MOST_SEED:
        raise VideoError(f"{name}: seed {shot.seed!r}; a whole number from 0 to 2^64 - 1 is "
                         "accepted")
    if len(shot.place) > MOST_PLACE:
        raise VideoError(f"{name}: place of {len(shot.place)} characters; up to {MOST_PLACE} are "
                         "accepted")
    if shot.place.strip():
        if rooms is not None:
            _understood(rooms, shot.place, False, f"{name}: place", remarks)
        return shot
    if before is None and shot.seen:
        remarks.append(f"{name}: it has no place and is set in {USUAL_PLACE}")
        return replace(shot, place=USUAL_PLACE)
    if before is None:
        raise VideoError(f"{name}: it has no place; the first shot needs one (place: a brick hall "
                         "at dusk), later shots without one stay where they are")
    return replace(shot, place=before.place, seed=before.seed)


def _seen(shot: Shot, name: str, board: Storyboard) -> tuple[str, ...]:
    if len(shot.seen) > MOST_SEEN:
        raise VideoError(f"{name}: {len(shot.seen)} characters are seen "
                         f"({listed(shot.seen, 6)}); none, one or two are accepted")
    seen = []
    for who in shot.seen:
        member = _member(who, name, board)
        if member.character is None:
            raise VideoError(f"{name}: {member.name} is seen but has no portrait; give the "
                             f"character one, or let {member.name} speak unseen ("
                             f"{member.name} (off): …)")
        if member.name in seen:
            raise VideoError(f"{name}: {member.name} is seen twice; once is accepted")
        seen.append(member.name)
    return tuple(seen)


def _member(who: str, name: str, board: Storyboard):
    member = next((m for m in board.cast if same_name(m.name) == same_name(str(who))), None)
    if member is None:
        names = [m.name for m in board.cast]
        raise VideoError(f"{name}: unknown character {shortened(who)!r}"
                         f"{did_you_mean(str(who), names)}; the cast is {listed(names)}")
    return member


def framing_of(camera: str) -> str | None:
    """The framing that a camera text means ("Two shot" is "two-shot"), or None."""
    word = "-".join(re.sub(r"[-‐‑–]", " ", camera.casefold()).split())
    return next((f for f in FRAMINGS if f == word), None)


def move_of(camera: str) -> str | None:
    """The move that a camera text means, or None."""
    word = " ".join(camera.casefold().split())
    return next((m for m in MOVES if m == word), None)


def _camera(shot: Shot, name: str, board: Storyboard, controls: Embodiment,
            remarks: list[str]) -> str:
    camera = shot.camera.strip()
    framing, move = framing_of(camera), move_of(camera)
    if shot.seen:
        if not camera:
            return "two-shot" if len(shot.seen) == 2 else "close-up"
        if framing is None:
            what = ("is for shots of a room; speakers of such a shot are unseen (off)"
                    if move else "is unknown")
            raise VideoError(f"{name}: camera {shortened(camera)!r} {what}"
                             f"{did_you_mean(camera, FRAMINGS)}; with {listed(shot.seen)} in the "
                             f"picture {listed(FRAMINGS)} are accepted")
        if framing == "two-shot" and len(shot.seen) == 1:
            raise VideoError(f"{name}: a two-shot of {shot.seen[0]} alone; two characters "
                             "(seen: A, B), or close-up, medium or wide are accepted")
        if framing == "close-up" and len(shot.seen) == 2:
            raise VideoError(f"{name}: a close-up of {listed(shot.seen)}; one character, or "
                             "two-shot, medium or wide are accepted")
        return framing
    if framing is not None:
        raise VideoError(f"{name}: camera {framing!r} shows characters, and none is seen; name "
                         f"them (seen: …), or take one of {listed(MOVES)}")
    if move is not None:
        try:
            camera_path(move, controls, float(shot.seconds))
        except GWMError as error:
            raise VideoError(f"{name}: {error}") from None
    if not camera or move is not None:
        return move or ""
    try:
        values, _ = parse_controls(camera, controls)
    except ControlError as error:
        if not _like_controls(camera):
            raise VideoError(f"{name}: unknown camera {shortened(camera)!r}"
                             f"{did_you_mean(camera, [*MOVES, *FRAMINGS])}; accepted are "
                             f"{listed(MOVES)}, or controls (W*24 look(+6,0)*12)") from None
        raise VideoError(f"{name}: camera, {_plainly(error)}") from None
    ticks = shot.seconds * Fraction(controls.tick_rate).limit_denominator(1000)
    if len(values) > math.ceil(ticks):
        remarks.append(f"{name}: its camera has {len(values)} ticks, the shot ends after "
                       f"{float(ticks):g} of them")
    return camera


def _controls_of(rooms) -> Embodiment:
    return getattr(rooms, "embodiment", None) or rooms_embodiment()


def _like_controls(text: str) -> bool:
    """Whether somebody meant controls rather than words."""
    return any(mark in text for mark in "*+(") or (text.isupper() and " " not in text)


def _plainly(error: ControlError) -> str:
    """An error of control text without its line, which is none of the storyboard's."""
    return re.sub(r"^controls, line \d+, ", "", str(error))


def _line(line: Line, name: str, shot: Shot, board: Storyboard, remarks: list[str]) -> Line:
    member = _member(line.who, name, board)
    said = f'{name}, {member.name}\'s line "{shortened(line.text)}"'
    if not line.text.strip() and line.recording is None:
        raise VideoError(f"{name}: {member.name} has a line without words; a text, or a recording, "
                         "is accepted")
    for what, value in (("begins at", line.at), ("takes", line.seconds)):
        if value is not None and (value < 0 or (what == "takes" and value == 0)):
            raise VideoError(f"{said}: it {what} {float(value):g} s; times from the shot's "
                             "beginning are accepted")
    if line.at is not None and line.at >= shot.seconds:
        raise VideoError(f"{said}: it begins at {float(line.at):g} s, and the shot ends at "
                         f"{float(shot.seconds):g} s; earlier times are accepted")
    if line.recording is not None and line.seconds is not None:
        raise VideoError(f"{said}: a recording keeps its own length; a time to take (for) is "
                         "accepted for lines that the model speaks")
    if line.recording is not None:
        rate = line.recording.rate
        if rate != board.sample_rate:
            remarks.append(f"{said}: its recording of {rate} Hz is resampled to "
                           f"{board.sample_rate} Hz")
        if line.recording.silent:
            remarks.append(f"{said}: its recording is silent")
    else:
        _english(line.text, said)
    return replace(line, who=member.name)


def _english(text: str, said: str) -> None:
    try:
        from ..speech.script import Script
    except ImportError:
        return
    try:
        Script.of(text)
    except VideoError as error:
        raise VideoError(f"{said}: {error}") from None


def _happening(happening: Happening, name: str, shot: Shot, rooms, remarks) -> Happening:
    text = " ".join(happening.text.split())
    said = f'{name}, "{shortened(text)}" at {float(happening.at):g} s'
    if not text:
        raise VideoError(f"{name}: at {float(happening.at):g} s nothing is said to happen; a "
                         "control (Q) or a sentence (the lights go out) is accepted")
    if len(text) > MAX_EVENT_CHARS:
        raise VideoError(f"{said}: {len(text)} characters; up to {MAX_EVENT_CHARS} are accepted")
    if not 0 <= happening.at < shot.seconds:
        raise VideoError(f"{said}: the shot lasts from 0 to {float(shot.seconds):g} s; times "
                         "within it are accepted")
    if is_control(text, _controls_of(rooms)):
        return replace(happening, text=text)
    if _like_controls(text) or len(text) < 3:
        try:
            parse_controls(text, _controls_of(rooms))
        except ControlError as error:
            raise VideoError(f"{said}: {_plainly(error)}; or a sentence (the lights go out)"
                             ) from None
    if rooms is not None:
        _understood(rooms, text, True, said, remarks)
    return replace(happening, text=text)


def is_control(text: str, controls: Embodiment | None = None) -> bool:
    """Whether a happening is a control ("Q", "W+SPACE", "E*3") rather than a sentence."""
    try:
        values, events = parse_controls(text, controls or rooms_embodiment())
    except ControlError:
        return False
    return len(values) > 0 and not events


def _understood(rooms, text: str, event: bool, said: str, remarks: list[str]) -> None:
    try:
        found = rooms.understand(text, event=event)
    except GWMError as error:
        raise VideoError(f"{said}: {error}") from None
    if event and not found.understood:
        raise VideoError(f"{said}: nothing of it is understood; a control (Q throws, E pushes), or "
                         "light, time of day, fog and balls as words (the lights go out) are "
                         "accepted")
    if found.ignored:
        remarks.append(f"{said}: {found.summary()}")


def _at(error: VideoError, place) -> VideoError:
    if place and error.line is None:
        error.line, error.column = place
    return error
