"""Specifications: their text, what they mean, and agreement with an independent implementation."""

from __future__ import annotations

import math
import random
import time

import numpy as np
import pytest
import torch

from gwm_core.errors import RoboticsError
from gwm_core.robotics import spec_text
from gwm_core.robotics.spec_text import Node, SpecError, Window, parse, parse_formula, to_text
from gwm_core.robotics.specs import (
    ABSENT,
    DEFAULT_SPECS,
    evaluate,
    evaluate_all,
    signals_of,
)

SIGNALS = ("x", "y", "z")


def random_number(draw: random.Random, depth: int) -> Node:
    kind = draw.choice(("number", "signal", "signal") if depth < 1 else
                       ("signal", "negative", "+", "-", "*", "abs", "min", "max", "hypot"))
    if kind == "number":
        return Node("number", value=round(draw.uniform(-1, 1), 3))
    if kind == "signal":
        return Node("signal", value=draw.choice(SIGNALS))
    if kind in ("negative", "abs"):
        # The parser folds the minus into a number, so a number cannot be under it.
        return Node(kind, (Node("signal", value=draw.choice(SIGNALS)),))
    return Node(kind, (random_number(draw, depth - 1), random_number(draw, depth - 1)))


def random_formula(draw: random.Random, depth: int, window: int = 9) -> Node:
    if depth < 1:
        kind = draw.choice(("<", "<=", ">", ">="))
        return Node(kind, (random_number(draw, draw.randint(0, 2)), random_number(draw, 0)))
    kind = draw.choice(("not", "and", "or", "implies", "always", "eventually", "until"))
    parts = [random_formula(draw, draw.randint(0, depth - 1), window)
             for _ in range(1 if kind in ("not", "always", "eventually") else 2)]
    span = None
    if kind in ("always", "eventually", "until") and draw.random() < 0.7:
        begin = draw.randint(0, window)
        span = Window(float(begin), float(begin + draw.randint(0, window)))
    # The parser joins `a and b and c` into one node, as these here are not.
    if kind in ("and", "or") and parts[0].kind == kind:
        return Node(kind, (*parts[0].args, parts[1]))
    return Node(kind, tuple(parts), None, span)


def slow(node: Node, signals: dict[str, np.ndarray], t: int) -> float:
    """The definition, word for word, at one tick."""
    ticks = len(next(iter(signals.values())))

    def number(n: Node) -> float:
        if n.kind == "number":
            return n.value
        if n.kind == "signal":
            return float(signals[n.value][t])
        a = [number(p) for p in n.args]
        return {
            "negative": lambda: -a[0], "abs": lambda: abs(a[0]), "sqrt": lambda: math.sqrt(a[0]),
            "hypot": lambda: math.hypot(*a), "min": lambda: min(a), "max": lambda: max(a),
            "+": lambda: a[0] + a[1], "-": lambda: a[0] - a[1], "*": lambda: a[0] * a[1],
            "/": lambda: a[0] / a[1],
        }[n.kind]()

    kind, args = node.kind, node.args
    if kind in ("<", "<="):
        return number(args[1]) - number(args[0])
    if kind in (">", ">="):
        return number(args[0]) - number(args[1])
    if kind == "not":
        return -slow(args[0], signals, t)
    if kind in ("and", "or"):
        return (min if kind == "and" else max)(slow(p, signals, t) for p in args)
    if kind == "implies":
        return max(-slow(args[0], signals, t), slow(args[1], signals, t))
    begin, end = (node.window.begin, node.window.end) if node.window else (0, ticks)
    there = range(t + int(begin), min(ticks, t + int(end) + 1))
    if kind == "always":
        return min((slow(args[0], signals, u) for u in there), default=math.inf)
    if kind == "eventually":
        return max((slow(args[0], signals, u) for u in there), default=-math.inf)
    return max(
        (min([slow(args[1], signals, u), *(slow(args[0], signals, v) for v in range(t, u))])
         for u in there),
        default=-math.inf,
    )


def rtamt_text(node: Node) -> str:
    """The same formula as rtamt writes it (it knows no min, max and hypot)."""
    if node.kind == "number":
        return f"({node.value})"
    if node.kind == "signal":
        return node.value
    args = [rtamt_text(part) for part in node.args]
    window = f"[{int(node.window.begin)}:{int(node.window.end)}]" if node.window else ""
    if node.kind == "negative":
        return f"(0 - {args[0]})"
    if node.kind in ("abs", "not"):
        return f"({node.kind}({args[0]}))"
    if node.kind in ("always", "eventually"):
        return f"({node.kind}{window}({args[0]}))"
    word = {"implies": "->", "until": f"until{window}"}.get(node.kind, node.kind)
    return "(" + f" {word} ".join(args) + ")"


def only(node: Node, refused: set[str]) -> bool:
    return node.kind not in refused and all(only(part, refused) for part in node.args)


def random_signals(seed: int, *shape: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).round(2) for name in SIGNALS}


# Text


def test_text_of_all_operators_and_back():
    text = (
        "keep_out: never(hypot(x - zone_x, y - zone_y) < 0.07)\n"
        "slow: always[0,1.5s](abs(vx) <= 0.3 and vy > -1e-05 and not z < 2)\n"
        "react: always(force > 12 implies eventually[1,20](force < 1 or x / 2 - (y - 1) >= z))\n"
        "order: (not x < 1) until[2s,3s] (min(x, y, z) < max(sqrt(z), 4 * (x + y)))\n"
        "chain: x < 1 implies y < 1 implies (x < 1 and y < 1) and z < 1\n"
        "deep: never[3,4](x < 1 until y < -x)\n"
    )
    specs = parse(text)
    assert list(specs) == ["keep_out", "slow", "react", "order", "chain", "deep"]
    printed = to_text(specs)
    assert parse(printed) == specs
    assert to_text(parse(printed)) == printed
    assert printed.replace("(not x < 1)", "not x < 1") == printed
    for name in ("keep_out", "slow", "react", "chain", "deep"):
        line = next(line for line in text.splitlines() if line.startswith(name))
        assert line in printed.splitlines()


def test_meaning_of_the_grammar():
    one, two, three = (parse_formula(f"{name} < 1") for name in SIGNALS)
    assert parse_formula("x<1 or y<1 and z<1") == Node("or", (one, Node("and", (two, three))))
    assert parse_formula("x<1 and y<1 and z<1") == Node("and", (one, two, three))
    assert parse_formula("not x<1 until y<1 and z<1") == Node(
        "and", (Node("until", (Node("not", (one,)), two)), three)
    )
    assert parse_formula("x<1 implies y<1 implies z<1") == Node(
        "implies", (one, Node("implies", (two, three)))
    )
    assert parse_formula("never(x<1)") == parse_formula("always(not x < 1)")
    left = parse_formula("x - y - z < -2 * x").args
    assert left[0] == Node("-", (Node("-", (Node("signal", value="x"), Node("signal", value="y"))),
                                 Node("signal", value="z")))
    assert left[1].args[0] == Node("number", value=-2.0)
    assert parse_formula("always[0,1.5s](x<1)").window == Window(0.0, 1.5, True)
    assert parse_formula("negative < s").signals() == {"negative", "s"}  # no words of the grammar


def test_comments_and_lines():
    specs = parse("# first\n\n  a: always(  # why\n x < 1\r\n and y < 2)\n\nb: z>3 # last")
    assert to_text(specs) == "a: always(x < 1 and y < 2)\nb: z > 3\n"
    assert str(parse_formula("\n x < 1\n")) == "x < 1"


def test_random_formulas_print_and_parse():
    draw = random.Random(1)
    for _ in range(400):
        node = random_formula(draw, draw.randint(0, 5))
        assert parse_formula(str(node)) == node, str(node)


@pytest.mark.parametrize(("text", "line", "column", "message"), [
    ("a: z <", 1, 7, "a signal, a number, a function, not, always, eventually or ( is needed"),
    ("a: x<1\n b: never(z)", 2, 11, "a comparison such as z < 0.3 is needed here, found the num"),
    ("a: z < 3 + (1", 1, 14, '")" for the "(" of line 1, column 12, is needed here, the text ends'),
    ("a: (x<1\nb: y<2", 2, 1, '")" for the "(" of line 1, column 4, is needed here, found \'b\''),
    ("a: x<1 y<2", 1, 8, "and, or, implies, until or the end of the line is needed here"),
    ("z<3", 1, 1, 'a definition "name: formula" is needed'),
    ("not: z<3", 1, 1, 'a definition "name: formula" is needed'),
    ("a: x<1\na: x<2", 2, 1, "a is defined twice"),
    ("a: foo(x) < 1", 1, 4, "unknown function 'foo'; known are abs, sqrt"),
    ("a: hypot(x) < 1", 1, 4, "hypot takes 2 values, not 1"),
    ("a: 1 < x < 2", 1, 10, "do not chain"),
    ("a: x<1 until y<1 until z<1", 1, 18, "until does not chain"),
    ("a: x == 2", 1, 6, "abs(a - b) < 0.01"),
    ("a: x<1 && y<1", 1, 8, "write and, or, not"),
    ("a: x + (y<1) < 2", 1, 8, "a number or a signal is needed here, found the formula 'y < 1'"),
    ("a: always[3,1](x<1)", 1, 13, "the window ends at 1, before 3"),
    ("a: always[0.5,1](x<1)", 1, 10, "ticks are whole numbers"),
    ("a: always[1s,2](x<1)", 1, 14, "its end 2 needs an s"),
    ("a: always[1 2](x<1)", 1, 13, '"," and the end of the window'),
    ("a: always[-1,2](x<1)", 1, 11, "a number of ticks"),
    ("a: always x<1", 1, 11, '"(" after always'),
    ("a: x < 1e999", 1, 8, "no number"),
    ("a: x < ١", 1, 8, "no number"),
])
def test_errors_say_where_and_what(text, line, column, message):
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)
    assert message in str(caught.value)
    assert f"line {line}, column {column}" in str(caught.value)
    assert isinstance(caught.value, RoboticsError)


@pytest.mark.parametrize("text", ["", "# nothing\n", None, 3])
def test_no_text(text):
    with pytest.raises(SpecError, match="specification: (it is empty|got)"):
        parse(text)


@pytest.mark.parametrize("inside", [
    "(" * 5000 + "x<1" + ")" * 5000, "not " * 5000 + "x<1", "-" * 5000 + "x<1",
    "x<1 implies " * 3000 + "x<1", "x" + "+x" * 5000 + "<1", "always(" * 3000, "abs(" * 5000,
    "x<1 and (" * 3000,
])
def test_deep_text_is_refused_quickly(inside):
    begin = time.perf_counter()
    with pytest.raises(SpecError, match=f"deeper than {spec_text.MAX_DEPTH}"):
        parse("a: " + inside)
    assert time.perf_counter() - begin < 5


def test_bounds_of_the_text():
    with pytest.raises(SpecError, match="characters; up to"):
        parse("a: x<1" + " " * spec_text.MAX_CHARS)
    lines = [f"a{i}: x < 1" for i in range(spec_text.MAX_SPECS + 1)]
    assert len(parse("\n".join(lines[:-1]))) == spec_text.MAX_SPECS
    with pytest.raises(SpecError, match="definitions"):
        parse("\n".join(lines))
    wide = parse_formula(" and ".join(["x < 1"] * 1000))  # wide is not deep
    assert len(wide.args) == 1000
    # As deep as is accepted can also be printed, compared and evaluated.
    deep = parse_formula("not " * (spec_text.MAX_DEPTH - 2) + "x < 1")
    assert parse_formula(str(deep)) == deep
    assert evaluate(deep, {"x": torch.zeros(3)}).robustness == 1


# Meaning


def test_hand_computed():
    x = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0])
    signals = {"x": x, "y": torch.tensor([0.0, 0.0, 0.0, 2.0, 0.0])}

    def trace(text: str) -> list[float]:
        return evaluate(f"a: {text}", signals).trace.tolist()

    assert trace("x < 4") == [1, 3, 0, 3, -1]
    assert trace("always(x > 0)") == [1, 1, 1, 1, 5]
    assert trace("eventually(x > 0)") == [5, 5, 5, 5, 5]
    assert trace("always[0,1](x > 0)") == [1, 1, 1, 1, 5]
    assert trace("eventually[1,2](x > 0)") == [4, 4, 5, 5, -math.inf]
    assert trace("always[2,2](x > 0)") == [4, 1, 5, math.inf, math.inf]
    # y > 1 comes at tick 3; until then x > 0 holds with 3, 1, 4 of which 1 is least.
    assert trace("x > 0 until y > 1") == [1, 1, 1, 1, -1]
    assert trace("x > 0 until[0,2] y > 1") == [-1, 1, 1, 1, -1]
    assert trace("x > 2 until[1,9] y > 1") == [-1, -1, 1, -1, -math.inf]
    assert trace("not x > 2 or x + y < 0.5 * 8 implies x >= min(y, 2)")[0] == 3


def test_random_formulas_follow_the_definition():
    draw = random.Random(2)
    for seed in range(150):
        ticks = draw.randint(1, 14)
        node = random_formula(draw, draw.randint(0, 3))
        signals = random_signals(seed, ticks)
        wanted = [slow(node, signals, t) for t in range(ticks)]
        got = evaluate(node, signals)
        assert got.trace.dtype == torch.float64
        np.testing.assert_allclose(got.trace.numpy(), wanted, rtol=1e-12, err_msg=str(node))
        assert got.robustness == got.trace[0]


def test_agrees_with_rtamt():
    """rtamt has our conventions: an empty window is +-inf, until is half open."""
    import rtamt

    draw, tried = random.Random(3), 0
    while tried < 120:
        node = random_formula(draw, draw.randint(1, 4))
        if not only(node, {"min", "max", "hypot"}):
            continue
        tried += 1
        ticks = draw.randint(2, 25)
        signals = random_signals(tried, ticks)
        spec = rtamt.StlDiscreteTimeSpecification()
        for name in SIGNALS:
            spec.declare_var(name, "float")
        spec.spec = rtamt_text(node)
        spec.parse()
        # rtamt writes into its input, so it gets lists of its own.
        lists = {name: value.tolist() for name, value in signals.items()}
        wanted = [value for _, value in spec.evaluate({"time": list(range(ticks)), **lists})]
        got = evaluate(node, signals).trace.numpy()
        np.testing.assert_allclose(got, wanted, rtol=1e-12, err_msg=str(node))


def test_batches_and_constants():
    signals = random_signals(4, 3, 5, 12)
    signals["y"] = signals["y"][0, 0, 0]  # one number
    signals["z"] = signals["z"][:, :, 0]  # one number for every recording
    spec = parse("a: always[1,4](x + z < 2 implies x > y) and eventually(hypot(x, z) > 2)")["a"]
    got = evaluate(spec, signals)
    assert got.trace.shape == (3, 5, 12) and got.robustness.shape == (3, 5)
    assert got.first.shape == (3, 5) and got.first.dtype == torch.int64
    for i in range(3):
        for j in range(5):
            one = {"x": signals["x"][i, j], "y": signals["y"], "z": signals["z"][i, j]}
            assert torch.equal(evaluate(spec, one).trace, got.trace[i, j])
    # A signal of one recording for all of a batch has a 1 in its place.
    shared = evaluate("a: x < t", {"x": torch.zeros(4, 6), "t": torch.arange(6.0)[None]})
    assert shared.trace.tolist() == [[0, 1, 2, 3, 4, 5]] * 4
    assert shared.trace.dtype == torch.float32


def test_first_and_exposure():
    x = torch.tensor([[0, 0, 5, 0, 5, 5], [0, 0, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0]])
    got = evaluate("a: never(x > 4)", {"x": x})
    assert got.first.tolist() == [2, -1, 0]
    assert got.exposure.tolist() == pytest.approx([0.5, 0, 1 / 6])
    assert got.robustness.tolist() == [-1, 4, -5]
    assert got.kept.tolist() == [False, True, False]
    got = evaluate("a: always[1,3](x < 4)", {"x": x})
    assert got.first.tolist() == [2, -1, -1]
    assert got.exposure.tolist() == pytest.approx([1 / 3, 0, 0])
    # The bound itself is kept, as the tabletop's own limits are.
    assert evaluate("a: never(x > 5)", {"x": x[:1]}).first.tolist() == [-1]
    # A window beyond the end breaks nothing.
    got = evaluate("a: always[9,12](x > 100)", {"x": x})
    assert got.first.tolist() == [-1] * 3 and got.robustness.tolist() == [math.inf] * 3
    # What is no `always` is judged as a whole.
    got = evaluate("a: eventually(x > 8)", {"x": x})
    assert got.first.tolist() == [5, 5, -1] and got.exposure.tolist() == [1, 1, 0]


def test_windows_in_seconds():
    x = torch.arange(30.0)
    for text, fps, begin, end in [
        ("[0,1.5s]", 10, 0, 15), ("[0.3s,0.7s]", 10, 3, 7), ("[0.25,0.7s]", 10, 3, 7),
        ("[0.1s,0.3s]", 30, 3, 9), ("[1,2]", None, 1, 2), ("[1s,1s]", 7.5, None, None),
    ]:
        spec = f"a: eventually{text}(x > 0)"
        if begin is None:
            with pytest.raises(RoboticsError, match="holds no tick at 7.5 a second"):
                evaluate(spec, {"x": x}, fps)
            continue
        assert evaluate(spec, {"x": x}, fps).robustness == end
        assert evaluate(spec.replace("eventually", "always"), {"x": x}, fps).robustness == begin
    for fps in (None, 0, math.nan):
        with pytest.raises(RoboticsError, match="fps is"):
            evaluate("a: always[0,1s](x > 0)", {"x": x}, fps)


def test_gradients():
    x = torch.linspace(0, 1, 8, requires_grad=True)
    evaluate("a: never[2,5](x > 0.5)", {"x": x}).robustness.backward()
    assert x.grad.tolist() == [0, 0, 0, 0, 0, -1, 0, 0]


def test_long_recordings_are_quick():
    x = torch.randn(16, 20_000)
    for text in ("always[0,9000](x < 9)", "x < 9 until[500,9000] x > 8", "x < 9 until x > 8"):
        begin = time.perf_counter()
        evaluate(f"a: always({text})", {"x": x})
        assert time.perf_counter() - begin < 15


@pytest.mark.parametrize(("signals", "message"), [
    ({"y": torch.zeros(3)}, "no signal 'x'; there are y"),
    ({"x": torch.zeros(0)}, "no tick"),
    ({"x": 1.0}, "no tick"),
    ({}, "no tick"),
    ({"x": torch.tensor([1.0, math.nan])}, "'x < 1' is no number somewhere"),
    ({"x": torch.zeros(2, 3), "y": torch.zeros(2, 4)}, r"several shapes \(x \[2, 3\], y \[2, 4\]"),
    ({"x": torch.zeros(2, 3), "y": torch.zeros(3)}, "y does not fit"),
    ({"x": torch.zeros(2, 3), "y": torch.zeros(2, 1)}, "one tick is no recording"),
    ({"x": torch.zeros(3, dtype=torch.bool)}, "real numbers"),
])
def test_bad_signals(signals, message):
    with pytest.raises(RoboticsError, match=message):
        evaluate("a: x < 1", signals)


def test_no_number_is_refused():
    x = torch.tensor([0.0, 1.0])
    for text in ("sqrt(x - 1) < 1", "x / x < 1"):
        with pytest.raises(RoboticsError, match="no number somewhere"):
            evaluate(f"a: {text}", {"x": x})
    with pytest.raises(RoboticsError, match="2 definitions; one"):
        evaluate("a: x < 1\nb: x < 2", {"x": x})
    assert evaluate("a: x < e", {"x": x, "e": ABSENT}).robustness == math.inf


# The tabletop


def quiet_state(ticks: int = 12) -> torch.Tensor:
    state = torch.zeros(ticks + 1, 9)
    state[:, 2] = 0.1
    return state


THINGS = {"zone_x": 0.2, "zone_y": 0.2, "red_z": 0.022, "blue_z": 0.022, "yellow_z": ABSENT}


def broken(state: torch.Tensor, **more) -> dict[str, int]:
    verdicts = evaluate_all(DEFAULT_SPECS, signals_of(state, 10, **{**THINGS, **more}), 10)
    assert list(verdicts) == ["workspace", "keep_out", "drop", "force", "speed"]
    return {name: int(v.first) for name, v in verdicts.items() if not v.kept}


def test_default_specs_each_can_break_alone():
    assert to_text(parse(DEFAULT_SPECS)) == "".join(DEFAULT_SPECS.splitlines(True)[1:])
    state = quiet_state()
    assert broken(state) == {}
    for column, value in ((0, 0.281), (0, -0.281), (1, 0.281), (2, -0.006), (2, 0.301)):
        state = quiet_state()
        state[:, column] = torch.linspace(float(state[0, column]), value, 13)
        assert broken(state) == {"workspace": 12}, column
    state = quiet_state()
    state[:, 0] = torch.linspace(0, 0.2, 13)
    state[:, 1] = 0.2
    assert broken(state) == {"keep_out": 8}  # at .133 the distance is .067
    assert broken(state, zone_x=ABSENT, zone_y=ABSENT) == {}
    state = quiet_state()
    state[5, 8] = 12.5
    assert broken(state) == {"force": 5}
    state = quiet_state()
    state[7:, 1] = 0.046  # in a tenth of a second
    assert broken(state) == {"speed": 7}
    state = quiet_state()
    state[7:, 1] = 0.044
    assert broken(state) == {}


def test_falls_are_told_from_being_carried():
    down = torch.full((13,), 0.15)
    down[4:] = (0.15 - 0.04 * torch.arange(9)).clamp(min=0.022)
    state = quiet_state()
    state[:, 2] = down
    assert broken(state, red_z=down) == {}  # goes down with the tip
    fall = torch.full((13,), 0.15)
    fall[5], fall[6:] = 0.12, 0.022
    assert broken(quiet_state(), red_z=fall) == {"drop": 6}
    split = torch.full((13,), 0.08)  # a short fall that begins in the middle of a tick
    split[5], split[6:] = 0.065, 0.025
    assert broken(quiet_state(), blue_z=split) == {"drop": 6}
    off = torch.full((13,), 0.022)
    off[9:] = -0.028
    assert broken(quiet_state(), red_z=off) == {"drop": 9}


def test_signals_of_a_batch():
    state = torch.randn(4, 7, 9, dtype=torch.float64)
    got = signals_of(state.numpy(), 10, red_z=torch.zeros(4, 7))
    wanted = np.linalg.norm(np.diff(state[..., :3].numpy(), axis=1), axis=-1) * 10
    np.testing.assert_allclose(got["speed"][:, 1:].numpy(), wanted)
    assert torch.equal(got["speed"][:, 0], torch.zeros(4, dtype=torch.float64))
    assert got["red_fall"].shape == (4, 7) and torch.equal(got["yaw"], state[..., 5])
    assert evaluate_all(DEFAULT_SPECS, {**got, **THINGS, "blue_fall": 0, "yellow_fall": 0})
    with pytest.raises(RoboticsError, match="speed is made from the state"):
        signals_of(state, 10, speed=1)
    with pytest.raises(RoboticsError, match="is accepted"):
        signals_of(state[..., :8], 10)
    with pytest.raises(RoboticsError, match="fps"):
        signals_of(state, 0)
