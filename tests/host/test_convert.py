"""From the editor's workflow to the API form."""

import pytest

from gwm_core.cli.convert import is_prompt, to_prompt
from gwm_core.cli.errors import CommandError

INFO = {
    "Source": {
        "input": {
            "required": {
                "name": ["STRING", {"default": "x"}],
                "seed": ["INT", {"default": 3}],
                "mode": [["a", "b"], {}],
                "fixed": ["INT", {"default": 1, "control_after_generate": False}],
            }
        },
        "display_name": "A Source",
    },
    "Pass": {
        "input": {
            "required": {"thing": ["THING", {}]},
            "optional": {"amount": ["FLOAT", {"default": 0.5}], "held": ["INT", {"forceInput": 1}]},
        }
    },
    "Sink": {"input": {"required": {"thing": ["THING", {}], "also": ["THING", {}]}}},
    "Upload": {
        "input": {
            "required": {"image": [["p.png"], {"image_upload": True}]},
            "optional": {"note": ["STRING", {}]},
        }
    },
}


def node(node_id, kind, links=(), values=(), mode=0, **more):
    inputs = [{"name": name, "type": type_, "link": link} for name, type_, link in links]
    base = {"id": node_id, "type": kind, "inputs": inputs, "widgets_values": list(values)}
    return {**base, "mode": mode, "outputs": [{"name": "thing", "type": "THING"}], **more}


def flow(nodes, links, **more):
    return {"nodes": nodes, "links": [[*link, "THING"] for link in links], **more}


def test_widgets_skip_what_belongs_to_the_editor():
    workflow = flow([node(1, "Source", values=["hall", 9, "randomize", "b", 4])], [])
    prompt = to_prompt(workflow, INFO)
    assert prompt["1"]["inputs"] == {"name": "hall", "seed": 9, "mode": "b", "fixed": 4}
    assert prompt["1"]["_meta"]["title"] == "A Source"
    assert is_prompt(prompt) and not is_prompt(workflow)


def test_missing_values_take_defaults_and_upload_button_is_no_value():
    prompt = to_prompt(
        flow([node(1, "Source"), node(2, "Upload", values=["q.png", "image", "n"])], []), INFO
    )
    assert prompt["1"]["inputs"] == {"name": "x", "seed": 3, "mode": "a", "fixed": 1}
    assert prompt["2"]["inputs"] == {"image": "q.png", "note": "n"}


@pytest.mark.parametrize(
    ("mode", "expected"), [(0, ["2", 0]), (4, ["1", 0]), (2, None)], ids=["on", "bypass", "mute"]
)
def test_bypass_hands_on_and_mute_cuts(mode, expected):
    workflow = flow(
        [
            node(1, "Source"),
            node(2, "Pass", [("thing", "THING", 1)], [0.7], mode),
            node(3, "Sink", [("thing", "THING", 2)]),
        ],
        [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0)],
    )
    prompt = to_prompt(workflow, INFO)
    assert prompt["3"]["inputs"].get("thing") == expected
    assert ("2" in prompt) == (mode == 0)


def test_reroutes_primitives_and_notes():
    workflow = flow(
        [
            node(1, "Source", [("seed", "INT", 3)], ["n", 0, "fixed", "a", 1]),
            node(2, "Reroute", [("", "*", 1)]),
            node(3, "Sink", [("thing", "THING", 2)]),
            node(4, "PrimitiveNode", values=[77, "fixed"]),
            node(5, "MarkdownNote", values=["hello"]),
        ],
        [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0), (3, 4, 0, 1, 0)],
    )
    prompt = to_prompt(workflow, INFO)
    assert set(prompt) == {"1", "3"}
    assert prompt["3"]["inputs"]["thing"] == ["1", 0]
    assert prompt["1"]["inputs"]["seed"] == 77


def test_subgraph_is_unfolded():
    def link(i, origin, target):
        return {
            "id": i,
            "origin_id": origin,
            "origin_slot": 0,
            "target_id": target,
            "target_slot": 0,
            "type": "THING",
        }

    inner = {
        "id": "sub",
        "nodes": [node(1, "Pass", [("thing", "THING", 1)], [0.9])],
        "links": [link(1, -10, 1), link(2, 1, -20)],
    }
    workflow = flow(
        [
            node(1, "Source"),
            node(2, "sub", [("thing", "THING", 1)]),
            node(3, "Sink", [("thing", "THING", 2)]),
        ],
        [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0)],
        definitions={"subgraphs": [inner]},
    )
    prompt = to_prompt(workflow, INFO)
    assert prompt["3"]["inputs"]["thing"] == ["2:1", 0]
    assert prompt["2:1"]["inputs"] == {"thing": ["1", 0], "amount": 0.9}


def test_bad_workflows_are_named():
    with pytest.raises(CommandError, match="no node Unheard"):
        to_prompt(flow([node(1, "Unheard")], []), INFO)
    with pytest.raises(CommandError, match="nodes"):
        to_prompt({"links": []}, INFO)
