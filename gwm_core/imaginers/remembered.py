"""The imaginer *remembered*: lays places of the bank so that they continue what is known.

Search (see search), registration in three dimensions, drawing (see panorama), choice among
near-equals by the seed, and a blend at the seam (see seams). Because a place is laid as a rigid
body with its eye at its true height, floors and ceilings meet exactly, and a later call for
another direction finds the same place again: a full turn closes.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import binary_dilation

from ..bank import Bank
from ..imagine import Context, Imagined, Placement
from ..noise import rng as make_rng
from .crisp import crisp
from .panorama import camera_basis, view
from .seams import View, blend, join, rim_weights, seam_cost
from .search import (
    Fit,
    Points,
    Searcher,
    ceiling_height,
    collect,
    own_theme,
    view_points,
    wall_phase,
)

EYE_HEIGHT = 1.55
#: places that remain after the coarse cells, after a few points, after many
COUNTS, SIDE_COUNTS = (18, 7, 4), (10, 4, 2)
#: a seam below the first is not searched further, above the second each side gets its own place
GOES_ON, GOOD = 0.065, 0.10
ENOUGH = 12
"""Places of a theme from which on no other theme's are looked at."""
SEAM = 13
"""Pixels of what is known beside a hole that are drawn again, to be compared."""
COARSER = 3
"""Candidates are compared at a third of the view's size."""


class RememberedImaginer:
    """Imagines from a bank of remembered places (see gwm_core.bank)."""

    name = "remembered"

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self._search = Searcher(bank)

    def imagine(
        self, rgb, disparity, mask, *, label, pose, fov_deg=60.0, context=None, seed=0
    ) -> Imagined:
        """See :func:`gwm_core.imagine.imagine`."""
        context = context or Context()
        height, width = mask.shape
        focal = 0.5 * height / math.tan(math.radians(fov_deg) / 2)
        if mask.all():
            depth = (1.0 / np.maximum(disparity, 1 / 60)).astype(np.float32)
            return Imagined(rgb.copy(), depth, label.copy(), np.ones_like(mask),
                            placements=context.placements)
        generator = make_rng(seed, "imagine", *(int(round(v * 1e4)) for v in pose))
        frame = _Frame(width, height, focal, pose)
        if mask.mean() < 0.02:
            placed = self._known(frame, context) or [self._fresh(frame, context, generator)]
            shown = self._draw(frame, placed[0])
            out = blend(shown, rgb, disparity, label, mask)
            kept = _with(context.placements, placed[0])
            return Imagined(out.rgb, out.depth, out.label, out.sure, 0.0,
                            float(shown.sure.mean()), kept)
        return self._continue(frame, rgb, disparity, mask, label, context, generator)

    def _continue(self, frame, rgb, disparity, mask, label, context, generator) -> Imagined:
        points = view_points(disparity, frame.yaw, frame.pitch, frame.focal)
        if context.placements:
            phase = math.remainder(context.placements[0].angle
                                   * (1 if context.placements[0].mirror else -1), 0.5 * math.pi)
        else:
            phase, _ = wall_phase(points, mask)
        level = _turned(points, -phase)
        rim = rim_weights(mask, 0.12 * frame.width)
        ceiling = ceiling_height(level, label, mask)
        theme = own_theme(level, label, mask)
        lean, among = self._lean(context, theme), self._among(context, theme)
        options = self._known(frame, context)
        known = len(options)
        trial = _Trial(frame, rgb, disparity, label, mask, rim)
        shown = [self._draw(trial.frame, p, False) for p in options]
        costs = np.array([trial.cost(s) for s in shown])
        if not known or costs.min() > GOES_ON:
            fits = self._fits(frame, level, rgb, label, mask, rim, ceiling, lean, COUNTS, among)
            found = [_placement(f, phase, frame) for f in fits]
            more = [self._draw(trial.frame, p, False) for p in found]
            options, shown = options + found, shown + more
            costs = np.append(costs, [trial.cost(s) + 2.0 * float(lean[p.index])
                                      for p, s in zip(found, more, strict=True)])
        costs[:known] -= 0.03
        best = float(costs.min())
        near = np.flatnonzero(costs <= best + 0.2 * max(best, 0.02))
        pick = int(near[int(generator.integers(len(near)))])
        if known and costs[:known].min() <= best + 0.01:
            pick = int(costs[:known].argmin())  # what was laid before goes on
        laid, mismatch = [options[pick]], float(costs[pick])
        chosen = None
        near = binary_dilation(~mask, iterations=SEAM)  # the blend looks no further
        if mismatch > GOOD:
            pair = self._two_sides(trial, rgb, label, mask, rim, level, phase, ceiling, lean,
                                   among, list(zip(options, shown, strict=True)))
            if pair is not None and pair[1] < mismatch - 0.02:
                laid, mismatch = pair
                left, right = (self._draw(frame, p, wanted=near) for p in laid)
                chosen, _ = join(left, right, mask)
        if chosen is None:
            chosen = self._draw(frame, laid[0], wanted=near)
        out = blend(chosen, rgb, disparity, label, mask)
        placements = context.placements
        for p in laid:
            placements = _with(placements, p)
        return Imagined(out.rgb, out.depth, out.label, out.sure, max(mismatch, 0.0),
                        float(chosen.sure[~mask].mean()), placements)

    def _two_sides(self, trial, rgb, label, mask, rim, level, phase, ceiling, lean, among, tried):
        """A place for the left and one for the right of a hole, to be joined along a cut."""
        frame = trial.full
        hole = ~mask
        middle = float((hole * np.arange(frame.width)).sum() / max(hole.sum(), 1))
        sides = []
        for part in (np.arange(frame.width) < middle, np.arange(frame.width) >= middle):
            side = mask & part
            if side.mean() < 0.06:
                return None
            fits = self._fits(frame, level, rgb, label, side, rim, ceiling, lean, SIDE_COUNTS,
                              among)
            places = [_placement(f, phase, frame) for f in fits]
            shown = [(p, self._draw(trial.frame, p, False)) for p in places]
            scored = [(trial.cost(s, part) + 2.0 * float(lean[p.index]), p, s)
                      for p, s in shown + tried]
            scored.sort(key=lambda x: x[0])
            sides.append(scored[:3])
        best = None
        for cost_l, place_l, view_l in sides[0]:
            for cost_r, place_r, view_r in sides[1]:
                _, cut = join(view_l, view_r, trial.mask)
                cost = 0.5 * (cost_l + cost_r) + 0.5 * cut
                if best is None or cost < best[1]:
                    best = ([place_l, place_r], cost)
        return best

    def _fits(self, frame, level, rgb, label, mask, rim, ceiling, lean, counts,
              among) -> list[Fit]:
        """Places that agree with the covered pixels of ``mask``."""
        cells = collect(level, rgb, label, mask, rim, 3000)
        every = collect(level, rgb, label, mask, rim, 9000)
        return self._search.best(_strongest(every, 500), _strongest(every, 220),
                                 frame.z - EYE_HEIGHT, ceiling, counts, lean, cells, among)

    def _lean(self, context: Context, theme: int) -> np.ndarray:
        """Added costs of places f32 [N]: of another theme than the room of the eye, doorways."""
        wanted = theme if theme >= 0 else context.theme
        lean = 0.02 * self.bank.places[:, 3].astype(np.float32)
        if wanted is not None:
            lean += np.where(self.bank.places[:, 0] == wanted, 0.0, 0.04)
        return lean.astype(np.float32)

    def _among(self, context: Context, theme: int):
        """Places worth a look: those of the eye's room's theme where it is known, else all."""
        wanted = theme if theme >= 0 else context.theme
        if wanted is None:
            return None
        fitting = np.flatnonzero(self.bank.places[:, 0] == wanted)
        return fitting if len(fitting) >= ENOUGH else None

    def _known(self, frame, context: Context) -> list[Placement]:
        """Places laid earlier whose eye is near enough to show this view."""
        near = [
            p for p in context.placements
            if math.hypot(p.centre[0] - frame.x, p.centre[1] - frame.y) < 2.5
        ]
        return sorted(near, key=lambda p: math.hypot(p.centre[0] - frame.x,
                                                     p.centre[1] - frame.y))[:3]

    def _draw(self, frame, placement: Placement, fine: bool = True, wanted=None) -> View:
        pano = self.bank.panorama(placement.index)
        sign = -1.0 if placement.mirror else 1.0
        c, s = math.cos(placement.angle), math.sin(placement.angle)

        def into(v):
            x, y = v[..., 0], sign * v[..., 1]
            return np.stack([c * x - s * y, s * x + c * y, v[..., 2]], -1)

        origin = into(np.array([frame.x, frame.y, frame.z]) - np.array(placement.centre))
        basis = into(camera_basis(frame.yaw, frame.pitch))
        rgb, *rest = view(pano, origin, basis, frame.width, frame.height, frame.focal,
                          placement.lift, fine, wanted)
        return View(crisp(rgb, rest[-1]) if fine else rgb, *rest)

    def _fresh(self, frame, context: Context, generator) -> Placement:
        """A place for a first picture: by theme and floor, then the most telling of a few."""
        places = self.bank.places
        fits = np.ones(len(places), bool)
        for column, wanted in ((0, context.theme), (1, context.floor)):
            if wanted is not None:
                narrower = fits & (places[:, column] == wanted)
                if narrower.any():
                    fits = narrower
        inner = fits & (places[:, 3] == 0)
        candidates = np.flatnonzero(inner if inner.any() else fits)
        best, best_score = None, -math.inf
        small = _Frame(64, 40, frame.focal / 4, np.array([0, 0, frame.z, frame.yaw, frame.pitch]))
        for _ in range(6):
            index = int(candidates[int(generator.integers(len(candidates)))])
            mirror = bool(generator.integers(2))
            for _ in range(3):
                angle = float(generator.uniform(0, 2 * math.pi))
                trial = Placement(index, mirror, angle, (0.0, 0.0, EYE_HEIGHT))
                score = _telling(self._draw(small, trial, False), int(places[index, 0]))
                score += 0.15 * float(generator.random())
                if score > best_score:
                    best, best_score = trial, score
        return Placement(best.index, best.mirror, best.angle, (frame.x, frame.y, EYE_HEIGHT))


class _Frame:
    def __init__(self, width: int, height: int, focal: float, pose) -> None:
        self.width, self.height, self.focal = width, height, focal
        self.x, self.y, self.z, self.yaw, self.pitch = (float(v) for v in pose)


class _Trial:
    """A guide at a third of its size, for comparing candidates."""

    def __init__(self, frame: _Frame, rgb, disparity, label, mask, rim) -> None:
        self.full = frame
        pose = (frame.x, frame.y, frame.z, frame.yaw, frame.pitch)
        part = (slice(COARSER // 2, None, COARSER),) * 2
        self.rgb, self.disparity, self.label = rgb[part], disparity[part], label[part]
        self.mask, self.rim = mask[part], rim[part]
        height, width = self.mask.shape
        self.frame = _Frame(width, height, frame.focal / COARSER, pose)

    def cost(self, view: View, columns=None) -> float:
        """Seam cost plus shares for what the candidate only guesses or magnifies in the hole."""
        mask = self.mask if columns is None else self.mask & columns[COARSER // 2::COARSER]
        seam = seam_cost(view, self.rgb, self.disparity, self.label, mask, self.rim)
        hole = ~self.mask
        if not hole.any():
            return seam
        unsure = 1.0 - float(view.sure[hole].mean())
        soft = float(np.maximum(np.log2(np.maximum(view.scale[hole], 1e-3)) - 0.4, 0).mean())
        return seam + 0.3 * unsure + 0.12 * min(soft, 1.5)


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    out = points.copy()
    out[..., 0] = c * points[..., 0] - s * points[..., 1]
    out[..., 1] = s * points[..., 0] + c * points[..., 1]
    return out


def _strongest(points: Points, count: int) -> Points:
    """About ``count`` points, kept evenly along their summed weight (so the rim is dense)."""
    if len(points.weight) <= count:
        return points
    running = np.cumsum(points.weight.astype(np.float64))
    marks = (np.arange(count) + 0.5) * running[-1] / count
    chosen = np.unique(np.searchsorted(running, marks))
    share = np.diff(np.concatenate([[0], np.searchsorted(marks, running[chosen])]))
    return Points(points.xyz[chosen], points.colour[chosen], points.label[chosen],
                  np.maximum(share, 1).astype(np.float32))


def _placement(fit: Fit, phase: float, frame: _Frame) -> Placement:
    """A fit in the frame of the walls as a placement in the world."""
    sign = -1.0 if fit.mirror else 1.0
    angle = fit.quarter * 0.5 * math.pi - sign * phase
    c, s = math.cos(angle), math.sin(angle)
    x = c * fit.origin[0] + s * fit.origin[1]
    y = sign * (-s * fit.origin[0] + c * fit.origin[1])
    centre = (frame.x - float(x), frame.y - float(y), EYE_HEIGHT)
    return Placement(fit.index, fit.mirror, angle, centre, fit.lift)


def _with(placements: tuple[Placement, ...], new: Placement) -> tuple[Placement, ...]:
    """The placements with a new one, unless it is there already (to a few centimetres)."""
    for p in placements:
        if (p.index == new.index and p.mirror == new.mirror
                and math.dist(p.centre, new.centre) < 0.05
                and abs(math.remainder(p.angle - new.angle, 2 * math.pi)) < 0.01):
            return placements
    return (*placements, new)[-24:]


def _telling(shown: View, theme: int) -> float:
    """How much a view tells of its room: some distance, several parts, mostly its own theme."""
    depth = np.sort(shown.depth.ravel())
    middle, near = float(depth[depth.size // 2]), float(depth[depth.size // 20])
    parts = np.bincount(shown.label.ravel() & 7, minlength=8) / shown.label.size
    own = float(((shown.label >> 3) == theme).mean())
    rich = float((parts > 0.015).sum()) / 8
    return min(middle, 3.5) / 3.5 + 0.6 * min(near, 1.0) + rich + 1.5 * min(own, 0.9)
