"""What lies flat on a table: lines and marks; their places are given, their colours are read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .rig import Rig
from .view_cast import DISC, FINE, FLOOR, RECT

ROUNDS = 4
NOISE = 2.5
"""Levels by which a pixel is off whose place and colours are known."""
LEAST = 3.0
"""Pixels from which on a colour is read rather than assumed."""


@dataclass(frozen=True, eq=False)
class Surface:
    """shapes float64 [M, 8] as view_cast wants them; ink int [2 + M]: which colour the floor, the
    table and the shapes have, shade [2 + M]: times how light; inks [I, 3] 0..1; pattern of lines.
    """

    shapes: np.ndarray
    ink: np.ndarray
    shade: np.ndarray
    inks: np.ndarray
    pattern: tuple[float, ...] = ()

    def lit(self, bright: float) -> np.ndarray:
        """Colours uint8 [2 + M, 3] where a level surface is so bright."""
        rgb = np.clip(self.inks[self.ink] * self.shade[:, None], 0, 1)
        return (np.clip(rgb * bright, 0, 1) * 255 + 0.5).astype(np.uint8)


FLOOR_INK, TABLE_INK, LINE_INK, FIRST_INK = 0, 1, 2, 3


def inks_of(rig: Rig) -> np.ndarray:
    """Usual colours [I, 3]: floor, table, lines, marks in the rig's order, their rails."""
    rows = [(0.3, 0.3, 0.3), (0.6, 0.57, 0.52), (0.55, 0.52, 0.47)]
    rows += [m.rgb for m in rig.marks]
    rows += [m.rail[4:] for m in rig.marks if m.rail]
    return np.array(rows, np.float64)


def lay(rig: Rig, pattern: tuple[float, ...], marks: dict[str, tuple[float, float, float]],
        inks: np.ndarray) -> Surface:
    """Lines of a pattern, and marks by name at x, y (m), turned by an angle (rad)."""
    rows: list[tuple] = []  # (height, shape row, ink, shade)
    lines = rig.lines
    if lines is not None:
        b, w = lines.border, lines.border_half
        for x, y, hx, hy in ((0, -b, b, w), (0, b, b, w), (-b, 0, w, b), (b, 0, w, b)):
            rows.append((lines.top, (RECT, x, y, hx, hy, 1, 0), LINE_INK, 1.0))
        for v in pattern:
            rows.append((lines.top * 0.9, (RECT, v, 0, lines.half, b, 1, 0), LINE_INK, 1.0))
            rows.append((lines.top * 0.9, (RECT, 0, v, b, lines.half, 1, 0), LINE_INK, 1.0))
    rails = FIRST_INK + len(rig.marks)
    for i, mark in enumerate(rig.marks):
        rail_ink = rails
        rails += bool(mark.rail)
        if mark.name not in marks:
            continue
        x, y, angle = marks[mark.name]
        c, s, ink = math.cos(angle), math.sin(angle), FIRST_INK + i
        shape = DISC if mark.shape == "disc" else RECT
        inner = mark.half - mark.rim
        rows.append((mark.top, (shape, x, y, inner, inner, c, s), ink, 1.0))
        if mark.rim:
            rows.append((mark.top - 1e-4, (shape, x, y, mark.half, mark.half, c, s), ink,
                         mark.shade))
        if mark.rail:
            back, length, width, top = mark.rail[:4]
            rows.append((top, (RECT, x - back * c, y - back * s, length, width, c, s), rail_ink,
                         1.0))
    rows.sort(key=lambda row: -row[0])
    shapes = np.array([(*row[1], row[0]) for row in rows], np.float64).reshape(-1, 8)
    ink = np.array([FLOOR_INK, TABLE_INK, *[row[2] for row in rows]], np.int64)
    shade = np.array([1.0, 1.0, *[row[3] for row in rows]])
    return Surface(shapes, ink, shade, inks, tuple(pattern))


def shares(source: np.ndarray, surface: Surface, inks: int) -> np.ndarray:
    """How much of every pixel shows each ink, shade included: source int16 [F, F] -> [S * S, I]."""
    fine = len(source)
    size = fine // FINE
    kind = np.clip(FLOOR - source.astype(np.int64), 0, len(surface.ink) - 1)
    cell = np.arange(size * size).reshape(size, size).repeat(FINE, 0).repeat(FINE, 1)
    weight = np.where(source <= FLOOR, surface.shade[kind] / FINE**2, 0.0)
    index = cell * inks + surface.ink[kind]
    count = np.bincount(index.ravel(), weight.ravel(), size * size * inks)
    return count.reshape(size * size, inks)


def read_inks(share: np.ndarray, rgb: np.ndarray, usual: np.ndarray) -> tuple[np.ndarray, float]:
    """(inks [I, 3], cost) from N pixels: share [N, I], lit by their view's brightness; rgb [N, 3]
    0..255 as seen; usual [I, 3]. A robust linear fit; what is hardly seen stays as usual."""
    # as little as a pixel's worth of trust in the usual colours settles what is not seen
    hold = np.full(len(usual), 0.02)
    inks = usual.copy()
    off = np.zeros(len(rgb))
    for k in range(ROUNDS):
        weight = 1 / (NOISE**2 + off**2) if k else np.full(len(rgb), 1 / NOISE**2)
        heavy = share.T * weight
        normal = heavy @ share + np.diag(hold)
        inks = np.linalg.solve(normal, heavy @ (rgb / 255) + hold[:, None] * usual)
        off = np.abs(share @ inks * 255 - rgb).max(1)
    inks = np.where((share.sum(0) >= LEAST)[:, None], inks, usual)
    return inks, float(np.log1p((off / NOISE) ** 2).sum())

