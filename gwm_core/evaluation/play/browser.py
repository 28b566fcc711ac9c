"""Chromium with ComfyUI's editor and the player in it, driven with real keys and a real mouse.

Playwright belongs to the extra `test`; without it the command says what to install.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping

from ...cli.errors import NO_HOST, CommandError
from .server import WORLD, Comfy, played

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZE = {"width": 1280, "height": 900}
# What is noted in the page beside what the player counts itself: when keys and clicks were
# handled, what went to the server, and the headers of what came back.
NOTES = """(() => {
  const notes = (window.gwmNotes = { keys: [], clicks: [], sent: [], headers: [] });
  const key = (event) => {
    if (!event.repeat) notes.keys.push([event.code, event.type === "keydown", performance.now()]);
  };
  addEventListener("keydown", key, true);
  addEventListener("keyup", key, true);
  addEventListener("pointerdown", () => notes.clicks.push(performance.now()), true);
  const read = (data) => {
    if (!(data instanceof ArrayBuffer)) return;
    const length = new DataView(data).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const { kind, tick, seqs, late, made, due } = header;
    notes.headers.push({ kind, tick, seqs, late, made, due, at: performance.now() });
  };
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(address, protocols) {
      super(address, protocols ?? []);
      this.isLive = String(address).includes("/gwm/live");
      if (this.isLive) this.addEventListener("message", ({ data }) => read(data));
    }
    send(data) {
      if (this.isLive && typeof data === "string" && data.includes('"controls"')) {
        const { type, seq, held } = JSON.parse(data);
        if (type === "controls") notes.sent.push([seq, performance.now(), held]);
      }
      super.send(data);
    }
  };
})();"""
BUILD = """(prompt) => {
  const { app, LiteGraph } = window;
  app.graph.clear();
  app.canvas.ds.scale = 1;
  app.canvas.ds.offset = [0, 0];
  const made = {};
  const places = { GWMLoadModel: [-400, 120], GWMNewWorld: [-400, 320], GWMPlayWorld: [120, 120] };
  for (const [id, { class_type: type, inputs }] of Object.entries(prompt)) {
    const node = (made[id] = LiteGraph.createNode(type));
    node.pos = places[type];
    app.graph.add(node);
    for (const widget of node.widgets ?? []) {
      const value = inputs[widget.name];
      if (value !== undefined && !Array.isArray(value)) widget.value = value;
    }
  }
  for (const [id, { inputs }] of Object.entries(prompt)) {
    for (const [name, value] of Object.entries(inputs)) {
      if (!Array.isArray(value)) continue;
      made[value[0]].connect(value[1], made[id], made[id].findInputSlot(name));
    }
  }
}"""
NODE = 'window.app.graph.nodes.find((node) => node.type === "GWMPlayWorld")'
PLAYER = f'{NODE}?.widgets.find((widget) => widget.name === "player")?.player'
CANVAS, BIG = ".gwm-play-canvas", '[data-gwm="big"]'


class Chromium:
    """A headless browser; use as a context manager. GWM_CHROMIUM names another program."""

    def __init__(self) -> None:
        self.program = os.environ.get("GWM_CHROMIUM") or next(
            filter(None, map(shutil.which, BROWSERS)), None
        )
        if self.program is None or shutil.which(self.program) is None:
            raise CommandError(
                "no Chromium was found, which live play is measured with; install it (Debian: "
                "apt-get install chromium) or name one with GWM_CHROMIUM=PROGRAM",
                NO_HOST,
            )
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright()

    def __enter__(self) -> Chromium:
        chromium = self._playwright.start().chromium
        self._browser = chromium.launch(executable_path=self.program, args=FLAGS)
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.__exit__()

    @property
    def version(self) -> str:
        return self._browser.version

    def page(self, comfy: Comfy) -> Editor:
        """The editor in a profile of its own."""
        return Editor(self._browser.new_context(viewport=SIZE), comfy)


class Editor:
    """A page of the editor with one player; use as a context manager.

    ``errors`` are what the page complained of. Everything of the page's inside is in here.
    """

    def __init__(self, context, comfy: Comfy):
        self._context, self.comfy = context, comfy
        context.add_init_script(NOTES)
        self.page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.open()

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def open(self) -> None:
        """Load the editor, or load it again."""
        self.page.goto(self.comfy.url, wait_until="domcontentloaded")
        self.page.wait_for_function(
            "window.app?.graph && window.app.extensionManager && window.app.vueAppReady",
            timeout=90_000,
        )

    def build(self, graph: Mapping[str, dict], walk: str = "") -> None:
        """The graph with Play World behind it, at a place where its player can be clicked."""
        self.page.evaluate(BUILD, played(dict(graph), walk))
        self.page.wait_for_selector(BIG, state="visible", timeout=30_000)

    def press_play(self) -> None:
        """Click the big button and wait for the first moving picture."""
        drawn = self.player("player.stats.drawn.length")
        self.page.click(BIG)
        self.page.wait_for_function(
            f"({PLAYER}).stats.drawn.length > {drawn}", timeout=120_000, polling=50
        )
        self.page.evaluate(f"document.querySelector('{CANVAS}').focus({{preventScroll: true}})")

    def leave(self) -> None:
        """Esc: the player pauses and writes down what was played."""
        self.page.keyboard.press("Escape")
        self.page.wait_for_function(f'({PLAYER}).state === "paused"', timeout=30_000, polling=50)

    def player(self, expression: str):
        """The value of an expression in which ``player`` is the player."""
        return self.page.evaluate(f"(() => {{ const player = {PLAYER}; return {expression} }})()")

    def notes(self) -> dict:
        """What was noted since the page was loaded."""
        return self.page.evaluate("window.gwmNotes")

    def forget(self) -> None:
        """Forget what was noted."""
        self.page.evaluate("Object.values(window.gwmNotes).forEach((list) => (list.length = 0))")

    def walk(self) -> dict:
        """The walk in the node's widget."""
        text = self.page.evaluate(
            f'({NODE}).widgets.find((widget) => widget.name === "walk").value'
        )
        return json.loads(text) if text else {}

    def graph(self) -> dict:
        """The graph above the player, as the editor itself would queue it."""
        prompt = self.page.evaluate("async () => (await window.app.graphToPrompt()).output")
        play = next(k for k, node in prompt.items() if node["class_type"] == "GWMPlayWorld")
        world = prompt[play]["inputs"]["world"][0]
        model = prompt[world]["inputs"]["model"][0]
        above = {"1": prompt[model], WORLD: prompt[world]}
        above[WORLD]["inputs"]["model"] = ["1", 0]
        return above
