"""A figure laid over a room so that both seem to stand in the same light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .figure import Cutout

TINT = 0.22
"""How far a figure takes on the room's colour, 0..1; its own colours stay what they are."""
DIM = 0.3
"""How far it takes on the room's brightness."""
WRAP = 0.30
"""How much of the room's light falls around a figure's edge."""
GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class Light:
    """What a room's light does to a figure: float32 [3] gains of its colours."""

    gains: np.ndarray

    @classmethod
    def of(cls, room: np.ndarray, cut: Cutout) -> Light:
        """From the picture of a room, 0..255, and who stands in it."""
        there = cut.alpha > 200
        own = cut.character.image[there].mean(axis=0) if there.any() else np.full(3, 128.0)
        around = room.reshape(-1, 3).mean(axis=0)
        bright, own_bright = max(float(around @ GREY), 8.0), max(float(own @ GREY), 8.0)
        tint = np.clip(around / bright, 0.6, 1.6) ** TINT
        dim = float(np.clip((bright / own_bright) ** DIM, 0.68, 1.12))
        return cls((tint / max(float(tint @ GREY), 1e-6) * dim).astype(np.float32))

    @classmethod
    def none(cls) -> Light:
        """Nothing."""
        return cls(np.ones(3, np.float32))


def over(room: np.ndarray, matted: np.ndarray, to_film: np.ndarray, light: Light) -> np.ndarray:
    """float32 [H, W, 3]: ``matted`` uint8 [h, w, 4] laid over ``room`` (0..255) by the affine map
    ``to_film`` [2, 3]. Only where the figure is anything changes."""
    height, width = room.shape[:2]
    moved = cv2.warpAffine(matted, to_film, (width, height), flags=cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_CONSTANT)
    share = moved[..., 3:].astype(np.float32) / 255
    figure = moved[..., :3].astype(np.float32) * light.gains
    # Light wrap: near its edge a figure is lit by what is bright behind it.
    small = cv2.resize(share[..., 0], (max(width // 4, 1), max(height // 4, 1)),
                       interpolation=cv2.INTER_AREA)
    near = cv2.resize(cv2.GaussianBlur(1 - small, (0, 0), max(height / 4 * 0.012, 0.6)),
                      (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    figure = figure + WRAP * np.clip(near, 0, 1) * (room - figure)
    return room + share * (figure - room)
