"""Kept shots become a film's file: sound laid and mixed, pictures cut, all encoded in a stream."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import VideoError
from ..video_file import Piece, VideoFile
from .cutting import cut_pictures
from .film_sound import LevelledMixer, lay_stems
from .kept_shot import STEMS, KeptShot
from .mix import MixReport
from .shelf import PART
from .sound_file import SoundFile
from .storyboard_print import print_board
from .subtitles import film_lines
from .subtitles import srt as subtitles_of
from .timeline import Timeline, sample_at

if TYPE_CHECKING:
    from .film import Work

TOGETHER = 4
"""Frames that are encoded at once."""
STORYBOARD_KEY = "comment"
"""Where the file's header holds the storyboard; MP4 has a fixed set of names."""


def write_film(
    work: Work, shots: Sequence[KeptShot], path: Path, stems: bool, srt: bool,
    metadata: Mapping[str, str], gain: float | None = None,
) -> tuple[MixReport, dict[str, Path], str]:
    """The film's file and what is wanted beside it, each all or nothing.

    ``gain`` in dB is used instead of the one that meets the target. Returns (how the mix is, files
    of the stems by name, subtitles).
    """
    board = work.board
    desk = Path(tempfile.mkdtemp(prefix=f"{PART}film-", dir=work.shelf.folder))
    laid: dict[str, SoundFile] = {}
    try:
        laid = lay_stems(work.timeline, shots, desk, work.stop)
        mixer = LevelledMixer(laid, work.timeline.rate, board.loudness, board.true_peak,
                              board.ducking, work.stop, gain=gain)
        found = mixer.report()
        beside = {"mix": desk / "mix.wav"}
        if stems:
            for name in STEMS:
                beside[name] = desk / f"levelled-{name}.wav"
                _filled(beside[name], work.timeline, mixer.stem_parts(name)).close()
        with _filled(beside["mix"], work.timeline, mixer.parts()) as mixed:
            texts = {"title": board.title or path.stem, STORYBOARD_KEY: print_board(board)}
            _encode(work, shots, mixed, path, {**texts, **metadata})
        files = {name: path.with_name(f"{path.stem}.{name}.wav") for name in beside} \
            if stems else {}
        for name, file in files.items():
            _move(beside[name], file)
        text = subtitles_of(film_lines(work.timeline, [spoken(shot) for shot in shots]))
        if srt and text:
            _put(path.with_suffix(".srt"), text)
        return found, files, text
    except OSError as error:
        raise VideoError(f"film {path}: it cannot be written ({error})") from error
    finally:
        for file in laid.values():
            file.close()
        shutil.rmtree(desk, ignore_errors=True)


def _filled(path: Path, timeline: Timeline, parts: Iterable[np.ndarray]) -> SoundFile:
    """A new sound file of the film's length with ``parts`` in it, open."""
    file, at = SoundFile.create(path, timeline.rate, timeline.samples), 0
    try:
        for part in parts:
            file.write(at, part)
            at += part.shape[1]
    except BaseException:
        file.close()
        raise
    return file


def _encode(work: Work, shots: Sequence[KeptShot], mixed: SoundFile, path: Path,
            metadata: Mapping[str, str]) -> None:
    timeline, done = work.timeline, 0
    waiting: list[np.ndarray] = []
    with VideoFile(path, "film", metadata) as file:

        def flush() -> None:
            nonlocal done
            a, b = (sample_at(frame, timeline.fps, timeline.rate)
                    for frame in (done, done + len(waiting)))
            file.add(Piece({"film": np.stack(waiting)}, mixed.read(a, b), timeline.rate,
                           timeline.fps))
            done += len(waiting)
            work.tell(0, done, timeline.frames, waiting[-1])
            waiting.clear()

        for frame in cut_pictures(timeline, [shot.pictures for shot in shots]):
            work.ask()
            waiting.append(frame)
            if len(waiting) == TOGETHER:
                flush()
        if waiting:
            flush()


def spoken(shot: KeptShot) -> tuple[tuple[str, str, Fraction, Fraction], ...]:
    """(who, text, start, end) of its lines, seconds of the shot."""
    return tuple((line.who, line.text, line.start, line.end) for line in shot.spoken)


def contacts(timeline: Timeline, shots: Sequence[KeptShot]) -> tuple[float, ...]:
    """Those of impacts whose frame is shown."""
    found = []
    for i, shot in enumerate(shots):
        start, stop = (f / timeline.fps for f in timeline.shots[i].own_shown)
        found += [float(timeline.seconds_at(i, Fraction(c))) for c in shot.contacts
                  if start <= c < stop]
    return tuple(found)


def _move(source: Path, target: Path) -> None:
    """All at once, also from one disk to another."""
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.move(source, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _put(target: Path, text: str) -> None:
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
