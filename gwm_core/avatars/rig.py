"""The rig of a portrait: draws it in any motion by warping its own pixels.

    rig = Rig(character, size=512)
    frame = rig.draw(motion)            # motion float32 [24], frame uint8 [h, w, 3]

A motion of zeros is the portrait itself, bit for bit. Only the inside of an opened mouth is
painted (``painted``); everything else is the user's own pixels, moved. Nothing is learned and
nothing remembered: the same motion gives the same frame.

A portrait whose lips are parted keeps that opening at rest; any motion of the mouth gives way to
the opening that the motion says, and ``close`` and ``press`` shut it. While a voice plays, draw
with ``rest=0``: then pauses close the mouth too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import AvatarError
from . import head_warp
from .character import Character
from .coarse_map import Box, CoarseMap
from .curves import cover, look
from .expression import Expression
from .eyes import Eye, LidPose
from .face_frame import FaceFrame, moved_where
from .head_warp import HeadWarp
from .landmarks import INDEX as POINT
from .layers import Figure, Sheet, sample
from .lips import PARTED, Lips, Pose
from .motion import MOTION
from .mouth_layer import MouthLayer
from .palette import Palette
from .snap import snapped

USUAL_SIZE = 512
CELLS = 40
"""Cells of the coarse map per face height."""
SETTLED = 15
"""Steps after which a landmark is within a hundredth of a pixel of where it went."""


@dataclass(frozen=True, eq=False)
class _State:
    """One motion, worked out: the lips, the lids of both eyes, brows and cheeks, and where the
    cells of the coarse map are on the face with its head at rest."""

    lips: Pose
    lids: list[LidPose]
    skin: np.ndarray | None
    x: np.ndarray
    y: np.ndarray


class Rig:
    def __init__(self, character: Character, size: int | None = None) -> None:
        """``size``: the longest side of the frames, which keep the portrait's shape (left out: the
        portrait's own, at most 512)."""
        height, width = character.image.shape[:2]
        longest = max(height, width)
        if size is None:
            size = min(USUAL_SIZE, longest)
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 16:
            raise AvatarError(f"size: {size!r}; a whole number from 16 is accepted")
        self.width = max(int(round(width * size / longest)), 1)
        self.height = max(int(round(height * size / longest)), 1)
        self.character = character
        self.image = _resized(character.image, self.width, self.height)
        scale = np.array([self.width / width, self.height / height])
        points = (character.points * scale).astype(np.float32)
        self.frame = FaceFrame.of(points)
        self.rest_points = points = snapped(self.image, points, self.frame, PARTED)
        self.head = HeadWarp(points, self.frame)
        self.lips = Lips(points, self.frame)
        self.eyes = [Eye(self.image, points, self.frame, side) for side in ("left", "right")]
        self.expression = Expression(points, self.frame)
        self.palette = Palette.of(character.image, character.points)
        self.mouth = MouthLayer(self.lips, self.palette)
        self.picture = Sheet(self.image)
        if character.alpha is not None and character.alpha.min() < 255:
            alpha = _resized(character.alpha, self.width, self.height)
            self.picture = Figure(self.image, alpha)
        self.eyes[0].match(self.eyes[1])
        self.eyes[1].match(self.eyes[0])
        self._whites = self.image.copy()
        for eye in self.eyes:
            eye.without_iris(self._whites, 1 - self.palette.flat,
                             self.palette.ink and self.palette.ink[1])
        # Skin that is stretched far shows streaks; softened along the lid it does not.
        self._soft = cv2.GaussianBlur(self.image, (0, 0), sigmaX=max(0.02 * self.frame.height, 0.3),
                                      sigmaY=0.3)
        self._map = CoarseMap(self._reach(), self.frame.height / CELLS)

    def draw(self, motion: np.ndarray, rest: float = 1.0) -> np.ndarray:
        """uint8 [h, w, 3]: the portrait in ``motion`` [24]. ``rest`` 0..1: how much of its own
        parted lips counts."""
        motion = _checked(motion)
        out = self.image.copy()
        if not motion.any() and rest >= 1:
            return out
        state = self._state(motion, rest)
        whole = self._map.fine(*self._sheet(state.x, state.y, state))
        _put(out, self._map.box, self.picture.at(*whole, self._map.box))
        for eye, lids in zip(self.eyes, state.lids, strict=True):
            self._draw_eye(out, eye, lids, state)
        self._draw_mouth(out, state)
        return out

    def points(self, motion: np.ndarray, rest: float = 1.0) -> np.ndarray:
        """float32 [44, 2]: where the landmarks are in the frame of ``motion``."""
        motion = _checked(motion)
        if not motion.any() and rest >= 1:
            return self.rest_points.copy()
        state = self._state(motion, rest)
        x, y = self.rest_points.T.astype(np.float64)
        fx, fy = x.copy(), y.copy()
        for _ in range(SETTLED):
            bx, by = self._sheet(fx, fy, state)
            fx, fy = fx + 0.6 * (x - bx), fy + 0.6 * (y - by)
        out = np.stack([fx, fy], 1)
        self._lip_points(out, state.lips)
        for eye, pose in zip(self.eyes, state.lids, strict=True):
            _eye_points(out, eye, pose)
        if self.head.moves(motion):
            out = np.stack(self.head.forward(out[:, 0], out[:, 1], motion), 1)
        return out.astype(np.float32)

    def painted(self, motion: np.ndarray, rest: float = 1.0) -> np.ndarray:
        """bool [h, w]: pixels of ``draw`` that are painted, not moved."""
        motion = _checked(motion)
        state = self._state(motion, rest)
        out = np.zeros((self.height, self.width), bool)
        box = self._mouth_box(state)
        if box is not None:
            u, v = self.lips.axis.local(*self._map.fine_in(box, state.x, state.y))
            _, s = self.lips.columns(u, v, state.lips)
            painted = self._inside(v, s, state.lips) * (1 - self.mouth.kept(u, v, state.lips))
            out[box[1]:box[3], box[0]:box[2]] = painted > 0.5
        return out

    def _state(self, motion: np.ndarray, rest: float) -> _State:
        x, y = self._map.x, self._map.y
        if self.head.moves(motion):
            x, y = self.head.backward(x, y, motion)
        return _State(self.lips.pose(motion, rest), [eye.lids(motion) for eye in self.eyes],
                      self.expression.pose(motion), x, y)

    def _sheet(self, x, y, state: _State):
        """Places of the face at rest -> of the portrait, as one sheet: right outside of mouth and
        eyes, and where those are covered."""
        def lidded(u, v):
            at, down = eye.follow(u, v, pose)
            above, below, top, bottom = eye.skin(at, down, pose)
            return at - u, np.where(down < (top + bottom) / 2, above, below) - v

        def spoken(u, v):
            source, down, _ = self._lip_sheet(u, v, state.lips)
            return source - u, down - v

        for eye, pose in zip(self.eyes, state.lids, strict=True):
            if pose.moves:
                u, v = eye.axis.local(x, y)
                x, y = moved_where(eye.near(u, v, pose), eye.axis, x, y, u, v, lidded)
        u, v = self.lips.axis.local(x, y)
        near = self.lips.near(u, v, state.lips)
        x, y = moved_where(near, self.lips.axis, x, y, u, v, spoken)
        return self.expression.backward(x, y, state.skin)

    def _lip_sheet(self, u, v, lips: Pose):
        source, upper, lower, s = self.lips.backward(u, v, lips)
        seam = look((lips.inner_top + lips.inner_bottom) / 2, s)
        return source, np.where(v < seam, upper, lower), s

    # --- eyes

    def _draw_eye(self, out, eye: Eye, pose: LidPose, state: _State) -> None:
        if not pose.moves:
            return
        u, v = eye.follow(*eye.axis.local(state.x, state.y), pose)
        box = self._map.around((np.abs(u) < 1.15 * eye.half) & (v > eye.brow.min())
                               & (v < eye.cheek))
        if box is None:
            return
        u, v = eye.follow(*eye.axis.local(*self._map.fine_in(box, state.x, state.y)), pose)
        above, below, high, low = eye.skin(u, v, pose)

        def skin(v) -> np.ndarray:
            place = self.expression.backward(*eye.axis.picture(u, v), state.skin)
            return self.picture.at(*place, box).astype(np.float32)

        if pose.looks:
            ball = sample(self._whites, *eye.axis.picture(u, eye.white_at(u, v, pose)))
            at_u, at_v, share, rim = eye.iris_at(u, v, pose)
            iris = sample(self.image, *eye.axis.picture(at_u, at_v))
            # Of what is around the iris only its dark rim goes along, no light.
            iris = np.where(rim[..., None], np.minimum(iris, ball), iris).astype(np.float32)
            ball = ball + (iris - ball) * share[..., None]
        else:
            ball = sample(self.image, *eye.axis.picture(u, v)).astype(np.float32)
        open_ = eye.cover(high, low, v)
        split = np.clip(v - np.maximum((low + high) / 2, high) + 0.5, 0, 1)[..., None]
        upper, lower = skin(above), skin(below)
        patch = eye.lid_patch(u, v, pose, 1 - self.palette.flat)
        if patch is not None:
            upper += (skin(patch[0]) - upper) * patch[1][..., None]
        smear = eye.smear(u, above, pose)
        if smear is not None and self.palette.flat < 1:
            place = self.expression.backward(*eye.axis.picture(u, above), state.skin)
            smear = (1 - self.palette.flat) * smear[..., None]
            upper += (sample(self._soft, *place) - upper) * smear
        lid = upper + (lower - upper) * split
        _put(out, box, lid + (ball - lid) * open_[..., None])

    # --- mouth

    def _mouth_box(self, state: _State) -> Box | None:
        lips, rest = state.lips, self.lips
        u, v = rest.axis.local(state.x, state.y)
        margin = 0.03 * self.frame.height
        top = min(float(lips.outer_top.min()), float(rest.outer_top.min())) - margin
        bottom = max(float(lips.outer_bottom.max()), float(rest.outer_bottom.max())) + margin
        return self._map.around((np.abs(u) < 1.15 * max(lips.half, rest.half))
                                & (v > top) & (v < bottom))

    @staticmethod
    def _inside(v, s, lips: Pose):
        return cover(v, look(lips.inner_top, s), look(lips.inner_bottom, s)) * (np.abs(s) < 1)

    def _draw_mouth(self, out, state: _State) -> None:
        box = self._mouth_box(state)
        if box is None:
            return
        lips, axis = state.lips, self.lips.axis
        u, v = axis.local(*self._map.fine_in(box, state.x, state.y))
        source, down, s = self._lip_sheet(u, v, lips)
        place = self.expression.backward(*axis.picture(source, down), state.skin)
        result = self.picture.at(*place, box).astype(np.float32)
        inside = self._inside(v, s, lips)
        show = inside > 0
        if show.any():
            u, v, s, share = u[show], v[show], s[show], inside[show][:, None]
            paint = self.mouth.paint(u, v, s, lips)
            if self.mouth.own:
                kept = self.mouth.kept(u, v, lips)
                x, y = axis.picture(*self.mouth.own_at(u, v, lips))
                own = sample(self.image, x[None], y[None])[0].astype(np.float32)
                paint += (own - paint) * kept[:, None]
            under = result[show]
            result[show] = under + (paint - under) * share
        _put(out, box, result)

    def _lip_points(self, out: np.ndarray, lips: Pose) -> None:
        pairs = [(("lip_top_left", "lip_top", "lip_top_right"), lips.outer_top),
                 (("lip_bottom_left", "lip_bottom", "lip_bottom_right"), lips.outer_bottom),
                 (("inner_top_left", "inner_top", "inner_top_right"), lips.inner_top),
                 (("inner_bottom_left", "inner_bottom", "inner_bottom_right"), lips.inner_bottom),
                 (("mouth_left", "mouth_right"), lips.inner_top)]
        for names, curve in pairs:
            for name in names:
                u = self.lips.axis.local(*self.rest_points[POINT[name]].astype(np.float64))[0]
                s = np.clip(u / self.lips.half, -1, 1)
                out[POINT[name]] = self.lips.axis.picture(s * lips.half, float(look(curve, s)))

    def _reach(self) -> Box:
        left, right, top, bottom = head_warp.REACH
        u, v = np.meshgrid([left, right], [top, bottom])
        x, y = self.frame.outward(u.ravel(), v.ravel())
        x0 = int(np.clip(np.floor(x.min()), 0, self.width - 1))
        y0 = int(np.clip(np.floor(y.min()), 0, self.height - 1))
        x1 = int(np.clip(np.ceil(x.max()), x0 + 1, self.width))
        y1 = int(np.clip(np.ceil(y.max()), y0 + 1, self.height))
        return x0, y0, x1, y1


def _put(out: np.ndarray, box: Box, colours: np.ndarray) -> None:
    if colours.dtype != np.uint8:
        colours = np.clip(colours + 0.5, 0, 255).astype(np.uint8)
    out[box[1]:box[3], box[0]:box[2]] = colours


def _eye_points(out: np.ndarray, eye: Eye, pose: LidPose) -> None:
    side = eye.side
    for name, curve in ((f"eye_{side}_upper", pose.upper), (f"eye_{side}_lower", pose.lower)):
        u, v = eye.axis.local(*out[POINT[name]])
        s = np.array(np.clip(u / eye.half, -1, 1))
        out[POINT[name]] = eye.axis.picture(u, float(look(curve, s)))
    u, v = eye.iris
    out[POINT[f"iris_{side}"]] = eye.axis.picture(u + pose.gaze[0], v + pose.gaze[1])


def _resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    down = width < image.shape[1]
    return cv2.resize(image, (width, height),
                      interpolation=cv2.INTER_AREA if down else cv2.INTER_CUBIC)


def _checked(motion: np.ndarray) -> np.ndarray:
    motion = np.asarray(motion, dtype=np.float32)
    if motion.shape != (len(MOTION),):
        raise AvatarError(f"motion: {list(motion.shape)}; [{len(MOTION)}] is accepted")
    if not np.isfinite(motion).all():
        raise AvatarError("motion: a value is not finite")
    return motion
