"""A second of a finished film taken again: its picture, its sound, or both; or a line reworded.

    report = retake(report, start=12, end=13, what="both", seed=3, parts=parts, folder="shots",
                    path="film 2.mp4")

Outside of the range the film's frames and samples stay bit for bit what they were before they are
encoded. The range begins at the known moment and comes back to the known future: see
``room_variation``, ``talk_variation``, and for the cross-fades at its ends ``splice``. A retake is
part of the film from then on: a film made again with ``retakes=report.retakes`` is the same film.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..errors import VideoError
from ..noise import check_seed
from .film import Work, make_film
from .film_report import FilmReport
from .kept_shot import KeptShot, Take
from .line_times import estimated
from .nearest import shortened
from .room_variation import VariedRoom
from .shot_key import retaken_key
from .shots import place_of
from .splice import BLEND, KINDS, Range, Splice
from .talk_variation import Variation, VariedDialogue, VariedLines, VariedTalk, planned
from .timeline import called, frames_of
from .varied_state import Variation as RoomVariation
from .varied_state import ticks_of

if TYPE_CHECKING:
    from .storyboard import Storyboard

LEAST_SECONDS = Fraction(1, 4)
AROUND = Fraction(3, 25)
"""Seconds before and after a line that belong to its retake."""
GENEROUS = Fraction(5, 4)
VERSION = 1
"""Raised when the way in which retakes are made changes."""


@dataclass(frozen=True)
class Retake:
    """Seconds [start, end) of the film, to the nearest frame.

    what  "picture": the sound stays and still fits; "sound": the picture stays; "both"
    seed  which other take it is
    shot, line, text  only line ``line`` of shot ``shot`` (both from 0) and the face of who says it,
          in the words of ``text`` if it has any
    gain  dB by which the film's sound was raised before: it stays, so that all that is not
          retaken stays what it is
    """

    start: Fraction
    end: Fraction
    what: str = "both"
    seed: int = 1
    shot: int | None = None
    line: int | None = None
    text: str = ""
    gain: float | None = None


def retake(
    report: FilmReport,
    board: Storyboard | None = None,
    start: Fraction | float = 0,
    end: Fraction | float = 0,
    what: str = "both",
    seed: int = 1,
    *,
    parts: Any,
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    **more: Any,
) -> FilmReport:
    """``report``'s film with ``start`` .. ``end`` seconds taken again, written to ``path`` (left
    out: over the film).

    board, more  as of ``make_film``; ``board`` left out is the film's own

    VideoError, before any work, where the range does not fit.
    """
    new = checked(Retake(Fraction(start).limit_denominator(10**6),
                         Fraction(end).limit_denominator(10**6), what, seed), report)
    return make_film(board or report.board, path or report.path, parts=parts, folder=folder,
                     retakes=(*report.retakes, new), **more)


def retake_line(
    report: FilmReport,
    shot: int,
    line: int,
    text: str = "",
    seed: int = 1,
    *,
    parts: Any,
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    **more: Any,
) -> FilmReport:
    """The film with line ``line`` of shot ``shot`` (both from 0) spoken again, in other words
    where ``text`` says some: picture and sound of its time, and nothing else.

    New words take the time they need, at most up to the next line or the shot's end, where they
    are spoken faster. VideoError where they do not fit.
    """
    new = line_retake(report, shot, line, text, seed, parts=parts)
    return make_film(report.board, path or report.path, parts=parts, folder=folder,
                     retakes=(*report.retakes, new), **more)


def line_retake(report: FilmReport, shot: int, line: int, text: str = "", seed: int = 1, *,
                parts: Any = None) -> Retake:
    """What ``retake_line`` does, as a value. ``parts`` tell how long new words take; without them
    that is estimated, generously."""
    if not 0 <= shot < len(report.shots):
        raise VideoError(f"retake: shot {shot + 1}; the film has {len(report.shots)}")
    spoken = report.spoken[shot]
    if not 0 <= line < len(spoken):
        raise VideoError(f"retake: line {line + 1} of {report.shots[shot].called}, which has "
                         f"{len(spoken)}")
    _, old, begins, ends = spoken[line]
    own = report.board.shots[shot].lines[line]
    if own.recording is not None:
        raise VideoError(f'retake: "{shortened(old)}" is a recording; lines that the model speaks '
                         "can be spoken again")
    fps = report.fps
    first, count = report.shots[shot].first, report.shots[shot].frames
    if text.strip():
        takes = estimated(text) * GENEROUS if parts is None else planned(
            parts.talker, text.strip(), report.board.member(own.who))
        needs = begins + takes
        ends = max(ends, min([needs, *(a for _, _, a, _ in spoken if a > begins), count / fps]))
    start = max(begins - AROUND, Fraction(0)) + first / fps
    end = min(ends + AROUND, count / fps) + first / fps
    return checked(Retake(start, end, "both", seed, shot, line, text.strip()), report)


def checked(new: Retake, report: FilmReport) -> Retake:
    """``new`` at whole frames; VideoError where it does not fit the film."""
    if new.what not in KINDS:
        raise VideoError(f"retake: {new.what!r}; {', '.join(KINDS)} are accepted")
    check_seed(new.seed)
    fps = report.fps
    first, last = frames_of(new.start, fps), frames_of(new.end, fps)
    if not 0 <= first < last <= report.frames:
        raise VideoError(f"retake: {float(new.start):g} to {float(new.end):g} s; a range within 0 "
                         f"to {float(report.length):.3f} s is accepted")
    if (last - first) / fps < LEAST_SECONDS or last - first < 2 * BLEND:
        least = max(LEAST_SECONDS, 2 * BLEND / fps)
        raise VideoError(f"retake: {float(new.start):g} to {float(new.end):g} s is too short; "
                         f"{float(least):.2f} s or more are accepted")
    return replace(new, start=first / fps, end=last / fps, gain=report.gain)


class Step:
    """What one retake does to one shot: the shot before it becomes a take of the shot after it."""

    def __init__(self, work: Work, index: int, key: str, retakes: Sequence[tuple[Retake, Range]]
                 ) -> None:
        self._work, self._index, self._retakes = work, index, tuple(retakes)
        new, part = retakes[-1]
        self.key = retaken_key(key, VERSION, part.first, part.last, part.what, new.seed, new.line,
                               new.text)

    def take(self, known: KeptShot) -> Take:
        """The shot with the last retake; ``known`` has the ones before."""
        work, index = self._work, self._index
        fps, board, parts = work.timeline.fps, work.board, work.parts
        place = place_of(board, index)
        rate = parts.rooms.embodiment.tick_rate
        rooms, talks = [], []
        for new, part in self._retakes:
            who = ""
            if new.line is None:
                rooms.append(RoomVariation(*ticks_of(part, fps, rate), part, new.seed))
            else:
                who = board.member(board.shots[index].lines[new.line].who).name
            talks.append(Variation(part.first / fps, part.last / fps, part, new.seed, new.line,
                                   new.text, who))
        lines = VariedLines(board, index, parts, talks, work.stop)
        if not board.shots[index].speaks and self._retakes[-1][0].line is not None:
            fresh: Take = VariedDialogue(known, lines)
        elif board.shots[index].speaks:
            fresh = VariedTalk(board, index, parts, place, talks, rooms, lines, work.stop)
        else:
            fresh = VariedRoom(board, index, parts, place, rooms, lines, work.stop)
        return Splice(known, fresh, self._retakes[-1][1])


def steps_of(work: Work, index: int, key: str, retakes: Sequence[Retake]) -> list[Step]:
    """The steps of a shot, in order; retakes that do not touch it are left out."""
    placed, steps, done = work.timeline.shots[index], [], []
    for new in retakes:
        if new.shot is not None and new.shot != index:
            continue
        first = max(frames_of(new.start, work.timeline.fps) - placed.first_frame, 0)
        last = min(frames_of(new.end, work.timeline.fps) - placed.first_frame, placed.frames)
        if last - first < 2:
            continue
        if new.line is not None and new.line >= len(work.board.shots[index].lines):
            raise VideoError(f"retake: {called(work.board.shots[index], index)} has no line "
                             f"{new.line + 1}; the storyboard is another one")
        done.append((new, Range(first, last, new.what)))
        steps.append(Step(work, index, steps[-1].key if steps else key, done))
    return steps
