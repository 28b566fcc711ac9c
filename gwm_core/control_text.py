"""Control text: ``W*24 look(+6,0)*12 W+look(-3,0)*8 E event("the lights go out") idle*6``.

Grammar: items separated by white space; an item is a chord ``KEY+KEY+axis(value,…)``, or
``idle``, each with ``*ticks``; or ``event("text")``, which takes no tick and holds from the next
tick on. ``#`` starts a comment that runs to the end of the line. Names are read in any case.
"""

from __future__ import annotations

import json
import re

import numpy as np

from .embodiment import ControlSpec, Embodiment
from .errors import ControlError

MAX_TICKS = 200_000
MAX_EVENTS = 10_000
MAX_EVENT_CHARS = 500
MAX_TEXT_CHARS = 8_000_000

TOKEN = re.compile(
    r"(?P<space>\s+|\#[^\n]*)"
    r"|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d][\w.]*)"
    r'|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<mark>[+*(),])",
    re.DOTALL,
)


def accepted_names(embodiment: Embodiment) -> str:
    """The names that control text may use, as a person reads them."""
    names = []
    for spec in embodiment.controls:
        name = spec.text_name
        if spec.kind == "axis":
            name += "(" + ",".join(spec.components or ("value",)) + ")"
        others = [n for n in (spec.name, *spec.aliases[1:]) if n != spec.text_name]
        names.append(name + (f" (or {', '.join(others)})" if others else ""))
    return ", ".join([*names, "idle", 'event("…")'])


def place(text: str, position: int) -> tuple[int, int]:
    """Line and column, both from 1, of an offset into ``text``."""
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def fail(text: str, position: int, message: str) -> ControlError:
    """A ControlError that says where in the text it is."""
    line, column = place(text, position)
    return ControlError(
        f"controls, line {line}, column {column}: {message}", position, line, column
    )


def check_event(text: object, where: str = "event") -> str:
    """An event's text, or ControlError: 1 to MAX_EVENT_CHARS characters, not only spaces."""
    if not isinstance(text, str) or not text.strip():
        raise ControlError(f"{where}: got {text!r}; a text that says what happens is accepted")
    if len(text) > MAX_EVENT_CHARS:
        raise ControlError(
            f"{where}: {len(text)} characters; up to {MAX_EVENT_CHARS} are accepted"
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ControlError(f"{where}: {text!r} holds half a character") from None
    return text


class _Parser:
    """One pass over the text; ``peek`` and ``take`` see tokens without spaces and comments."""

    def __init__(self, text: str, embodiment: Embodiment) -> None:
        self.text, self.embodiment = text, embodiment
        self.tokens: list[tuple[str, str, int]] = []
        self.gap: list[bool] = []
        self.index = 0
        self.names: dict[str, tuple[ControlSpec, int]] = {}
        column = 0
        for spec in embodiment.controls:
            for name in (spec.name, *spec.aliases):
                self.names[name.casefold()] = (spec, column)
            column += len(spec.columns)
        self.scan()

    def scan(self) -> None:
        position, gap = 0, True
        while position < len(self.text):
            match = TOKEN.match(self.text, position)
            if match is None:
                char = self.text[position]
                what = "the text is not closed with \"" if char == '"' else f"unexpected {char!r}"
                if char == ";":
                    what += "; items are separated by spaces"
                raise fail(self.text, position, what)
            if match.lastgroup == "space":
                gap = True
            else:
                self.tokens.append((match.lastgroup, match.group(), position))
                self.gap.append(gap)
                gap = False
            position = match.end()

    def peek(self) -> tuple[str, str, int]:
        if self.index < len(self.tokens):
            return self.tokens[self.index]
        return ("end", "", len(self.text))

    def take(self, kind: str, value: str | None, wanted: str) -> tuple[str, int]:
        got, token, position = self.peek()
        if got != kind or (value is not None and token != value):
            found = "the text ends" if got == "end" else f"found {token[:40]!r}"
            raise fail(self.text, position, f"{wanted} is needed here, {found}")
        self.index += 1
        return token, position

    def accept(self, value: str) -> bool:
        kind, token, _ = self.peek()
        if kind == "mark" and token == value:
            self.index += 1
            return True
        return False

    def number(self) -> tuple[float, str, int]:
        token, position = self.take("number", None, "a number")
        return float(token), token, position

    def ticks(self, left: int) -> int:
        """The repeat count after an item; 1 where none is given."""
        if not self.accept("*"):
            return 1
        value, token, position = self.number()
        if not token.isascii() or not token.isdigit() or value < 1:
            raise fail(self.text, position, f"ticks: {token}; a whole number from 1 is accepted")
        if value > left:
            raise fail(
                self.text, position, f"ticks: more than {MAX_TICKS} in all; fewer are accepted"
            )
        return int(value)

    def event(self) -> str:
        self.take("mark", "(", '"(" after event')
        token, position = self.take("text", None, 'a text in "double quotes"')
        self.take("mark", ")", '")" after the event\'s text')
        kind, mark, at = self.peek()
        if kind == "mark" and mark in "*+":
            raise fail(self.text, at, "an event takes no tick and stands alone")
        try:
            return check_event(json.loads(token, strict=False))
        except ControlError as error:
            raise fail(self.text, position, str(error)) from None
        except ValueError:
            known = r'\" \\ and \n are known'
            problem = f"this text has an unknown \\ escape; {known}"
            raise fail(self.text, position, problem) from None

    def control(self, row: np.ndarray, seen: set[str], name: str, position: int) -> None:
        """Write one key or axis of a chord into ``row``."""
        found = self.names.get(name.casefold())
        if found is None:
            accepted = accepted_names(self.embodiment)
            raise fail(
                self.text, position, f"unknown control {name[:40]!r}; accepted are {accepted}"
            )
        spec, column = found
        if spec.name in seen:
            raise fail(self.text, position, f"{name} stands twice in one tick")
        seen.add(spec.name)
        if spec.kind == "button":
            row[column] = 1
            kind, mark, at = self.peek()
            if kind == "mark" and mark == "(":
                raise fail(self.text, at, f"{name} is a button and takes no value")
            return
        parts = spec.components or ("value",)
        form = f"{spec.text_name}({','.join(parts)})"
        self.take("mark", "(", f'"(" as in {form}')
        for offset, part in enumerate(parts):
            if offset:
                self.take("mark", ",", f'"," and {part}, as in {form},')
            value, token, at = self.number()
            if not (spec.low <= value <= spec.high):
                unit = f" {spec.unit}" if spec.unit else ""
                raise fail(
                    self.text, at,
                    f"{form}: {part} is {token}; {spec.low:g} to {spec.high:g}{unit} are accepted",
                )
            row[column + offset] = value
        self.take("mark", ")", f'")", as in {form},')

    def parse(self) -> tuple[np.ndarray, tuple[tuple[int, str], ...]]:
        rows: list[np.ndarray] = []
        counts: list[int] = []
        events: list[tuple[int, str]] = []
        ticks = 0
        while self.peek()[0] != "end":
            if not self.gap[self.index]:
                raise fail(self.text, self.peek()[2], "a space is needed between two items")
            name, position = self.take("name", None, "a control")
            if name.casefold() == "event":
                events.append((ticks, self.event()))
                if len(events) > MAX_EVENTS:
                    raise fail(self.text, position, f"more than {MAX_EVENTS} events")
                continue
            row = np.zeros(self.embodiment.control_dim, np.float32)
            seen: set[str] = set()
            idle = name.casefold() == "idle"
            if not idle:
                self.control(row, seen, name, position)
            while self.accept("+"):
                if idle:
                    raise fail(self.text, position, "idle stands alone")
                name, position = self.take("name", None, "a control after +")
                if name.casefold() in ("idle", "event"):
                    raise fail(self.text, position, f"{name} stands alone")
                self.control(row, seen, name, position)
            count = self.ticks(MAX_TICKS - ticks)
            if ticks + count > MAX_TICKS:
                raise fail(self.text, position, f"more than {MAX_TICKS} ticks in all")
            rows.append(row)
            counts.append(count)
            ticks += count
        if not rows:
            return np.zeros((0, self.embodiment.control_dim), np.float32), tuple(events)
        return np.repeat(np.stack(rows), counts, axis=0), tuple(events)


def parse(text: str, embodiment: Embodiment) -> tuple[np.ndarray, tuple[tuple[int, str], ...]]:
    """Values [T, n] float32 and events of a control text; ControlError names line and column."""
    if not isinstance(text, str):
        raise ControlError(f"controls: got {type(text).__name__}; a text is accepted")
    if len(text) > MAX_TEXT_CHARS:
        raise ControlError(
            f"controls: {len(text)} characters; up to {MAX_TEXT_CHARS} are accepted"
        )
    return _Parser(text, embodiment).parse()


def shortest(value: np.float32, signed: bool = False) -> str:
    """The shortest decimal text that reads back as exactly this float32."""
    value = np.float32(value)
    if value == 0:
        return "0"
    sign = bool(signed and value > 0)
    if 1e-4 <= abs(value) < 1e9:
        text = np.format_float_positional(value, unique=True, trim="-", sign=sign)
    else:
        text = np.format_float_scientific(value, unique=True, trim="-", sign=sign)
    if np.float32(float(text)) != value:
        text = f"{float(value):+.17g}" if sign else f"{float(value):.17g}"
    return text


def row_text(row: np.ndarray, embodiment: Embodiment) -> str:
    """One tick as text: "W+look(+6,0)" or "idle"."""
    parts, column = [], 0
    for spec in embodiment.controls:
        values = row[column : column + len(spec.columns)]
        column += len(spec.columns)
        if not values.any():
            continue
        if spec.kind == "button":
            parts.append(spec.text_name)
        else:
            numbers = ",".join(shortest(value, signed=True) for value in values)
            parts.append(f"{spec.text_name}({numbers})")
    return "+".join(parts) or "idle"


def to_text(
    values: np.ndarray, events: tuple[tuple[int, str], ...], embodiment: Embodiment
) -> str:
    """The canonical text of controls: equal neighbours are one item, single spaces."""
    items: list[str] = []
    ticks = len(values)
    changes = np.flatnonzero((values[1:] != values[:-1]).any(axis=1)) + 1 if ticks else []
    cuts = sorted({0, ticks, *(int(c) for c in changes), *(tick for tick, _ in events)})
    at_tick: dict[int, list[str]] = {}
    for tick, text in events:
        at_tick.setdefault(tick, []).append(text)
    for start, end in zip(cuts, [*cuts[1:], ticks], strict=True):
        for text in at_tick.get(start, ()):
            items.append(f"event({json.dumps(text, ensure_ascii=False)})")
        if end > start:
            item = row_text(values[start], embodiment)
            items.append(item if end - start == 1 else f"{item}*{end - start}")
    return " ".join(items)
