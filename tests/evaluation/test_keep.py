"""An evaluation that is stopped goes on, and simulates nothing twice."""

import json

import numpy as np
import pytest

from gwm_core.evaluation.report import Metric
from gwm_core.evaluation.worlds import NEEDS, evaluate
from gwm_core.evaluation.worlds.cases import Case
from gwm_core.evaluation.worlds.keep import Kept


def a_case(seed=10000):
    generator = np.random.default_rng(seed)
    bodies = [{"kind": np.zeros(12, np.int8), "pos": np.zeros((12, 3)), "vel": np.zeros((12, 3)),
               "id": np.zeros(12, np.int32)} for _ in range(3)]
    return Case(seed, generator.integers(0, 255, (3, 8, 10, 3)).astype(np.uint8),
                generator.random((3, 8, 10)).astype(np.float32), np.zeros((3, 5)),
                np.zeros((1, 9), np.float32), 4, bodies, np.zeros((3, 8, 10), np.uint8),
                np.zeros((3, 8, 10), np.uint8), [(1, 0, 2, 5, 0.35)], {"prompt": "a room"})


def test_figures_are_measured_once(tmp_path):
    calls = []

    def measure():
        calls.append(1)
        return [Metric("worlds.x", 1.5, "dB", {"copy": float("nan")}, 3, ">= 1")]

    first, before = Kept(tmp_path, 0, "model").figures("walks", measure)
    again, kept = Kept(tmp_path, 0, "model").figures("walks", measure)
    assert (before, kept, len(calls)) == (False, True, 1)
    assert json.dumps([m.to_json() for m in again]) == json.dumps([m.to_json() for m in first])


@pytest.mark.parametrize("other", [(1, "model"), (0, "another model")])
def test_another_seed_or_model_measures_again(tmp_path, other):
    Kept(tmp_path, 0, "model").figures("walks", lambda: [])
    assert not Kept(tmp_path, *other).has("walks")


def test_a_stopped_protocol_leaves_nothing(tmp_path):
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Kept(tmp_path, 0, "model").figures("walks", stopped)
    assert not [f for f in tmp_path.rglob("*") if f.is_file()]


def test_cases_come_back_as_they_were(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return [a_case(10000), a_case(10001)]

    Kept(tmp_path, 0, "").cases("some", make)
    back = Kept(tmp_path, 0, "another model").cases("some", make)
    assert len(calls) == 1 and [c.seed for c in back] == [10000, 10001]
    one, true = back[1], a_case(10001)
    assert (one.frames == true.frames).all() and (one.poses == true.poses).all()
    assert np.abs(one.depth - true.depth).max() < 1e-3
    assert one.condition == 4 and one.info == true.info and one.events[0][4] == 0.35


def test_unknown_protocols_are_named(tmp_path):
    from gwm_core.errors import GWMError

    with pytest.raises(GWMError, match="jumps.*walks"):
        evaluate(only=["jumps"], work=tmp_path)
    assert "ablation" in NEEDS
