"""Shapes that keep their form and move with the head: hair, ears, hats, glasses.

They are made once for an identity, in face coordinates, and placed in every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import Canvas, Colour, mix, ribbon, tone
from .light import shade
from .pose import Pose, smooth


@dataclass(frozen=True)
class Part:
    """A closed shape, or a stroke where ``width`` is given (face heights)."""

    xy: np.ndarray
    """[N, 2] face coordinates"""
    z: np.ndarray | float
    """[N] depths; nan: on the face"""
    colour: Colour
    layer: str
    """in the order of painting: back (behind the body), behind (behind the face), front, glasses,
    worn, top"""
    width: float = 0.0
    taper: tuple[float, float] = (0.0, 0.0)
    lit: bool = True
    """takes soft light"""
    strands: bool = False
    """takes the texture of the hair"""
    outlined: bool = True
    alpha: float = 1.0
    within: int = -1
    """shown only inside this part of the list"""
    body: bool = False
    """moves with the body"""
    hangs: bool = False
    """what is below the chin follows the body"""


def place(pose: Pose, part: Part) -> np.ndarray:
    """The points of ``part`` in the picture."""
    if part.body:
        return pose.on_body(part.xy)
    z = np.asarray(part.z, np.float64)
    unset = np.isnan(z)
    if unset.any():
        z = np.where(unset, pose.depth(part.xy) + 0.015, z)
    out = pose.at_depth(part.xy, z)
    if part.hangs:
        weight = smooth(part.xy[:, 1], 0.25, 0.95)[:, None]
        out = out + weight * (pose.on_body(part.xy) - out)
    return out


@dataclass(frozen=True)
class Soft:
    """What soft shading multiplies by, in one frame."""

    gains: np.ndarray
    hair: np.ndarray | None
    affine: np.ndarray


def draw_parts(canvas: Canvas, pose: Pose, parts: list[Part], layer: str,
               soft: Soft | None) -> None:
    """Paints the parts of one layer in their order."""
    i = pose.identity
    placed: dict[int, np.ndarray] = {}
    for n, part in enumerate(parts):
        if part.layer != layer:
            continue
        points = place(pose, part)
        placed[n] = points
        if part.width:
            points = ribbon(points, part.width * pose.unit, part.taper)
        if part.within >= 0:
            clip = placed.get(part.within)
            if clip is None:
                clip = place(pose, parts[part.within])
            with canvas.inside(clip) as sheet:
                _paint(sheet, points, part)
            continue
        _paint(canvas, points, part)
        if soft is not None and part.lit:
            shade(canvas, points, soft.gains, soft.hair if part.strands else None, soft.affine)
        if i.outline > 0.004 and part.outlined and not part.width:
            ink = mix(i.palette.line, tone(part.colour, 0.3), 0.5)
            canvas.line(points, ink, 0.8 * i.outline * pose.unit, True)


def _paint(canvas: Canvas, points: np.ndarray, part: Part) -> None:
    if part.alpha < 1:
        canvas.glaze(points, part.colour, part.alpha)
    else:
        canvas.fill(points, part.colour)
