"""Where imagined and known pixels meet: scoring, blending and joining of candidate views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..compiled import kernel

UNKNOWN = 255


@dataclass(frozen=True)
class View:
    """rgb u8 [H, W, 3], depth f32 [H, W], label u8 [H, W], sure bool [H, W]; scale f32 [H, W]
    is how much pixels are magnified (None: not at all)."""

    rgb: np.ndarray
    depth: np.ndarray
    label: np.ndarray
    sure: np.ndarray
    scale: np.ndarray | None = None


def rim_weights(mask: np.ndarray, reach: float) -> np.ndarray:
    """f32 [H, W]: 1 at the hole's rim, falling with the distance from it to .04; 0 in the hole."""
    if mask.all():
        return np.ones(mask.shape, np.float32)
    away = ndimage.distance_transform_edt(mask)
    return np.where(mask, 0.04 + 0.96 * np.exp(-away / reach), 0.0).astype(np.float32)


def seam_cost(view: View, rgb, disparity, label, mask, rim) -> float:
    """How badly a candidate agrees with the guide, weighted at the rim: colour, depth, labels.

    0 is perfect; a wall of another theme at the whole rim gives about 1.
    """
    w = rim * mask
    total = float(w.sum())
    if total <= 0:
        return 0.0
    same = mask & (rim > 0.3) & (label == view.label)
    shown = view.rgb.astype(np.float32) * _gain(rgb, view.rgb.astype(np.float32), same)
    colour = np.abs(shown - rgb).mean(-1) / 255.0
    depth = np.abs(np.log(np.maximum(view.depth * np.maximum(disparity, 1 / 60), 1e-3)))
    known = (label != UNKNOWN) & (view.label != UNKNOWN)
    theme = known & ((label >> 3) != (view.label >> 3))
    part = known & (label != view.label) & ~theme
    cost = 1.6 * np.minimum(colour, 0.4) + 1.2 * np.minimum(depth, 0.5) + 0.5 * theme + 0.2 * part
    return float((cost * w).sum() / total)


def blend(view: View, rgb, disparity, label, mask) -> View:
    """The candidate with the guide's covered pixels put in.

    What differs at the rim leaks into the hole and fades: colour only where it differs little
    (else halos), depth wherever both show the same surface.
    """
    if mask.all() or not mask.any():
        return view if not mask.any() else View(
            rgb.copy(), (1.0 / np.maximum(disparity, 1 / 60)).astype(np.float32), label.copy(),
            np.ones(mask.shape, bool))
    away = ndimage.distance_transform_edt(~mask)
    guide_depth = (1.0 / np.maximum(disparity, 1 / 60)).astype(np.float32)
    ratio = np.log(np.clip(guide_depth / np.maximum(view.depth, 0.05), 1e-3, 1e3))
    inside = ndimage.distance_transform_edt(mask) <= 12
    same = (label == view.label) | (label == UNKNOWN)
    firm = mask & inside & same & (np.abs(ratio) < 0.12)
    out = view.rgb.astype(np.float32)
    out = out * _gain(rgb, out, firm)
    difference = rgb - out
    gentle = firm & (np.abs(difference).max(-1) < 26)
    fade = np.exp(-away / 16.0).astype(np.float32) * ~mask
    w = _spread(gentle.astype(np.float32))
    for c in range(3):
        leak = _spread(difference[..., c] * gentle) / np.maximum(w, 1e-4)
        out[..., c] += leak * fade * np.minimum(w * 4.0, 1.0)
    w = _spread(firm.astype(np.float32))
    leak = _spread((ratio * firm).astype(np.float32)) / np.maximum(w, 1e-4)
    depth = view.depth * np.exp(leak * fade * np.minimum(w * 4.0, 1.0))
    result = np.clip(out + 0.5, 0, 255).astype(np.uint8)
    result[mask] = rgb[mask]
    return View(
        result,
        np.where(mask, guide_depth, np.clip(depth, 0.05, 60.0)).astype(np.float32),
        np.where(mask, label, view.label),
        view.sure | mask,
    )


def _gain(rgb, other, where) -> np.ndarray:
    """How much brighter the guide's room is lit than the remembered one, per channel, f32 [3]."""
    if where.sum() < 60:
        return np.ones(3, np.float32)
    ratio = (rgb[where].astype(np.float32) + 4.0) / (other[where] + 4.0)
    return np.clip(np.median(ratio, axis=0), 0.75, 1.33).astype(np.float32)


def _spread(values: np.ndarray) -> np.ndarray:
    """A sum of narrow and wide box means: near values count more."""
    near = ndimage.uniform_filter(values, 9, mode="constant")
    wide = ndimage.uniform_filter(values, 31, mode="constant")
    return near + 0.15 * wide


@kernel
def _cut(cost, path):
    """Cheapest way from the top row to the bottom row, one step aside per row; sets path [H]."""
    height, width = cost.shape
    total = cost.copy()
    came = np.zeros((height, width), np.int8)
    for j in range(1, height):
        for i in range(width):
            best, step = total[j - 1, i], 0
            if i > 0 and total[j - 1, i - 1] < best:
                best, step = total[j - 1, i - 1], -1
            if i + 1 < width and total[j - 1, i + 1] < best:
                best, step = total[j - 1, i + 1], 1
            total[j, i] += best
            came[j, i] = step
    i = 0
    for k in range(width):
        if total[height - 1, k] < total[height - 1, i]:
            i = k
    result = total[height - 1, i]
    for j in range(height - 1, -1, -1):
        path[j] = i
        i += came[j, i]
    return result


def join(left: View, right: View, mask: np.ndarray) -> tuple[View, float]:
    """Left of a cut the one view, right of it the other, and what the cut costs per row.

    The cut runs through the hole where both agree in depth (two walls that meet there make a
    corner) or in look.
    """
    gap = np.abs(np.log(left.depth / right.depth))
    colour = np.abs(left.rgb.astype(np.float32) - right.rgb).mean(-1) / 255.0
    other = left.label != right.label
    theme = (left.label >> 3) != (right.label >> 3)
    wall = ((left.label & 7) == 1) & ((right.label & 7) == 1)
    cost = np.minimum(gap, 0.6) * 2.0 + np.minimum(colour, 0.4) + 0.15 * other
    # Another theme on one flat wall is the worst; across a step in depth it is a corner.
    flat = (_slope(left.depth) - _slope(right.depth)) ** 2 < 1e-5
    cost = cost + 0.8 * (theme & wall & flat) + 0.01
    cost = np.where(mask, cost + 2.0, cost)
    path = np.zeros(mask.shape[0], np.int64)
    total = _cut(cost.astype(np.float64), path)
    take = np.arange(mask.shape[1])[None, :] >= path[:, None]
    return View(
        np.where(take[..., None], right.rgb, left.rgb),
        np.where(take, right.depth, left.depth),
        np.where(take, right.label, left.label),
        np.where(take, right.sure, left.sure),
    ), float(total) / mask.shape[0]


def _slope(depth: np.ndarray) -> np.ndarray:
    return np.gradient(1.0 / depth, axis=1)
