"""The report of `gwm eval` and `gwm bench`."""

import json
import math

import pytest

from gwm_core.evaluation.report import Metric, Report, holds

METRICS = [
    Metric("worlds.gain5_db", 6.25, "dB", {"copy": 0.0}, n=40, must=">= 5", aim=">= 7"),
    Metric("worlds.sharpness", 1.4, baselines={"truth": 1.0}, must="0.7..1.3"),
    Metric("worlds.notes", math.nan, note="not measured"),
]


@pytest.mark.parametrize(
    ("value", "bound", "kept"),
    [
        (5, ">= 5", True),
        (4.99, ">= 5", False),
        (0.3, "<= 0.3", True),
        (0.31, "<=.3", False),
        (1.0, "0.7..1.3", True),
        (1.31, "0.7..1.3", False),
        (math.nan, ">= 0", False),
        (math.nan, "0..1", False),
    ],
)
def test_bounds(value, bound, kept):
    assert holds(value, bound) is kept


def test_unknown_bound_is_refused():
    with pytest.raises(ValueError, match="about 5"):
        holds(1, "about 5")


def test_json_goes_round_and_has_the_agreed_keys(tmp_path):
    report = Report("worlds", METRICS, seed=3, fingerprint="ab")
    data = json.loads(report.dumps())
    assert {"family", "commit", "machine", "metrics"} <= set(data)
    assert {"id", "value", "unit", "baselines", "n", "must", "aim", "ok"} <= set(data["metrics"][0])
    assert [metric["ok"] for metric in data["metrics"]] == [True, False, None]
    assert data["metrics"][2]["value"] is None
    report.save(tmp_path / "r.json")
    again = Report.from_json(json.loads((tmp_path / "r.json").read_text()))
    assert again.to_json() == report.to_json()
    assert [metric.id for metric in again.missed] == ["worlds.sharpness"]


def test_table_shows_baselines_and_what_was_missed():
    report = Report("worlds", METRICS, problems=["a replay differs"])
    lines = report.table().splitlines()
    assert "6.25 dB" in lines[1] and "copy 0" in lines[1] and lines[1].endswith("ok")
    assert lines[2].endswith("MISSED")
    assert any("PROBLEM: a replay differs" in line for line in lines)


def test_report_of_another_checkpoint_is_a_problem(tmp_path):
    from gwm_core.cli.measure import foreign

    committed = tmp_path / "gwm-rooms.eval.json"
    assert foreign("ab", committed) == []
    Report("worlds", METRICS, fingerprint="ab").save(committed)
    assert foreign("ab", committed) == []
    assert "gwm-rooms.eval.json" in foreign("cd", committed)[0]


def test_commands_print_json_only_and_fail_on_problems(monkeypatch, capsys, tmp_path):
    import sys
    import types

    from gwm_core.cli.main import main

    fake = types.ModuleType("gwm_core.evaluation.worlds")
    problems = []

    def evaluate(seed, full, progress):
        progress("measuring")
        return Report("worlds", METRICS, seed, problems=problems)

    fake.evaluate = evaluate
    monkeypatch.setattr("gwm_core.cli.measure.CHECKPOINTS", tmp_path)
    monkeypatch.setitem(sys.modules, "gwm_core.evaluation.worlds", fake)
    assert main(["eval", "worlds", "--json", "--seed", "5"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["seed"] == 5 and "measuring" in err
    assert main(["eval", "worlds", "--strict"]) == 1
    problems.append("foreign fingerprint")
    assert main(["eval", "worlds"]) == 1
    assert "foreign fingerprint" in capsys.readouterr().err
