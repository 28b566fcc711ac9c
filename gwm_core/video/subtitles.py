"""Subtitles of what is said, as an SRT file.

    text = srt(film_lines(timeline, [take.spoken for take in shots]))

A cue has two lines of 42 characters at most; a long line is said in several cues that share its
time by their length. A cue stays long enough to be read where nothing else is said meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import floor
from typing import NamedTuple

from .timeline import Timeline

WIDTH, ROWS = 42, 2
LEAST_SECONDS = Fraction(1)
READING = Fraction(1, 17)
"""Seconds that a character takes to read."""
GAP = Fraction(1, 12)
"""Seconds between two cues, where one was made longer."""
_BREAKS_WELL = re.compile(r"[,.;:!?…—–]$")


class Spoken(NamedTuple):
    """Something said: by whom, and from when to when in seconds of the film."""

    who: str
    text: str
    start: Fraction
    end: Fraction


def film_lines(
    timeline: Timeline, spoken: Sequence[Iterable[tuple[str, str, Fraction, Fraction]]]
) -> list[Spoken]:
    """What is said in a film, in order: ``spoken`` holds per shot (who, text, start, end) in
    seconds of the shot."""
    lines = []
    for index, shot in enumerate(spoken):
        for who, text, start, end in shot:
            lines.append(Spoken(who, text, timeline.seconds_at(index, Fraction(start)),
                                timeline.seconds_at(index, Fraction(end))))
    return sorted(lines, key=lambda line: (line.start, line.end))


def srt(lines: Iterable[Spoken | tuple], names: bool = False) -> str:
    """The SRT of lines (also as plain tuples); ``names`` puts who speaks before each. "" where
    nothing is said."""
    cues = sorted((cue for line in lines for cue in _cues(Spoken(*line), names)),
                  key=lambda cue: (cue[0], cue[1]))
    out = []
    for number, (start, end, text) in enumerate(cues, 1):
        needs = max(LEAST_SECONDS, READING * len(text))
        if end - start < needs:
            following = [c[0] for c in cues[number:] if c[0] >= end]
            overlapped = any(c[0] < end for c in cues[number:])
            until = start + needs
            if following:
                until = min(until, following[0] - GAP)
            if not overlapped:
                end = max(end, until)
        out.append(f"{number}\n{stamp(start)} --> {stamp(end)}\n{text}\n")
    return "\n".join(out)


def stamp(seconds: Fraction) -> str:
    """"00:01:02,500", to the nearest millisecond."""
    thousandths = floor(Fraction(seconds) * 1000 + Fraction(1, 2))
    rest, thousandths = divmod(max(thousandths, 0), 1000)
    minutes, seconds = divmod(rest, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d},{thousandths:03d}"


def _cues(line: Spoken, names: bool) -> list[tuple[Fraction, Fraction, str]]:
    text = " ".join(line.text.replace("-->", "→").split())
    if not text:
        return []
    parts = _parts(f"{line.who}: {text}" if names else text)
    total = sum(len(part) for part in parts)
    cues, said = [], 0
    length = Fraction(line.end) - Fraction(line.start)
    for part in parts:
        start = line.start + length * Fraction(said, total)
        said += len(part)
        cues.append((start, line.start + length * Fraction(said, total), wrapped(part)))
    return cues


def _words(text: str) -> list[str]:
    """The words of a text; one longer than a row is cut."""
    return [word[k : k + WIDTH] for word in text.split() for k in range(0, len(word), WIDTH)]


def _rows(words: list[str], width: int) -> int:
    """How many rows words need."""
    rows, used = 1, 0
    for word in words:
        if used and used + 1 + len(word) > width:
            rows, used = rows + 1, 0
        used += len(word) + (1 if used else 0)
    return rows


def _parts(text: str) -> list[str]:
    """A text in as few pieces as fit a cue each, cut at the end of a sentence or clause where one
    is near, else evenly."""
    words = _words(text)
    parts = []
    while _rows(words, WIDTH) > ROWS:
        fits = max(k for k in range(1, len(words)) if _rows(words[:k], WIDTH) <= ROWS)
        rest = len(" ".join(words))
        pieces = -(-rest // (WIDTH * ROWS - 8))
        aim = rest / pieces
        best = min(range(1, fits + 1), key=lambda k: _price(words, k, aim))
        parts.append(" ".join(words[:best]))
        words = words[best:]
    return [*parts, " ".join(words)]


def _price(words: list[str], count: int, aim: float) -> float:
    """How bad a cut after so many words is, in characters away from an even one."""
    away = abs(len(" ".join(words[:count])) - aim)
    end = words[count - 1]
    return away - (30 if re.search(r"[.!?…]$", end) else 15 if _BREAKS_WELL.search(end) else 0)


def wrapped(text: str) -> str:
    """One or two rows: broken where both are about as long, rather after a comma, the lower one
    rather longer."""
    words = _words(text)
    if len(" ".join(words)) <= WIDTH or len(words) == 1:
        return " ".join(words)
    best, price = None, None
    for k in range(1, len(words)):
        upper, lower = " ".join(words[:k]), " ".join(words[k:])
        if max(len(upper), len(lower)) > WIDTH:
            continue
        cost = abs(len(upper) - len(lower)) + (3 if len(upper) > len(lower) else 0)
        cost -= 12 if _BREAKS_WELL.search(words[k - 1]) else 0
        if price is None or cost < price:
            best, price = f"{upper}\n{lower}", cost
    return best if best is not None else "\n".join(_filled(words))


def _filled(words: list[str]) -> list[str]:
    """Rows filled one after the other."""
    rows = [words[0]]
    for word in words[1:]:
        if len(rows[-1]) + 1 + len(word) <= WIDTH:
            rows[-1] += " " + word
        else:
            rows.append(word)
    return rows
