"""Faces for the node tests: a model of random weights, and prompts that begin with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gwm_core.avatars.faces_model import Reading, new_dynamics, save_faces

from .graph import Graph

NAME = "faces/random.safetensors"
DIALS = {"intensity": 1.0, "mouth": 1.0, "expression": 1.0, "gaze": 1.0, "head": 1.0,
         "blinks": 1.0}
SIZE = 96


@pytest.fixture(scope="session")
def faces(extra_models: Path) -> str:
    """The model's name; it lies in a folder of its own beside what other tests put there."""
    folder = extra_models / "faces"
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    net = new_dynamics(width=32, depth=1, heads=2, window=4)
    torch.nn.init.normal_(net.outlets["motion"].out.weight, std=0.1)
    torch.nn.init.constant_(net.outlets["motion"].out.bias, 0.3)
    save_faces(folder / "random.safetensors", net, Reading(32))
    return NAME


class FacesGraph(Graph):
    """A prompt that begins with the model as node 1."""

    def __init__(self, name: str = NAME) -> None:
        super().__init__()
        self.add("GWMLoadModel", model_name=name, device="default")

    def picture(self, shape: str = "1,120,96,3", fill: str = "picture") -> list:
        return [self.add("LabTensor", shape=shape, fill=fill), 0]

    def character(self, image: list | None = None, **inputs) -> list:
        given = {"name": "", "strength": 1.0, "anchors": ""} | inputs
        return [self.add("GWMCharacter", image=image or self.picture(), **given), 0]

    def voice(self, kind: str = "speech", rate: int = 16000, seconds: float = 0.8,
              channels: int = 1) -> list:
        return [self.add("LabSound", kind=kind, rate=rate, seconds=seconds, channels=channels), 0]

    def drive(self, character: list | None = None, **inputs) -> str:
        given = DIALS | {"seed": 0, "size": SIZE, "max_frames": 500, "curves_for": "everything"}
        return self.add("GWMDriveAvatar", model=["1", 0], character=character or self.character(),
                        **given | inputs)

    def talk(self, left: list, right: list, **inputs) -> str:
        given = DIALS | {"seed": 0, "size": SIZE, "max_frames": 500, "layout": "side by side"}
        characters = {"left_character": self.character(),
                      "right_character": self.character(self.picture("1,96,120,3"))}
        return self.add("GWMConversation", model=["1", 0], left_audio=left, right_audio=right,
                        **given | characters | inputs)

    def report(self, **inputs) -> str:
        return self.add("GWMLipSyncReport", **{"fps": 25.0} | inputs)
