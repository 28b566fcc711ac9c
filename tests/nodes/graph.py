"""Prompts for the node tests, built node by node, and readers of what they gave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gwm_core.cli.client import PromptFailed

EXAMPLES = Path(__file__).resolve().parents[2] / "example_workflows"


def example(name: str) -> dict:
    """An example workflow, by the beginning of its name."""
    (path,) = EXAMPLES.glob(f"{name}*.json")
    return json.loads(path.read_text())


class Graph:
    """A prompt in API form, built node by node: ``add`` returns the node's id."""

    def __init__(self) -> None:
        self.prompt: dict[str, dict] = {}

    def add(self, class_type: str, **inputs) -> str:
        name = str(len(self.prompt) + 1)
        self.prompt[name] = {"class_type": class_type, "inputs": inputs}
        return name

    def tell(self, node: str, slot: int) -> str:
        """Adds a node that tells what an output is; its text is found under the id."""
        return self.add("LabTell", value=[node, slot])

    def world(self, prompt: str = "a stone hall at dusk", seed: int = 5, **inputs) -> str:
        model = self.add("GWMLoadModel", model_name="gwm-rooms", device="default")
        return self.add(
            "GWMNewWorld",
            model=[model, 0],
            prompt=prompt,
            seed=seed,
            depth_is=inputs.pop("depth_is", "near is white"),
            **inputs,
        )

    def step(self, world: str, slot: int, text: str, **inputs) -> str:
        inputs.setdefault("depth_as", "near is white")
        return self.add("GWMStepWorld", world=[world, slot], text=text, **inputs)


def told(entry: dict, node: str) -> str:
    """The text that a telling node left in the history."""
    return entry["outputs"][node]["text"][0]


def cancelled(lab, graph: Graph, works: Callable[[], bool]) -> float:
    """Cancels a prompt once ``works()``; seconds that it went on for."""
    ended: list[float] = []

    def run() -> None:
        with pytest.raises(PromptFailed, match="cancelled"):
            lab.queue(graph.prompt)
        ended.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    limit = time.monotonic() + 60
    while not works():
        assert time.monotonic() < limit and thread.is_alive()
        time.sleep(0.02)
    asked = time.monotonic()
    lab.client.interrupt()
    thread.join(30)
    assert ended and lab.server.alive()
    return ended[0] - asked


def progress(lab, node: str) -> int:
    """How far a node's bar has come in the prompt that runs; 0 before it moves."""
    return max((d["value"] for kind, d in lab.events if kind == "progress" and d["node"] == node),
               default=0)
