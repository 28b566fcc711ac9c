"""Breaks: places in a full turn where a flat wall changes its material with nothing between.

All views of the turn vote for the material in each direction, as the scene judge reads it. A
change counts when ten degrees on either side are surely of different themes and look different,
the wall is one flat wall by the depth shown, and no door, frame, window or furniture is near.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from ..judges.scene import SceneJudge

WALL = 1
OTHER = (3, 4, 5, 6)
"""Label parts trim (frames of doors), door, furniture, window."""
BINS = 180
STEP = 360 // BINS
SIDE = 5
"""Directions on either side of a change that must be of one material: ten degrees."""
GAP = 1
"""Directions at the change itself that may be mixed, on either side."""
SURE, WALLED = 0.6, 0.4
BEND = math.radians(16)
JUMP = 0.05
APART = 0.035
"""Smallest difference of the mean colours (share of their brightness), or of their grain."""


@dataclass
class Ring:
    """What a turn shows by direction (BINS of STEP degrees, counter-clockwise).

    theme [BINS, T]: share of each theme among what is wall; wall [BINS]: share of wall among
    what stands upright; radius [BINS]: horizontal distance in metres (NaN unknown);
    colour [BINS, 3] and grain [BINS]: mean and mean gradient of the wall's pixels, in grey levels.
    """

    theme: np.ndarray
    wall: np.ndarray
    radius: np.ndarray
    colour: np.ndarray
    grain: np.ndarray


def count_breaks(judge: SceneJudge, frames: np.ndarray, depth: np.ndarray, yaw: np.ndarray,
                 fov_deg: float = 60.0) -> int:
    """Breaks of a turn: frames u8 [N, H, W, 3], depth [N, H, W] (metres), headings yaw [N]."""
    return len(breaks(ring(shares(judge, frames), frames, depth, yaw, fov_deg)))


def found(judge: SceneJudge, frames: np.ndarray, depth: np.ndarray, yaw: np.ndarray, at: int,
          within: int = 8) -> bool:
    """Whether a turn's break at a direction (degrees) is noticed."""
    seen = breaks(ring(shares(judge, frames), frames, depth, yaw))
    return any(min((a - at) % 360, (at - a) % 360) <= within for a in seen)


def ring(share: np.ndarray, frames: np.ndarray, depth: np.ndarray, yaw: np.ndarray,
         fov_deg: float = 60.0) -> Ring:
    """Gather a turn by direction; share: see `shares`."""
    h, w = frames.shape[1:3]
    focal = h / 2 / math.tan(math.radians(fov_deg) / 2)
    n, rows, cols, themes = share.shape
    up = slice(rows // 4, rows // 2 + 2)
    offset = np.arctan2((np.arange(cols) + 0.5) * w / cols - w / 2, focal)
    near = np.abs(offset) < math.radians(30)
    theme, wall = np.zeros((BINS, themes - 1)), np.zeros((BINS, 2))
    radii: list[list[float]] = [[] for _ in range(BINS)]
    look = np.zeros((BINS, 5))
    cell_h, cell_w = h // rows, w // cols
    grain = np.abs(np.diff(frames.astype(np.float32).mean(-1), axis=2, append=0))
    for i in range(n):
        bins = np.floor(np.degrees(yaw[i] - offset) / STEP).astype(int) % BINS
        for c in np.flatnonzero(near):
            b, x = bins[c], slice(c * cell_w, (c + 1) * cell_w)
            theme[b] += share[i, up, c, :-1].sum(0)
            wall[b] += share[i, up, c, :-1].sum(), share[i, up, c].sum()
            part = depth[i, h // 2 - 6:h // 2 + 2, x]
            radii[b].append(float(np.median(part)) / math.cos(offset[c]))
            sure = share[i, up, c, :-1].sum(-1) > 0.5
            for r in np.flatnonzero(sure) + up.start:
                y = slice(r * cell_h, (r + 1) * cell_h)
                look[b] += (*frames[i, y, x].reshape(-1, 3).mean(0), grain[i, y, x][:, :-1].mean(),
                            1.0)
    count = np.maximum(look[:, 4:], 1e-6)
    return Ring(theme / np.maximum(theme.sum(1, keepdims=True), 1e-6),
                wall[:, 0] / np.maximum(wall[:, 1], 1e-6),
                np.array([np.median(r) if r else np.nan for r in radii]),
                look[:, :3] / count, look[:, 3] / count[:, 0])


@torch.no_grad()
def shares(judge: SceneJudge, frames: np.ndarray) -> np.ndarray:
    """Probability [N, h, w, T + 1] that a cell is wall of each theme, or something that stands
    before a wall or ends it (OTHER)."""
    out = []
    for i in range(0, len(frames), 32):
        p = judge.forward(judge.prepare(frames[i:i + 32]))["label"].softmax(1)
        other = sum(p[:, part::8].sum(1, keepdim=True) for part in OTHER)
        out.append(torch.cat([p[:, WALL::8], other], 1).permute(0, 2, 3, 1).numpy())
    return np.concatenate(out)


def breaks(seen: Ring) -> list[int]:
    """Directions (degrees) of the breaks of a turn."""
    found = []
    for a in range(BINS):
        left = (a - 1 - GAP - np.arange(SIDE)) % BINS
        right = (a + GAP + np.arange(SIDE)) % BINS
        if _differ(seen, left, right) and _flat(seen, a):
            found.append(a)
    # One change is noticed at several directions in a row: it counts once.
    kept = [a for i, a in enumerate(found) if i == 0 or a - found[i - 1] > 2 * GAP + 2]
    if len(kept) > 1 and kept[0] + BINS - found[-1] <= 2 * GAP + 2:
        kept = kept[1:]
    return [a * STEP for a in kept]


def _differ(seen: Ring, left: np.ndarray, right: np.ndarray) -> bool:
    """Both sides are wall, each surely of one theme, of different ones, and do not look alike."""
    both = np.r_[left, right]
    across = np.r_[both, (left[0] + 1 + np.arange(2 * GAP)) % BINS]
    if seen.wall[across].min() < WALLED / 2 or np.median(seen.wall[both]) < WALLED:
        return False
    a, b = seen.theme[left].mean(0), seen.theme[right].mean(0)
    i, j = int(a.argmax()), int(b.argmax())
    if i == j or a[i] < SURE or b[j] < SURE:
        return False
    if ((seen.theme[left].argmax(1) == i).mean() < 0.8
            or (seen.theme[right].argmax(1) == j).mean() < 0.8):
        return False
    ca, cb = seen.colour[left].mean(0), seen.colour[right].mean(0)
    bright = max(float((ca + cb).mean()) / 2, 8.0)
    ga, gb = seen.grain[left].mean(), seen.grain[right].mean()
    return bool(np.abs(ca - cb).max() > APART * bright
                or abs(ga - gb) > 0.35 * max(ga, gb) + 0.4)


def _flat(seen: Ring, a: int) -> bool:
    """The depth about a direction is one straight wall, seen without a gap."""
    reach = SIDE + GAP
    index = np.arange(-reach, reach)
    r = seen.radius[(a + index) % BINS]
    if not np.isfinite(r).all():
        return False
    angle = np.radians((index + 0.5) * STEP)
    x, y = r * np.cos(angle), r * np.sin(angle)
    sides = [index < 0, index >= 0]
    lines = []
    for side in sides:
        centre = np.array([x[side].mean(), y[side].mean()])
        _, _, axes = np.linalg.svd(np.stack([x[side], y[side]], 1) - centre)
        lines.append((centre, axes[0]))
    (c0, d0), (c1, d1) = lines
    bend = math.acos(min(1.0, abs(float(d0 @ d1))))
    across = np.array([-d0[1], d0[0]])
    gap = abs(float((c1 - c0) @ across)) - math.sin(min(bend, BEND)) * np.linalg.norm(c1 - c0)
    return bend < BEND and gap < JUMP * float(np.median(r)) and _steps(r) < 0.12


def _steps(r: np.ndarray) -> float:
    """Largest kink of a profile of distances: a step in depth has one, a wall has none."""
    return float(np.abs(np.diff(r, 2)).max() / np.median(r))
