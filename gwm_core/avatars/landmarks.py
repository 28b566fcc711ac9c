"""The 44 points of a face: what a portrait is warped by and what the landmark net finds.

Points are float32 ``[44, 2]``, x to the right and y down, in pixels of the picture (pixel centres
at .5). ``left`` and ``right`` are the viewer's.
"""

from __future__ import annotations

import numpy as np

NAMES: tuple[str, ...] = (
    # the outline, from the left temple around the chin to the right one, then the crown
    "temple_left", "cheek_left", "jaw_left", "chin_left", "chin", "chin_right", "jaw_right",
    "cheek_right", "temple_right",
    "crown",  # top of the forehead, where the hair begins or would begin
    "brow_left_outer", "brow_left", "brow_left_inner",
    "brow_right_inner", "brow_right", "brow_right_outer",
    "eye_left_outer", "eye_left_upper", "eye_left_inner", "eye_left_lower", "iris_left",
    "eye_right_inner", "eye_right_upper", "eye_right_outer", "eye_right_lower", "iris_right",
    "nose_bridge", "nose_tip", "nose_left", "nose_right",
    # outer lips, from the left corner clockwise
    "mouth_left", "lip_top_left", "lip_top", "lip_top_right", "mouth_right",
    "lip_bottom_right", "lip_bottom", "lip_bottom_left",
    # inner lips: the upper one from left to right, then the lower one from left to right
    "inner_top_left", "inner_top", "inner_top_right",
    "inner_bottom_left", "inner_bottom", "inner_bottom_right",
)
INDEX = {name: i for i, name in enumerate(NAMES)}
COUNT = len(NAMES)
MIRROR = np.array([
    INDEX[name.replace("left", "\0").replace("right", "left").replace("\0", "right")]
    for name in NAMES
])
"""Where each point comes from in a mirrored picture."""


def face_height(points: np.ndarray) -> np.ndarray:
    """From the crown to the chin: the unit of every measure of a face. points [..., 44, 2]."""
    return np.linalg.norm(points[..., INDEX["crown"], :] - points[..., INDEX["chin"], :], axis=-1)


def lip_opening(points: np.ndarray) -> np.ndarray:
    """Pixels between the inner lips at the middle; points [..., 44, 2]."""
    gap = points[..., INDEX["inner_bottom"], :] - points[..., INDEX["inner_top"], :]
    return np.linalg.norm(gap, axis=-1)


def mirrored(points: np.ndarray, width: float) -> np.ndarray:
    """The points of the mirrored picture of ``width`` pixels."""
    out = points[..., MIRROR, :].copy()
    out[..., 0] = width - out[..., 0]
    return out
