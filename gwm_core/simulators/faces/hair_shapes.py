"""The contours that hair is cut from, in face coordinates."""

from __future__ import annotations

import numpy as np

from .canvas import curve
from .identity import Identity


def cap_contour(i: Identity, volume: float, low: float, count: int = 13,
                lift: float = 0.0) -> np.ndarray:
    """The contour of the hair over the skull, from the left side at height ``low`` to the right
    one: [count, 2]. ``volume`` is what it adds to the skull."""
    w = i.width * (0.5 + 0.5 * max(i.temple, 0.9))
    rx, ry = w + volume, 0.3 + i.cap + volume + lift
    a = np.linspace(np.pi, 0, count)
    top = np.stack([rx * np.cos(a), -0.2 - ry * np.sin(a)], 1)
    sides = np.array([[-rx * 0.99, low]]), np.array([[rx * 0.99, low]])
    if low > -0.15:
        return np.concatenate([sides[0], top, sides[1]])
    return top


def hairline(i: Identity, kind: str, rng: np.random.Generator, low: float) -> np.ndarray:
    """From the right side to the left one, in face coordinates."""
    w, f = i.width, i.forehead
    t = i.temple
    brow = i.eye_y - i.brow_up
    burn = np.array([[0.97 * w, low], [0.93 * w * t, max(low - 0.1, -0.16)]])
    mirror = burn[::-1] * (-1, 1)
    if kind == "natural":
        middle = [[0.96 * f * w, -0.33], [0.72 * f * w, -0.46], [0.3 * w, -0.5], [0, -0.49],
                  [-0.3 * w, -0.5], [-0.72 * f * w, -0.46], [-0.96 * f * w, -0.33]]
        return curve(np.concatenate([burn, middle, mirror]), 3)
    if kind == "peak":
        middle = [[0.95 * f * w, -0.36], [0.6 * w * f, -0.55], [0.2 * w, -0.52], [0, -0.47],
                  [-0.2 * w, -0.52], [-0.6 * w * f, -0.55], [-0.95 * f * w, -0.36]]
        return curve(np.concatenate([burn, middle, mirror]), 3)
    if kind == "sweep":  # from the part over the forehead to the other side
        s = 1 if i.part > 0 else -1
        part = [s * 0.45 * w, -0.56]
        deep = brow + rng.uniform(-0.11, -0.02)
        away = [[-s * 0.2 * w, deep - 0.06], [-s * 0.7 * w, deep + 0.02],
                [-s * 0.95 * w, deep + 0.1]]
        near = [[s * 0.95 * w * t, -0.26], [s * 0.78 * f * w, -0.42], part]
        path = near + away if s > 0 else [[x, y] for x, y in (near + away)[::-1]]
        return curve(np.concatenate([burn, path, mirror]), 3)
    if kind == "curtain":
        deep = rng.uniform(-0.24, -0.1)
        middle = [[0.93 * w, deep], [0.66 * w, -0.32], [0.22 * w, -0.5], [0, -0.6],
                  [-0.22 * w, -0.5], [-0.66 * w, -0.32], [-0.93 * w, deep]]
        return curve(np.concatenate([burn, middle, mirror]), 3)
    if kind == "fringe":  # smooth, straight
        deep = brow + rng.uniform(-0.07, 0.0)
        middle = [[0.9 * w * t, deep + 0.06], [0.72 * w, deep], [0.36 * w, deep - 0.012],
                  [0, deep - 0.016], [-0.36 * w, deep - 0.012], [-0.72 * w, deep],
                  [-0.9 * w * t, deep + 0.06]]
        return curve(np.concatenate([burn, middle, mirror]), 3)
    # tufts: points that fall over the forehead
    count = int(rng.integers(4, 8))
    deep = brow + rng.uniform(-0.09, 0.02)
    lean = rng.uniform(-0.5, 0.5)
    edges = np.linspace(0.88 * w, -0.88 * w, count + 1)
    out = []
    for k in range(count):
        a, b = edges[k], edges[k + 1]
        tip = (a + b) / 2 + lean * (a - b)
        y = deep + rng.uniform(-0.07, 0.03) + 0.08 * abs(tip / w) ** 2
        out += [[a, y - rng.uniform(0.1, 0.16)], [0.5 * (a + tip), y - 0.05], [tip, y],
                [0.4 * b + 0.6 * tip, y - 0.06]]
    out.append([-0.88 * w, deep - 0.08])
    return np.concatenate([burn, out, mirror])


def hanging(i: Identity, volume: float, length: float, kind: str,
          rng: np.random.Generator) -> np.ndarray:
    """The hair that hangs behind the face down to ``length``."""
    w = i.width + volume
    outer = cap_contour(i, volume, -0.1)
    flare = rng.uniform(0.95, 1.3)
    if kind == "wavy":
        steps = np.linspace(0.05, length, 7)[1:]
        wave = 0.04 * np.sin(np.arange(len(steps)) * 2.4 + rng.uniform(0, 6))
        right = np.stack([w * np.linspace(1, flare, len(steps)) + wave, steps], 1)
    else:
        right = np.array([[w * 1.03, 0.1], [w * (0.5 + 0.5 * flare), 0.5 * length + 0.05],
                          [w * flare * 0.96, length]])
    bottom = np.array([[0.4 * w, length + 0.03], [-0.4 * w, length + 0.03]])
    left = right[::-1] * (-1, 1)
    return np.concatenate([outer, right, bottom, left])


def curls(path: np.ndarray, size: float, rng: np.random.Generator, closed: bool) -> np.ndarray:
    """A contour of curls along ``path``."""
    step = np.diff(np.concatenate([path, path[:1]]) if closed else path, axis=0)
    far = np.concatenate([[0], np.cumsum(np.linalg.norm(step, axis=1))])
    count = max(int(far[-1] / (1.5 * size)), 5)
    loop = np.concatenate([path, path[:1]]) if closed else path
    at = np.linspace(0, far[-1], count + 1)
    knots = np.stack([np.interp(at, far, loop[:, k]) for k in (0, 1)], 1)
    middle = path.mean(0)
    out = []
    for a, b in zip(knots[:-1], knots[1:], strict=True):
        away = 0.5 * (a + b) - middle
        away /= np.linalg.norm(away) + 1e-9
        grow = size * rng.uniform(0.6, 1.05)
        out += [a, a + 0.18 * (b - a) + 0.75 * grow * away, 0.5 * (a + b) + grow * away,
                b - 0.18 * (b - a) + 0.75 * grow * away]
    if not closed:
        out.append(knots[-1])
    return np.array(out)


def spikes(i: Identity, outer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A contour of points."""
    path = curve(outer, 2)
    middle = np.array([0, -0.15])
    out = []
    for k in range(0, len(path) - 2, 3):
        a, b = path[k], path[min(k + 3, len(path) - 1)]
        away = 0.5 * (a + b) - middle
        away /= np.linalg.norm(away)
        tip = 0.5 * (a + b) + away * rng.uniform(0.05, 0.15) + 0.03 * i.part * np.array([1, 0])
        out += [a, 0.6 * a + 0.4 * tip, tip, 0.45 * b + 0.55 * tip]
    return np.array(out + [path[-1]])
