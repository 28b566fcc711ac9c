"""Drawn faces for the landmark net: kept small on disk, cut and pasted anew at every step."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..avatars.face_crop import AROUND, FaceCrop
from ..avatars.landmarks import INDEX, MIRROR, face_height
from ..avatars.motion import group
from ..model.landmark_net import CELL, SIDE, TYPICAL
from ..noise import rng
from .landmarks_looks import Draw, blurred, nothing, varied

DRAWN = 160
"""Pixels a side of what is kept; a crop shows about three quarters of it."""
SHARD, MOTIONS = 500, 4
"""Faces a file, and motions of one identity (the first is what costs)."""
BEARDS = {"beard", "moustache"}
CANVAS = 128
"""Pixels a side of what the detector learns from."""
SMALLEST, LARGEST = 15.0, 66.0
"""Face heights (px) that it has to find there."""


def collect(folder: Path, count: int, seed: int = 0, split: str = "train",
            styles: Sequence[str] | None = None, shard: int = SHARD,
            progress: Callable[[dict], None] | None = None, bearded: bool = False) -> list[Path]:
    """Draw ``count`` faces, four motions of each identity; goes on where it was stopped.

    bearded: only people with a beard or a moustache, in any of ``styles``, every other time with
    their mouth shut: hair on an upper lip looks like the inside of a mouth.

    Files faces_NNNN.npz of ``shard`` faces: JPEG bytes one after another, where each ends, points
    float32 [n, 44, 2], the style of each as an index into ``styles``.
    """
    from ..simulators.faces.faces import STYLES, Face
    from ..simulators.faces.poses import random_motion

    styles = tuple(styles or STYLES)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for part in range((count + shard - 1) // shard):
        file = folder / f"faces_{part:04d}.npz"
        files.append(file)
        if file.exists():
            continue
        codes, points, which = [], [], []
        for i in range(shard):
            number = part * shard + i
            draw = rng(seed, "bearded face" if bearded else "landmark face", number)
            if i % MOTIONS == 0:
                style = (number // MOTIONS) % len(styles)
                face = Face(int(draw.integers(2**31)), styles[style], split)
                while bearded and not BEARDS & face.identity.extras.keys():
                    style = int(draw.integers(len(styles)))
                    face = Face(int(draw.integers(2**31)), styles[style], split)
            motion = random_motion(draw)
            if bearded and i % 2:
                motion[group("mouth")] = 0
            rgb, spots = face.draw(motion, DRAWN)
            codes.append(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 93,
                                                    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                                                    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444])[1])
            points.append(spots)
            which.append(style)
        unfinished = file.with_suffix(".part.npz")
        np.savez(unfinished, codes=np.concatenate(codes), ends=np.cumsum([len(c) for c in codes]),
                 points=np.array(points, np.float32), style=np.array(which, np.int16))
        os.replace(unfinished, file)
        if progress is not None:
            progress({"faces": (part + 1) * shard})
    return files


class Drawings:
    """Files of ``collect`` in memory."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.codes: list[np.ndarray] = []
        points, styles = [], []
        for file in files:
            with np.load(file) as data:
                codes, ends = data["codes"], data["ends"]
                self.codes += np.split(codes, ends[:-1])
                points.append(data["points"])
                styles.append(data["style"])
        self.points, self.style = np.concatenate(points), np.concatenate(styles)

    def __len__(self) -> int:
        return len(self.codes)

    def __add__(self, other: Drawings) -> Drawings:
        """These, then those of ``other``."""
        both = copy.copy(self)
        both.codes = self.codes + other.codes
        both.points = np.concatenate([self.points, other.points])
        both.style = np.concatenate([self.style, other.style])
        return both

    def at(self, i: int, smaller: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Picture and points of one, ``smaller`` (1, 2, 4 or 8) times."""
        how = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4,
               8: cv2.IMREAD_REDUCED_COLOR_8}[smaller]
        return cv2.imdecode(self.codes[i], how), self.points[i] / smaller


# ------------------------------------------------------------------ crops


@dataclass(frozen=True, eq=False)
class Crops:
    """pixels uint8 [B, 112, 112, 3], points float32 [B, 44, 2] in shares of the side, face [B]."""

    pixels: np.ndarray
    points: np.ndarray
    face: np.ndarray


def crops(drawings: Drawings, draw: Draw, size: int, plain: bool = False,
          only: np.ndarray | None = None) -> Crops:
    """A batch of faces (some crops show none) as the finder would cut them out.

    plain: as drawn, cut nearly right, faces only: for scores. only: the drawings, in order.
    """
    pixels = np.zeros((size, SIDE, SIDE, 3), np.uint8)
    points = np.full((size, len(MIRROR), 2), 0.5, np.float32)
    face = np.zeros(size, np.float32)
    for k in range(size):
        i = int(draw.integers(len(drawings))) if only is None else int(only[k])
        luck = 1.0 if plain else draw.random()
        if luck < 0.10:
            pixels[k] = varied(nothing(SIDE, draw), draw)
            continue
        rgb, spots = drawings.at(i)
        if luck < 0.20:
            pixels[k] = varied(_beside(rgb, spots, draw), draw)
            continue
        pixels[k], points[k] = cut_out(rgb, spots, draw, 0.5 if plain else 1.0, bent=not plain)
        face[k] = 1
        if not plain:
            if luck < 0.40:
                pixels[k] = before_other(pixels[k], points[k] * SIDE, nothing(SIDE, draw), draw)
            if luck > 0.95:
                pixels[k], face[k] = without_face(pixels[k], points[k] * SIDE, draw), 0
            pixels[k] = varied(pixels[k], draw)
            if draw.random() < 0.5:
                pixels[k] = pixels[k, :, ::-1]
                points[k] = points[k][MIRROR] * [-1, 1] + [1, 0]
    return Crops(pixels, points, face)


def cut_out(rgb: np.ndarray, points: np.ndarray, draw: Draw, far: float = 1.0,
            bent: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A crop that is off by as much as a detector's is, and its points in shares of the side.

    bent: also stretched, sheared and bent a little: more shapes of faces than are drawn.
    """
    m = _jittered(points, draw, far).matrix(SIDE)
    if bent:
        stretch = np.eye(2) + draw.normal(0, [[0.09, 0.05], [0.05, 0.09]])
        middle = np.array([SIDE / 2, SIDE / 2])
        m = np.concatenate([stretch @ m[:, :2], (stretch @ (m[:, 2] - middle) + middle)[:, None]],
                           1)
    moved = points @ m[:, :2].T + m[:, 2]
    border = (cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101)[
        draw.choice(3, p=[0.6, 0.3, 0.1])]
    fill = tuple(int(v) for v in draw.integers(0, 256, 3))
    if not bent:
        m[:, 2] += m[:, :2].sum(1) / 2 - 0.5
        out = cv2.warpAffine(rgb, m, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=border,
                             borderValue=fill)
        return out, (moved / SIDE).astype(np.float32)
    coarse = draw.normal(0, SIDE * draw.uniform(0, 0.02), (5, 5, 2)).astype(np.float32)
    bend = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    back = np.linalg.inv(np.concatenate([m, [[0, 0, 1]]]))[:2].astype(np.float32)
    line = np.arange(SIDE, dtype=np.float32) + 0.5
    x, y = line[None] + bend[..., 0], line[:, None] + bend[..., 1]
    map_x = back[0, 0] * x + back[0, 1] * y + back[0, 2] - 0.5
    map_y = back[1, 0] * x + back[1, 1] * y + back[1, 2] - 0.5
    out = cv2.remap(rgb, map_x, map_y, cv2.INTER_LINEAR, borderMode=border, borderValue=fill)
    # The picture shows at q what lay at q + bend(q): where points go is found by iteration.
    q = moved.copy()
    for _ in range(3):
        at = cv2.remap(bend, (q[None, :, 0] - 0.5).astype(np.float32),
                       (q[None, :, 1] - 0.5).astype(np.float32), cv2.INTER_LINEAR,
                       borderMode=cv2.BORDER_REPLICATE)[0]
        q = moved - at
    return out, (q / SIDE).astype(np.float32)


def _jittered(points: np.ndarray, draw: Draw, far: float) -> FaceCrop:
    true = FaceCrop.around(points)
    if draw.random() < 0.35:  # as after the detector; else as after a first reading
        far *= 2
    return FaceCrop(true.x + far * draw.normal(0, 0.03) * true.side,
                    true.y + far * draw.normal(0, 0.03) * true.side,
                    true.side * float(np.exp(np.clip(far * draw.normal(0, 0.07), -0.3, 0.3))),
                    true.roll + far * draw.normal(0, 0.08))


def _beside(rgb: np.ndarray, points: np.ndarray, draw: Draw) -> np.ndarray:
    """A crop that shows no face as it should: beside one, far too near or too far, or torn up."""
    true, way = FaceCrop.around(points), draw.integers(5)
    if way == 0:
        angle = draw.uniform(0, 2 * np.pi)
        away = true.side * draw.uniform(0.5, 0.8)
        return FaceCrop(true.x + away * np.cos(angle), true.y + away * np.sin(angle),
                        true.side * draw.uniform(0.6, 1.2), 0.0).cut(rgb, SIDE)
    if way == 1:
        spot = points[draw.integers(len(points))]
        return FaceCrop(spot[0], spot[1], true.side * draw.uniform(0.12, 0.38),
                        draw.normal(0, 0.3)).cut(rgb, SIDE)
    if way == 2:
        side = true.side * draw.uniform(1.8, 3)
        aside = (side - true.side) * draw.uniform(-0.5, 0.5, 2)
        return FaceCrop(true.x + aside[0], true.y + aside[1], side, draw.normal(0, 0.2)).cut(
            rgb, SIDE)
    if way == 3:
        cut = true.cut(rgb, SIDE)
        return without_face(cut, true.into(points) * SIDE, draw)
    return scrambled(true.cut(rgb, SIDE), draw)


def scrambled(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """The pieces of a picture, put together wrongly."""
    n = int(draw.integers(3, 6))
    step = len(rgb) // n
    out = rgb.copy()
    order = draw.permutation(n * n)
    for to, source in enumerate(order):
        r, c, a, b = to // n * step, to % n * step, source // n * step, source % n * step
        out[r:r + step, c:c + step] = rgb[a:a + step, b:b + step]
    return out


def hull_mask(points: np.ndarray, size: int, grow: float, soft: float) -> np.ndarray:
    """float32 [size, size] 0..1: the outline of a face in pixels, ``grow`` times as large."""
    mask = np.zeros((size, size), np.float32)
    middle = points.mean(0)
    hull = cv2.convexHull(((points - middle) * grow + middle).astype(np.float32))
    cv2.fillConvexPoly(mask, np.round(hull * 16).astype(np.int32), 1.0, cv2.LINE_8, 4)
    return blurred(mask, soft) if soft > 0.3 else mask


def before_other(rgb: np.ndarray, points: np.ndarray, behind: np.ndarray,
                 draw: Draw) -> np.ndarray:
    """The face of a picture before something else; points in pixels."""
    size = len(rgb)
    height = float(face_height(points))
    mask = hull_mask(points, size, draw.uniform(1.08, 1.7), height * draw.uniform(0, 0.08))
    return (rgb * mask[..., None] + behind * (1 - mask[..., None])).astype(np.uint8)


def without_face(rgb: np.ndarray, points: np.ndarray, draw: Draw) -> np.ndarray:
    """A head whose features are gone, or are something else: what is not to be taken for a face."""
    height = float(face_height(points))
    mask = hull_mask(points, len(rgb), 0.93, height * 0.03)[..., None]
    inside = mask[..., 0] > 0.5
    skin = np.median(rgb[inside], 0) if inside.any() else rgb.mean((0, 1))
    if draw.random() < 0.5:
        share, other = draw.uniform(0, 0.4), blurred(rgb, max(height * 0.3, 1))
    else:
        share, other = draw.uniform(0.3, 1), nothing(len(rgb), draw)
    return (rgb * (1 - mask) + (skin * (1 - share) + other * share) * mask).astype(np.uint8)


# ------------------------------------------------------------------ canvases


@dataclass(frozen=True, eq=False)
class Canvases:
    """pixels uint8 [B, 128, 128, 3]; heat float32 [B, 16, 16] (1 at a face's cell, falling off);
    values [B, 5, 16, 16] as the detector's after its logit, weight [B, 16, 16] where they count."""

    pixels: np.ndarray
    heat: np.ndarray
    values: np.ndarray
    weight: np.ndarray


def canvases(drawings: Drawings, draw: Draw, size: int) -> Canvases:
    """A batch of pictures with none, one or two faces."""
    cells = CANVAS // CELL
    pixels = np.zeros((size, CANVAS, CANVAS, 3), np.uint8)
    heat = np.zeros((size, cells, cells), np.float32)
    values = np.zeros((size, 5, cells, cells), np.float32)
    weight = np.zeros((size, cells, cells), np.float32)
    for k in range(size):
        pixels[k], faces = _canvas(drawings, draw)
        for points in faces:
            _mark(points, heat[k], values[k], weight[k])
    return Canvases(pixels, heat, values, weight)


def _canvas(drawings: Drawings, draw: Draw) -> tuple[np.ndarray, list[np.ndarray]]:
    """A picture and the points (px) of the faces that are to be found in it."""
    count = int(draw.choice(4, p=[0.3, 0.45, 0.18, 0.07]))
    out = nothing(CANVAS, draw)
    if count == 0:
        way = draw.random()
        if way < 0.75:
            height = draw.uniform(SMALLEST, LARGEST) if way < 0.35 else draw.uniform(115, 300)
            out, points, _ = _pasted(out, drawings, draw, height)
            if way < 0.35:
                out = (without_face(out, points, draw) if draw.random() < 0.6
                       else scrambled(out, draw))
        return varied(out, draw), []
    faces: list[np.ndarray] = []
    for n in range(count):
        height = float(np.exp(draw.uniform(np.log(SMALLEST), np.log(LARGEST))))
        now, points, mask = _pasted(out, drawings, draw, height, whole=n == 0)
        middle = points.mean(0)
        near = [np.linalg.norm(middle - f.mean(0)) < 1.1 * max(height, float(face_height(f)))
                for f in faces]
        covered = any(mask[tuple(np.clip(f.astype(int), 0, CANVAS - 1).T[::-1])].max() > 0.1
                      for f in faces)
        if not any(near) and not covered:
            out = now
            faces.append(points)
    if draw.random() < 0.5:
        out, faces = out[:, ::-1], [f[MIRROR] * [-1, 1] + [CANVAS, 0] for f in faces]
    return varied(np.ascontiguousarray(out), draw), faces


def _pasted(behind: np.ndarray, drawings: Drawings, draw: Draw, height: float,
            whole: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A drawn face of that height put somewhere: the picture, its points, what it covers 0..1."""
    i = int(draw.integers(len(drawings)))
    smaller = 1
    while smaller < 8 and face_height(drawings.points[i]) / (2 * smaller) > height:
        smaller *= 2
    rgb, points = drawings.at(i, smaller)
    turn = draw.uniform(-0.75, 0.75) if draw.random() < 0.2 else draw.normal(0, 0.15)
    scale = height / max(float(face_height(points)), 1e-3)
    a = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    a = (np.eye(2) + draw.normal(0, [[0.07, 0.03], [0.03, 0.07]])) @ a
    room = min(0.55 * height, CANVAS / 2 - 1)
    to = draw.uniform(room, CANVAS - room, 2)
    shift = to - a @ points.mean(0)
    moved = points @ a.T + shift
    m = np.concatenate([a, (shift + a.sum(1) / 2 - 0.5)[:, None]], 1)
    way = draw.random()
    border = cv2.BORDER_REPLICATE if way < 0.4 else cv2.BORDER_CONSTANT
    over = cv2.warpAffine(rgb, m, (CANVAS, CANVAS), flags=cv2.INTER_LINEAR, borderMode=border)
    if whole and way < 0.4:
        mask = np.ones((CANVAS, CANVAS), np.float32)
    elif way < 0.7:  # a picture in a picture
        mask = cv2.warpAffine(np.ones(rgb.shape[:2], np.float32), m, (CANVAS, CANVAS))
    else:
        mask = hull_mask(moved, CANVAS, draw.uniform(1.08, 1.6), height * draw.uniform(0, 0.08))
    out = over * mask[..., None] + behind * (1 - mask[..., None])
    return out.astype(np.uint8), moved.astype(np.float32), mask


def _mark(points: np.ndarray, heat: np.ndarray, values: np.ndarray, weight: np.ndarray) -> None:
    crop = FaceCrop.around(points)
    rows, columns = np.mgrid[:heat.shape[0], :heat.shape[1]]
    dx, dy = crop.x / CELL - columns - 0.5, crop.y / CELL - rows - 0.5
    away = np.hypot(dx, dy)
    # A large face may be found a little beside its middle, a small one not.
    wide = max(0.45, 0.10 * float(face_height(points)) / CELL)
    near = np.exp(-(away / wide) ** 2 / 2)
    near[away <= away.min()] = 1
    mine = (near >= heat) & (away < 1.6)
    heat[:] = np.maximum(heat, near)
    size = np.log(crop.side / AROUND / TYPICAL)
    for k, value in enumerate((dx, dy, size, np.cos(crop.roll), np.sin(crop.roll))):
        values[k][mine] = np.broadcast_to(value, away.shape)[mine]
    weight[mine] = near[mine]


INNER = [INDEX[n] for n in INDEX if n.startswith("inner_")]
MOUTH = [INDEX[n] for n in INDEX if n.startswith(("mouth_", "lip_"))]
EYES = [INDEX[n] for n in INDEX if n.startswith(("eye_", "iris_"))]


def point_weights() -> np.ndarray:
    """float32 [44], mean 1: lips are what speech is measured by, outlines are vague."""
    weight = np.full(len(MIRROR), 0.7, np.float32)
    weight[EYES], weight[MOUTH], weight[INNER] = 1.2, 1.6, 2.4
    return weight / weight.mean()
