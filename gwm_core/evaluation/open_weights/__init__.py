"""The open-weights family: large backbones and decoders, judged on tiny twins; their speed."""

from __future__ import annotations

from typing import Any


def evaluate(**options: Any):
    """See ``suite.evaluate``; imported late, so that one backbone's cases need no other."""
    from .suite import evaluate as run

    return run(**options)


def bench(**options: Any):
    """See ``speed.bench``."""
    from .speed import bench as run

    return run(**options)
