"""Figures of causal Wan 1.3B: its keys, and how far it is from the published code."""

from __future__ import annotations

import math

import numpy as np

from ...backbones.causal_wan import CausalWanConfig, CausalWanDynamics
from ...backbones.keys_wan import causal_wan_shapes
from ..report import Metric
from . import causal_wan_case as cases
from .keys import same_keys
from .numbers import apart, committed, thin

NAME = "causal_wan"
PUBLISHED = (825, 1_418_996_800)
TOLERANCE = 0.0001


def keys_ok() -> dict[str, bool]:
    """Whether the network has exactly the published names and shapes."""
    config = CausalWanConfig()
    shapes = causal_wan_shapes(config)
    counted = (len(shapes), sum(math.prod(shape) for shape in shapes.values()))
    return {"causal Wan 1.3B": counted == PUBLISHED and same_keys(config, shapes)}


def parity() -> dict[str, float]:
    """By case, the largest difference from the published code."""
    numbers = committed(NAME)
    found = {}
    for name, (config, blocks) in cases.CASES.items():
        dynamics = CausalWanDynamics(cases.network(config))
        made = cases.run(dynamics, cases.inputs(config, blocks))
        found[name] = apart(np.stack([thin(v, cases.KEEP) for v in made]), numbers[name])
    return found


def metrics() -> list[Metric]:
    """Parity with the published code."""
    found = parity()
    return [Metric("open.wan_parity", max(found.values()), "", n=len(found),
                   must=f"<= {TOLERANCE}")]
