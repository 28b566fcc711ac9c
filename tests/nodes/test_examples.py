"""Every example workflow, queued in the real server; Wan's part up to the sampler's inputs."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext

import av
import pytest

from gwm_core.cli.client import PromptFailed

from .graph import EXAMPLES, Graph, example, told
from .twins import standing_in, wanted

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.json"))
WAN = "5_walk_to_native_wan"
#: Played with files that a user downloads; tiny twins stand in for them here.
OPEN_WEIGHTS = "18_waypoint_from_a_picture"


def shorten(prompt: dict) -> dict:
    """The same prompt with fewer Wan frames and pixels, fewer robot runs and smaller faces, so that
    the test is quick."""
    for node in prompt.values():
        if node["class_type"] == "GWMCameraToWan":
            node["inputs"].update(width=192, height=112, length=21)
        elif node["class_type"] == "GWMEvaluatePolicies":
            node["inputs"].update(starts=1, ticks=20)
        elif node["class_type"] == "GWMRobotRollout":
            node["inputs"].update(runs=min(2, node["inputs"]["runs"]), ticks=30)
        elif node["class_type"] in ("GWMDriveAvatar", "GWMConversation"):
            node["inputs"].update(size=128, max_frames=25)
        elif node["class_type"] == "GWMStoryboard":
            node["inputs"].update(width=160, height=90, text=shorter(node["inputs"]["text"]))
        elif node["class_type"] == "GWMShot" and not node["inputs"]["seen"]:
            node["inputs"].update(seconds=1.0, happens="0.2: Q", camera="stand still")
        elif node["class_type"] == "GWMRetake":
            node["inputs"].update(start=0.2, end=0.8)
        elif node["class_type"] == "GWMStepWorld" and "with_sound" in str(prompt):
            node["inputs"].update(text="idle*2 Q idle*10")
    return prompt


def shorter(text: str) -> str:
    """A storyboard's first shot, a second long and without its line, and the first of those in
    which somebody is seen."""
    head, *shots = text.split("\n\n")
    if not shots:
        return text
    room = re.sub(r"\nAda.*", "", re.sub(r", \d+ s", ", 1 s", shots[0]))
    room = room.replace("look around", "stand still").replace("at 2 s", "at 0.2 s")
    return "\n\n".join([head, room, next(shot for shot in shots if "seen:" in shot)])


@pytest.mark.parametrize("name", NAMES)
def test_example_runs(lab, name):
    workflow = example(name)
    asks = bool(wanted(workflow))
    assert asks == (name == OPEN_WEIGHTS)
    with standing_in(workflow, lab.base_dir / "models") if asks else nullcontext():
        entry = lab.queue(shorten(lab.convert(workflow)), timeout=280)
    files = lab.outputs(entry)
    assert files and all(file.stat().st_size > 500 for file in files)
    for file in (f for f in files if f.suffix == ".mp4"):
        with av.open(str(file)) as video:
            assert video.streams.video[0].frames > 12, file.name
            if not any(silent in file.name for silent in ("wan_depth", "robot", "waypoint")):
                assert video.streams.audio, f"{file.name} has no sound"
            assert "prompt" in video.metadata, "the host embeds the workflow"


def test_without_its_files_an_example_says_what_is_missing(lab):
    with pytest.raises(PromptFailed) as failure:
        lab.queue(lab.convert(example(OPEN_WEIGHTS)))
    assert "'waypoint-1.5-1b.safetensors' is not in list" in str(failure.value)
    workflow = example(OPEN_WEIGHTS)
    with standing_in(workflow, lab.base_dir / "models") as (_, decoder):
        aside = decoder.rename(decoder.with_suffix(".aside"))
        try:
            with pytest.raises(PromptFailed) as failure:
                lab.queue(lab.convert(workflow))
        finally:
            aside.rename(decoder)
    assert "'waypoint-1.5-1b_vae.safetensors' is not there" in str(failure.value)
    assert "models/vae_approx" in str(failure.value)


def test_files_to_download_are_published_safetensors():
    """What the host's dialog needs: a name that a widget holds, an address that it allows."""
    workflow = example(OPEN_WEIGHTS)
    (node,) = [n for n in workflow["nodes"] if "models" in n["properties"]]
    files = node["properties"]["models"]
    assert workflow["models"] == files and len(files) == 2
    for file in files:
        assert file["name"] in node["widgets_values"] and file["name"].endswith(".safetensors")
        assert file["url"].startswith("https://huggingface.co/Overworld/Waypoint-1.5-1B/resolve/")
        assert file["url"].endswith(".safetensors")
    assert [f["directory"] for f in files] == ["diffusion_models", "vae_approx"]
    assert re.fullmatch("[0-9a-f]{64}", files[0]["hash"]) and files[0]["hash_type"] == "SHA256"


@pytest.mark.parametrize("name", NAMES)
def test_example_is_clean(name):
    text = (EXAMPLES / f"{name}.json").read_text()
    assert not re.search(r"/(root|home|work|tmp)/", text)
    data = json.loads(text)
    assert data["version"] == 0.4 and data["nodes"][0]["type"] == "MarkdownNote"
    for node in data["nodes"]:
        if node["type"].startswith("GWM"):
            assert node["properties"]["cnr_id"] == "gwm"


def test_wan_part_up_to_the_samplers_inputs(lab):
    workflow = example(WAN)
    for node in workflow["nodes"]:
        node["mode"] = 0
    prompt = shorten(lab.convert(workflow))
    lab_node = "900"
    prompt[lab_node] = {"class_type": "LabConditioning", "inputs": {}}
    kinds = {node["class_type"]: key for key, node in prompt.items()}
    encoders = [k for k, n in prompt.items() if n["class_type"] == "CLIPTextEncode"]
    for kind in ("WanCameraImageToVideo", "WanFunControlToVideo"):
        inputs = prompt[kinds[kind]]["inputs"]
        assert {inputs["positive"][0], inputs["negative"][0]} == set(encoders)
        inputs.update(positive=[lab_node, 0], negative=[lab_node, 0], vae=[lab_node, 1])
    sampler = prompt[kinds["KSampler"]]["inputs"]
    assert sampler["positive"] == [kinds["WanCameraImageToVideo"], 0]
    weights = ("UNETLoader", "CLIPLoader", "VAELoader", "CLIPTextEncode", "KSampler", "VAEDecode")
    gone = {k for k, n in prompt.items() if n["class_type"] in weights}
    decode = kinds["VAEDecode"]
    gone |= {k for k, n in prompt.items() if n["inputs"].get("images") == [decode, 0]}
    gone |= {k for k, n in prompt.items() if n["inputs"].get("video", [None])[0] in gone}
    prompt = {k: n for k, n in prompt.items() if k not in gone}
    for key, kind, slot in (
        ("901", "WanCameraImageToVideo", 0),
        ("902", "WanCameraImageToVideo", 2),
        ("903", "WanFunControlToVideo", 0),
    ):
        prompt[key] = {"class_type": "LabTell", "inputs": {"value": [kinds[kind], slot]}}
    entry = lab.queue(prompt)
    positive, latent, depth = (told(entry, key) for key in ("901", "902", "903"))
    assert "camera_conditions: torch.float32 [1, 24, 6, 112, 192]" in positive
    assert "concat_latent_image" in positive and "concat_mask" in positive
    assert "samples: torch.float32 [1, 16, 6, 14, 24]" in latent
    assert "concat_latent_image" in depth


def test_camera_embedding_is_the_hosts_own(lab):
    graph = Graph()
    step = graph.step(graph.world(), 0, "W+look(+8,+2)*10 A+look(-20,0)*8")
    size = {"width": 96, "height": 64, "length": 21}
    wan = graph.add("GWMCameraToWan", world=[step, 5], scale=1.0, last_ticks=0, **size)
    reference = graph.add("LabWanReference", world=[step, 5], **size)
    own, hosts = graph.tell(wan, 0), graph.tell(reference, 0)
    entry = lab.queue(graph.prompt)
    assert "[1, 24, 6, 64, 96]" in told(entry, own)
    assert told(entry, own) == told(entry, hosts)
