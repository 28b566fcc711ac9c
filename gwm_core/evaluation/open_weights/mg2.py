"""Figures of Matrix-Game 2.0: its keys, and how far it is from the published code."""

from __future__ import annotations

import math

import numpy as np

from ...backbones.keys_wan import matrix_game_shapes
from ...backbones.matrix_game import MatrixGameDynamics
from ...backbones.matrix_game_variants import VARIANTS
from ..report import Metric
from . import matrix_game_case as cases
from .keys import same_keys
from .numbers import apart, committed, thin

NAME = "matrix_game"
PUBLISHED = {"universal": (1114, 1_619_242_304)}
"""Tensors and numbers of a file, where its header is known."""


def keys_ok() -> dict[str, bool]:
    """By variant, whether the network has exactly the published names and shapes."""
    fits = {}
    for name, variant in VARIANTS.items():
        shapes = matrix_game_shapes(variant.config)
        counted = (len(shapes), sum(math.prod(shape) for shape in shapes.values()))
        known = PUBLISHED.get(name, counted) == counted
        fits[f"Matrix-Game 2.0 {name}"] = known and same_keys(variant.config, shapes)
    return fits


def difference(blocks: list[np.ndarray], numbers: np.ndarray) -> float:
    """Largest difference from the published numbers of the first blocks."""
    made = np.stack([thin(values, cases.KEEP) for values in blocks])
    return apart(made, numbers[: len(made)])


def parity() -> dict[str, float]:
    """By variant, the largest difference from the published code."""
    numbers = committed(NAME)
    found = {}
    for name, (config, blocks) in cases.CASES.items():
        dynamics = MatrixGameDynamics(cases.network(config))
        made = cases.run(dynamics, cases.inputs(config, blocks))
        found[name] = difference(made, numbers[name])
    return found


def errors_seen() -> dict[str, float]:
    """How far each deliberate error is from the published code."""
    numbers, seen = committed(NAME)["universal"], {}
    config, blocks = cases.CASES["universal"]
    case = cases.inputs(config, blocks)
    for kind in cases.ERRORS:
        with cases.wrong(kind) as (dynamics, shown):
            seen[kind] = difference(cases.run(dynamics, case, shown), numbers)
    return seen


def metrics() -> list[Metric]:
    """Parity, and the errors that the same comparison catches."""
    found, seen = parity(), errors_seen()
    caught = sum(value > 100 * TOLERANCE for value in seen.values())
    least = min(seen.values())
    return [
        Metric("open.mg2_parity", max(found.values()), "", {"least deliberate error": least},
               n=len(found), must=f"<= {TOLERANCE}"),
        Metric("open.mg2_errors_caught", float(caught), "", {"right": 0.0}, n=len(seen),
               must=f">= {len(cases.ERRORS)}", note="; ".join(seen)),
    ]


TOLERANCE = 0.0001
