"""The head of a portrait turned, raised, tilted and swayed: a closed backward map of its pixels.

2.5-D: the head is an ellipsoid whose depth shifts what is in front against what is behind. All in
face heights (``FaceFrame``); every part falls off smoothly, so nothing tears and what is far from
the head stays where it is.
"""

from __future__ import annotations

import numpy as np

from .face_frame import FaceFrame, smooth
from .landmarks import INDEX as POINT
from .motion import INDEX, PITCH_DEGREES, ROLL_DEGREES, YAW_DEGREES

FACE, HEAD, NOSE = 0.27, 0.14, 0.06
"""How far the head's outline is in front of the axis that it turns about; the face in front of
that; and the tip of the nose in front of the face."""
SWAY, BREATH = 0.05, 0.016
REACH = (-1.45, 1.45, -1.45, 1.75)
"""Left, right, top, bottom of all that can move."""
_CHANNELS = [INDEX[name] for name in ("yaw", "pitch", "roll", "sway", "breath")]


class HeadWarp:
    """``backward`` says for a place in the frame where it is in the portrait as it was drawn."""

    def __init__(self, points: np.ndarray, frame: FaceFrame) -> None:
        self.frame = frame
        u, v = frame.inward(points[:, 0], points[:, 1])
        self.nose = float(u[POINT["nose_tip"]]), float(v[POINT["nose_tip"]])
        eyes = u[POINT["iris_left"]], u[POINT["iris_right"]]
        self.centre = float(np.clip(np.mean(eyes), -0.3, 0.3)), 0.0
        wide = float(u[POINT["temple_right"]] - u[POINT["temple_left"]])
        self.half = float(np.clip(0.5 * wide + 0.24, 0.5, 0.85))

    def moves(self, motion: np.ndarray) -> bool:
        return bool(np.any(motion[_CHANNELS]))

    def backward(self, x: np.ndarray, y: np.ndarray, motion: np.ndarray):
        """Pixels x, y of the frame -> pixels of the portrait."""
        yaw, pitch, roll, sway, breath = (float(motion[i]) for i in _CHANNELS)
        u, v = self.frame.inward(x, y)
        if sway or breath:
            u, v = self._body(u, v, sway, breath)
        if roll:
            u, v = self._tilt(u, v, float(np.radians(ROLL_DEGREES * roll)))
        if yaw or pitch:
            u, v = self._turn(u, v, float(np.radians(YAW_DEGREES * yaw)),
                              float(np.radians(PITCH_DEGREES * pitch)))
        return self.frame.outward(u, v)

    def forward(self, x: np.ndarray, y: np.ndarray, motion: np.ndarray):
        """Where pixels of the portrait are in the frame: the backward map inverted."""
        fx, fy = x.astype(np.float64), y.astype(np.float64)
        for _ in range(60):
            bx, by = self.backward(fx, fy, motion)
            # Damped: the map's slope is below 2 everywhere.
            fx, fy = fx + 0.7 * (x - bx), fy + 0.7 * (y - by)
        return fx, fy

    def _body(self, u, v, sway: float, breath: float):
        side = smooth((1.4 - np.abs(u)) / 0.9)
        low = smooth((1.75 - v) / 0.75)
        high = smooth((v + 1.4) / 0.6)
        weight = side * low * high
        shoulders = 0.4 + 0.6 * smooth((v - 0.45) / 0.35)
        return u - SWAY * sway * weight, v + BREATH * breath * weight * shoulders

    def _tilt(self, u, v, angle: float):
        """A turn about the neck that fades outside of the head and into the shoulders."""
        px, py = self.centre[0], 0.62
        a, b = (u - px) / (self.half + 0.1), (v + 0.12) / 0.85
        out = np.sqrt(a * a + b * b)
        weight = smooth((1.75 - out) / 0.95) * smooth((1.1 - v) / 0.75)
        c, s = np.cos(angle * weight), np.sin(angle * weight)
        du, dv = u - px, v - py
        return px + c * du + s * dv, py - s * du + c * dv

    def _turn(self, u, v, yaw: float, pitch: float):
        cx, cy = self.centre
        a, b = (u - cx) / self.half, (v - cy) / 0.86
        r = np.sqrt(a * a + b * b)
        front = np.maximum(1 - r * r * r, 0) ** 2
        whole = smooth((1.75 - r) / 1.05)
        depth = FACE * front + HEAD * whole
        du, dv = float(np.sin(yaw)) * depth, -float(np.sin(pitch)) * depth
        nu, nv = self.nose
        tip = np.exp(-((u - nu - du) / 0.10) ** 2 - ((v - nv - dv + 0.03) / 0.13) ** 2)
        du = du + (NOSE * float(np.sin(yaw))) * tip
        dv = dv - (NOSE * float(np.sin(pitch))) * tip
        u, v = u - du, v - dv
        narrow = 1 + float(1 / np.cos(yaw) - 1) * front
        short = 1 + float(1 / np.cos(pitch) - 1) * front
        return cx + (u - cx) * (0.5 + 0.5 * narrow), cy + (v - cy) * short
