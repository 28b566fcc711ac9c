"""Times as people write them, as exact fractions of a second, and back.

"8", "8 s", "2.5 sec", "1/3 s", "500 ms", "1.5 min", "90 frames", "0:08", "1:02.5", "0:01:30"
"""

from __future__ import annotations

import re
from fractions import Fraction

ACCEPTED = "8 s, 2.5 s, 1/3 s, 500 ms, 90 frames or 0:08"
NUMBER = r"(?:\d{1,9}(?:\.\d{0,12})?|\.\d{1,12})"
CLOCK = r"\d{1,4}:[0-5]\d(?::[0-5]\d)?(?:\.\d{1,12})?"
UNIT = r"(?:seconds?|secs?|s|milliseconds?|ms|minutes?|mins?|min|frames?|fr|f)"
TIME = rf"(?:{CLOCK}|(?:\d{{1,9}}\s*/\s*\d{{1,9}}|{NUMBER})\s*(?:{UNIT}\b)?\.?)"
"""A pattern of all of them, for texts that hold a time."""

_CLOCK = re.compile(CLOCK)
_AMOUNT = re.compile(rf"(?P<number>\d{{1,9}}\s*/\s*\d{{1,9}}|{NUMBER})\s*(?P<unit>{UNIT})?\.?",
                     re.IGNORECASE)


def parse_time(text: str, fps: Fraction) -> Fraction | None:
    """Exact seconds of a time as written, None where it is none. Frames count at ``fps``."""
    text = text.strip()
    if not text.isascii():
        return None
    if _CLOCK.fullmatch(text):
        seconds = Fraction(0)
        for part in text.split(":"):
            seconds = seconds * 60 + Fraction(part)
        return seconds
    found = _AMOUNT.fullmatch(text)
    if not found:
        return None
    number = re.sub(r"\s", "", found["number"])
    if "/" in number and int(number.split("/")[1]) == 0:
        return None
    amount = Fraction(number.rstrip(".") if number.endswith(".") else number)
    unit = (found["unit"] or "s").casefold()
    if unit.startswith("f"):
        return amount / fps
    if unit.startswith("min"):
        return amount * 60
    return amount / 1000 if unit.startswith(("ms", "milli")) else amount


def print_time(seconds: Fraction) -> str:
    """"8 s", "2.5 s" or "1/3 s": reads back as exactly this time."""
    return f"{print_number(seconds)} s"


def print_number(value: Fraction) -> str:
    """A fraction as a decimal number where that is exact in 9 places, else as "1/3"."""
    value = Fraction(value)
    scaled = value * 10**9
    if scaled.denominator != 1:
        return f"{value.numerator}/{value.denominator}"
    sign = "-" if scaled < 0 else ""
    whole, rest = divmod(abs(scaled.numerator), 10**9)
    return f"{sign}{whole}" + (f".{rest:09d}".rstrip("0") if rest else "")
