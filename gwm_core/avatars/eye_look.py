"""What the pixels of a drawn or photographed eye tell: its iris, its lash lines, the skin above.

All along the coordinates of one eye (``face_frame.Axis``): u to the right, v down, in pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from .curves import look
from .face_frame import Axis

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_ACROSS = np.linspace(-0.6, 0.6, 13).astype(np.float32)


class EyeLook:
    def __init__(self, image: np.ndarray, axis: Axis, upper: np.ndarray, lower: np.ndarray,
                 iris: tuple[float, float], brow: np.ndarray) -> None:
        """image uint8 [h, w, 3]; tables of both lids and of the brow's lower
        edge; where the iris is."""
        self._grey = image.astype(np.float32) @ _GREY
        self._axis, self._upper, self._lower, self._iris = axis, upper, lower, iris
        self._brow, self._open = brow, float((lower - upper).max())
        self.radius, self.white = self._iris_radius()
        """pixels; whether there is any white beside the iris"""
        self.outlined = self.white and self._outlined(self.radius)
        self.lash, self.inner, self.lower_inner = self._lashes()
        """thickness of the dark line of the upper lid above its curve and below it, and of the
        lower lid's above its curve; 0: none"""

    def _shade(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        x, y = self._axis.picture(u, v)
        return cv2.remap(self._grey, np.float32(x - 0.5), np.float32(y - 0.5), cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_REPLICATE)

    def _iris_radius(self) -> tuple[float, bool]:
        """Where brightness rises most to both sides of the iris."""
        half = self._axis.half
        radii = np.linspace(0.2, 0.92, 25) * half
        angles = np.radians([-24, -12, 0, 12, 24])
        angles = np.concatenate([angles, np.pi + angles])
        u = self._iris[0] + radii[:, None] * np.cos(angles)
        v = self._iris[1] + radii[:, None] * np.sin(angles)
        shade = self._shade(u, v)
        s, margin = u / half, 0.07 * self._open
        inside = ((np.abs(s) < 0.93) & (v > look(self._upper, s) + margin)
                  & (v < look(self._lower, s) - margin))
        rise = np.zeros(len(radii))
        for k in range(2, len(radii) - 2):
            both = inside[k - 2] & inside[k + 2]
            sides = [(shade[k + 2] - shade[k - 2])[side][both[side]] for side in (
                slice(0, 5), slice(5, 10))]
            sides = [np.median(side) for side in sides if len(side)]
            # A highlight is on one side of the eye only, the white on both.
            rise[k] = min(sides, default=0.0)
        usual = float(np.clip(0.6 * self._open / half, 0.3, 0.6))
        rise *= np.exp(-((radii / half - usual) / 0.35) ** 2)
        # The pupil is dark too: the iris ends at the outermost rise.
        best = int(np.flatnonzero(rise >= 0.55 * rise.max())[-1])
        # Where the eye is all iris (a dot), the rise is that to the skin around.
        if rise[best] < 10 or radii[best] > 0.8 * half:
            radius = self._step_radius(usual)
            if radius and self._outlined(radius):
                return radius, True
            return min(0.62 * self._open, 0.8 * half), False
        return float(radii[best]), True

    def _step_radius(self, usual: float) -> float:
        """Where what is outside is most brighter than what is inside, over broad rings and in the
        mean of both sides: a highlight or a large iris hides a sharp rise. 0: nowhere."""
        half = self._axis.half
        radii = np.linspace(0.1, 0.98, 45) * half
        angles, sides = np.radians([-30, -20, -10, 0, 10, 20, 30]), []
        for way in (0, np.pi):
            u = self._iris[0] + radii[:, None] * np.cos(way + angles)
            v = self._iris[1] + radii[:, None] * np.sin(way + angles)
            s, margin = u / half, 0.07 * self._open
            inside = ((np.abs(s) < 0.93) & (v > look(self._upper, s) + margin)
                      & (v < look(self._lower, s) - margin))
            shade = np.ma.masked_array(self._shade(u, v), ~inside)
            sides.append(np.ma.median(shade, 1).filled(np.nan))
        best, at = 8.0, 0.0
        for k in range(6, len(radii) - 2):
            steps = [np.nanmean(side[k + 1:k + 8]) - np.nanmean(side[k - 6:k]) for side in sides
                     if np.isfinite(side[k + 1:k + 8]).sum() > 1
                     and np.isfinite(side[k - 6:k]).sum() > 2]
            if not steps or not 0.36 * half < radii[k] < 0.88 * half:
                continue
            step = np.mean(steps) if len(steps) == 2 else 0.8 * steps[0]
            step *= np.exp(-((radii[k] / half - usual) / 0.45) ** 2)
            if step > best:
                best, at = float(step), float(radii[k])
        return at

    def _outlined(self, radius: float) -> bool:
        """Whether beyond the iris and something bright there are dark corners on both sides: lids
        around a white, not the skin around a dot."""
        half = self._axis.half
        falls = []
        for way in (-1, 1):
            u = self._iris[0] + way * np.linspace(radius, 1.45 * half, 40)
            u = u[np.abs(u) < 1.4 * half]
            shade = self._shade(u[None], np.full((1, len(u)), 0.5 * self._iris[1]))[0]
            falls.append(float((np.maximum.accumulate(shade) - shade).max()) if len(u) else 0.0)
        return min(falls) > 30

    def _lashes(self) -> tuple[float, float, float]:
        half = self._axis.half
        beside = np.abs(_ACROSS * half - self._iris[0]) > self.radius
        far = 0.35 * self._open
        gap = look(self._upper - self._brow, _ACROSS)
        room = max(float(gap.min()), 0.2 * self._open)
        return (self._thick(self._upper, _ACROSS, -min(0.9 * self._open, 0.8 * room)),
                self._thick(self._upper, _ACROSS[beside], far),
                self._thick(self._lower, _ACROSS[beside], -far))

    def _thick(self, rim: np.ndarray, s: np.ndarray, far: float) -> float:
        """How far a dark line reaches from a lid's curve, at most ``far`` (its sign: which way)."""
        if not s.size:
            return 0.0
        v = look(rim, s) + np.linspace(0, far, 33).astype(np.float32)[:, None]
        shade = self._shade(np.broadcast_to(s * self._axis.half, v.shape), v)
        light, dark = np.percentile(shade, 80), shade.min(0)
        line = shade < light - 0.4 * (light - dark)
        return float(np.median(np.argmin(line, 0) * (dark < light - 25))) / 32 * abs(far)

    def clear_above(self, lash: float) -> bool:
        """Whether there is plain skin to stretch between brow and lashes: room for it, and no
        hair, hat or brow in it. The skin below the eye says what skin looks like."""
        if np.mean(look(self._upper - self._brow, _ACROSS)) - lash < 0.08 * self._open:
            return False
        steps = np.linspace(0, 1, 9).astype(np.float32)[:, None]
        u = np.broadcast_to(_ACROSS * self._axis.half, (9, len(_ACROSS)))
        above = self._shade(u, look(self._brow, _ACROSS) + steps * np.maximum(
            look(self._upper - self._brow, _ACROSS) - lash, 0))
        below = self._shade(u, look(self._lower, _ACROSS) + (0.1 + 0.22 * steps) * self._open)
        # The darker part of what is below: there may be a bright muzzle or cheek.
        skin = np.percentile(below, 25)
        spread = np.abs(below - np.median(below)).mean()
        return bool(np.mean(above < skin - max(42, 4 * spread)) < 0.18)


def fills_box(image: np.ndarray, axis: Axis, top: float, bottom: float) -> bool:
    """Whether an eye is a box, as in pixel art: white into the corners that lids round off."""
    def at(u: list[float], v: list[float]) -> np.ndarray:
        x, y = axis.picture(np.float32([u]), np.float32([v]))
        return cv2.remap(image, np.float32(x - 0.5), np.float32(y - 0.5), cv2.INTER_LINEAR,
                         borderMode=cv2.BORDER_REPLICATE)[0].astype(np.float32)

    side, middle = 0.84 * axis.half, (top + bottom) / 2
    high, low = 0.65 * (top - middle) + middle, 0.65 * (bottom - middle) + middle
    corners = at([-side, side, -side, side], [high, high, low, low])
    white = at([-side, side], [middle, middle]).mean(0)
    skin = at([-side, side], [2 * bottom - middle] * 2).mean(0)
    near, far = np.abs(corners - white).sum(-1), np.abs(corners - skin).sum(-1)
    return bool((near < 0.5 * far).sum() == 4 and np.abs(white - skin).sum() > 90)
