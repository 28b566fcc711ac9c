"""Robot nodes with bad input: each a sentence that names it; and data sets, inside the folders."""

from __future__ import annotations

import json
import shutil
import socket

import numpy as np
import pytest

from .graph import Graph
from .robots import RobotGraph, robots, tell_all  # noqa: F401
from .test_errors import refused

pytestmark = pytest.mark.usefixtures("robots")


def refusal(lab, build) -> str:
    """What a graph is refused with; ``build(graph)`` gives the node whose output is asked for."""
    graph = RobotGraph()
    node = build(graph)
    graph.tell(node, 0)
    return refused(lab, graph)


@pytest.mark.parametrize(("inputs", "words"), [
    ({"actions": "move(0.03,0,0)*2 jump"}, ["actions, line 1, column 18", "'jump'", "move(x,y,z)"]),
    ({"actions": "move(0.3,0,0)"}, ["-0.04 to 0.04"]),
    ({"actions": 'event("fire")'}, ["no events"]),
    ({"actions": ""}, ["0 ticks"]),
    ({"actions": "[[1, 2, 3]]"}, ["lists of 7 numbers"]),
    ({"actions": "[[0, 0, 0, 0, 0, 0, NaN]]"}, ["tick 0", "grip is nan", "-1 to 1"]),
    ({"actions": "[[0, 0, 0, 0, 0, 0, 0], [0, 9, 0, 0, 0, 0, 0]]"}, ["tick 1", "move_y is 9"]),
    ({"actions": "{not json"}, ["no JSON"]),
    ({"kind": "built-in", "policy": "nobody"}, ["nobody"]),
    ({"kind": "server", "url": "http://example.com/x"}, ["another machine", "GWM_POLICY_HOSTS"]),
    ({"kind": "server", "url": "http://10.0.0.1:80"}, ["another machine"]),
    ({"kind": "server", "url": "file:///etc/passwd"}, ["no address of a web server"]),
    ({"kind": "server", "url": "http://user:secret@127.0.0.1"}, ["name or password"]),
    ({"kind": "server", "url": "http://127.0.0.1:99999999"}, ["url"]),
])
def test_policies_are_checked_before_anything_runs(lab, inputs, words):
    message = refusal(lab, lambda graph: graph.policy(**{"kind": "recorded actions"} | inputs))
    assert all(word in message for word in words), message


def test_a_server_that_is_not_there_or_is_no_policy(lab):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    message = refusal(lab, lambda graph: graph.policy("server", url=f"http://127.0.0.1:{port}"))
    assert "nobody answers there" in message
    message = refusal(lab, lambda graph: graph.policy("server", url=lab.url + "/queue"))
    assert "does not say that it is a policy" in message


def test_models_of_the_other_kind(lab):
    graph = RobotGraph()
    graph.tell(graph.add("GWMNewWorld", model=["1", 0], prompt="", seed=0,
                         depth_is="near is white"), 0)
    assert "is a model of a robot's table" in refused(lab, graph)
    graph = RobotGraph("gwm-rooms")
    graph.tell(graph.rollout(), 0)
    assert "gwm-rooms is no model of a robot's table" in refused(lab, graph)


@pytest.mark.parametrize(("inputs", "words"), [
    ({"start": 3}, ["start: 3 to 3 of push", "0 to 2"]),
    ({"start": 1, "runs": 3}, ["start: 1 to 3 of push"]),
    ({"task": "stack"}, ["task: 'stack'", "push"]),
    ({"task": "dance"}, ["dance"]),
    ({"ticks": 0}, ["ticks"]),
])
def test_rollouts(lab, inputs, words):
    message = refusal(lab, lambda graph: graph.rollout(**inputs))
    assert all(word in message for word in words), message


def test_own_pictures_need_all_cameras_and_good_numbers(lab):
    def two(graph, **more):
        picture = [graph.add("LabTensor", shape="1,64,64,3", fill="0.5"), 0]
        return graph.rollout(front=picture, side=picture, **more)

    assert "wrist: a picture of this camera is needed too" in refusal(lab, two)

    def three(graph, gripper="", fill="0.5"):
        wrist = [graph.add("LabTensor", shape="1,64,64,3", fill=fill), 0]
        return two(graph, wrist=wrist, gripper=gripper)

    assert "gripper: 'here'" in refusal(lab, lambda graph: three(graph, "here"))
    assert "NaN" in refusal(lab, lambda graph: three(graph, fill="nan"))


@pytest.mark.parametrize(("text", "inputs", "words"), [
    ("one: idle*3", {}, ["1 in all", "2 to 16"]),
    ("one: idle*3\ntwo: hop", {}, ["branches, line 2", "'hop'"]),
    ("a: idle\nb: idle", {"view": "top"}, ["top"]),
])
def test_branches(lab, text, inputs, words):
    message = refusal(lab, lambda graph: graph.branches(text, **inputs))
    assert all(word in message for word in words), message


def test_a_past_that_is_too_short(lab):
    def build(graph):
        return graph.branches("a: idle\nb: idle", past=[graph.rollout(), 4], at_tick=7)

    assert "at_tick: 7; 0 to 6" in refusal(lab, build)


@pytest.mark.parametrize(("inputs", "words"), [
    ({"policies": "wired only"}, ["nothing to evaluate"]),
    ({"given_rates": "expert, 0.5\nidle, 7"}, ["rates, line 2"]),
    ({"other_shards": "a,b,c\n1,2,3"}, ["CSV, line 1"]),
    ({"starts": 9}, ["0 to 8 of push", "0 to 2"]),
    ({"shard": 6, "shards": 9}, ["part 6 of 9 has no runs"]),
    ({"filename_prefix": "../../out"}, ["outside"]),
])
def test_evaluations(lab, inputs, words):
    message = refusal(lab, lambda graph: graph.evaluate(**inputs))
    assert all(word in message for word in words), message


@pytest.mark.parametrize(("rules", "words"), [
    ("", ["empty"]),
    ("low: never(z <", ["rules, line 1, column 15"]),
    ("low: never(height < 1)", ["no signal 'height'", "red_z"]),
])
def test_rules(lab, rules, words):
    message = refusal(lab, lambda graph: graph.violations([graph.rollout(), 4], rules))
    assert all(word in message for word in words), message


# Data sets


def saved(lab, **inputs) -> str:
    """A data set of two runs, as it is listed."""
    graph = RobotGraph()
    runs = graph.branches("down: move(0,0,-0.03)*6\nup: move(0,0,0.02)*6")
    given = {"filename_prefix": "sets/two", "keep": "all", "images": "video (small)"} | inputs
    node = graph.add("GWMSaveRobotDataset", rollouts=[runs, 2], **given)
    name, count = tell_all(lab, graph, (node, 0), (node, 1))
    assert count == "int 2"
    return name.removeprefix("str ")


def load(graph: Graph, name: str, **inputs) -> str:
    given = {"first": 0, "count": 20, "cameras": ""} | inputs
    return graph.add("GWMLoadRobotDataset", dataset=name, **given)


def test_a_data_set_is_saved_listed_and_loaded(lab):
    name = saved(lab, images="pictures (exact)")
    info = json.loads((lab.base_dir / "output" / name.removesuffix(" [output]") / "meta" /
                       "info.json").read_text())
    assert info["total_episodes"] == 2 and info["codebase_version"] == "v3.0"
    spec = lab.client.object_info()["GWMLoadRobotDataset"]["input"]["required"]["dataset"]
    assert name in (spec[1]["options"] if spec[0] == "COMBO" else spec[0])
    graph = RobotGraph()
    node = load(graph, name)
    rules = graph.violations([node, 0], "low: never(z < 0.06)")
    runs, about, broken = tell_all(lab, graph, (node, 0), (node, 2), (rules, 2))
    assert runs.count("5 ticks, front [6, 64, 64, 3]") == 2 and broken == "int 1"
    assert "2 episodes of 6 to 6 rows" in about and "Push the red box" in about


def test_cameras_first_and_count(lab):
    name = saved(lab)
    graph = RobotGraph()
    one = load(graph, name, first=1, count=1, cameras="front=eye")
    (runs,) = tell_all(lab, graph, (one, 0))
    assert runs.count("ticks") == 1 and "eye [6, 64, 64, 3]" in runs and "side" not in runs
    rules = graph.violations([one, 0], "low: never(z < 0.06)\nred: never(red_z > 9)")
    (report,) = tell_all(lab, graph, (rules, 1))
    assert "the run has no view front" in report and "not looked at" in report
    message = refusal(lab, lambda graph: load(graph, name, cameras="front"))
    assert "cameras: 'front'" in message
    assert "first: 5" in refusal(lab, lambda graph: load(graph, name, first=5))


def test_a_robomimic_file(lab):
    h5py = pytest.importorskip("h5py")
    file = lab.base_dir / "input" / "lift.hdf5"
    with h5py.File(file, "w") as out:
        data = out.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift",
                                             "env_kwargs": {"control_freq": 20}})
        demo = data.create_group("demo_0")
        demo["actions"] = np.zeros((5, 7), np.float32)
        obs = demo.create_group("obs")
        obs["agentview_image"] = np.full((5, 48, 60, 3), 90, np.uint8)
        obs["robot0_eef_pos"] = np.zeros((5, 3), np.float32)
    graph = RobotGraph()
    node = load(graph, "lift.hdf5 [input]", cameras="agentview=front")
    graph.add("SaveVideo", video=[node, 1], filename_prefix="lift", format="auto", codec="auto")
    runs, about = tell_all(lab, graph, (node, 0), (node, 2))
    assert "4 ticks, front [5, 48, 60, 3]" in runs and "lift.hdf5" in about
    message = refusal(lab, lambda graph: graph.violations([load(graph, "lift.hdf5 [input]"), 0],
                                                          "low: never(z < 0)"))
    assert "the state has 3 numbers; 9 are accepted" in message


def test_successes_alone(lab):
    def build(graph):
        runs = graph.rollout()
        return graph.add("GWMSaveRobotDataset", rollouts=[runs, 4], filename_prefix="sets/none",
                         keep="successes", images="video (small)")

    assert "none of the 1 runs got its task done" in refusal(lab, build)


def hide(lab, packages: str) -> None:
    graph = Graph()
    graph.add("LabHide", packages=packages)
    lab.queue(graph.prompt)


@pytest.mark.parametrize("missing", ["pyarrow", "av", "h5py"])
def test_packages_that_a_comfyui_has_not(lab, missing):
    name = saved(lab)
    (lab.base_dir / "input" / "any.hdf5").write_bytes(b"no matter what")

    def save(graph):
        return graph.add("GWMSaveRobotDataset", rollouts=[graph.rollout(), 4],
                         filename_prefix="sets/hidden", keep="all", images="video (small)")

    tries = {"pyarrow": [save, lambda graph: load(graph, name)],
             "av": [save, lambda graph: load(graph, name)],
             "h5py": [lambda graph: load(graph, "any.hdf5 [input]")]}
    hide(lab, missing)
    try:
        for build in tries[missing]:
            message = refusal(lab, build)
            assert f"the Python package {missing} is missing" in message
            assert "pip install av h5py pyarrow" in message
    finally:
        hide(lab, "")


@pytest.mark.parametrize("name", [
    "../../secret [output]", "/etc [input]", "nothing [output]", "example.png [input]", ". [input]",
])
def test_data_sets_outside_the_folders(lab, name):
    (lab.base_dir.parent / "secret" / "meta").mkdir(parents=True, exist_ok=True)
    (lab.base_dir.parent / "secret" / "meta" / "info.json").write_text("{}")
    assert "dataset" in refusal(lab, lambda graph: load(graph, name))


def test_saving_outside_the_output_folder(lab):
    def build(graph):
        return graph.add("GWMSaveRobotDataset", rollouts=[graph.rollout(), 4],
                         filename_prefix="../../escaped", keep="all", images="video (small)")

    refusal(lab, build)
    assert not list(lab.base_dir.parent.glob("escaped*"))


def test_a_damaged_data_set(lab):
    name = saved(lab)
    folder = lab.base_dir / "output" / name.removesuffix(" [output]")
    (video,) = (folder / "videos" / "observation.images.front").rglob("*.mp4")
    video.write_bytes(video.read_bytes()[:500])
    message = refusal(lab, lambda graph: load(graph, name))
    assert "truncated or damaged" in message
    shutil.rmtree(folder)
    assert "is no data set" in refusal(lab, lambda graph: load(graph, name))
