"""What is read from clips is scored against what keys did, not against what was merely held."""

import numpy as np
import pytest

from gwm_core.controls import Controls
from gwm_core.embodiment import rooms_embodiment
from gwm_core.evaluation.inverse import figures, score
from gwm_core.evaluation.worlds.cases import Case

BODY = rooms_embodiment()


class World:
    embodiment = BODY


def case(text, blocked=()):
    """A walk along x under control text, standing still in the ticks of `blocked`."""
    controls = Controls.parse(text, BODY)
    ticks, x, poses = len(controls), 0.0, [[0, 0, 1.55, 0, 0]]
    for t, row in enumerate(controls.values):
        for _ in range(2):
            x += 0.0 if t in blocked else 0.08 * (row[0] - row[2])
            poses.append([x, 0, 1.55, 0, 0])
    still = {"kind": np.zeros(3, np.int8), "vel": np.zeros((3, 3)), "id": np.zeros(3, np.int32)}
    return Case(0, None, None, np.array(poses, float), controls.values.copy(), 0,
                [still] * (1 + 2 * ticks), np.zeros((1 + 2 * ticks, 4, 4), np.uint8), None, [],
                {"world": World(), "said": []})


def test_a_key_that_did_nothing_counts_neither_way():
    walk = case("W*8 idle*8", blocked=(4, 5))
    for read in ("W*8 idle*8", "W*4 idle*2 W*2 idle*8"):
        found = score([walk], [Controls.parse(read, BODY)])
        assert found.keys == {"W": 1.0} and found.count["W"] == 6
        assert found.ticks_right == 1.0 and found.precision["W"] == 1.0
    worse = score([walk], [Controls.parse("W*4 idle*8 W*4", BODY)])
    assert worse.keys["W"] == pytest.approx((4 / 6 + 4 / 8) / 2)
    assert worse.precision["W"] == 0.5 and worse.ticks_right == pytest.approx(10 / 16)


def test_looks_are_scored_in_degrees_a_tick():
    walk = case("look(4,0)*4 look(-2,1)*4")
    found = score([walk], [Controls.parse("look(4,0)*4 look(-2,0)*4", BODY)])
    assert found.gap.mean() == pytest.approx(0.25) and found.turn_r == pytest.approx(1)
    assert np.isnan(score([walk], [Controls.idle(8, BODY)]).turn_r)


def test_shuffled_readings_are_held_against_another_clip():
    walks = [case("W*8 idle*8"), case("idle*8 W*8")]
    read = [Controls.parse(text, BODY) for text in ("W*8 idle*8", "idle*8 W*8")]
    scored = {"made": score(walks, read), "shuffled": score(walks, read, shift=1)}
    metrics = {m.id: m for m in figures(scored, walks, [0.5, 1.0])}
    keys = metrics["worlds.inverse.keys_accuracy"]
    assert (keys.value, keys.baselines["shuffled"], keys.n) == (1.0, 0.0, 16) and keys.ok
    assert metrics["worlds.inverse.keys_worst"].note == "worst key: W"
    right = metrics["worlds.inverse.ticks_right"].baselines
    assert right["idle"] == 0.5 and right["confidence"] == 0.75
