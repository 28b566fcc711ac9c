"""World events: a sentence changes the light, the fog, or what is in the room."""

from __future__ import annotations

from dataclasses import replace

from ..noise import rng
from .first import light_of
from .objects import place_things
from .parts import CANONICAL_LIGHT, Parts
from .state import RolloutState


def apply_event(parts: Parts, state: RolloutState, text: str) -> RolloutState:
    """The state in which `text` has come true; words that mean nothing change nothing.

    Kept pixels are not touched: each remembers the light it was seen in and is shown in the
    present one, so a change holds wherever one turns.
    """
    said = parts.words.understand(text, event=True)
    scene = state.scene
    scene = replace(scene, light=light_of(said.change, scene.light),
                    attributes={**scene.attributes, **said.change})
    state = state.replace(scene=scene)
    if not said.things:
        return state
    bodies = place_things(state.bodies, said.things, state.memory, state.player.pose,
                          parts.camera, rng(state.seed, "event", state.tick), parts.looks)
    light = state.body_light.copy()
    light[bodies.id != state.bodies.id] = CANONICAL_LIGHT
    return state.replace(bodies=bodies, body_light=light)
