"""Which part of a portrait is the figure, where its maker has not said it.

GrabCut (Rother and others 2004) from what is known of any portrait: the face is the figure, hair
is near the face, shoulders are below it, the upper corners are not. Its hard mask gets the soft
edge that the picture has (guided filter, He and others 2010). A matte is only used where it can be
trusted; ``doubts`` says why not.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..avatars.character import Character
from ..avatars.face_frame import FaceFrame
from ..noise import rng

WORK = 288
"""Longest side at which a figure is looked for."""
ROUNDS = 5
GRAIN = 4.0
COMMON = 0.004
"""Share of a head that a colour needs to be one of its colours."""
STARTS = 1.0, 1.15
"""Sizes of hair to begin with: what two beginnings agree on can be trusted."""
AGREE, STEP = 0.80, 12.0
BESIDE = 4.0
"""Pixels around an outline in which its two sides are compared."""
LEAST_SHARE, MOST_SHARE = 0.08, 0.85


@dataclass(frozen=True, eq=False)
class Matte:
    """alpha uint8 [H, W] of the portrait; doubts: why it should not be used, "" where it can."""

    alpha: np.ndarray
    doubts: str = ""


def matte_of(character: Character) -> Matte:
    """The figure of a portrait: its own alpha, or found."""
    if character.alpha is not None and character.alpha.min() < 255:
        return Matte(character.alpha)
    height, width = character.image.shape[:2]
    scale = min(1.0, WORK / max(height, width))
    size = max(round(width * scale), 8), max(round(height * scale), 8)
    small = cv2.resize(character.image, size, interpolation=cv2.INTER_AREA)
    points = character.points * (np.array(size, np.float32) / [width, height])
    points = points.astype(np.float32)
    like = _figure_like(small, points)
    cut, other = (_cut(small, points, like, size) for size in STARTS)
    return Matte(_soft(character.image, cut), _doubts(small, points, cut, other))


def _cut(image: np.ndarray, points: np.ndarray, like: np.ndarray, size: float) -> np.ndarray:
    """bool [h, w]: the figure, one piece without holes. size: how large hair is taken to be
    before looking."""
    marks = _marks(image.shape[:2], points, like, size)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    # Areas of one flat colour have no spread, which its colour models need.
    grain = rng(7, "matte grain").normal(0, GRAIN, image.shape)
    grainy = np.clip(image[..., ::-1] + grain, 0, 255).astype(np.uint8)
    cv2.setRNGSeed(7)  # its clusters begin at random
    cv2.grabCut(grainy, marks, None, *models, ROUNDS,
                cv2.GC_INIT_WITH_MASK)
    figure = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    return _whole(figure, points)


def _faced(size: tuple[int, int], points: np.ndarray) -> tuple[np.ndarray, ...]:
    """x, y in pixels and u, v in face heights of every pixel."""
    y, x = np.mgrid[0:size[0], 0:size[1]].astype(np.float32) + 0.5
    return x, y, *FaceFrame.of(points).inward(x, y)


def _border(size: tuple[int, int], points: np.ndarray) -> np.ndarray:
    """bool [h, w]: the upper corners and the sides beside the face: ground in nearly every
    portrait."""
    x, y, u, v = _faced(size, points)
    side = np.minimum(x, size[1] - x) < 0.03 * size[1]
    top = (y < 0.04 * size[0]) & (np.abs(u) > 0.75)
    return (side & (v < 0.55)) | top


def _figure_like(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """bool [h, w]: colours of the head that are not seen at the picture's border: what has them
    further out is rather a part of the figure (ears, a bun) than something on the wall."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.int32) // 8
    _, _, u, v = _faced(image.shape[:2], points)
    head = (u / 0.5) ** 2 + ((v + 0.08) / 0.66) ** 2 < 1
    ground = _border(image.shape[:2], points)
    like = _seen(lab, head, COMMON) & ~_seen(lab, ground, 0)
    like = cv2.medianBlur(like.astype(np.uint8), 5)
    # Ears and hair are on both sides of a face, what hangs on a wall is not.
    frame = FaceFrame.of(points)
    near = cv2.dilate(like, np.ones((2 * int(0.06 * frame.height) + 1,) * 2, np.uint8))
    mirrored = cv2.remap(near, *(np.float32(a - 0.5) for a in frame.outward(-u, v)),
                         cv2.INTER_NEAREST)
    return (like & mirrored) > 0


def _seen(lab: np.ndarray, where: np.ndarray, least: float) -> np.ndarray:
    """bool [h, w]: whose colour (or one next to it, in steps of 8) is seen in more than a share
    ``least`` of the pixels ``where``."""
    there = lab[where]
    count = np.zeros((34, 34, 34), np.int64)
    np.add.at(count, tuple(there.T + 1), 1)
    for axis in range(3):
        count = count + np.roll(count, 1, axis) + np.roll(count, -1, axis)
    return count[tuple(np.moveaxis(lab + 1, -1, 0))] > least * max(len(there), 1)


def _marks(size: tuple[int, int], points: np.ndarray, like: np.ndarray, hair: float
           ) -> np.ndarray:
    """What is known before looking, in GrabCut's terms."""
    _, _, u, v = _faced(size, points)
    out = np.full(size, cv2.GC_PR_BGD, np.uint8)
    # Hair, hats and ears are around the face, and further out where they look like the head.
    near = (u / 0.62) ** 2 + ((v + 0.12) / 0.78) ** 2 < hair ** 2
    far = (u / 1.1) ** 2 + ((v + 0.15) / 1.15) ** 2 < hair ** 2
    shoulders = (v > 0.62) & (np.abs(u) < 0.35 + 1.1 * (v - 0.62))
    out[near | (far & like) | shoulders] = cv2.GC_PR_FGD
    out[_border(size, points) & ~like] = cv2.GC_BGD
    face = (u / 0.34) ** 2 + ((v - 0.02) / 0.44) ** 2 < 1
    neck = (np.abs(u) < 0.10) & (v > 0.3) & (v < 0.75)
    chest = (np.abs(u) < 0.22) & (v > 0.95)
    out[face | neck | chest] = cv2.GC_FGD
    return out


def _whole(figure: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The piece with the face, its holes filled, its outline calmed."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    figure = cv2.morphologyEx(figure.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    _, labels = cv2.connectedComponents(figure)
    x, y = np.clip(points.mean(0), 0, np.array(figure.shape[::-1]) - 1).astype(int)
    piece = labels == labels[y, x] if labels[y, x] else figure > 0
    ground, parts = cv2.connectedComponents((~piece).astype(np.uint8))
    border = np.unique(np.concatenate([parts[0], parts[:, 0], parts[:, -1]]))
    for label in range(1, ground):
        hole = parts == label
        # A gap between arm and body is ground; a light that looks like it is not.
        if label not in border and hole.sum() < 0.02 * figure.size:
            piece = piece | hole
    calm = cv2.GaussianBlur(piece.astype(np.float32), (0, 0), 1.2)
    return calm > 0.5


def _soft(image: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """uint8 [H, W] of a small hard mask: edges where the picture has them."""
    height, width = image.shape[:2]
    mask = cv2.resize(cut.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    radius = max(2, round(2.5 * max(height, width) / WORK))
    refined = guided(image.astype(np.float32) / 255, np.clip(mask, 0, 1), radius, 2e-4)
    return (np.clip(refined * 1.3 - 0.15, 0, 1) * 255 + 0.5).astype(np.uint8)


def guided(guide: np.ndarray, mask: np.ndarray, radius: int, calm: float) -> np.ndarray:
    """``mask`` float32 [H, W] as a locally linear function of ``guide`` [H, W, 3], 0..1."""
    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REFLECT)

    colour, share = mean(guide), mean(mask)
    both = np.stack([mean(guide[..., i] * mask) for i in range(3)], -1) - colour * share[..., None]
    spread = np.empty((*mask.shape, 3, 3), np.float32)
    for i in range(3):
        for j in range(i, 3):
            spread[..., i, j] = spread[..., j, i] = (
                mean(guide[..., i] * guide[..., j]) - colour[..., i] * colour[..., j])
    spread += calm * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(spread, both[..., None])[..., 0]
    offset = share - (slope * colour).sum(-1)
    return (np.stack([mean(slope[..., i]) for i in range(3)], -1) * guide).sum(-1) + mean(offset)


def _doubts(image: np.ndarray, points: np.ndarray, cut: np.ndarray, other: np.ndarray) -> str:
    share = float(cut.mean())
    if not LEAST_SHARE < share < MOST_SHARE:
        return f"the figure would be {share:.0%} of the portrait"
    agree = float((cut & other).sum() / max((cut | other).sum(), 1))
    if agree < AGREE:
        return f"its outline is unclear ({agree:.0%} of it is sure)"
    beside = _step(image, cut)
    if beside < STEP:
        return f"it differs little from what is behind it ({beside:.0f} of 255)"
    return ""


def _step(image: np.ndarray, cut: np.ndarray) -> float:
    """How unlike the means just inside and just outside of the outline are: the lower quartile
    along it, in steps of Lab."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    inside = cut.astype(np.float32)
    means = []
    for share in (inside, 1 - inside):
        total = cv2.GaussianBlur(share, (0, 0), BESIDE)[..., None]
        means.append(cv2.GaussianBlur(lab * share[..., None], (0, 0), BESIDE)
                     / np.maximum(total, 1e-4))
    outline = cv2.morphologyEx(cut.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    outline[[0, -1]] = outline[:, [0, -1]] = False
    if not outline.any():
        return 0.0
    return float(np.quantile(np.linalg.norm(means[0] - means[1], axis=-1)[outline], 0.25))
