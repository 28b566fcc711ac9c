"""Measure speed and memory on this machine."""

from __future__ import annotations

import argparse

from . import measure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    measure.add_arguments(parser, "bench")


def run(args: argparse.Namespace) -> int:
    return measure.run(args, "bench", "bench", "bench")
