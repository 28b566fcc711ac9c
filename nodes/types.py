"""The pack's wire types and the values that travel on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from comfy_api.v0_0_2 import io

if TYPE_CHECKING:
    from ..gwm_core.world import World
    from .host import HostModel

GWMModel = io.Custom("GWM_MODEL")
GWMWorld = io.Custom("GWM_WORLD")
GWMControlTrack = io.Custom("GWM_CONTROLS")


@dataclass(frozen=True)
class WorldOnWire:
    """What a GWM_WORLD wire carries: an immutable world, its model and the path walked so far.

    Attributes:
        world: the world at one tick.
        host: the model that imagines it, in the host's model management.
        path: float64 ``[P, 5]``: the camera's pose (x, y, z, yaw, pitch) at the first picture and
            at every frame since.
    """

    world: World
    host: HostModel
    path: np.ndarray

    def get_ram_usage(self) -> int:
        """Bytes, for ComfyUI's caches; the model is counted at its own wire."""
        return int(self.path.nbytes + self.world.get_ram_usage())
