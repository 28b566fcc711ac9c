"""Play World in a queue run: the walk in its widget, made again, as every kind of output."""

from __future__ import annotations

import json
import re
import time

import av
import pytest
from PIL import Image

from gwm_core.cli.client import PromptFailed

from .graph import Graph, cancelled, example, progress, told
from .test_worlds import tensor

WALK = "W*6 look(+6,0)*6"
TICKS = 12
PLACE = "a brick hall at dusk, two red balls"


def played(graph: Graph, walk: str = WALK, world: list | None = None, **inputs) -> str:
    """Adds a Play World."""
    inputs = {"max_frames": 240, "depth_as": "near is white", **inputs}
    world = world or [graph.world(), 0]
    return graph.add("GWMPlayWorld", world=world, walk=walk, **inputs)


def run(lab, graph: Graph, node: str) -> tuple[dict, dict]:
    """(what the node tells the player, the history entry)."""
    entry = lab.queue(graph.prompt, timeout=280)
    (ui,) = entry["outputs"][node]["gwm_play"]
    return ui, entry


def videos(lab, entry: dict) -> list:
    """The video files that a run made."""
    return [path for path in lab.outputs(entry) if path.suffix == ".mp4"]


def recorded() -> dict:
    """The walk of the example Play a world, cut to its first ticks, with its world as it was."""
    (node,) = [n for n in example("0_")["nodes"] if n["type"] == "GWMPlayWorld"]
    walk = json.loads(node["widgets_values"][0])
    walk["controls"].update(ticks=TICKS, events=[], columns={"W": [1, f"1*{TICKS}"]})
    return {**walk, "last": ""}


@pytest.fixture(scope="module")
def whole(_lab_server):
    """One run, with all outputs told: (graph, node, ids of what was told, entry)."""
    graph = Graph()
    node = played(graph, depth_as="metres")
    ids = {name: graph.tell(node, slot) for slot, name in enumerate(
        ("world", "video", "images", "audio", "depth", "controls")
    )}
    graph.add("SaveVideo", video=[node, 1], filename_prefix="played", format="auto", codec="auto")
    step = graph.step("2", 0, WALK, depth_as="metres")
    ids |= {f"step {name}": graph.tell(step, slot) for slot, name in (
        (0, "images"), (1, "audio"), (3, "depth"), (5, "world")
    )}
    ui, entry = run(_lab_server, graph, node)
    return node, ids, ui, entry


def test_every_output_is_what_step_world_gives(whole):
    node, ids, ui, entry = whole
    for name in ("images", "audio", "depth", "world"):
        mine, steps = (told(entry, ids[key]) for key in (name, f"step {name}"))
        assert mine.split(" bytes")[0] == steps.split(" bytes")[0], name
    assert tensor(told(entry, ids["images"]))[:2] == ("torch.float32", [2 * TICKS, 160, 256, 3])
    assert tensor(told(entry, ids["depth"]))[:2] == ("torch.float32", [2 * TICKS, 160, 256, 3])
    assert told(entry, ids["controls"]) == f"controls {TICKS} {WALK}"
    assert f"tick {TICKS} " in told(entry, ids["world"])
    assert ui == {"ticks": TICKS, "same": None, "changed": [], "note": ""}


def test_the_video_is_a_whole_file(lab, whole):
    _, ids, _, entry = whole
    assert "VideoFromFile" in told(entry, ids["video"])
    (path,) = videos(lab, entry)
    with av.open(str(path)) as video:
        assert video.streams.video[0].average_rate == 24
        assert video.streams.video[0].frames == 2 * TICKS
        sound = video.streams.audio[0]
        assert (sound.rate, sound.channels) == (24000, 1)
        samples = sum(frame.samples for frame in video.decode(sound))
        assert 2000 * TICKS <= samples < 2000 * TICKS + 3000
    assert not list((lab.base_dir / "temp" / "gwm").glob(".*"))


def test_thumbnails_for_the_timeline(lab, whole):
    node, _, _, entry = whole
    (strip,) = entry["outputs"][node]["gwm_strip"]
    (every,) = entry["outputs"][node]["gwm_strip_every"]
    assert strip["type"] == "temp" and every == 1
    with Image.open(lab.base_dir / "temp" / strip["subfolder"] / strip["filename"]) as picture:
        assert picture.format == "JPEG" and picture.size == (64 * TICKS, 40)
        assert len(set(picture.convert("L").getdata())) > 20


def test_max_frames_caps_pictures_alone_and_says_so(lab):
    graph = Graph()
    node = played(graph, max_frames=7)
    images, audio, depth, world = (graph.tell(node, slot) for slot in (2, 3, 4, 0))
    graph.add("SaveVideo", video=[node, 1], filename_prefix="capped", format="auto", codec="auto")
    full = played(graph, world=["2", 0], max_frames=24)
    all_images = graph.tell(full, 2)
    first = graph.add("ImageFromBatch", image=[full, 2], batch_index=0, length=7)
    first = graph.tell(first, 0)
    ui, entry = run(lab, graph, node)
    assert tensor(told(entry, images))[1][0] == 7 == tensor(told(entry, depth))[1][0]
    assert tensor(told(entry, all_images))[1][0] == 24
    assert tensor(told(entry, images)) == tensor(told(entry, first))
    assert tensor(told(entry, audio))[1] == [1, 1, 2000 * TICKS]
    assert f"tick {TICKS} " in told(entry, world)
    (path,) = videos(lab, entry)
    with av.open(str(path)) as video:
        assert video.streams.video[0].frames == 24
    assert "first 7 of 24 frames" in ui["note"] and "max_frames" in ui["note"]


def test_an_empty_walk_stops_nothing_that_can_go_on(lab):
    graph = Graph()
    node = played(graph, "")
    step = graph.step(node, 0, "W*2")
    goes_on, controls = graph.tell(step, 0), graph.tell(node, 5)
    stopped = [graph.tell(node, slot) for slot in (1, 2, 3, 4)]
    ui, entry = run(lab, graph, node)
    assert ui["ticks"] == 0 and ui["same"] is None and "press Play" in ui["note"]
    assert tensor(told(entry, goes_on))[1][0] == 4
    assert told(entry, controls).startswith("controls 0")
    assert not any(name in entry["outputs"] for name in stopped)


def test_events_that_wait_go_on_with_the_world(lab):
    graph = Graph()
    world = graph.world("a wooden room by day, lamps on")
    played_event = played(graph, 'event("night falls")', [world, 0])
    told_event = graph.add("GWMWorldEvent", world=[world, 0], text="night falls")
    steps = [graph.step(played_event, 0, "W*4"), graph.step(told_event, 0, "W*4")]
    steps.append(graph.step(played(graph, 'W*2 event("night falls")', [world, 0]), 0, "W*2"))
    steps.append(graph.step(world, 0, 'W*2 event("night falls") W*2'))
    keys = [graph.tell(step, 5) for step in steps]
    entry = lab.queue(graph.prompt)
    first, second, third, fourth = (told(entry, key).split()[1] for key in keys)
    assert first == second and third == fourth


@pytest.mark.parametrize("walk, words", [
    ("W*2 Z", ["'Z'", "accepted are W, A, S, D"]),
    ('{"gwm_walk": 1, "controls"', ["damaged JSON", "play it anew"]),
    ('{"gwm_walk": 99}', ["version 99"]),
    ('{"gwm_open": 3}', ["token"]),
    ('{"gwm_open": "short"}', ["token"]),
    ("{}", ["recorded walk or control text"]),
])
def test_walks_that_cannot_be_read(lab, walk, words):
    graph = Graph()
    played(graph, walk)
    with pytest.raises(PromptFailed) as failure:
        lab.queue(graph.prompt)
    assert all(word in str(failure.value) for word in words), failure.value


def test_a_walk_of_another_kind_of_world(lab):
    walk = recorded()
    walk["controls"].update(embodiment="tabletop", names=["x", "grip"], columns={})
    graph = Graph()
    played(graph, json.dumps(walk))
    with pytest.raises(PromptFailed, match="recorded for 'tabletop'"):
        lab.queue(graph.prompt)


def test_a_walk_too_long_for_a_widget_is_refused_before_anything_runs(lab):
    graph = Graph()
    played(graph, "W " * (3 << 20))
    with pytest.raises(PromptFailed, match="characters"):
        lab.queue(graph.prompt)


def test_a_walk_under_another_world_is_kept_and_told(lab):
    graph = Graph()
    same = played(graph, json.dumps(recorded()), [graph.world(PLACE, 7), 0])
    other = played(graph, json.dumps(recorded()), [graph.world("a tiled room", 8), 0])
    later = graph.step("2", 0, "W*2")
    after = played(graph, json.dumps(recorded()), [later, 5])
    tick = graph.tell(other, 0)
    _, entry = run(lab, graph, same)
    say = {node: entry["outputs"][node]["gwm_play"][0] for node in (same, other, after)}
    assert say[same]["changed"] == [] and say[same]["note"] == ""
    assert say[other]["changed"] == ["prompt", "seed"]
    assert "has changed (prompt, seed)" in say[other]["note"]
    assert say[after]["changed"] == ["start"]
    assert f"tick {TICKS} " in told(entry, tick)


def test_the_last_frame_is_compared(lab):
    def walk(last: str) -> str:
        return json.dumps({**recorded(), "last": last})

    graph = Graph()
    world = graph.world(PLACE, 7)
    unknown, wrong = (played(graph, walk(last), [world, 0]) for last in ("", "0" * 64))
    _, entry = run(lab, graph, unknown)
    assert entry["outputs"][unknown]["gwm_play"][0]["same"] is None
    say = entry["outputs"][wrong]["gwm_play"][0]
    assert say["same"] is False and "slightly differently" in say["note"]


def test_a_bypassed_player_hands_its_world_on(lab):
    workflow = example("0_")
    by_type = {node["type"]: node for node in workflow["nodes"]}
    play, save = by_type["GWMPlayWorld"], by_type["SaveVideo"]
    (step,) = [n for n in example("1_")["nodes"] if n["type"] == "GWMStepWorld"]
    step.update(id=20)
    step["inputs"][0]["link"], step["outputs"][2]["links"] = 20, [21]
    step["widgets_values"][0] = "W*2"
    play["outputs"][0]["links"], play["outputs"][1]["links"] = [20], None
    save["inputs"][0]["link"] = 21
    workflow["nodes"].append(step)
    workflow["links"] = [link for link in workflow["links"] if link[3] != save["id"]]
    workflow["links"] += [
        [20, play["id"], 0, 20, 0, "GWM_WORLD"], [21, 20, 2, save["id"], 0, "VIDEO"],
    ]
    for mode, ticks in ((4, 0), (0, None)):
        play["mode"] = mode
        prompt = lab.convert(workflow)
        (source,) = [n for n in prompt if prompt[n]["class_type"] == "GWMStepWorld"]
        given = prompt[prompt[source]["inputs"]["world"][0]]["class_type"]
        assert given == ("GWMNewWorld" if mode else "GWMPlayWorld")
        if ticks == 0:
            prompt["99"] = {"class_type": "LabTell", "inputs": {"value": [source, 5]}}
            assert "tick 2 " in told(lab.queue(prompt), "99")


def test_a_second_run_takes_the_kept_ticks(lab):
    """The same walk again, for other outputs: nothing is computed twice."""
    walk = "W*12 look(+5,0)*24"

    def timed(max_frames: int) -> tuple[float, str]:
        graph = Graph()
        node = played(graph, walk, [graph.world(seed=77), 0], max_frames=max_frames)
        audio = graph.tell(node, 3)
        began = time.monotonic()
        entry = lab.queue(graph.prompt)
        return time.monotonic() - began, told(entry, audio)

    graph = Graph()
    graph.tell(graph.world(seed=77), 0)
    lab.queue(graph.prompt)
    first, sound = timed(10)
    again, same_sound = timed(11)
    assert sound == same_sound and again < 0.6 * first, (first, again)


def test_an_open_run_gives_nothing_and_fails_nothing(lab):
    graph = Graph()
    node = played(graph, json.dumps({"gwm_open": "0123456789abcdef"}))
    outputs = [graph.tell(node, slot) for slot in range(6)]
    entry = lab.queue(graph.prompt)
    assert not any(name in entry["outputs"] for name in [node, *outputs])


def test_cancel_leaves_no_half_written_file(lab):
    folder = lab.base_dir / "temp" / "gwm"
    before = set(folder.glob("*")) if folder.exists() else set()
    graph = Graph()
    node = played(graph, "W*900", [graph.world(seed=9), 0])

    def works() -> bool:
        return progress(lab, node) >= 50 and bool(list(folder.glob(".*.part")))

    assert cancelled(lab, graph, works) < 10
    assert set(folder.glob("*")) == before and not list(folder.glob(".*"))
    graph = Graph()
    ui, _ = run(lab, graph, played(graph, "W*2", [graph.world(seed=9), 0]))
    assert ui["ticks"] == 2


@pytest.mark.parametrize("mode", [("--cache-lru", "20"), ("--cache-none",)])
def test_other_cache_modes(start_comfy, lab_args, whole, mode):
    """The same bits, and a second run as good as the first one."""
    _, ids, _, entry = whole
    comfy = start_comfy(*lab_args, *mode)
    try:
        for _ in range(2):
            graph = Graph()
            node = played(graph)
            images, audio, world = (graph.tell(node, slot) for slot in (2, 3, 0))
            graph.add("SaveVideo", video=[node, 1], filename_prefix="mode", format="auto",
                      codec="auto")
            ui, mine = run(comfy, graph, node)
            assert ui["ticks"] == TICKS and len(videos(comfy, mine)) == 1
            for name, key in (("images", images), ("audio", audio), ("world", world)):
                pattern = r"[0-9a-f]{64}"
                assert re.search(pattern, told(mine, key))[0] == re.search(
                    pattern, told(entry, ids[name])
                )[0]
    finally:
        comfy.stop()
