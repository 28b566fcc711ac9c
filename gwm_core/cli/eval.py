"""Measure the quality of a checkpoint on held-out data, each figure beside its baseline."""

from __future__ import annotations

import argparse

from . import measure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    measure.add_arguments(parser, "eval")


def run(args: argparse.Namespace) -> int:
    return measure.run(args, "eval", args.family, "evaluate")
