"""Figures of Waypoint-1.5: its keys, and how far it is from the published code."""

from __future__ import annotations

import math

import torch

from ...backbones.keys_waypoint import adopt, published_shapes
from ...backbones.waypoint_config import SIZES
from ...backbones.waypoint_net import WaypointNet
from ...errors import CheckpointError
from ..report import Metric
from . import waypoint_case as case
from .numbers import apart, committed, thin

NAME = "waypoint"
PUBLISHED = (393, 1_860_823_096)
"""Tensors and numbers of the published file."""
TOLERANCE = 0.0001


def keys_ok() -> dict[str, bool]:
    """By size, whether a state dict of the published names and shapes loads, and only that."""
    fits = {}
    for size, config in SIZES.items():
        shapes = published_shapes(config)
        counted = (len(shapes), sum(math.prod(shape) for shape in shapes.values()))
        network = WaypointNet(config, device="meta")
        state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        try:
            network.load_state_dict(dict(adopt(state, config)), strict=True, assign=True)
            fits[f"Waypoint-1.5 {size}"] = counted == PUBLISHED
        except (CheckpointError, RuntimeError):
            fits[f"Waypoint-1.5 {size}"] = False
    return fits


def difference(dynamics=None) -> float:
    """Largest difference from the published code's velocities."""
    return apart(thin(case.run(dynamics), case.KEEP), committed(NAME)["velocity"])


def errors_seen() -> dict[str, float]:
    """How far each deliberate error is from the published code."""
    return {kind: difference(case.wrong(kind)) for kind in case.ERRORS}


def metrics() -> list[Metric]:
    """Parity, and the errors that the same comparison catches."""
    seen = errors_seen()
    caught = sum(value > 100 * TOLERANCE for value in seen.values())
    return [
        Metric("open.waypoint_parity", difference(), "",
               {"least deliberate error": min(seen.values())}, n=case.TICKS,
               must=f"<= {TOLERANCE}"),
        Metric("open.waypoint_errors_caught", float(caught), "", {"right": 0.0}, n=len(seen),
               must=f">= {len(case.ERRORS)}", note="; ".join(seen)),
    ]
