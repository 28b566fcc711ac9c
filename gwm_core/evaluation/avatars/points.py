"""What the 44 points of a frame say of a face, in numbers that mean the same on every portrait.

All are read against the points of the same portrait at rest, in its own face heights, so that a
long jaw or large eyes are no motion.
"""

from __future__ import annotations

import numpy as np

from ...avatars.landmarks import INDEX, face_height

STEADY = tuple(INDEX[name] for name in (
    "eye_left_outer", "eye_left_inner", "eye_right_inner", "eye_right_outer", "nose_bridge"))
"""Points that neither speech nor looks move: the frame of the head."""
MOUTH = ("open", "open_left", "open_right", "width", "tall", "chin", "corners", "upper")
FACE = ("blink", "gaze_x", "gaze_y", "turn", "nod", "tilt", "corners", "top", "bottom", "chin",
        "width", "brow", "x", "y")


def similarity(points: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How the head of ``rest`` [44, 2] came to lie as in ``points`` [T, 44, 2]: matrices [T, 2, 2]
    and shifts [T, 2] with ``points = matrix @ rest + shift`` (least squares over STEADY, after
    Umeyama 1991)."""
    anchor, seen = rest[list(STEADY)], points[:, list(STEADY)]
    a = anchor - anchor.mean(0)
    b = seen - seen.mean(1, keepdims=True)
    size = max(float((a ** 2).sum()), 1e-9)
    c = (b * a).sum((1, 2)) / size
    s = (a[:, 0] * b[..., 1] - a[:, 1] * b[..., 0]).sum(1) / size
    turn = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    return turn, seen.mean(1) - np.einsum("tij,j->ti", turn, anchor.mean(0))


def head_frame(points: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """``points`` [T, 44, 2] moved, turned and scaled so that the head lies as in ``rest`` [44, 2].
    """
    turn, shift = similarity(points, rest)
    return np.einsum("tij,tpj->tpi", np.linalg.pinv(turn), points - shift[:, None])


def _at(points: np.ndarray, name: str) -> np.ndarray:
    return points[..., INDEX[name], :]


def _gap(points: np.ndarray, one: str, other: str) -> np.ndarray:
    return np.linalg.norm(_at(points, one) - _at(points, other), axis=-1)


def lips_apart(points: np.ndarray, side: str = "") -> np.ndarray:
    """Pixels that the lower inner lip lies below the upper one, square to the corners' line.
    Signed, so that what a reader errs by averages out where lips are shut."""
    across = _at(points, "mouth_right") - _at(points, "mouth_left")
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    gap = _at(points, "inner_bottom" + side) - _at(points, "inner_top" + side)
    return gap[..., 1] * across[..., 0] - gap[..., 0] * across[..., 1]


def mouth_numbers(points: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """float32 [T, len(MOUTH)]: inner opening (middle, left, right), width, outer height, chin
    down, corners up, upper lip up; each more than at rest, in face heights."""
    height = float(face_height(rest))

    def of(p: np.ndarray) -> np.ndarray:
        level = (_at(p, "nose_left") + _at(p, "nose_right"))[..., 1] / 2
        corners = (_at(p, "mouth_left") + _at(p, "mouth_right"))[..., 1] / 2
        return np.stack([
            lips_apart(p),
            lips_apart(p, "_left"),
            lips_apart(p, "_right"),
            _gap(p, "mouth_left", "mouth_right"),
            _gap(p, "lip_top", "lip_bottom"),
            _at(p, "chin")[..., 1] - level,
            level - corners,
            level - _at(p, "lip_top")[..., 1],
        ], -1)

    return ((of(head_frame(points, rest)) - of(rest)) / height).astype(np.float32)


def face_numbers(points: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """float32 [T, len(FACE)]: how far the lids are shut (1: all), where the irises lie in the eyes
    (eye widths, right and up), the nose's tip beside and above where it rests (face heights), the
    head's tilt (radians), how far corners, upper and lower lip and chin are up and how much wider
    the mouth is, brows up, the head's place on the picture."""
    height = float(face_height(rest))
    frame = head_frame(points, rest)
    eyes_now, eyes_rest = _eyes(frame), _eyes(rest[None])
    blink = 1 - eyes_now["gap"] / np.maximum(eyes_rest["gap"], 1e-6)
    look = (eyes_now["look"] - eyes_rest["look"])
    nose = (_at(frame, "nose_tip") - _at(rest, "nose_tip")) / height
    raised = (rest - frame)[..., 1] / height
    corners = raised[:, [INDEX["mouth_left"], INDEX["mouth_right"]]].mean(1)
    width = (_gap(frame, "mouth_left", "mouth_right") - _gap(rest, "mouth_left", "mouth_right")
             ) / height
    brows = raised[:, [INDEX["brow_left"], INDEX["brow_right"]]].mean(1)
    across = _at(points, "eye_right_outer") - _at(points, "eye_left_outer")
    base = _at(rest, "eye_right_outer") - _at(rest, "eye_left_outer")
    tilt = np.arctan2(across[..., 1], across[..., 0]) - np.arctan2(base[1], base[0])
    place = (points[:, list(STEADY)].mean(1) - rest[list(STEADY)].mean(0)) / height
    return np.stack([
        blink.mean(-1), look[..., 0].mean(-1), -look[..., 1].mean(-1), nose[..., 0], -nose[..., 1],
        tilt, corners, *(raised[:, INDEX[name]] for name in ("lip_top", "lip_bottom", "chin")),
        width, brows, place[:, 0], -place[:, 1]], -1).astype(np.float32)


def _eyes(points: np.ndarray) -> dict[str, np.ndarray]:
    """gap [T, 2] of the lids and look [T, 2, 2] of the irises, both in widths of the eye."""
    gaps, looks = [], []
    for side in ("left", "right"):
        outer, within = _at(points, f"eye_{side}_outer"), _at(points, f"eye_{side}_inner")
        width = np.maximum(np.linalg.norm(outer - within, axis=-1), 1e-6)
        gaps.append(_gap(points, f"eye_{side}_upper", f"eye_{side}_lower") / width)
        looks.append((_at(points, f"iris_{side}") - (outer + within) / 2) / width[..., None])
    return {"gap": np.stack(gaps, -1), "look": np.stack(looks, -2)}
