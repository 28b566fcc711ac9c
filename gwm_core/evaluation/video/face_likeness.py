"""Whether a character keeps its face: likeness of drawn or photographed faces.

No encoder of people's faces that comes in a package tells drawings apart, so this is one of our
own: the shape that the landmarks of a face have and the colours around them, in the frame of its
eyes, weighted by what tells identities apart rather than poses, looks and light (within-class
covariance normalisation, Hatch et al. 2006). It is fitted on the spot to faces of the simulator
whose styles and identities no film here shows; its score on true drawings is the ceiling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...avatars.landmarks import INDEX, face_height
from ...noise import rng

SIDE, CELLS = 64, 8
"""Pixels of a side of the upright face, and cells a side whose mean colours are read."""
EYES = 22.0
"""Pixels between the eyes' middles in the upright face."""
FACES, EACH = 72, 6
"""Identities the encoder is fitted to, and drawings of each."""
FIT = 7_000_000
"""First seed of these."""
KEPT = 32
"""Numbers of an embedding."""
LEAST = 24.0
"""Pixels from crown to chin below which a face is not judged."""
_SHAPE = tuple(INDEX[n] for n in (
    "temple_left", "cheek_left", "jaw_left", "chin_left", "chin", "chin_right", "jaw_right",
    "cheek_right", "temple_right", "crown", "brow_left_outer", "brow_left", "brow_left_inner",
    "brow_right_inner", "brow_right", "brow_right_outer", "eye_left_outer", "eye_left_inner",
    "eye_right_inner", "eye_right_outer", "nose_bridge", "nose_tip", "nose_left", "nose_right"))
_SPOTS = tuple(INDEX[n] for n in (
    "iris_left", "iris_right", "brow_left", "brow_right", "lip_top", "lip_bottom", "nose_tip",
    "cheek_left", "cheek_right"))
Find = Callable[[np.ndarray], "np.ndarray | None"]


@dataclass(frozen=True, eq=False)
class FaceEncoder:
    """mean, spread [D]: of the numbers of a face; map [D, K]: to an embedding."""

    mean: np.ndarray
    spread: np.ndarray
    map: np.ndarray

    def embedding(self, picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Whose face it is: float64 [K] of length 1, of uint8 [H, W, 3] and its points [44, 2]."""
        out = ((numbers(picture, points) - self.mean) / self.spread) @ self.map
        return out / max(float(np.linalg.norm(out)), 1e-9)


def numbers(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """float64 [D]: shape and colours of a face in the frame of its eyes; lightness against the
    face's own, so that a darker room is no other face."""
    to_face = _upright(points)
    small = cv2.warpAffine(picture, to_face, (SIDE, SIDE), flags=cv2.INTER_AREA,
                           borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    moved = points @ to_face[:, :2].T + to_face[:, 2]
    shape = (moved[list(_SHAPE)] - SIDE / 2) / EYES
    cells = cv2.resize(lab, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    skin = lab[SIDE // 2 - 4:SIDE // 2 + 22, SIDE // 2 - 14:SIDE // 2 + 14].reshape(-1, 3)
    middle = np.median(skin, axis=0)
    spots = [lab[tuple(np.clip(p[::-1].round().astype(int), 1, SIDE - 2))] for p in
             moved[list(_SPOTS)]]
    colours = (np.concatenate([cells.reshape(-1, 3), np.array(spots)]) - middle) / 20
    return np.concatenate([shape.ravel() * 4, colours.ravel(), middle[1:] / 10,
                           [middle[0] / 40]]).astype(np.float64)


def fit_encoder(seed: int = 0, faces: int = FACES, each: int = EACH) -> FaceEncoder:
    """The encoder, fitted to the simulator's faces of its training styles in many poses and
    lights, their points read with an error like a finder's."""
    from ...simulators.faces.faces import STYLES, Face
    from ...simulators.faces.poses import random_motion

    rows = np.stack([[
        numbers(lit(picture, draw), points + draw.normal(0, 0.012, points.shape)
                * face_height(points))
        for draw in (rng(seed, "face likeness", k, j) for j in range(each))
        for picture, points in [face.draw(random_motion(draw), size=96)]]
        for k in range(faces)
        for face in [Face(FIT + k, STYLES[k % len(STYLES)], "judge")]])
    return encoder_of(rows)


def encoder_of(rows: np.ndarray) -> FaceEncoder:
    """Of the numbers [faces, each, D] of known identities: the directions in which identities lie
    furthest apart against how much one of them varies (linear discriminants)."""
    flat = rows.reshape(-1, rows.shape[-1])
    mean, spread = flat.mean(0), flat.std(0) + 1e-6
    scaled = (rows - mean) / spread
    own = scaled - scaled.mean(1, keepdims=True)
    within = np.einsum("fed,feg->dg", own, own) / (own.shape[0] * (own.shape[1] - 1))
    within += np.eye(len(within)) * 0.1 * np.trace(within) / len(within)
    value, vector = np.linalg.eigh(within)
    whiten = vector / np.sqrt(value)
    _, _, axes = np.linalg.svd(scaled.mean(1) @ whiten, full_matrices=False)
    return FaceEncoder(mean, spread, whiten @ axes[:KEPT].T)


def lit(picture: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """``picture`` in another light: a gain for each colour, and one for all."""
    gain = draw.uniform(0.75, 1.15) * draw.uniform(0.92, 1.08, 3)
    return np.clip(picture * gain, 0, 255).astype(np.uint8)


def in_frames(encoder: FaceEncoder, frames: Sequence[np.ndarray], find: Find,
              where: tuple[float, float] = (0.0, 1.0)) -> np.ndarray | None:
    """The mean embedding of the face in ``frames``; None where none is found.

    where: the part of the picture's width, from..to, in which the face is looked for.
    """
    found = []
    for frame in frames:
        left, right = (round(w * frame.shape[1]) for w in where)
        part = np.ascontiguousarray(frame[:, left:right])
        points = find(part)
        if points is not None and face_height(points) >= LEAST:
            found.append(encoder.embedding(part, points))
    if not found:
        return None
    mean = np.mean(found, axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def _upright(points: np.ndarray) -> np.ndarray:
    """[2, 3]: from the picture's pixels to those of the upright face."""
    left = points[[INDEX["eye_left_outer"], INDEX["eye_left_inner"]]].mean(0)
    right = points[[INDEX["eye_right_outer"], INDEX["eye_right_inner"]]].mean(0)
    across = right - left
    size = max(float(np.hypot(*across)), 1e-3)
    c, s = across / size * (EYES / size)
    turn = np.array([[c, s], [-s, c]])
    middle = turn @ ((left + right) / 2)
    return np.hstack([turn, (np.array([SIDE / 2, SIDE * 0.42]) - middle)[:, None]])
