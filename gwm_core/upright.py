"""Straightens a depth map that was read from a picture: walls upright and plane, ceilings level.

In the level frame of a camera whose tilt is known, a wall's disparity (one over the distance ahead)
is an affine function of the heading alone, whatever the row. So everything a picture says about a
wall is gathered by heading: the depth that was read there, and where the floor ends, which tells
the distance exactly. Planes are fitted along the headings, and what was read near one joins it.
"""

from __future__ import annotations

import math

import numpy as np

FLOOR, WALL, CEILING, TRIM, DOOR, FURNITURE, WINDOW, LAMP = range(8)
UPRIGHT = (WALL, TRIM, DOOR, WINDOW)
BINS = 64
#: walls of rooms stand at right angles: so many turns of the room are tried
TURNS = 16
PIECE = 0.4  # what a further plane costs, in bins of squared relative error
EXACT = 2.0  # what the end of a floor says, against what was read of the wall
FAR_OFF = 0.4  # log-depth further from the planes than this is left as it is


def level_rays(width: int, height: int, focal: float, pitch: float):
    """Per pixel, f64 [H, W] each: the distance ahead of one unit of z-depth, the heading's
    tangent, and the rise over the distance ahead."""
    a = ((np.arange(width) + 0.5 - 0.5 * width) / focal)[None, :]
    b = ((np.arange(height) + 0.5 - 0.5 * height) / focal)[:, None]
    ahead = np.maximum(math.cos(pitch) + b * math.sin(pitch), 0.05) + 0 * a
    return ahead, a / ahead, (math.sin(pitch) - b * math.cos(pitch)) / ahead


def level_ends(part_p: np.ndarray, part: int, columns, rise: np.ndarray):
    """Where the floor (or the ceiling) ends at something upright, by image column.

    part_p f32 [9, H, W]. Returns the columns, the rise of the ray at the end, and a row of the
    upright thing just beyond it.
    """
    up = part == CEILING
    if up:  # the same thing upside down
        part_p, rise = part_p[:, ::-1], -rise[::-1]
    height = part_p.shape[1]
    there = part_p[part] > 0.5
    upright = part_p[list(UPRIGHT)].sum(0)
    found, rises, rows = [], [], []
    for x in columns:
        mine = np.flatnonzero(there[:, x])
        while len(mine) and mine[-1] - mine[0] + 1 > len(mine) * 1.3 + 4:  # a stray speck
            mine = mine[1:]
        if not len(mine) or not 6 <= mine[0] < height - 2 or rise[mine[0], x] > -0.06:
            continue
        top = int(mine[0])
        if upright[top - 6:top - 2, x].mean() < 0.6:
            continue
        p = part_p[part, top - 1:top + 1, x]
        share = float(np.clip((0.5 - p[0]) / max(float(p[1] - p[0]), 1e-3), 0, 1))
        found.append(x)
        rises.append(rise[top - 1, x] + share * (rise[top, x] - rise[top - 1, x]))
        rows.append(height - 1 - (top - 5) if up else top - 5)
    rises = np.array(rises)
    return np.array(found, int), -rises if up else rises, np.array(rows, int)


def _middle(values: np.ndarray, weights: np.ndarray) -> float:
    """The weighted median."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(total, 0.5 * total[-1])]])


def gather(bins: np.ndarray, near: np.ndarray, weight: np.ndarray):
    """By heading: the median log-disparity of what is upright there, and how much that says."""
    order = np.argsort(bins, kind="stable")
    edges = np.searchsorted(bins[order], np.arange(BINS + 1))
    value, sure = np.zeros(BINS), np.zeros(BINS)
    for k in range(BINS):
        mine = order[edges[k]:edges[k + 1]]
        w = weight[mine]
        if len(mine) and w.sum() > 0.05 * len(mine):
            value[k], sure[k] = _middle(near[mine], w + 1e-9), w.mean()
    return value, sure


def _sums(*rows):
    """Sums of every piece i..j (inclusive) of each row: [B, B], from cumulated ones."""
    out = []
    for row in rows:
        total = np.concatenate([[0.0], np.cumsum(row)])
        out.append(total[None, 1:] - total[:-1, None])
    return out


def pieces(u: np.ndarray, value: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Log-disparity [B] of upright planes through the values [B] at headings u, by dynamic
    programming over where planes begin and end, for the turn of the room that fits best."""
    disparity = np.exp(value)
    best, answer = np.inf, value
    w = weight / disparity ** 2
    wd, wdd = w * disparity, w * disparity ** 2
    square = _sums(wdd)[0]
    for turn in np.arange(TURNS) * (0.5 * math.pi / TURNS):
        costs, scales = [], []
        for angle in (turn, turn + 0.5 * math.pi):
            for facing in (1.0, -1.0):
                line = facing * (math.cos(angle) + u * math.sin(angle))
                good = line > 0.02
                line = np.where(good, line, 1.0)
                ll, ld, bad = _sums(w * line * line, wd * line, (~good).astype(float))
                cost = square - ld ** 2 / np.maximum(ll, 1e-12)
                costs.append(np.where(bad > 0, 1e9, cost))
                scales.append((line, ld / np.maximum(ll, 1e-12)))
        cost = np.stack(costs)
        which, cost = cost.argmin(0), cost.min(0) + PIECE
        total, come = np.zeros(BINS + 1), np.zeros(BINS + 1, int)
        for end in range(BINS):
            ways = total[:end + 1] + cost[:end + 1, end]
            come[end + 1] = ways.argmin()
            total[end + 1] = ways[come[end + 1]]
        if total[-1] < best:
            best, answer, end = total[-1], np.empty(BINS), BINS
            while end > 0:
                begin = come[end]
                line, scale = scales[which[begin, end - 1]]
                answer[begin:end] = line[begin:end] * scale[begin, end - 1]
                end = begin
    return np.log(np.maximum(answer, 1e-3))


def _hear(value, weight, at, said, read, end) -> None:
    """Takes what the ends of floor or ceiling say of headings `at` into value and weight."""
    # Where a quite different depth was read, something else hides the wall's foot.
    good = np.abs(said - read) < 0.5
    # A pixel of error in the row means more for what is far.
    strength = EXACT / (1.0 + (0.4 / np.maximum(np.abs(end), 1e-3)) ** 2)
    for k in np.unique(at[good]):
        mine = good & (at == k)
        w = float(strength[mine].mean())
        value[k] = (weight[k] * value[k] + w * _middle(said[mine], strength[mine])) / (
            weight[k] + w)
        weight[k] += w


def straighten(log_disparity: np.ndarray, part_p: np.ndarray, focal: float, pitch: float,
               eye: float) -> np.ndarray:
    """log_disparity f32 [H, W] (of z-depth) and parts f32 [9, H, W] -> the same with walls plane
    and upright and the ceiling level, as far as they are walls and ceiling."""
    height, width = log_disparity.shape
    ahead, u, rise = level_rays(width, height, focal, pitch)
    near = log_disparity - np.log(ahead)
    # A picture's widest headings; a tilted one has a few beyond, which join the last bins.
    wide = 0.5 * width / focal
    place = np.clip((u + wide) / (2 * wide) * BINS, 0, BINS - 1e-6)
    bins = place.astype(int)
    upright = part_p[list(UPRIGHT)].sum(0).astype(np.float64)
    upright = np.where(upright > 0.5, upright, 0.0)
    step = (slice(1, None, 3), slice(0, None, 2))
    value, sure = gather(bins[step].ravel(), near[step].ravel(), upright[step].ravel())
    weight = np.clip(sure / 0.3, 0, 1)
    columns = np.arange(0, width, 2)
    x, end, row = level_ends(part_p, FLOOR, columns, rise)
    said = np.log(-end / eye) if len(x) else end
    _hear(value, weight, bins[height // 2, x], said, near[row, x], end)
    x, end, row = level_ends(part_p, CEILING, columns, rise)
    above = 0.0
    if len(x) > 4:
        at = bins[height // 2, x]
        trusted = weight[at] * np.where(np.abs(value[at] - near[row, x]) < 0.5, 1.0, 0.05) + 1e-6
        above = float(np.clip(math.exp(_middle(np.log(end) - value[at], trusted)), 0.4, 6.0))
        _hear(value, weight, at, np.log(end / above), near[row, x], end)
    if (weight > 0).sum() < 4:
        return log_disparity
    middles = ((np.arange(BINS) + 0.5) / BINS * 2 - 1) * wide
    plane = pieces(middles, value, weight)
    # Planes are exact between the middles of bins as well.
    wall = np.interp(u, middles, plane)
    joins = np.clip(2.5 * (upright - 0.5), 0, 1) * np.exp(-((near - wall) / FAR_OFF) ** 4)
    near = near + joins * (wall - near)
    ceiling = np.where(part_p[CEILING] > 0.5, part_p[CEILING], 0.0) * (rise > 0.04)
    if above and ceiling.any():
        level = np.log(np.maximum(rise, 0.04) / above)
        near = near + ceiling * np.exp(-((near - level) / FAR_OFF) ** 4) * (level - near)
    return (near + np.log(ahead)).astype(np.float32)
