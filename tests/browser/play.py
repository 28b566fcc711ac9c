"""The player in the page, as a test sees it: what it shows, and real keys and clicks on it."""

from __future__ import annotations

import json
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "example_workflows" / "0_play_a_world.json"
NODES = (
    "app.graph.nodes.filter((node) => node.type === 'GWMPlayWorld')"
    ".sort((one, other) => one.id - other.id)"
)
PLAYER = NODES + "[{0}].widgets.find((widget) => widget.name === 'player').player"
WITHIN = 30_000


def graph(walk: str = "", prompt: str = "a brick hall at dusk, two red balls") -> dict:
    """The example with another walk."""
    workflow = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    for node in workflow["nodes"]:
        if node["type"] == "GWMPlayWorld":
            node["widgets_values"][0] = walk
        if node["type"] == "GWMNewWorld":
            node["widgets_values"][0] = prompt
    return workflow


class Play:
    """One Play World node of the open graph, by its number."""

    def __init__(self, editor, number: int = 0) -> None:
        self.editor, self.page, self.number = editor, editor.page, number
        self.js = PLAYER.format(number)

    def get(self, expression: str):
        """A value of the player: get("cursor")."""
        return self.page.evaluate(f"() => {self.js}.{expression}")

    def until(self, condition: str, timeout: float = WITHIN) -> None:
        """Wait for a condition on the player, as `p`."""
        self.page.wait_for_function(f"() => {{ const p = {self.js}; return {condition} }}",
                                    timeout=timeout)

    @property
    def walk(self) -> dict | None:
        """What the widget holds."""
        text = self.page.evaluate(
            f"() => {NODES}[{self.number}].widgets.find((w) => w.name === 'walk').value"
        )
        return json.loads(text) if text else None

    @property
    def root(self):
        """Its elements in the page, wherever the host has put them."""
        self.page.evaluate(f"() => {{ {self.js}.root.dataset.number = {self.number} }}")
        return self.page.locator(f'.gwm-play[data-number="{self.number}"]')

    def press(self, name: str) -> None:
        """Click one of its buttons: "big", "play", "branch", ..."""
        self.root.locator(f'[data-gwm="{name}"]').first.click()

    def play(self) -> None:
        """Click the large button and wait for moving pictures."""
        before = self.get("cursor")
        self.press("big")
        self.until(f"p.state === 'playing' && p.cursor > {before} + 2", 90_000)

    def undo_steps(self) -> int:
        return self.page.evaluate(
            "() => app.extensionManager.workflow.activeWorkflow.changeTracker.undoQueue.length"
        )

    def pixels(self) -> str:
        """What the picture shows, as a text to compare."""
        return self.page.evaluate(f"() => {self.js}.view.canvas.toDataURL()")


def fit(editor) -> None:
    """Show the players; far away, the host draws nodes without what is in them."""
    editor.page.evaluate(
        """() => {
            const nodes = app.graph.nodes.filter((node) => node.type === "GWMPlayWorld");
            const left = Math.min(...nodes.map((n) => n.pos[0])) - 20;
            const top = Math.min(...nodes.map((n) => n.pos[1])) - 60;
            const right = Math.max(...nodes.map((n) => n.pos[0] + n.size[0])) + 20;
            const bottom = Math.max(...nodes.map((n) => n.pos[1] + n.size[1])) + 20;
            const { ds, canvas } = app.canvas;
            ds.scale = Math.min(1, 1450 / (right - left), 850 / (bottom - top));
            ds.offset = [70 / ds.scale - left, 70 / ds.scale - top];
            app.canvas.setDirty(true, true);
        }"""
    )
    editor.page.wait_for_timeout(300)
