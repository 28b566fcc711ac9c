"""Make training data with a simulator: episodes in shards. Goes on where it was stopped."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from .measure import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("simulator", choices=["rooms"], help="which simulator")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of shards")
    parser.add_argument("--episodes", type=int, default=400, help="how many (default 400)")
    parser.add_argument("--ticks", type=int, default=96, help="length of each (default 96)")
    parser.add_argument("--seed", type=int, default=0, help="first layout's seed (default 0)")
    parser.add_argument("--split", choices=["train", "test", "judge"], default="train")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument(
        "--no-pictures", action="store_true", help="states and sound only: many times faster"
    )


def run(args: argparse.Namespace) -> int:
    from ..training.record import record

    record(
        out=args.out,
        episodes=args.episodes,
        ticks=args.ticks,
        seed=args.seed,
        split=args.split,
        workers=args.workers,
        render=not args.no_pictures,
        progress=say(time.monotonic()),
    )
    return 0
