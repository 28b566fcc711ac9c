"""`gwm bench play`: all figures of live play, one part after the other.

The short run takes some minutes. Thousands of ticks come from ``full``, whose finished parts are
kept, so that an interrupted run goes on; its report is committed beside the checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ...cli import paths
from ..bench import COMMITTED, compare
from ..report import Metric, Report
from ..worlds.keep import Kept, digest
from . import leak, live, replays, seek, track
from .browser import Chromium
from .server import Comfy, new_world, played

STAND_INS = {f"play.seek{seek.SHORT}_s": "play.seek_s"}
"""A short piece -> the long figure that it stands for."""
PAGE = ("nodes/*.py", "web/*.js", "web/play/*")
Say = Callable[[str], None]
Part = Callable[[], tuple[list[Metric], list[str]]]


def bench(
    seed: int = 0, full: bool = False, progress: Say = print, model: str = "gwm-rooms"
) -> Report:
    """All figures of live play. full: also 5,000 ticks to seek in and 10,000 played ones."""
    from ...worlds import load

    chromium = Chromium()  # says at once what is missing
    loaded = load(model)
    report = Report("play", [], seed, loaded.fingerprint)
    kept = Kept(paths.cache_dir() / "bench-play", seed,
                f"{loaded.fingerprint} {digest_of_page()}") if full else None
    walk: dict = {}

    def minute() -> tuple[list[Metric], list[str]]:
        with chromium:
            report.info["chromium"] = chromium.version
            metrics, problems, played_walk = live.measure(comfy, chromium, seed, progress, model)
        walk.update(played_walk)
        return metrics, problems

    with Comfy() as comfy:
        parts: dict[str, Part] = {
            "live": minute,
            "replays": lambda: replays.measure(comfy, seed, progress, model),
            "seek": lambda: seek.measure(
                comfy, loaded, seed, seek.LONG if full else seek.SHORT, progress),
            "track": lambda: (track.measure(loaded, seed, walk), []),
        }
        if not all(kept and kept.has(name) for name in parts):
            warm(comfy, seed, model, progress)
        for name, part in parts.items():
            report.metrics += _figures(name, part, report, kept)
    progress("memory over many ticks")
    report.metrics += _figures("leak", lambda: leak.measure(model, seed, full, progress), report,
                               kept)
    if full:
        _forget(kept)
    else:
        pieces, report.metrics = report.metrics, []
        compare(report, pieces, COMMITTED / f"{model}.play.bench.json", STAND_INS)
    return report


def warm(comfy: Comfy, seed: int, model: str, say: Say) -> None:
    """Compile what is compiled once on a machine: nothing after that pays for it."""
    from ...worlds.warm import WALK

    say("a first walk, which compiles what this machine has not compiled yet")
    comfy.fresh()
    started = time.monotonic()
    comfy.run(played(new_world(live.PROMPT, seed, model), WALK, max_frames=1))
    say(f"it took {time.monotonic() - started:.0f} s")


def digest_of_page() -> str:
    """A name for the nodes' and the page's present code."""
    import hashlib

    whole = hashlib.sha256(digest(("evaluation/play/*.py",)).encode())
    for pattern in PAGE:
        for path in sorted(paths.pack_dir().glob(pattern)):
            whole.update(path.read_bytes())
    return whole.hexdigest()[:12]


def _figures(name: str, part: Part, report: Report, kept: Kept | None) -> list[Metric]:
    """A part's figures, kept from before where they are; what is wrong goes into the report, and
    figures with anything wrong are not kept."""
    wrong: list[str] = []

    def measured() -> list[Metric]:
        metrics, problems = part()
        wrong.extend(problems)
        return metrics

    if kept is None:
        metrics = measured()
    else:
        metrics, _ = kept.figures(name, measured)
        if wrong:
            (kept.results_at / f"{name}.json").unlink(missing_ok=True)
    report.problems += wrong
    return metrics


def _forget(kept: Kept) -> None:
    for file in kept.results_at.glob("*.json"):
        file.unlink()
