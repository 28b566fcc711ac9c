"""A storyboard is verified as a whole before any work starts.

    plan = check(board, measure)          # VideoError says which shot and what is accepted
    board = plan.storyboard               # the same film after the rules below were applied

Rules, each said in ``plan.remarks`` where it changed something:

- a length that is no whole number of frames is rounded to the nearest frame, half a frame up;
- a line that does not fit is spoken faster, up to 1.25 times; then its shot grows to the next
  whole frame if the storyboard allows it (``extend``), else that is an error;
- a recording of another sample rate than the film's is resampled once; it is never sped up;
- a shot without a place continues the place and seed of the shot before; characters who speak
  before any place was named stand in a white gallery;
- a shot of characters without a framing is a close-up, of two a two-shot;
- a character without a voice gets the first one that nobody else has;
- a first shot has nothing before it: its j- or l-cut is a plain cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from ..errors import GWMError, VideoError
from .board_checks import check_cast, check_form
from .line_times import PlacedLine, ceiled, estimated, place_lines
from .nearest import shortened
from .shot_checks import check_shot
from .storyboard import CastMember, Line, Shot, Storyboard
from .timeline import Timeline, called, frames_of

MOST_SHOTS = 500
MOST_SHOT_SECONDS = 300
MOST_SECONDS = 20 * 60

Measure = Callable[[Line, CastMember], "Fraction | float"]


@dataclass(frozen=True, eq=False)
class PlannedShot:
    """One shot after the rules, and when its lines are said."""

    shot: Shot
    lines: tuple[PlacedLine, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """What was decided.

    storyboard  the film after the rules: every length a whole number of frames, every line with
                its time (and its length where it is spoken faster), every shot with its place
    shots       the same shots with their placed lines
    remarks     what the rules changed, in sentences
    timeline    when every shot is seen and heard
    """

    storyboard: Storyboard
    shots: tuple[PlannedShot, ...]
    remarks: tuple[str, ...]
    timeline: Timeline


def check(
    board: Storyboard,
    measure: Measure | None = None,
    *,
    rooms: object | None = None,
    places: object | None = None,
) -> Plan:
    """Verify a storyboard and apply the rules; VideoError before any work starts.

    measure  (line, cast member) -> seconds the line needs at its natural pace. Without it lengths
             are estimated from the text, and lines that seem too long are remarks, not errors.
    rooms    a loaded rooms model: happenings and places are then read by its own words
    places   where things stand in a text (``storyboard_text.Places``), for lines in errors
    """
    remarks: list[str] = []
    check_form(board)
    if not board.shots:
        raise VideoError("storyboard: it has no shots; 1 to "
                         f"{MOST_SHOTS} are accepted")
    if len(board.shots) > MOST_SHOTS:
        raise VideoError(f"storyboard: {len(board.shots)} shots; 1 to {MOST_SHOTS} are accepted")
    board = check_cast(board, remarks)
    shots, planned, before = [], [], None
    for index, shot in enumerate(board.shots):
        try:
            shot = _whole_frames(shot, index, board, remarks)
            shot = check_shot(shot, index, before, board, rooms, remarks, places)
            shot, lines = _lines(shot, index, board, measure, remarks, places)
        except VideoError as error:
            if error.line is None and places is not None:
                error.line, error.column = places.shot(index)
            raise
        shots.append(shot)
        planned.append(PlannedShot(shot, tuple(lines)))
        before = shot
    board = replace(board, shots=tuple(shots))
    try:
        timeline = Timeline(board)
    except VideoError as error:
        number = re.match(r"shot (\d+)", str(error))
        if number and places is not None:
            error.line, error.column = places.shot(int(number[1]) - 1)
        raise
    if timeline.seconds > MOST_SECONDS:
        raise VideoError(f"storyboard: {float(timeline.seconds):.1f} s in all; up to "
                         f"{MOST_SECONDS} s ({MOST_SECONDS // 60} minutes) are accepted")
    return Plan(board, tuple(planned), tuple(remarks), timeline)


def _whole_frames(shot: Shot, index: int, board: Storyboard, remarks: list[str]) -> Shot:
    """A shot's length and its cut's in whole frames."""
    name, fps = called(shot, index), Fraction(board.fps)
    try:
        seconds = Fraction(shot.seconds)
        cut_seconds = Fraction(shot.cut_seconds)
    except (TypeError, ValueError, OverflowError):
        raise VideoError(f"{name}: length {shot.seconds!r}; seconds are accepted") from None
    if seconds <= 0:
        raise VideoError(f"{name}: it is {float(seconds):g} s long; one frame "
                         f"({float(1 / fps):.4f} s) to {MOST_SHOT_SECONDS} s are accepted")
    if seconds > MOST_SHOT_SECONDS:
        raise VideoError(f"{name}: it is {float(seconds):g} s long; up to {MOST_SHOT_SECONDS} s "
                         "are accepted (cut it into several shots)")
    frames = frames_of(seconds, fps)
    if frames < 1:
        raise VideoError(f"{name}: {float(seconds):.4g} s is less than half a frame at "
                         f"{float(fps):.5g} frames a second; one frame "
                         f"({float(1 / fps):.4f} s) or more is accepted")
    if frames / fps != seconds:
        remarks.append(f"{name}: {float(seconds):.4f} s is rounded to {frames} frames "
                       f"({float(frames / fps):.4f} s)")
    shot = replace(shot, seconds=frames / fps)
    if shot.cut == "cut":
        return shot
    overlap = frames_of(cut_seconds, fps)
    if cut_seconds <= 0 or overlap < 1:
        raise VideoError(f"{name}: a {shot.cut} of {float(cut_seconds):g} s; one frame "
                         f"({float(1 / fps):.4f} s) or more is accepted")
    if overlap / fps != cut_seconds:
        remarks.append(f"{name}: its {shot.cut} of {float(cut_seconds):.4f} s is rounded to "
                       f"{overlap} frames ({float(overlap / fps):.4f} s)")
    return replace(shot, cut_seconds=overlap / fps)


def _lines(shot, index, board, measure, remarks, places) -> tuple[Shot, list[PlacedLine]]:
    """The lines in time, and the shot, longer where it had to grow."""
    if not shot.lines:
        return shot, []
    name, needs, known = called(shot, index), [], []
    labels = [f'{name}, {line.who}\'s line "{shortened(line.text)}"' for line in shot.lines]
    for number, line in enumerate(shot.lines):
        if line.recording is not None:
            needs.append(line.recording.seconds)
            known.append(True)
        elif measure is not None:
            try:
                needs.append(ceiled(measure(line, board.member(line.who))))
            except GWMError as error:
                raise _placed(VideoError(f"{labels[number]}: {error}"), places, index, number
                              ) from None
            known.append(True)
        else:
            needs.append(line.seconds or estimated(line.text))
            known.append(False)
    sure = all(known)
    try:
        placed, said = place_lines(shot.lines, needs, known, shot.seconds,
                                   board.extend, labels, sure)
    except VideoError as error:
        guilty = next((k for k, label in enumerate(labels) if str(error).startswith(label)), 0)
        raise _placed(error, places, index, guilty) from None
    remarks += said
    end = max(line.end for line in placed)
    if end > shot.seconds and not sure:
        remarks.append(f"{name}: its lines seem to need about {float(end):.1f} s, more than its "
                       f"{float(shot.seconds):g} s (estimated; the voice decides)")
    elif end > shot.seconds:
        frames = -(-(end * board.fps).numerator // (end * board.fps).denominator)
        longer = frames / Fraction(board.fps)
        if longer > MOST_SHOT_SECONDS:
            raise VideoError(f"{name}: its lines need {float(longer):.1f} s; up to "
                             f"{MOST_SHOT_SECONDS} s are accepted")
        remarks.append(f"{name}: extended from {float(shot.seconds):g} s to {float(longer):.4g} s "
                       "for its lines")
        shot = replace(shot, seconds=longer)
    if sure:
        lines = tuple(
            replace(p.line, at=p.start,
                    seconds=p.line.seconds if p.pace == 1 or p.line.recording else p.seconds)
            for p in placed)
        shot = replace(shot, lines=lines)
        placed = [replace(p, line=line) for p, line in zip(placed, lines, strict=True)]
    return shot, placed


def _placed(error: VideoError, places, index: int, number: int) -> VideoError:
    if places is not None and error.line is None:
        error.line, error.column = places.spoken(index, number)
    return error


