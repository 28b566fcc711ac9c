"""Train a checkpoint. One command does all of it and goes on where it was stopped."""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

from .errors import CommandError
from .measure import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("simulator", choices=["rooms", "tabletop", "faces", "speech"],
                        help="whose worlds to learn")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="data and progress")
    parser.add_argument("--out", type=Path, metavar="FILE", help="checkpoint (default: embedded)")
    parser.add_argument("--stage", action="append", help="only this stage (may be repeated)")
    parser.add_argument("--minutes", type=float,
                        help="time for each stage of rooms (default: its own)")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    module = importlib.import_module(f"..training.{args.simulator}", __package__)
    try:
        module.train(
            work=args.work,
            out=args.out,
            stages=args.stage,
            minutes=args.minutes,
            seed=args.seed,
            progress=say(time.monotonic()),
        )
    except ValueError as error:
        raise CommandError(str(error)) from error
    return 0
