"""The parts of a loaded rooms model, as one bundle that the steps of a tick share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..embodiment import Embodiment
from ..imagine import Imaginer
from ..memory import Camera

CANONICAL_LIGHT = 0
"""The light condition that imagined pixels come in (day, clear): memory keeps them so."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Everything a world is imagined with; immutable and shared by all worlds of a model.

    dynamics: the transformer; patches: view tokens; sound: audio tokens to waveform;
    state: body physics; finder: slots in a picture; light: relighting of kept pixels;
    words: what a text asks for; depth: depth of a picture; imaginer: fills the unseen;
    ambience: f32 [18, 8], band levels by light; looks: textures of things by name ("ball.red");
    materials: u8 [256], the sounding material of a label.
    """

    embodiment: Embodiment
    camera: Camera
    fingerprint: str
    dynamics: Any
    patches: Any
    sound: Any
    state: Any
    finder: Any
    light: Any
    words: Any
    depth: Any
    imaginer: Imaginer
    ambience: Any = None
    looks: Any = None
    materials: Any = None
