"""Landmarks drawn to what they stand for in the pixels: lips to the line between them, irises to
the dark of the eyes. A finder or a hand is off by a few hundredths of a face; half a lip that goes
with the wrong jaw would show.
"""

from __future__ import annotations

import cv2
import numpy as np

from .face_frame import Axis, FaceFrame
from .landmarks import INDEX as POINT

REACH = 0.028
"""Face heights that a lip line may be off."""
ALIKE = 12.0
"""Levels of 255 by which colours differ in the mean that are not told apart."""
LIPS = [i for name, i in POINT.items() if name.startswith(("inner_", "lip_", "mouth_"))]
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def snapped(image: np.ndarray, points: np.ndarray, frame: FaceFrame, parted: float) -> np.ndarray:
    """points [44, 2] with the lips and the irises where image uint8 [h, w, 3] shows them; lips that
    are ``parted`` (face heights) or farther, and what is not clear, stay. Lips with nothing else
    between them than above them (a moustache, a shadow) are shut."""
    points = points.copy()
    grey = image.astype(np.float32) @ _GREY
    gap = np.linalg.norm(points[POINT["inner_bottom"]] - points[POINT["inner_top"]])
    shut = gap < max(parted * frame.height, 1.5)
    if not shut and _alike(image, points, frame):
        for side in ("_left", "", "_right"):
            pair = [POINT["inner_top" + side], POINT["inner_bottom" + side]]
            points[pair] = points[pair].mean(0)
        shut = True
    if shut:
        _lips(grey, points, frame)
    for side in ("left", "right"):
        _iris(grey, points, frame, side)
    return points


def _alike(image: np.ndarray, points: np.ndarray, frame: FaceFrame) -> bool:
    """Whether what lies between the lips has the colours of the upper lip, column by column."""
    axis = Axis.between(points[POINT["mouth_left"]], points[POINT["mouth_right"]], frame,
                        0.02 * frame.height)

    def edge(name: str) -> np.ndarray:
        at = [points[POINT[name + side]].astype(np.float64) for side in ("_left", "", "_right")]
        u, v = axis.local(*np.array(at).T)
        return np.interp(across, u, v) if (np.diff(u) > 0).all() else np.full(15, v.mean())

    across = np.linspace(-0.6, 0.6, 15) * axis.half
    outer, top, bottom = edge("lip_top"), edge("inner_top"), edge("inner_bottom")
    means = []
    for first, last, shares in ((outer, top, (0.15, 0.5, 0.85)),
                                (top, bottom, (0.2, 0.35, 0.5, 0.65, 0.8))):
        rows = first + np.array(shares)[:, None] * (last - first)
        means.append(_shade(image.astype(np.float32), axis, across[None], rows).mean(0))
    return bool(np.abs(means[1] - means[0]).mean() < ALIKE)


def _shade(grey: np.ndarray, axis: Axis, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    x, y = axis.picture(*np.broadcast_arrays(u, v))
    return cv2.remap(grey, np.float32(x - 0.5), np.float32(y - 0.5), cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REPLICATE)


def _lips(grey: np.ndarray, points: np.ndarray, frame: FaceFrame) -> None:
    """The line between closed lips is the darkest across the mouth, or the lips are left alone."""
    axis = Axis.between(points[POINT["mouth_left"]], points[POINT["mouth_right"]], frame,
                        0.02 * frame.height)
    knots = [POINT[n] for n in ("mouth_left", "inner_top_left", "inner_top", "inner_top_right",
                                "mouth_right")]
    at_u, at_v = axis.local(*points[knots].T.astype(np.float64))
    if np.any(np.diff(at_u) <= 0):
        return
    u = np.linspace(0.75 * at_u[0], 0.75 * at_u[-1], 31)
    off = np.linspace(-REACH, REACH, 41) * frame.height
    shade = _shade(grey, axis, u[None], np.interp(u, at_u, at_v)[None] + off[:, None])
    level = shade.mean(1)
    cost = level + 0.25 * max(float(np.ptp(level)), 1.0) * (off / (REACH * frame.height)) ** 2
    best = int(cost.argmin())
    if level.max() - level[best] < 14 or best in (0, len(off) - 1):
        return
    dx, dy = -axis.along[1] * off[best], axis.along[0] * off[best]
    points[LIPS] += np.float32([dx, dy])


def _iris(grey: np.ndarray, points: np.ndarray, frame: FaceFrame, side: str) -> None:
    """The middle of the dark between the lids; nothing where no eye is seen."""
    ends = ("outer", "inner") if side == "left" else ("inner", "outer")
    a, b = (points[POINT[f"eye_{side}_{end}"]] for end in ends)
    axis = Axis.between(a, b, frame, 0.01 * frame.height)
    top, low = (axis.local(*points[POINT[f"eye_{side}_{lid}"]].astype(np.float64))[1]
                for lid in ("upper", "lower"))
    iris = points[POINT[f"iris_{side}"]].astype(np.float64)
    at_u, at_v = axis.local(*iris)
    if low - top < 3:
        return
    u = np.linspace(-0.85, 0.85, 69) * axis.half
    rows = np.linspace(top + 0.3 * (low - top), low - 0.2 * (low - top), 9)
    shade = _shade(grey, axis, u[None], rows[:, None]).mean(0)
    dark, light = np.percentile(shade, (10, 90))
    near = np.abs(u - at_u) < 0.55 * axis.half
    weight = np.clip(dark + 0.4 * (light - dark) - shade, 0, None) * near
    if light - dark < 25 or not 0.08 < np.mean(weight > 0) < 0.75:
        return
    middle = float(weight @ u / weight.sum())
    if abs(middle - at_u) < 0.3 * axis.half:
        points[POINT[f"iris_{side}"]] = axis.picture(middle, at_v)
