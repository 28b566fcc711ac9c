"""Arithmetic on what was noted while somebody played: what was due, what was late, what a key did.

Times are milliseconds of one clock, the page's. ``drawn`` is [(tick, when its first frame was
drawn, when it was due by the world's clock)], in the order of drawing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Drawn = Sequence[tuple[int, float, float]]


@dataclass(frozen=True)
class Pace:
    """due: ticks that the wall clock asked for; in_time: those that were shown at most one tick
    late; lateness: ms of every tick shown, behind its due time (negative: early); gap: longest
    time between two drawn ticks."""

    due: int
    in_time: int
    lateness: tuple[float, ...]
    gap: float

    @property
    def ratio(self) -> float:
        """Seconds of world per second of wall clock that came in time, to .01."""
        return round(self.in_time / self.due, 2) if self.due else 0.0


def pace(drawn: Drawn, seconds: float, tick_rate: float) -> Pace:
    """How a stretch of play kept real time.

    The stretch begins with the first tick drawn and lasts ``seconds``, so ``seconds * tick_rate``
    ticks are due in it whatever was made. A tick counts when it was drawn at most one tick after
    its due time; one that was skipped, or that the world's slowed clock moved out of the stretch,
    does not. The two clocks are laid over one another where a tick of the first second came
    soonest, so that a late beginning excuses nothing.
    """
    due, period = int(seconds * tick_rate + 1e-6), 1000 / tick_rate
    if not drawn:
        return Pace(due, 0, (), 0.0)
    first_due = drawn[0][2]
    first_at = first_due + min(
        at - due_at for _, at, due_at in drawn if due_at - first_due < 1000
    )
    end = seconds * 1000 - 1e-6
    in_time, lateness, times = set(), [], []
    for tick, at, due_at in drawn:
        wanted = due_at - first_due
        if not 0 <= wanted < end:
            continue
        late = at - first_at - wanted
        lateness.append(late)
        times.append(at)
        if late <= period + 1e-6:
            in_time.add(tick)
    gap = float(np.max(np.diff(times))) if len(times) > 1 else 0.0
    return Pace(due, min(due, len(in_time)), tuple(lateness), gap)


def key_to_pixel(
    keys: Iterable[tuple[str, bool, float]],
    sent: Sequence[tuple[int, float, Mapping[str, object]]],
    consumed: Mapping[int, int],
    drawn: Drawn,
) -> list[float]:
    """Ms from each key event to the first picture drawn of a tick that had consumed it.

    keys: (control, whether it went down, when its event was handled). sent: (number, when, what
    is held) of every message to the server. consumed: tick -> number of the last message that it
    used. An event without a message (the control was held already) or without a later picture
    (play ended) is left out.
    """
    took = sorted(consumed.items())
    found = []
    for control, down, at in keys:
        number = next(
            (n for n, when, held in sent if when >= at and held.get(control) == int(down)), None
        )
        if number is None:
            continue
        tick = next((t for t, n in took if n >= number), None)
        if tick is None:
            continue
        when = next((w for t, w, _ in drawn if t >= tick and w >= at), None)
        if when is not None:
            found.append(when - at)
    return found


def consumed_of(headers: Iterable[Mapping]) -> dict[int, int]:
    """tick -> number of the message that it used, of the binary messages' headers."""
    return {
        header["tick"] - len(header["seqs"]) + 1 + row: number
        for header in headers
        for row, number in enumerate(header["seqs"])
    }


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile, NaN of nothing."""
    return float(np.quantile(values, share)) if len(values) else float("nan")


def changing(marks: Sequence[str]) -> float:
    """Share of pictures that differ from the one before, by their hashes."""
    if len(marks) < 2:
        return float("nan")
    return sum(a != b for a, b in zip(marks, marks[1:], strict=False)) / (len(marks) - 1)


def fairness(counts: Sequence[int]) -> float:
    """The slowest one's share of the mean: 1 where all got the same."""
    mean = float(np.mean(counts)) if len(counts) else 0.0
    return min(counts) / mean if mean else 0.0


def growth(samples: Sequence[tuple[int, float]], settled: int, last: int, few: int = 5) -> float:
    """How much a quantity grew between two ticks: medians of the first samples from ``settled``
    on and of the last ones up to ``last``, so that one odd sample counts for nothing.

    samples: (tick, value) in order. NaN where there are too few of them.
    """
    inside = [value for tick, value in samples if settled <= tick <= last]
    if len(inside) < 2 * few:
        return float("nan")
    return float(np.median(inside[-few:]) - np.median(inside[:few]))


def differing(one: Mapping[int, object], other: Mapping[int, object]) -> list[int]:
    """Ticks of ``one`` whose value in ``other`` is another, or missing."""
    return [tick for tick in sorted(one) if one[tick] != other.get(tick)]
