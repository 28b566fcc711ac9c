"""`gwm eval avatars`: clips one by one, kept as they finish; then figures over all of them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from ...avatars.finder import load_finder
from ...errors import GWMError
from ..report import Metric, Report
from ..worlds.keep import Kept, default_folder
from . import clips, sheets, strangers
from .alive import alive_metrics
from .bars import TRUTH, eased
from .lips import lip_metrics, silence_metrics, sync_metrics
from .listening import listening_metrics
from .long import length_metric, still_metric, ten_minutes
from .parts import load_parts
from .played import figures, play

PROTOCOLS = ("clips", "portraits", "dials", "long")
COMMITTED = Path(__file__).resolve().parents[2] / "checkpoints"
FROM_LONG = ("avatars.identity_slope_db", "avatars.sync_slope_frames")
CLOSE = 0.02
"""A figure of a clip may differ so much from the committed one: another processor rounds
differently."""
COMPARED = ("r", "closure", "silence", "listening", "psnr")
STRANGERS = Path(__file__).resolve().parents[3] / "tests" / "avatars" / "portraits"
"""Pictures by other hands; not part of an installed package."""
EACH = 3
"""Every so many clips there is a sheet."""
Say = Callable[[str], None]


class Suite:
    """The protocols over one model; what is heavy is made when it is first needed."""

    def __init__(self, model: str, seed: int, full: bool, folder: Path, say: Say,
                 sheets_at: Path | None) -> None:
        self.model, self.seed, self.full, self.say = model, seed, full, say
        self.folder, self.sheets_at = folder, sheets_at

    @cached_property
    def parts(self):
        return load_parts(self.model, self.folder, self.say)

    def clip(self, name: str, drawn: bool) -> dict:
        """The figures of one clip, kept; drawn: its sheet too."""
        path = self.folder / "clips" / (re.sub(r"[^\w]+", "-", name) + ".json")
        if path.is_file() and not drawn:
            return number_in(json.loads(path.read_text()))
        clip = clips.make(name, self.seed)
        takes = play(clip, self.parts)
        found = figures(clip, takes, self.parts)
        if drawn:
            sheets.save(self.sheets_at, clip, takes,
                        f"r {found['model']['r']:.2f}, {TRUTH} {found[TRUTH]['r']:.2f}")
        write(path, found)
        return found

    def rows(self) -> dict[str, dict]:
        """Figures by clip."""
        plan = clips.names(self.full)
        out = {}
        for k, name in enumerate(plan):
            self.say(f"clip {k + 1} of {len(plan)}: {name}")
            out[name] = self.clip(name, self.sheets_at is not None and k % EACH == 0)
        return out

    def portraits(self) -> list[Metric]:
        found = strangers.landmark_metrics(self.parts.find, self.seed, self.full)
        found.append(strangers.shut_metric(self.parts.find, self.seed, self.full))
        speaker = clips.make(clips.names(False)[0], self.seed)
        return found + strangers.stranger_metrics(self.parts, speaker, STRANGERS, self.sheets_at)

    def dials(self) -> list[Metric]:
        return [still_metric(self.parts, self.seed), length_metric(self.parts.ticks)]

    def long(self) -> list[Metric]:
        return ten_minutes(self.parts, self.seed, self.say)


def plain(data):
    """``data`` with None for NaN, as JSON has it."""
    if isinstance(data, dict):
        return {k: plain(v) for k, v in data.items()}
    return None if isinstance(data, float) and data != data else data


def number_in(data):
    """The reverse of ``plain``."""
    if isinstance(data, dict):
        return {k: number_in(v) for k, v in data.items()}
    return float("nan") if data is None else data


def write(path: Path, data: dict) -> None:
    """JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(plain(data)))
    os.replace(part, path)


def clip_metrics(rows: Sequence[dict]) -> list[Metric]:
    """Everything that is measured on clips."""
    listened = [row for row in rows if "events" in row["model"]]
    metrics = [*lip_metrics(rows), *sync_metrics(rows), *silence_metrics(rows)]
    metrics += listening_metrics(*([row[s]["events"] for row in listened]
                                   for s in ("model", TRUTH, "deaf")))
    metrics += alive_metrics(*([row[s]["alive"] for row in rows] for s in ("model", TRUTH)))
    psnr = {s: float(np.mean([row[s]["psnr"] for row in rows]))
            for s in ("model", TRUTH, "half a pixel")}
    return [*metrics, eased(Metric("avatars.identity_psnr_db", psnr.pop("model"), "dB", psnr,
                                   len(rows), ">= 30",
                                   note="stabilised, outside mouth, eyes and brows; half a pixel: "
                                        "what one resampling of these portraits costs"))]


def evaluate(seed: int = 0, full: bool = False, progress: Say = print, model: str = "gwm-faces",
             only: Sequence[str] = (), work: str | Path | None = None,
             sheets: str | Path | None = None) -> Report:
    """All figures of the avatars family, from rendered pixels of held-out voices and faces.

    full: more clips, and ten minutes of one; the short run's clips are the first of the full
    run's, and are compared with the committed report. only: names of PROTOCOLS. work: folder where
    finished clips are kept. sheets: folder for PNG sheets of the first clips.
    """
    unknown = sorted(set(only) - set(PROTOCOLS))
    if unknown:
        raise GWMError(f"protocol {unknown[0]!r}: accepted are {', '.join(PROTOCOLS)}")
    from ... import load

    fingerprint = load(model).fingerprint
    report = Report("avatars", [], seed, fingerprint)
    kept = Kept(Path(work) if work else default_folder(), seed,
                f"avatars {fingerprint} {load_finder().fingerprint}")
    suite = Suite(model, seed, full, kept.results_at, progress, Path(sheets) if sheets else None)
    committed = COMMITTED / f"{Path(model).stem}.eval.json"
    before = Report.from_json(json.loads(committed.read_text())) if committed.is_file() else None
    for name in PROTOCOLS:
        if only and name not in only:
            continue
        progress(name)
        if name == "clips":
            rows = suite.rows()
            report.metrics += clip_metrics(list(rows.values()))
            report.info["clips"] = plain(rows)
            if before is not None and not full and before.seed == seed:
                report.problems += differing(rows, before.info.get("clips", {}))
        elif name == "long" and not full and not only:
            report.metrics += [m for m in before.metrics if m.id in FROM_LONG] if before else []
        else:
            # a sheet is drawn anew though the figures are known
            redrawn = suite.sheets_at is not None and name == "portraits"
            report.metrics += getattr(suite, name)() if redrawn else kept.figures(
                f"{name}-{full}", getattr(suite, name))[0]
    if not suite.parts.sight.independent:
        report.info["judge"] = "no landmark judge of its own: the product's finder reads the frames"
    return report


def differing(rows: dict[str, dict], before: dict[str, dict]) -> list[str]:
    """What differs between clips measured now and those of a committed report."""
    out = []
    for name in sorted(set(rows) & set(before)):
        for key in COMPARED:
            now, was = rows[name]["model"].get(key), before[name]["model"].get(key)
            if was is None and (now is None or now != now):
                continue
            near = CLOSE * (25 if key == "psnr" else 1)
            if was is None or not abs(now - was) <= near:
                out.append(f"clip {name}: {key} is {now:.3f}, was {was} in the report")
    return out
