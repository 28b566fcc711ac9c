"""Open weights in the page: tiny twins of each family played with real keys, and the download that
the example offers."""

from __future__ import annotations

import pytest
from PIL import Image

from gwm_core.backbones.tiny_models import write_twin
from gwm_core.cli.client import failure_of

from ..nodes.graph import example
from ..nodes.twins import wanted
from .play import Play, fit
from .test_queue import finished

EXAMPLE = "18_waypoint_from_a_picture"
FAMILIES = {
    "waypoint": ("waypoint", "360P"),
    "matrix": ("matrix-game-2", "universal"),
    "wan": ("causal-wan", "self_forcing"),
}
# One frontend and one renderer: what differs between them is the player's, tested in test_play.
pytestmark = pytest.mark.parametrize(
    ("frontend_comfy", "editor"), [("bundled", "litegraph")], indirect=True, scope="module"
)


@pytest.fixture(scope="module")
def twins(editor, tmp_path_factory):
    """The names of the networks in the server's folders, by family; the editor knows them."""
    made, models = tmp_path_factory.mktemp("twins"), editor.comfy.base_dir / "models"
    names, placed = {}, []
    for family, (kind, variant) in FAMILIES.items():
        files = write_twin(made, kind, variant)
        names[family] = files[0].name
        for file, folder in zip(files, ("diffusion_models", "vae_approx"), strict=True):
            (models / folder).mkdir(parents=True, exist_ok=True)
            placed.append(file.replace(models / folder / file.name))
    picture = Image.radial_gradient("L").resize((200, 120))
    Image.merge("RGB", (picture, picture.transpose(0), picture)).save(
        editor.comfy.base_dir / "input" / "example.png"
    )
    editor.open()
    yield names
    for path in placed:
        path.unlink()
    editor.load({"nodes": [], "links": [], "version": 0.4})


def workflow(network: str, picture: bool, prompt: str) -> dict:
    """The example with another network, and without a walk."""
    made = example(EXAMPLE)
    del made["models"]
    by = {node["type"]: node for node in made["nodes"]}
    load, world = by["GWMLoadModel"], by["GWMNewWorld"]
    del load["properties"]["models"]
    load["widgets_values"] = [network, "default", "automatic", "never"]
    world["widgets_values"][0] = prompt
    by["GWMPlayWorld"]["widgets_values"][0] = ""
    if not picture:
        (link,) = [i["link"] for i in world["inputs"] if i["name"] == "image"]
        made["links"] = [wire for wire in made["links"] if wire[0] != link]
        next(i for i in world["inputs"] if i["name"] == "image")["link"] = None
        by["LoadImage"]["outputs"][0]["links"] = None
    return made


def held(walk: dict, name: str) -> bool:
    """Whether a control was pressed anywhere in a walk."""
    column = walk["controls"]["columns"].get(name)
    return column is not None and any(part.split("*")[0] != "0" for part in column[1].split())


@pytest.mark.parametrize(("family", "key", "control", "keys", "reads"), [
    ("waypoint", "w", "W", ["run (Shift)", "the game's Tab"], False),
    ("matrix", "ArrowLeft", "left", ["turn left"], False),
    ("wan", None, None, [], True),
])
def test_a_family_is_played_with_its_own_controls(
    editor, twins, family, key, control, keys, reads
):
    editor.errors.clear()
    editor.load(workflow(twins[family], not reads, "a hall" if reads else ""))
    fit(editor)
    player = Play(editor)
    player.until("p")
    player.play()
    before = player.pixels()
    if key is not None:
        names = player.get("track.names")
        assert control in names and "throw" not in names
        assert player.get("embodiment.controls.map(({ name }) => name)")[0] == names[0]
        editor.page.keyboard.down(key)
    start = player.get("ticks")
    player.until(f"p.ticks >= {start} + 7")
    if key is not None:
        editor.page.keyboard.up(key)
    assert player.pixels() != before
    player.press("helpButton")
    panel = player.root.locator(".gwm-play-help dl")
    panel.wait_for()
    for text in keys:
        assert text in panel.inner_text()
    assert "throw" not in panel.inner_text().lower()
    player.press("help")
    field = player.root.locator(".gwm-play-event")
    field.fill("the lights go out")
    field.press("Enter")
    said = player.root.locator(".gwm-play-said").filter(has_text="reads no words")
    if reads:
        player.until("p.track.events.length === 1")
    else:
        said.wait_for()
    now = player.get("ticks")
    player.until(f"p.ticks >= {now} + 4")
    assert said.count() == (0 if reads else 1)
    player.press("play")
    player.until("p.state === 'paused'")
    editor.shot(f"open-{family}")
    whole, block = player.walk, player.get("embodiment.extra?.block_ticks ?? 1")
    if key is not None:
        assert held(whole, control)
    # Back to the first block and on from there: what came after is cut.
    end = player.pixels()
    player.get(f"seek({block})")
    player.until(f"p.cursor === {block} && p.state === 'paused'")
    editor.page.wait_for_function(f"(end) => {player.js}.view.canvas.toDataURL() !== end", arg=end)
    assert player.walk == whole
    player.press("big")
    player.until(f"p.state === 'playing' && p.ticks === p.cursor && p.ticks > {block} + 2")
    player.press("play")
    player.until("p.state === 'paused'")
    walk = player.walk
    assert walk != whole and walk["controls"]["ticks"] % block == 0
    known = set(editor.comfy.client.call("/history"))
    editor.page.evaluate("async () => { await window.app.queuePrompt(0, 1) }")
    entry = finished(editor, known)
    assert failure_of(entry) is None
    (told,) = [out["gwm_play"][0] for out in entry["outputs"].values() if "gwm_play" in out]
    assert told["same"] is True and told["ticks"] == walk["controls"]["ticks"]
    assert editor.own_errors() == []


def test_a_walk_keeps_how_its_ticks_were_computed(editor, twins):
    """Compiled layers come with graphics cards alone: here a header says it in their place."""
    editor.errors.clear()
    editor.load(workflow(twins["waypoint"], True, ""))
    fit(editor)
    player = Play(editor)
    player.until("p")
    player.play()
    player.press("play")
    player.until("p.state === 'paused'")
    before = player.walk
    assert "computed" not in before["of"]
    editor.page.evaluate(f"""() => {{
        const {{ keeper, ticks }} = {player.js};
        const row = keeper.track.names.map(() => 0);
        keeper.append({{ tick: ticks + 1, rows: [row], events: [], hash: "0", computed: [3] }});
        keeper.commit();
    }}""")
    assert player.walk["of"] == {**before["of"], "computed": [3]}
    assert editor.own_errors() == []


def test_the_example_offers_its_files(editor):
    """ComfyUI's own dialog: both files, where they go and where they come from."""
    made = example(EXAMPLE)
    editor.page.evaluate("(data) => { window.app.loadGraphData(data) }", made)
    dialog = editor.page.locator(".p-dialog", has_text="issing")
    dialog.wait_for()
    text = dialog.inner_text()
    for file in wanted(made):
        assert f"{file['directory']} / {file['name']}" in text
        assert dialog.locator(f'[title="{file["url"]}"]').count() >= 1
    assert "not allowed" not in text and "Invalid directory" not in text
    editor.shot("missing-models")
    editor.page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
