"""A thrown ball followed in the pictures of a still camera, and where its flight breaks.

Independent of any model: the ball is what differs from the picture before the throw; its path is
cut into stretches that each fall freely or roll (known focal length, tilt, gravity and radius); a
contact is where two stretches meet with different velocities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...bodies import GRAVITY, THROW_RADIUS

FPS = 24.0
DIFFERENT = 22.0
"""Grey levels of any colour by which a pixel differs from the picture before."""
PIXEL, BREAK = 0.5, 25.0
"""Pixels by which a place found is off; what a break of the path costs, in squares of that."""
FASTER = 0.8
"""Change of velocity (m/s) from which two stretches meet in a contact."""
LEAST, LOST = 3, 4
"""Pictures of a stretch; pictures without the ball after which it is lost."""


@dataclass(frozen=True)
class Seen:
    """The ball in one picture: column and row (pixels), radius (pixels), whole: not cut off by the
    picture's edge."""

    frame: int
    u: float
    v: float
    r: float
    whole: bool


@dataclass(frozen=True)
class Break:
    """A contact: the first picture after it, and the change of velocity (m/s)."""

    frame: int
    jump: float


def follow(frames: np.ndarray, first: int) -> list[Seen]:
    """The ball in pictures u8 [F, H, W, 3] of a still camera. first: the picture in which the ball
    may appear; those before it are the background."""
    still = np.median(frames[max(first - 4, 0):first], 0).astype(np.float32)
    out: list[Seen] = []
    for k in range(first, len(frames)):
        spots = _spots(np.abs(frames[k].astype(np.float32) - still).max(-1), k)
        if not out:
            big = [s for s in spots if s.r > 4]
            if big:
                out.append(max(big, key=lambda s: s.r))
            continue
        if k - out[-1].frame > LOST:
            break
        best = _nearest(spots, out, k)
        if best is not None:
            out.append(best)
    return out


def _spots(gap: np.ndarray, frame: int) -> list[Seen]:
    """Everything that differs from the background by `gap` [H, W] grey levels."""
    mask = gap > DIFFERENT
    parts, count = ndimage.label(ndimage.binary_closing(mask, iterations=1) | mask)
    h, w = mask.shape
    out = []
    for n, box in enumerate(ndimage.find_objects(parts), 1):
        where = parts[box] == n
        area = int(where.sum())
        if area < 5:
            continue
        rows, cols = np.nonzero(where)
        top, left = box[0].start, box[1].start
        cut = top == 0 or left == 0 or box[0].stop == h or box[1].stop == w
        # Pixels at the rim are covered in part; counting them whole would bring far balls nearer.
        usual = float(np.median(gap[box][where]))
        area = float(np.minimum(gap[box][where] / (0.8 * usual), 1).sum())
        out.append(Seen(frame, left + cols.mean() + 0.5, top + rows.mean() + 0.5,
                        math.sqrt(area / math.pi), not cut))
    return out


def _nearest(spots: list[Seen], past: list[Seen], frame: int) -> Seen | None:
    """The spot that goes on from where the ball was: near the place and size expected."""
    last = past[-1]
    u, v, r = last.u, last.v, last.r
    if len(past) > 1 and last.whole and past[-2].whole:
        before = past[-2]
        share = (frame - last.frame) / max(last.frame - before.frame, 1)
        u, v = u + (last.u - before.u) * share, v + (last.v - before.v) * share
        r = max(r + (last.r - before.r) * share, 2.0)
    best, price = None, 1.0
    for s in spots:
        size = abs(math.log(s.r / r)) if s.whole and last.whole else 0.3
        near = min(math.hypot(s.u - u, s.v - v), math.hypot(s.u - last.u, s.v - last.v))
        cost = near / (12 + 2.5 * r) + size
        if cost < price:
            best, price = s, cost
    return best


def breaks(path: list[Seen], pitch: float, width: int, height: int,
           fov_deg: float = 60.0) -> list[Break]:
    """Contacts on a path, in order. pitch: by how many radians the camera looks up."""
    path = [s for s in path if s.whole]
    if len(path) < 2 * LEAST:
        return []
    focal = height / 2 / math.tan(math.radians(fov_deg) / 2)
    down = GRAVITY * np.array([0.0, math.cos(pitch), -math.sin(pitch)])
    rows = np.array([(s.frame / FPS, (s.u - width / 2) / focal, (s.v - height / 2) / focal, s.r)
                     for s in path])
    n = len(rows)
    cost, back, fits = np.full(n + 1, np.inf), np.zeros(n + 1, int), {}
    cost[0] = 0.0
    for b in range(LEAST, n + 1):
        for a in range(0, b - LEAST + 1):
            if a and a < LEAST or not np.isfinite(cost[a]):
                continue
            price, motion = _fit(rows[a:b], down, focal)
            total = cost[a] + price + BREAK
            if total < cost[b]:
                cost[b], back[b], fits[b] = total, a, motion
    out, b = [], n
    while back[b] > 0:
        a = back[b]
        time = (rows[a - 1, 0] + rows[a, 0]) / 2
        jump = float(np.linalg.norm(fits[b](time) - fits[a](time)))
        if jump > FASTER:
            out.append(Break(path[a].frame, jump))
        b = a
    return out[::-1]


def _fit(rows: np.ndarray, down: np.ndarray, focal: float):
    """The better of falling and rolling for rows (time, slopes right and down, radius): its cost in
    squares of PIXEL, and velocity [3] as a function of time."""
    middle = rows[:, 0].mean()
    t, x, y, r = rows[:, 0] - middle, rows[:, 1], rows[:, 2], np.maximum(rows[:, 3], 1.0)
    far = focal * THROW_RADIUS / r
    side, size = focal / far / PIXEL, 1 / (far * (PIXEL / r + 0.05))
    one, no = np.ones_like(t), np.zeros_like(t)
    a = np.concatenate([
        np.stack([one, t, no, no, -x, -x * t], 1) * side[:, None],
        np.stack([no, no, one, t, -y, -y * t], 1) * side[:, None],
        np.stack([no, no, no, no, one, t], 1) * size[:, None]])
    best = None
    for pull in (down, 0 * down):
        half = 0.5 * t * t
        b = np.concatenate([side * half * (x * pull[2] - pull[0]),
                            side * half * (y * pull[2] - pull[1]), size * (far - half * pull[2])])
        solution = np.linalg.lstsq(a, b, rcond=None)[0]
        price = float(np.minimum((a @ solution - b) ** 2, 25.0).sum())
        if best is None or price < best[0]:
            best = price, solution[1::2], pull
    price, velocity, pull = best
    return price, lambda time: velocity + pull * (time - middle)
