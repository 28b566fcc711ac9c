"""A look becomes a table: what the reader says of it, made truer by drawing, and how all looks."""

from __future__ import annotations

import math

import numpy as np

from ..model.scene_reader import MARKS, THINGS
from .drawing import Table, look_at
from .rig import Rig
from .view_bodies import upright
from .view_register import Placed, register

KINDS = ("box", "box", "ball", "box")
TALLER = (0.0, 0.0, 0.0, 0.005)
"""m by which things are higher than wide, half sizes."""
KNOB = 3
"""The thing that runs on a rail, towards the mark at the rail's end."""
COLOURS = ((0.86, 0.12, 0.12), (0.16, 0.30, 0.80), (0.93, 0.78, 0.14), (0.92, 0.92, 0.93))
"""Of things that nobody sees."""
CAMERA = np.array([0.01, 0.01, 0.01, np.pi / 180, np.pi / 180])
"""What the reader's camera offsets of 1 stand for (m, rad)."""


def table_of_look(rig: Rig, pixels: np.ndarray, felt: np.ndarray,
                  seen: dict[str, np.ndarray]) -> tuple[Table, Placed]:
    """One look: pixels uint8 [V, H, W, 3], felt [9] and what the reader says of it (arrays as in
    ``SceneReader.forward``, without the leading axis)."""
    views = dict(zip(rig.views, pixels, strict=True))
    masks = dict(zip(rig.views, seen["mask"].argmax(1), strict=True))
    rgb = np.array([colour_of(views, masks, 2 + k, COLOURS[k]) for k in range(THINGS)])
    placed = placed_by(rig, seen)
    table = _look(rig, views, masks, felt, rgb, placed)
    placed = register(rig, table, views, felt[:6], felt[6], placed)
    return _look(rig, views, masks, felt, rgb, placed), placed


def _look(rig: Rig, views, masks, felt, rgb: np.ndarray, placed: Placed) -> Table:
    return look_at(rig, views, masks, felt[:6], placed.offsets, KINDS, placed.half, rgb,
                   opening=float(felt[6]), place=placed.place, axes=placed.axes,
                   present=placed.present, marks=placed.marks)


def placed_by(rig: Rig, seen: dict[str, np.ndarray]) -> Placed:
    """Where the reader says that all is."""
    seen = {k: np.asarray(v, np.float64) for k, v in seen.items() if k not in ("heat", "mask")}
    shown = seen["shown"] > 0
    axes = upright(np.arctan2(seen["turn"][:THINGS, 0], seen["turn"][:THINGS, 1]) / 4)
    half = np.tile(seen["half"][:THINGS, None], (1, 3))
    half[:, 2] += TALLER
    marks = {}
    for m in range(THINGS, len(MARKS)):
        mark = rig.mark(MARKS[m])
        if mark is not None and shown[m]:
            x, y = seen["place"][m, :2]
            turned = along(seen["place"][KNOB], axes[KNOB], seen["place"][m]) if mark.rail else 0.0
            marks[mark.name] = (float(x), float(y), turned)
    return Placed(seen["cameras"] * CAMERA, seen["place"][:THINGS].copy(), axes, half,
                  shown[:THINGS].astype(np.float64), marks)


def along(knob: np.ndarray, axes: np.ndarray, end: np.ndarray) -> float:
    """The direction (rad) of a rail: from the knob to its end, or, near the end, the knob's own
    side that looks most towards it."""
    gone = end[:2] - knob[:2]
    own, to = math.atan2(axes[1], axes[0]), math.atan2(gone[1], gone[0])
    if np.hypot(*gone) > 0.06:
        return to
    quarter = math.pi / 2
    return own + round((to - own) / quarter) * quarter


def colour_of(views: dict[str, np.ndarray], masks: dict[str, np.ndarray], label: int, usual):
    """The colour 0..1 of a thing as the fixed views show it, or its usual one."""
    seen = [views[v][masks[v] == label] for v in views]
    pixels = np.concatenate(seen)
    return np.median(pixels, 0) / 255 if len(pixels) >= 4 else np.array(usual)
