"""What is done to the whole picture at the end: brush strokes, grain, screens, hatching."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from ...noise import rng as fresh
from .identity import Identity
from .light import ONE

FIELDS = 8
"""How many fields of brush strokes, and how many rolls of film, all pictures share."""


class Finish:
    """The finish of one identity at one size. ``fine``: it is done to fine pixels, else to those
    of the picture."""

    def __init__(self, i: Identity, rng: np.random.Generator, size: int, supersample: int):
        self.kind = i.finish
        self.fine = self.kind not in ("photo", "film", "grain")
        side = size * supersample if self.fine else size
        k = side / 128  # brushes grow with the picture
        if self.kind in ("strokes", "daubs", "wash"):
            length, width = {"strokes": (3.2, 2.1), "daubs": (2.0, 1.7),
                             "wash": (3.0, 3.0)}[self.kind]
            self.map_x, self.map_y = _cells(int(rng.integers(FIELDS)), side, length * k * 0.5,
                                            width * k * 0.5)
            weave = cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0),
                                     0.5 * k)
            relief = 0.05 * weave / (weave.std() + 1e-6) * (0.45 if self.kind == "wash" else 0.6)
            hue = 0.03 * rng.standard_normal((13, 13, 3)).astype(np.float32)
            hue = cv2.resize(hue, (side, side), interpolation=cv2.INTER_CUBIC)
            self.paper = np.clip((1 + relief[..., None] + hue) * ONE, 0, 255).astype(np.uint8)
            self.blend = {"strokes": 0.62, "daubs": 0.55, "wash": 0.4}[self.kind]
        elif self.kind in ("photo", "film", "grain"):
            level = {"photo": rng.uniform(0.8, 3), "film": rng.uniform(2.5, 6), "grain": 2.0}
            level = level[self.kind]
            noise = 0.6 * level * _grain(int(rng.integers(FIELDS)), side, 0.45)
            self.paper = np.clip(ONE + noise, 0, 255).astype(np.uint8)
            self.blur = rng.uniform(0.1, 0.48) * k if self.kind != "grain" else 0
            self.grey = self.kind == "film" and rng.random() < 0.6
            self.sepia = np.array([1.08, 0.99, 0.82]) if rng.random() < 0.5 else np.ones(3)
        elif self.kind == "halftone":
            # a printer's screen: dots that grow where it is darker
            step = rng.uniform(3.6, 5.5) * k / 2
            y, x = np.mgrid[0:side, 0:side].astype(np.float32) * np.float32(np.pi / step)
            dots = 0.5 + 0.25 * (np.cos(0.94 * x + 0.34 * y) + np.cos(0.94 * y - 0.34 * x))
            self.paper = (255 * dots).astype(np.uint8)
            self.most = np.full((side, side), 46, np.uint8)
        elif self.kind in ("hatch", "pencil"):
            self._ink(i, rng, side, k)

    def _ink(self, i: Identity, rng: np.random.Generator, side: int, k: float) -> None:
        """Three sets of lines, the darker a place the more of them; paper, ink and a wash."""
        y, x = np.mgrid[0:side, 0:side].astype(np.float32)
        wobble = cv2.resize(rng.standard_normal((9, 9)).astype(np.float32), (side, side),
                            interpolation=cv2.INTER_CUBIC)
        step = rng.uniform(2.4, 3.6) * k
        angle = rng.uniform(0.5, 1.0)
        thick = rng.uniform(0.28, 0.42)
        lines = []
        for a in (angle, angle + 1.25, angle + 0.6):
            at = (x * np.cos(a) + y * np.sin(a) + 0.9 * k * wobble) / step
            far = np.abs(at % 1 - 0.5) * 2  # 0 on a line
            lines.append(np.clip(0.5 + (thick - far) * step / 2.4, 0, 1))
        grain = cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0),
                                 0.3 * k + 0.4)
        grain /= grain.std()
        self.strength = 0.93
        if self.kind == "pencil":
            lines = [line * np.clip(0.6 + 0.35 * grain, 0, 1) for line in lines]
            self.strength = 0.78
        # as tables of 8 bits: how much ink each set leaves at each level of grey
        self.lines = [(255 * line).astype(np.uint8) for line in lines]
        level = np.arange(256) / 255
        self.tables = [(255 * np.clip((at - level) * 8, 0, 1)).astype(np.uint8)
                       for at in (0.74, 0.5, 0.32)]
        wash = rng.uniform(0, 0.5) if rng.random() < 0.6 else 0.0
        solid = np.maximum(np.clip((0.24 - level) / 0.08, 0, 1), wash * (1 - level))
        self.solid = (255 * solid).astype(np.uint8)
        paper = np.array((252, 250, 244) if rng.random() < 0.6 else (236, 224, 202), np.float32)
        inks = ((20, 20, 26), (20, 20, 26), (62, 44, 34), (36, 46, 92))
        ink = np.array(inks[int(rng.integers(4))] if self.kind == "hatch" else (52, 50, 54),
                       np.float32)
        # by how much ink there is: the colour
        t = self.strength * np.arange(256)[:, None] / 255
        self.colours = (paper * (1 - t) + ink * t).astype(np.uint8)[None]
        self.paper = np.clip(ONE + 1.8 * grain, 0, 255).astype(np.uint8)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """The finished pixels; those given are left as they are."""
        if self.kind == "none":
            return pixels
        if self.kind in ("strokes", "daubs", "wash"):
            dab = cv2.remap(pixels, self.map_x, self.map_y, cv2.INTER_LINEAR,
                            borderMode=cv2.BORDER_REPLICATE)
            out = cv2.addWeighted(dab, self.blend, pixels, 1 - self.blend, 0)
            return cv2.multiply(out, self.paper, scale=1 / ONE)
        if self.kind in ("photo", "film", "grain"):
            if self.blur > 0.2:
                pixels = cv2.GaussianBlur(pixels, (0, 0), self.blur)
            if self.grey:
                grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
                pixels = cv2.merge([cv2.convertScaleAbs(grey, alpha=float(c)) for c in self.sepia])
            return cv2.addWeighted(pixels, 1, self.paper, 1, -ONE)
        if self.kind == "halftone":
            grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
            dark = cv2.addWeighted(self.paper, 1, grey, -0.75, -20)  # how far inside a dot
            dark = cv2.convertScaleAbs(dark, alpha=0.8)
            return cv2.subtract(pixels, cv2.merge([cv2.min(dark, self.most)] * 3))
        return self._hatched(pixels)

    def _hatched(self, pixels: np.ndarray) -> np.ndarray:
        """Ink on paper: dark contours stay, tones become lines."""
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        ink = cv2.LUT(grey, self.solid)
        for line, table in zip(self.lines, self.tables, strict=True):
            ink = cv2.max(ink, cv2.min(line, cv2.LUT(grey, table)))
        ink = cv2.addWeighted(ink, 1, self.paper, 1, -ONE)
        return cv2.LUT(cv2.merge([ink] * 3), self.colours)


@lru_cache(maxsize=FIELDS)
def _grain(seed: int, side: int, blur: float) -> np.ndarray:
    """Noise of a film [side, side, 3], deviation 1."""
    noise = fresh(seed, "film").standard_normal((side, side, 3), np.float32)
    noise = cv2.GaussianBlur(0.6 * noise + 0.6 * noise[..., :1], (0, 0), blur)
    return noise / noise.std()


@lru_cache(maxsize=3 * FIELDS)
def _cells(seed: int, side: int, length: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Maps [side, side] from each pixel to the middle of the brush stroke it lies in: cells
    nearest by a distance that a flow field stretches."""
    rng = fresh(seed, "brush strokes")
    angle = cv2.resize(rng.uniform(0, np.pi, (4, 4)).astype(np.float32), (side, side),
                       interpolation=cv2.INTER_CUBIC)
    pitch = max(1.5, np.sqrt(length * width) * 1.15)
    n = int(side / pitch) + 2
    gy, gx = np.mgrid[0:n, 0:n].astype(np.float32)
    gx = (gx + rng.uniform(0, 1, (n, n))) * pitch
    gy = (gy + rng.uniform(0, 1, (n, n))) * pitch
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    c, s = np.cos(angle), np.sin(angle)
    cx, cy = (x / pitch).astype(int), (y / pitch).astype(int)
    best = np.full((side, side), np.inf, np.float32)
    out_x, out_y = x.copy(), y.copy()
    for dy in (-2, -1, 0, 1, 2):
        for dx in (-2, -1, 0, 1, 2):
            at = np.clip(cy + dy, 0, n - 1), np.clip(cx + dx, 0, n - 1)
            vx, vy = gx[at] - x, gy[at] - y
            far = ((c * vx + s * vy) / length) ** 2 + ((c * vy - s * vx) / width) ** 2
            near = far < best
            best = np.where(near, far, best)
            out_x, out_y = np.where(near, gx[at], out_x), np.where(near, gy[at], out_y)
    return out_x.astype(np.float32), out_y.astype(np.float32)
