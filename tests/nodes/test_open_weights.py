"""Open weights in the real server: tiny twins, found as the large files are, played in the graph
and live."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gwm_core.backbones.tiny_models import write_twin

from ..live.client import Page
from .graph import Graph, told
from .test_errors import refused
from .test_worlds import tensor

WAYPOINT = "tiny-waypoint-360P.safetensors"
GAME = "tiny-matrix-game-2-universal.safetensors"
WAN = "tiny-causal-wan-self_forcing.safetensors"
UNUSED = "tiny-matrix-game-2-gta_drive.safetensors"
NEVER = "the lights go out"


@pytest.fixture(scope="module")
def folders(extra_models) -> Path:
    """The extra folder: networks/ are its diffusion models, decoders/ its vae_approx."""
    return extra_models.parent


@pytest.fixture(scope="module")
def twins(folders, tmp_path_factory):
    """The server's folders with one twin of each backbone, and with files that do not play."""
    made = tmp_path_factory.mktemp("twins")
    for kind, variant in (
        ("waypoint", "360P"), ("matrix-game-2", "gta_drive"), ("matrix-game-2", "universal"),
        ("causal-wan", "self_forcing"),
    ):
        network, decoder = write_twin(made, kind, variant)
        shutil.move(network, folders / "networks" / network.name)
        shutil.move(decoder, folders / "decoders" / decoder.name)
    data = (folders / "networks" / GAME).read_bytes()
    (folders / "networks" / "cut.safetensors").write_bytes(data[: len(data) // 2])
    (folders / "networks" / "junk.safetensors").write_bytes(b"\x07" * 100)
    (folders / "networks" / "gone.safetensors").symlink_to(folders / "nowhere.safetensors")
    lora = {"blocks.0.attn.lora_A.weight": np.zeros((2, 2), np.float32)}
    save_file(lora, folders / "networks" / "style.safetensors")
    odd = {"patch_embedding.weight": np.zeros((), np.float32),
           "blocks.0.action_model.x": np.zeros(1, np.float32)}
    save_file(odd, folders / "networks" / "odd.safetensors")
    yield folders
    for path in (*(folders / "networks").iterdir(), *(folders / "decoders").iterdir()):
        path.unlink()


def names(lab) -> list[str]:
    """What Load GWM Model lists."""
    spec = lab.client.object_info()["GWMLoadModel"]["input"]["required"]["model_name"]
    return spec[1]["options"]


def load(graph: Graph, name: str) -> str:
    return graph.add("GWMLoadModel", model_name=name, device="default")


def world(graph: Graph, name: str, picture: bool = True, prompt: str = "", seed: int = 3) -> str:
    """Adds a world of open weights, begun from a soft picture."""
    image = {}
    if picture:
        image["image"] = [graph.add("LabTensor", shape="1,120,200,3", fill="picture"), 0]
    return graph.add("GWMNewWorld", model=[load(graph, name), 0], prompt=prompt, seed=seed,
                     depth_is="near is white", **image)


def test_networks_are_listed_and_nothing_else(lab, twins):
    there = names(lab)
    assert there[0] == "gwm-rooms" and {WAYPOINT, GAME, WAN} <= set(there)
    for name in ("cut", "junk", "gone", "style", "odd", "tae-waypoint"):
        assert f"{name}.safetensors" not in there


def test_about_names_licence_source_and_memory(lab, twins):
    graph = Graph()
    about = graph.tell(load(graph, WAYPOINT), 1)
    text = told(lab.queue(graph.prompt), about)
    assert "SPACE" in text and "look(x,y)" in text
    assert "licence Apache-2.0" in text and "gwm_core.backbones.tiny_models" in text
    assert "Needs " in text and " GB (weights " in text


@pytest.mark.parametrize(
    ("name", "text"), [(WAYPOINT, "W+attack*4 look(+40,0)*2"), (GAME, "W*3 left*3")]
)
def test_stepped_branched_saved_and_loaded_to_the_bit(lab, twins, name, text):
    first, _, rest = text.rpartition(" ")
    graph = Graph()
    begun = world(graph, name)
    once, part = graph.step(begun, 0, text), graph.step(begun, 0, first)
    twice = graph.step(part, 5, rest)
    branch = graph.add("GWMBranchWorld", world=[part, 5], branches=f"a: {rest}\nb: idle*6",
                       sound_of=1)
    saved = graph.add("GWMSaveWorld", world=[part, 5], filename_prefix="worlds/open")
    play = graph.add("GWMPlayWorld", world=[begun, 0], walk=text, max_frames=240,
                     depth_as="near is white")
    ids = [graph.tell(node, slot) for node, slot in (
        (once, 0), (once, 5), (twice, 0), (twice, 5), (branch, 2), (play, 2), (play, 0))]
    entry = lab.queue(graph.prompt)
    whole, end, tail, after, branched, played, walked = (told(entry, key) for key in ids)
    assert end.split(" bytes")[0] == after.split(" bytes")[0] == branched.split(" bytes")[0]
    assert end.split(" bytes")[0] == walked.split(" bytes")[0]
    assert tensor(whole) == tensor(played) and tensor(whole)[1][0] > tensor(tail)[1][0]
    (file,) = entry["outputs"][saved]["text"]

    lab.client.call("/free", {"unload_models": True, "free_memory": True})
    graph = Graph()
    back = graph.add("GWMLoadWorld", model=[load(graph, name), 0], file=file)
    again = graph.step(back, 0, rest)
    images, last = graph.tell(again, 0), graph.tell(again, 5)
    entry = lab.queue(graph.prompt)
    assert tensor(told(entry, images)) == tensor(tail)
    assert told(entry, last).split(" bytes")[0] == after.split(" bytes")[0]


def test_words_are_read_by_those_that_read_them(lab, twins):
    for name, reads in ((WAYPOINT, False), (WAN, True)):
        graph = Graph()
        begun = world(graph, name, not reads, "a hall" if reads else "")
        event = graph.add("GWMWorldEvent", world=[begun, 0], text=NEVER)
        plain, changed = graph.step(begun, 0, "idle*6"), graph.step(event, 0, "idle*6")
        ids = [graph.tell(event, 1), graph.tell(plain, 0), graph.tell(changed, 0)]
        line, before, after = (told(entry, key) for entry in (lab.queue(graph.prompt),)
                               for key in ids)
        assert (NEVER in line.split("not:")[0]) == reads
        assert ("reads no words" in line) != reads
        assert (tensor(before)[2] != tensor(after)[2]) == reads


@pytest.mark.parametrize(("file", "words"), [
    ("cut", ["cut off", "download it again"]),
    ("style", ["LoRA", "whole model is needed"]),
    ("junk", ["no safetensors file"]),
])
def test_what_cannot_be_played_is_told(lab, twins, file, words):
    graph = Graph()
    graph.tell(load(graph, f"{file}.safetensors"), 1)
    message = refused(lab, graph)
    assert all(word in message for word in (f"{file}.safetensors", *words)), message


def test_half_a_pair_names_the_decoder(lab, twins):
    decoder = twins / "decoders" / "tae-waypoint.safetensors"
    aside = decoder.rename(twins / "aside")
    try:
        graph = Graph()
        graph.tell(load(graph, WAYPOINT), 1)
        message = refused(lab, graph)
    finally:
        aside.rename(decoder)
    for word in (WAYPOINT, "half a pair", "32 channels", "taehv1_5.safetensors", "models/vae"):
        assert word in message, message


def test_a_decoder_is_chosen(lab, twins):
    offered = lab.client.object_info()["GWMLoadModel"]["input"]["optional"]["decoder"][1]["options"]
    mine = ["tae-causal-wan.safetensors", "tae-matrix-game-2.safetensors"]
    assert offered[0] == "automatic" and set(mine) < set(offered)
    graph = Graph()
    ids = []
    for decoder in ("automatic", *mine):
        loaded = graph.add("GWMLoadModel", model_name=WAN, device="default", decoder=decoder)
        begun = graph.add("GWMNewWorld", model=[loaded, 0], prompt="a hall", seed=3,
                          depth_is="near is white")
        ids.append(graph.tell(graph.step(begun, 0, "idle*3"), 0))
    entry = lab.queue(graph.prompt)
    first, *others = (tensor(told(entry, key)) for key in ids)
    assert first in others and first[1][0] == 9


@pytest.mark.parametrize(("decoder", "words"), [
    ("tae-causal-wan.safetensors", ["half a pair", "32 channels", "of 16 channels"]),
    ("nowhere.safetensors", ["decoder: 'nowhere.safetensors' is not there", "models/vae_approx"]),
    ("style.safetensors", ["style.safetensors", "LoRA"]),
])
def test_a_decoder_that_does_not_fit_is_named(lab, twins, decoder, words):
    aside = twins / "decoders" / "style.safetensors"
    shutil.copy(twins / "networks" / "style.safetensors", aside)
    try:
        graph = Graph()
        loaded = graph.add("GWMLoadModel", model_name=WAYPOINT, device="default", decoder=decoder)
        graph.tell(loaded, 1)
        message = refused(lab, graph)
    finally:
        aside.unlink()
    assert all(word in message for word in words), message


def set_free_memory(lab, free: int) -> None:
    graph = Graph()
    graph.add("LabMemory", free=free)
    lab.queue(graph.prompt)


def test_too_little_memory_is_refused_with_the_number_before_loading(lab, twins):
    set_free_memory(lab, 300_000_000)
    try:
        graph = Graph()
        graph.tell(load(graph, UNUSED), 1)
        message = refused(lab, graph)
    finally:
        set_free_memory(lab, 0)
    needs = r"it needs 0\.\d GB \(weights .*0\.3 GB of [\d.]+ GB are free"
    assert re.search(needs, message), message
    assert "What would fit" in message
    lab.queue(graph.prompt)


def test_a_step_whose_pictures_do_not_fit_into_memory(lab, twins):
    graph = Graph()
    graph.tell(graph.step(world(graph, WAYPOINT), 0, "W*3600"), 0)
    set_free_memory(lab, 700_000_000)
    try:
        message = refused(lab, graph)
    finally:
        set_free_memory(lab, 0)
    assert "3600 ticks are 14400 frames of" in message and "take at most" in message, message


@pytest.mark.parametrize("shape", ["1,1,1,3", "1,900,20,3", "1,64,96,3"])
def test_pictures_of_other_sizes(lab, twins, shape):
    graph = Graph()
    image = [graph.add("LabTensor", shape=shape, fill="picture"), 0]
    begun = graph.add("GWMNewWorld", model=[load(graph, GAME), 0], prompt="", seed=3, image=image,
                      depth_is="near is white")
    images = graph.tell(graph.step(begun, 0, "idle*3"), 0)
    if shape.startswith("1,1,1"):
        assert "image: 1 x 1 pixels; sides of" in refused(lab, graph)
    else:
        assert tensor(told(lab.queue(graph.prompt), images))[1] == [9, 64, 96, 3]


def test_a_picture_is_asked_for_where_one_is_needed(lab, twins):
    graph = Graph()
    graph.tell(world(graph, WAYPOINT, picture=False), 0)
    assert "begins from a picture" in refused(lab, graph)


@pytest.mark.parametrize(("name", "held"), [
    (WAYPOINT, {"W": 1, "attack": 1, "look": [30.0, 0.0]}), (GAME, {"W": 1, "left": 1}), (WAN, {}),
])
def test_it_is_played_live_and_the_walk_is_made_again(lab, twins, name, held):
    graph, reads = Graph(), name == WAN
    begun = world(graph, name, not reads, "a hall" if reads else "")
    node = graph.add("GWMPlayWorld", world=[begun, 0], walk="", max_frames=240,
                     depth_as="near is white")
    with Page(lab) as page:
        token = secrets.token_hex(16)
        page.send("open", token=token, walk=None, encoding="lossless")
        graph.prompt[node]["inputs"]["walk"] = json.dumps({"gwm_open": token})
        lab.client.submit(graph.prompt)
        page.wait("opened", resumed=False)
        page.wait("binary", kind="still")
        page.hold(**held)
        page.step(2)
        page.send("event", text=NEVER)
        told = page.wait("event")
        assert (told["understood"] == [NEVER]) == reads
        assert reads or "reads no words" in told["ignored"][0]
        page.pause()
        walk, ticks = page.text(), len(page.rows)
    graph.prompt[node]["inputs"]["walk"] = walk
    (ui,) = lab.queue(graph.prompt)["outputs"][node]["gwm_play"]
    assert ui["ticks"] == ticks >= 2 and ui["same"] is True and ui["changed"] == []


def test_a_walk_with_compiled_ticks_is_made_again_to_the_bit(lab, lab_args, twins, tmp_path):
    """On a card layers are compiled while one plays; here a lab node has it done on the
    processor."""
    graph = Graph()
    loaded = graph.add("GWMLoadModel", model_name=WAYPOINT, device="default", compile="never")
    compiling = graph.add("LabCompile", model=[loaded, 0], folder=str(tmp_path))
    image = [graph.add("LabTensor", shape="1,120,200,3", fill="picture"), 0]
    begun = graph.add("GWMNewWorld", model=[compiling, 0], prompt="", seed=11, image=image,
                      depth_is="near is white")
    node = graph.add("GWMPlayWorld", world=[begun, 0], walk="", max_frames=4,
                     depth_as="near is white")

    def run(walk: str) -> dict:
        graph.prompt[node]["inputs"]["walk"] = walk
        (ui,) = lab.queue(graph.prompt)["outputs"][node]["gwm_play"]
        return ui

    with Page(lab) as page:
        token = secrets.token_hex(16)
        page.send("open", token=token, walk=None, encoding="lossless")
        graph.prompt[node]["inputs"]["walk"] = json.dumps({"gwm_open": token})
        lab.client.submit(graph.prompt)
        page.wait("opened", resumed=False)
        page.wait("binary", kind="still")
        page.hold(W=1)
        limit = time.monotonic() + 120
        while "computed" not in page.opened["of"] and time.monotonic() < limit:
            page.step(1)
        page.step(3)
        page.pause()
        walk, ticks = page.walk(), len(page.rows)
    assert 0 < walk["of"]["computed"][0] < ticks
    assert run(json.dumps(walk))["same"] is True
    lab.restart(*lab_args)
    told = run(json.dumps(walk))
    assert told["same"] is True and told["ticks"] == ticks and told["changed"] == []
    # Another program that is not told how ticks were computed computes them all as they are.
    lab.restart(*lab_args)
    del walk["of"]["computed"]
    assert run(json.dumps(walk))["same"] is False
