"""Anchors: a few points of a face that a person placed, as text that travels with a workflow.

They are shares of the picture's width and height, so that a larger copy of a portrait keeps them:
``{"mouth_left": [0.42, 0.61], ...}``. ``left`` and ``right`` are the viewer's.
"""

from __future__ import annotations

import json
import math

import numpy as np
from PIL import Image, ImageDraw

from ..errors import AvatarError
from .character import ANCHORS, points_from_anchors
from .landmarks import INDEX, face_height

MOST_CHARS = 2000
LEAST_SHOWN = 384
"""Pixels of the longer side of a picture with its points, at least."""
NEAR = 0.2
"""Of the face's height: an anchor that is put right within this does not move the whole face."""
TOGETHER = (("eye_left",), ("eye_right",), ("mouth_left", "mouth_right", "mouth_top"), ("chin",))
"""Anchors of which one takes the others along."""
LINES = (
    ("temple_left", "cheek_left", "jaw_left", "chin_left", "chin", "chin_right", "jaw_right",
     "cheek_right", "temple_right"),
    ("brow_left_outer", "brow_left", "brow_left_inner"),
    ("brow_right_inner", "brow_right", "brow_right_outer"),
    ("eye_left_outer", "eye_left_upper", "eye_left_inner", "eye_left_lower", "eye_left_outer"),
    ("eye_right_inner", "eye_right_upper", "eye_right_outer", "eye_right_lower",
     "eye_right_inner"),
    ("nose_bridge", "nose_tip"),
    ("mouth_left", "lip_top_left", "lip_top", "lip_top_right", "mouth_right", "lip_bottom_right",
     "lip_bottom", "lip_bottom_left", "mouth_left"),
)
INK, DOT, SHADE = (90, 220, 255), (255, 216, 74), (20, 22, 26)


def read_anchors(text: str, width: int, height: int) -> dict[str, tuple[float, float]]:
    """Anchors in pixels by name; empty text is none. AvatarError names what does not fit."""
    if not text.strip():
        return {}
    if len(text) > MOST_CHARS:
        raise AvatarError(f"anchors: {len(text)} characters; up to {MOST_CHARS} are accepted")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AvatarError(f"anchors: {error}; " + _accepted()) from None
    if not isinstance(data, dict):
        raise AvatarError("anchors: " + _accepted())
    out = {}
    for name, place in data.items():
        if name not in ANCHORS:
            raise AvatarError(f"anchors: {str(name)[:40]!r}; " + _accepted())
        numbers = isinstance(place, list) and len(place) == 2 and all(
            isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)
            and -0.5 <= v <= 1.5 for v in place
        )
        if not numbers:
            raise AvatarError(f"anchors: {name} is {str(place)[:40]}; two numbers are accepted, "
                              "shares of width and height from 0 to 1")
        out[name] = (place[0] * width, place[1] * height)
    return out


def _accepted() -> str:
    return f'{{"{next(iter(ANCHORS))}": [x, y], ...}} is accepted, with {", ".join(ANCHORS)}'


def corrected(points: np.ndarray, anchors: dict[str, tuple[float, float]]) -> np.ndarray:
    """Points of a face [44, 2] that was found, with some anchors (pixels) put right by hand.

    Small corrections stay where they are made: a mouth put right leaves the eyes alone. An anchor
    far from where it was found takes the whole face along (``points_from_anchors``).
    """
    def found(name: str) -> np.ndarray:
        return points[INDEX[ANCHORS[name]]]

    along = points_from_anchors(points, anchors)  # says what is wrong with an anchor, too
    near = NEAR * float(face_height(points))
    if any(np.linalg.norm(found(name) - place) > near for name, place in anchors.items()):
        return along
    kept = {name: tuple(found(name)) for group in TOGETHER if not set(group) & set(anchors)
            for name in group}
    return points_from_anchors(points, {**kept, **anchors})


def anchors_of(points: np.ndarray, width: int, height: int) -> dict[str, list[float]]:
    """Where the anchors of 44 points [44, 2] are, as shares of the picture."""
    return {
        name: [round(float(points[INDEX[point], 0]) / width, 5),
               round(float(points[INDEX[point], 1]) / height, 5)]
        for name, point in ANCHORS.items()
    }


def marked(image: np.ndarray, points: np.ndarray, most_side: int = 768) -> np.ndarray:
    """The picture uint8 [H, W, 3], at most so large, with its points drawn into it."""
    height, width = image.shape[:2]
    # Small pictures are enlarged: a dot must stay a dot.
    scale = float(np.clip(max(LEAST_SHOWN / max(height, width), 1), 1, 64))
    scale = min(scale, most_side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(image).resize(size, Image.Resampling.BOX if scale < 1
                                            else Image.Resampling.NEAREST)
    # Drawn twice as large and brought down: smooth lines.
    picture = picture.resize((2 * size[0], 2 * size[1]), Image.Resampling.NEAREST)
    fit = np.array([picture.width / width, picture.height / height])
    places = {name: tuple(points[i] * fit) for name, i in INDEX.items()}
    pen = ImageDraw.Draw(picture)
    thin = max(2, round(max(picture.size) / 400))
    for ink, thick in ((SHADE, 3 * thin), (INK, thin)):
        for line in LINES:
            pen.line([places[name] for name in line], ink, thick, joint="curve")
    for ink, radius in ((SHADE, 2 * thin + 4), (DOT, 2 * thin + 1)):
        for point in ANCHORS.values():
            x, y = places[point]
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), ink)
    return np.asarray(picture.resize(size, Image.Resampling.BOX))
