"""The live avatar in the page: microphone and file, what is recorded, and what may go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

VOICE = Path(__file__).parents[2] / "example_workflows" / "avatars" / "monologue.ogg"
NODE = "app.graph.nodes.find((node) => node.type === 'GWMLiveAvatar')"
PANEL = f"{NODE}.widgets.find((widget) => widget.name === 'avatar').panel"
TAKE = f"{NODE}.widgets.find((widget) => widget.name === 'take')"
WITHIN = 60_000
BUILD = """async () => {
  app.graph.clear();
  const make = (type, at, values = {}) => {
    const node = LiteGraph.createNode(type);
    node.pos = [at, 80];
    app.graph.add(node);
    for (const [name, value] of Object.entries(values)) {
      node.widgets.find((widget) => widget.name === name).value = value;
    }
    return node;
  };
  const join = (from, output, to, input) =>
    from.connect(
      from.outputs.findIndex(({ name }) => name === output),
      to,
      to.inputs.findIndex(({ name }) => name === input),
    );
  const model = make("GWMLoadModel", 20, { model_name: "gwm-faces" });
  const card = make("EmptyImage", 20, { width: 96, height: 96 });
  card.pos = [20, 300];
  const character = make("GWMCharacter", 340);
  const live = make("GWMLiveAvatar", 760, { size: 96 });
  join(card, "IMAGE", character, "image");
  join(model, "model", live, "model");
  join(character, "character", live, "character");
  app.canvas.ds.reset();
}"""


class Panel:
    """The panel of the graph's only Live Avatar."""

    def __init__(self, editor) -> None:
        self.editor, self.page = editor, editor.page
        editor.errors.clear()
        self.page.evaluate(BUILD)
        self.until("p && p.root.isConnected")

    def get(self, expression: str):
        return self.page.evaluate(f"() => {PANEL}.{expression}")

    def until(self, condition: str) -> None:
        self.page.wait_for_function(f"() => {{ const p = {PANEL}; return {condition} }}",
                                    timeout=WITHIN)

    def press(self, name: str) -> None:
        self.page.locator(f'.gwm-avatar [data-gwm="{name}"]').first.click()

    def choose(self, side: str, file: Path) -> None:
        self.page.locator(f'.gwm-avatar [data-gwm="{side}-field"]').set_input_files(str(file))

    def notices(self) -> str:
        return self.page.locator(".gwm-avatar .gwm-play-notices").inner_text()

    @property
    def take(self) -> str:
        return self.page.evaluate(f"() => {TAKE}.value")


@pytest.fixture
def panel(editor):
    panel = Panel(editor)
    yield panel
    assert editor.own_errors() == []
    editor.load({"nodes": [], "links": [], "version": 0.4})


def test_a_file_speaks_and_the_take_becomes_a_film(editor, panel):
    panel.press("own-none")
    panel.press("big")
    panel.until("p.mode === 'live' && p.picture.shown")
    panel.choose("own", VOICE)
    panel.until("p.view.badge.lastChild.textContent === 'speaking'")
    assert panel.get("view.status.textContent").endswith("ms")
    before = panel.get("view.canvas.toDataURL()")
    panel.press("record")
    panel.until("p.recording")
    panel.page.wait_for_function(f"(b) => {PANEL}.view.canvas.toDataURL() !== b", arg=before)
    editor.shot("live-avatar")
    panel.page.wait_for_timeout(1200)
    panel.press("record")
    panel.until("!p.recording")
    panel.press("start")
    panel.until("p.mode === 'idle'")
    assert panel.take.startswith("avatar_") and panel.take in panel.notices()
    assert editor.comfy.base_dir.joinpath("input", panel.take).is_file()
    prompt = editor.prompt()
    live = next(k for k, v in prompt.items() if v["class_type"] == "GWMLiveAvatar")
    prompt["99"] = {"class_type": "SaveVideo", "inputs": {
        "video": [live, 2], "filename_prefix": "live", "format": "auto", "codec": "auto"}}
    entry = editor.comfy.queue(prompt)
    assert any(path.suffix == ".mp4" for path in editor.comfy.outputs(entry))


def test_the_microphone_is_heard_by_one_side_only(panel):
    panel.press("other-mic")
    assert panel.get("wanted.own.kind") == "none"
    panel.press("big")
    panel.until("p.mode === 'live' && p.capture.sources.other?.kind === 'mic'")
    panel.until("p.session.sent > 0.5")
    panel.press("own-mic")
    panel.until("p.capture.sources.own?.kind === 'mic' && !p.capture.sources.other")
    # It was unplugged.
    panel.page.evaluate(f"() => {PANEL}.capture.sources.own.stream.getTracks()[0].onended()")
    panel.until("!p.capture.sources.own && p.mode === 'live'")
    assert "unplugged" in panel.notices()
    panel.press("start")
    panel.until("p.mode === 'idle' && !p.capture.context")


def test_what_may_go_wrong_is_said(editor, panel):
    refuse = """(name) => {
      window.mic ??= navigator.mediaDevices.getUserMedia;
      navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", name) };
    }"""
    panel.page.evaluate(refuse, "NotAllowedError")
    panel.press("big")
    panel.until("p.mode === 'live'")
    panel.until("p.wanted.own.kind === 'none'")
    assert "refuses the microphone" in panel.notices()
    panel.page.evaluate(refuse, "NotFoundError")
    panel.press("own-mic")
    panel.until("p.wanted.own.kind === 'none'")
    assert "No microphone" in panel.notices()
    panel.page.evaluate("() => { navigator.mediaDevices.getUserMedia = window.mic }")
    panel.choose("own", Path(__file__))
    panel.until("p.wanted.own.kind === 'none'")
    assert "cannot be read as sound" in panel.notices()
    panel.page.evaluate(f"() => {PANEL}.session.socket.socket.close()")
    panel.until("p.mode === 'idle'")
    assert "connection is lost" in panel.notices()
    panel.page.evaluate(f"() => {{ const n = {NODE}; n.disconnectInput(n.inputs.findIndex("
                        "({ name }) => name === 'character')) }")
    panel.press("start")
    panel.until("p.mode === 'idle'")
    assert "Connect a character" in panel.notices()
