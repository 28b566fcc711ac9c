"""Coordinates of a face: where it is in the picture, how tall, and how it is turned there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .landmarks import INDEX, face_height


@dataclass(frozen=True, eq=False)
class FaceFrame:
    """origin half way between crown and chin, right and down (unit vectors), height (crown to
    chin); in pixels. Plain floats: they leave float32 maps float32."""

    origin: tuple[float, float]
    right: tuple[float, float]
    down: tuple[float, float]
    height: float

    @classmethod
    def of(cls, points: np.ndarray) -> FaceFrame:
        points = points.astype(np.float64)
        crown, chin = points[INDEX["crown"]], points[INDEX["chin"]]
        height = float(face_height(points))
        x, y = map(float, (chin - crown) / max(height, 1e-6))
        return cls(tuple(map(float, (crown + chin) / 2)), (y, -x), (x, y), height)

    def inward(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels -> face heights right of and below the origin."""
        x, y = x - self.origin[0], y - self.origin[1]
        return ((x * self.right[0] + y * self.right[1]) / self.height,
                (x * self.down[0] + y * self.down[1]) / self.height)

    def outward(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Face heights -> pixels."""
        u, v = u * self.height, v * self.height
        return (u * self.right[0] + v * self.down[0] + self.origin[0],
                u * self.right[1] + v * self.down[1] + self.origin[1])

    def moved(self, x, y, du, dv):
        """Pixels moved by face heights; by nothing, they stay exactly the same."""
        du, dv = du * self.height, dv * self.height
        return (x + (du * self.right[0] + dv * self.down[0]),
                y + (du * self.right[1] + dv * self.down[1]))


@dataclass(frozen=True, eq=False)
class Axis:
    """Coordinates along two places (the corners of a mouth or an eye): u from one to the other, v
    down, in pixels; 0 half way. ``half``: half their distance."""

    origin: tuple[float, float]
    along: tuple[float, float]
    half: float

    @classmethod
    def between(cls, left: np.ndarray, right: np.ndarray, frame: FaceFrame,
                least: float) -> Axis:
        """Places nearer than twice ``least`` give an axis as long, level with the face."""
        left, right = left.astype(np.float64), right.astype(np.float64)
        span = right - left
        wide = float(np.linalg.norm(span))
        along = span / wide if wide > 0.5 * least else np.array(frame.right)
        if along @ frame.right < 0:
            along = -along
        return cls(tuple(map(float, (left + right) / 2)), tuple(map(float, along)),
                   max(wide / 2, least, 0.5))

    def local(self, x, y):
        """Pixels of the picture -> u, v."""
        x, y = x - self.origin[0], y - self.origin[1]
        return (x * self.along[0] + y * self.along[1], y * self.along[0] - x * self.along[1])

    def picture(self, u, v):
        """u, v -> pixels of the picture."""
        return (u * self.along[0] - v * self.along[1] + self.origin[0],
                u * self.along[1] + v * self.along[0] + self.origin[1])

    def moved(self, x, y, du, dv):
        """Pixels moved by du, dv; by nothing, they stay exactly the same."""
        return (x + (du * self.along[0] - dv * self.along[1]),
                y + (du * self.along[1] + dv * self.along[0]))


def moved_where(near: np.ndarray, axis: Axis, x, y, u, v, change):
    """Pixels x, y moved by ``change(u, v)`` -> du, dv, their places u, v in ``axis``. It is only
    asked for the rows and columns in which something is ``near``: it is 0 elsewhere."""
    part: tuple = (near,)
    if near.ndim == 2:
        part = tuple(slice(at[0], at[-1] + 1) if len(at) else slice(0)
                     for at in (np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))))
    du, dv = change(u[part], v[part])
    x, y = x.copy(), y.copy()
    x[part], y[part] = axis.moved(x[part], y[part], du, dv)
    return x, y


def smooth(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, a cubic with level ends between."""
    x = np.minimum(np.maximum(x, 0), 1)  # np.clip costs more than its work here
    return x * x * (3 - 2 * x)
