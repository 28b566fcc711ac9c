"""What the short bench makes of the committed report."""

from __future__ import annotations

import pytest

from gwm_core.evaluation.bench import compare
from gwm_core.evaluation.report import Metric, Report


def report(fps: float, ratio: float | None, tick: str, fingerprint: str = "ab") -> Report:
    metrics = [Metric("bench.fps", fps, must=">= 20")]
    if ratio is not None:
        metrics.append(Metric(f"bench.tick{tick}_ratio", ratio, must="<= 1.05"))
    return Report("worlds", metrics, fingerprint=fingerprint)


def test_short_run_shows_the_long_figures(tmp_path):
    committed = tmp_path / "gwm-rooms.bench.json"
    report(60, 1.01, "5000").save(committed)
    short = report(58, None, "")
    compare(short, [Metric("bench.tick600_ratio", 1.0, must="<= 1.05")], committed)
    shown = {metric.id: metric for metric in short.metrics}
    assert shown["bench.tick5000_ratio"].value == 1.01
    assert "gwm-rooms.bench.json" in shown["bench.tick5000_ratio"].note
    assert shown["bench.fps"].value == 58 and short.problems == []


@pytest.mark.parametrize(("fps", "ratio", "bad"), [(40, 1.0, "bench.fps"), (60, 1.3, "tick600")])
def test_clearly_worse_is_a_problem_on_the_same_machine_only(tmp_path, fps, ratio, bad):
    committed = tmp_path / "gwm-rooms.bench.json"
    kept = report(60, 1.01, "5000")
    kept.save(committed)
    short = report(fps, None, "")
    compare(short, [Metric("bench.tick600_ratio", ratio, must="<= 1.05")], committed)
    assert len(short.problems) == 1 and bad in short.problems[0]
    kept.machine = {**kept.machine, "cpu": "another"}
    kept.save(committed)
    elsewhere = report(fps, None, "")
    compare(elsewhere, [Metric("bench.tick600_ratio", ratio, must="<= 1.05")], committed)
    assert elsewhere.problems == []


def test_report_of_another_checkpoint_is_refused(tmp_path):
    committed = tmp_path / "gwm-rooms.bench.json"
    report(60, 1.0, "5000", "cd").save(committed)
    short = report(60, None, "")
    compare(short, [], committed)
    assert "another checkpoint" in short.problems[0]
    assert [metric.id for metric in short.metrics] == ["bench.fps"]
