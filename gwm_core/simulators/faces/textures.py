"""Textures of skin, hair and paper: uint8, 128 is a gain of 1, made once for a face.

Those of the head are SIDE x SIDE over REACH face heights around its middle.
"""

from __future__ import annotations

import cv2
import numpy as np

from .identity import Identity
from .light import ONE

SIDE = 288
REACH = 2.4


def _noise(rng: np.random.Generator, wide: int, high: int) -> np.ndarray:
    """Smooth noise [SIDE, SIDE] of wide x high cells, deviation about 1."""
    small = rng.standard_normal((high, wide)).astype(np.float32)
    return cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def _gains(values: np.ndarray) -> np.ndarray:
    """Gains [SIDE, SIDE] or [SIDE, SIDE, 3] as a texture of three colours."""
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, 2)
    return np.clip(values * ONE, 0, 255).astype(np.uint8)


def _speckles(rng: np.random.Generator, out: np.ndarray, i: Identity, count: int,
              low: float, high: float, gain) -> None:
    """Spots around the nose and on the cheeks, multiplied into ``out`` [SIDE, SIDE, 3]."""
    for _ in range(count):
        x, y = rng.normal(0, 0.55 * i.width), rng.normal(0.07, 0.13)
        cx, cy = ((np.array([x, y]) / REACH + 0.5) * SIDE).astype(int)
        spot = np.zeros((9, 9), np.float32)
        spot[4, 4] = 1
        spot = cv2.GaussianBlur(spot, (0, 0), rng.uniform(low, high))
        spot *= rng.uniform(0.4, 1) / spot.max()
        if 4 <= cx < SIDE - 5 and 4 <= cy < SIDE - 5:
            out[cy - 4 : cy + 5, cx - 4 : cx + 5] *= (
                1 - spot[..., None] * (1 - np.array(gain, np.float32)))


def skin_texture(i: Identity, rng: np.random.Generator) -> np.ndarray | None:
    """What multiplies the skin, or None."""
    kind = i.texture
    freckles = "freckles" in i.extras or kind == "freckles"
    if kind == "none" and not freckles:
        return None
    out = np.ones((SIDE, SIDE, 3), np.float32)
    if kind in ("pores", "freckles"):
        fine = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
        fine = cv2.GaussianBlur(fine, (0, 0), 0.8)
        blot = _noise(rng, 14, 14)[..., None] * np.array([0.006, 0.014, 0.014], np.float32)
        out += 0.02 * (1 + i.age) * fine[..., None] / fine.std() + blot
    elif kind == "brush":
        angle = rng.uniform(-40, 40)
        streak = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0),
                                  5, None, 1.1)
        turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), angle, 1.3)
        streak = cv2.warpAffine(streak, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
        hue = _noise(rng, 9, 9)[..., None] * np.array([0.03, -0.01, -0.03], np.float32)
        out += 0.04 * np.clip(streak / streak.std(), -2, 1.5)[..., None] + 0.7 * hue
    elif kind == "prints":
        y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
        warp = 9 * _noise(rng, 7, 7)
        rings = np.sin(0.9 * (x * np.cos(0.6) + y * np.sin(0.6)) + warp)
        patch = np.clip(_noise(rng, 6, 6), 0, 1)
        out += (0.035 * rings * patch + 0.03 * _noise(rng, 16, 16))[..., None]
    elif kind == "fur":
        y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
        fine = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0),
                                0.7, None, 2.2)
        out += 0.05 * fine[..., None] / fine.std()
    elif kind == "scratches":
        fine = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0),
                                8, None, 0.7)
        fine /= fine.std()
        out += (0.03 * fine + 0.04 * _noise(rng, 6, 6))[..., None]
        for _ in range(14):
            a = rng.uniform(0, SIDE, 2)
            b = a + rng.normal(0, 12, 2)
            cv2.line(out, tuple(int(v) for v in a), tuple(int(v) for v in b),
                     (rng.choice([0.75, 1.25]),) * 3, 1, cv2.LINE_AA)
    if freckles:
        _speckles(rng, out, i, int(rng.integers(30, 110)), 0.5, 1.1, (0.82, 0.7, 0.64))
    if i.style.name == "photo" and rng.random() < 0.3:
        _speckles(rng, out, i, int(rng.integers(1, 4)), 0.6, 1.3, (0.6, 0.5, 0.48))
    return _gains(out)


def hair_texture(i: Identity, rng: np.random.Generator) -> np.ndarray | None:
    """Strands that run from the crown, for soft shading; None for flat styles."""
    if i.shading != "soft" or i.kind != "human":
        return None
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    x = (x / SIDE - 0.5) * REACH - 0.25 * i.part * i.width
    y = (y / SIDE - 0.5) * REACH + 0.5 + 0.7 * i.cap
    if i.hair in ("afro", "curls"):
        fine = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), 1.3)
        wave = _noise(rng, 40, 40)
        return _gains(1 + 0.16 * fine / fine.std() + 0.12 * wave)
    # below the crown's height strands hang straight down
    hang = np.clip(y / 0.5, 0, 1)
    angle = np.arctan2(np.maximum(y, 0) * (1 - 0.55 * hang) + 0.12, x)
    across = (angle / np.pi) * (1 + 0.3 * hang)
    wavy = 0.03 * (i.hair == "wavy") * np.sin(14 * y) + 0.004 * _noise(rng, 6, 6)
    total = np.zeros((SIDE, SIDE), np.float32)
    for count, weight in ((22, 0.3), (60, 0.55), (150, 0.7)):
        line = rng.standard_normal(4 * count).astype(np.float32)
        at = (across + wavy + 1) * count
        low = np.floor(at).astype(int) % (4 * count)
        part = at - np.floor(at)
        total += weight * (line[low] * (1 - part) + line[(low + 1) % (4 * count)] * part)
    strength = 0.08 if i.style.name == "clay" else 0.13
    sheen = np.exp(-(((y - 0.3 - 0.25 * i.hair_length) / 0.09) ** 2))
    return _gains(1 + strength * total + (0.15 + 0.3 * i.gloss) * sheen * (0.7 + 0.3 * total))


def affine(rolled: np.ndarray, shift: np.ndarray, supersample: int) -> np.ndarray:
    """From a texture's pixels to fine ones: ``rolled`` [2, 2] and ``shift`` map face coordinates
    to the picture."""
    linear = rolled * (REACH / SIDE) * supersample
    start = (rolled @ np.array([-REACH / 2, -REACH / 2]) + shift) * supersample - 0.5
    return np.concatenate([linear, start[:, None] + linear @ np.array([[0.5], [0.5]])], 1)
