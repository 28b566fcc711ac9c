"""The pack's wire types and the values that travel on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfy_api.v0_0_2 import io

if TYPE_CHECKING:
    from ..gwm_core.world import World
    from .host import HostModel

GWMModel = io.Custom("GWM_MODEL")
GWMWorld = io.Custom("GWM_WORLD")
GWMControlTrack = io.Custom("GWM_CONTROLS")


@dataclass(frozen=True)
class WorldOnWire:
    """What a GWM_WORLD wire carries: an immutable world and its model in the host's care."""

    world: World
    host: HostModel

    def get_ram_usage(self) -> int:
        """Bytes, for ComfyUI's caches; the model is counted at its own wire."""
        return int(self.world.get_ram_usage())
