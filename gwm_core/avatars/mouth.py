"""What a motion does to the mouth, in face heights: the same for drawings and for portraits.

The simulator draws by it and the portrait is warped by it, so that a number of the motion means
the same on both. Shapes follow the usual blend shapes of a face (Apple's ARKit set); how far the
lips open is measured between their inner edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .motion import INDEX

WIDEST = 0.17
"""Inner-lip height of ``jaw`` 1, in face heights (crown to chin)."""


@dataclass(frozen=True)
class MouthShape:
    """Arrays [...]; heights in face heights, ``width`` as a share of the neutral mouth's."""

    open: np.ndarray
    """between the inner lips at the middle; 0 is closed"""
    raise_: np.ndarray
    """of ``open``, what the upper lip is above where it rests"""
    chin: np.ndarray
    """how far the chin is dropped"""
    width: np.ndarray
    """of the outer mouth, corner to corner"""
    corner: np.ndarray
    """how far the corners are up"""
    thick: np.ndarray
    """thickness of both lips, as a share of the neutral one"""
    forward: np.ndarray
    """0..1: rounded and pushed out (funnel and pucker)"""
    teeth: np.ndarray
    """0..1: how much of the upper teeth is seen in the opening"""
    tongue: np.ndarray
    """0..1: how much of the tongue is seen"""
    tuck: np.ndarray
    """0..1: lower lip under the upper teeth"""


def mouth_shape(motion: np.ndarray) -> MouthShape:
    """The mouth of ``motion`` [..., 24]."""
    def at(name: str) -> np.ndarray:
        return motion[..., INDEX[name]]

    jaw, smile = at("jaw"), at("smile")
    free = np.clip(1 - at("close"), 0, 1) * (1 - 0.85 * at("press")) * (1 - 0.8 * at("bite"))
    round_ = np.clip(at("funnel") + at("pucker"), 0, 1)
    gap = WIDEST * jaw * (1 - 0.35 * at("pucker")) + 0.022 * at("upper") + 0.02 * at("funnel")
    opened = gap * free
    raise_ = np.minimum(0.022 * at("upper") * free + 0.12 * opened, opened)
    return MouthShape(
        open=opened,
        raise_=raise_,
        chin=0.72 * WIDEST * jaw,
        width=(1 + 0.22 * at("stretch") + 0.16 * np.maximum(smile, 0) - 0.05 * jaw
               - 0.22 * at("funnel") - 0.38 * at("pucker")),
        corner=0.028 * smile,
        thick=(1 - 0.5 * at("press")) * (1 + 0.25 * round_) * (1 - 0.12 * at("stretch")),
        forward=round_,
        teeth=np.clip(0.55 + 0.45 * at("upper") + 0.2 * np.maximum(smile, 0) - 0.5 * round_, 0, 1),
        tongue=at("tongue"),
        tuck=at("bite"),
    )


def aperture(motion: np.ndarray) -> np.ndarray:
    """Inner-lip height over face height of ``motion`` [..., 24]; 0 is closed."""
    return mouth_shape(motion).open
