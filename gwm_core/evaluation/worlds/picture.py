"""Picture, sharpness and memory figures: what is shown against what the simulator shows."""

from __future__ import annotations

import numpy as np

from ...memory import Camera, Keyframe, Memory
from ..measures import gradient_energy, psnr
from ..report import Metric
from .cases import Case

STILL_DB = 35.0
LEAST = 0.02
"""Smallest share of a picture whose PSNR is taken as a part of its own."""


def seen_before(case: Case, frame: int, since: bool = False, every: int = 2) -> np.ndarray:
    """bool [H, W]: static pixels of true frame `frame` that the first picture showed.

    since: also those that true frames between showed, which the model was not given: in a fast
    turn it has to imagine them.
    """
    from ...guide import draw

    camera = Camera(case.frames.shape[2], case.frames.shape[1])
    memory = Memory()
    for i in range(0, frame if since else 1, every):
        memory = memory.add(Keyframe(rgb=case.frames[i], depth=case.depth[i], pose=case.poses[i],
                                     keep=case.body_map[i] == 0))
    guide = draw(memory, case.poses[frame], camera)
    close = np.abs(guide.depth - case.depth[frame]) < 0.05 + 0.03 * case.depth[frame]
    return guide.covered & close & (case.body_map[frame] == 0)


def gains(cases: list[Case], clips: list[np.ndarray]) -> list[Metric]:
    """worlds.gain5_db, worlds.gain32_db, worlds.covered_psnr5_db.

    clips: generated frames u8 [2T, H, W, 3] of each case. The covered part is what the true
    camera had seen in the first picture, which is all that the model was given; beside it the
    part that the true camera had seen by then (`seen_since_too`).
    """
    out, covered, since, copied = [], [], [], []
    for tick, must, aim in ((5, ">= 5", ">= 7"), (32, ">= 2", ">= 4")):
        gain, ours, copy = [], [], []
        for case, clip in zip(cases, clips, strict=True):
            if case.ticks < tick:
                continue
            truth = case.frames[2 * tick]
            base = psnr(case.frames[0], truth)
            if base >= STILL_DB:
                continue
            made = clip[2 * tick - 1]
            gain.append(psnr(made, truth) - base)
            ours.append(psnr(made, truth))
            copy.append(base)
            if tick == 5:
                where = seen_before(case, 2 * tick)
                since.append(psnr(made, truth, seen_before(case, 2 * tick, since=True)))
                if where.mean() >= LEAST:
                    covered.append(psnr(made, truth, where))
                    copied.append(psnr(case.frames[0], truth, where))
        out.append(Metric(f"worlds.gain{tick}_db", _mean(gain), "dB",
                          {"copy_first_psnr": _mean(copy), "psnr": _mean(ours)}, len(gain), must,
                          aim))
    out.append(Metric("worlds.covered_psnr5_db", _mean(covered), "dB",
                      {"copy_first": _mean(copied), "seen_since_too": _mean(since)}, len(covered),
                      ">= 26", ">= 30"))
    return out


def sharpness(cases: list[Case], clips: list[np.ndarray], imagined: list[np.ndarray],
              ticks: tuple[int, ...] = (5, 12, 24, 32)) -> list[Metric]:
    """worlds.sharpness and worlds.sharpness_imagined: gradient energy, generated over true.

    imagined: bool [2T, H, W] of each clip; the truth's energy is taken on the same pixels.
    """
    whole, unseen, smooth = [], [], []
    for case, clip, mask in zip(cases, clips, imagined, strict=True):
        for tick in ticks:
            if tick > case.ticks:
                continue
            i = 2 * tick - 1
            truth = case.frames[2 * tick]
            whole.append((gradient_energy(clip[i]), gradient_energy(truth)))
            if mask[i].mean() > 0.02:
                pair = gradient_energy(clip[i], mask[i]), gradient_energy(truth, mask[i])
                if np.isfinite(pair).all():
                    unseen.append((*pair, float(mask[i].sum())))
                    smooth.append(0.0)
    ratio = np.sum([a for a, _ in whole]) / max(np.sum([b for _, b in whole]), 1e-9)
    weights = np.array([w for _, _, w in unseen])
    part = (float(np.sum([a * w for a, _, w in unseen])
                  / max(np.sum([b * w for _, b, w in unseen]), 1e-9))
            if len(weights) else float("nan"))
    return [Metric("worlds.sharpness", float(ratio), "", {"truth": 1.0}, len(whole), "0.7..1.3"),
            Metric("worlds.sharpness_imagined", part, "", {"truth": 1.0}, len(unseen),
                   "0.7..1.3")]


def long_sharpness(first: list[np.ndarray], late: list[np.ndarray]) -> Metric:
    """worlds.sharpness500: gradient energy about tick 500 over that at the first ticks."""
    start = np.mean([gradient_energy(frame) for frame in first])
    end = np.mean([gradient_energy(frame) for frame in late])
    return Metric("worlds.sharpness500", float(end / max(start, 1e-9)), "",
                  {"start_energy": float(start)}, len(late), "0.8..1.25")


def revisit(pairs: list[tuple[np.ndarray, np.ndarray]], still: list[float]) -> Metric:
    """worlds.revisit_db: the same pose before and after a full turn or a walk off and back."""
    values = [psnr(a, b) for a, b in pairs]
    return Metric("worlds.revisit_db", _mean(values), "dB",
                  {"other_view": _mean(still), "worst": float(np.min(values, initial=60.0))},
                  len(values), ">= 24", ">= 28")


def _mean(values) -> float:
    values = np.asarray(values, float)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
