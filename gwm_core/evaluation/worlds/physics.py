"""Physics figures: where balls are in the generated frames."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from ..judges.scene import SceneJudge
from ..report import Metric
from .cases import Case

FOUND = 0.35
REACH = 0.22
"""A ball found further than this (as a share of the picture's width) from the true place counts
as not found."""


TINT = 0.06
"""How far a ball's pixels may be from its colour, as shares of red, green and blue."""


def project(points: np.ndarray, pose: np.ndarray, width: int, height: int,
            fov_deg: float = 60.0) -> np.ndarray:
    """World points [N, 3] -> column, row in pixels and depth [N, 3]."""
    focal = height / 2 / math.tan(math.radians(fov_deg) / 2)
    cy, sy, cp, sp = (math.cos(pose[3]), math.sin(pose[3]), math.cos(pose[4]), math.sin(pose[4]))
    axes = np.array([[sy, -cy, 0.0], [sp * cy, sp * sy, -cp], [cp * cy, cp * sy, sp]])
    rel = (np.asarray(points) - pose[:3]) @ axes.T
    z = np.maximum(rel[:, 2], 1e-6)
    return np.stack([rel[:, 0] / z * focal + width / 2, rel[:, 1] / z * focal + height / 2,
                     rel[:, 2]], 1)


def visible_ball(case: Case, frame: int, slot: int) -> np.ndarray | None:
    """Mean place (column, row in pixels) of a slot's true pixels, None when it shows too few."""
    where = case.body_map[frame] == slot + 1
    if where.sum() < 10:
        return None
    rows, cols = np.nonzero(where)
    return np.array([cols.mean(), rows.mean()])


def nearest_peak(heat: np.ndarray, place: np.ndarray, width: int) -> np.ndarray | None:
    """The judge's ball nearest to `place` (pixels), None where it sees none."""
    padded = np.pad(heat, 1, constant_values=-1.0)
    around = np.stack([padded[i:i + heat.shape[0], j:j + heat.shape[1]]
                       for i in range(3) for j in range(3)])
    peaks = np.argwhere((heat >= around.max(0)) & (heat > FOUND))
    if not len(peaks):
        return None
    scale = width / heat.shape[1]
    spots = np.stack([_centre(heat, row, column) for row, column in peaks]) * scale
    gap = np.linalg.norm(spots - place, axis=1)
    return spots[int(gap.argmin())] if gap.min() <= REACH * width else None


def _centre(heat: np.ndarray, row: int, column: int) -> np.ndarray:
    """Centre of gravity (column, row, in cells) of the 3 x 3 cells about a peak."""
    r0, c0 = max(row - 1, 0), max(column - 1, 0)
    part = heat[r0:row + 2, c0:column + 2]
    yy, xx = np.mgrid[r0:r0 + part.shape[0], c0:c0 + part.shape[1]] + 0.5
    return np.array([(part * xx).sum(), (part * yy).sum()]) / part.sum()


def colour_of(case: Case, slot: int) -> np.ndarray | None:
    """Main colour f32 [3] of a ball where the true frames first show it well."""
    best = max(range(min(len(case.frames), 2 * case.ticks + 1)),
               key=lambda i: min(int((case.body_map[i] == slot + 1).sum()), 150) - 0.01 * i)
    where = case.body_map[best] == slot + 1
    if where.sum() < 10:
        return None
    pixels = case.frames[best][where].astype(np.float32)
    # The most colourful half: what is left is its band and its highlights.
    spread = pixels.max(1) - pixels.min(1)
    return np.median(pixels[spread >= np.median(spread)], axis=0)


def of_colour(frame: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """bool [H, W]: pixels of a colour in any light that is not too dim."""
    x = frame.astype(np.float32)
    total, goal = x.sum(-1), float(colour.sum())
    tint = np.abs(x / np.maximum(total, 1)[..., None] - colour / max(goal, 1)).max(-1)
    return (tint < TINT) & (total > 0.35 * goal) & (total < 1.8 * goal)


def blob(frame: np.ndarray, colour: np.ndarray, truth: np.ndarray, ball: np.ndarray,
         place: np.ndarray) -> np.ndarray | None:
    """Centre (column, row) of the spot of the ball's colour nearest to `place`, of about the
    ball's size; None without one. What is of that colour in the true frame and is not the ball
    (mask `ball`) does not count."""
    size = int(ball.sum())
    other = ndimage.binary_dilation(of_colour(truth, colour) & ~ndimage.binary_dilation(
        ball, iterations=3), iterations=8)
    mask = of_colour(frame, colour) & ~other
    parts, count = ndimage.label(ndimage.binary_closing(mask, iterations=2) | mask)
    spots = []
    for n in range(1, count + 1):
        where = parts == n
        if where.sum() >= 6 and 0.2 * size <= where.sum() <= 4 * size:
            rows, cols = np.nonzero(where)
            spots.append((cols.mean(), rows.mean()))
    if not spots:
        return None
    gap = np.linalg.norm(np.array(spots) - place, axis=1)
    return np.array(spots[int(gap.argmin())]) if gap.min() <= REACH * frame.shape[1] else None


def ball_errors(judge: SceneJudge, case: Case, clip: np.ndarray, slot: int,
                still: np.ndarray, start: int, ticks: int = 12) -> list[tuple[float, float, float]]:
    """(error, error of no motion, whether found) in pixels at each tick the true ball is seen.

    still: the place [3] where the ball was before it moved. The ball is found by its colour, or
    else by the scene judge. A ball that is not found counts as twice the error of no motion.
    """
    out = []
    width, height = case.frames.shape[2], case.frames.shape[1]
    last = min(start + ticks, case.ticks)
    heat = judge.read(clip[2 * start + 1:2 * last:2])["ball"]
    colour = colour_of(case, slot)
    for i, tick in enumerate(range(start + 1, last + 1)):
        true = visible_ball(case, 2 * tick, slot)
        if true is None or i >= len(heat):
            continue
        rest = project(still[None], case.poses[2 * tick], width, height)[0]
        base = float(np.linalg.norm(rest[:2] - true)) if rest[2] > 0.1 else float(width)
        base = min(base, float(width))
        found = None
        if colour is not None:
            found = blob(clip[2 * tick - 1], colour, case.frames[2 * tick],
                         case.body_map[2 * tick] == slot + 1, true)
        if found is None:
            found = nearest_peak(heat[i], true, width)
        error = float(np.linalg.norm(found - true)) if found is not None else 2 * base
        out.append((error, base, float(found is not None)))
    return out


def ball_metric(rows: list[tuple[float, float, float]],
                true_rows: list[tuple[float, float, float]]) -> Metric:
    """worlds.ball_error_ratio: pooled error over that of no motion; the judge on true frames."""
    r, t = np.array(rows).reshape(-1, 3), np.array(true_rows).reshape(-1, 3)
    ratio = float(r[:, 0].sum() / max(r[:, 1].sum(), 1e-9)) if len(r) else float("nan")
    return Metric("worlds.ball_error_ratio", ratio, "",
                  {"no_motion": 1.0, "true_frames": float(t[:, 0].sum() / max(t[:, 1].sum(), 1e-9))
                   if len(t) else float("nan"),
                   "not_found": float(1 - r[:, 2].mean()) if len(r) else float("nan")}, len(r),
                  "<= 0.5", "<= 0.35")
