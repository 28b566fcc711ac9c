"""Controls from Video in the real server: a walk is read from video and from frames."""

from __future__ import annotations

import re

import pytest

from gwm_core.cli.client import PromptFailed
from gwm_core.controls import Controls
from gwm_core.embodiment import rooms_embodiment

from .graph import Graph, told

WALK = "idle*2 W*10 look(+8,0)*8 D*8"
TICKS = 28


def read(graph: Graph, **clip) -> str:
    return graph.add(
        "GWMControlsFromVideo", model=["1", 0], threshold=0.5, fps=clip.pop("fps", 24.0), **clip
    )


def tell_all(lab, graph: Graph, nodes: list[str]) -> list[str]:
    entry = lab.queue(graph.prompt)
    return [told(entry, node) for node in nodes]


def track(text: str) -> Controls:
    return Controls.parse(text, rooms_embodiment())


def check(text: str) -> None:
    values = track(text).values
    assert values[2:12, 0].mean() > 0.6 and values[13:20, 0].mean() < 0.4  # W
    assert values[20:28, 3].mean() > 0.6 and values[:12, 3].mean() < 0.3  # D
    assert abs(values[:, 7].sum() - 64) < 12  # degrees turned


def test_a_walk_is_read_from_its_video_and_walked_again(lab):
    graph = Graph()
    world = graph.world("a brick hall by day", seed=7)
    step = graph.step(world, 0, WALK)
    node = read(graph, video=[step, 2])
    again = graph.add(
        "GWMStepWorld", world=[world, 0], text="", depth_as="near is white", controls=[node, 0]
    )
    nodes = [graph.tell(node, slot) for slot in range(4)] + [graph.tell(again, 4)]
    controls, text, ticks, sure, used = tell_all(lab, graph, nodes)
    text = text.removeprefix("str ")
    assert ticks == f"int {TICKS}" and controls == f"controls {TICKS} {text}" == used
    assert 0 < float(sure.removeprefix("float ")) <= 1
    check(text)


def test_a_saved_video_and_frames_read_alike(lab):
    """Through a file, as clips travel, and as plain frames."""
    graph = Graph()
    step = graph.step(graph.world("a brick hall by day", seed=7), 0, WALK)
    graph.add("SaveVideo", video=[step, 2], filename_prefix="read", format="auto", codec="auto")
    frames = graph.tell(read(graph, images=[step, 0]), 1)
    entry = lab.queue(graph.prompt)
    check(told(entry, frames).removeprefix("str "))
    (path,) = [p for p in lab.outputs(entry) if p.suffix == ".mp4"]
    name = "read_back.mp4"
    (lab.base_dir / "input" / name).write_bytes(path.read_bytes())
    graph = Graph()
    graph.add("GWMLoadModel", model_name="gwm-rooms", device="default")
    loaded = graph.add("LoadVideo", file=name)
    text = graph.tell(read(graph, video=[loaded, 0]), 1)
    (back,) = tell_all(lab, graph, [text])
    check(back.removeprefix("str "))


def test_it_reports_every_tick(lab):
    graph = Graph()
    step = graph.step(graph.world("a brick hall by day", seed=7), 0, "W*6")
    node = read(graph, images=[step, 0])
    graph.tell(node, 2)
    lab.queue(graph.prompt)
    seen = set()
    for kind, data in lab.events:
        if kind == "progress_state" and node in data["nodes"]:
            state = data["nodes"][node]
            seen.add((state["value"], state["max"]))
    assert (6, 6) in seen


@pytest.mark.parametrize(("wires", "words"), [
    ([], "wire in a video or images"),
    (["video", "images"], "one clip is needed"),
])
def test_exactly_one_clip(lab, wires, words):
    graph = Graph()
    step = graph.step(graph.world(), 0, "W*2")
    clip = {"video": [step, 2], "images": [step, 0]}
    graph.tell(read(graph, **{name: clip[name] for name in wires}), 0)
    with pytest.raises(PromptFailed, match=words):
        lab.queue(graph.prompt)


@pytest.mark.parametrize(("shape", "fill", "fps", "words"), [
    ("2,64,64,3", "0.5", 24.0, "at least 3"),
    ("5,64,64,3", "nan", 24.0, "images: .*NaN"),
    ("5,64,64,7", "0.5", 24.0, "1, 3 or 4 channels"),
    ("5,4,64,3", "0.5", 24.0, "64 x 4 pixels"),
    ("5,64,64,3", "0.5", 240.0, "at least 3"),
    ("7300,8,8,3", "0.5", 24.0, "at most 3600"),
])
def test_bad_clips(lab, shape, fill, fps, words):
    graph = Graph()
    graph.add("GWMLoadModel", model_name="gwm-rooms", device="default")
    images = graph.add("LabTensor", shape=shape, fill=fill)
    graph.tell(read(graph, images=[images, 0], fps=fps), 0)
    with pytest.raises(PromptFailed) as failure:
        lab.queue(graph.prompt)
    assert re.search(words, str(failure.value)) and lab.server.alive()


def test_its_part_is_no_model_to_choose(lab):
    spec = lab.client.object_info()["GWMLoadModel"]["input"]["required"]["model_name"]
    options = spec[0] if isinstance(spec[0], list) else spec[1]["options"]
    assert "gwm-rooms" in options and not any("inverse" in name for name in options)
