"""The eyes of a portrait: lids of its own skin that close over an eyeball that can look about.

Backward maps in the coordinates of one eye: u along its corners, v down, in pixels, 0 half way
between the corners. The upper lid is the skin above the eye, stretched down; lashes keep their
thickness. The eyeball stays where it is and is covered, as a real one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .coarse_map import centres
from .curves import AT, Places, cover, look
from .eye_look import EyeLook, fills_box
from .face_frame import Axis, FaceFrame, smooth
from .landmarks import INDEX as POINT
from .layers import filled
from .motion import INDEX

RING = 1.16
"""Radii of the iris, with the white close around that goes along."""
ALONG = 1.9
"""Of ``Eye._out``: so far skin goes along with an eye without white."""


_MOST = np.abs(AT) < 0.7


@dataclass(frozen=True, eq=False)
class LidPose:
    """Tables over -1..1 of v in pixels: the lids now, and how far the eyeball's place is
    stretched (wide open); gaze in pixels; whether anything, and whether the eyeball, is not as in
    the portrait; how far the lid is shut and how wide it is open, 0..1."""

    upper: np.ndarray
    lower: np.ndarray
    top: np.ndarray
    gaze: tuple[float, float]
    moves: bool
    looks: bool
    shut: float
    wide: float


class Eye:
    def __init__(self, image: np.ndarray, points: np.ndarray, frame: FaceFrame, side: str) -> None:
        """image uint8 [h, w, 3], points [44, 2] in its pixels, side ``left`` or ``right``."""
        self.side, self.tall = side, frame.height
        ends = ("outer", "inner") if side == "left" else ("inner", "outer")
        a, b = (points[POINT[f"eye_{side}_{end}"]] for end in ends)
        self.axis = Axis.between(a, b, frame, 0.01 * self.tall)
        self.half = self.axis.half
        upper, lower = self._place(points, "eye_{}_upper"), self._place(points, "eye_{}_lower")
        if lower[1] < upper[1]:
            upper, lower = lower, upper
        # Narrow eyes are pointed at their corners, large drawn ones are round.
        aspect = (lower[1] - upper[1]) / (2 * self.half)
        fullness = float(np.clip(1.15 - 0.75 * aspect, 0.5, 0.95))
        self.box = fills_box(image, self.axis, upper[1], lower[1])
        if self.box:
            fullness = 0.15
        self.upper, self.lower = self._arc(upper, fullness), self._arc(lower, fullness)
        self.open = max(float((self.lower - self.upper).max()), 0.5)
        self.rise = float(np.clip(0.1 + 0.5 * (aspect - 0.35), 0.1, 0.3))
        # The lower edge of the brow, as near to the eye as may be: a table over -1..1.
        brow = np.array(sorted(self._place(points, name) for name in (
            "brow_{}_outer", "brow_{}", "brow_{}_inner")))
        brow = np.interp(AT, brow[:, 0] / self.half, brow[:, 1]) + 0.02 * self.tall
        self.brow = np.clip(brow, self.upper - 2.2 * self.open,
                            self.upper - 0.25 * self.open).astype(np.float32)
        self.cheek = float(self.lower.max()) + 0.5 * self.open
        self.iris = self._place(points, "iris_{}")
        seen = EyeLook(image, self.axis, self.upper, self.lower, self.iris, self.brow)
        self.radius, self.white, self.outlined = seen.radius, seen.white, seen.outlined
        tall = self.open
        room = max(float((self.upper - self.brow)[_MOST].min()), 0.2 * tall)
        self.lash = float(np.clip(seen.lash + 0.06 * tall, 0.12 * tall, 0.8 * room))
        self.clear = seen.clear_above(self.lash)
        if not self.clear:
            self.lash = min(self.lash + 0.05 * tall + 0.5, 0.35 * tall)
            self.brow = self.upper - 1.5 * self.lash
        self.rim = min(seen.inner, 0.25 * tall)
        pointed, thick = 1 - AT * AT, 1 / np.maximum(np.sqrt(1 - AT * AT), 0.3)
        roundness = float(np.clip((0.95 - fullness) / 0.4, 0, 1))
        edge = np.ones_like(AT) if self.box else pointed + roundness * (thick - pointed)
        edge = edge.astype(np.float32)
        # Between lid and eyeball, as far as their dark lines reach: tables over -1..1.
        self.edge = edge * float(np.clip(seen.inner + 0.02 * tall, 0.05 * tall, 0.25 * tall))
        self.edge_low = edge * float(np.clip(seen.lower_inner + 0.02 * tall, 0.05 * tall,
                                             0.25 * tall))
        # A dot has no lids: shut, a line of it stays.
        self.slit, self._risen = 0.0 if self.white else 0.08 * tall, self.rise
        if not self.white:
            self.rise = 0.0

    def _place(self, points: np.ndarray, name: str) -> tuple[float, float]:
        u, v = self.axis.local(*points[POINT[name.format(self.side)]].astype(np.float64))
        return float(u), float(v)

    def _arc(self, through: tuple[float, float], fullness: float) -> np.ndarray:
        """A lid from corner to corner through one place."""
        t = float(np.clip(through[0] / self.half, -0.6, 0.6))
        arc = np.maximum(1 - AT * AT, 0) ** fullness * (1 + 0.4 * t * AT)
        peak = (1 - t * t) ** fullness * (1 + 0.4 * t * t)
        return (through[1] / peak * arc).astype(np.float32)

    def lids(self, motion: np.ndarray) -> LidPose:
        """The lids and the gaze of ``motion`` [24]."""
        def at(name: str) -> float:
            return float(motion[INDEX[name]])

        shut = float(np.clip(at(f"blink_{self.side}"), 0, 1))
        wide, squint = at("wide"), min(at("squint") + 0.25 * max(at("smile"), 0), 1.0)
        gx, gy = at("gaze_x"), at("gaze_y")
        opening = self.lower - self.upper
        reach = (0.46 if self.white else 0.35) * self.half
        dx, dy = gx * reach, -gy * (0.0 if self.box else 0.20) * self.open
        follow = 0.85 * dy / self.open if self.white else 0.0
        raised = 0.22 * wide if self.white else 0.0
        top = self.upper + opening * np.float32(min(follow, 0.0) - raised)
        upper = self.upper + opening * np.float32(follow - raised + 0.16 * squint)
        lower = self.lower - opening * np.float32(0.32 * squint - 0.25 * max(follow, 0.0)
                                                  + self.rise * shut)
        upper = upper + (lower - upper) * np.float32(shut)
        moves = bool(shut or wide or squint or gx or gy)
        looks = self.white and bool(gx or gy or wide)
        return LidPose(upper, lower, top, (dx, dy), moves, looks, shut, wide)

    def near(self, u, v, pose: LidPose) -> np.ndarray:
        """bool: where lids or an eye without white can move anything."""
        top = min(float(self.brow.min()), float(pose.upper.min()) - self.lash)
        near = (np.abs(u) < self.half) & (v > top) & (v < self.cheek)
        return near if self.white else near | (self._out(u, v, pose) < ALONG)

    def _out(self, u, v, pose: LidPose):
        """How far out of an eye without white, wherever it looks: 1 at its corners."""
        return np.hypot(u / self.half, (v - pose.gaze[1]) / (0.6 * self.open))

    def follow(self, u, v, pose: LidPose):
        """(u, v) before an eye without white looked about or widened: it moves as a whole, with
        the skin around it."""
        dx, dy = pose.gaze
        if self.white or not (dx or dy or pose.wide):
            return u, v
        weight = smooth((ALONG - self._out(u, v, pose)) / 0.8)
        v = v - dy * weight
        return u - dx * weight, v * (1 - 0.13 * pose.wide * weight)

    def skin(self, u, v, pose: LidPose):
        """(v of the portrait for the upper lid, for the lower one, edge between lid and eyeball
        above, below): all in pixels."""
        s = u / self.half
        at = Places(s)
        upper, move_up = at.look(self.upper), at.look(pose.upper - self.upper)
        lower, move_down = at.look(self.lower), at.look(pose.lower - self.lower)
        lash, floor = upper + move_up - self.lash, lower + move_down
        if self.clear:
            brow = at.look(self.brow)
            share = np.clip((v - brow) / np.maximum(lash - brow, 1e-3), 0, 1)
            above = v - share * move_up
        else:
            above = np.where(v < lash, v, v - move_up)
        share = np.clip((self.cheek - v) / np.maximum(self.cheek - floor, 1e-3), 0, 1)
        below = v - share * move_down
        # Shut, the lid ends in its lashes: no white is left between it and the lower one.
        open_ = 1 - pose.shut
        within = np.abs(s) < 1
        end = (self.rim - 0.03 * self.open) * pose.shut * np.maximum(1 - s * s, 0)
        slit = self.slit * pose.shut * np.sqrt(np.maximum(1 - s * s, 0))
        high = upper + move_up + at.look(self.edge) * (open_ * within) + end - slit
        low = floor - at.look(self.edge_low) * (open_ * within) + end + slit
        return above, below, high, low

    def lid_patch(self, u, v, pose: LidPose, soft: float):
        """Where there is no plain skin above the eye to stretch: (v of the skin below the eye to
        cover it with, 0..1 how much); None where there is, or nothing to cover. ``soft`` 0..1: how
        softly it begins."""
        if self.clear:
            return None
        s = u / self.half
        at = Places(s)
        upper, move = at.look(self.upper), at.look(pose.upper - self.upper)
        begin = v - upper + self.lash
        source = at.look(self.lower) + (0.12 + 0.2 * np.clip(1 - begin / np.maximum(move, 1e-3),
                                                             0, 1)) * self.open
        weight = (smooth(begin / (1 + 0.3 * soft * self.open) + 0.5)
                  * np.clip(upper + move - self.lash - v + 0.5, 0, 1) * (np.abs(s) < 1))
        return source, weight * np.clip(move / 2, 0, 1)

    @staticmethod
    def cover(high, low, v) -> np.ndarray:
        """0..1: how much of each pixel shows the eyeball."""
        return cover(v, high, np.maximum(low, high))

    def smear(self, u, above, pose: LidPose) -> np.ndarray | None:
        """0..1: how much the skin of the upper lid, from ``above``, is streaked by stretching."""
        if not self.clear:
            return None
        room = np.maximum(self.upper - self.lash - self.brow, 0.5)
        stretch = float((pose.upper - self.upper).max() / room[_MOST].mean())
        if stretch < 0.5:
            return None
        at = Places(u / self.half)
        share = (above - at.look(self.brow)) / at.look(room)
        return min(stretch - 0.5, 1.0) * smooth(share / 0.3) * smooth((1.0 - share) / 0.15)

    def white_at(self, u, v, pose: LidPose):
        """v of the portrait of the eyeball itself, which stays where it is. Wide open, what the
        lid had covered is not in the picture: its place is stretched."""
        at = Places(u / self.half)
        lower, upper, top = (at.look(curve) for curve in (self.lower, self.upper, pose.top))
        v = lower - (lower - v) * (lower - upper) / np.maximum(lower - top, 1e-3)
        return np.maximum(v, upper + at.look(self.edge))

    def iris_at(self, u, v, pose: LidPose):
        """(u, v of the portrait, 0..1 how much, whether beyond its rim) of the iris, where it
        looks."""
        dx, dy = pose.gaze
        if self.hidden:
            v = self.white_at(u, v, pose)
        u, v = u - dx, v - dy
        away = self._away(u, v)
        share = smooth((RING - away) / (RING - 0.96))
        at = Places(u / self.half)
        high, low = (at.look(curve) for curve in (self.upper + self.edge,
                                                  self.lower - self.edge_low))
        return u, np.clip(v, high, np.maximum(low, high)), share, away > 0.96

    def _away(self, u, v):
        """Radii from the middle of the iris; in an eye that is a box, of its columns."""
        u = u - self.iris[0]
        return (np.abs(u) if self.box else np.hypot(u, v - self.iris[1])) / self.radius

    def match(self, other: Eye) -> None:
        """Takes the larger iris and thicker lashes of both eyes: an edge that was missed makes
        them too small. Where the other clearly has a white, in the shade this one has it too."""
        if other.outlined and not self.white:
            self.white, self.slit, self.rise = True, 0.0, self._risen
            self.radius = min(other.radius * self.half / other.half, 0.8 * self.half)
        if self.white and other.white:
            self.radius = max(self.radius, min(other.radius, 0.8 * self.half))
            scale = self.open / other.open
            self.rim = max(self.rim, scale * other.rim)
            self.edge = np.maximum(self.edge, scale * other.edge)
            self.edge_low = np.maximum(self.edge_low, scale * other.edge_low)

    @property
    def hidden(self) -> bool:
        """Whether the lid covers the top of the iris."""
        lid = float(look(self.upper, np.float32(self.iris[0] / self.half)))
        return self.iris[1] - self.radius < lid + 0.06 * self.open

    def without_iris(self, image: np.ndarray, shaded: float, paper: np.ndarray | None = None
                     ) -> None:
        """Fills in ``image``, the portrait, what the iris hides of the white around it; ``shaded``
        0..1: how much of the lid's shadow lies on it. paper [3]: the white of a drawing in one ink,
        where hardly any is seen beside the iris."""
        if not self.white:
            return
        reach = 1.3 * max(self.half, self.open)
        x, y = self.axis.picture(*self.iris)
        x0, y0 = max(int(x - reach), 0), max(int(y - reach), 0)
        part = image[y0:max(int(y + reach), 0) + 1, x0:max(int(x + reach), 0) + 1]
        if not part.size:
            return
        u, v = self.axis.local(*centres((x0, y0, x0 + part.shape[1], y0 + part.shape[0])))
        away = self._away(u, v)
        s = u / self.half
        if paper is not None:
            inside = ((v > look(self.upper + self.edge, s)) & (np.abs(s) < 1)
                      & (v < look(self.lower - self.edge_low, s)))
            share = (smooth((RING - away) / 0.12) * inside)[..., None]
            part[:] = np.clip(part + (paper - part) * share + 0.5, 0, 255).astype(np.uint8)
            return
        known = ((np.abs(s) < (0.8 if self.box else 0.97)) & (away > RING + 0.02)
                 & (v > look(self.upper + 1.15 * self.edge, s))
                 & (v < look(self.lower - 1.15 * self.edge_low, s)))
        if known.any():
            # White, not the shade of lashes; that is laid over it again.
            light = part.max(-1)
            known &= light >= np.median(light[known])
            fill = filled(part.astype(np.float32), known)
            depth = (v - look(self.upper, s)) / self.open
            fill *= (1 - shaded * 0.3 * smooth(1 - depth / 0.5))[..., None]
            share = smooth((RING - away) / 0.12)[..., None]
            part[:] = np.clip(part + (fill - part) * share + 0.5, 0, 255).astype(np.uint8)
