"""The dots over a Character's portrait, in both renderers of the oldest and newest frontend."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from gwm_core.avatars.character import Character

SIZE = (240, 300)


def workflow() -> dict:
    """Load Image into a Character."""
    return {
        "last_node_id": 2, "last_link_id": 1, "version": 0.4, "links": [[1, 1, 0, 2, 0, "IMAGE"]],
        "nodes": [
            {"id": 1, "type": "LoadImage", "pos": [40, 80], "size": [280, 320], "flags": {},
             "order": 0, "mode": 0, "properties": {}, "inputs": [],
             "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]},
                         {"name": "MASK", "type": "MASK", "links": None}],
             "widgets_values": ["faces/portrait.png", "image"]},
            {"id": 2, "type": "GWMCharacter", "pos": [380, 80], "size": [420, 620], "flags": {},
             "order": 1, "mode": 0, "properties": {},
             "inputs": [{"name": "image", "type": "IMAGE", "link": 1}], "outputs": [],
             "widgets_values": ["Ada", 1.0, ""]},
        ],
    }


@pytest.fixture
def page(editor):
    """The open workflow's page."""
    folder = editor.comfy.base_dir / "input" / "faces"
    folder.mkdir(exist_ok=True)
    x = np.linspace(60, 180, SIZE[0]).astype(np.uint8)
    Image.fromarray(np.broadcast_to(x[None, :, None], (SIZE[1], SIZE[0], 3)).copy()).save(
        folder / "portrait.png")
    editor.errors.clear()
    editor.load(workflow())
    editor.page.wait_for_function(
        "() => document.querySelector('[data-anchor=chin]')?.checkVisibility()")
    return editor.page


def anchors(editor) -> dict:
    """What the node would be queued with."""
    (node,) = (n for n in editor.prompt().values() if n["class_type"] == "GWMCharacter")
    return json.loads(node["inputs"]["anchors"] or "{}")


def middle(page, name: str) -> tuple[float, float]:
    box = page.locator(f"[data-anchor={name}]").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, name: str, right: float, down: float) -> None:
    x, y = middle(page, name)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y + down / 2)
    page.mouse.move(x + right, y + down)
    page.mouse.up()


def test_dots_begin_where_a_face_in_the_middle_has_them(editor, page):
    left, right, chin = (middle(page, name) for name in ("eye_left", "eye_right", "chin"))
    box = page.locator("[data-anchor=chin]").locator("..").bounding_box()
    points = Character.default_points(*SIZE)
    assert abs((chin[0] - box["x"]) / box["width"] - points[4, 0] / SIZE[0]) < 0.01
    assert abs((chin[1] - box["y"]) / box["height"] - points[4, 1] / SIZE[1]) < 0.01
    assert left[0] < chin[0] < right[0] and anchors(editor) == {}


def test_a_dragged_dot_is_kept_and_can_be_forgotten(editor, page):
    place = page.evaluate("() => [...window.app.graph.nodes.find(n => n.id == 2).pos]")
    before = middle(page, "mouth_left")
    drag(page, "mouth_left", -20, 14)
    moved = middle(page, "mouth_left")
    assert abs(moved[0] - before[0] + 20) < 2 and abs(moved[1] - before[1] - 14) < 2
    kept = anchors(editor)
    assert set(kept) == {"mouth_left"} and 0.2 < kept["mouth_left"][0] < 0.4
    drag(page, "chin", 0, 30)
    assert set(anchors(editor)) == {"mouth_left", "chin"}
    editor.shot("character")
    page.locator("[data-anchor=mouth_left]").dblclick()
    assert set(anchors(editor)) == {"chin"}
    page.get_by_role("button", name="Find again").click()
    assert anchors(editor) == {}
    after = page.evaluate("() => [...window.app.graph.nodes.find(n => n.id == 2).pos]")
    assert after == place, "the node itself was dragged"
    assert editor.own_errors() == []


def test_keys_move_a_dot_and_not_the_graph(editor, page):
    dot = page.locator("[data-anchor=eye_right]")
    dot.focus()
    page.keyboard.press("ArrowRight")
    first = anchors(editor)["eye_right"]
    page.keyboard.press("Shift+ArrowDown")
    second = anchors(editor)["eye_right"]
    assert second[0] == first[0] and second[1] == pytest.approx(first[1] + 0.02, abs=1e-3)
    page.keyboard.press("Delete")
    assert anchors(editor) == {} and len(editor.nodes()) == 2


def test_a_run_shows_where_the_points_are(editor, page):
    drag(page, "chin", 10, 10)
    kept = anchors(editor)["chin"]
    page.evaluate("() => window.app.queuePrompt(0)")
    line = page.locator("[role=status]", has_text="face")
    line.filter(has_text="Drag the dots").wait_for(timeout=60_000)
    page.wait_for_function(
        "() => document.querySelector('[data-anchor=chin]').parentElement"
        ".querySelector('img').src.includes('portrait_')", timeout=60_000)
    shown = page.evaluate("() => window.app.graph.nodes.find(n => n.id == 2)"
                          ".widgets.find(w => w.name == 'gwm_anchors').anchors.found.anchors.chin")
    assert shown == pytest.approx(kept, abs=0.002) and editor.own_errors() == []


def test_an_example_is_shown_before_a_run(editor, page):
    data = workflow()
    data["nodes"][0].update(type="GWMExampleAvatar", widgets_values=["rabbit", "song"], outputs=[
        {"name": "image", "type": "IMAGE", "links": [1]},
        {"name": "audio", "type": "AUDIO", "links": None}])
    editor.load(data)
    page.wait_for_function(
        "() => document.querySelector('[data-anchor=chin]')?.checkVisibility() && document"
        ".querySelector('[data-anchor=chin]').parentElement.querySelector('img').naturalWidth"
        " === 512")
    assert anchors(editor) == {} and editor.own_errors() == []
