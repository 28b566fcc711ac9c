"""Worlds in the real server: shapes, rates, saving, branching, cancelling."""

from __future__ import annotations

import re

import av

from .graph import Graph, cancelled, progress, told

WALK = "W*6 look(+6,0)*6"
TICKS = 12


def tensor(text: str) -> tuple[str, list[int], str]:
    """(dtype, shape, hash) from a told tensor."""
    found = re.search(r"(torch\.\w+) \[([\d, ]*)\] \S+ ([0-9a-f]{64})", text)
    return found[1], [int(n) for n in found[2].split(",")], found[3]


def test_new_world_gives_picture_depth_and_words(lab):
    graph = Graph()
    world = graph.world("a brick hall at dusk, a dragon")
    about = [graph.tell("1", 1), *(graph.tell(world, slot) for slot in range(4))]
    entry = lab.queue(graph.prompt)
    model, value, image, depth, understood = (told(entry, node) for node in about)
    assert "gwm-rooms" in model and "look(x,y)" in model and "Imaginer" in model
    assert value.startswith("world ") and "tick 0" in value
    assert tensor(image)[:2] == ("torch.float32", [1, 160, 256, 3])
    assert tensor(depth)[:2] == ("torch.float32", [1, 160, 256, 3])
    assert "0.0000..1.0000" in depth
    assert "understood:" in understood and "dragon" in understood.split("not:")[1]


def test_step_gives_frames_sound_video_depth_controls_world(lab):
    graph = Graph()
    step = graph.step(graph.world(), 0, WALK, depth_as="metres")
    nodes = [graph.tell(step, slot) for slot in (0, 1, 3, 4, 5)]
    graph.add("SaveVideo", video=[step, 2], filename_prefix="t", format="auto", codec="auto")
    entry = lab.queue(graph.prompt)
    images, audio, depth, controls, world = (told(entry, node) for node in nodes)
    assert tensor(images)[:2] == ("torch.float32", [2 * TICKS, 160, 256, 3])
    assert tensor(audio)[:2] == ("torch.float32", [1, 1, 2000 * TICKS])
    assert "sample_rate: int 24000" in audio
    assert tensor(depth)[1] == [2 * TICKS, 160, 256, 3]
    low, high = (float(n) for n in re.search(r"\] (\S+)\.\.(\S+) ", depth).groups())
    assert 0.05 <= low < high <= 60, "metres were asked for"
    assert controls == f"controls {TICKS} {WALK}"
    assert f"tick {TICKS}" in world
    (path,) = lab.outputs(entry)
    with av.open(str(path)) as video:
        assert video.streams.video[0].average_rate == 24
        assert video.streams.video[0].frames == 2 * TICKS
        assert video.streams.audio[0].rate == 24000


def test_progress_moves_with_every_tick_and_shows_pictures(lab):
    graph = Graph()
    step = graph.step(graph.world(seed=6), 0, WALK)
    graph.tell(step, 0)
    lab.queue(graph.prompt)
    values = {d["value"] for kind, d in lab.events if kind == "progress" and d["node"] == step}
    assert set(range(1, TICKS + 1)) <= values
    previews = [d for kind, d in lab.events if kind == "binary" and d[:4] == b"\0\0\0\x04"]
    previews += [d for kind, d in lab.events if kind == "binary" and d[:4] == b"\0\0\0\x01"]
    assert previews


def test_two_steps_equal_one_and_wires_never_change(lab):
    graph = Graph()
    world = graph.world()
    once = graph.step(world, 0, WALK)
    first = graph.step(world, 0, "W*6")
    second = graph.step(first, 5, "look(+6,0)*6")
    nodes = [graph.tell(once, 5), graph.tell(second, 5), graph.tell(world, 0)]
    tail = graph.add("ImageFromBatch", image=[once, 0], batch_index=12, length=12)
    pictures = [graph.tell(tail, 0), graph.tell(second, 0)]
    entry = lab.queue(graph.prompt)
    whole, parts, start = (told(entry, node) for node in nodes)
    assert whole.split()[1] == parts.split()[1]
    assert "tick 0" in start
    assert tensor(told(entry, pictures[0]))[2] == tensor(told(entry, pictures[1]))[2]


def test_controls_from_wires(lab):
    graph = Graph()
    text = graph.add("GWMControls", text="W*3")
    path = graph.add("GWMCameraPath", move="full turn", seconds=3.0, turn=0.0, tilt=0.0)
    joined = graph.add("GWMJoinControls", first=[text, 0], second=[path, 0])
    graph.tell(joined, 0)
    ticks = graph.tell(joined, 1)
    step = graph.step(graph.world(), 0, "not used, not read", controls=[text, 0])
    images = graph.tell(step, 0)
    entry = lab.queue(graph.prompt)
    assert told(entry, ticks) == "int 39"
    assert tensor(told(entry, images))[1][0] == 6


def test_save_load_goes_on_exactly(lab):
    graph = Graph()
    step = graph.step(graph.world(), 0, "W*6")
    save = graph.add("GWMSaveWorld", world=[step, 5], filename_prefix="worlds/exact")
    onward = graph.step(step, 5, "look(+6,0)*6")
    nodes = [graph.tell(onward, slot) for slot in (0, 1, 3, 5)]
    name = graph.tell(save, 0)
    entry = lab.queue(graph.prompt)
    expected = [told(entry, node).split(" bytes")[0] for node in nodes]
    file = told(entry, name).removeprefix("str ")
    assert file.startswith("worlds/exact_") and file.endswith("_.gwm [output]")
    data = (lab.base_dir / "output" / file.removesuffix(" [output]")).read_bytes()
    assert str(lab.base_dir).encode() not in data and b"LabTell" not in data
    again = Graph()
    model = again.add("GWMLoadModel", model_name="gwm-rooms", device="default")
    loaded = again.add("GWMLoadWorld", model=[model, 0], file=file)
    tick = again.tell(loaded, 1)
    onward = again.step(loaded, 0, "look(+6,0)*6")
    nodes = [again.tell(onward, slot) for slot in (0, 1, 3, 5)]
    entry = lab.queue(again.prompt)
    assert told(entry, tick) == "int 6"
    assert [told(entry, node).split(" bytes")[0] for node in nodes] == expected


def test_branches_share_their_beginning_bit_for_bit(lab):
    graph = Graph()
    branch = graph.add(
        "GWMBranchWorld",
        world=[graph.world(), 0],
        branches="a: W*4 look(-6,0)*2\nb: W*4 look(+6,0)*4\nW*4",
        sound_of=2,
    )
    steps = [graph.step(graph.world(), 0, "W*4")]
    grid = graph.tell(branch, 1)
    worlds = [graph.tell(branch, slot) for slot in (2, 3, 4)]
    alone = [graph.tell(steps[0], 5), graph.tell(steps[0], 0)]
    entry = lab.queue(graph.prompt)
    _, size, _ = tensor(told(entry, grid))
    assert size[0] == 16 and size[1] % 2 == 0 and size[2] % 2 == 0 and size[2] > 3 * 256
    keys = [told(entry, node).split()[1] for node in worlds]
    assert len(set(keys)) == 3
    assert keys[2] == told(entry, alone[0]).split()[1]


def test_event_changes_the_world(lab):
    graph = Graph()
    world = graph.world("a wooden room by day, lamps on")
    event = graph.add("GWMWorldEvent", world=[world, 0], text="night falls, a dragon comes")
    after = graph.tell(graph.step(event, 0, "idle*8"), 0)
    plain = graph.tell(graph.step(world, 0, "idle*8"), 0)
    inline = graph.tell(graph.step(world, 0, 'event("night falls, a dragon comes") idle*8'), 0)
    words = graph.tell(event, 1)
    entry = lab.queue(graph.prompt)
    assert tensor(told(entry, after))[2] != tensor(told(entry, plain))[2]
    assert tensor(told(entry, after))[2] == tensor(told(entry, inline))[2]
    assert "night" in told(entry, words) and "dragon" in told(entry, words).split("not:")[1]


def test_cancel_stops_within_a_tick_and_leaves_the_server_well(lab):
    graph = Graph()
    step = graph.step(graph.world(seed=9), 0, "W*600")
    graph.tell(step, 0)
    assert cancelled(lab, graph, lambda: progress(lab, step) > 0) < 10
    graph = Graph()
    node = graph.tell(graph.step(graph.world(seed=9), 0, "W*2"), 0)
    assert tensor(told(lab.queue(graph.prompt), node))[1][0] == 4
