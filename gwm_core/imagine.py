"""Imagining: one interface, several imaginers.

An imaginer fills the part of a view that no kept pixel covers. It is called rarely, for a whole
view some way ahead of the camera, off the tick's critical path; only its new pixels are kept.
The first picture of a prompt is the same call with nothing covered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .errors import GWMError

UNKNOWN = 255


@dataclass(frozen=True)
class Placement:
    """Where in a world a remembered place was laid: a world point ``w`` lies in the place at
    ``rotate(angle) . mirror_y^mirror . (w - centre)``.

    index: place in the bank; centre: x, y, z of its eye in the world (metres); angle: radians;
    lift: stretch of heights above the eye.
    """

    index: int
    mirror: bool
    angle: float
    centre: tuple[float, float, float]
    lift: float = 1.0


@dataclass(frozen=True)
class Context:
    """What an imaginer may know besides the guide; everything is optional.

    theme: index of a room theme (for first pictures and as a leaning elsewhere); floor: index of
    a floor material; placements: what was laid in this world before, newest last. An imaginer
    that remembers continues them where they fit, so that a turn comes back to where it began.
    """

    theme: int | None = None
    floor: int | None = None
    placements: tuple[Placement, ...] = ()


@dataclass(frozen=True)
class Imagined:
    """A whole view: rgb u8 [H, W, 3], depth f32 [H, W] (z, metres), label u8 [H, W].

    Covered pixels are those of the guide. ``sure`` bool [H, W]: False where the imaginer itself
    only guessed (do not keep these). ``mismatch``: 0 is a perfect fit at the seam, above .35 a
    poor one. ``remembered``: share of the uncovered pixels that come from the bank.
    """

    rgb: np.ndarray
    depth: np.ndarray
    label: np.ndarray
    sure: np.ndarray
    mismatch: float = 0.0
    remembered: float = 0.0
    placements: tuple[Placement, ...] = field(default=())


class Imaginer(Protocol):
    """What every imaginer offers."""

    name: str

    def imagine(
        self, rgb, disparity, mask, *, label=None, pose=None, fov_deg=60.0, context=None, seed=0
    ) -> Imagined: ...


def check_guide(rgb, disparity, mask, label, pose):
    """Checks a guide's arrays and fills in what may be left out; GWMError says what is wrong.

    Returns contiguous (rgb u8 [H, W, 3], disparity f32 [H, W], mask bool, label u8, pose f64 [5]).
    """
    rgb = np.ascontiguousarray(rgb)
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise GWMError(f"guide: got {rgb.dtype} {rgb.shape}; uint8 [H, W, 3] is accepted")
    size = rgb.shape[:2]
    disparity = np.ascontiguousarray(disparity, np.float32)
    mask = np.ascontiguousarray(mask, np.bool_)
    label = (
        np.full(size, UNKNOWN, np.uint8) if label is None else np.ascontiguousarray(label, np.uint8)
    )
    for name, value in (("disparity", disparity), ("mask", mask), ("label", label)):
        if value.shape != size:
            raise GWMError(f"guide: {name} is {value.shape}, the picture {size}; they must agree")
    if not np.isfinite(disparity[mask]).all():
        raise GWMError("guide: disparity holds values that are not finite")
    pose = np.array([0.0, 0.0, 1.55, 0.0, 0.0]) if pose is None else np.asarray(pose, np.float64)
    if pose.shape != (5,) or not np.isfinite(pose).all():
        raise GWMError("guide: pose must be five finite numbers (x, y, z, yaw, pitch)")
    return rgb, disparity, mask, label, pose


def imagine(
    imaginer: Imaginer,
    guide_rgb,
    guide_disparity,
    mask,
    *,
    label=None,
    pose=None,
    fov_deg: float = 60.0,
    context: Context | None = None,
    seed: int = 0,
) -> Imagined:
    """Fills the uncovered part of a view (``mask`` True: covered).

    guide_rgb u8 [H, W, 3] in canonical light, guide_disparity f32 [H, W] (1 / z-depth),
    label u8 [H, W] (theme * 8 + part, 255 unknown), pose f64 [5] of the camera in the world.
    The same arguments give the same result, bit for bit.
    """
    rgb, disparity, mask, label, pose = check_guide(guide_rgb, guide_disparity, mask, label, pose)
    return imaginer.imagine(
        rgb, disparity, mask, label=label, pose=pose, fov_deg=fov_deg,
        context=context or Context(), seed=seed,
    )
