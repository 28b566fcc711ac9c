"""A text that people type, as pieces that know their line and column.

Comments: from a ``#`` at the beginning of a line, or one between white space, to the end of the
line. ``\\#``, ``\\:``, ``\\"`` and ``\\\\`` stand for the marks themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import VideoError

MOST_CHARACTERS = 4_000_000
_BREAK = re.compile(r"\r\n|\r|\n")
_COMMENT = re.compile(r"^\s*#|(?<=\s)#(?=\s|$)")
_SPACES = {ord(c): " " for c in "\ufeff\u200b\u2060\x0b\x0c\x85\u2028\u2029"}
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_ESCAPED = re.compile(r'\\([\\#:"])')
_SOME_ESCAPED = re.compile(r"\\([#:])")


@dataclass(frozen=True)
class Piece:
    """Some characters of one line. ``line`` and ``column`` (of its first one) count from 1."""

    text: str
    line: int
    column: int

    def part(self, start: int, end: int | None = None) -> Piece:
        """Its characters from ``start`` to before ``end``, without white space around."""
        raw = self.text[start:end]
        left = len(raw) - len(raw.lstrip())
        return Piece(raw.strip(), self.line, self.column + start + left)

    def split(self, mark: str) -> list[Piece]:
        """At each ``mark`` that stands in no (brackets) and no "quotes"."""
        parts, depth, quoted, start = [], 0, False, 0
        for at, char in enumerate(self.text):
            if char == '"' and not _is_escaped(self.text, at):
                quoted = not quoted and '"' in self.text[at + 1 : at + 300]
            elif not quoted and char in "()":
                depth = max(depth + (1 if char == "(" else -1), 0)
            elif char == mark and not quoted and not depth:
                parts.append(self.part(start, at))
                start = at + 1
        return [*parts, self.part(start)]

    @property
    def value(self) -> str:
        """As it is meant: escapes resolved, white space as single spaces."""
        return " ".join(_ESCAPED.sub(r"\1", self.text).split())

    @property
    def name(self) -> str:
        """Like ``value``, without "quotes" around all of it."""
        raw = self.text
        if len(raw) > 1 and raw[0] == raw[-1] == '"' and not _is_escaped(raw, -1):
            return Piece(raw[1:-1], self.line, self.column).value
        if len(raw) > 1 and raw[0] + raw[-1] in ("“”", "„“", "«»"):
            return Piece(raw[1:-1], self.line, self.column).value
        return self.value

    @property
    def controls(self) -> str:
        """Like ``value``, for texts that have escapes of their own within "quotes"."""
        return " ".join(_SOME_ESCAPED.sub(r"\1", self.text).split())

    def fail(self, message: str) -> VideoError:
        """An error that says where."""
        return VideoError(f"storyboard, line {self.line}, column {self.column}: {message}",
                          self.line, self.column)

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True)
class TextLine:
    """A line without its comment; ``indent``: how far it is moved in."""

    piece: Piece
    indent: int


def _is_escaped(text: str, at: int) -> bool:
    """Whether the character at ``at`` has a backslash before it that is none's own."""
    before = text[:at] if at < 0 else text[max(at - 64, 0) : at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def lines_of(text: str) -> Iterator[TextLine]:
    """The lines of a text that hold more than a comment; VideoError for what is no text."""
    if not isinstance(text, str):
        raise VideoError(f"storyboard: {type(text).__name__}; a text is accepted")
    if len(text) > MOST_CHARACTERS:
        raise VideoError(f"storyboard: {len(text)} characters; up to {MOST_CHARACTERS} are "
                         "accepted")
    for number, raw in enumerate(_BREAK.split(text), 1):
        raw = raw.translate(_SPACES)
        wrong = _CONTROL.search(raw)
        wrong_at = wrong.start() if wrong else next(
            (k for k, char in enumerate(raw) if "\ud800" <= char <= "\udfff"), None)
        if wrong_at is not None:
            raise Piece(raw, number, wrong_at + 1).fail(
                f"the character {raw[wrong_at]!r} cannot be read; plain text is accepted")
        comment = _COMMENT.search(raw)
        piece = Piece(raw, number, 1).part(0, comment.start() if comment else None)
        if piece:
            yield TextLine(piece, len(raw[: piece.column - 1].expandtabs(4)))


def escaped(text: str, keys: re.Pattern[str] | None = None, controls: bool = False) -> str:
    """A value as it is written, so that ``Piece.value`` (``Piece.controls``) reads the same again;
    ``keys`` are words that would begin another field."""
    text = " ".join(text.split())
    text = text if controls else text.replace("\\", "\\\\")
    text = re.sub(r"(?:^|(?<=\s))#(?=\s|$)", r"\\#", text)
    text = re.sub(r"^#", r"\\#", text)
    if keys is not None:
        text = keys.sub(lambda m: m.group()[:-1] + "\\" + m.group()[-1], text)
    return text
