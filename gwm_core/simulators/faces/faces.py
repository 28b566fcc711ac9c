"""Portraits of people, animals and robots who do not exist, under any motion, with exact points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...avatars.motion import MOTION
from ...errors import AvatarError
from ...noise import check_seed, rng
from .background import draw_background
from .canvas import Canvas
from .drawing import draw_portrait
from .finish import Finish
from .hair import hair_parts
from .identity import make_identity
from .pose import Pose
from .poses import random_motion
from .styles import BY_NAME, HELD_STYLES, STYLES
from .textures import hair_texture, skin_texture
from .worn import ear_parts, front_parts, glasses_parts, worn_parts

SMALLEST, LARGEST = 16, 2048
KEPT = 2  # sizes whose backgrounds a face keeps


class Face:
    """One identity of a style; the same seed, style and split always give the same pictures.

    ``style`` is one of ``STYLES`` or ``HELD_STYLES``; None picks one of ``STYLES``. ``split``
    is any name: the identities of two splits have nothing in common.
    """

    def __init__(self, seed: int, style: str | None = None, split: str = "train"):
        self.seed, self.split = check_seed(seed), split
        if style is None:
            style = STYLES[int(rng(seed, "face style", split).integers(len(STYLES)))]
        if style not in BY_NAME:
            raise AvatarError(f"style: {style!r}; {', '.join(BY_NAME)} are accepted")
        self.style = style
        self.identity = make_identity(self._rng("identity"), BY_NAME[style])
        i = self.identity
        ears = ear_parts(i, self._rng("ears"))
        # a part within another one names it by its place in the list
        hair = [replace(part, within=part.within + len(ears)) if part.within >= 0 else part
                for part in hair_parts(i, self._rng("hair"))]
        self._parts = (ears + hair + glasses_parts(i) + worn_parts(i, self._rng("worn"))
                       + front_parts(i))
        self._textures: tuple | None = None
        self._grounds: dict[tuple[int, int], tuple[np.ndarray, Finish]] = {}

    def _rng(self, use: str) -> np.random.Generator:
        return rng(self.seed, "face", self.split, self.style, use)

    def draw(self, motion: np.ndarray, size: int = 128,
             supersample: int = 2) -> tuple[np.ndarray, np.ndarray]:
        """(rgb uint8 [size, size, 3], points float32 [44, 2]) of ``motion`` [24].

        ``size`` from 16 to 2048; ``supersample``, 1 to 4, is how many fine pixels a pixel's side
        is averaged from.
        """
        motion = np.asarray(motion, np.float32)
        if motion.shape != (len(MOTION),):
            raise AvatarError(f"motion: shape {motion.shape}; ({len(MOTION)},) is accepted")
        if not np.isfinite(motion).all():
            raise AvatarError("motion: a value is not finite")
        if not SMALLEST <= size <= LARGEST:
            raise AvatarError(f"size: {size}; {SMALLEST} to {LARGEST} is accepted")
        if not 1 <= supersample <= 4:
            raise AvatarError(f"supersample: {supersample}; 1 to 4 is accepted")
        if self._textures is None:
            self._textures = (skin_texture(self.identity, self._rng("skin"))
                              if self.identity.shading == "soft" else None,
                              hair_texture(self.identity, self._rng("hair texture")))
        key = (size, supersample)
        if key not in self._grounds:
            if len(self._grounds) >= KEPT:
                self._grounds.pop(next(iter(self._grounds)))
            ground = draw_background(self.identity, self._rng("background"), *key)
            self._grounds[key] = ground, Finish(self.identity, self._rng("finish"), *key)
        ground, finish = self._grounds[key]
        pose = Pose(self.identity, motion, size)
        canvas = Canvas(ground.copy(), supersample)
        draw_portrait(canvas, pose, self._parts, *self._textures)
        if finish.fine:
            canvas.pixels = finish.apply(canvas.pixels)
        rgb = canvas.picture()
        return (rgb if finish.fine else finish.apply(rgb)), pose.landmarks()

    def points(self, motion: np.ndarray, size: int = 128) -> np.ndarray:
        """float32 [44, 2]: the points alone, without drawing."""
        return Pose(self.identity, np.asarray(motion, np.float32), size).landmarks()


__all__ = ["BY_NAME", "Face", "HELD_STYLES", "STYLES", "random_motion"]
