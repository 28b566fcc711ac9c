"""From any picture to a character: its face is found, or placed by hand, or assumed in the middle.

Nothing here stops at a portrait without a face: it says so and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from ..errors import CheckpointError
from .anchors import read_anchors
from .character import Character, points_from_anchors
from .landmarks import face_height

PLAIN = 0.02
"""A mask of which less than this is the other side says nothing."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """``character``; ``found``: whether a face was; ``message``: what was done, for a person."""

    character: Character
    found: bool
    message: str


def portrait_of(
    picture: np.ndarray, anchors: str = "", mask: np.ndarray | None = None, name: str = ""
) -> Portrait:
    """A character of a picture uint8 [H, W, C] with 1 (grey), 3 or 4 channels (alpha).

    anchors  text of placed points (``anchors.read_anchors``); they win over what is found
    mask     float32 [h, w] 0..1, of any size: where the character is, or where it is not; the
             side with the face is taken as the character
    AvatarError for a picture that is too small or large, or anchors that cannot be read.
    """
    image, alpha = split(picture)
    height, width = image.shape[:2]
    placed = read_anchors(anchors, width, height)
    # Checks the sides of the picture before anybody works on it.
    plain = Character(image, Character.default_points(width, height), None, name)
    points, found, message = _find(plain, placed)
    if mask is not None:
        alpha = covered(mask, points, width, height)
        if alpha is None:
            message += "; the mask is all of one side and is not used"
    return Portrait(replace(plain, points=points, alpha=alpha), found, message)


def _find(plain: Character, placed: dict[str, tuple[float, float]]
          ) -> tuple[np.ndarray, bool, str]:
    """Points [44, 2], whether they are of a face that was found, and what to tell."""
    from .finder import load_finder  # brings torch: not at start

    try:
        return load_finder().find_or_default(plain.image, placed)
    except CheckpointError as error:
        points = points_from_anchors(plain.points, placed)
        used = "the placed anchors are" if placed else "a face in the middle is"
        return points, False, f"no face found, {used} used ({error})"


def split(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(uint8 [H, W, 3], alpha uint8 [H, W] or None) of 1, 3 or 4 channels; what is transparent
    is white in the picture."""
    if picture.shape[2] == 1:
        return np.repeat(picture, 3, axis=2), None
    if picture.shape[2] == 3:
        return np.ascontiguousarray(picture), None
    alpha = np.ascontiguousarray(picture[..., 3])
    if alpha.min() == 255:
        return np.ascontiguousarray(picture[..., :3]), None
    over = alpha[..., None].astype(np.uint16)
    image = (picture[..., :3] * over + 255 * (255 - over) + 127) // 255
    return image.astype(np.uint8), None if float((alpha < 128).mean()) < PLAIN else alpha


def covered(mask: np.ndarray, points: np.ndarray, width: int, height: int) -> np.ndarray | None:
    """Alpha uint8 [H, W] of a mask of either kind; None where it does not part anything."""
    share = float((mask > 0.5).mean())
    if min(share, 1 - share) < PLAIN:
        return None
    small = Image.fromarray((mask * 255).round().astype(np.uint8))
    alpha = np.array(small.resize((width, height), Image.Resampling.BILINEAR))
    middle, reach = points.mean(axis=0), 0.3 * float(face_height(points))
    rows = slice(int(np.clip(middle[1] - reach, 0, height - 1)),
                 int(np.clip(middle[1] + reach, 1, height)) + 1)
    columns = slice(int(np.clip(middle[0] - reach, 0, width - 1)),
                    int(np.clip(middle[0] + reach, 1, width)) + 1)
    return alpha if float(alpha[rows, columns].mean()) >= 127.5 else 255 - alpha
