"""What is said and what happens in one shot, typed a line each, before a cast is known.

    Ada: Who is there?                Ben at 2.5 s: Me.
    2.5: Q                            4 s: the lights go out

Who speaks is checked later, against the cast of the whole storyboard.
"""

from __future__ import annotations

import re
from fractions import Fraction

from ..errors import VideoError
from .exact_times import ACCEPTED, TIME, parse_time
from .storyboard import Happening, Line

_SAID = re.compile(rf"(?P<who>[^:：]{{1,80}}?)(?:\s+at\s+(?P<at>{TIME}))?\s*[:：]\s*(?P<text>.*)",
                   re.IGNORECASE)
_HAPPENS = re.compile(rf"(?:at\s+)?(?P<at>{TIME})\s*[:：]\s*(?P<text>.*)", re.IGNORECASE)


def typed_lines(text: str, fps: Fraction = Fraction(24)) -> tuple[Line, ...]:
    """The lines of dialogue in ``text``; VideoError with the line that cannot be read."""
    out = []
    for number, row in _rows(text):
        found = _SAID.fullmatch(row)
        if not found or not found["text"].strip():
            raise VideoError(f"lines, line {number}: {row[:60]!r}; a name, a colon and what is "
                             "said are accepted, e.g. Ada: Who is there?", number, 1)
        at = parse_time(found["at"], fps) if found["at"] else None
        out.append(Line(found["who"].strip(), found["text"].strip(), at))
    return tuple(out)


def typed_happenings(text: str, fps: Fraction = Fraction(24)) -> tuple[Happening, ...]:
    """What happens, from ``text``; VideoError with the line that cannot be read."""
    out = []
    for number, row in _rows(text):
        found = _HAPPENS.fullmatch(row)
        at = parse_time(found["at"], fps) if found else None
        if at is None or not found["text"].strip():
            raise VideoError(f"happens, line {number}: {row[:60]!r}; a time ({ACCEPTED}), a colon "
                             "and a control or a sentence are accepted, e.g. 2.5: Q", number, 1)
        out.append(Happening(at, found["text"].strip()))
    return tuple(out)


def _rows(text: str) -> list[tuple[int, str]]:
    rows = ((i, row.strip()) for i, row in enumerate(text.splitlines(), start=1))
    return [(i, row) for i, row in rows if row and not row.startswith("#")]
