"""Which stages of a training run, and in what order."""

from __future__ import annotations

from collections.abc import Sequence


def chosen(known: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """The stages of ``known`` that are wanted (None or empty: all), in their own order.

    ValueError for one that is not known.
    """
    unknown = set(wanted or ()) - set(known)
    if unknown:
        raise ValueError(f"stage {sorted(unknown)[0]!r}: accepted are {', '.join(known)}")
    return [stage for stage in known if not wanted or stage in wanted]


def no_minutes(minutes: float | None, what: str) -> None:
    """ValueError where a training that takes a number of steps is given a time."""
    if minutes is not None:
        raise ValueError(f"minutes: the training of {what} takes a number of steps; leave it out")
