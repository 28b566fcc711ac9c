"""Measure the quality of a checkpoint on held-out data, each figure beside its baseline.

What is done is kept as it is finished: an interrupted run (Ctrl-C) goes on when started again.
"""

from __future__ import annotations

import argparse

from . import measure
from .errors import CommandError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    measure.add_arguments(parser, "eval")
    parser.add_argument("--only", metavar="NAMES", help="only these protocols, with commas between"
                        " (a wrong name lists them)")
    parser.add_argument("--work", metavar="DIR", help="where simulated cases and finished "
                        "protocols are kept (default: the user's cache folder)")
    parser.add_argument("--sheets", metavar="DIR", help="avatars: write PNG sheets of frames and "
                        "curves there")


def run(args: argparse.Namespace) -> int:
    more = {"work": args.work} if args.work else {}
    if args.only:
        more["only"] = [name.strip() for name in args.only.split(",") if name.strip()]
    if args.sheets:
        if args.family != "avatars":
            raise CommandError("--sheets: only the family avatars has sheets")
        more["sheets"] = args.sheets
    return measure.run(args, "eval", args.family.replace("-", "_"), "evaluate", **more)
