"""Fields of a storyboard's text: ``key: value``, several short ones on a line, and their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from .exact_times import parse_time
from .text_source import Piece, TextLine

_KEY = re.compile(r"(?P<key>[A-Za-z][A-Za-z _-]{0,40}?)\s*[:：]")
_MINUS = str.maketrans("−–‐‑", "----")
BROADCAST = {"23.976": 24000, "23.98": 24000, "29.97": 30000, "59.94": 60000, "47.952": 48000,
             "119.88": 120000}
"""Rates that stand for so many frames in 1001 seconds / 1000."""


@dataclass(frozen=True)
class Item:
    """One field: its key in lower case and where it stands, and its value."""

    key: str
    at: Piece
    value: Piece


def key_pattern(keys: Sequence[str]) -> re.Pattern[str]:
    """Finds a field's key with its colon within a line."""
    longest = sorted(keys, key=len, reverse=True)
    return re.compile(rf"(?:^|(?<=\s))(?:{'|'.join(longest)})\s*[:：]", re.IGNORECASE)


def first_key(piece: Piece) -> tuple[str, int] | None:
    """The word before a line's first colon in lower case, and where its value begins."""
    found = _KEY.match(piece.text)
    if not found:
        return None
    return " ".join(found["key"].casefold().split()), found.end()


def fields_in(piece: Piece, keys: re.Pattern[str]) -> list[Item]:
    """The fields of a line that begins with one; keys within "quotes" are none."""
    found = _unquoted_keys(piece.text, keys)
    items = []
    for k, match in enumerate(found):
        end = found[k + 1].start() if k + 1 < len(found) else None
        key = " ".join(match.group()[:-1].casefold().split())
        items.append(Item(key, piece.part(match.start(), match.end()),
                          piece.part(match.end(), end)))
    return items


def _unquoted_keys(text: str, keys: re.Pattern[str]) -> list[re.Match[str]]:
    found, at, inside = [], 0, False
    last = text.rfind('"')
    for match in keys.finditer(text):
        inside ^= text.count('"', at, match.start()) % 2 == 1
        at = match.start()
        # A quote that is never closed holds nothing.
        if not (inside and last >= at):
            found.append(match)
    return found


def joined(lines: list[TextLine], begins: Callable[[Piece], bool],
           continues: Callable[[Piece], bool]) -> list[Piece]:
    """Lines with those that continue them: moved in further, and no item of their own. ``begins``
    says what is an item, ``continues`` which items may go on."""
    out: list[Piece] = []
    indent = 0
    parts: list[str] = []
    for line in lines:
        if out and line.indent > indent and not begins(line.piece) and continues(out[-1]):
            parts.append(line.piece.text)
            continue
        if len(parts) > 1:
            out[-1] = Piece(" ".join(parts), out[-1].line, out[-1].column)
        out.append(line.piece)
        parts, indent = [line.piece.text], line.indent
    if len(parts) > 1:
        out[-1] = Piece(" ".join(parts), out[-1].line, out[-1].column)
    return out


def read_number(value: Piece, what: str, units: str, accepted: str) -> float:
    """A decimal number, perhaps with its unit (a pattern of them)."""
    text = value.value.translate(_MINUS)
    found = re.fullmatch(rf"([+-]?(?:\d{{1,12}}(?:\.\d{{0,12}})?|\.\d{{1,12}})(?:e-?\d{{1,3}})?)"
                         rf"\s*(?:{units})?\.?", text, re.IGNORECASE | re.ASCII)
    if not found:
        raise value.fail(f"{what} {text[:40]!r}; {accepted}")
    return float(found[1])


def read_fps(value: Piece) -> Fraction:
    """Frames a second; 23.976, 29.97 and the like are the broadcast rates they stand for."""
    text = re.sub(r"\s*(?:fps|frames a second|frames/s)$", "", value.value, flags=re.IGNORECASE)
    if text in BROADCAST:
        return Fraction(BROADCAST[text], 1001)
    if re.fullmatch(r"\d{1,6}(?:\.\d{1,6}|\s*/\s*0*[1-9]\d{0,5})?", text, re.ASCII):
        return Fraction(re.sub(r"\s", "", text))
    raise value.fail(f"fps {text[:40]!r}; frames a second are accepted (24, 23.976 or 24000/1001)")


def read_size(value: Piece) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})\s*[x×*]\s*(\d{1,6})", value.value, re.IGNORECASE | re.ASCII)
    if not found:
        raise value.fail(f"size {value.value[:40]!r}; width x height is accepted (512x288)")
    return int(found[1]), int(found[2])


def read_yes(value: Piece, what: str) -> bool:
    word = value.value.casefold()
    if word in ("yes", "on", "true"):
        return True
    if word in ("no", "off", "false"):
        return False
    raise value.fail(f"{what} {value.value[:40]!r}; yes or no is accepted")


def read_time(value: Piece, fps: Fraction) -> Fraction | None:
    """Seconds, or None where the piece is no time."""
    return parse_time(value.value, fps)


def unquoted(text: str) -> str:
    """Without one pair of quotes around all of it."""
    for opens, closes in ('""', "“”", "„“", "«»"):
        if len(text) > 1 and text[0] == opens and text[-1] == closes:
            inner = text[1:-1]
            if not any(q in inner for q in '"“”„«»') or is_quoted(inner):
                return inner.strip()
    return text


def is_quoted(text: str) -> bool:
    """Whether ``unquoted`` would take quotes away."""
    return unquoted(text) != text
