"""Finding remembered places that agree with what a guide shows: coarse cells, then exact planes.

The walls of a floor plan run along two directions. Their direction in the world is read from the
guide's depth, so a place has to be tried only in four turns, mirrored or not; where in the place
the eye stands is searched on a grid and then refined against the place's exact planes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from ..bank import Bank
from .panorama import (
    CELL,
    CELLS_U,
    CELLS_V,
    STEP,
    TOP,
    UNKNOWN,
    agreement,
    bin_points,
    camera_basis,
)

THEME_CODES = 6
#: the part "ceiling" of a label
CEILING = 2
_RGB, _NEAR, _THEME = 3.0, 4.0, 1.6
_GRID = np.array([(x, y) for x in (-1.0, -0.5, 0.0, 0.5, 1.0) for y in (-1.0, -0.5, 0.0, 0.5, 1.0)])


#: grids of eye positions: (step in metres, steps to each side), each around the last best
ROUGH_STEPS = ((0.22, 2),)
FINE_STEPS = ((0.09, 1), (0.035, 1), (0.014, 1))


@dataclass(frozen=True)
class Points:
    """Covered pixels as points relative to the eye, in the frame of the walls.

    xyz f32 [P, 3] metres, colour f32 [P, 3] in 0..1, label u8 [P], weight f32 [P].
    """

    xyz: np.ndarray
    colour: np.ndarray
    label: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Fit:
    """One way to lay a place: mirrored or not, quarter turns, eye in the place, its cost.

    ``lift``: how much heights above the eye are stretched, so that ceilings meet.
    """

    index: int
    mirror: bool
    quarter: int
    origin: np.ndarray
    cost: float
    lift: float = 1.0


def theme_codes() -> np.ndarray:
    """f32 [32, 6]: a code of unit length per theme, far from one another."""
    rng = np.random.Generator(np.random.Philox(key=20))
    codes = rng.standard_normal((32, THEME_CODES))
    for _ in range(300):  # spread them on the sphere
        codes /= np.linalg.norm(codes, axis=1, keepdims=True)
        gap = codes[:, None] - codes[None]
        square = (gap**2).sum(-1) + np.eye(32)
        codes += 0.02 * (gap / square[..., None] ** 1.5).sum(1)
    return (codes / np.linalg.norm(codes, axis=1, keepdims=True)).astype(np.float32)


def view_points(disparity: np.ndarray, yaw: float, pitch: float, focal: float) -> np.ndarray:
    """Every pixel as a point relative to the eye, axes turned to ``yaw``; f32 [H, W, 3]."""
    height, width = disparity.shape
    basis = camera_basis(yaw, pitch)
    a = (np.arange(width) + 0.5 - 0.5 * width) / focal
    b = (np.arange(height) + 0.5 - 0.5 * height) / focal
    rays = basis[2] + a[None, :, None] * basis[0] + b[:, None, None] * basis[1]
    return (rays / np.maximum(disparity, 1.0 / 60.0)[..., None]).astype(np.float32)


def wall_phase(points: np.ndarray, mask: np.ndarray, default: float = 0.0) -> tuple[float, float]:
    """Direction of the walls modulo a quarter turn, radians in [-pi/4, pi/4), and how sure.

    points f32 [H, W, 3] in a level frame, mask bool [H, W]. Sureness is the share of upright
    surface that agrees; ``default`` comes back where there is none.
    """
    p = points[::2, ::2].astype(np.float64)
    m = mask[::2, ::2]
    k = 3
    c = p[k:-k, k:-k]
    right, left = p[k:-k, 2 * k:], p[k:-k, : -2 * k]
    low, high = p[2 * k:, k:-k], p[: -2 * k, k:-k]
    good = (
        m[k:-k, k:-k] & m[k:-k, 2 * k:] & m[k:-k, : -2 * k] & m[2 * k:, k:-k] & m[: -2 * k, k:-k]
    )
    normal = np.cross(right - left, low - high)
    size = np.linalg.norm(normal, axis=-1)
    reach = np.linalg.norm(c, axis=-1)
    # Both neighbours on one plane: no depth edge in between.
    bend = np.abs((normal * (right + left - 2 * c)).sum(-1)) + np.abs(
        (normal * (low + high - 2 * c)).sum(-1)
    )
    good &= (size > 1e-9) & (bend < 0.004 * size * reach)
    upright = good & (np.abs(normal[..., 2]) < 0.08 * size)
    if upright.sum() < 12:
        return default, 0.0
    n = normal[upright]
    angle = np.arctan2(n[:, 1], n[:, 0])
    quarter = 0.5 * math.pi
    folded = np.mod(angle, quarter)
    bins = np.bincount((folded / quarter * 90).astype(int) % 90, minlength=90).astype(float)
    smooth = bins + np.roll(bins, 1) + np.roll(bins, -1)
    peak = (int(smooth.argmax()) + 0.5) * quarter / 90
    off = np.mod(folded - peak + quarter / 2, quarter) - quarter / 2
    near = np.abs(off) < math.radians(2.5)
    phase = peak + float(np.median(off[near]))
    phase = math.remainder(phase, quarter)
    return phase, float(near.sum()) / len(n)


def collect(points, rgb, label, mask, rim, limit: int = 4000) -> Points:
    """Covered pixels, thinned evenly to about ``limit``; rim f32 [H, W] is their weight."""
    stride = max(1, round(math.sqrt(mask.size / limit)))
    part = (slice(stride // 2, None, stride), slice(stride // 2, None, stride))
    m = mask[part]
    return Points(
        np.ascontiguousarray(points[part][m], np.float32),
        np.ascontiguousarray(rgb[part][m], np.float32) / 255.0,
        np.ascontiguousarray(label[part][m]),
        np.ascontiguousarray(rim[part][m], np.float32),
    )


def ceiling_height(level: np.ndarray, label: np.ndarray, mask: np.ndarray) -> float:
    """Height of the nearest ceiling above the eye by the guide's labels; 0 if it shows none.

    level f32 [H, W, 3]: points relative to the eye in a level frame.
    """
    shown = mask & (label != UNKNOWN) & ((label & 7) == CEILING)
    if shown.sum() < 40:
        return 0.0
    near = shown & (np.hypot(level[..., 0], level[..., 1]) < 4.0)
    return float(np.median(level[..., 2][near if near.sum() >= 40 else shown]))


def own_theme(level: np.ndarray, label: np.ndarray, mask: np.ndarray) -> int:
    """Theme of the room that the eye stands in, by what is known nearest to it; -1 unclear."""
    known = (mask & (label != UNKNOWN))[::2, ::2]
    if known.sum() < 60:
        return -1
    away = np.linalg.norm(level[::2, ::2][known], axis=1)
    share = np.bincount(label[::2, ::2][known] >> 3, 1.0 / np.maximum(away, 0.3) ** 2)
    best = int(share.argmax())
    return best if share[best] > 0.6 * share.sum() else -1


class Searcher:
    """Coarse and fine search over one bank. Holds about 30 KB per place."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self._codes = theme_codes()
        cells = bank.cells
        features = np.zeros((CELLS_U, len(bank), CELLS_V, 4 + THEME_CODES), np.float32)
        values = cells[..., :4].astype(np.float32) / 255.0
        features[..., :3] = values[..., :3].transpose(2, 0, 1, 3) * _RGB
        features[..., 3] = values[..., 3].transpose(2, 0, 1) * _NEAR
        table = np.concatenate([np.zeros((1, THEME_CODES), np.float32), self._codes])
        themes = np.minimum(cells[..., 4], 32).transpose(2, 0, 1)
        features[..., 4:] = table[themes] * _THEME
        features = features.reshape(CELLS_U, len(bank), -1)
        # Per column of cells, places last: what a cell shows, then its square, for one product.
        self._columns = np.ascontiguousarray(
            np.concatenate([features, features * features], 2).transpose(0, 2, 1))

    def _queries(self, points: Points, height: float):
        """Feature means and weights per cell for every shift, plain and mirrored."""
        shifts = np.zeros((len(_GRID), 3))
        shifts[:, :2] = _GRID
        shifts[:, 2] = height
        features, weights = [], []
        for mirror in (False, True):
            k = len(shifts)
            sums = np.zeros((k, CELLS_V, CELLS_U, 4), np.float32)
            counts = np.zeros((k, CELLS_V, CELLS_U), np.float32)
            themes = np.zeros((k, CELLS_V, CELLS_U, 32), np.float32)
            bin_points(points.xyz, points.colour, points.label, points.weight, shifts, mirror,
                       sums, counts, themes, CELL)
            q = np.zeros((k, CELLS_V, CELLS_U, 4 + THEME_CODES), np.float32)
            c = np.maximum(counts, 1e-6)[..., None]
            q[..., :3] = sums[..., :3] / c * _RGB
            q[..., 3] = sums[..., 3] / c[..., 0] * _NEAR
            known = themes.sum(-1)
            best = themes.argmax(-1)
            q[..., 4:] = self._codes[best] * _THEME
            w = np.repeat(np.sqrt(counts)[..., None], 4 + THEME_CODES, axis=-1)
            w[..., 4:] *= np.minimum(known / np.maximum(counts, 1e-6), 1.0)[..., None]
            features.append(q)
            weights.append(w)
        return shifts, np.concatenate(features), np.concatenate(weights)

    def coarse(self, points: Points, height: float, keep: int, lean=None,
               among=None) -> list[Fit]:
        """The ``keep`` best fits by coarse cells, at most two of one place.

        ``height``: of the eye above the places' eye (metres). ``lean`` f32 [N] is added to the
        costs of places; ``among``: the places to look at (None: all).
        """
        shifts, q, w = self._queries(points, height)
        total = np.maximum(w[..., :4].sum((1, 2, 3)), 1e-6)
        used = np.flatnonzero(w[..., 0].any((0, 1)))
        rows = [v[:, :, used].transpose(2, 0, 1, 3).reshape(len(used), len(q), -1) for v in (q, w)]
        constant = (rows[1] * rows[0] ** 2).sum((0, 2))
        asked = np.concatenate([-2.0 * rows[1] * rows[0], rows[1]], 2)
        chosen = np.arange(len(self.bank)) if among is None else np.asarray(among)
        columns = self._columns if among is None else self._columns[:, :, chosen]
        # By torch: its threads can be limited for one thread alone, those of numpy's BLAS cannot.
        asked, columns = torch.from_numpy(asked), torch.from_numpy(columns)
        costs = np.empty((4, len(q), len(chosen)), np.float32)
        for quarter in range(4):
            # Turning by a quarter moves the cells by nine columns.
            cost = np.repeat(constant[:, None], len(chosen), 1)
            for u, column in enumerate((used + quarter * (CELLS_U // 4)) % CELLS_U):
                cost += (asked[u] @ columns[int(column)]).numpy()
            costs[quarter] = cost / total[:, None]
        if lean is not None:
            costs += lean[chosen]
        half, places = len(shifts), len(chosen)
        out: list[Fit] = []
        per_place: dict[int, int] = {}
        flat = costs.reshape(-1)
        most = min(flat.size, keep * 40)
        order = np.argpartition(flat, most - 1)[:most]
        order = order[np.lexsort((order, flat[order]))]
        for code in order:
            quarter, rest = divmod(int(code), len(q) * places)
            k, place = divmod(rest, places)
            index = int(chosen[place])
            if per_place.get(index, 0) >= 2:
                continue
            same = [f for f in out if f.index == index]
            mirror = k >= half
            if any(f.mirror == mirror and f.quarter == quarter for f in same):
                continue
            per_place[index] = per_place.get(index, 0) + 1
            origin = turn(shifts[k % half], quarter)
            out.append(Fit(index, mirror, quarter, origin, float(flat[code])))
            if len(out) >= keep:
                break
        return out

    def ceiling(self, index: int) -> float:
        """Height of a place's ceiling above its eye in metres; 0 where it shows none."""
        pano = self.bank.geometry(index)
        top = pano.surface[0]
        share = np.bincount(top, minlength=len(pano.planes))
        level = (pano.planes[:, 2] > 0.1) & (np.abs(pano.planes[:, :2]).max(1) < 1e-3)
        share = share * (level & ((pano.labels & 7) == CEILING) & (pano.labels != UNKNOWN))
        best = int(share.argmax())
        return 1.0 / float(pano.planes[best, 2]) if share[best] else 0.0

    def best(self, points: Points, rough: Points, height: float, ceiling: float, counts,
             lean=None, weigh=None, among=None) -> list[Fit]:
        """The best fits, cheapest first: coarse cells, then few points, then many.

        counts: how many remain after each of the three. ``weigh``: points for the cells.
        lean, among: see `coarse`.
        """
        fits = self.coarse(weigh or points, height, counts[0], lean, among)
        fits = [self.refine(f, rough, ceiling, ROUGH_STEPS) for f in fits]
        fits.sort(key=lambda f: f.cost)
        fits = [self.refine(f, points, ceiling) for f in fits[: counts[1]]]
        fits.sort(key=lambda f: f.cost)
        return fits[: counts[2]]

    def refine(self, fit: Fit, points: Points, ceiling: float = 0.0, steps=FINE_STEPS) -> Fit:
        """The eye's place refined to centimetres against the exact planes and labels.

        ``ceiling``: height of the known ceiling above the eye (0: unknown). ``steps``: grid
        steps in metres and how many to each side.
        """
        pano = self.bank.geometry(fit.index)
        lift = 1.0
        if ceiling > 0.3:
            own = self.ceiling(fit.index)
            if own > 0.3 and 0.78 < own / ceiling < 1.28:
                lift = own / ceiling
        origin, best = fit.origin.copy(), math.inf
        for step, reach in steps:
            offsets = np.array([(x, y, 0.0) for x in range(-reach, reach + 1)
                                for y in range(-reach, reach + 1)]) * step
            shifts = origin + offsets
            costs = np.empty(len(shifts))
            agreement(pano.surface, pano.planes, pano.labels, points.xyz, points.label,
                      points.weight, shifts, fit.mirror, fit.quarter, lift, costs, STEP, TOP)
            costs += 0.01 * np.hypot(shifts[:, 0], shifts[:, 1])
            k = int(costs.argmin())
            origin, best = shifts[k], float(costs[k])
        return Fit(fit.index, fit.mirror, fit.quarter, origin, best + 0.1 * abs(lift - 1), lift)


def turn(vector: np.ndarray, quarter: int) -> np.ndarray:
    """A vector turned by quarter turns about z."""
    c, s = (1, 0, -1, 0)[quarter % 4], (0, 1, 0, -1)[quarter % 4]
    return np.array([c * vector[0] - s * vector[1], s * vector[0] + c * vector[1], vector[2]])
