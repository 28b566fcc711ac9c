"""What `gwm eval` and `gwm bench` share: arguments, progress on stderr, the report."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .errors import FAILED, CommandError

# The checkpoint that a family's committed report belongs to.
FAMILIES = {"worlds": "gwm-rooms"}
CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"


def add_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    parser.add_argument("family", choices=FAMILIES, help="what to measure")
    parser.add_argument("--json", action="store_true", help="print the JSON and nothing else")
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"everything, resumable, saved as checkpoints/<name>.{kind}.json",
    )
    parser.add_argument("--seed", type=int, default=0, help="other held-out data (default 0)")
    parser.add_argument(
        "--strict", action="store_true", help="exit status 1 if a figure misses what must hold"
    )


def say(started: float) -> Callable[[str], None]:
    """A progress function that writes to stderr, with the seconds since `started`."""

    def write(text: str) -> None:
        print(f"[{time.monotonic() - started:6.1f} s] {text}", file=sys.stderr, flush=True)

    return write


def run(args: argparse.Namespace, kind: str, module: str, function: str) -> int:
    """Call `gwm_core.evaluation.<module>.<function>(seed, full, progress)` and print.

    The function returns a Report or a list of Metric.
    """
    from ..evaluation.report import Report

    measure = getattr(importlib.import_module(f"gwm_core.evaluation.{module}"), function)
    result = measure(seed=args.seed, full=args.full, progress=say(time.monotonic()))
    report = result if isinstance(result, Report) else Report(args.family, result, args.seed)
    if args.full:
        report.save(CHECKPOINTS / f"{FAMILIES[args.family]}.{kind}.json")
    report.show(args.json)
    if report.problems:
        raise CommandError("; ".join(report.problems), FAILED)
    return FAILED if args.strict and report.missed else 0
