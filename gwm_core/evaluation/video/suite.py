"""`gwm eval video`: a film, its shots and its lines, held against what was asked for."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import GWMError
from ..avatars.suite import number_in, plain, write
from ..report import Metric, Report
from ..worlds.keep import Kept, default_folder
from . import dialogue_figures, utterances

PROTOCOLS = ("film", "events", "speech", "faces", "retake", "foley", "throws")
FULL_ONLY = {"throws": "video.sound_to_picture_iou"}
"""Protocols that take too long for a short run, which shows their committed figure."""
LINES = {False: 24, True: 64}
"""Judged lines, by ``full``; the short run's are the first of the full run's."""
LIPS = {False: 8, True: 32}
"""Of these, lines whose lips are read."""
THROWS = {False: 24, True: 48}
COMMITTED = Path(__file__).resolve().parents[2] / "checkpoints" / "gwm-video.eval.json"
CLOSE = 1
"""Word errors by which a line may differ from the committed report: another processor rounds
differently."""
Say = Callable[[str], None]


class Suite:
    """The protocols over one set of models; what is heavy is made when it is first needed."""

    def __init__(self, parts: Any, seed: int, full: bool, folder: Path, say: Say) -> None:
        self.parts, self.seed, self.full, self.say = parts, seed, full, say
        self.folder = folder
        self.rows: dict[str, dict] = {}

    @cached_property
    def judges(self) -> utterances.Judges:
        return utterances.load_judges(self.seed)

    def film(self) -> list[Metric]:
        from ...video.film import make_film
        from .board import board
        from .film_figures import cut_metric, length_metric, loudness_metrics
        from .film_read import read_film

        film = board(self.seed, self.full)
        self.folder.mkdir(parents=True, exist_ok=True)
        report = make_film(film, self.folder / "film.mp4", parts=self.parts,
                           folder=self.folder / "shots", stems=True, srt=True,
                           progress=lambda shot, shots, frame, frames, _: frame == frames
                           and self.say(f"film: shot {shot} of {shots}"))
        for remark in report.remarks:
            self.say(f"film: {remark}")
        found = read_film(report.path)
        # what the rules changed (a line that needs a longer shot) is what the film must be
        decided = report.board
        metrics = [cut_metric(decided, found, self.seed),
                   length_metric(decided, found, report.stems),
                   *loudness_metrics(decided, report.stems)]
        shutil.rmtree(self.folder / "shots", ignore_errors=True)  # without loss they are large
        return metrics

    def events(self) -> list[Metric]:
        from .events import event_iou

        return event_iou(self.parts.rooms, self.seed, THROWS[self.full], self.say)

    def speech(self) -> list[Metric]:
        for k, (sentence, voice) in enumerate(utterances.plan(LINES[self.full])):
            name = f"line-{k:02d}"
            self.say(f"speech: {name}, {voice}")
            self.rows[name] = self.line(name, sentence, voice, k < LIPS[self.full])
        rows = list(self.rows.values())
        return [dialogue_figures.words_metric(rows, self.seed),
                *dialogue_figures.lip_metrics(rows),
                dialogue_figures.voice_metric(rows, self.seed)]

    def line(self, name: str, sentence: int, voice: str, lips: bool) -> dict:
        """The figures of one line, kept."""
        path = self.folder / "lines" / f"{name}{'-lips' if lips else ''}.json"
        if path.is_file():
            return number_in(json.loads(path.read_text()))
        found = utterances.figures(self.parts.talker, sentence, voice, self.judges, self.seed, lips)
        write(path, found)
        return found

    def faces(self) -> list[Metric]:
        from ...avatars.finder import load_finder
        from . import face_figures
        from .face_likeness import fit_encoder

        finder = load_finder()

        def find(picture):
            points, found, _ = finder.find_or_default(picture)
            return points if found else None

        self.say("faces: the encoder")
        encoder = fit_encoder(self.seed)
        members = face_figures.characters(self.full, self.seed)
        shown, lost = face_figures.seen_faces(self.parts, members, encoder, find, self.seed,
                                              self.say)
        drawn = face_figures.drawn_faces(members, encoder, find, self.seed)
        return [face_figures.face_metric(shown, drawn, lost, self.seed)]

    def retake(self) -> list[Metric]:
        from .retake_figures import retake_metrics, retakes

        folder = self.folder / "retake"
        folder.mkdir(parents=True, exist_ok=True)
        found = retakes(self.parts, folder, self.seed, self.say)
        shutil.rmtree(folder, ignore_errors=True)
        return retake_metrics(found)

    def foley(self) -> list[Metric]:
        from .foley import foley_metrics

        return foley_metrics(self.parts.rooms, self.seed, self.full, self.say)

    def throws(self) -> list[Metric]:
        from .sound_to_picture import sound_to_picture_metrics

        return sound_to_picture_metrics(self.parts.rooms, self.seed, self.full, self.say)


def fingerprint_of(parts: Any) -> str:
    """One digest of all checkpoints that a film is made with."""
    all_of = (str(getattr(m, "fingerprint", "")) for m in (parts.rooms, parts.faces, parts.talker))
    return hashlib.sha256("|".join(all_of).encode()).hexdigest()


def evaluate(seed: int = 0, full: bool = False, progress: Say = print, model: str = "",
             only: Sequence[str] = (), work: str | Path | None = None) -> Report:
    """All figures of films with sound.

    full: a film of 60 s, more lines, faces and throws; the short run's lines are the first of the
    full run's and are compared with the committed report. model: another checkpoint of faces, which
    speaks. only: names of PROTOCOLS. work: folder where finished protocols are kept.
    """
    unknown = sorted(set(only) - set(PROTOCOLS))
    if unknown:
        raise GWMError(f"protocol {unknown[0]!r}: accepted are {', '.join(PROTOCOLS)}")
    from ...video.parts import load_parts

    parts = load_parts(faces=model) if model else load_parts()
    report = Report("video", [], seed, fingerprint_of(parts))
    kept = Kept(Path(work) if work else default_folder(), seed,
                f"video {full} {report.fingerprint}")
    suite = Suite(parts, seed, full, kept.results_at, progress)
    before = Report.from_json(json.loads(COMMITTED.read_text())) \
        if COMMITTED.is_file() and not model else None
    for name in PROTOCOLS:
        if only and name not in only:
            continue
        if name in FULL_ONLY and not full and not only:
            report.metrics += [m for m in before.metrics if m.id == FULL_ONLY[name]] \
                if before else []
            continue
        progress(name)
        # lines are kept one by one
        report.metrics += suite.speech() if name == "speech" else \
            kept.figures(name, getattr(suite, name))[0]
    if suite.rows:
        report.info["lines"] = plain(brief(suite.rows))
        if before is not None and not full and before.seed == seed:
            report.problems += differing(brief(suite.rows), before.info.get("lines", {}))
    return report


def brief(rows: dict[str, dict]) -> dict[str, dict]:
    """What a report keeps of every line: enough to see that it is the same again."""
    return {name: {"voice": row["voice"], "seconds": row["seconds"],
                   **{source: row[source]["errors"] for source in utterances.SOURCES},
                   "heard": row["model"]["heard"]} for name, row in rows.items()}


def differing(rows: dict[str, dict], before: dict[str, dict]) -> list[str]:
    """What differs between lines measured now and those of a committed report."""
    out = []
    for name in sorted(set(rows) & set(before)):
        now, was = rows[name], before[name]
        if now["voice"] != was["voice"] or abs(now["seconds"] - was["seconds"]) > 0.02:
            out.append(f"{name}: {now['voice']}, {now['seconds']:.2f} s; was {was['voice']}, "
                       f"{was['seconds']:.2f} s in the report")
        elif abs(now["model"] - was["model"]) > CLOSE:
            out.append(f"{name}: {now['model']} words wrong, was {was['model']} in the report")
    return out
