"""The tasks: their sentence, and when they are done."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .build import OPENING
from .randomise import PLATE_HALF, TASKS

SENTENCES = {
    "push": "Push the red box into the green zone.",
    "pick_place": "Put the red box on the blue plate.",
    "stack": "Stack the red box on the blue box.",
    "slide": "Slide the white knob along its rail to the green end.",
}
HOLD = 3  # ticks that a task has to stay done
SLOW = 0.03  # m/s below which a thing counts as at rest

__all__ = ["HOLD", "SENTENCES", "SLOW", "TASKS", "Truth", "done"]


@dataclass(frozen=True, eq=False)
class Truth:
    """What is really there at one tick; metres and radians, the table top at z = 0.

    tip      float64 [3], the point between the finger tips
    rpy      float64 [3], roll, pitch, yaw of the gripper: R = Rz(yaw) Ry(pitch) Rx(roll)
    opening  0 closed .. 1 open, measured
    objects  name -> (kind "box" | "ball", pos [3], yaw, half sizes [3], rgb [3] 0..1)
    quats    name -> float64 [4] (w, x, y, z), for what does not stand upright
    speeds   name -> m/s of its centre
    zones    name -> (kind "disc" | "plate" | "rail_end", pos [3], radius); a plate's radius is
             half its side
    cameras  view -> float64 [5] (x, y, z, yaw, pitch) as in gwm_core.raster.axes
    rail     (centre x, centre y, direction, half travel) of `slide`, else None
    force    N, what the wrist feels from outside, mean of the tick
    """

    tip: np.ndarray
    rpy: np.ndarray
    opening: float
    objects: dict[str, tuple]
    quats: dict[str, np.ndarray]
    speeds: dict[str, float]
    zones: dict[str, tuple]
    cameras: dict[str, np.ndarray] = field(default_factory=dict)
    rail: tuple[float, float, float, float] | None = None
    force: float = 0.0


def let_go(truth: Truth, name: str) -> bool:
    """Whether the fingers are wider open than the thing by 6 mm, or the tip is .05 m off."""
    _, pos, _, half, _ = truth.objects[name]
    wide = truth.opening * OPENING > 2 * float(max(half[:2])) + 0.006
    return wide or float(np.linalg.norm(truth.tip - pos)) > 0.05


def done(task: str, truth: Truth) -> bool:
    """Whether the task's goal holds at this tick (it counts once it held for HOLD ticks)."""
    if task == "slide":
        knob, end = truth.objects["knob"][1], truth.zones["rail_end"][1]
        return float(np.hypot(*(knob - end)[:2])) < 0.015
    _, red, _, half, _ = truth.objects["red"]
    if truth.speeds["red"] > SLOW:
        return False
    if task == "push":
        gap = red - truth.zones["goal"][1]
        return float(np.hypot(*gap[:2])) < 0.04 and abs(red[2] - half[2]) < 0.02
    if task == "pick_place":
        gap = np.abs(red - truth.zones["plate"][1])
        on = bool((gap[:2] < PLATE_HALF - 0.008).all()) and abs(red[2] - half[2]) < 0.006
        return on and let_go(truth, "red")
    _, blue, _, below, _ = truth.objects["blue"]
    gap = red - blue
    on = float(np.hypot(*gap[:2])) < 0.03 and abs(gap[2] - half[2] - below[2]) < 0.008
    return on and truth.speeds["blue"] <= SLOW and let_go(truth, "red")
