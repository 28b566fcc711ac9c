"""What is behind a portrait; it stands still."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import Canvas, curve, mix, oval, tone
from .identity import Identity


def _cloud(rng: np.random.Generator, side: int, coarse: int) -> np.ndarray:
    """Smooth noise [side, side] of mean 0 and deviation about 1."""
    total = np.zeros((side, side), np.float32)
    for octave, weight in ((coarse, 1.0), (2 * coarse, 0.5), (4 * coarse, 0.25)):
        small = rng.standard_normal((octave + 1, octave + 1)).astype(np.float32)
        total += weight * cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return total


def draw_background(i: Identity, rng: np.random.Generator, size: int,
                    supersample: int) -> np.ndarray:
    """uint8 [size * supersample, ..., 3]."""
    side = size * supersample
    a, b, c = (np.array(v, np.float32) for v in i.palette.ground)
    y = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    x = np.linspace(0, 1, side, dtype=np.float32)[None, :, None]
    kind = i.background
    flat = np.broadcast_to(a, (side, side, 3))
    if kind in ("gradient", "hills", "pattern") and i.shading == "soft" or kind == "gradient":
        flat = a + (b - a) * (0.8 * y + 0.2 * x)
    elif kind == "glow":
        at = rng.uniform(0.25, 0.75, 2)
        far = np.sqrt((x - at[0]) ** 2 + (y - at[1]) ** 2)
        flat = c + (b * 0.6 - c) * np.clip(far * 1.3, 0, 1)
    elif kind == "cloud":
        noise = _cloud(rng, side, int(rng.integers(2, 5)))[..., None]
        flat = a + (b - a) * np.clip(0.5 + 0.4 * noise, 0, 1) - 14 * y
    elif kind == "bokeh":
        flat = np.repeat(0.5 * a + (0.35 * b - 0.5 * a) * y, side, 1)
    canvas = Canvas(np.clip(flat, 0, 255).astype(np.uint8).copy(), supersample)
    whole = float(size)
    if kind == "pattern":
        _pattern(canvas, i, rng, whole)
    elif kind == "room":
        _room(canvas, i, rng, whole)
    elif kind == "hills":
        for k in range(3):
            base = whole * (0.45 + 0.17 * k)
            ridge = np.stack([np.linspace(-0.1, 1.1, 8) * whole,
                              base + whole * 0.09 * rng.standard_normal(8)], 1)
            land = np.concatenate([curve(ridge, 5), [[1.2 * whole, 1.2 * whole],
                                                     [-0.2 * whole, 1.2 * whole]]])
            canvas.fill(land, mix(tone(i.palette.ground[1], 0.95 - 0.18 * k), i.palette.cloth,
                                  0.1 * k))
    elif kind == "bokeh":
        for _ in range(int(rng.integers(10, 26))):
            r = whole * rng.uniform(0.02, 0.1)
            at = whole * rng.uniform(-0.05, 1.05, 2)
            canvas.glaze(oval(at, r, r), i.palette.ground[int(rng.integers(3))],
                         rng.uniform(0.15, 0.6))
    pixels = canvas.pixels
    if i.shading == "soft":
        blur = {"bokeh": 0.014, "room": 0.016, "hills": 0.01, "pattern": 0.006}.get(kind, 0)
        if i.style.name in ("photo", "painted") and blur:
            pixels = cv2.GaussianBlur(pixels, (0, 0), blur * side)
        if i.style.name == "photo":
            far = (x - 0.5) ** 2 + (y - 0.5) ** 2
            pixels = (pixels * (1.05 - 0.55 * far)).clip(0, 255).astype(np.uint8)
    return pixels


def _pattern(canvas: Canvas, i: Identity, rng: np.random.Generator, whole: float) -> None:
    step = whole * rng.uniform(0.07, 0.2)
    kind = rng.choice(["dots", "stripes", "checks", "rays", "tiles"])
    colour = mix(i.palette.ground[0], i.palette.ground[2] if rng.random() < 0.5
                 else (255, 255, 255), rng.uniform(0.3, 0.8))
    count = int(whole / step) + 2
    angle = rng.choice([0.0, 0.5, 0.785, 1.57])
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    middle = np.array([whole / 2, whole / 2])
    if kind == "rays":
        n = int(rng.integers(7, 13))
        for k in range(n):
            a0, a1 = 2 * np.pi * k / n, 2 * np.pi * (k + 0.5) / n
            canvas.fill(middle + 1.2 * whole * np.array([[0, 0], [np.cos(a0), np.sin(a0)],
                                                         [np.cos(a1), np.sin(a1)]]), colour)
        return
    for k in range(-count, count + 1):
        if kind == "stripes":
            at = k * step
            band = np.array([[at, -2 * whole], [at + step / 2, -2 * whole],
                             [at + step / 2, 2 * whole], [at, 2 * whole]])
            canvas.fill(middle + band @ turn, colour)
            continue
        for j in range(-count, count + 1):
            at = middle + np.array([k + 0.5 * (j % 2) * (kind == "dots"), j]) @ turn * step
            if np.any(at < -step) or np.any(at > whole + step):
                continue
            if kind == "dots":
                canvas.fill(oval(at, 0.2 * step, 0.2 * step), colour)
            elif kind == "checks" and (k + j) % 2:
                canvas.fill(at + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) @ turn * step, colour)
            elif kind == "tiles":
                canvas.line(at + np.array([[0, 0], [1, 0], [1, 1]]) @ turn * step, colour,
                            0.05 * step)


def _room(canvas: Canvas, i: Identity, rng: np.random.Generator, whole: float) -> None:
    g, p = i.palette.ground, i.palette

    def box(x0, y0, x1, y1, colour) -> None:
        canvas.fill(whole * np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), colour)

    corner = rng.uniform(-0.2, 1.2)
    if 0 < corner < 1:
        box(corner, 0, 1.1, 1, tone(g[0], 0.85))
    x, y = rng.uniform(-0.1, 0.7), rng.uniform(-0.1, 0.15)
    w, h = rng.uniform(0.2, 0.4), rng.uniform(0.25, 0.5)
    frame = tone(g[1], 0.7)
    if rng.random() < 0.55:  # a window
        box(x - 0.015, y - 0.015, x + w + 0.015, y + h + 0.015, frame)
        box(x, y, x + w, y + h, mix(g[2], (200, 225, 250), 0.75))
        box(x, y + 0.6 * h, x + w, y + h, mix(g[1], (120, 160, 110), 0.6))
        box(x + w / 2 - 0.008, y, x + w / 2 + 0.008, y + h, frame)
    else:  # a picture
        box(x - 0.02, y - 0.02, x + w + 0.02, y + h + 0.02, frame)
        box(x, y, x + w, y + h, p.trim)
        canvas.fill(whole * oval((x + w * 0.5, y + h * 0.55), 0.3 * w, 0.3 * h), p.cloth)
    x = rng.choice([rng.uniform(-0.1, 0.1), rng.uniform(0.65, 0.85)])
    for k in range(int(rng.integers(2, 4))):  # shelves
        y = 0.2 + 0.24 * k
        box(x, y, x + 0.34, y + 0.02, tone(g[1], 0.55))
        at = x + 0.01
        while at < x + 0.3:
            wide = rng.uniform(0.015, 0.045)
            colour = (p.cloth, p.trim, g[2], tone(g[0], 0.5))[int(rng.integers(4))]
            box(at, y - rng.uniform(0.08, 0.16), at + wide, y, tone(colour, rng.uniform(0.6, 1.1)))
            at += wide + 0.004
