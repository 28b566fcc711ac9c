"""Walks: what was played, as text that a workflow carries, and what has changed under it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gwm_core.controls import Controls
from gwm_core.errors import ControlError
from gwm_core.walk import MAX_CHARS, Walk, facts_of

WALK = 'W*6 look(+9,-0.5)*4 event("night falls, \U0001f319 \\"soon\\"") jump*2'


@pytest.fixture
def world(fake_model):
    return fake_model().new_world()


@pytest.fixture
def walk(world):
    controls = Controls.parse(WALK, world.embodiment)
    after, clip = world.step(controls)
    return Walk(controls, facts_of(world), world.key, after.last_hash)


def test_a_round_trip_is_exact(walk, world):
    body = world.embodiment
    text = walk.to_text()
    assert "\n" not in text and json.loads(text) == walk.to_json()
    for data in (text, f"\n {text} ", walk.to_json(), json.loads(text)):
        again = Walk.read(data, body)
        assert again == walk and again.to_text() == text
    waiting = Walk(walk.controls.with_event("then"), walk.of, walk.world, walk.last)
    assert Walk.read(waiting.to_text(), body).controls.pending == ("then",)


@pytest.mark.parametrize("nothing", ["", "  \n", None])
def test_nothing_is_an_empty_walk(nothing, world):
    walk = Walk.read(nothing, world.embodiment)
    assert len(walk.controls) == 0 and not walk.of and walk.last == ""
    assert walk.changed(world) == ()


def test_control_text_is_a_walk_that_fits_every_world(world):
    walk = Walk.read("W*3", world.embodiment)
    assert len(walk.controls) == 3 and walk.changed(world) == ()
    with pytest.raises(ControlError, match="accepted are"):
        Walk.read("W*2 Z", world.embodiment)


@pytest.mark.parametrize("change, words", [
    (lambda d: d.clear(), "recorded walk or control text"),
    (lambda d: d.update(gwm_walk=2), "version 2"),
    (lambda d: d.update(gwm_walk="1"), "version '1'"),
    (lambda d: d.update(of=[1]), "'of' is an object"),
    (lambda d: d.update(world=3), "texts"),
    (lambda d: d.update(last=["x"]), "texts"),
    (lambda d: d.pop("controls"), "control track"),
    (lambda d: d.update(controls=3), "control track"),
    (lambda d: d["controls"].update(names=["W"]), "recorded for"),
    (lambda d: d["controls"].update(ticks=-1), "ticks -1"),
    (lambda d: d["controls"].update(ticks=10**9), "are accepted"),
    (lambda d: d["controls"].update(columns={"Z": [1, "1*12"]}), "column 'Z'"),
    (lambda d: d["controls"].update(columns={"W": [1, "1*5"]}), "W"),
    (lambda d: d["controls"].update(columns={"W": [1, "7*12"]}), "0 or 1"),
    (lambda d: d["controls"].update(columns={"W": "1*12"}), "W"),
    (lambda d: d["controls"].update(events=[[99, "late"]]), "tick 99"),
    (lambda d: d["controls"].update(events=[[0, ""]]), "event"),
    (lambda d: d["controls"].update(events=[3]), "event"),
])
def test_damaged_walks_say_what_is_wrong(walk, world, change, words):
    data = json.loads(walk.to_text())
    change(data)
    for given in (data, json.dumps(data)):
        with pytest.raises(ControlError, match=words):
            Walk.read(given, world.embodiment)


@pytest.mark.parametrize("text, words", [
    ("{", "damaged JSON"),
    ('{"gwm_walk": 1, ', "damaged JSON"),
    ('{"a":' * 100_000, "damaged JSON"),
    ('{"gwm_walk": ' + "1" * 5000 + "}", "damaged JSON"),
    ("W" * (MAX_CHARS + 1), "characters"),
    ([1], "recorded walk"),
    (7, "recorded walk"),
])
def test_texts_that_are_no_walks(world, text, words):
    with pytest.raises(ControlError, match=words):
        Walk.read(text, world.embodiment)


def test_what_has_changed_under_a_walk(walk, world, fake_model):
    model = world.model

    def changed(other):
        return walk.changed(other)

    assert changed(world) == () == changed(fake_model().new_world())
    assert changed(model.new_world(prompt="a cellar")) == ("prompt",)
    assert changed(model.new_world(seed=8)) == ("seed",)
    assert changed(model.new_world("a cellar", 8)) == ("prompt", "seed")
    assert changed(fake_model(fingerprint="e" * 64).new_world()) == ("model",)
    assert changed(world.step("W")[0]) == ("start",)
    assert changed(world.with_event("rain")) == ("picture",), "nothing else tells them apart"
    assert changed(fake_model(fingerprint="e" * 64).new_world("x", 9).step("W")[0]) == (
        "model", "prompt", "seed", "start",
    )


def test_how_it_was_computed_goes_with_a_walk(walk, world):
    """Models with two ways of computing: what one tells is told to another."""
    told = []
    world.model.computed = lambda of: (3, 7) if of == world else ()
    world.model.recall = lambda *asked: told.append(asked)
    of = facts_of(world)
    assert of["computed"] == [3, 7] and "computed" not in facts_of(world.step("W")[0])
    recorded = Walk(walk.controls, of, world.key, walk.last)
    again = Walk.read(recorded.to_text(), world.embodiment)
    assert again == recorded and again.changed(world) == ()
    again.remind(world)
    assert told == [(world, [3, 7], len(walk.controls))]
    for bad in ("3", [3, "x"], [-1], {"a": 1}):
        Walk(walk.controls, {**of, "computed": bad}).remind(world)
    walk.remind(world)
    assert len(told) == 1, "what is no record is not told"
    del world.model.recall
    again.remind(world)


def test_facts_hold_a_seed_of_64_bits(fake_model):
    seed = 2**64 - 1
    world = fake_model().new_world(seed=seed)
    of = json.loads(json.dumps(facts_of(world)))
    assert of["seed"] == str(seed)
    assert Walk(Controls.idle(0, world.embodiment), of).changed(world) == ()


def test_ten_minutes_with_the_mouse_take_little(fake_model):
    """150 kB are promised for keys that come and go and a mouse that never rests."""
    rng, ticks = np.random.default_rng(0), 7200
    world = fake_model().new_world()
    values = np.zeros((ticks, world.embodiment.control_dim), np.float32)
    values[:, 0] = np.repeat(rng.integers(0, 2, ticks // 12), 12)
    speed = np.convolve(rng.normal(0, 6, ticks), np.ones(6) / 6, "same")
    values[:, 2] = np.round(np.clip(speed, -30, 30) * 64) / 64
    values[:, 3] = np.round(np.clip(speed[::-1] / 4, -30, 30) * 64) / 64
    walk = Walk(Controls(values, (), world.embodiment), facts_of(world), world.key, "0" * 64)
    assert len(walk.to_text()) <= 150_000
    assert np.array_equal(Walk.read(walk.to_text(), world.embodiment).controls.values, values)
