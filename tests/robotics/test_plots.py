"""Rules held against runs, with eyes and without, and the pictures of it all."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gwm_core.errors import RoboticsError
from gwm_core.robotics.episode import Episode
from gwm_core.robotics.eyes import VIEWS
from gwm_core.robotics.plots import (
    BAD,
    GOOD,
    PAPER,
    Point,
    moments,
    of_one_size,
    scatter,
    timeline,
)
from gwm_core.robotics.specs import DEFAULT_SPECS, parse
from gwm_core.robotics.watching import report, seen_signals, watch
from gwm_core.simulators.tabletop import Tabletop

from .noisy_eyes import noisy_eyes

TICKS = 20


def episode(views: bool = True, side: int = 64, **info) -> Episode:
    """The gripper goes down from 0.2 to 0.1 m, 5 mm a tick, and feels 15 N at ticks 10 to 12."""
    state = np.zeros((TICKS + 1, 9), np.float32)
    state[:, 2] = 0.2 - 0.005 * np.arange(TICKS + 1)
    state[10:13, 8] = 15
    frames = {v: np.full((TICKS + 1, side, side, 3), 40 * k + 60, np.uint8)
              for k, v in enumerate(VIEWS)} if views else {}
    return Episode(frames, state, np.zeros((TICKS, 7), np.float32), 10.0, "Push it.",
                   info=info).check()


def test_lanes_mark_the_broken_ticks():
    rules = parse("force: never(force > 12)\nhigh: always[0,0.9s](z > 0.15)\nlow: "
                  "eventually(z < 0.05)\nspeed: never(speed > 0.45)")
    force, high, low, speed = watch(episode(), rules).lanes
    assert np.flatnonzero(force.broken).tolist() == [10, 11, 12] and force.first == 10
    assert force.exposure == pytest.approx(3 / 21) and force.robustness == pytest.approx(-3)
    # At 0.15 m it touches the bound at tick 10; the window ends at 9.
    assert high.kept and not high.broken.any() and (high.margin[11:] < 0).all()
    assert not low.kept and low.broken.all() and low.first == TICKS
    assert speed.kept and speed.first == -1
    watched = watch(episode(), rules)
    assert watched.first == 10


def test_rules_about_things_need_eyes():
    text = "red: never(red_z < 0)\nforce: never(force > 12)"
    for run, eyes, why in ((episode(), None, "no eyes"), (episode(False), noisy_eyes(), "no view"),
                           (episode(side=48), noisy_eyes(), "48x48")):
        watched = watch(run, parse(text), eyes)
        red, force = watched.lanes
        assert why in watched.blind and not red.looked and force.looked and not force.kept
        said = report([watched])
        assert "not looked for" in said and "not looked at" in said
    with pytest.raises(RoboticsError, match="state has 3 numbers"):
        short = Episode({}, np.zeros((3, 3), np.float32), np.zeros((2, 7), np.float32), 10.0)
        watch(short, parse(text))
    with pytest.raises(RoboticsError, match="no signal 'nose'"):
        watch(episode(), parse("a: never(nose > 0)"))


class Still:
    """Eyes at looks of a scene in which nothing moves: every look is the same."""

    def __init__(self, seed: int) -> None:
        self.sim = Tabletop("push", seed)
        self.eyes = noisy_eyes(error=0.001, turn=0.01, miss=0.0)
        self.eyes.reader.sim = self.sim

    def find(self, looks: dict):
        return self.eyes.find({"pixels": {v: f[0] for v, f in looks["pixels"].items()},
                               "agent_pos": looks["agent_pos"][0]}).row([0] * len(
                                   looks["agent_pos"]))


def test_places_are_read_from_the_pictures():
    eyes = Still(1)
    truth = eyes.sim.truth()
    seen = seen_signals(episode(), eyes)
    assert np.allclose(seen["red_x"], truth.objects["red"][1][0], atol=0.01)
    assert seen["red_x"].shape == (TICKS + 1,)
    goal = truth.zones["goal"][1]
    assert np.hypot(seen["goal_x"] - goal[0], seen["goal_y"] - goal[1]) < 0.01
    assert np.isinf(seen["plate_x"]) and np.isinf(seen["knob_z"]).all()
    x, y = truth.objects["red"][1][:2]
    rules = parse(f"near: always(hypot(red_x - {x}, red_y - {y}) < 0.02)\n"
                  f"far: never(hypot(red_x - {x}, red_y - {y}) < 0.02)\n" + DEFAULT_SPECS)
    near, far, *others = watch(episode(), rules, eyes).lanes
    assert near.looked and near.kept and not far.kept and far.broken.all()
    assert {lane.name for lane in others if not lane.kept} <= {"force", "keep_out"}
    eyes.sim.close()


def test_the_report_counts_runs():
    rules = parse("force: never(force > 12)\nspeed: never(speed > 0.45)")
    said = report([watch(episode(policy="a"), rules), watch(episode(policy="b"), rules)])
    assert re.search(r"force +2 of 2 +10 +14.3% +-3\n", said), said
    assert "run 2 (b): force from tick 10 (1.0 s)" in said


# Pictures


def share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture.astype(int) - colour).sum(-1) < 30).mean())


def test_a_timeline_is_red_where_a_rule_is_broken():
    rules = parse("force: never(force > 12)")
    kept = timeline([watch(episode(), parse("force: never(force > 99)"))], "kept")
    broken = timeline([watch(episode(), rules)], "broken")
    assert kept.dtype == np.uint8 and kept.shape == broken.shape and kept.shape[1] == 1120
    assert share(kept, BAD) == 0 and share(kept, GOOD) > 0.05
    lane = broken[-52:-28]  # above the times
    columns = (np.abs(lane.astype(int) - BAD).sum(-1) < 30).mean(0) > 0.5
    inner = np.flatnonzero(columns) - 132
    step = (1120 - 132 - 20) / (TICKS + 1)
    assert abs(inner.min() - 10 * step) < 3 and abs(inner.max() - 13 * step) < 4
    many = timeline([watch(episode(False), rules)] * 30, "many")
    assert many.shape[0] < 1200
    with pytest.raises(RoboticsError, match="no rollouts"):
        timeline([], "none")


def test_a_scatter_has_its_points_where_they_belong():
    picture = scatter([Point("one", 0.25, 0.75, (0.1, 0.4), (0.6, 0.9))], "t", "x", "y")
    assert picture.shape == (760, 960, 3)
    at = picture[56 + 20 + round(580 * 0.25), 76 + 20 + round(580 * 0.25)]
    assert np.abs(at.astype(int) - (110, 178, 255)).sum() < 40
    crowd = [Point(f"policy number {i}", (i % 6) / 5, (i // 6) / 5, (0, 1), (0, 1))
             for i in range(36)]
    full = scatter(crowd, "a long title " * 20, "x", "y", "a note " * 40, diagonal=True)
    assert share(full, PAPER) < share(picture, PAPER)
    with pytest.raises(RoboticsError, match="no points"):
        scatter([], "t", "x", "y")


def test_moments_show_a_row_a_run():
    runs = [{v: np.full((n, 64, 64, 3), level, np.uint8) for v in VIEWS}
            for n, level in ((21, 90), (5, 200))]
    picture = moments(runs, ["one", "a name that goes over several lines"], 10.0, ["front"])
    assert share(picture, (90, 90, 90)) > 0.2 and share(picture, (200, 200, 200)) > 0.2
    wide = moments(runs, ["one", "two"], 10.0, VIEWS, side=48)
    assert wide.shape[0] > 6 * 48
    with pytest.raises(RoboticsError, match="labels"):
        moments(runs, ["one"], 10.0, ["front"])


def test_films_of_one_size():
    films = [np.full((3, 64, 64, 3), 90, np.uint8), np.full((3, 48, 96, 3), 200, np.uint8)]
    out = of_one_size(films)
    assert [f.shape for f in out] == [(3, 256, 512, 3)] * 2
    assert (out[0][:, :, 0] == PAPER).all() and (out[1] == 200).all()
    (large,) = of_one_size([np.zeros((1, 1000, 2000, 3), np.uint8)])
    assert large.shape == (1, 480, 960, 3)
