"""Numbers, times, money, dates, units and abbreviations as words to be said (American English)."""

from __future__ import annotations

import re

from .g2p import number_words

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December")
_MONEY = {"$": ("dollar", "dollars", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
          "€": ("euro", "euros", "cent", "cents"), "¥": ("yen", "yen", "sen", "sen")}
_UNITS = {
    "km/h": "kilometers per hour", "mph": "miles per hour", "m/s": "meters per second",
    "km": "kilometers", "cm": "centimeters", "mm": "millimeters", "m": "meters", "mi": "miles",
    "ft": "feet", "kg": "kilograms", "g": "grams", "mg": "milligrams", "lb": "pounds",
    "lbs": "pounds", "oz": "ounces", "ml": "milliliters", "l": "liters", "s": "seconds",
    "sec": "seconds", "ms": "milliseconds", "min": "minutes", "mins": "minutes", "h": "hours",
    "hr": "hours", "hrs": "hours", "khz": "kilohertz", "hz": "hertz", "kb": "kilobytes",
    "mb": "megabytes", "gb": "gigabytes", "tb": "terabytes", "w": "watts", "kw": "kilowatts",
    "v": "volts", "db": "decibels", "fps": "frames per second", "°c": "degrees Celsius",
    "°f": "degrees Fahrenheit", "°": "degrees", "k": "K",
}
_ONE = {"feet": "foot", "hertz": "hertz", "kilohertz": "kilohertz", "degrees Celsius":
        "degree Celsius", "degrees Fahrenheit": "degree Fahrenheit"}
_SHORT = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "prof": "professor",
    "jr": "junior", "sr": "senior", "vs": "versus", "etc": "et cetera", "no": "number",
    "ave": "avenue", "rd": "road", "blvd": "boulevard", "mt": "mount", "lt": "lieutenant",
    "gen": "general", "capt": "captain", "sgt": "sergeant", "col": "colonel", "rev": "reverend",
    "gov": "governor", "sen": "senator", "inc": "incorporated", "ltd": "limited",
    "corp": "corporation", "dept": "department", "approx": "approximately", "est": "established",
    **{m[:3].lower(): m for m in _MONTHS if m != "May"}, "sept": "September",
    "mon": "Monday", "tue": "Tuesday", "tues": "Tuesday", "wed": "Wednesday", "thu": "Thursday",
    "thurs": "Thursday", "fri": "Friday", "e.g": "for example", "i.e": "that is",
}
"""Read so only with their period ("Sat." and "Sun." are words as well)."""
_MAY_END = ("etc.", "inc.", "ltd.", "corp.", "jr.", "sr.", "a.m.", "p.m.", "ave.", "rd.", "blvd.")
_SIGNS = {"&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "°": "degrees",
          "×": "times", "÷": "divided by", "/": "slash"}
ROMAN = re.compile(r"(?=[IVX]{2})X{0,3}(?:IX|IV|V?I{0,3})(?![A-Za-z'])")
"""A Roman number from II to XXXIX."""
_ROMAN = {"I": 1, "V": 5, "X": 10}
_COUNTED = frozenset("act book chapter class episode figure level line mark part phase rocky round "
                     "scene season section stage step title type version volume war".split())
"""Words whose number is no rank."""
_DIGITS = ("oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_LARGE = "thousand|million|billion|trillion"

_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
NUMERIC = re.compile(rf"""
    (?P<iso>\d{{4}}-\d\d-\d\d)(?!\w)
  | (?P<slashed>\d{{1,2}}/\d{{1,2}}/\d{{2,4}})(?!\w)
  | (?P<fraction>\d{{1,2}}[/⁄]\d{{1,2}})(?![\w/])
  | (?P<time>\d{{1,2}}:\d\d(?::\d\d)?)(?!\w)
  | (?P<phone>\+?\d{{1,3}}(?:[- ]\d{{3,4}}){{2,3}}|\d{{3}}-\d{{4}})(?!\w)
  | (?P<range>\d+(?:\.\d+)?-\d+(?:\.\d+)?)(?!\w)
  | (?P<ordinal>\d[\d,]*(?:st|nd|rd|th))(?!\w)
  | (?P<decade>'?\d*0s)(?!\w)
  | (?P<money>-?[$£€¥](?:{_NUMBER})(?:\s(?:{_LARGE})|[kKmMbB])?)(?!\w)
  | (?P<measure>-?(?:{_NUMBER})\s?(?:{"|".join(sorted(map(re.escape, _UNITS), key=len)[::-1])}))
    (?![\w'])
  | (?P<percent>-?(?:{_NUMBER})\s?%)
  | (?P<mixed>(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z\d]+(?:-[A-Za-z\d]+)*)
  | (?P<plain>-?(?:{_NUMBER}))
""", re.X | re.I)
"""Text that holds digits, by kind."""
ABBREVIATION = re.compile(
    r"(?:[A-Za-z]\.){2,}|(?:" + "|".join(sorted(map(re.escape, [*_SHORT, "st"]), key=len)[::-1])
    + r")\.", re.I)


def numeric(match: re.Match, after: str) -> list[str]:
    """The words of what ``NUMERIC`` matched; after: the text behind it."""
    return re.split(r"[\s-]+", _OF_KIND[match.lastgroup](match[0], after).strip())


def abbreviation(text: str, after: str) -> list[str]:
    """The words of what ``ABBREVIATION`` matched: letters with periods are spelled."""
    name = text[:-1].lower()
    if name == "st":
        return ["saint" if re.match(r"\s+[A-Z]", after) else "street"]
    if name in _SHORT:
        return _SHORT[name].split()
    return letters(text)


def letters(text: str) -> list[str]:
    """The letters of ``text``, each as a word that is read by its name: "A" alone is the article,
    "A." the letter."""
    return [f"{c}." if c == "A" else c for c in text.upper() if c.isalpha()]


def ends_sentence(abbreviated: str, after: str) -> bool:
    """Whether the period of an abbreviation ends its sentence too; after: the text behind it."""
    rest = after.lstrip(" \"')")
    return not rest or (abbreviated.lower() in _MAY_END and rest[0].isupper()
                        and after[:1].isspace())


def roman(text: str, before: str) -> list[str]:
    """The words of a Roman number behind the word ``before``: "Part II", "Louis XIV"."""
    values = [_ROMAN[c] for c in text]
    value = sum(-v if any(w > v for w in values[i + 1:i + 2]) else v for i, v in enumerate(values))
    if before.lower() in _COUNTED:
        return number_words(value, "cardinal").split()
    return ["the", *number_words(value, "ordinal").split()]


def sign(character: str) -> str | None:
    """The words of a sign that is said; None for one that is not."""
    return _SIGNS.get(character)


def _plain(text: str, after: str = "") -> str:
    bare = text.replace(",", "")
    if bare.startswith("-"):
        return f"minus {_plain(bare[1:])}"
    if "." in bare:
        whole, part = bare.split(".")
        digits = ("zero" if d == "0" else _DIGITS[int(d)] for d in part)
        return f"{_plain(whole + ',')} point {' '.join(digits)}"
    if len(bare) > 1 and bare[0] == "0" or len(bare) > 12:
        return _digits(bare)
    value = int(bare)
    if len(bare) == 4 and "," not in text and 1100 <= value < 2100:
        return _year(value)
    return number_words(value, "cardinal")


def _year(value: int) -> str:
    if 2000 <= value < 2010 or value % 1000 == 0:
        return number_words(value, "cardinal")
    high, low = divmod(value, 100)
    first = number_words(high, "cardinal")
    if low == 0:
        return f"{first} hundred"
    return f"{first} {'oh ' if low < 10 else ''}{number_words(low, 'cardinal')}"


def _digits(text: str, after: str = "") -> str:
    return " ".join(_DIGITS[int(c)] for c in text if c.isdigit())


def _day(year: int, month: int, day: int, text: str) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return _digits(text)
    return f"{_MONTHS[month - 1]} {number_words(day, 'ordinal')} {_year(year)}"


def _iso(text: str, after: str) -> str:
    year, month, day = map(int, text.split("-"))
    return _day(year, month, day, text)


def _slashed(text: str, after: str) -> str:
    month, day, year = map(int, text.split("/"))
    return _day(year if year > 99 else 2000 + year, month, day, text)


def _fraction(text: str, after: str) -> str:
    top, bottom = map(int, re.split("[/⁄]", text))
    if bottom < 2 or top >= bottom:  # "24/7" is no fraction
        return f"{number_words(top, 'cardinal')} {number_words(bottom, 'cardinal')}"
    part = {2: "half", 4: "quarter"}.get(bottom) or number_words(bottom, "ordinal")
    if top != 1:
        part = "halves" if bottom == 2 else part + "s"
    return f"{number_words(top, 'cardinal')} {part}"


def _time(text: str, after: str) -> str:
    hour, minute, *second = text.split(":")
    said = number_words(int(hour), "cardinal")
    if int(minute):
        said += " oh" if int(minute) < 10 else ""
        said += f" {number_words(int(minute), 'cardinal')}"
    elif not second and not re.match(r"\s*[ap]\.?m", after, re.I):
        said += " o'clock" if 1 <= int(hour) <= 12 else " hundred"
    return said + (f" and {number_words(int(second[0]), 'cardinal')} seconds" if second else "")


def _range(text: str, after: str) -> str:
    first, last = text.split("-")
    return f"{_plain(first)} to {_plain(last)}"


def _ordinal(text: str, after: str) -> str:
    digits = re.sub(r"\D", "", text)
    return number_words(int(digits), "ordinal") if len(digits) <= 12 else _digits(digits)


def _decade(text: str, after: str) -> str:
    said = _plain(re.sub(r"\D", "", text))
    return (said[:-1] + "ies") if said.endswith("y") else said + "s"


def _money(text: str, after: str) -> str:
    sign_, rest = re.match(r"(-?[$£€¥])(.*)", text).groups()
    one, many, cent, cents = _MONEY[sign_[-1]]
    less = "minus " if sign_[0] == "-" else ""
    large = re.match(rf"([\d.,]+)\s?({_LARGE}|[kmb])$", rest, re.I)
    if large:
        scale = {"k": "thousand", "m": "million", "b": "billion"}.get(large[2].lower(), large[2])
        return f"{less}{_amount(large[1])} {scale} {many}"
    if re.fullmatch(r"[\d,]+\.\d\d", rest):
        whole, part = rest.replace(",", "").split(".")
        said = [f"{_amount(whole)} {one if int(whole) == 1 else many}"] * bool(int(whole))
        if int(part):
            said.append(f"{_amount(part.lstrip('0'))} {cent if int(part) == 1 else cents}")
        return less + (" and ".join(said) or f"zero {many}")
    return f"{less}{_amount(rest)} {one if rest == '1' else many}"


def _amount(text: str) -> str:
    """A number that is no year."""
    return _plain(text if "." in text else text + ",")


def _measure(text: str, after: str) -> str:
    if text[0] == "-":
        return f"minus {_measure(text[1:], after)}"
    number, unit = re.match(r"([\d.,]+)\s?(.*)", text).groups()
    said = _UNITS[unit.lower()]
    if number == "1":
        said = _ONE.get(said) or re.sub(r"(\w+)s\b", r"\1", said, count=1)
    return f"{_amount(number)} {said}"


def _percent(text: str, after: str) -> str:
    return f"{_amount(text.rstrip('% '))} percent" if text[0] != "-" else \
        f"minus {_percent(text[1:], after)}"


def _mixed(text: str, after: str) -> str:
    said = []
    for part in re.findall(r"\d+|[A-Za-z]+", text):
        if part.isdigit():
            said.append(_plain(part) if len(part) < 5 else _digits(part))
        elif len(part) > 3 and not part.isupper():
            said.append(part)
        else:
            said.append(" ".join(letters(part)))
    return " ".join(said)


_OF_KIND = {"iso": _iso, "slashed": _slashed, "fraction": _fraction, "time": _time,
            "phone": _digits, "range": _range, "ordinal": _ordinal, "decade": _decade,
            "money": _money, "measure": _measure, "percent": _percent, "mixed": _mixed,
            "plain": _plain}
