"""Square cuts of a picture around a face, turned upright: what the landmark net reads."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .landmarks import INDEX, face_height

AROUND = 1.6
"""Side of a crop in face heights."""
_EYES = ("eye_left_outer", "eye_left_inner", "eye_right_inner", "eye_right_outer")
_LEFT, _RIGHT = [INDEX[n] for n in _EYES[:2]], [INDEX[n] for n in _EYES[2:]]
_ENDS = [INDEX["crown"], INDEX["chin"]]
_SIDES = [INDEX["temple_left"], INDEX["temple_right"], INDEX["jaw_left"], INDEX["jaw_right"]]


@dataclass(frozen=True)
class FaceCrop:
    """Centre and side in pixels of the picture, roll in radians (clockwise on the screen)."""

    x: float
    y: float
    side: float
    roll: float

    @classmethod
    def around(cls, points: np.ndarray) -> FaceCrop:
        """The crop of a face whose points [44, 2] are known, exactly or nearly.

        Upright is halfway between what the eyes and what crown and chin say.
        """
        points = np.asarray(points, np.float64)
        across = points[_RIGHT].mean(0) - points[_LEFT].mean(0)
        down = points[_ENDS[1]] - points[_ENDS[0]]
        up = _unit(across) + _unit(np.array([down[1], -down[0]]))
        roll = float(np.arctan2(up[1], up[0]))
        width = np.ptp(points[_SIDES] @ np.array([np.cos(roll), np.sin(roll)]))
        size = max(float(face_height(points)), 0.85 * float(width), 1e-3)
        x, y = (points[_ENDS].mean(0) + points[_SIDES].mean(0)) / 2
        return cls(float(x), float(y), AROUND * size, roll)

    def matrix(self, pixels: int) -> np.ndarray:
        """float64 [2, 3]: places in the picture -> places in a crop of ``pixels`` a side."""
        scale = pixels / self.side
        c, s = np.cos(self.roll) * scale, np.sin(self.roll) * scale
        half = pixels / 2
        return np.array([[c, s, half - c * self.x - s * self.y],
                         [-s, c, half + s * self.x - c * self.y]])

    def cut(self, picture: np.ndarray, pixels: int) -> np.ndarray:
        """uint8 [pixels, pixels, 3]; beyond the picture its edge goes on."""
        m = self.matrix(pixels)
        times = int(self.side / pixels / 1.5)
        if times > 1:  # what is cut is first made small, so that nothing flickers
            box, picture = _shrunk(picture, m, pixels, times)
            m = np.concatenate([m[:, :2] * times, m[:, :2] @ box[:, None] + m[:, 2:]], 1)
        # OpenCV counts from the middle of a pixel.
        m = m.copy()
        m[:, 2] += m[:, :2].sum(1) / 2 - 0.5
        return cv2.warpAffine(picture, m, (pixels, pixels), flags=cv2.INTER_LINEAR,
                              borderMode=cv2.BORDER_REPLICATE)

    def into(self, points: np.ndarray) -> np.ndarray:
        """Points of the picture [..., 2] in shares of the crop's side."""
        m = self.matrix(1)
        return points @ m[:, :2].T + m[:, 2]

    def out_of(self, shares: np.ndarray) -> np.ndarray:
        """The reverse of ``into``."""
        m = self.matrix(1)
        return (shares - m[:, 2]) @ np.linalg.inv(m[:, :2]).T


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(float(np.linalg.norm(v)), 1e-6)


def _shrunk(picture: np.ndarray, m: np.ndarray, pixels: int, times: int):
    """The part of the picture that a crop needs, ``times`` smaller, and its corner (x, y)."""
    corners = np.array([[0, 0], [pixels, 0], [0, pixels], [pixels, pixels]], np.float64) - m[:, 2]
    corners = corners @ np.linalg.inv(m[:, :2]).T
    height, width = picture.shape[:2]
    low = np.floor(corners.min(0)).astype(int) - times
    low = np.clip(low, 0, [width - 1, height - 1])
    high = np.clip(np.ceil(corners.max(0)).astype(int) + times, low + 1, [width, height])
    part = picture[low[1]:high[1], low[0]:high[0]]
    size = np.maximum((high - low) // times, 1)
    whole = part[: max(size[1] * times, 1), : max(size[0] * times, 1)]
    return low.astype(np.float64), cv2.resize(whole, (int(size[0]), int(size[1])),
                                              interpolation=cv2.INTER_AREA)
