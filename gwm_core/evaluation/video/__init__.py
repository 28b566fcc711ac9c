"""The video family: films with sound, held against what was asked for; speed and memory."""

from __future__ import annotations

__all__ = ["bench", "evaluate"]


def evaluate(*args, **kwargs):
    """See ``suite.evaluate``; loaded at first use, since others read single judges from here."""
    from .suite import evaluate as measure

    return measure(*args, **kwargs)


def bench(*args, **kwargs):
    """See ``speed.bench``."""
    from .speed import bench as measure

    return measure(*args, **kwargs)
