"""Sheets to look at: frames of the model above the simulator's own, and the curves below."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ...avatars.mouth import aperture
from .bars import TRUTH
from .clips import Clip
from .played import Take

SHOWN = 10
CURVE = 150
INK = {"truth": (150, 150, 160), TRUTH: (90, 160, 235), "model": (235, 90, 70)}
PAPER = (250, 249, 246)
LABEL, OTHER = (70, 70, 78), (225, 215, 170)


def moments(performance, count: int = SHOWN) -> np.ndarray:
    """Ticks worth looking at: the widest and the most closed of equal stretches, in turn."""
    opening = aperture(performance.motion)
    edges = np.linspace(0, len(opening), count + 1).round().astype(int)
    return np.array([a + int((opening[a:b].argmax if k % 2 == 0 else opening[a:b].argmin)())
                     for k, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True))])


def sheet(clip: Clip, takes: dict[str, Take], told: str = "") -> Image.Image:
    """One picture of a clip: portrait, frames of both, curves of the opening."""
    ticks = moments(clip.performance)
    side = clip.portrait.shape[0]
    wide = side * (len(ticks) + 1)
    out = Image.new("RGB", (wide, 2 * side + CURVE + 24), PAPER)
    out.paste(Image.fromarray(clip.portrait), (0, 0))
    for row, source in enumerate(("model", TRUTH)):
        for k, tick in enumerate(ticks):
            out.paste(Image.fromarray(takes[source].frames[tick]), ((k + 1) * side, row * side))
    draw = ImageDraw.Draw(out)
    draw.text((8, side + 8), f"{clip.name}\n{clip.style}\n\nabove: model\nbelow: {TRUTH}", LABEL)
    top = 2 * side + 20
    curves = {"truth": aperture(clip.performance.motion),
              TRUTH: takes[TRUTH].aperture, "model": takes["model"].aperture}
    highest = max(float(np.max(c)) for c in curves.values()) or 1.0
    step = wide / max(len(curves["truth"]), 1)
    for k, active in enumerate(np.asarray(clip.performance.other_speaking, bool)):
        if active:
            draw.rectangle((k * step, top + CURVE - 5, (k + 1) * step, top + CURVE), OTHER)
    for name, curve in curves.items():
        line = [(k * step, top + (CURVE - 6) * (1 - max(float(v), 0) / highest))
                for k, v in enumerate(curve)]
        draw.line(line, INK[name], 2, joint="curve")
    for tick in ticks:
        draw.line(((tick + 0.5) * step, top, (tick + 0.5) * step, top + CURVE), (225, 225, 228))
    at = 8
    for name, ink in INK.items():
        draw.text((at, 2 * side + 4), name, ink)
        at += 8 * len(name) + 16
    draw.text((at, 2 * side + 4), f"opening of the lips; yellow: the other speaks   {told}", LABEL)
    return out


def save(folder: Path, clip: Clip, takes: dict[str, Take], told: str = "") -> Path:
    """The sheet of a clip as PNG in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r"[^\w]+", "-", clip.name) + ".png")
    sheet(clip, takes, told).save(path)
    return path
