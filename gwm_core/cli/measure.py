"""What `gwm eval` and `gwm bench` share: arguments, progress on stderr, the report."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .errors import FAILED, CommandError

# What each command measures, and the name that the committed report of it begins with.
FAMILIES = {
    "eval": {"worlds": "gwm-rooms", "inverse": "gwm-rooms.inverse", "robotics": "gwm-tabletop",
             "avatars": "gwm-faces", "video": "gwm-video", "open-weights": "open-weights"},
    "bench": {"worlds": "gwm-rooms", "play": "gwm-rooms.play", "robotics": "gwm-tabletop",
              "avatars": "gwm-faces", "video": "gwm-video", "open-weights": "open-weights"},
}
CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"


def add_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    parser.add_argument("family", choices=FAMILIES[kind], help="what to measure")
    parser.add_argument("--json", action="store_true", help="print the JSON and nothing else")
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"all cases, saved as checkpoints/<name>.{kind}.json",
    )
    parser.add_argument("--seed", type=int, default=0, help="other held-out data (default 0)")
    parser.add_argument("--model", metavar="NAME", help="another checkpoint of the family")
    parser.add_argument(
        "--strict", action="store_true", help="exit status 1 if a figure misses what must hold"
    )


def say(started: float) -> Callable[[str], None]:
    """A progress function that writes to stderr, with the seconds since `started`."""

    def write(text: str) -> None:
        print(f"[{time.monotonic() - started:6.1f} s] {text}", file=sys.stderr, flush=True)

    return write


def run(args: argparse.Namespace, kind: str, module: str, function: str, **more) -> int:
    """Call `gwm_core.evaluation.<module>.<function>(seed, full, progress, **more)` and print.

    The function returns a Report or a list of Metric. Exit status 1 when the measurement has
    problems: a replay that differs, or a committed report of another checkpoint.
    """
    from ..evaluation.report import Report

    measure = getattr(importlib.import_module(f"gwm_core.evaluation.{module}"), function)
    more |= {"model": args.model} if args.model else {}
    result = measure(seed=args.seed, full=args.full, progress=say(time.monotonic()), **more)
    report = result if isinstance(result, Report) else Report(args.family, result, args.seed)
    if args.model is None and not more.get("only"):  # a part is not the report
        committed = CHECKPOINTS / f"{FAMILIES[kind][args.family]}.{kind}.json"
        if args.full:
            report.save(committed)
        else:
            report.problems += foreign(report.fingerprint, committed)
    report.show(args.json)
    if report.problems:
        raise CommandError("; ".join(report.problems), FAILED)
    return FAILED if args.strict and report.missed else 0


def foreign(fingerprint: str, committed: Path) -> list[str]:
    """What is wrong with the report that is committed beside the checkpoint: [] or one text."""
    if not committed.is_file() or not fingerprint:
        return []
    kept = json.loads(committed.read_text()).get("fingerprint", "")
    if kept == fingerprint:
        return []
    return [f"{committed.name} is of the checkpoint {kept[:12]}, this one is {fingerprint[:12]}"]
