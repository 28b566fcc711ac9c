"""Make training data with a simulator: episodes in shards. Goes on where it was stopped.

`rooms` are first-person worlds; `tabletop` a robot's table with three views, actions, and what is
really there; `faces` voices with the motion of the faces that speak and listen.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from .errors import CommandError
from .measure import say

TABLETOP_TICKS = 64
FACES_TICKS = 250


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("simulator", choices=["rooms", "tabletop", "faces"],
                        help="which simulator")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of shards")
    parser.add_argument("--episodes", type=int, default=400, help="how many (default 400)")
    parser.add_argument("--ticks", type=int, help="length of each (default: rooms 96, "
                        f"faces {FACES_TICKS}; tabletop has {TABLETOP_TICKS})")
    parser.add_argument("--seed", type=int, default=0, help="first layout's seed (default 0)")
    parser.add_argument("--split", choices=["train", "test", "judge"], default="train",
                        help="which layouts, or voices (tabletop and faces: train or test)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument(
        "--no-pictures", action="store_true",
        help="states and sound only: many times faster (rooms)"
    )


def run(args: argparse.Namespace) -> int:
    tell = say(time.monotonic())
    if args.simulator == "tabletop":
        _tabletop(args, tell)
        return 0
    if args.simulator == "faces":
        _faces(args, tell)
        return 0
    from ..training.record import record

    record(
        out=args.out,
        episodes=args.episodes,
        ticks=96 if args.ticks is None else args.ticks,
        seed=args.seed,
        split=args.split,
        workers=args.workers,
        render=not args.no_pictures,
        progress=tell,
    )
    return 0


def _tabletop(args: argparse.Namespace, tell) -> None:
    if args.split == "judge" or args.no_pictures or args.ticks not in (None, TABLETOP_TICKS):
        raise CommandError("tabletop: --split train or test, with pictures, and "
                           f"{TABLETOP_TICKS} ticks are accepted")
    from ..simulators.tabletop import generate

    generate(args.out, args.episodes, args.seed, args.workers, heldout=args.split == "test",
             progress=lambda done, wanted: tell(f"{done} of {wanted} episodes"))


def _faces(args: argparse.Namespace, tell) -> None:
    if args.split == "judge" or args.no_pictures or args.workers != 1:
        raise CommandError("faces: --split train or test, and one worker, are accepted; it makes "
                           "no pictures")
    from ..training.faces_data import record

    ticks = FACES_TICKS if args.ticks is None else args.ticks
    record(args.out, args.episodes, args.seed, "held" if args.split == "test" else "train",
           seconds=ticks / 25,
           progress=lambda done, wanted: tell(f"{done} of {wanted} performances"))
