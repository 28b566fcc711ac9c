"""How well a finder finds: on drawn faces of identities, and of a style, that it was not
trained on."""

from __future__ import annotations

import cv2
import numpy as np

from ..avatars.finder import Finder
from ..avatars.landmarks import COUNT, INDEX, face_height
from ..noise import rng
from .landmarks_data import hull_mask, scrambled, without_face
from .landmarks_looks import nothing, varied

SEED = 90210
RIGHT = 0.1
"""Mean error in face heights up to which a face counts as found."""


def score(finder: Finder, faces: int = 160, seed: int = SEED) -> dict[str, float]:
    """Shares and errors in face heights: of known styles (new identities) and of held-out ones.

    error_*: mean over 44 points, crop found by the finder itself; missed faces count RIGHT.
    aperture_*: inner-lip opening over face height, read against drawn.
    """
    from ..simulators.faces.faces import HELD_STYLES, STYLES

    out: dict[str, float] = {}
    for name, styles, count in (("known", STYLES, faces), ("held", HELD_STYLES, faces // 2)):
        out |= {f"{k}_{name}": v for k, v in score_styles(finder, styles, count, seed).items()}
    out |= placed(finder, STYLES, faces // 4, seed)
    out["false_faces"] = false_faces(finder, faces, seed)
    return {k: round(float(v), 4) for k, v in out.items()}


def drawn(styles, count: int, seed: int, size: int = 128):
    """(picture, points, style) of held-out identities in all motions."""
    from ..simulators.faces.faces import Face
    from ..simulators.faces.poses import random_motion

    for i in range(count):
        draw = rng(seed, "landmark test", i)
        style = styles[i % len(styles)]
        rgb, points = Face(int(draw.integers(2**31)), style, "held").draw(
            random_motion(draw), size)
        yield rgb, points, style


def score_styles(finder: Finder, styles, count: int, seed: int) -> dict[str, float]:
    """On portraits as they are drawn."""
    errors, mouths, found, gaps = [], [], 0, []
    for rgb, points, _ in drawn(styles, count, seed):
        height = float(face_height(points))
        faces = finder.find(rgb)
        read, _ = finder.read([rgb], points)
        gaps.append((opening(points) / height, opening(read[0]) / height))
        best = min((np.linalg.norm(f.points - points, axis=-1) for f in faces),
                   key=np.mean, default=np.full(COUNT, RIGHT * height))
        hit = best.mean() < RIGHT * height
        found += hit
        errors.append(min(best.mean() / height, RIGHT))
        mouths.append(min(best[INDEX["mouth_left"]:].mean() / height, RIGHT))
    true, seen = np.array(gaps).T
    return {"found": found / count, "error": np.mean(errors), "error_mouth": np.mean(mouths),
            "aperture_r": np.corrcoef(true, seen)[0, 1], "aperture_bias": np.mean(seen - true),
            "aperture_error": np.abs(seen - true).mean()}


def opening(points: np.ndarray) -> np.ndarray:
    """Signed opening of the inner lips [...] along the face's own vertical (0 closed; noise does
    not open it); points [..., 44, 2]."""
    down = points[..., INDEX["chin"], :] - points[..., INDEX["crown"], :]
    down = down / np.maximum(np.linalg.norm(down, axis=-1, keepdims=True), 1e-6)
    gap = points[..., INDEX["inner_bottom"], :] - points[..., INDEX["inner_top"], :]
    return (gap * down).sum(-1)


def placed(finder: Finder, styles, count: int, seed: int) -> dict[str, float]:
    """Faces cut out and put, small and turned, somewhere into larger pictures of other things."""
    found = extra = 0
    for i, (rgb, points, _) in enumerate(drawn(styles, count, seed + 1)):
        draw = rng(seed, "landmark placed", i)
        size = int(draw.choice([200, 320, 512]))
        turn, scale = draw.normal(0, 0.2), size / 128 * draw.uniform(0.2, 0.8)
        a = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        room = 0.6 * scale * float(face_height(points))
        shift = draw.uniform(room, size - room, 2) - a @ points.mean(0)
        moved = points @ a.T + shift
        m = np.concatenate([a, (shift + a.sum(1) / 2 - 0.5)[:, None]], 1)
        over = cv2.warpAffine(rgb, m, (size, size), flags=cv2.INTER_LINEAR)
        mask = hull_mask(moved, size, 1.3, 2.0)[..., None]
        picture = (over * mask + nothing(size, draw) * (1 - mask)).astype(np.uint8)
        faces = finder.find(picture)
        hits = [np.linalg.norm(f.points - moved, axis=-1).mean() < RIGHT * face_height(moved)
                for f in faces]
        found += any(hits)
        extra += len(hits) - any(hits)
    return {"found_placed": found / count, "extra_placed": extra / count}


def false_faces(finder: Finder, count: int, seed: int) -> float:
    """Faces that are found in a picture of none; heads without features and torn ones are in."""
    from ..simulators.faces.faces import STYLES

    wrong = 0
    for i, (rgb, points, _) in enumerate(drawn(STYLES, count // 3, seed + 2)):
        draw = rng(seed, "landmark none", i)
        for picture in (nothing(192, draw), varied(nothing(192, draw), draw),
                        without_face(rgb, points, draw) if i % 2 else scrambled(rgb, draw)):
            wrong += len(finder.find(picture))
    return wrong / (count // 3 * 3)
