"""When the lines of a shot begin and how long they take.

A line without a time comes after the one before, with a short pause; the first one shortly after
the shot begins. Lines that do not fit are spoken faster, all that follow one another by the same
factor, up to ``MOST_PACE``; then the shot grows where the storyboard allows that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from ..errors import VideoError
from .nearest import shortened
from .storyboard import Line

LEAD = Fraction(1, 4)
"""Seconds before a shot's first line."""
PAUSE = Fraction(3, 10)
"""Seconds between two lines."""
MOST_PACE, LEAST_PACE = Fraction(5, 4), Fraction(1, 2)
GRAIN = 1000
"""Lengths are in whole milliseconds, rounded up."""


@dataclass(frozen=True, eq=False)
class PlacedLine:
    """line     as written
    start    seconds from the beginning of the shot; seconds: how long it takes
    needs    how long it takes at its natural pace
    pace     needs / seconds: 1 as it is, 1.25 a quarter faster
    known    whether ``needs`` was measured (or is a recording's), not estimated from its text
    """

    line: Line
    start: Fraction
    seconds: Fraction
    needs: Fraction
    pace: Fraction
    known: bool = True

    @property
    def end(self) -> Fraction:
        return self.start + self.seconds


def estimated(text: str) -> Fraction:
    """Roughly how long a text takes to say at a natural pace: 14 letters or marks a second."""
    return ceiled(Fraction(max(len(text.strip()), 4), 14))


def ceiled(seconds: Fraction | float) -> Fraction:
    """The next whole millisecond."""
    return Fraction(math.ceil(Fraction(seconds) * GRAIN - Fraction(1, 10**6)), GRAIN)


def place_lines(
    lines: tuple[Line, ...],
    needs: list[Fraction],
    known: list[bool],
    length: Fraction,
    extend: bool,
    names: list[str],
    sure: bool = True,
) -> tuple[list[PlacedLine], list[str]]:
    """The lines of one shot of ``length`` seconds, and remarks. With ``extend`` lines may end
    after it. VideoError where they do not fit; ``names`` is what messages call each line. Where
    lengths are not ``sure`` nothing is refused.
    """
    starts = [line.at for line in lines]
    extend = extend or not sure
    if lines and starts[0] is None:
        # Lines that only just fit do without the lead.
        first = next((k for k in range(1, len(lines)) if starts[k] is not None), len(lines))
        takes = sum(needs[k] if lines[k].recording is not None else lines[k].seconds or needs[k]
                    for k in range(first)) + PAUSE * (first - 1)
        starts[0] = Fraction(math.floor(min(LEAD, max(0, length - takes)) * GRAIN), GRAIN)
    placed: list[PlacedLine] = []
    remarks: list[str] = []
    first = 0
    while first < len(lines):
        last = first + 1
        while last < len(lines) and starts[last] is None:
            last += 1
        chain = range(first, last)
        limits = [_limit(lines, starts, k, length, extend) for k in chain]
        pace = _pace(lines, needs, chain, starts[first], limits)
        if pace > MOST_PACE:
            if not extend:
                _refuse(lines, needs, chain, starts, length, names)
            pace = MOST_PACE
        at = starts[first]
        for k in chain:
            line = lines[k]
            if line.recording is not None:
                takes = needs[k]
            elif line.seconds is not None:
                takes = line.seconds
            else:
                takes = ceiled(needs[k] / pace) if pace > 1 else needs[k]
            actual = needs[k] / takes
            if sure and not LEAST_PACE <= actual <= MOST_PACE:
                raise VideoError(
                    f"{names[k]}: it shall take {float(takes):.2f} s and takes "
                    f"{float(needs[k]):.2f} s at its natural pace; "
                    f"{float(ceiled(needs[k] / MOST_PACE)):.2f} to "
                    f"{float(needs[k] / LEAST_PACE):.2f} s are accepted")
            placed.append(PlacedLine(line, at, takes, needs[k], actual, known[k]))
            if pace > 1 and line.recording is None and line.seconds is None and known[k]:
                remarks.append(f"{names[k]} is spoken {float(pace):.2f} times as fast to fit")
            at += takes + PAUSE
        first = last
    if sure:
        _check_overlaps(placed, names)
    return placed, remarks


def _least(line: Line, needs: Fraction) -> Fraction:
    if line.recording is not None:
        return needs
    return line.seconds if line.seconds is not None else needs / MOST_PACE


def _limit(lines, starts, index, length, extend) -> Fraction | None:
    """When a line must have ended: where the same person speaks again at a time of its own, or
    the shot ends; None: whenever it likes."""
    again = [starts[k] for k in range(index + 1, len(lines))
             if starts[k] is not None and lines[k].who.casefold() == lines[index].who.casefold()]
    limits = again[:1] + ([] if extend else [length])
    return min(limits) if limits else (length if not again else None)


def _pace(lines, needs, chain, start, limits) -> Fraction:
    """The least factor, 1 or more, with which every line of a chain ends in time."""
    pace, said, fixed = Fraction(1), Fraction(0), Fraction(0)
    for k, limit in zip(chain, limits, strict=True):
        line = lines[k]
        if line.recording is not None:
            fixed += needs[k]
        elif line.seconds is not None:
            fixed += line.seconds
        else:
            said += needs[k]
        room = limit - start - fixed - PAUSE * (k - chain[0])
        if said and room > 0:
            pace = max(pace, said / room)
        elif said or room < 0:
            pace = Fraction(10**6)
    return pace


def _refuse(lines, needs, chain, starts, length, names) -> None:
    """The error of the first line that does not fit at the fastest pace."""
    at = starts[chain[0]]
    for k in chain:
        least = _least(lines[k], needs[k])
        limit = _limit(lines, starts, k, length, False)
        if at + least > limit:
            fastest = ("a recording is never changed" if lines[k].recording is not None else
                       f"{float(least):.2f} s spoken {float(MOST_PACE):g} times as fast")
            if limit < length:
                raise VideoError(
                    f"{names[k]}: it begins at {float(at):.2f} s and takes {float(needs[k]):.2f} s "
                    f"({fastest}), but {lines[k].who} speaks again at {float(limit):.2f} s; one "
                    "line of a person at a time is accepted: move or shorten one of them")
            raise VideoError(
                f"{names[k]}: it begins at {float(at):.2f} s and takes {float(needs[k]):.2f} s "
                f"({fastest}), but the shot ends at {float(length):.2f} s; give the shot "
                f"{float(ceiled(at + least)):.2f} s or more, shorten the line, or allow shots to "
                "grow (extend: yes)")
        at += least + PAUSE
    raise VideoError(f"{names[chain[0]]}: the lines after it do not fit into the shot")


def _check_overlaps(placed: list[PlacedLine], names: list[str]) -> None:
    """VideoError where one person says two things at once."""
    for k, one in enumerate(placed):
        for j in range(k + 1, len(placed)):
            other = placed[j]
            if one.line.who.casefold() != other.line.who.casefold():
                continue
            if one.start < other.end and other.start < one.end:
                raise VideoError(
                    f"{names[j]}: {one.line.who} still says \"{shortened(one.line.text)}\" from "
                    f"{float(one.start):.2f} s to {float(one.end):.2f} s; one line of a person at "
                    "a time is accepted")
