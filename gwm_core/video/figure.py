"""A character cut out of its portrait: drawn in any motion with its alpha, to stand anywhere.

The figure's own colours are bled outward under its edge, so that no rim of the old background is
left, and its body is continued where the portrait ends: downwards as its last row goes on, and at
the sides where a shoulder is cut, as a shoulder falls. What is continued is soft and plain; it is
meant to lie at the edge of a film frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..avatars.character import Character
from ..avatars.layers import filled, sample
from ..avatars.rig import Rig

SOLID = 250
"""Alpha from which on a pixel shows nothing of what was behind."""
TRIM = 0.03
"""Face heights of a portrait's lower edge that are left away."""
SHOULDER = 0.5
"""Face heights within which a cut shoulder falls to vertical."""
INSIDE = 0.1
"""Of what is continued beside a portrait: so far inside of its edge the colours are taken."""
FADE = 0.14
"""Share of a portrait's side over which a portrait without a matte fades into its surroundings."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """character  the continued portrait, colours bled: opaque
    alpha      uint8 [H, W] of the same size
    eyes       (x, y) of the middle between the irises; tall: crown to chin; both in its pixels
    bottom     row at which the portrait itself ends
    whole      whether it is the whole portrait, with what is behind the figure
    """

    character: Character
    alpha: np.ndarray
    eyes: tuple[float, float]
    tall: float
    bottom: int
    whole: bool = False


def cutout(character: Character, alpha: np.ndarray) -> Cutout:
    """A character whose figure is ``alpha`` uint8 [H, W]."""
    tall = _tall(character)
    # Drawings are often closed by a line along their lower edge.
    kept = alpha.shape[0] - int(np.ceil(TRIM * tall))
    character = replace(character, image=character.image[:kept], alpha=None)
    alpha = alpha[:kept]
    image = filled(character.image.astype(np.float32), alpha >= SOLID)
    side = int(np.ceil(SHOULDER * tall)) + 2
    left, right = (_fall(a, tall, side) for a in (alpha, alpha[:, ::-1]))
    pads = (side if left is not None else 0, side if right is not None else 0)
    down = int(1.2 * tall)
    share = alpha.astype(np.float32)
    if pads[0]:
        image, share = _beside(image, share, left)
    if pads[1]:
        image, share = (np.ascontiguousarray(a[:, ::-1]) for a in
                        _beside(image[:, ::-1], share[:, ::-1], right))
    image, share = _below(image, share, down, tall)
    image = np.clip(image + 0.5, 0, 255).astype(np.uint8)
    share = np.clip(share + 0.5, 0, 255).astype(np.uint8)
    moved = replace(character, image=image, points=character.points + np.float32([pads[0], 0]),
                    alpha=None)
    return Cutout(moved, share, _eyes(moved), tall, kept)


def framed(character: Character) -> Cutout:
    """A character that cannot be cut out: its whole picture, fading at the sides and the top into
    surroundings that continue it (``surroundings``)."""
    height, width = character.image.shape[:2]
    tall = _tall(character)
    rows = (np.arange(height, dtype=np.float32) + 0.5) / (FADE * height)
    columns = (np.arange(width, dtype=np.float32) + 0.5) / (FADE * width)
    across = np.minimum(np.minimum(columns, columns[::-1]), 1)
    share = 255 * _eased(np.minimum(rows, 1))[:, None] * _eased(across)[None]
    image, share = _below(character.image.astype(np.float32), share.astype(np.float32),
                          int(1.2 * tall), tall)
    plain = replace(character, image=np.clip(image + 0.5, 0, 255).astype(np.uint8), alpha=None)
    return Cutout(plain, np.clip(share + 0.5, 0, 255).astype(np.uint8), _eyes(plain), tall, height,
                  True)


def surroundings(cut: Cutout, to_film: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 [H, W, 3] of ``size`` (width, height): what a whole portrait stands in, its own
    edges continued smoothly to the sides of the film."""
    picture = cv2.warpAffine(cut.character.image, to_film, size, flags=cv2.INTER_AREA)
    there = cv2.warpAffine(np.full(cut.alpha.shape, 255, np.uint8), to_film, size) > 250
    return filled(picture.astype(np.float32), there) if there.any() else np.zeros(
        (size[1], size[0], 3), np.float32)


class MatteRig(Rig):
    """A rig of a cutout that gives its alpha with every frame."""

    def __init__(self, cut: Cutout, size: int) -> None:
        super().__init__(cut.character, size)
        self.scale = self.width / cut.character.image.shape[1]
        self.alpha = cv2.resize(cut.alpha, (self.width, self.height), interpolation=(
            cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC))

    def draw_matted(self, motion: np.ndarray, rest: float = 1.0) -> np.ndarray:
        """uint8 [h, w, 4]: colours (not multiplied) and alpha of the figure in ``motion``."""
        out = np.empty((self.height, self.width, 4), np.uint8)
        out[..., :3] = self.draw(motion, rest)
        out[..., 3] = self.alpha
        if motion.any():
            state = self._state(motion, rest)
            x0, y0, x1, y1 = self._map.box
            x, y = self._map.fine(*self._sheet(state.x, state.y, state))
            out[y0:y1, x0:x1, 3] = sample(self.alpha, x, y)
        return out


def _tall(character: Character) -> float:
    from ..avatars.landmarks import face_height

    return float(face_height(character.points))


def _eyes(character: Character) -> tuple[float, float]:
    from ..avatars.landmarks import INDEX

    x, y = character.points[[INDEX["iris_left"], INDEX["iris_right"]]].mean(axis=0)
    return float(x), float(y)


def _fall(alpha: np.ndarray, tall: float, reach: int) -> np.ndarray | None:
    """How far below its top at the left edge (column 0) a shoulder lies 1 .. reach columns beyond
    it, float32 [reach] in rows, with the top itself first; None where nothing touches the edge."""
    there = alpha[:, 0] > 127
    if not there.any():
        return None
    top = int(np.argmax(there))
    wide = max(int(0.12 * tall), 2)
    inner = alpha[:, min(wide, alpha.shape[1] - 1)] > 127
    slope = (top - int(np.argmax(inner))) / wide if inner.any() else 0.5
    slope = float(np.clip(slope, 0.15, 3.0))
    # An ellipse's quarter whose slope goes on from the shoulder's own.
    d = np.arange(1, reach + 1, dtype=np.float32) / reach
    drop = slope * d * reach + 0.9 * tall * (1 - np.sqrt(np.clip(1 - d ** 2, 0, 1)))
    return np.concatenate([[top], drop]).astype(np.float32)


def _beside(image: np.ndarray, share: np.ndarray, fall: np.ndarray
            ) -> tuple[np.ndarray, np.ndarray]:
    """Continued to the left of column 0: every column is the edge, shifted down as it falls."""
    top, drop = int(fall[0]), fall[1:]
    height, reach = share.shape[0], len(drop)
    edge = share[:, 0].copy()
    edge[:top] = 0
    rows = np.arange(height, dtype=np.float32)[:, None] - drop[None, ::-1]
    columns = np.zeros((height, reach), np.float32)
    # A little inside, where no drawn outline runs.
    inner = min(int(INSIDE * reach), image.shape[1] - 1)
    added = cv2.remap(np.ascontiguousarray(image[:, inner : inner + 1]), columns,
                      np.maximum(rows, top + 1), cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REPLICATE)
    added = cv2.GaussianBlur(added, (0, 0), max(reach * 0.03, 0.8))
    mask = cv2.remap(np.ascontiguousarray(edge[:, None]), columns, rows, cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REPLICATE)
    mask[rows < 0] = 0
    mask[:, 0] = 0
    return np.concatenate([added, image], 1), np.concatenate([mask, share], 1)


def _below(image: np.ndarray, share: np.ndarray, down: int, tall: float
           ) -> tuple[np.ndarray, np.ndarray]:
    """Continued below: the last rows go on, softer and a little darker the further."""
    last = max(int(0.04 * tall), 1)
    row = image[-last:].mean(axis=0, keepdims=True)
    strip = np.repeat(row, down, axis=0)
    soft = cv2.GaussianBlur(strip, (0, 0), max(0.05 * tall, 1.0), sigmaY=0.3)
    far = np.linspace(0, 1, down, dtype=np.float32)[:, None, None]
    strip = (strip + (soft - strip) * np.minimum(6 * far, 1)) * (1 - 0.35 * far)
    own = image[-1:]
    near = np.clip(1 - far * down / max(0.06 * tall, 1.0), 0, 1)
    strip = strip + (own - strip) * near
    mask = np.repeat(share[-1:], down, axis=0)
    return np.concatenate([image, strip]), np.concatenate([share, mask])


def _eased(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
