"""Imagining figures: rooms that were never seen, against true rooms and smooth filling."""

from __future__ import annotations

import numpy as np

from ..judges.patch import SIZE, PatchJudge, auc, cut
from ..judges.scene import SceneJudge
from ..measures import frechet
from ..report import Metric


def patch_features(judge: SceneJudge, frames: np.ndarray, masks: np.ndarray,
                   most: int = 4000) -> np.ndarray:
    """Judge features [N, D] of the cells that lie wholly in `masks` (bool [F, H, W])."""
    rows = []
    for i in range(0, len(frames), 32):
        _, patch = judge.features(frames[i:i + 32])
        h, w = patch.shape[1:3]
        m = masks[i:i + 32]
        cells = m.reshape(len(m), h, m.shape[1] // h, w, m.shape[2] // w).all((2, 4))
        rows.append(patch[cells])
    out = np.concatenate(rows)
    return out[:: max(1, len(out) // most)]


def imagined_fd(judge: SceneJudge, made, filled, true, other) -> Metric:
    """worlds.imagined_fd: 0 is what other true rooms get, 1 what smooth filling gets.

    Each argument is (frames, masks): imagined views, the same holes push-pulled, the true views
    of the same layouts, and true views of other layouts.
    """
    reference = patch_features(judge, *true)
    distance = {name: frechet(patch_features(judge, *pair), reference)
                for name, pair in (("made", made), ("filled", filled), ("other", other))}
    span = max(distance["filled"] - distance["other"], 1e-9)
    value = (distance["made"] - distance["other"]) / span
    return Metric("worlds.imagined_fd", float(value), "",
                  {"other_rooms": 0.0, "smooth_filling": 1.0,
                   **{f"fd_{k}": v for k, v in distance.items()}}, len(made[0]), "<= 0.3",
                  "<= 0.15")


def places(mask: np.ndarray, seam: bool, generator: np.random.Generator, most: int = 6):
    """Corners [N, 2] of patches wholly inside a mask, or straddling its edge."""
    h, w = mask.shape
    total = np.pad(mask.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    share = (total[SIZE:, SIZE:] - total[:-SIZE, SIZE:] - total[SIZE:, :-SIZE]
             + total[:-SIZE, :-SIZE]) / SIZE**2
    fits = np.argwhere((share > 0.3) & (share < 0.7) if seam else share > 0.999)
    if not len(fits):
        return fits
    return fits[generator.choice(len(fits), min(most, len(fits)), replace=False)]


def patch_auc(judge: PatchJudge, made: tuple, true: tuple, filled: tuple, seed: int) -> Metric:
    """worlds.patch_auc: how well the patch judge tells imagined from true patches (worse of
    inside and at the seams); smooth filling beside it."""
    import torch

    def scores(frames, masks, seam, key):
        generator = np.random.default_rng([seed, key])
        out = []
        for frame, mask in zip(frames, masks, strict=True):
            corners = places(mask, seam, generator)
            if len(corners):
                with torch.no_grad():
                    out.append(judge(cut(frame, corners)).numpy())
        return np.concatenate(out) if out else np.zeros(0)

    values, smooth = {}, {}
    for name, seam in (("inside", False), ("seam", True)):
        truth = scores(*true, seam, 1)
        values[name] = auc(truth, scores(*made, seam, 1))
        smooth[name] = auc(truth, scores(*filled, seam, 1))
    return Metric("worlds.patch_auc", max(values.values()), "",
                  {"inside": values["inside"], "seam": values["seam"],
                   "smooth_filling": max(smooth.values()), "cannot_tell": 0.5},
                  len(made[0]), "<= 0.8", "<= 0.65")
