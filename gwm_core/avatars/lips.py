"""The lips of a portrait: two layers that part at its own lip line, and the jaw below them.

Backward maps in the coordinates of the mouth: u along its corners, v down, in pixels, 0 half way
between the corners. Columns are stretched piecewise between a few knots (base of the nose, outer
and inner lips, chin, neck), so pixels keep their order: no tears, no folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .curves import AT, Places, table
from .face_frame import Axis, FaceFrame, smooth
from .landmarks import INDEX as POINT
from .motion import INDEX
from .mouth import mouth_shape

REACH = 1.75, 2.4
"""Half widths from the middle, at least and most, at which cheeks no longer follow the corners."""
PARTED = 0.012
"""From this gap on, in face heights, the lips of a portrait are parted."""
SPOKEN = 0.15
"""From here a channel of the mouth counts as speech."""
JAW_ENDS = 1.7
"""Reaches of the jaw at which it moves nothing any more: by 1/4000 of its way."""
_TOP = ("lip_top_left", "lip_top", "lip_top_right")
_BOTTOM = ("lip_bottom_left", "lip_bottom", "lip_bottom_right")
_INNER_TOP = ("inner_top_left", "inner_top", "inner_top_right")
_INNER_BOTTOM = ("inner_bottom_left", "inner_bottom", "inner_bottom_right")


@dataclass(frozen=True, eq=False)
class Pose:
    """Where the lips are now: tables over -1..1 (corner to corner) of v in pixels, and numbers."""

    outer_top: np.ndarray
    inner_top: np.ndarray
    inner_bottom: np.ndarray
    outer_bottom: np.ndarray
    half: float
    """half the width, pixels"""
    chin: float
    """how far the chin is dropped, pixels"""
    teeth: float
    tongue: float
    tuck: float
    forward: float

    @property
    def gap(self) -> float:
        """Pixels between the inner lips at the middle."""
        middle = len(AT) // 2
        return float(self.inner_bottom[middle] - self.inner_top[middle])


class Lips:
    def __init__(self, points: np.ndarray, frame: FaceFrame) -> None:
        self.tall = tall = frame.height
        self.axis = Axis.between(points[POINT["mouth_left"]], points[POINT["mouth_right"]], frame,
                                 0.02 * tall)
        self.half = self.axis.half
        points = points.astype(np.float64)
        at = {name: tuple(map(float, self.axis.local(*points[i]))) for name, i in POINT.items()}

        def curve(names: tuple[str, ...]) -> np.ndarray:
            places = [(-self.half, 0.0), *(at[n] for n in names), (self.half, 0.0)]
            s, v = np.array(places).T
            return table(np.clip(s / self.half, -1, 1), v)

        # A lip that is missing or upside down still gets a hair's breadth.
        thin = np.float32(0.004 * tall) * (1 - AT * AT)
        inner_top, inner_bottom = curve(_INNER_TOP), curve(_INNER_BOTTOM)
        middle = (inner_top + inner_bottom) / 2
        self.parted = bool((inner_bottom - inner_top).max() > max(PARTED * tall, 1.5))
        """whether the portrait shows an inside of the mouth"""
        self.inner_top = np.minimum(inner_top, middle) if self.parted else middle
        self.inner_bottom = np.maximum(inner_bottom, middle) if self.parted else middle
        self.outer_top = np.minimum(curve(_TOP), self.inner_top - thin)
        self.outer_bottom = np.maximum(curve(_BOTTOM), self.inner_bottom + thin)
        self.gap = self.inner_bottom - self.inner_top
        base = (at["nose_left"][1] + at["nose_right"][1]) / 2
        self.nose = min(base, float(self.outer_top.min()) - 0.03 * tall)
        self.chin = max(at["chin"][1], float(self.outer_bottom.max()) + 0.03 * tall)
        self.neck = self.chin + 0.42 * tall
        jaw = (abs(at["jaw_left"][0]) + abs(at["jaw_right"][0])) / 2
        self.reach = float(np.clip(jaw / self.half, *REACH))
        # Below this height the outline of the jaw is near: the width of lips must not pinch it.
        sides = [(at[f"{part}_left"], at[f"{part}_right"]) for part in ("cheek", "jaw", "chin")]
        heights = [(a[1] + b[1]) / 2 for a, b in sides] + [self.chin]
        widths = [(b[0] - a[0]) / 2 for a, b in sides] + [0.0]
        narrow = float(np.interp(-1.25 * self.half, -np.array(widths), heights))
        low = float(self.outer_bottom.max())
        self.narrow = min(max(narrow, low + 0.6 * (self.chin - low)), self.chin)
        self.jaw_reach = max(0.36 * tall, 1.2 * self.half)

    def pose(self, motion: np.ndarray, rest: float) -> Pose:
        """The lips of ``motion`` [24]; ``rest`` 0..1: how much of the portrait's own opening."""
        shape = mouth_shape(motion.astype(np.float64))
        tall, middle = self.tall, len(AT) // 2
        half = self.half * float(shape.width)
        opened, forward = float(shape.open) * tall, float(shape.forward)
        own = self.gap * np.float32(rest * self._at_rest(motion))
        more = max(opened - float(own[middle]), 0.0)
        ring = 1 - 0.3 * forward
        power = float(np.clip(1.05 - 0.45 * forward - 0.3 * more / half, 0.55, 1.05))
        bulge = np.maximum(1 - (AT / ring) ** 2, 0).astype(np.float32) ** power
        lift = (-float(shape.corner) * tall) * np.abs(AT) ** 1.7
        top = (self.inner_top + 0.35 * (self.gap - own) - float(shape.raise_) * tall * bulge
               + lift)
        bottom = top + own + more * bulge
        thick, tuck = float(shape.thick), float(shape.tuck)
        upper = (self.inner_top - self.outer_top) * thick
        lower = (self.outer_bottom - self.inner_bottom) * (thick * (1 - 0.45 * tuck))
        return Pose(top - upper, top, bottom, bottom + lower, half, float(shape.chin) * tall,
                    float(shape.teeth), float(shape.tongue), tuck, forward)

    @staticmethod
    def _at_rest(motion: np.ndarray) -> float:
        """1..0: how far the portrait's own opening still counts. Lips that are pressed shut it,
        and so does any speech: what is then open is the motion's."""
        close, press, bite = (float(motion[INDEX[n]]) for n in ("close", "press", "bite"))
        spoken = max(float(motion[INDEX[n]]) for n in ("jaw", "funnel", "pucker", "tongue",
                                                       "upper"))
        return (max(1 - close, 0) * (1 - 0.85 * press) * (1 - 0.8 * bite)
                * (1 - float(smooth(np.float64(spoken / SPOKEN)))))

    def near(self, u, v, pose: Pose) -> np.ndarray:
        """bool: where ``backward`` can move anything."""
        room = self._room(pose)
        low = max(self.neck, self.narrow + pose.chin)
        high = min(self.nose - 0.02 * self.tall, float(pose.outer_top.min()))
        wide = max(max(self.reach * self.half, pose.half) + room, JAW_ENDS * self.jaw_reach)
        return (np.abs(u) < wide) & (v > high) & (v < low)

    def _room(self, pose: Pose) -> float:
        return max((self.reach - 1) * self.half + self.half - pose.half, 0.7 * self.half)

    def columns(self, u, v, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """(u of the portrait, s: 0 the middle, -1 and 1 the corners) of places in the frame."""
        shift = self.half - pose.half
        far = np.abs(u)
        fade = 1 - smooth((far - pose.half) / self._room(pose))
        side = np.where(far < pose.half, u * (shift / pose.half), np.sign(u) * (shift * fade))
        # The width of the lips does not reach the nose, nor the chin.
        middle = len(AT) // 2
        top, bottom = pose.outer_top[middle], pose.outer_bottom[middle]
        top, bottom = float(top), float(bottom)
        above = smooth((v - self.nose + 0.02 * self.tall) / max(top - self.nose, 1e-3))
        below = 1 - smooth((v - bottom) / max(self.narrow + pose.chin - bottom, 1e-3))
        source = u + side * (above * below)
        return source, source / self.half

    def backward(self, u, v, pose: Pose):
        """(u, v of the portrait for the upper layer, v for the lower one, s)."""
        source, s = self.columns(u, v, pose)
        beyond = np.maximum(np.abs(s) - 1, 0)
        fade = 1 - smooth(beyond / (self.reach - 1))
        at = Places(s)

        def moved(now: np.ndarray, was: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            move = at.look(now - was) * fade
            return at.look(was) + move, move

        outer, outer_move = moved(pose.outer_top, self.outer_top)
        inner, inner_move = moved(pose.inner_top, self.inner_top)
        up = smooth((v - self.nose) / np.maximum(outer - self.nose, 1e-3)) * outer_move
        lip = np.clip((v - outer) / np.maximum(inner - outer, 1e-3), 0, 1)
        upper = v - np.where(v < outer, up, outer_move + lip * (inner_move - outer_move))

        inner, inner_move = moved(pose.inner_bottom, self.inner_bottom)
        outer, outer_move = moved(pose.outer_bottom, self.outer_bottom)
        jaw = pose.chin * np.exp(-((source / self.jaw_reach) ** 2) ** 2)  # a fourth power is slow
        chin = np.maximum(self.chin + jaw, outer + 0.02 * self.tall)
        lip = np.clip((v - inner) / np.maximum(outer - inner, 1e-3), 0, 1)
        below = np.clip((v - outer) / (chin - outer), 0, 1)
        down = (inner_move + lip * (outer_move - inner_move)
                + below * (chin - self.chin - outer_move))
        down = down * (1 - smooth((v - chin) / (self.neck - chin)))
        return source, upper, v - down, s
