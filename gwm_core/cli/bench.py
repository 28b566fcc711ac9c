"""Measure speed and memory on this machine: worlds, robots, avatars, films, live play in a browser.

`worlds` imagines without a host; `play` starts ComfyUI and Chromium and plays; `open-weights` plays
networks of full size and random weights on a graphics card.
"""

from __future__ import annotations

import argparse

from . import measure
from .server import stop_on_terminate

# Family -> the module of gwm_core.evaluation that measures it.
MODULES = {"worlds": "bench", "play": "play", "robotics": "robotics", "avatars": "avatars",
           "video": "video", "open-weights": "open_weights"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    measure.add_arguments(parser, "bench")


def run(args: argparse.Namespace) -> int:
    stop_on_terminate()  # no server or browser stays behind
    return measure.run(args, "bench", MODULES[args.family], "bench")
