"""A storyboard becomes a film: shot by shot, then cut, mixed and written as one file.

    report = make_film(board, "film.mp4", parts=load_parts(), folder="shots")

Every finished shot is kept in ``folder``. Made again, with one shot changed or after it was
stopped, a film takes all the others from there. Nothing is held in memory for longer than a
moment: a film of an hour takes no more of it than one of a minute.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Cancelled, VideoError
from .checks import Measure, check
from .film_file import contacts, spoken, write_film
from .film_report import FilmReport, ShotReport
from .kept_shot import KeptShot, Wanted, write_shot
from .shelf import MOST_BYTES, Shelf
from .shot_key import shot_key
from .shots import open_shot
from .storyboard import CastMember, Line, Shot, Storyboard
from .timeline import Timeline, called

Progress = Callable[[int, int, int, int, "np.ndarray | None"], None]
"""progress(shot, shots, frame, frames, picture): frame ``frame`` of ``frames`` of shot ``shot``
(from 1) is done. ``shot`` 0: the film itself is being written."""
Stop = Callable[[], bool]

def make_film(
    board: Storyboard,
    path: str | os.PathLike[str],
    *,
    parts: Any,
    folder: str | os.PathLike[str],
    progress: Progress | None = None,
    stop: Stop | None = None,
    stems: bool = False,
    srt: bool = False,
    retakes: Sequence[Any] = (),
    metadata: Mapping[str, str] | None = None,
    max_bytes: int = MOST_BYTES,
) -> FilmReport:
    """Make the film of a storyboard and write it to ``path``, an MP4.

    parts      ``load_parts(...)``: the models
    folder     where finished shots are kept, at most ``max_bytes`` of them
    stop       asked at every frame; when it says true ``Cancelled`` is raised: finished shots stay
               kept, no half film is left
    stems      also write ``<name>.dialogue.wav`` and so on beside the film, and ``<name>.mix.wav``:
               float samples at the mix's own level (the mix is their sum, then limited)
    srt        also write ``<name>.srt`` where something is said
    retakes    what to retake, in order (``gwm_core.video.retake.Retake``)
    metadata   more texts for the file's header

    VideoError, before any work starts, for what does not fit; see ``checks``.
    """
    began = time.monotonic()
    path = _target(path)
    plan = check(board, measure_with(parts), rooms=parts.rooms)
    board = plan.storyboard
    timeline = plan.timeline
    shelf = Shelf(folder, max_bytes)
    work = Work(board, timeline, parts, shelf, progress, stop)
    shots, told = work.shots(retakes)
    sound, files, subtitles = write_film(
        work, shots, path, stems, srt, metadata or {}, retakes[0].gain if retakes else None)
    shelf.trim(work.used)
    remarks = (*plan.remarks, *([sound.remark] if sound.remark else []))
    return FilmReport(
        path, timeline.frames, timeline.samples, timeline.fps, timeline.rate,
        (board.width, board.height), told, remarks, sound.loudness, sound.true_peak, subtitles,
        contacts(timeline, shots), tuple(spoken(shot) for shot in shots),
        time.monotonic() - began, files, board, tuple(retakes), sound.gain)


@dataclass
class Work:
    """One film in the making: what all of its steps need."""

    board: Storyboard
    timeline: Timeline
    parts: Any
    shelf: Shelf
    progress: Progress | None = None
    stop: Stop | None = None
    used: set[str] = field(default_factory=set)

    def shots(self, retakes: Sequence[Any] = ()) -> tuple[list[KeptShot], tuple[ShotReport, ...]]:
        """Every shot, from the shelf or made now, with all retakes."""
        shots, told = [], []
        for index, shot in enumerate(self.board.shots):
            began = time.monotonic()
            key = shot_key(self.board, index, fingerprints(self.parts, shot))
            steps = self.steps(index, key, retakes)
            found = self.shelf.get(steps[-1].key if steps else key)
            kept = found is not None
            if found is None:
                found = self.shelf.get(key) or self.make(index, key)
                for step in steps:
                    found = self.shelf.get(step.key) or self.keep(index, step.key,
                                                                  step.take(found))
            self.used.add(found.key)
            shots.append(found)
            told.append(ShotReport(called(shot, index), found.key,
                                   self.timeline.shots[index].first_frame, found.frames, kept,
                                   time.monotonic() - began))
        return shots, tuple(told)

    def steps(self, index: int, key: str, retakes: Sequence[Any]) -> list[Any]:
        """What the retakes do to shot ``index``, one after another."""
        if not retakes:
            return []
        from .retake import steps_of  # it builds on this module

        return steps_of(self, index, key, retakes)

    def make(self, index: int, key: str) -> KeptShot:
        """Shot ``index`` by the models, kept under ``key``."""
        return self.keep(index, key, open_shot(self.board, index, self.parts, stop=self.stop))

    def keep(self, index: int, key: str, take: Any) -> KeptShot:
        """A take of shot ``index``, written to the shelf under ``key``."""
        placed, board = self.timeline.shots[index], self.board
        wanted = Wanted(placed.frames, placed.samples, (board.width, board.height),
                        self.timeline.fps, self.timeline.rate, called(board.shots[index], index))

        def seen(frame: int, picture: np.ndarray) -> None:
            self.ask()
            self.tell(index + 1, frame, placed.frames, picture)

        self.ask()
        return self.shelf.make(
            key, lambda place: write_shot(place, key, take, wanted, seen), self.used)

    def ask(self) -> None:
        """Cancelled where the caller wants it to stop."""
        if self.stop is not None and self.stop():
            raise Cancelled("the film was stopped; its finished shots are kept")

    def tell(self, shot: int, frame: int, frames: int, picture: np.ndarray | None) -> None:
        if self.progress is not None:
            self.progress(shot, len(self.board.shots), frame, frames, picture)


def fingerprints(parts: Any, shot: Shot) -> tuple[str, ...]:
    """Of the checkpoints that make a shot: only those it uses."""
    used = [parts.rooms]
    if shot.seen:
        used.append(parts.faces)
    if any(line.recording is None for line in shot.lines):
        used.append(parts.talker)
    return tuple(str(getattr(model, "fingerprint", "")) for model in used)


def measure_with(parts: Any) -> Measure:
    """How long a line takes at its natural pace, as the model that speaks plans it."""
    def measure(line: Line, member: CastMember) -> Fraction:
        from ..speech.script import Script  # both bring much, and a film may have no such lines
        from ..speech.voices import VOICES

        return Fraction(parts.talker.plan(Script.of(line.text), VOICES[member.voice]).seconds)

    return measure


def _target(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise VideoError(f"film {path}: a name that ends in .mp4 is accepted")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise VideoError(f"film {path}: its folder is not there, or cannot be written to")
    return path
