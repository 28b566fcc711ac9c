"""From a guide to the frame that is shown: light, and the dynamics' correction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..guide import Guide, draw, fill_cracks, push_pull
from .light import ray_lengths
from .parts import Parts
from .state import RolloutState


@dataclass(frozen=True)
class Look:
    """A view as guided: guide (fogless, present light) and the frame u8 [H, W, 3] with fog."""

    guide: Guide
    frame: np.ndarray


def look(parts: Parts, state: RolloutState, pose: np.ndarray, bodies) -> Look:
    """What is known of a view in the world's present light; what is unknown is filled smoothly."""
    light, camera = state.scene.light, parts.camera
    memory = parts.light.shown(state.memory, light)
    shown = parts.light.bodies(bodies, state.body_light, light)
    guide = push_pull(fill_cracks(draw(memory, pose, camera, shown)))
    return Look(guide, fogged(parts, guide.rgb, guide, light))


def fogged(parts: Parts, rgb: np.ndarray, guide: Guide, light: int) -> np.ndarray:
    """A view u8 [H, W, 3] of the guide's depth through the fog of `light`."""
    camera = parts.camera
    away = guide.depth * ray_lengths(camera.width, camera.height, camera.fov_deg)
    return parts.light.with_fog(rgb, away, light)
