"""The colours of a portrait, picked by a seed."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from .canvas import Colour, mix, tone
from .styles import Style

# from the palest to the darkest skin, and the hair that people have
SKINS: tuple[Colour, ...] = ((245, 222, 207), (241, 210, 190), (233, 194, 168), (224, 177, 147),
                             (203, 152, 119), (176, 124, 93), (143, 97, 72), (111, 75, 57),
                             (85, 58, 46))
HAIRS: tuple[Colour, ...] = ((28, 24, 26), (48, 34, 28), (76, 52, 36), (110, 74, 46),
                             (150, 106, 62), (196, 152, 92), (226, 196, 136), (160, 74, 38),
                             (190, 96, 50))
GREYS: tuple[Colour, ...] = ((150, 148, 148), (196, 194, 192), (232, 230, 226))
IRISES: tuple[Colour, ...] = ((74, 48, 30), (96, 64, 36), (116, 92, 52), (92, 112, 66),
                              (84, 124, 150), (110, 140, 160), (108, 112, 118), (52, 36, 28))
FURS: tuple[Colour, ...] = ((222, 150, 84), (146, 100, 64), (246, 236, 218), (92, 84, 84),
                            (60, 54, 58), (198, 178, 148), (236, 190, 120), (180, 180, 186),
                            (236, 168, 170), (126, 150, 190))
METALS: tuple[Colour, ...] = ((190, 196, 204), (150, 160, 172), (222, 220, 214), (96, 108, 124),
                              (210, 150, 70), (196, 84, 70), (90, 150, 170), (230, 196, 90))


@dataclass(frozen=True)
class Palette:
    """Colours are (r, g, b) of 0..255."""

    skin: Colour
    second: Colour
    """a muzzle, a belly, a face plate"""
    line: Colour
    """contours"""
    hair: Colour
    brow: Colour
    iris: Colour
    white: Colour
    """of the eyes"""
    lips: Colour
    inside: Colour
    """of the mouth"""
    tongue: Colour
    teeth: Colour
    blush: Colour
    cloth: Colour
    trim: Colour
    ground: tuple[Colour, Colour, Colour]
    """of the background"""
    cast: tuple[float, float, float]
    """what the light multiplies by"""


def hsv(h: float, s: float, v: float) -> Colour:
    """A colour by hue, saturation and value of 0..1."""
    return tuple(int(255 * c) for c in colorsys.hsv_to_rgb(h % 1, min(max(s, 0), 1),
                                                           min(max(v, 0), 1)))


def _between(rng: np.random.Generator, colours: tuple[Colour, ...], jitter: float = 6) -> Colour:
    """A colour on the way between two neighbours of a list."""
    at = rng.random() * (len(colours) - 1)
    low = int(at)
    colour = mix(colours[low], colours[low + 1], at - low)
    return tuple(int(np.clip(c + d, 0, 255)) for c, d in
                 zip(colour, rng.normal(0, jitter, 3), strict=True))


def _one(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    colour = colours[int(rng.integers(len(colours)))]
    return tuple(int(np.clip(c + d, 0, 255)) for c, d in
                 zip(colour, rng.normal(0, 6, 3), strict=True))


def pick_palette(rng: np.random.Generator, style: Style, kind: str, age: float) -> Palette:
    """Colours that go together."""
    skin_kind = style.skin[int(rng.integers(len(style.skin)))]
    second = (255, 255, 255)
    if skin_kind == "fantasy":
        skin = hsv(rng.random(), rng.uniform(0.2, 0.6), rng.uniform(0.6, 0.97))
    elif skin_kind == "fur":
        skin = _one(rng, FURS)
        if kind == "frog":
            skin = hsv(rng.uniform(0.22, 0.42), rng.uniform(0.4, 0.65), rng.uniform(0.6, 0.85))
        elif kind == "pig":
            skin = hsv(rng.uniform(0.95, 1.02), rng.uniform(0.2, 0.4), rng.uniform(0.85, 0.98))
        elif rng.random() < 0.15:
            skin = hsv(rng.random(), rng.uniform(0.25, 0.5), rng.uniform(0.7, 0.95))
        second = mix(skin, (255, 248, 236), rng.uniform(0.45, 0.9))
    elif skin_kind == "metal":
        skin = _one(rng, METALS)
        second = tone(skin, rng.uniform(0.5, 0.85)) if rng.random() < 0.5 else (
            mix(skin, (250, 250, 250), 0.6))
    elif skin_kind == "paper":
        skin = (244, 244, 244) if rng.random() < 0.75 else (205, 205, 205)
    elif skin_kind == "light":
        skin = _between(rng, SKINS[:4], 3)
    else:
        skin = _between(rng, SKINS, 4)
    if style.name in ("painted", "photo"):
        skin = mix(skin, tone(skin, 0.8), max(0.0, sum(skin) / 765 - 0.6))
    grey = rng.random() < max(0.0, (age - 0.55) * 2)
    hair = _between(rng, GREYS) if grey else _one(rng, HAIRS)
    if sum(skin) < 420 and rng.random() < 0.7 and not grey:
        hair = _one(rng, HAIRS[:3])
    odd = 0.4 if style.name == "anime" else 0.2 if style.shading[0] != "soft" else 0.06
    if rng.random() < odd:
        hair = hsv(rng.random(), rng.uniform(0.3, 0.75), rng.uniform(0.4, 0.95))
    iris = _one(rng, IRISES)
    if style.name in ("anime", "robot", "mascot") and rng.random() < 0.7:
        iris = hsv(rng.random(), rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.95))
    hue = rng.random()
    away = hue + rng.choice([0.5, 0.42, 0.08, 0.33])
    bright, colourful = rng.uniform(0.2, 0.95), rng.uniform(0.05, 0.65)
    ground = (hsv(hue, colourful, bright),
              hsv(hue + rng.normal(0, 0.06), colourful * rng.uniform(0.5, 1.2),
                  bright * rng.uniform(0.55, 1.1)),
              hsv(hue + rng.normal(0, 0.1), colourful, min(bright * 1.25, 1)))
    cloth = hsv(away, rng.uniform(0.05, 0.75), rng.uniform(0.15, 0.95))
    trim = mix(cloth, (255, 255, 255) if rng.random() < 0.5 else (20, 20, 30),
               rng.uniform(0.3, 0.9))
    light_skin = sum(skin) / 765
    lips = mix(tone(skin, 0.8), (184, 64, 68), 0.34 + 0.26 * light_skin)
    if rng.random() < 0.5:
        line = tone(skin, rng.uniform(0.18, 0.42))
    else:
        line = (24, 20, 24) if rng.random() < 0.8 else (60, 40, 60)
    warm = rng.normal(0, 0.05)
    if skin_kind == "paper":
        return _drawn(rng, skin, hair, cloth, trim)
    cast = (1 + warm, 1 + rng.normal(0, 0.01), 1 - warm)
    brow = mix(tone(hair, rng.uniform(0.55, 0.9)), line, 0.15)
    if style.name == "vector" and rng.random() < 0.5:
        line = tone(skin, 0.35)
    tongue = mix((214, 96, 98), (232, 120, 116), rng.random())
    inside = mix((58, 14, 20), (28, 10, 14), rng.random())
    if skin_kind == "metal":
        inside = mix((18, 20, 26), (40, 44, 54), rng.random())
        tongue = hsv(rng.random(), 0.7, 0.8)
    white = mix((252, 252, 250), (236, 228, 220), rng.random() * 0.8)
    teeth = mix((252, 250, 244), (236, 226, 204), rng.random() * (0.4 + 0.6 * age))
    return Palette(skin, second, line, hair, brow, iris, white, lips, inside, tongue, teeth,
                   mix(skin, (236, 90, 90), 0.4), cloth, trim, ground, cast)


def _drawn(rng: np.random.Generator, skin: Colour, hair: Colour, cloth: Colour,
           trim: Colour) -> Palette:
    """Of a drawing in one ink: greys that become white, lines and black."""
    def grey(colour: Colour, low: float, high: float) -> Colour:
        return (int(low + (high - low) * sum(colour) / 765),) * 3

    paper = 250 if rng.random() < 0.75 else 120
    hair = grey(hair, 30, 235) if rng.random() < 0.7 else (18, 18, 18)
    return Palette(skin, (255,) * 3, (8, 8, 8), hair, (12, 12, 12), (90, 90, 90), (255,) * 3,
                   (150, 150, 150), (14, 14, 14), (130, 130, 130), (255,) * 3, (200, 200, 200),
                   grey(cloth, 60, 255), grey(trim, 60, 255),
                   ((paper,) * 3, (int(paper * rng.uniform(0.7, 1)),) * 3, (255,) * 3), (1, 1, 1))
