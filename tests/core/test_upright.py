"""Walls read from a picture are made plane, ceilings level."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gwm_core.upright import CEILING, FLOOR, WALL, level_rays, straighten

W, H = 256, 160
FOCAL = 0.5 * H / math.tan(math.radians(30))
EYE, TOP = 1.55, 2.7


def room(turn: float, pitch: float):
    """Log-disparity and parts of a box room 5 x 7 m, seen from near one of its corners."""
    ahead, u, rise = level_rays(W, H, FOCAL, pitch)
    c, s = math.cos(turn), math.sin(turn)
    x, y = c + u * s, s - u * c  # world directions of one metre ahead
    sides = [np.where(d * v > 1e-6, reach / np.maximum(d * v, 1e-6), 60.0)
             for v, reach, d in ((x, 4.0, 1), (x, 1.0, -1), (y, 4.5, 1), (y, 2.5, -1))]
    wall = np.minimum.reduce(sides)
    floor = np.where(rise < -1e-3, EYE / np.maximum(-rise, 1e-3), 60.0)
    ceiling = np.where(rise > 1e-3, (TOP - EYE) / np.maximum(rise, 1e-3), 60.0)
    every = np.stack([floor, wall, ceiling])
    parts = np.zeros((9, H, W), np.float32)
    np.put_along_axis(parts, every.argmin(0)[None], 1.0, 0)
    return -np.log(every.min(0) / ahead), parts


def clouds(seed: int):
    """What a small network gets wrong: smooth errors of some 20 %, and a scale."""
    rng = np.random.default_rng(seed)
    rough = rng.normal(0, 0.25, (6, 9))
    rows, columns = np.linspace(0, 4.999, H), np.linspace(0, 7.999, W)
    i, j = rows.astype(int), columns.astype(int)
    fy, fx = (rows - i)[:, None], (columns - j)[None]
    return ((1 - fy) * ((1 - fx) * rough[i][:, j] + fx * rough[i][:, j + 1])
            + fy * ((1 - fx) * rough[i + 1][:, j] + fx * rough[i + 1][:, j + 1]))


@pytest.mark.parametrize("turn, pitch", [(0.3, 0.0), (2.2, 0.0), (4.0, -0.2)])
def test_walls_become_plane_and_ceilings_level(turn, pitch):
    truth, parts = room(turn, pitch)
    read = (truth + clouds(1)).astype(np.float32)
    made = straighten(read, parts, FOCAL, pitch, EYE)
    for part in (WALL, CEILING):
        where = parts[part] > 0.5
        if where.sum() > 500:
            before, after = (np.abs(v - truth)[where].mean() for v in (read, made))
            assert after < 0.7 * before
    assert (made == read)[parts[FLOOR] > 0.5].mean() > 0.99
    assert (straighten(read, parts, FOCAL, pitch, EYE) == made).all()


def test_what_is_not_upright_stays():
    read = clouds(2).astype(np.float32)
    parts = np.zeros((9, H, W), np.float32)
    parts[8] = 1.0
    np.testing.assert_array_equal(straighten(read, parts, FOCAL, 0.0, EYE), read)
