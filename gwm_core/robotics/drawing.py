"""The guide of a tabletop's views: kept pixels of the first look, with what moves drawn in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bodies import Bodies
from ..guide import Guide, draw, fill_cracks, push_pull
from ..memory import Keyframe, Memory
from .rig import Rig


@dataclass(frozen=True, eq=False)
class Table:
    """What stands still, as the first look of every camera shows it.

    memory: keyframes in the rig's order of views. offsets float64 [V, 5]: of fixed cameras (m,
    rad). kinds ("box" or "ball"), half float [K, 3] and rgb float [K, 3] (0..1) of things.
    """

    rig: Rig
    memory: Memory
    offsets: np.ndarray
    kinds: tuple[str, ...]
    half: np.ndarray
    rgb: np.ndarray

    def pose(self, view: str, robot) -> np.ndarray:
        """Camera pose [5] of a view with the gripper at robot [6]."""
        return self.rig.pose(view, robot, self.offsets[self.rig.views.index(view)])

    def draw(self, robot, opening: float, place, yaw, present) -> dict[str, Guide]:
        """The guide of every view: gripper at robot [6], things at place [K, 3] turned by yaw."""
        bodies = self.rig.gripper(Bodies.empty(8), robot, opening)
        bodies = self.rig.things(bodies, self.kinds, place, yaw, self.half, self.rgb, present)
        out = {}
        for view in self.rig.views:
            guide = draw(self.memory, self.pose(view, robot), self.rig.camera(view), bodies,
                         threads=1)
            out[view] = push_pull(fill_cracks(guide))
        return out


def look_at(rig: Rig, pixels: dict[str, np.ndarray], masks: dict[str, np.ndarray], robot,
            offsets: np.ndarray, kinds: tuple[str, ...], half: np.ndarray,
            rgb: np.ndarray) -> Table:
    """A table from its first look: pixels uint8 [H, W, 3] and masks int [H, W] (0 what stands
    still) by view, the gripper's pose [6] then."""
    memory = Memory()
    for k, view in enumerate(rig.views):
        pose = rig.pose(view, robot, offsets[k])
        keep = grown(masks[view] != 0, 1)
        memory = memory.add(Keyframe(
            rgb=pixels[view], depth=rig.ground(view, pose), pose=pose, keep=~keep,
            camera=rig.camera(view), origin="first"))
    return Table(rig, memory, np.asarray(offsets, np.float64), tuple(kinds),
                 np.asarray(half, np.float64), np.asarray(rgb, np.float64))


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask widened by so many pixels, corners too: pixels at a rim are mixtures."""
    from scipy.ndimage import binary_dilation

    return binary_dilation(mask, np.ones((3, 3), bool), iterations=pixels)
