"""The light over a table, read from one look: how bright each face is, of bodies of known colour.

A matt surface of colour c with normal n is c (ambient + head max(0, n . back) + max(0, n . beam)),
at most 1: the lamp at the camera shines along its axis (back: the way towards it), the far lamp
from a direction. What faces away from it tells nothing of it, so usual values hold it there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .rig import Lamps

ROUNDS = 8
NOISE = 0.01
"""Share of full white by which a pixel of a well known face is off."""
COLOUR_SPREAD = 0.15
"""How far a thing's colour may be from what it was taken for."""
FULL = 253.5 / 255
"""From here a pixel may be brighter than it can show."""


@dataclass(frozen=True)
class Light:
    """ambient, head: shares of white; beam [3]: strength times the direction to the far lamp."""

    ambient: float
    head: float
    beam: tuple[float, float, float]

    @classmethod
    def usual(cls, lamps: Lamps) -> Light:
        return cls(lamps.ambient, lamps.head, lamps.beam)

    def packed(self) -> np.ndarray:
        """float64 [5]: ambient, head, beam."""
        return np.array([self.ambient, self.head, *self.beam])

    def on(self, normal, back) -> np.ndarray:
        """How bright surfaces are: normal, back [.., 3] -> [..]."""
        n = np.asarray(normal, np.float64)
        return (self.ambient + self.head * np.maximum((n * back).sum(-1), 0)
                + np.maximum(n @ np.array(self.beam), 0))


@dataclass(frozen=True, eq=False)
class Seen:
    """N places on bodies as a look shows them: body int [N], normal and back [N, 3], rgb [N, 3]
    0..1, weight [N] (1: one pixel)."""

    body: np.ndarray
    normal: np.ndarray
    back: np.ndarray
    rgb: np.ndarray
    weight: np.ndarray

    @classmethod
    def joined(cls, parts: list[Seen]) -> Seen:
        rows = [np.concatenate([getattr(p, f) for p in parts])
                for f in ("body", "normal", "back", "rgb", "weight")]
        return cls(*rows)


def fit(seen: Seen, lamps: Lamps, rgb: np.ndarray, known: np.ndarray) -> tuple[Light, np.ndarray]:
    """(light, colours [K, 3]) that explain what is seen of K bodies: rgb [K, 3] what they are
    taken for, known bool [K]: for certain. Robust Gauss-Newton, a fixed number of rounds from
    beams to four sides: a face that no beam meets has no slope to find it by."""
    aside = 0.7 * lamps.spread[1]
    starts = [(lamps.beam[0] + x, lamps.beam[1] + y, lamps.beam[2])
              for x in (-aside, aside) for y in (-aside, aside)]
    found = [_fit_from(seen, lamps, rgb, known, np.array(b)) for b in starts]
    p, colours, _ = min(found, key=lambda f: f[2])
    return Light(float(p[0]), lamps.head, tuple(float(v) for v in p[1:4])), colours


def _fit_from(seen: Seen, lamps: Lamps, rgb, known, beam) -> tuple[np.ndarray, np.ndarray, float]:
    """(numbers, colours, cost) from one beam."""
    free = np.nonzero(~known)[0]
    slot = np.full(len(rgb), -1)
    slot[free] = np.arange(len(free))
    usual = np.array([lamps.ambient, *lamps.beam, *rgb[free].ravel()], np.float64)
    spread = np.array([*lamps.spread, *np.full(3 * len(free), COLOUR_SPREAD)])
    p, colours = usual.copy(), np.array(rgb, np.float64)
    p[1:4] = beam
    head = lamps.head * np.maximum((seen.normal * seen.back).sum(-1), 0)
    full, rows, own = seen.rgb > FULL, np.arange(len(seen.body)), slot[seen.body]
    mine = own >= 0
    best = (p, colours, np.inf)
    for k in range(ROUNDS + 1):
        facing = seen.normal @ p[1:4]
        bright = p[0] + head + np.maximum(facing, 0)
        c = colours[seen.body]
        off = np.minimum(c * bright[:, None], 1.0) - seen.rgb
        cost = float((seen.weight[:, None] * np.log1p((off / NOISE) ** 2)).sum()
                     + (((p - usual) / spread) ** 2).sum())
        if cost < best[2]:
            best = (p.copy(), colours.copy(), cost)
        if k == ROUNDS:
            break
        # full pixels only say "at least this bright"
        live = ~(full & (c * bright[:, None] >= 1.0))
        weight = seen.weight[:, None] * live / (NOISE**2 + off**2)
        slope = np.zeros((len(rows), 3, len(p)))
        slope[:, :, 0] = c
        slope[:, :, 1:4] = c[:, :, None] * (seen.normal * (facing > 0)[:, None])[:, None]
        for channel in range(3):
            slope[rows[mine], channel, 4 + 3 * own[mine] + channel] = bright[mine]
        flat = slope.reshape(-1, len(p))
        heavy = flat.T * weight.ravel()
        normal = heavy @ flat + np.diag(1 / spread**2)
        p = p - np.linalg.solve(normal, heavy @ off.ravel() + (p - usual) / spread**2)
        p[0], p[3] = max(p[0], 0.05), max(p[3], 0.0)
        p[4:] = np.clip(p[4:], 0.0, 1.0)
        colours[free] = p[4:].reshape(-1, 3)
    return best
