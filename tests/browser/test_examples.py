"""Every example opens in the editor, in both renderers of the oldest and newest frontend."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from gwm_core.cli.convert import to_prompt, widget_values
from gwm_core.cli.studio import OPENABLE, example_url, first_example

from ..nodes.twins import standing_in, wanted

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "example_workflows").glob("*.json"))


def bare(prompt: dict, info: dict) -> dict:
    """A prompt without titles and without widgets that only the editor knows (Preview as Text
    has one that shows the text)."""

    def known(node: dict) -> dict:
        sections = info[node["class_type"]]["input"]
        names = {name for section in sections.values() for name in section}
        inputs = {name: value for name, value in node["inputs"].items() if name in names}
        return {"class_type": node["class_type"], "inputs": inputs}

    return {node_id: known(node) for node_id, node in prompt.items()}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_opens(editor, example):
    workflow = json.loads(example.read_text(encoding="utf-8"))
    # with its files there: without them the host shows its dialog first (test_open_weights)
    models = editor.comfy.base_dir / "models"
    with standing_in(workflow, models) if wanted(workflow) else nullcontext():
        opens(editor, example.stem, workflow)


def opens(editor, name, workflow):
    info = editor.comfy.client.object_info()
    editor.errors.clear()
    editor.load(workflow)
    nodes = {node["id"]: node for node in editor.nodes()}
    assert set(nodes) == {str(node["id"]) for node in workflow["nodes"]}
    for node in workflow["nodes"]:
        shown = nodes[str(node["id"])]
        if node["type"] in info:
            expected = widget_values(node, info[node["type"]])
            assert {name: shown["widgets"].get(name) for name in expected} == expected
    if editor.renderer == "vue":
        for node in workflow["nodes"]:
            editor.page.wait_for_selector(f'[data-node-id="{node["id"]}"]', state="attached")
    editor.shot(name)
    assert bare(editor.prompt(), info) == bare(to_prompt(workflow, info), info)
    assert editor.own_errors() == []


def test_studio_address_opens_the_first_example(editor):
    example = first_example(ROOT, None)
    assert example is not None
    workflow = json.loads((ROOT / "example_workflows" / f"{example}.json").read_text())
    address = example_url("", editor.comfy.pack_name, example)
    editor.open(address)
    editor.page.wait_for_function(
        "(count) => window.app.graph.nodes.length === count", arg=len(workflow["nodes"])
    )
    assert {n["type"] for n in editor.nodes()} == {n["type"] for n in workflow["nodes"]}
    assert editor.own_errors() == []
    editor.shot("studio")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_name_can_be_opened_by_address_and_has_a_thumbnail(example):
    assert OPENABLE.match(example.stem)
    assert example.with_suffix(".jpg").is_file()
