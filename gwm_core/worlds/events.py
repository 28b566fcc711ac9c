"""World events: a sentence changes the light, the fog, or what is in the room."""

from __future__ import annotations

from dataclasses import replace

from ..noise import rng
from .first import light_of
from .objects import free_floor, put
from .parts import Parts
from .state import RolloutState


def apply_event(parts: Parts, state: RolloutState, text: str) -> RolloutState:
    """The state in which `text` has come true; words that mean nothing change nothing.

    Kept pixels are not touched: each remembers the light it was seen in and is shown in the
    present one, so a change holds wherever one turns.
    """
    change = parts.words.understand_event(text).change
    scene = state.scene
    light = light_of(change, scene.light)
    attributes = {**scene.attributes, **{k: v for k, v in change.items() if k != "objects"}}
    state = state.replace(scene=replace(scene, light=light, attributes=attributes))
    wanted = change.get("objects") or []
    if not wanted:
        return state
    generator = rng(state.seed, "event", state.tick)
    floor = free_floor(state.memory, state.player.pose, parts.camera)
    bodies = state.bodies
    for entry in wanted:
        for _ in range(int(entry.get("count", 1))):
            if len(floor):
                place = floor[int(generator.integers(len(floor)))]
                bodies = put(bodies, entry, place, generator, parts.looks)
    light_of_slot = state.body_light.copy()
    light_of_slot[bodies.id != state.bodies.id] = 0
    return state.replace(bodies=bodies, body_light=light_of_slot)
