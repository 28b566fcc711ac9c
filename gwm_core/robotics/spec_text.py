"""The text of specifications: signal temporal logic over named signals, one definition a line.

``keep_out: never(hypot(x - zone_x, y - zone_y) < 0.07)``

    definition  name ":" formula                              # starts a comment
    formula     comparison | "(" formula ")" | not f | f and g | f or g | f implies g
                always[a,b](f) | eventually[a,b](f) | never[a,b](f) | f until[a,b] g
    window      [a,b], optional: ticks, or seconds as in [0,1.5s]; an ``s`` at b holds for a too
    comparison  number < number, also <= > >=
    number      0.07 | signal | - a | a + b | a - b | a * b | a / b
                abs(a) | sqrt(a) | hypot(a, b) | min(a, b, ...) | max(a, b, ...)

What binds from tight to loose: ``* /``, ``+ -``, comparisons, ``not``, ``until``, ``and``, ``or``,
``implies`` (which groups to the right). ``never(f)`` is short for ``always(not f)``. A definition
goes on to the next line while a bracket is open.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..errors import RoboticsError

MAX_CHARS = 50_000
MAX_DEPTH = 64
MAX_SPECS = 200

TOKEN = re.compile(
    r"(?P<space>[^\S\n]+|\#[^\n]*)"
    r"|(?P<line>\n)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d][\w.]*)"
    r"|(?P<mark><=|>=|[-+*/()\[\],:<>])"
)
COMPARISONS = ("<", "<=", ">", ">=")
ARITHMETIC = ("+", "-", "*", "/")
# How many arguments each function takes; None has no upper limit.
FUNCTIONS = {"abs": (1, 1), "sqrt": (1, 1), "hypot": (2, 2), "min": (1, None), "max": (1, None)}
TEMPORAL = ("always", "eventually", "never")
JOINS = ("and", "or", "implies", "until")
WORDS = ("not", *JOINS, *TEMPORAL, *FUNCTIONS)
# How tightly an operator binds; what stands alone binds tightest.
POWER = {
    "implies": 1, "or": 2, "and": 3, "until": 4, "not": 5, **dict.fromkeys(COMPARISONS, 6),
    "+": 7, "-": 7, "*": 8, "/": 8, "negative": 9,
}
ALONE = 10
HINTS = {"=": "; abs(a - b) < 0.01 says that two numbers are equal"}
HINTS |= dict.fromkeys("&|!", "; write and, or, not")


class SpecError(RoboticsError):
    """A specification that cannot be read; ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True)
class Window:
    """The time from ``begin`` to ``end``, both included, in ticks or (``seconds``) in seconds."""

    begin: float
    end: float
    seconds: bool = False

    def __str__(self) -> str:
        unit = "s" if self.seconds else ""
        begin = _digits(self.begin) + (unit if self.begin else "")
        return f"[{begin},{_digits(self.end)}{unit}]"


@dataclass(frozen=True)
class Node:
    """A part of a formula.

    kind    "number" or "signal" (``value`` holds it), "negative", an operator of ARITHMETIC or
            COMPARISONS, a name of FUNCTIONS, "not", "and", "or", "implies", "always",
            "eventually" or "until"
    args    its parts in the order of the text; "and" and "or" have two or more
    window  of "always", "eventually" and "until"; None reaches to the end of the recording
    """

    kind: str
    args: tuple[Node, ...] = ()
    value: float | str | None = None
    window: Window | None = None

    @property
    def is_formula(self) -> bool:
        """Whether it is true or false, not a number."""
        return self.kind not in ("number", "signal", "negative", *ARITHMETIC, *FUNCTIONS)

    def signals(self) -> frozenset[str]:
        """Names of the signals that it reads."""
        if self.kind == "signal":
            return frozenset([self.value])
        return frozenset().union(*(part.signals() for part in self.args))

    def __str__(self) -> str:
        return to_text(self)


@dataclass(frozen=True)
class Spec:
    """A named formula."""

    name: str
    formula: Node


def parse(text: str) -> dict[str, Spec]:
    """The specifications of a text by name, in its order; SpecError names line and column."""
    parser = _Parser(text)
    specs: dict[str, Spec] = {}
    while True:
        parser.skip_lines()
        kind, name, at = parser.here
        if kind == "end":
            break
        if kind != "name" or name in WORDS or parser.tokens[parser.index + 1][1] != ":":
            raise parser.fail(at, 'a definition "name: formula" is needed here')
        if name in specs:
            raise parser.fail(at, f"{name} is defined twice")
        if len(specs) == MAX_SPECS:
            raise parser.fail(at, f"more than {MAX_SPECS} definitions")
        parser.index += 2
        specs[name] = Spec(name, parser.formula())
        if parser.here[0] not in ("line", "end"):
            raise parser.unexpected("and, or, implies, until or the end of the line")
    if not specs:
        raise SpecError('specification: it is empty; "name: formula" on a line is accepted')
    return specs


def parse_formula(text: str) -> Node:
    """One formula without a name; SpecError names line and column."""
    parser = _Parser(text)
    parser.tokens = [token for token in parser.tokens if token[0] != "line"]
    node = parser.formula()
    if parser.here[0] != "end":
        raise parser.unexpected("and, or, implies, until or the end of the text")
    return node


@dataclass(frozen=True)
class _Part:
    """A parsed part: where it starts, how deep it nests, whether it stood in parentheses."""

    node: Node
    at: int
    depth: int
    closed: bool = False


class _Parser:
    """Precedence climbing over the tokens; numbers and formulas share one grammar."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise SpecError(f"specification: got {type(text).__name__}; a text is accepted")
        if len(text) > MAX_CHARS:
            raise SpecError(
                f"specification: {len(text)} characters; up to {MAX_CHARS} are accepted"
            )
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        self.index = 0
        self.level = 0
        self._scan()

    def _scan(self) -> None:
        position, depth = 0, 0
        while position < len(self.text):
            match = TOKEN.match(self.text, position)
            if match is None:
                sign = self.text[position]
                raise self.fail(position, f"unexpected {sign!r}{HINTS.get(sign, '')}")
            kind, value = match.lastgroup, match.group()
            depth = max(0, depth + (value in ("(", "[")) - (value in (")", "]")))
            # Inside brackets a new line is only a space.
            if kind != "space" and not (kind == "line" and depth):
                self.tokens.append((kind, value, position))
            position = match.end()
        self.tokens.append(("end", "", len(self.text)))

    def place(self, at: int) -> tuple[int, int]:
        """Line and column, both from 1."""
        return self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)

    def fail(self, at: int, message: str) -> SpecError:
        line, column = self.place(at)
        return SpecError(f"specification, line {line}, column {column}: {message}", line, column)

    def unexpected(self, wanted: str) -> SpecError:
        kind, value, at = self.here
        found = {"end": "the text ends", "line": "the line ends"}.get(kind, f"found {value[:40]!r}")
        return self.fail(at, f"{wanted} is needed here, {found}")

    @property
    def here(self) -> tuple[str, str, int]:
        """Kind, text and place of the next token."""
        return self.tokens[self.index]

    def accept(self, kind: str, value: str) -> bool:
        if self.here[:2] != (kind, value):
            return False
        self.index += 1
        return True

    def skip_lines(self) -> None:
        while self.accept("line", "\n"):
            pass

    def need(self, mark: str, why: str) -> int:
        """Take a mark; where it was."""
        at = self.here[2]
        if not self.accept("mark", mark):
            raise self.unexpected(f'"{mark}" {why}')
        return at

    def close(self, mark: str, opened: int) -> None:
        if not self.accept("mark", mark):
            line, column = self.place(opened)
            where = f'the "{self.text[opened]}" of line {line}, column {column},'
            raise self.unexpected(f'"{mark}" for {where}')

    def formula(self) -> Node:
        return self.want(self.expression(0), True).node

    def want(self, part: _Part, formula: bool) -> _Part:
        """The part itself; SpecError where a number stands for a formula or the other way."""
        if part.node.is_formula == formula:
            return part
        wanted = "a comparison such as z < 0.3" if formula else "a number or a signal"
        found = f"the {'number' if formula else 'formula'} {str(part.node)[:40]!r}"
        raise self.fail(part.at, f"{wanted} is needed here, found {found}")

    def make(self, at: int, kind: str, parts: list[_Part], window: Window | None = None) -> _Part:
        depth = 1 + max(part.depth for part in parts)
        self.check_depth(depth, at)
        return _Part(Node(kind, tuple(part.node for part in parts), None, window), at, depth)

    def check_depth(self, depth: int, at: int) -> None:
        if depth > MAX_DEPTH:
            raise self.fail(at, f"nested deeper than {MAX_DEPTH}; split it, or drop parentheses")

    def expression(self, loosest: int) -> _Part:
        """What stands here with every operator behind it that binds tighter than ``loosest``."""
        self.level += 1
        self.check_depth(self.level, self.here[2])
        left = self.prefix()
        while (power := self.power()) > loosest:
            left = self.infix(left, power)
        self.level -= 1
        return left

    def power(self) -> int:
        """How tightly the operator that stands here binds; 0 where none does."""
        kind, word, _ = self.here
        return POWER.get(word, 0) if kind == "mark" or word in JOINS else 0

    def infix(self, left: _Part, power: int) -> _Part:
        _, word, at = self.here
        self.index += 1
        if word in ARITHMETIC or word in COMPARISONS:
            parts = [self.want(left, False), self.want(self.expression(power), False)]
            if word in COMPARISONS and self.here[1] in COMPARISONS:
                raise self.fail(self.here[2], "comparisons do not chain; a < b and b < c does it")
            return self.make(left.at, word, parts)
        if word in ("and", "or"):
            self.want(left, True)
            right = self.want(self.expression(power), True)
            # `a and b and c` is one node; parentheses keep their own.
            if left.node.kind == word and not left.closed:
                self.check_depth(right.depth + 1, at)
                node = Node(word, (*left.node.args, right.node))
                return _Part(node, left.at, max(left.depth, right.depth + 1))
            return self.make(left.at, word, [left, right])
        self.want(left, True)
        if word == "implies":
            return self.make(left.at, word, [left, self.want(self.expression(power - 1), True)])
        window = self.window()
        parts = [left, self.want(self.expression(power), True)]
        if self.here[1] == "until":
            raise self.fail(self.here[2], "until does not chain; set parentheses")
        return self.make(left.at, word, parts, window)

    def prefix(self) -> _Part:
        kind, word, at = self.here
        if kind == "number":
            return _Part(Node("number", value=self.number()), at, 1)
        if self.accept("mark", "("):
            inside = self.expression(0)
            self.close(")", at)
            return _Part(inside.node, at, inside.depth, True)
        if self.accept("mark", "-"):
            part = self.want(self.expression(POWER["negative"]), False)
            if part.node.kind == "number":
                return _Part(Node("number", value=-part.node.value), at, 1)
            return self.make(at, "negative", [part])
        if self.accept("name", "not"):
            return self.make(at, "not", [self.want(self.expression(POWER["not"]), True)])
        if kind == "name" and word in (*TEMPORAL, *FUNCTIONS):
            self.index += 1
            return self.temporal(word, at) if word in TEMPORAL else self.function(word, at)
        if kind != "name" or word in WORDS:
            raise self.unexpected("a signal, a number, a function, not, always, eventually or (")
        self.index += 1
        if self.here[:2] == ("mark", "("):
            known = ", ".join((*FUNCTIONS, *TEMPORAL))
            raise self.fail(at, f"unknown function {word[:40]!r}; known are {known}")
        return _Part(Node("signal", value=word), at, 1)

    def number(self) -> float:
        _, word, at = self.here
        self.index += 1
        value = float(word)
        if not math.isfinite(value) or not word.isascii():
            raise self.fail(at, f"{word[:40]} is no number that is accepted here")
        return value

    def temporal(self, word: str, at: int) -> _Part:
        window = self.window()
        opened = self.need("(", f"after {word}, or a window as in {word}[0,20](...),")
        part = self.want(self.expression(0), True)
        self.close(")", opened)
        if word != "never":
            return self.make(at, word, [part], window)
        return self.make(at, "always", [self.make(at, "not", [part])], window)

    def function(self, word: str, at: int) -> _Part:
        opened = self.need("(", f"after {word}")
        parts = [self.want(self.expression(0), False)]
        while self.accept("mark", ","):
            parts.append(self.want(self.expression(0), False))
        self.close(")", opened)
        least, most = FUNCTIONS[word]
        if not least <= len(parts) <= (most or len(parts)):
            count = f"{least} or more" if most is None else str(least)
            raise self.fail(at, f"{word} takes {count} values, not {len(parts)}")
        return self.make(at, word, parts)

    def window(self) -> Window | None:
        opened = self.here[2]
        if not self.accept("mark", "["):
            return None
        begin, begin_seconds = self.bound()
        at = self.need(",", "and the end of the window") + 1
        end, seconds = self.bound()
        self.close("]", opened)
        if begin_seconds and not seconds:
            raise self.fail(at, f"the window begins in seconds; its end {_digits(end)} needs an s")
        if end < begin:
            raise self.fail(at, f"the window ends at {_digits(end)}, before {_digits(begin)}")
        if not seconds and not (begin.is_integer() and end.is_integer()):
            raise self.fail(opened, "ticks are whole numbers; seconds are written as in [0,1.5s]")
        return Window(begin, end, seconds)

    def bound(self) -> tuple[float, bool]:
        if self.here[0] != "number":
            raise self.unexpected("a number of ticks, or of seconds as in 1.5s,")
        return self.number(), self.accept("name", "s")


def _digits(value: float) -> str:
    """The shortest text that reads back as exactly this number."""
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def to_text(what: Node | dict[str, Spec]) -> str:
    """The canonical text, which parses to an equal value; definitions stand on a line each."""
    if isinstance(what, dict):
        return "".join(f"{spec.name}: {spec.formula}\n" for spec in what.values())
    kind, args = what.kind, what.args
    if kind == "number":
        return _digits(what.value)
    if kind == "signal":
        return what.value
    if kind in FUNCTIONS:
        return f"{kind}({', '.join(map(to_text, args))})"
    if kind == "negative":
        return "-" + _inside(args[0], ALONE)
    if kind == "not":
        return "not " + _inside(args[0], POWER["not"])
    window = str(what.window) if what.window else ""
    if kind in TEMPORAL:
        if kind == "always" and args[0].kind == "not":
            return f"never{window}({to_text(args[0].args[0])})"
        return f"{kind}{window}({to_text(args[0])})"
    power = POWER[kind]
    if kind == "implies":
        return f"{_inside(args[0], power + 1)} implies {_inside(args[1], power)}"
    # Left parts of arithmetic group without parentheses, all others of equal power need them.
    first = _inside(args[0], power if kind in ARITHMETIC else power + 1)
    return f" {kind}{window} ".join([first, *(_inside(part, power + 1) for part in args[1:])])


def _inside(node: Node, power: int) -> str:
    """The text of a part, in parentheses where it binds looser than ``power``."""
    text = to_text(node)
    return text if POWER.get(node.kind, ALONE) >= power else f"({text})"
