"""The camera's turn from optical flow, whatever the depth of what is seen.

A moving camera's flow is the flow of its turn plus, at every point, some amount of the flow of its
travel, by the unknown depth there. Across the direction of that second part only the turn is
left: for each possible direction of travel the turn is a linear fit (robust, for things move by
themselves), and the direction that explains the field best wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .motion import FOCAL, GRID, WIDTH, rays, turn_fields

DIRECTIONS, ROUNDS = 96, 4
NEARBY, SPREADS = 24, (0.16, 0.05)
"""Directions that are tried around the best one, within so many radians, then again."""
TOLERANCE = 0.04
"""Cells of the grid (.3 pixels) by which flow may differ before it counts less."""
WEAK = 0.15
"""Flow of travel shorter than this has no sure direction."""
PRIOR = np.array([1e-3, 1e-3, 3e-2])
"""Weight of the guess (see `turn_of_tick`) against a cell's, for right, up and roll: it decides
where nothing is seen."""


def _spiral(count: int) -> np.ndarray:
    """Even directions [count, 3] of a half sphere."""
    index = np.arange(count) + 0.5
    z, angle = index / count, np.pi * (1 + 5**0.5) * index
    return np.stack([np.sqrt(1 - z * z) * np.cos(angle), np.sqrt(1 - z * z) * np.sin(angle), z], 1)


def _across(way: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For directions of travel [D, 3] and each cell the unit vector across its flow (x and y
    [D, N]), and how sure that is [D, N]."""
    x, y = (v.ravel() for v in rays(GRID[1], GRID[0]))
    way = way.astype(np.float32)
    a, b = way[:, :1] - x * way[:, 2:], way[:, 1:2] - y * way[:, 2:]
    length = np.hypot(a, b) + np.float32(1e-6)
    return -b / length, a / length, np.clip(length / WEAK, 0, 1)


@lru_cache(maxsize=1)
def _everywhere():
    way = _spiral(DIRECTIONS)
    return way, _across(way)


@lru_cache(maxsize=1)
def _fields() -> tuple[np.ndarray, ...]:
    """The turn's flow (x [3, N], y [3, N]) and the products of it that a fit needs [N, 6]."""
    fields = turn_fields(GRID[1], GRID[0]).astype(np.float32)
    one, two = fields[:, 0], fields[:, 1]
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    xx = np.stack([one[i] * one[j] for i, j in pairs], 1)
    xy = np.stack([one[i] * two[j] + two[i] * one[j] for i, j in pairs], 1)
    yy = np.stack([two[i] * two[j] for i, j in pairs], 1)
    return one, two, xx, xy, yy


@dataclass(frozen=True)
class Turn:
    """turn: right, up, roll in radians a frame; known [3, 3]: how much the flow says about it (the
    inverse of a covariance, up to a factor); gap: how badly the best fit explains the flow;
    travel [3]: unit direction (right, down, ahead), up to its sign."""

    turn: np.ndarray
    known: np.ndarray
    gap: float
    travel: np.ndarray


def turn_of_tick(flows: list[np.ndarray], sures: list[np.ndarray],
                 bases: list[np.ndarray]) -> Turn:
    """The turn that neighbouring pairs of frames share (a tick turns steadily).

    flows: f32 [20, 32, 2] in cells, measured against pictures turned by `bases` (right, up, roll
    in radians); sures: [20, 32], 0 to 1.
    """
    flat = [f.reshape(-1, 2).T.astype(np.float32) for f in flows]
    sures = [s.ravel().astype(np.float32) for s in sures]
    bases = [np.asarray(b, np.float32) for b in bases]
    way, across = _everywhere()
    guess = np.tile(np.mean(bases, 0), (len(way), 1))
    turn, matrix, cost = _fit(way, across, flat, sures, bases, guess)
    for spread in SPREADS:
        best = int(cost.argmin())
        near = way[best] + spread * _disc(way[best])
        near = np.concatenate([way[best:best + 1],
                               near / np.linalg.norm(near, axis=1, keepdims=True)])
        guess = np.tile(guess[:1], (len(near), 1))
        begin = np.tile(turn[best], (len(near), 1))
        turn, matrix, cost = _fit(near, _across(near), flat, sures, bases, guess, begin, 2)
        way = near
    best = int(cost.argmin())
    return Turn(turn[best].astype(np.float64), matrix[best].astype(np.float64),
                float(cost[best]), way[best])


def _disc(way: np.ndarray) -> np.ndarray:
    """Steps [NEARBY, 3] across a direction, spread over the unit disc."""
    side = np.cross(way, (0.0, 1.0, 0.0) if abs(way[1]) < 0.8 else (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    index = np.arange(NEARBY) + 0.5
    far, angle = np.sqrt(index / NEARBY), np.pi * (1 + 5**0.5) * index
    return (far * np.cos(angle))[:, None] * side + (far * np.sin(angle))[:, None] * np.cross(
        way, side)


def _fit(way, across, flows, sures, bases, guess, begin=None, rounds: int = ROUNDS):
    """For each direction the turn [D, 3], what is known of it [D, 3, 3], and its cost [D]."""
    px, py, firm = across
    one, two, xx, xy, yy = _fields()
    prior = np.diag(PRIOR).astype(np.float32) * float(FOCAL * GRID[1] / WIDTH) ** 2
    ahead = [px * f[0] + py * f[1] for f in flows]
    turn = guess if begin is None else begin
    for k in range(rounds + 1):
        matrix, goal, cost, total = prior[None], guess @ prior, 0.0, 1e-6
        for g, sure, base in zip(ahead, sures, bases, strict=True):
            left = turn - base
            gap = g - (px * (left @ one) + py * (left @ two))
            square = (gap / TOLERANCE) ** 2
            if k == rounds:
                # Where travel has no flow, whatever flow is left speaks against this direction.
                cost = cost + np.log1p(square) @ sure
                total = total + sure.sum()
            ww = firm * sure / (1 + square)
            wx, wy = ww * px, ww * py
            six = (wx * px) @ xx + (wx * py) @ xy + (wy * py) @ yy
            m = six[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
            matrix = matrix + m
            goal = goal + (wx * g) @ one.T + (wy * g) @ two.T + m @ base
        if k < rounds:
            turn = np.linalg.solve(matrix, goal[..., None])[..., 0].astype(np.float32)
    return turn, matrix, cost / total
