"""Lips read closely: small cuts around the mouth, carried along by the head, for the lip judge."""

from __future__ import annotations

import numpy as np
import torch

from ...avatars.face_crop import FaceCrop
from ...avatars.landmarks import INDEX, face_height
from ..judges.lips import SIDE, LipJudge
from ..judges.sync import SPREAD
from .points import MOUTH, similarity

REACH = 0.56
"""Side of a cut in face heights."""
MIDDLE = ("mouth_left", "mouth_right", "lip_bottom")
BATCH = 64


def cut_of(points: np.ndarray, wider: float = 1.0) -> FaceCrop:
    """Where the mouth of a resting face [44, 2] is cut out, ``wider`` times the usual side."""
    middle = points[[INDEX[n] for n in MIDDLE]].mean(0)
    across = points[INDEX["eye_right_outer"]] - points[INDEX["eye_left_outer"]]
    return FaceCrop(float(middle[0]), float(middle[1]),
                    REACH * wider * float(face_height(points)),
                    float(np.arctan2(across[1], across[0])))


def follow(crop: FaceCrop, points: np.ndarray, rest: np.ndarray) -> list[FaceCrop]:
    """``crop`` of the resting face [44, 2], carried along by the head of points [T, 44, 2]."""
    turn, shift = similarity(points, rest)
    at = np.einsum("tij,j->ti", turn, np.array([crop.x, crop.y])) + shift
    scale = np.hypot(turn[:, 0, 0], turn[:, 1, 0])
    angle = np.arctan2(turn[:, 1, 0], turn[:, 0, 0])
    return [FaceCrop(float(x), float(y), crop.side * float(k), crop.roll + float(a))
            for (x, y), k, a in zip(at, scale, angle, strict=True)]


@torch.inference_mode()
def read_lips(judge: LipJudge, frames: np.ndarray, points: np.ndarray, portrait: np.ndarray,
              rest: np.ndarray) -> np.ndarray:
    """uint8 [T, H, W, 3] with points [T, 44, 2], of which only eyes and nose bridge count, and
    the portrait with its own -> float32 [T, 8], as points.mouth_numbers has them."""
    still = cut_of(rest)
    base = torch.from_numpy(still.cut(portrait, SIDE)).permute(2, 0, 1)[None]
    out = [np.zeros((0, len(MOUTH)), np.float32)]
    for i in range(0, len(frames), BATCH):
        cuts = np.stack([c.cut(f, SIDE) for c, f in zip(
            follow(still, points[i: i + BATCH], rest), frames[i: i + BATCH], strict=True)])
        given = torch.from_numpy(cuts).permute(0, 3, 1, 2)
        out.append(judge(given, base.expand_as(given)).numpy() * np.array(SPREAD, np.float32))
    return np.concatenate(out)
