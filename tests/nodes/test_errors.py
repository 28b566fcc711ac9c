"""Bad input: each a sentence that names the input and what is accepted; the server stays up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gwm_core.cli.client import PromptFailed

from .graph import Graph, told

EMBEDDED = Path(__file__).resolve().parents[2] / "gwm_core" / "checkpoints"


def refused(lab, graph: Graph) -> str:
    """The message with which a prompt fails, before or while it runs."""
    with pytest.raises(PromptFailed) as failure:
        lab.queue(graph.prompt)
    assert lab.server.alive()
    return str(failure.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("W*2 Z", ["line 1, column 5", "'Z'", "accepted are W, A, S, D"]),
        ("W*2\nlook(+6)*3", ["line 2", "look(x,y)"]),
        ("look(+60,0)", ["-30 to 30"]),
        ("W*0", ["whole number"]),
        ('event("no end', ["not closed"]),
        ("W;A", ["';'"]),
        ("W*999999999", ["200000"]),
    ],
)
def test_control_text_is_checked_before_anything_runs(lab, text, words):
    for build in (
        lambda graph: graph.tell(graph.add("GWMControls", text=text), 0),
        lambda graph: graph.tell(graph.step(graph.world(), 0, text), 0),
        lambda graph: graph.tell(
            graph.add(
                "GWMBranchWorld",
                world=[graph.world(), 0],
                branches=f"one: {text}\ntwo: W*2" if "\n" not in text else text,
                sound_of=1,
            ),
            1,
        ),
    ):
        graph = Graph()
        build(graph)
        message = refused(lab, graph)
        assert "Custom validation failed" in message
        if "GWMBranchWorld" not in str(graph.prompt):
            assert all(word in message for word in words), message


def test_empty_controls_and_branches(lab):
    graph = Graph()
    graph.tell(graph.step(graph.world(), 0, "# nothing"), 0)
    assert "no ticks" in refused(lab, graph)
    graph = Graph()
    graph.tell(
        graph.add("GWMBranchWorld", world=[graph.world(), 0], branches="only: W*2", sound_of=1),
        1,
    )
    assert "two to 9" in refused(lab, graph)
    graph = Graph()
    graph.tell(graph.add("GWMWorldEvent", world=[graph.world(), 0], text="  "), 1)
    assert "say what happens" in refused(lab, graph)


def test_too_long_a_step(lab):
    graph = Graph()
    graph.tell(graph.step(graph.world(), 0, "W*4000"), 0)
    assert "at most 3600" in refused(lab, graph)


def test_camera_path_too_fast(lab):
    graph = Graph()
    graph.tell(graph.add("GWMCameraPath", move="full turn", seconds=0.5, turn=0.0, tilt=0.0), 0)
    assert "1.5 s or more" in refused(lab, graph)


@pytest.mark.parametrize(
    ("shape", "fill", "words"),
    [
        ("1,64,64,3", "nan", ["image", "NaN"]),
        ("1,64,64,3", "inf", ["image", "infinite"]),
        ("64,64,3", "0.5", ["image", "[batch, height, width, channels]", "[64, 64, 3]"]),
        ("1,64,64,7", "0.5", ["image", "1, 3 or 4 channels", "7"]),
        ("0,64,64,3", "0.5", ["image", "[0, 64, 64, 3]"]),
        ("1,2,2,3", "0.5", ["image", "2 x 2 pixels", "8 to"]),
    ],
)
def test_bad_images(lab, shape, fill, words):
    graph = Graph()
    image = graph.add("LabTensor", shape=shape, fill=fill)
    graph.tell(graph.world(image=[image, 0]), 0)
    message = refused(lab, graph)
    assert "GWMNewWorld" in message and all(word in message for word in words), message


@pytest.mark.parametrize(
    ("shape", "fill", "words"),
    [
        ("1,64,64,3", "nan", ["depth", "NaN"]),
        ("3", "0.5", ["depth", "MASK"]),
        ("1,64,64,3", "0.5", ["depth"]),
    ],
)
def test_bad_depth(lab, shape, fill, words):
    graph = Graph()
    image = graph.add("LabTensor", shape="1,64,64,3", fill="picture")
    depth = graph.add("LabTensor", shape=shape, fill=fill)
    kind = "metres" if fill == "0.5" and shape != "3" else "near is white"
    if kind == "metres":
        graph.prompt[depth]["inputs"]["fill"] = "-1"
    graph.tell(graph.world(image=[image, 0], depth=[depth, 0], depth_is=kind), 0)
    message = refused(lab, graph)
    assert "GWMNewWorld" in message and all(word in message for word in words), message


def test_depth_without_image(lab):
    graph = Graph()
    depth = graph.add("LabTensor", shape="1,64,64", fill="0.5")
    graph.tell(graph.world(depth=[depth, 1]), 0)
    assert "wire that into 'image'" in refused(lab, graph)


@pytest.mark.parametrize("shape", ["1,90,160,4", "1,33,57,1", "3,200,100,3"])
def test_odd_but_fine_images(lab, shape):
    graph = Graph()
    image = graph.add("LabTensor", shape=shape, fill="half")
    node = graph.tell(graph.world(image=[image, 0]), 1)
    assert "[1, 160, 256, 3]" in told(lab.queue(graph.prompt), node)


@pytest.mark.parametrize(
    "file",
    [
        "../../secret.gwm [output]",
        "/etc/passwd [input]",
        "nothing.gwm [output]",
        "example.png [input]",
        "worlds\\..\\..\\x.gwm [output]",
    ],
)
def test_world_files_outside_the_folders(lab, file):
    (lab.base_dir.parent / "secret.gwm").write_bytes(b"secret")
    graph = Graph()
    model = graph.add("GWMLoadModel", model_name="gwm-rooms", device="default")
    graph.tell(graph.add("GWMLoadWorld", model=[model, 0], file=file), 0)
    assert "file" in refused(lab, graph)


def test_damaged_world_files(lab):
    folder = lab.base_dir / "output" / "worlds"
    graph = Graph()
    step = graph.step(graph.world(), 0, "W*2")
    name = graph.tell(graph.add("GWMSaveWorld", world=[step, 5], filename_prefix="worlds/whole"), 0)
    file = told(lab.queue(graph.prompt), name).removeprefix("str ").removesuffix(" [output]")
    data = (lab.base_dir / "output" / file).read_bytes()
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0xFF
    for stem, content in {
        "cut": data[: len(data) // 2],
        "flipped": bytes(damaged),
        "empty": b"",
        "foreign": b"PK\x03\x04 not a world at all",
    }.items():
        (folder / f"{stem}.gwm").write_bytes(content)
        graph = Graph()
        model = graph.add("GWMLoadModel", model_name="gwm-rooms", device="default")
        graph.tell(
            graph.add("GWMLoadWorld", model=[model, 0], file=f"worlds/{stem}.gwm [output]"), 0
        )
        message = refused(lab, graph)
        assert "GWMLoadWorld" in message and f"{stem}.gwm" in message, message


def test_save_outside_the_output_folder(lab):
    graph = Graph()
    graph.add("GWMSaveWorld", world=[graph.world(), 0], filename_prefix="../../escaped")
    refused(lab, graph)
    assert not list(lab.base_dir.parent.glob("escaped*"))


def test_models_of_the_extra_folder_and_damaged_ones(lab, extra_models):
    (source,) = EMBEDDED.glob("gwm-rooms.safetensors")
    data = source.read_bytes()
    for path in EMBEDDED.glob("gwm-rooms*.safetensors"):
        shutil.copy(path, extra_models / path.name.replace("gwm-rooms", "mine"))
    (extra_models / "cut.safetensors").write_bytes(data[: len(data) // 2])
    (extra_models / "foreign.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    try:
        spec = lab.client.object_info()["GWMLoadModel"]["input"]["required"]["model_name"]
        names = spec[1]["options"]
        assert names[0] == "gwm-rooms" and "mine.safetensors" in names
        assert not any(".bank." in name for name in names)
        for name, wrong in (("mine", False), ("cut", True), ("foreign", True)):
            graph = Graph()
            model = graph.add("GWMLoadModel", model_name=f"{name}.safetensors", device="cpu")
            graph.tell(model, 1)
            if wrong:
                message = refused(lab, graph)
                assert "GWMLoadModel" in message and f"{name}.safetensors" in message
            else:
                lab.queue(graph.prompt)
        graph = Graph()
        graph.tell(graph.add("GWMLoadModel", model_name="../../x.safetensors", device="cpu"), 1)
        assert "not in list" in refused(lab, graph)
    finally:
        for path in extra_models.glob("*.safetensors"):
            path.unlink()


def test_wan_length_and_too_many_frames(lab):
    graph = Graph()
    step = graph.step(graph.world(), 0, "W*4")
    common = {"width": 64, "height": 64, "scale": 1.0, "last_ticks": 0}
    graph.tell(graph.add("GWMCameraToWan", world=[step, 5], length=6, **common), 1)
    assert "4n+1" in refused(lab, graph)
    graph = Graph()
    world = graph.world()
    graph.tell(graph.add("GWMCameraToWan", world=[world, 0], length=5, **common), 1)
    assert "nothing has been walked" in refused(lab, graph)
    graph = Graph()
    step = graph.step(graph.world(), 0, "W*4")
    images = graph.add("LabTensor", shape="100,16,16,3", fill="0.5")
    graph.tell(
        graph.add("GWMCameraToWan", world=[step, 5], images=[images, 0], length=5, **common),
        4,
    )
    assert "100 frames" in refused(lab, graph)


def test_choices_that_do_not_exist(lab):
    graph = Graph()
    graph.tell(graph.world(depth_is="sideways"), 0)
    assert "near is white" in refused(lab, graph)
    graph = Graph()
    graph.tell(graph.add("GWMCameraPath", move="fly", seconds=1.0, turn=0.0, tilt=0.0), 0)
    assert "no move is called 'fly'" in refused(lab, graph)
