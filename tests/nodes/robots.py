"""A robot's table for the node tests: an untrained model with eyes and starts of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from gwm_core.model.contacts import ContactNet
from gwm_core.model.scene_reader import SceneReader
from gwm_core.robotics.eyes import save_eyes
from gwm_core.robotics.loading import save_table
from gwm_core.robotics.starts import save_starts
from gwm_core.simulators.tabletop.truth import simulated_starts

from .graph import Graph, told

NAME = "robots/table.safetensors"
PLAN = "move(0.03,0,0)*3 move(0,0,-0.02)+grip(1)*3"
TICKS = 6
STARTS = 3


@pytest.fixture(scope="session")
def robots(extra_models: Path) -> str:
    """The model's name; it lies in a folder of its own beside what other tests put there."""
    folder = extra_models / "robots"
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    save_table(folder / "table.safetensors", SceneReader(width=8), ContactNet(width=16))
    torch.manual_seed(1)
    save_eyes(folder / "table.eyes.safetensors", SceneReader(width=8))
    starts = simulated_starts("push", range(1, 2 * STARTS, 2)) + simulated_starts("slide", (1,))
    save_starts(folder / "table.starts.npz", starts)
    return NAME


class RobotGraph(Graph):
    """A prompt that begins with the table as node 1."""

    def __init__(self, name: str = NAME) -> None:
        super().__init__()
        self.add("GWMLoadModel", model_name=name, device="default")

    def policy(self, kind: str = "recorded actions", **inputs) -> str:
        given = {"policy": "expert", "actions": PLAN, "url": "http://127.0.0.1:8765",
                 "timeout": 10.0, "label": ""} | inputs
        return self.add("GWMRobotPolicy", kind=kind, **given)

    def rollout(self, policy: str | None = None, **inputs) -> str:
        given = {"task": "push", "start": 0, "runs": 1, "ticks": TICKS, "seed": 0} | inputs
        policy = policy or self.policy()
        return self.add("GWMRobotRollout", model=["1", 0], policy=[policy, 0], **given)

    def branches(self, text: str, **inputs) -> str:
        given = {"task": "push", "start": 0, "ticks": TICKS, "seed": 0, "seeds": 1,
                 "view": "front"} | inputs
        return self.add("GWMCounterfactuals", model=["1", 0], branches=text, **given)

    def evaluate(self, **inputs) -> str:
        given = {"task": "push", "policies": "6 built-in", "starts": 2, "ticks": 2, "seed": 0,
                 "shard": 0, "shards": 1, "filename_prefix": ""} | inputs
        return self.add("GWMEvaluatePolicies", model=["1", 0], **given)

    def violations(self, rollouts: list, rules: str, **inputs) -> str:
        return self.add("GWMFindViolations", rollouts=rollouts, rules=rules,
                        **{"view": "front", "model": ["1", 0]} | inputs)


def tell_all(lab, graph: Graph, *outputs: tuple[str, int]) -> list[str]:
    """Runs a prompt; what its outputs are."""
    nodes = [graph.tell(node, slot) for node, slot in outputs]
    entry = lab.queue(graph.prompt)
    return [told(entry, node) for node in nodes]


def shape(text: str) -> list[int]:
    """Of a told tensor."""
    return [int(n) for n in re.search(r"torch\.\w+ \[([\d, ]*)\]", text)[1].split(",")]


def digest(text: str) -> str:
    """Of a told tensor or of a run."""
    return re.search(r"[0-9a-f]{64}", text)[0]
