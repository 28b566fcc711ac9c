"""`gwm bench video`: how long a film takes, and whether its length costs memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..bench import compare
from ..report import Metric, Report, machine
from ..worlds.keep import Kept, default_folder
from . import film_run

WHOLE, SHORT, LONG = 60, 30, 300
"""Seconds of the film that is timed; of those that memory is measured on."""
PIECE, LONGER = 20, 40
"""The same of the short run; all have rooms and characters who speak."""
STAND_INS = {"video.minutes_for_60s_short": "video.minutes_for_60s",
             "video.memory_growth_short_mb": "video.memory_growth_mb"}
COMMITTED = Path(__file__).resolve().parents[2] / "checkpoints" / "gwm-video.bench.json"
Say = Callable[[str], None]


def made(seconds: int, seed: int, say: Say, model: str = "gwm-faces") -> dict:
    """A film in a process and a folder of its own, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gwm-film-"))
    try:
        return film_run.run(seconds, folder, seed, say, model)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def minutes_metric(id: str, run: dict) -> Metric:
    """Minutes that 60 seconds of film take, start and models included."""
    scale = WHOLE / run["length"] / 60
    return Metric(id, run["seconds"] * scale, "min",
                  {"processor": run["processor"] * scale, "playing it": 1.0}, 1, "<= 10",
                  note=f"a film of {run['length']:g} s, 512 x 288, from the start of the process "
                       "to the finished file")


def whole_metric(seed: int, say: Say) -> Metric:
    """The film of 60 seconds in a real host, beside the same in a process of its own."""
    from .board import board
    from .host_run import run

    film = board(seed, True)
    alone = made(WHOLE, seed, say)
    return Metric("video.minutes_for_60s", run(film, say) / 60, "min",
                  {"the library alone": alone["seconds"] / 60,
                   "its processor time": alone["processor"] / 60, "playing it": 1.0}, 1, "<= 10",
                  note="6 shots, 2 characters, 4 lines, 512 x 288 at 24 frames a second; from "
                       "queueing it in a fresh host, models not loaded, to the saved file")


def growth_metric(id: str, small: dict, large: dict) -> Metric:
    """Memory that a longer film takes more than a shorter one."""
    return Metric(id, max(0.0, large["memory_mb"] - small["memory_mb"]), "MB",
                  {f"{small['length']:g} s": small["memory_mb"],
                   f"{large['length']:g} s": large["memory_mb"]}, 2, "<= 300",
                  note="most memory of the whole process, films of both lengths")


def bench(seed: int = 0, full: bool = False, progress: Say = print, model: str = "gwm-faces"
          ) -> Report:
    """Speed and memory. full: a film of 60 s, and one of 30 s against one of 5 minutes. model: the
    checkpoint of faces, which speaks; the host's run is of the embedded one."""
    from ...video.parts import load_parts
    from .suite import fingerprint_of

    report = Report("video", [], seed, fingerprint_of(load_parts(faces=model)))
    if full:
        kept = Kept(default_folder(), seed, f"video bench {report.fingerprint} {machine()}")
        report.metrics += kept.figures("minutes", lambda: [whole_metric(seed, progress)])[0]
        report.metrics += kept.figures("memory", lambda: [
            growth_metric("video.memory_growth_mb", made(SHORT, seed, progress, model),
                          made(LONG, seed, progress, model))])[0]
        return report
    small, large = (made(seconds, seed, progress, model) for seconds in (PIECE, LONGER))
    compare(report, [minutes_metric("video.minutes_for_60s_short", small),
                     growth_metric("video.memory_growth_short_mb", small, large)],
            COMMITTED, STAND_INS)
    return report
