"""Plain measures on arrays: PSNR, gradient energy, Fréchet distance, onsets, matching."""

from __future__ import annotations

import numpy as np


def psnr(a: np.ndarray, b: np.ndarray, where: np.ndarray | None = None) -> float:
    """PSNR in dB of two uint8 pictures [H, W, 3], on the pixels `where` (bool [H, W]).

    60 for equal pictures; NaN when `where` holds no pixel.
    """
    square = (a.astype(np.float64) - b.astype(np.float64)) ** 2
    if where is not None:
        if not where.any():
            return float("nan")
        square = square[where]
    return float(min(60.0, 10 * np.log10(255.0**2 / max(square.mean(), 1e-9))))


def gradient_energy(frame: np.ndarray, where: np.ndarray | None = None) -> float:
    """Mean absolute difference of neighbouring pixels' luma, in grey levels.

    A pixel counts when it and its right and lower neighbours lie in `where` (bool [H, W]).
    """
    luma = frame.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    gx = np.abs(np.diff(luma, axis=1))[:-1]
    gy = np.abs(np.diff(luma, axis=0))[:, :-1]
    energy = gx + gy
    if where is None:
        return float(energy.mean())
    inside = where[:-1, :-1] & where[1:, :-1] & where[:-1, 1:]
    return float(energy[inside].mean()) if inside.any() else float("nan")


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of two feature samples [N, D], as Heusel et al. 2017 (FID) define it."""
    mean = a.mean(0) - b.mean(0)
    ca = np.cov(a, rowvar=False) + 1e-6 * np.eye(a.shape[1])
    cb = np.cov(b, rowvar=False) + 1e-6 * np.eye(b.shape[1])
    # tr sqrt(ca cb) = tr sqrt(sqrt(ca) cb sqrt(ca)), which is symmetric.
    values, vectors = np.linalg.eigh(ca)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    middle = np.linalg.eigvalsh(root @ cb @ root)
    return float(mean @ mean + np.trace(ca) + np.trace(cb)
                 - 2 * np.sqrt(np.maximum(middle, 0)).sum())


def onsets(audio: np.ndarray, rate: int, hop: int, ratio: float = 2.0,
           floor: float = 2e-3) -> np.ndarray:
    """Indices (in hops) at which a sound sets in: local peaks of the rise of high-passed energy.

    audio [N] float; rate in Hz; hop in samples. A rise counts when the hop's energy is `ratio`
    times that of the loudest of the two hops before, and above `floor` (RMS, full scale 1).
    """
    high = np.diff(audio.astype(np.float64), prepend=audio[:1])
    hops = len(high) // hop
    level = np.sqrt((high[:hops * hop].reshape(hops, hop) ** 2).mean(1))
    before = np.maximum(np.r_[level[:1], level[:-1]], np.r_[level[:1], level[:1], level[:-2]])
    rise = level / (before + floor / 4)
    hits = (rise > ratio) & (level > floor)
    hits[0] = level[0] > 4 * floor
    # One onset a burst: the first of neighbouring hops.
    return np.flatnonzero(hits & ~np.r_[False, hits[:-1]])


def match_f1(found: np.ndarray, true: np.ndarray, tolerance: float) -> tuple[int, int, int]:
    """One-to-one matching of event times within `tolerance`: (matched, found, true)."""
    free = list(np.sort(true))
    matched = 0
    for time in np.sort(found):
        near = [i for i, t in enumerate(free) if abs(t - time) <= tolerance]
        if near:
            free.pop(min(near, key=lambda i: abs(free[i] - time)))
            matched += 1
    return matched, len(found), len(true)


def f1(counts: list[tuple[int, int, int]]) -> float:
    """F1 pooled over cases as `match_f1` returns them; NaN without events."""
    matched, found, true = (sum(c[i] for c in counts) for i in range(3))
    return 2 * matched / (found + true) if found + true else float("nan")
