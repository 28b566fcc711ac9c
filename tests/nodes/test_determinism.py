"""The same graph gives the same bits in each of ComfyUI's cache modes and after a restart."""

from __future__ import annotations

import pytest

from .graph import Graph, told

MODES = {"classic": (), "lru": ("--cache-lru", "20"), "none": ("--cache-none",)}
_seen: dict[str, list[str]] = {}


def walk() -> tuple[Graph, list[str]]:
    """A world, a step, an event, a branch: hashes of pictures, sound, depth and worlds."""
    graph = Graph()
    step = graph.step(graph.world("a tiled room at night, fog", seed=3), 0, "W*6 look(+9,0)*4 Q")
    event = graph.add("GWMWorldEvent", world=[step, 5], text="the lights go out")
    after = graph.step(event, 0, "idle*3 look(-9,0)*4")
    branch = graph.add("GWMBranchWorld", world=[after, 5], branches="W*3\nS*3\nW*2 A*2", sound_of=1)
    told_slots = [(step, s) for s in (0, 1, 3, 5)] + [(after, s) for s in (0, 1, 3, 5)]
    return graph, [graph.tell(n, s) for n, s in [*told_slots, (branch, 1), (branch, 3)]]


@pytest.fixture(scope="module")
def own_server(start_comfy, lab_args):
    comfy = start_comfy(*lab_args)
    yield comfy
    comfy.stop()


@pytest.mark.parametrize("mode", [*MODES, "again"])
def test_same_bits_everywhere(own_server, lab_args, mode):
    if _seen:
        own_server.restart(*lab_args, *MODES.get(mode, ()))
    graph, nodes = walk()
    entry = own_server.queue(graph.prompt, timeout=280)
    _seen[mode] = [told(entry, node).split(" bytes")[0] for node in nodes]
    assert _seen[mode] == next(iter(_seen.values()))
    assert all(len(text) > 40 for text in _seen[mode])
