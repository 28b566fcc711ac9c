"""What the walker behind the camera would be heard doing: read from the clip, walked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bodies import Bodies
from ..inverse import pairs_at
from ..state_memory import MemorySurroundings
from ..worlds.first import start_world
from ..worlds.threads import one_thread

ROOM = 0.15
"""Share of a first picture that has to look like a known room for a walker to be believed."""


@dataclass(frozen=True)
class Heard:
    """time: s from the beginning; kind: "footstep", "throw" or "impact" (of the walker's body);
    material: number of `modes.MATERIALS`; strength: log scale; distance: metres from the ear."""

    time: float
    kind: str
    material: int
    strength: float
    distance: float


def walk_heard(model: Any, frames: Sequence[np.ndarray], fps: float,
               floor: int | None = None) -> list[Heard]:
    """Steps, landings, throws and bumps of the walker of a clip u8 [F, H, W, 3], in order of time.

    The controls are read by the model's inverse dynamics and walked in the surroundings that the
    first picture shows. A clip that looks like no room has no walker. floor: number of the floor's
    material, where it is known better than from the first picture.
    """
    first = np.asarray(frames[0])
    view = model.embodiment.views[0]
    with one_thread():
        world = model.new_world(image=first)
        seen = world.observation
        rooms = model.parts.depth.estimate(seen.frames[view.name], view.fov_deg).rooms
        if rooms < ROOM or len(frames) < 3:
            return []
        track = model.read_clip(frames, fps).controls.values
        state = start_world(model.parts, "", seen.frames[view.name], seen.depth[view.name], 0,
                            around=False, pose=seen.info["pose"])
        around = MemorySurroundings(state.memory, model.parts.materials)
        player, out = state.player, []
        # An odd number of pairs lacks the picture before the first tick: time begins with it.
        before = len(pairs_at(len(frames), fps, model.embodiment.fps)) % 2 == 0
        span = 1.0 / model.embodiment.tick_rate
        for tick, row in enumerate(track):
            moved = model.parts.state.step(player, Bodies.empty(), row, around, tick)
            player = moved.players[-1]
            for event in moved.events:
                time = tick * span + (event.frame + 0.4 + (1 if before else 0)) * span / 2
                away = float(np.linalg.norm(np.subtract(event.place, player.pose[:3])))
                step = event.kind == "footstep" and floor is not None
                out.append(Heard(time, event.kind, floor if step else int(event.material),
                                 float(event.strength), max(away, 0.3)))
    return [h for h in out if h.time < len(frames) / fps]
