"""Robots in the real server: rollouts, branches, rankings, rules. The model is untrained."""

from __future__ import annotations

import csv
import io
import re
import threading
import time

import av
import pytest

from gwm_core.robotics.policy import Recorded
from gwm_core.robotics.policy_server import PolicyServer
from gwm_core.robotics.scripted import POLICIES

from .graph import cancelled, progress, told
from .robots import PLAN, TICKS, RobotGraph, digest, robots, shape, tell_all  # noqa: F401

VIEWS = ("front", "side", "wrist")
NOISY = next(name for name in POLICIES if name.startswith("noisy"))
pytestmark = pytest.mark.usefixtures("robots")


def test_the_model_says_what_it_is(lab):
    (about,) = tell_all(lab, RobotGraph(), ("1", 1))
    assert "gwm-tabletop (tabletop)" in about and "front 64x64" in about
    assert "move(x,y,z)" in about and "-0.04 to 0.04 m a tick" in about


def test_a_rollout_gives_every_view_a_video_and_a_report(lab):
    graph = RobotGraph()
    node = graph.rollout()
    graph.add("SaveVideo", video=[node, 3], filename_prefix="run", format="auto", codec="auto")
    tells = [graph.tell(node, slot) for slot in (0, 1, 2, 4, 5)]
    entry = lab.queue(graph.prompt)
    *images, runs, report = (told(entry, tell) for tell in tells)
    assert [shape(text) for text in images] == [[TICKS + 1, 64, 64, 3]] * 3
    assert len({digest(text) for text in images}) == 3
    assert runs.startswith(f"rollouts recorded {TICKS} ticks, front [{TICKS + 1}, 64, 64, 3]")
    assert "Push the red box into the green zone." in report
    assert "recorded, start 0, seed" in report and f"in {TICKS} ticks (0.6 s)" in report
    (path,) = lab.outputs(entry)
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert stream.average_rate == 10 and stream.frames == TICKS + 1
        assert stream.width > 3 * 256 and stream.height > 256


def test_recorded_actions_move_the_gripper_as_written(lab):
    """The same plan as text and as JSON is the same run; another plan is another one."""
    graph = RobotGraph()
    rows = [[0.03, 0, 0, 0, 0, 0, 0]] * 3 + [[0, 0, -0.02, 0, 0, 0, 1]] * 3
    nodes = [graph.rollout(graph.policy(actions=text, label=f"plan {i}"))
             for i, text in enumerate((PLAN, str(rows), str({"actions": rows}).replace("'", '"'),
                                       "idle*6"))]
    found = [digest(text) for text in tell_all(lab, graph, *((node, 0) for node in nodes))]
    assert found[0] == found[1] == found[2] != found[3]


def test_several_runs_begin_at_the_next_starts(lab):
    graph = RobotGraph()
    three, last = graph.rollout(runs=3), graph.rollout(start=2)
    runs, report, alone = tell_all(lab, graph, (three, 4), (three, 5), (last, 0))
    assert len(set(re.findall(r"[0-9a-f]{64}", runs))) == 3
    assert [f"start {i}" in report for i in range(4)] == [True, True, True, False]
    assert shape(alone) == [TICKS + 1, 64, 64, 3]


def test_a_built_in_policy_sees_and_its_seed_counts(lab):
    graph = RobotGraph()
    policy = graph.policy("built-in", policy=NOISY)
    nodes = [graph.rollout(policy, seed=seed) for seed in (0, 1)]
    nodes.append(graph.rollout(graph.policy("built-in", policy=NOISY, label="again")))
    about = graph.tell(policy, 1)
    found = tell_all(lab, graph, *((node, 4) for node in nodes))
    assert digest(found[0]) == digest(found[2]) != digest(found[1])
    entry = lab.queue(graph.prompt)
    assert POLICIES[NOISY] in told(entry, about)


def test_ones_own_pictures_of_any_size(lab):
    graph = RobotGraph()
    shapes = ("1,90,160,3", "2,64,64,4", "1,300,200,3")
    pictures = {view: [graph.add("LabTensor", shape=size, fill="picture"
                                 if size.endswith("3") and size[0] == "1" else "0.4"), 0]
                for view, size in zip(VIEWS, shapes, strict=True)}
    node = graph.rollout(gripper="0.05 -0.1 0.12", **pictures)
    front, runs = tell_all(lab, graph, (node, 0), (node, 4))
    assert shape(front) == [TICKS + 1, 64, 64, 3] and "recorded" in runs
    (_, report) = tell_all(lab, graph, (node, 0), (node, 5))
    assert "start" not in report.split("run 1")[1]


def test_progress_moves_and_shows_pictures(lab):
    graph = RobotGraph()
    node = graph.rollout(graph.policy(actions="idle*20"), ticks=20, start=1)
    graph.tell(node, 0)
    lab.queue(graph.prompt)
    values = {d["value"] for kind, d in lab.events if kind == "progress" and d["node"] == node}
    assert set(range(1, 21)) <= values
    assert any(kind == "binary" and d[:4] in (b"\0\0\0\x04", b"\0\0\0\x01")
               for kind, d in lab.events)


def test_cancel_ends_a_rollout_at_once(lab):
    graph = RobotGraph()
    node = graph.rollout(graph.policy(actions="idle*600"), ticks=600)
    graph.tell(node, 0)

    assert cancelled(lab, graph, lambda: progress(lab, node) > 0) < 10


# Branches


def test_the_same_actions_give_the_same_branch_and_others_another(lab):
    graph = RobotGraph()
    node = graph.branches(f"one: {PLAN}\nthe same: {PLAN}\nwait: idle*6")
    grid, runs, report = tell_all(lab, graph, (node, 0), (node, 2), (node, 3))
    assert shape(grid)[0] == 1 and shape(grid)[1] > 3 * 128 and shape(grid)[2] > 6 * 128
    one, same, wait = re.findall(r"[0-9a-f]{64}", runs)
    assert one == same != wait
    assert "1. one" in report and "gripper (+" in report and "3. wait" in report


def test_branches_of_policies_and_seeds_inside_a_run(lab):
    """From tick 3 of a run, going on with its own actions is the run itself."""
    graph = RobotGraph()
    run = graph.rollout(graph.policy(actions=PLAN))
    noisy = graph.policy("built-in", policy=NOISY)
    node = graph.branches("on: move(0,0,-0.02)+grip(1)*3", past=[run, 4], at_tick=3, ticks=3,
                          seeds=2, view="all", policy_1=[noisy, 0])
    tail = graph.add("ImageFromBatch", image=[run, 0], batch_index=3, length=4)
    runs, whole = tell_all(lab, graph, (node, 2), (tail, 0))
    texts = runs.removeprefix("rollouts ").split(" | ")
    assert [text.split(" 3 ticks")[0] for text in texts] == ["on", f"{NOISY}, seed 1",
                                                             f"{NOISY}, seed 2"]
    assert len({digest(text) for text in texts}) == 3
    alone = RobotGraph()
    first = alone.branches("on: move(0,0,-0.02)+grip(1)*3\nwait: idle",
                           past=[alone.rollout(alone.policy(actions=PLAN)), 4], at_tick=3, ticks=3)
    data = alone.add("GWMSaveRobotDataset", rollouts=[first, 2], filename_prefix="sets/branch",
                     keep="all", images="pictures (exact)")
    (name,) = tell_all(lab, alone, (data, 0))
    load = RobotGraph()
    back = load.add("GWMLoadRobotDataset", dataset=name.removeprefix("str "), first=0, count=1,
                    cameras="")
    (about,) = tell_all(lab, load, (back, 2))
    assert "front  64x64" in about and whole


# Rankings


def rows(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("str "))))


def test_shards_are_the_whole_evaluation(lab):
    graph = RobotGraph()
    whole = graph.evaluate()
    parts = [graph.evaluate(shard=shard, shards=2) for shard in (0, 7)]  # 7 is part 1 of 2
    joined = graph.evaluate(shard=1, shards=2, other_shards=[parts[0], 2])
    table, plot, text, first, second, again, many = tell_all(
        lab, graph, (whole, 0), (whole, 1), (whole, 2), (parts[0], 2), (parts[1], 2), (joined, 0),
        (whole, 4))
    assert shape(plot) == [1, 760, 960, 3]
    assert len(rows(text)) == 12 and len(rows(first)) == len(rows(second)) == 6
    order = sorted(map(str, rows(text)))
    assert order == sorted(map(str, rows(first) + rows(second)))
    assert sorted(table.splitlines()[2:]) == sorted(again.splitlines()[2:])
    assert {r["policy"] for r in rows(text)} < set(POLICIES)
    assert len({r["seed"] for r in rows(text)}) == 2, "a start has one seed for all policies"
    assert {"workspace", "keep_out", "drop", "force", "speed"} <= set(rows(text)[0])
    assert len(re.findall(r"[0-9a-f]{64}", many)) == 6


def test_wired_policies_given_rates_and_the_file(lab):
    graph = RobotGraph()
    policies = {f"policy_{i}": [graph.policy(actions=plan, label=name), 0] for i, (name, plan)
                in enumerate((("down", "move(0,0,-0.04)*4"), ("up", "move(0,0,0.04)*4"),
                              ("up", "move(0,0,0.02)*4")), start=1)}
    node = graph.evaluate(policies="wired only", starts=2, filename_prefix="robots/rank",
                          given_rates="down, 1/2\nup, 20 %\nup (2), 0.9", **policies)
    table, plot, text, file = tell_all(lab, graph, *((node, slot) for slot in range(4)))
    assert shape(plot) == [1, 760, 960, 3]
    assert {r["policy"] for r in rows(text)} == {"down", "up", "up (2)"}
    assert "Pearson r" in table and "against the given rates of 3 policies" in table
    name = file.removeprefix("str ").removesuffix(" [output]")
    assert re.fullmatch(r"robots/rank_\d{5}_\.csv", name)
    assert (lab.base_dir / "output" / name).read_text() == text.removeprefix("str ")


# Rules


def test_rules_part_the_runs_and_mark_the_ticks(lab):
    graph = RobotGraph()
    two = graph.branches("down: move(0,0,-0.04)*6\nup: move(0,0,0.02)*6")
    rules = "low: never(z < 0.06)\nquick: always(speed < 9)\nred: never(hypot(red_x, red_y) < -1)"
    node = graph.violations([two, 2], rules)
    picture, report, count, good, bad = tell_all(lab, graph, *((node, slot) for slot in range(5)))
    assert shape(picture)[0] == 1 and shape(picture)[2] == 1120
    assert count == "int 1" and good.startswith("rollouts up") and bad.startswith("rollouts down")
    assert re.search(r"low +1 of 2 ", report) and re.search(r"quick +0 of 2 ", report)
    assert re.search(r"run 1 \(down\): low from tick \d", report)
    assert "run 2 (up): keeps every rule" in report


def test_an_output_without_runs_stops_what_follows(lab):
    graph = RobotGraph()
    node = graph.violations([graph.rollout(), 4], "always_up: always(z > -9)")
    count, nothing = graph.tell(node, 2), graph.tell(node, 4)
    entry = lab.queue(graph.prompt)
    assert told(entry, count) == "int 0" and nothing not in entry["outputs"]


# A policy of one's own


@pytest.fixture
def server():
    """A policy server of this test's, which gives a plan."""
    plan = [[0.03, 0, 0, 0, 0, 0, 0]] * 3 + [[0, 0, -0.02, 0, 0, 0, 1]] * 3
    one = PolicyServer(lambda: Recorded(plan), name="mine", port=0)
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()


def test_a_policy_that_answers_on_this_machine(lab, server):
    graph = RobotGraph()
    mine = graph.policy("server", url=server.url)
    nodes = [graph.rollout(mine, runs=2), graph.rollout(runs=2)]
    remote, local, about = tell_all(lab, graph, (nodes[0], 4), (nodes[1], 4), (mine, 1))
    assert "mine, at http://127.0.0.1" in about
    assert re.findall(r"[0-9a-f]{64}", remote) == re.findall(r"[0-9a-f]{64}", local)
    assert remote.startswith("rollouts mine 6 ticks")


def test_cancel_ends_the_wait_for_a_slow_policy(lab, server):
    asked = threading.Event()

    class Slow:
        def reset(self) -> None: ...

        def select_action(self, observation):
            asked.set()
            time.sleep(20)

    server.make = Slow
    graph = RobotGraph()
    graph.tell(graph.rollout(graph.policy("server", url=server.url, timeout=60.0)), 0)
    assert cancelled(lab, graph, asked.is_set) < 10
