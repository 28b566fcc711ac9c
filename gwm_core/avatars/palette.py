"""The colours of a portrait that painting what it does not show needs: from its own pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .landmarks import INDEX as POINT

LEAST = 25.0
"""Levels of 255 by which the inside of a mouth differs from the lips around it, at least."""
ONE_INK = 6.0
"""Levels by which the colours of a drawing in one ink lie beside the line from ink to paper, at
most; 0.7 in such drawings, 20 and more in others."""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class Palette:
    """float32 [3], 0..255 each; ``flat`` 0..1: a drawing of even areas (1) or a photo (0);
    ``ink``: the two colours of a drawing in one ink, its ink and its paper, None for all else."""

    skin: np.ndarray
    lip: np.ndarray
    cavity: np.ndarray
    tooth: np.ndarray
    tongue: np.ndarray
    flat: float
    ink: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def of(cls, image: np.ndarray, points: np.ndarray) -> Palette:
        """image uint8 [h, w, 3], points [44, 2] in its pixels."""
        def at(places: np.ndarray) -> np.ndarray:
            x = np.clip(places[:, 0].astype(int), 0, image.shape[1] - 1)
            y = np.clip(places[:, 1].astype(int), 0, image.shape[0] - 1)
            return image[y, x].astype(np.float32)

        def between(a: str, b: str, shares=(0.3, 0.4, 0.5, 0.6, 0.7)) -> list[np.ndarray]:
            a, b = points[POINT[a]], points[POINT[b]]
            return [a + (b - a) * t for t in shares]

        cheeks = between("eye_left_lower", "mouth_left") + between("eye_right_lower", "mouth_right")
        skin = np.median(at(np.array(cheeks)), 0)
        lips = (between("lip_bottom", "inner_bottom") + between("lip_bottom_left",
                "inner_bottom_left") + between("lip_bottom_right", "inner_bottom_right"))
        lip = np.median(at(np.array(lips)), 0)
        face = _crop(image, points)
        grey = face.astype(np.float32) @ _GREY
        dark = np.percentile(grey, 2)
        whites = [p for side in ("left", "right") for end in ("outer", "inner")
                  for p in between(f"iris_{side}", f"eye_{side}_{end}", (0.5, 0.6, 0.7, 0.8))]
        whites = at(np.array(whites))
        white = whites[np.argsort(whites @ _GREY)[-4:]].mean(0)
        coloured = _coloured(face)
        inked = _inked(face)
        return cls(skin, lip, _cavity(lip, skin, dark, coloured), _tooth(white, skin),
                   _tongue(lip, skin, coloured), 1.0 if inked is not None else _flatness(face),
                   None if coloured else inked)


def _crop(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    low = np.floor(points.min(0)).astype(int)
    high = np.ceil(points.max(0)).astype(int) + 1
    x0, y0 = np.clip(low, 0, [image.shape[1] - 2, image.shape[0] - 2])
    x1, y1 = np.clip(high, [x0 + 2, y0 + 2], [image.shape[1], image.shape[0]])
    # A few hundred pixels a side are enough, however large the portrait is.
    step = max(min(y1 - y0, x1 - x0) // 400, 1)
    return image[y0:y1:step, x0:x1:step]


def _coloured(face: np.ndarray) -> bool:
    """Whether the face has colours at all, not one ink on a paper of whatever tint: flesh in the
    mouth of an ink drawing has the drawing's."""
    spread = face.max(-1).astype(np.int16) - face.min(-1)
    if np.percentile(spread, 75) <= 28:
        return False
    pixels = face.reshape(-1, 3).astype(np.float32)
    pixels = pixels - pixels.mean(0)
    tint = np.linalg.svd(pixels.T @ pixels)[2][0]  # from the ink to the paper
    beside = np.linalg.norm(pixels - np.outer(pixels @ tint, tint), axis=1)
    return bool(np.percentile(beside, 97) > ONE_INK)


def _cavity(lip: np.ndarray, skin: np.ndarray, dark: float, coloured: bool) -> np.ndarray:
    """Deep inside the mouth: the hue of the lips, near the darkest that the portrait has."""
    colour = 0.5 * lip + 0.5 * skin
    if coloured:
        colour = colour * np.array([1.0, 0.55, 0.55], np.float32)
    around = max(float(lip @ _GREY), 1.0)
    light = np.clip(1.1 * dark + 6, 10, 0.35 * around + 8)
    if around - light < LEAST:  # no hole is seen in black: lips in a black beard, a black muzzle
        light = around + LEAST
    return (colour * (light / max(float(colour @ _GREY), 1.0))).astype(np.float32)


def _tooth(white: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """As white as the white of the eyes, within what the light on the skin allows."""
    bright = float(skin @ _GREY)
    light = np.clip(float(white @ _GREY), 1.18 * bright + 18, 1.3 * bright + 28)
    tint = skin / max(bright, 1.0)
    cream = 0.76 + 0.24 * tint
    return np.minimum(light * cream / max(float(cream @ _GREY), 1e-3), 250).astype(np.float32)


def _tongue(lip: np.ndarray, skin: np.ndarray, coloured: bool) -> np.ndarray:
    colour = 0.6 * lip + 0.4 * skin
    if coloured:
        colour = colour * np.array([1.0, 0.68, 0.70], np.float32)
    return (0.78 * colour).astype(np.float32)


def _inked(face: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The colours of ink and paper, where the face is little else."""
    grey = face.astype(np.float32) @ _GREY
    dark, light = np.percentile(grey, (4, 90))
    ink, paper = grey < dark + 28, grey > light - 28
    if light - dark <= 110 or np.mean(ink | paper) <= 0.72:
        return None
    return tuple(np.median(face[where], 0).astype(np.float32) for where in (ink, paper))


def _flatness(face: np.ndarray) -> float:
    """Share of pixels that equal their neighbours, from none (photo) to most (drawing)."""
    shrink = max(min(face.shape[:2]) / 110, 1.0)
    size = [max(int(n / shrink), 2) for n in (face.shape[1], face.shape[0])]
    face = cv2.resize(np.ascontiguousarray(face), size, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.int16)
    even = (np.abs(np.diff(grey, axis=1))[:-1] <= 1) & (np.abs(np.diff(grey, axis=0))[:, :-1] <= 1)
    return float(np.clip((even.mean() - 0.4) / 0.2, 0, 1))
