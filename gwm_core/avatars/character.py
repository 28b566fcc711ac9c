"""A character: one portrait and where its face is. Any picture will do; a face need not be found.

    character = Character(image, points)                        # found by a finder
    points = Character.default_points(width, height)            # nobody found a face
    points = points_from_anchors(points, {"mouth_left": (210, 330), "mouth_right": (300, 328)})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import AvatarError
from .landmarks import COUNT, INDEX, face_height

SMALLEST, LARGEST = 16, 8192
ANCHORS: dict[str, str] = {
    "mouth_left": "mouth_left", "mouth_right": "mouth_right", "mouth_top": "lip_top",
    "chin": "chin", "eye_left": "iris_left", "eye_right": "iris_right",
}
"""The points that a person may place by hand, and the landmarks that they are."""

# A frontal face in face heights: origin half way between crown and chin, x right, y down.
_DEFAULT = np.array([
    (-0.37, -0.12), (-0.36, 0.10), (-0.30, 0.29), (-0.16, 0.45), (0, 0.50),
    (0.16, 0.45), (0.30, 0.29), (0.36, 0.10), (0.37, -0.12), (0, -0.50),
    (-0.28, -0.17), (-0.19, -0.20), (-0.08, -0.17), (0.08, -0.17), (0.19, -0.20), (0.28, -0.17),
    (-0.25, -0.07), (-0.175, -0.10), (-0.10, -0.065), (-0.175, -0.045), (-0.175, -0.07),
    (0.10, -0.065), (0.175, -0.10), (0.25, -0.07), (0.175, -0.045), (0.175, -0.07),
    (0, -0.07), (0, 0.10), (-0.075, 0.13), (0.075, 0.13),
    (-0.13, 0.25), (-0.065, 0.228), (0, 0.225), (0.065, 0.228), (0.13, 0.25),
    (0.065, 0.285), (0, 0.295), (-0.065, 0.285),
    (-0.065, 0.25), (0, 0.25), (0.065, 0.25), (-0.065, 0.25), (0, 0.25), (0.065, 0.25),
], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Character:
    """image uint8 [H, W, 3]; points float32 [44, 2] (``landmarks.NAMES``) in its pixels; alpha
    uint8 [H, W], or none: what of the picture is the figure. ``AvatarError`` names what is wrong.
    """

    image: np.ndarray
    points: np.ndarray
    alpha: np.ndarray | None = None
    name: str = ""

    def __post_init__(self) -> None:
        image, points = np.asarray(self.image), np.asarray(self.points)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise AvatarError(f"portrait: {image.dtype} {list(image.shape)}; "
                              "uint8 [height, width, 3] is accepted")
        height, width = image.shape[:2]
        if not (SMALLEST <= min(height, width) and max(height, width) <= LARGEST):
            raise AvatarError(f"portrait: {width} x {height} pixels; "
                              f"{SMALLEST} to {LARGEST} a side are accepted")
        if points.shape != (COUNT, 2):
            raise AvatarError(f"points: {list(points.shape)}; [{COUNT}, 2] is accepted")
        points = points.astype(np.float32)
        if not np.isfinite(points).all():
            raise AvatarError("points: a value is not finite")
        if face_height(points) < 2:
            raise AvatarError("points: crown and chin are less than 2 pixels apart; "
                              "a face of 2 pixels or more is accepted")
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "points", points)
        if self.alpha is not None:
            alpha = np.asarray(self.alpha)
            if alpha.dtype != np.uint8 or alpha.shape != (height, width):
                raise AvatarError(f"alpha: {alpha.dtype} {list(alpha.shape)}; "
                                  f"uint8 [{height}, {width}] as the portrait is accepted")
            object.__setattr__(self, "alpha", alpha)

    @staticmethod
    def default_points(width: int, height: int) -> np.ndarray:
        """A centred frontal face [44, 2] for a picture in which none was found."""
        tall = min(0.62 * height, 0.8 * width)
        return (_DEFAULT * tall + [width / 2, 0.47 * height]).astype(np.float32)


def points_from_anchors(
    points: np.ndarray, anchors: Mapping[str, tuple[float, float]]
) -> np.ndarray:
    """``points`` [44, 2] moved so that the landmarks of ``ANCHORS`` lie where a person put them.

    One anchor shifts the face, two or more also turn and scale it (least squares, Umeyama 1991);
    what is left is spread smoothly over the points near by, so every anchor is met exactly.
    """
    points = np.array(points, dtype=np.float64)
    for name, place in anchors.items():
        if name not in ANCHORS:
            raise AvatarError(f"anchors: {name!r}; {', '.join(ANCHORS)} are accepted")
        if len(place) != 2 or not np.isfinite(np.asarray(place, dtype=np.float64)).all():
            raise AvatarError(f"anchors: {name} is {place!r}; two finite numbers are accepted")
    if not anchors:
        return points.astype(np.float32)
    rows = [INDEX[ANCHORS[name]] for name in anchors]
    to = np.array(list(anchors.values()), dtype=np.float64)
    old, new = points[rows].mean(0), to.mean(0)
    turn = 1.0 + 0j
    if len(rows) > 1:
        a = (points[rows] - old) @ [1, 1j]
        b = (to - new) @ [1, 1j]
        turn = (a.conj() @ b) / max((a.conj() @ a).real, 1e-9)
        if abs(turn) < 1e-3:
            raise AvatarError("anchors: they lie on one spot; points apart are accepted")
    z = ((points - old) @ [1, 1j]) * turn
    points = np.stack([z.real, z.imag], 1) + new
    reach = 0.3 * max(float(face_height(points)), 1.0)
    # Radial basis interpolation of what is left: exact at the anchors, smooth between.
    near = _falloff(points[rows, None] - points[None, rows], reach)
    weights = np.linalg.solve(near + 1e-9 * np.eye(len(rows)), to - points[rows])
    moved = points + _falloff(points[:, None] - points[None, rows], reach) @ weights
    moved[rows] = to
    return moved.astype(np.float32)


def _falloff(apart: np.ndarray, reach: float) -> np.ndarray:
    return np.exp(-(apart ** 2).sum(-1) / (2 * reach ** 2))
