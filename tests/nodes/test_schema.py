"""Every node is described, documented and translated, as the real server serves it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FROZEN = {
    "GWMLoadModel",
    "GWMNewWorld",
    "GWMControls",
    "GWMCameraPath",
    "GWMJoinControls",
    "GWMControlsFromVideo",
    "GWMStepWorld",
    "GWMPlayWorld",
    "GWMWorldEvent",
    "GWMBranchWorld",
    "GWMSaveWorld",
    "GWMLoadWorld",
    "GWMCameraToWan",
    "GWMRobotPolicy",
    "GWMRobotRollout",
    "GWMCounterfactuals",
    "GWMEvaluatePolicies",
    "GWMFindViolations",
    "GWMSaveRobotDataset",
    "GWMLoadRobotDataset",
    "GWMExampleAvatar",
    "GWMCharacter",
    "GWMDriveAvatar",
    "GWMConversation",
    "GWMLiveAvatar",
    "GWMLipSyncReport",
    "GWMCastMember",
    "GWMShot",
    "GWMStoryboard",
    "GWMGenerateVideo",
    "GWMRetake",
    "GWMAddSound",
    "GWMAVSyncReport",
    "GWMToLTX",
}


@pytest.fixture(scope="module")
def info(_lab_server) -> dict:
    found = _lab_server.client.object_info()
    return {name: node for name, node in found.items() if name.startswith("GWM")}


def inputs_of(node: dict) -> dict:
    return {**node["input"].get("required", {}), **node["input"].get("optional", {})}


def node_defs(info: dict) -> dict:
    """What locales/en/nodeDefs.json must hold, made from the nodes themselves."""
    return {
        name: {
            "display_name": node["display_name"],
            "description": node["description"],
            "inputs": {
                key: {"name": key, "tooltip": spec[1]["tooltip"]}
                for key, spec in inputs_of(node).items()
            },
            "outputs": {
                str(i): {"name": label, "tooltip": tip}
                for i, (label, tip) in enumerate(
                    zip(node["output_name"], node["output_tooltips"], strict=True)
                )
            },
        }
        for name, node in sorted(info.items())
    }


def shape(value):
    """The keys of a nested dict without its texts."""
    return {key: shape(value[key]) for key in value} if isinstance(value, dict) else None


def test_ids_are_the_frozen_ones(info):
    assert set(info) == FROZEN


def test_everything_is_described(info):
    for name, node in info.items():
        assert len(node["description"]) > 20, name
        assert node["display_name"] != name
        for key, spec in inputs_of(node).items():
            assert spec[1].get("tooltip"), f"{name}.{key}"
        for label, tip in zip(node["output_name"], node["output_tooltips"], strict=True):
            assert tip, f"{name}.{label}"
            assert not label.isupper(), f"{name}: an output is named after its type"


def test_seed_does_not_change_by_itself(info):
    kind, options = info["GWMNewWorld"]["input"]["required"]["seed"]
    assert kind == "INT" and options["control_after_generate"] is False


def test_help_pages_are_served(info, _lab_server):
    for name in info:
        page = f"{_lab_server.url}/extensions/{_lab_server.pack_name}/docs/{name}.md"
        text = urllib.request.urlopen(page).read().decode()
        node = info[name]
        assert text.startswith(f"# {node['display_name']}\n"), name
        for word in [*inputs_of(node), *node["output_name"]]:
            if word not in ("controls_1", "controls_2", "controls_3"):
                assert f"**{word}**" in text, f"{name}: its help does not explain {word}"


def test_locales_match_the_nodes(info):
    english = json.loads((ROOT / "locales/en/nodeDefs.json").read_text())
    assert english == node_defs(info)
    german = json.loads((ROOT / "locales/de/nodeDefs.json").read_text())
    assert shape(german) == shape(english)


def test_locales_are_served(_lab_server):
    served = _lab_server.client.call("/i18n")
    assert served["de"]["nodeDefs"]["GWMStepWorld"]["display_name"] == "Welt weiterspielen"
    assert served["en"]["nodeDefs"]["GWMStepWorld"]["display_name"] == "Step World"


def test_examples_are_listed_with_pictures(_lab_server):
    templates = _lab_server.client.call("/workflow_templates")
    names = templates[_lab_server.pack_name]
    there = {path.stem for path in (ROOT / "example_workflows").glob("*.json")}
    assert set(names) == there and sorted(names)[0] == "0_play_a_world" and len(names) >= 15
    for name in names:
        url = f"{_lab_server.url}/api/workflow_templates/{_lab_server.pack_name}/{name}.jpg"
        assert urllib.request.urlopen(url).read()[:2] == b"\xff\xd8", name


def test_front_end_files_are_served_once(_lab_server):
    files = [f for f in _lab_server.client.call("/extensions") if "gwm" in f.lower()]
    # "/extensions/<pack>/<file>": a pack that is served twice has two names.
    assert len(files) == len({f.split("/", 3)[3] for f in files}) >= 1
