"""Eyes read closely: small cuts around both, carried along by the head, for the eye judge."""

from __future__ import annotations

import numpy as np
import torch

from ...avatars.face_crop import FaceCrop
from ...avatars.landmarks import INDEX, face_height
from ..judges.eyes import SIDE, EyeJudge
from .lip_sight import follow

WIDE, LEAST = 1.7, 0.2
"""Side of a cut in widths of the eye, and at least in face heights."""
SIDES = ("left", "right")
BATCH = 64


def cut_of(points: np.ndarray, side: str, wider: float = 1.0) -> FaceCrop:
    """Where an eye (of ``SIDES``) of a resting face [44, 2] is cut out, ``wider`` times as far."""
    ends = points[[INDEX[f"eye_{side}_outer"], INDEX[f"eye_{side}_inner"]]]
    middle = ends.mean(0)
    reach = max(WIDE * float(np.linalg.norm(ends[0] - ends[1])),
                LEAST * float(face_height(points)))
    across = points[INDEX["eye_right_outer"]] - points[INDEX["eye_left_outer"]]
    return FaceCrop(float(middle[0]), float(middle[1]), wider * reach,
                    float(np.arctan2(across[1], across[0])))


def as_left(cut: np.ndarray, side: str) -> np.ndarray:
    """Cuts [..., S, S, 3] of an eye as if it were the left one: the judge knows no sides."""
    return cut if side == "left" else cut[..., ::-1, :]


@torch.inference_mode()
def read_eyes(judge: EyeJudge, frames: np.ndarray, points: np.ndarray, portrait: np.ndarray,
              rest: np.ndarray) -> np.ndarray:
    """uint8 [T, H, W, 3] with points [T, 44, 2], of which only the steady ones count, and the
    portrait with its own -> float32 [T, 3], the mean of both eyes: how far shut, 0 to about 1,
    and the gaze to the right and up."""
    out = np.zeros((len(SIDES), len(frames), 3), np.float32)
    for row, side in zip(out, SIDES, strict=True):
        still = cut_of(rest, side)
        base = _tensor(as_left(still.cut(portrait, SIDE), side)[None])
        for i in range(0, len(frames), BATCH):
            cuts = np.stack([c.cut(f, SIDE) for c, f in zip(
                follow(still, points[i: i + BATCH], rest), frames[i: i + BATCH], strict=True)])
            given = _tensor(as_left(cuts, side))
            row[i: i + BATCH] = judge(given, base.expand_as(given)).numpy()
        if side == "right":
            row[:, 1] *= -1
    return out.mean(0)


def _tensor(cuts: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(cuts)).permute(0, 3, 1, 2)
