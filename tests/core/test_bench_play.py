"""The arithmetic of `gwm bench play`, from made-up notes of play."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gwm_core.controls import Controls
from gwm_core.embodiment import rooms_embodiment
from gwm_core.evaluation.bench import compare
from gwm_core.evaluation.play import figures, replays, seek, track
from gwm_core.evaluation.play.live import Minute, of_minute
from gwm_core.evaluation.play.suite import STAND_INS
from gwm_core.evaluation.report import Metric, Report
from gwm_core.noise import rng

TICK = 1000 / 12


def steady(ticks: int, began: float = 5000.0, late: dict[int, float] | None = None) -> list:
    """Ticks drawn when they are due, some of them later."""
    return [
        (tick, began + (tick - 1) * TICK + (late or {}).get(tick, 0.0), (tick - 1) * TICK)
        for tick in range(1, ticks + 1)
    ]


# ---------------------------------------------------------------------- real time


def test_steady_play_keeps_real_time():
    pace = figures.pace(steady(720), 60, 12)
    assert (pace.due, pace.in_time, pace.ratio) == (720, 720, 1.0)
    assert max(pace.lateness) == pytest.approx(0, abs=1e-6)
    assert pace.gap == pytest.approx(TICK)


def test_one_tick_late_is_in_time_and_more_is_not():
    late = {100: TICK - 1, 200: TICK + 1, 300: 3 * TICK}
    assert figures.pace(steady(720, late=late), 60, 12).in_time == 718


def test_a_late_beginning_excuses_nothing():
    late = {1: 2 * TICK, 2: 2 * TICK, 400: 2 * TICK}
    assert figures.pace(steady(720, late=late), 60, 12).in_time == 717


def test_only_ticks_of_the_stretch_count():
    pace = figures.pace(steady(900), 60, 12)
    assert (pace.due, pace.in_time) == (720, 720)


def test_skipped_ticks_are_missing():
    drawn = [entry for entry in steady(720) if entry[0] % 10]
    assert figures.pace(drawn, 60, 12).ratio == 0.9


def test_a_world_slower_than_time_misses_what_it_never_made():
    """A clock that gave in moves the due times: nothing is late, but less has come."""
    slow = [(tick, at * 1.25, due * 1.25) for tick, at, due in steady(720, began=0.0)]
    pace = figures.pace(slow, 60, 12)
    assert max(pace.lateness) == pytest.approx(0, abs=1e-6)
    assert pace.ratio == 0.8


def test_a_tick_that_is_drawn_twice_counts_once():
    drawn = steady(12)
    assert figures.pace([*drawn, drawn[-1]], 1, 12).in_time == 12


def test_ratio_is_rounded_to_hundredths():
    assert figures.Pace(720, 717, (), 0).ratio == 1.0
    assert figures.Pace(720, 716, (), 0).ratio == 0.99


def test_nothing_drawn():
    assert figures.pace([], 60, 12).ratio == 0


# ---------------------------------------------------------------------- keys


def test_key_to_pixel_waits_for_the_tick_that_used_the_key():
    drawn = steady(6, began=1000.0)  # at 1000, 1083, 1167, ...
    sent = [(1, 1010.0, {"W": 1}), (2, 1020.0, {"look": [1, 0]}), (3, 1100.0, {"W": 0})]
    consumed = {1: 0, 2: 0, 3: 2, 4: 3, 5: 3, 6: 3}
    keys = [("W", True, 1009.0), ("W", False, 1099.0)]
    assert figures.key_to_pixel(keys, sent, consumed, drawn) == pytest.approx(
        [1000 + 2 * TICK - 1009, 1000 + 3 * TICK - 1099]
    )


def test_a_merged_tick_is_answered_by_the_next_picture():
    drawn = [entry for entry in steady(6, began=1000.0) if entry[0] != 3]
    found = figures.key_to_pixel([("W", True, 1005.0)], [(1, 1005.0, {"W": 1})], {3: 1}, drawn)
    assert found == pytest.approx([1000 + 3 * TICK - 1005])


def test_keys_without_an_answer_are_left_out():
    sent = [(1, 1010.0, {"W": 1})]
    assert figures.key_to_pixel([("W", True, 1020.0)], sent, {1: 1}, steady(3, 1000.0)) == []
    assert figures.key_to_pixel([("W", True, 1005.0)], sent, {1: 0}, steady(3, 1000.0)) == []
    assert figures.key_to_pixel([("W", True, 1005.0)], sent, {3: 1}, steady(2, 1000.0)) == []


def test_headers_tell_what_each_tick_used():
    headers = [{"tick": 1, "seqs": [4]}, {"tick": 4, "seqs": [4, 5, 5]}, {"tick": 4, "seqs": []}]
    assert figures.consumed_of(headers) == {1: 4, 2: 4, 3: 5, 4: 5}


# ---------------------------------------------------------------------- the rest


def test_small_figures():
    assert figures.changing(["a", "b", "b", "c"]) == pytest.approx(2 / 3)
    assert math.isnan(figures.changing(["a"])) and math.isnan(figures.quantile([], 0.5))
    assert figures.fairness([10, 10, 10, 10]) == 1 and figures.fairness([5, 10, 15]) == 0.5
    assert figures.fairness([0, 0]) == 0
    assert figures.differing({1: "a", 2: "b", 3: "c"}, {1: "a", 2: "x"}) == [2, 3]


def test_growth_is_of_the_settled_part_and_not_of_one_odd_sample():
    samples = [(tick, 900 + min(tick, 1000) / 10 + (50 if tick == 5000 else 0))
               for tick in range(0, 11000, 50)]
    assert figures.growth(samples, 1000, 11000) == 0
    leaking = [(tick, value + tick / 100) for tick, value in samples]
    assert figures.growth(leaking, 1000, 11000) == pytest.approx(97.5)
    assert math.isnan(figures.growth(samples[:5], 0, 1000))


def test_jumps_hold_the_farthest_from_a_kept_state():
    for ticks in (seek.SHORT, seek.LONG):
        targets = seek.targets(ticks, 25, 0)
        assert len(targets) == seek.JUMPS and all(0 < tick <= ticks for tick in targets)
        assert sum(tick % 25 == 24 for tick in targets) >= 2


def test_mouse_walk_moves_the_mouse_on_its_grid():
    body = rooms_embodiment()
    rows = track.mouse_walk(1200, body, rng(0, "test"))
    look = rows[:, [track.LOOK_X, track.LOOK_Y]]
    assert (look * 64 == np.round(look * 64)).all() and np.abs(look).max() <= 30
    assert track.moving(Controls(rows, (), body)) > 0.5


def test_replays_that_differ_are_a_problem():
    live = {1: ["a", "s"], 2: ["b", "s"]}
    player = replays.Played({}, {"controls": {"ticks": 2}}, live, 10)
    metrics, problems = replays.exact(player, dict(live), {"same": True}, dict(live))
    assert metrics[0].value == 1 and problems == []
    metrics, problems = replays.exact(player, dict(live), {"same": True}, {**live, 2: ["x", "s"]})
    assert metrics[0].value == 0 and "clean server" in problems[0] and "2" in problems[0]
    metrics, problems = replays.together([player, player], [live, {1: ["x", "s"]}])
    assert metrics[0].value == 1 and len(problems) == 1 and "player 2" in problems[0]


def test_figures_of_a_minute():
    drawn = steady(24, began=1000.0)
    headers = [{"kind": "tick", "tick": t, "seqs": [min(t // 3, 1)], "made": TICK / 2, "due": due}
               for t, _, due in drawn]
    minute = Minute(
        {"drawn": [list(entry) for entry in drawn], "underruns": 0, "bridged": 2,
         "audioOffsets": [40, -70],
         "keyToPixel": [90]},
        {"headers": headers, "sent": [[1, 1100.0, {"W": 1}]], "keys": [["KeyW", True, 1099.0]]},
        {}, 2.0, {t: [f"{t}a", f"{t}b"] for t in range(1, 25)},
    )
    found = {metric.id: metric for metric in of_minute(minute)}
    assert found["play.realtime_ratio"].value == 1
    assert found["play.realtime_ratio"].baselines["frames that differ from the last"] == 1
    assert found["play.realtime_ratio"].baselines["p95 tick of its time"] == pytest.approx(0.5)
    assert found["play.key_to_pixel_ms"].value == pytest.approx(1000 + 2 * TICK - 1099)
    assert found["play.underruns"].ok and found["play.sound_offset_ms"].value == 70


def test_short_pieces_are_held_against_the_committed_report(tmp_path):
    committed = tmp_path / "gwm-rooms.play.bench.json"
    long = [Metric("play.seek_s", 2.0, must="<= 3"), Metric("play.underruns", 0, must="<= 0"),
            Metric("play.sound_offset_ms", 20, must="<= 83.4"), Metric("play.leak_mb", 0.5)]
    Report("play", long, fingerprint="ab").save(committed)

    def problems(*pieces: Metric) -> list[str]:
        report = Report("play", [], fingerprint="ab")
        compare(report, list(pieces), committed, STAND_INS)
        assert {metric.id for metric in long} <= {metric.id for metric in report.metrics}
        return report.problems

    underruns = Metric("play.underruns", 0, must="<= 0")
    seek600 = Metric("play.seek600_s", 2.2, must="<= 3")
    offset = Metric("play.sound_offset_ms", 26, must="<= 83.4")  # far on the good side
    assert problems(underruns, seek600, offset) == []
    worse = Metric("play.seek600_s", 2.9, must="<= 3")
    assert "seek600" in problems(underruns, worse, offset)[0]
    gaps = Metric("play.underruns", 1, must="<= 0")
    assert "underruns" in problems(gaps, seek600, offset)[0]
    silent = Metric("play.sound_offset_ms", math.nan, must="<= 83.4")
    assert "sound_offset" in problems(underruns, seek600, silent)[0]
