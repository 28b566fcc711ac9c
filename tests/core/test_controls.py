"""Controls: the text form, the JSON form, and their exact round trips."""

import json

import numpy as np
import pytest

from gwm_core.control_text import MAX_TICKS, accepted_names
from gwm_core.controls import Controls
from gwm_core.embodiment import rooms_embodiment
from gwm_core.errors import ControlError
from gwm_core.held import Held

ROOMS = rooms_embodiment()
EXAMPLE = 'W*24 look(+6,0)*12 W+look(-3,0)*8 E Q event("the lights go out") idle*6'


def parse(text):
    return Controls.parse(text, ROOMS)


def random_controls(seed, ticks=60):
    """Arbitrary float32 axes, changing buttons, repeats, events with odd characters."""
    rng = np.random.default_rng(seed)
    values = np.zeros((ticks, 9), np.float32)
    values[:, :7] = rng.random((ticks, 7)) < 0.3
    scale = np.float32(10.0) ** rng.integers(-40, 2, (ticks, 2))
    values[:, 7:] = np.clip(rng.normal(size=(ticks, 2)) * scale, -30, 30)
    values[rng.random(ticks) < 0.3, 7:] = 0
    values = values[np.sort(rng.integers(0, ticks, ticks))]
    odd = 'the "lights" \\ go # out\n \u263e W*3 \t*)('
    events = [(int(t), odd[: 3 + int(t) % 40]) for t in np.sort(rng.integers(0, ticks + 1, 5))]
    return Controls(values, events, ROOMS)


def test_the_example():
    controls = parse(EXAMPLE)
    assert len(controls) == 24 + 12 + 8 + 2 + 6
    assert controls.to_text() == EXAMPLE
    assert controls.events == ((46, "the lights go out"),)
    assert controls.column("W").sum() == 32 and controls.column("look_x")[30] == 6
    assert controls.column("push")[44] == 1 and controls.column("throw")[45] == 1
    assert not controls.values[46:].any()
    assert "look(x,y)" in accepted_names(ROOMS) and "SPACE (or jump)" in accepted_names(ROOMS)


@pytest.mark.parametrize("text, canonical", [
    ("", ""), ("  # nothing\n", ""), ("w", "W"), ("W*1", "W"), ("idle*3", "idle*3"),
    ("W W W", "W*3"), ("D+W", "W+D"), ("jump+PUSH", "SPACE+E"), ("look(0,0)", "idle"),
    ("look( +6.0 , -0 ) * 2", "look(+6,0)*2"), ("W\n+\tA *\r\n2#x\nS", "W+A*2 S"),
    ("look(.5,5.)", "look(+0.5,+5)"), ("look(1e1,-1E-2)", "look(+10,-0.01)"),
    ('event("a")W', None), ('event( "a\\"\\u263e" ) # b', 'event("a\\"\u263e")'),
    ('W*2 event("a") event("b") W', 'W*2 event("a") event("b") W'),
    ('event("x # y")', 'event("x # y")'), ("IDLE", "idle"), ('W EVENT("a")', 'W event("a")'),
])
def test_reading_and_printing(text, canonical):
    if canonical is None:
        with pytest.raises(ControlError, match="space is needed"):
            parse(text)
        return
    assert parse(text).to_text() == canonical
    assert parse(canonical) == parse(text)


@pytest.mark.parametrize("text, column, message", [
    ("X", 1, "unknown control 'X'; accepted are W, A, S, D, SPACE"), ("W*24 WA", 6, "'WA'"),
    ("look", 5, r'"\(" as in look\(x,y\)'), ("look(1)", 7, "y, as in look"),
    ("look(1,2,3)", 9, r'"\)"'), ("look(31,0)", 6, "x is 31; -30 to 30 deg"),
    ("look(0,-30.00001)", 8, "-30 to 30"), ("look(1e99,0)", 6, "-30 to 30"),
    ("look(nan,0)", 6, "a number is needed"), ("W(1)", 2, "button and takes no value"),
    ("W*0", 3, "from 1"), ("W*-1", 3, "from 1"), ("W*1.5", 3, "from 1"), ("W*1e2", 3, "from 1"),
    ("W*", 3, "the text ends"), ("W+", 3, "a control after"), ("W+W", 3, "twice"),
    ("look(1,0)+look(1,0)", 11, "twice"), ("idle+W", 1, "idle stands alone"),
    ("W+idle", 3, "stands alone"), ('W+event("a")', 3, "stands alone"), ("*3", 1, "a control"),
    ('event("a")*2', 11, "takes no tick"), ("event", 6, r'"\(" after event'),
    ("event(dark)", 7, "double quotes"), ('event("dark)', 7, "not closed"),
    ('event("")', 7, "says what happens"), ('event("\\q")', 7, "escape"),
    ('event("\\ud800")', 7, "half a character"), ("W; A", 2, "separated by spaces"),
    ("W,A", 2, "a control is needed|space"), ("W*3A", 4, "space"), ("W)", 2, "space|control"),
    ("§", 1, "unexpected"), (f"W*{MAX_TICKS + 1}", 3, "in all"),
    ("W*99999999999999999999", 3, "all"),
    ('event("' + "x" * 501 + '")', 7, "up to 500"),
])
def test_errors_have_a_place(text, column, message):
    with pytest.raises(ControlError, match=message) as error:
        parse("# first line\n   " + text)
    assert (error.value.line, error.value.column) == (2, 3 + column)
    assert f"line 2, column {3 + column}" in str(error.value)
    assert error.value.position == len("# first line\n   ") + column - 1


def test_too_many_ticks_in_parts():
    with pytest.raises(ControlError, match="in all"):
        parse(f"W*{MAX_TICKS} A")
    assert len(parse(f"W*{MAX_TICKS - 1} A")) == MAX_TICKS
    with pytest.raises(ControlError, match="text is accepted"):
        Controls.parse(None, ROOMS)


@pytest.mark.parametrize("seed", range(20))
def test_text_and_json_are_lossless(seed):
    controls = random_controls(seed)
    text = controls.to_text()
    assert parse(text) == controls and parse(text).to_text() == text
    packed = json.dumps(controls.to_json())
    again = Controls.from_json(packed, ROOMS)
    assert again == controls and json.dumps(again.to_json()) == packed
    assert again.values.tobytes() == controls.values.tobytes()


def test_every_float32_prints_exactly():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 8_000, dtype=np.uint32).view(np.float32)
    axes = bits[np.isfinite(bits) & (np.abs(bits) <= 30)]
    axes = np.concatenate([axes, np.float32([1e-45, -30, 30, 0.1, 1 / 3, 29.999998])])
    axes = axes[: len(axes) // 2 * 2].reshape(-1, 2)
    values = np.zeros((len(axes), 9), np.float32)
    values[:, 7:] = axes
    controls = Controls(values, (), ROOMS)
    assert parse(controls.to_text()).values.tobytes() == controls.values.tobytes()
    assert Controls.from_json(controls.to_json(), ROOMS).values.tobytes() == values.tobytes()


def test_negative_zero_is_zero():
    values = np.zeros((1, 9), np.float32)
    values[0, 7] = -0.0
    assert Controls(values, (), ROOMS).values.tobytes() == np.zeros(9, np.float32).tobytes()


def test_ten_minutes_with_the_mouse_fit_150_kb():
    rng = np.random.default_rng(0)
    held, rows = Held(ROOMS), []
    for tick in range(7200):
        keys = {"W": int(tick // 20 % 3 > 0), "A": int(tick // 7 % 11 == 0)}
        held.push({**keys, "look": (rng.normal(0, 12), rng.normal(0, 8))})
        rows.append(held.take()[0][0])
    controls = Controls(np.stack(rows), [(100, "dusk")], ROOMS)
    text = json.dumps(controls.to_json())
    assert len(text.encode()) <= 150_000, len(text)
    assert len(json.dumps(controls.to_json(), indent=2)) <= 150_000
    assert Controls.from_json(text, ROOMS) == controls
    assert parse(controls.to_text()) == controls


def test_slices_and_joins():
    controls = random_controls(1)
    for cut in range(len(controls) + 1):
        assert controls[:cut].concat(controls[cut:]) == controls
    assert len(controls[5:3]) == 0 and controls[:] == controls
    waiting = parse('W*3 event("a")')
    assert waiting.pending == ("a",) and waiting[:2].pending == () and waiting[3:].pending == ("a",)
    assert waiting.without_pending() == parse("W*3")
    assert waiting.concat(parse("A")).events == ((3, "a"),)
    assert parse("W").with_event("b").pending == ("b",)
    assert bool(waiting[3:]) and not parse("") and len(Controls.idle(4, ROOMS)) == 4
    for bad in (3, slice(0, 2, 2)):
        with pytest.raises(ControlError, match="slices"):
            controls[bad]
    with pytest.raises(ControlError, match="in all"):
        Controls.idle(MAX_TICKS, ROOMS).concat(parse("W"))


def test_controls_cannot_be_changed():
    source = np.zeros((2, 9), np.float32)
    controls = Controls(source, (), ROOMS)
    source[:] = 1
    assert not controls.values.any()
    for part in (controls, controls[:1], controls.concat(controls), controls.with_event("a")):
        with pytest.raises(ValueError):
            part.values[0, 0] = 1
    assert hash(controls) == hash(Controls.idle(2, ROOMS))
    assert controls != parse("W*2") and controls != "W"


def bad_values(**changes):
    values = np.zeros((3, 9), np.float32)
    for name, value in changes.items():
        values[1, ROOMS.control_names.index(name)] = value
    return values


@pytest.mark.parametrize("values, message", [
    (bad_values(look_x=np.nan), "look_x at tick 1 is not a finite"),
    (bad_values(look_y=np.inf), "look_y at tick 1"),
    (bad_values(look_x=30.5), "look_x at tick 1 is 30.5; -30 to 30 deg is accepted"),
    (bad_values(W=0.5), "W at tick 1 is 0.5; 0 or 1"), (bad_values(jump=-1), "jump"),
    (np.zeros((3, 8)), r"\[ticks, 9\]"), (np.zeros(9), "shape"), (np.zeros((1, 3, 9)), "shape"),
    ("W", "numbers"), ([["a"] * 9], "numbers"), ([[1], [1, 2]], "numbers"), (None, "numbers"),
    (np.zeros((3, 9), complex), "numbers"), (np.zeros((MAX_TICKS + 1, 9), np.int8), "up to"),
    (np.full((1, 9), 1e300), "finite"),
])
def test_wrong_values(values, message):
    with pytest.raises(ControlError, match=message):
        Controls(values, (), ROOMS)


@pytest.mark.parametrize("events", [
    [(4, "a")], [(-1, "a")], [(1.0, "a")], [(True, "a")], ["a"], [(1, "")], [(1, None)],
    [(1, "x" * 501)], [(1, "\ud800")], [(0, "a")] * 10_001,
])
def test_wrong_events(events):
    with pytest.raises(ControlError, match="event"):
        Controls(np.zeros((3, 9)), events, ROOMS)


def test_controls_of_another_embodiment(fake_model):
    other = fake_model().embodiment
    with pytest.raises(ControlError, match="do not fit 'fake'"):
        Controls.of(parse("W"), other)
    with pytest.raises(ControlError, match="recorded for 'rooms'"):
        Controls.from_json(parse("W").to_json(), other)
    with pytest.raises(ControlError, match="an embodiment is needed"):
        Controls(np.zeros((1, 9)), ())
    wide = rooms_embodiment(320, 200)
    assert Controls.of(parse(EXAMPLE), wide).embodiment is wide
    with pytest.raises(ControlError, match="accepted are W, A"):
        parse("W").column("X")


def packed(**changes):
    return {**parse(EXAMPLE).to_json(), **changes}


@pytest.mark.parametrize("data, message", [
    ("{", "not JSON"), ("[]", "no control track"), ({}, "no control track"), (3, "no control"),
    (packed(gwm_controls=2), "version 2"), (packed(ticks=-1), "ticks"),
    (packed(ticks="5"), "ticks"),
    (packed(ticks=10**9), "ticks"), (packed(ticks=53), "52 values for 53 ticks"),
    (packed(ticks=51), "more values"), (packed(names=["W"]), "recorded for"),
    (packed(columns=[]), "object"), (packed(columns={"X": [1, "0"]}), "'X'"),
    (packed(columns={"W": "0*52"}), r"\[unit, runs\]"),
    (packed(columns={"W": [0, "0*52"]}), "unit"),
    (packed(columns={"W": [1, "a*52"]}), "no run"), (packed(columns={"W": [1, "0*b"]}), "no run"),
    (packed(columns={"W": [1, "0*0 0*52"]}), "less than once"), (packed(events={}), "list"),
    (packed(columns={"W": [1, "2*52"]}), "W at tick 0 is 2"),
    (packed(columns={"W": [1, "1*99999999999999"]}), "more values"),
    (packed(columns={"look_x": [1, "nan*52"]}), "finite"), (packed(events=[[1]]), "tick, text"),
    (packed(columns={"look_x": [1e300, "1e300*52"]}), "finite"),
    (packed(events=[[99, "a"]]), "0 to"),
])
def test_wrong_json(data, message):
    with pytest.raises(ControlError, match=message):
        Controls.from_json(data, ROOMS)


def test_repr_is_short():
    assert len(repr(random_controls(3, 5000))) < 200 and "W*24" in repr(parse(EXAMPLE))
