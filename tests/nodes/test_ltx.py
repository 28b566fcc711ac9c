"""GWM to LTX in the real server: its outputs go into the host's own nodes."""

from __future__ import annotations

from .graph import Graph, told
from .test_errors import refused


def shot(graph: Graph, number: int = 1, fps: float = 0.0, longest: int = 0) -> str:
    walk = graph.add(
        "GWMShot", seconds=4.0, place="a brick hall at dusk", seed=0, camera="look around",
        path="", seen="", lines="", happens="2: Q", ambience=0.0, cut="cut", cut_seconds=0.5,
        name="",
    )
    board = graph.add(
        "GWMStoryboard", text="", fps=24.0, width=512, height=288, loudness=-23.0, true_peak=-1.0,
        shots=[walk, 0],
    )
    return graph.add("GWMToLTX", storyboard=[board, 0], shot=number, fps=fps,
                     longest_side=longest)


def test_the_hosts_own_nodes_take_it(lab):
    graph = Graph()
    node = shot(graph, longest=768)
    latent = graph.add("EmptyLTXVLatentVideo", width=[node, 3], height=[node, 4],
                       length=[node, 1], batch_size=1)
    lab_node = graph.add("LabConditioning")
    conditioning = graph.add("LTXVConditioning", positive=[lab_node, 0], negative=[lab_node, 0],
                             frame_rate=[node, 2])
    ids = [graph.tell(node, 0), graph.tell(latent, 0), graph.tell(conditioning, 0),
           graph.tell(node, 5)]
    entry = lab.queue(graph.prompt)
    prompt, size, rate, report = (told(entry, key) for key in ids)
    assert "A brick hall at dusk. The camera pans to one side and back." in prompt
    assert "After 2 seconds a ball is thrown." in prompt
    assert f"[1, 128, {1 + 96 // 8}, {448 // 32}, {768 // 32}]" in size
    assert "frame_rate: float 24.0" in rate
    here = set(lab.client.object_info())
    has_ltx = {"LTXVEmptyLatentAudio", "LTXVConcatAVLatent"} <= here
    assert ("LTX-2 (picture and sound): its nodes are here" in report) == has_ltx
    assert has_ltx or "ComfyUI 0.9 or newer is needed" in report
    assert ("Wan S2V (lips to a voice): its nodes are here" in report) == (
        "WanSoundImageToVideo" in here)


def test_a_shot_that_is_not_there(lab):
    graph = Graph()
    graph.tell(shot(graph, 2), 0)
    assert "shot: 2; 1 to 1 are accepted" in refused(lab, graph)
