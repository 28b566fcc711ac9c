"""Hair of many cuts, as parts behind and in front of the face."""

from __future__ import annotations

import numpy as np

from .canvas import curve, mix, oval, tone
from .hair_shapes import cap_contour, curls, hairline, hanging, spikes
from .identity import Identity
from .parts import Part

NAN = np.nan


def _sheet(outer: np.ndarray, line: np.ndarray, z_out: float = -0.02):
    """A closed shape of an outer contour (left to right) and a hairline (right to left)."""
    return (np.concatenate([outer, line]),
            np.concatenate([np.full(len(outer), z_out), np.full(len(line), NAN)]))


def _strands(i: Identity, outer: np.ndarray, line: np.ndarray, within: int, layer: str,
             rng: np.random.Generator, count: int) -> list[Part]:
    """Lines from the part to the hairline."""
    s = i.part * 0.3 * i.width
    top = np.array([s, outer[:, 1].min() + 0.05])
    out = []
    for k in range(count):
        t = (k + 0.5 + rng.uniform(-0.3, 0.3)) / count
        end = line[int(t * (len(line) - 1))]
        bend = outer[int((1 - t) * (len(outer) - 1))]
        middle = 0.5 * top + 0.5 * end + 0.35 * (bend - 0.5 * top - 0.5 * end)
        start = top + 0.25 * (middle - top)
        light = rng.random() < 0.4
        colour = tone(i.palette.hair, 1.22 if light else 0.78)
        out.append(Part(curve(np.stack([start, middle, end]), 5), 0.12, colour, layer,
                        rng.uniform(0.006, 0.014), (0.1, 0.1), lit=False, outlined=False,
                        within=within))
    return out


def hair_parts(i: Identity, rng: np.random.Generator) -> list[Part]:
    """The parts of the identity's hair, back ones first."""
    if i.kind != "human" or i.hair == "bald":
        return []
    v = 0.055 * i.hair_volume
    colour = i.palette.hair
    behind = tone(colour, 0.74)
    kind = i.hair
    parts: list[Part] = []
    line_kind, low, volume, lift, strands = "natural", -0.02, v, 0.0, 7
    if kind in ("bob", "long", "wavy"):
        line_kind = str(rng.choice(["fringe", "curtain", "sweep", "tufts"]))
        length = {"bob": rng.uniform(0.22, 0.55), "long": rng.uniform(0.7, 1.25),
                  "wavy": rng.uniform(0.5, 1.1)}[kind]
        volume = v + 0.03
        parts.append(Part(curve(hanging(i, volume, length, kind, rng), 4, True), -0.15, behind,
                          "back", strands=True, hangs=True))
        low = rng.uniform(0.05, 0.3)
    elif kind == "bangs":
        line_kind, low = "fringe" if rng.random() < 0.5 else "tufts", rng.uniform(-0.02, 0.1)
    elif kind == "side_part":
        line_kind = "sweep"
    elif kind == "curtains":
        line_kind, low, volume = "curtain", rng.uniform(0, 0.14), v + 0.015
    elif kind == "quiff":
        line_kind, lift = "peak" if rng.random() < 0.4 else "natural", rng.uniform(0.04, 0.13)
    elif kind == "receding":
        return _receding(i, v, rng)
    elif kind == "buzz":
        volume, strands = 0.008, 0
    elif kind == "mohawk":
        return _mohawk(i, rng)
    elif kind in ("bun", "ponytail", "pigtails"):
        line_kind = str(rng.choice(["natural", "sweep", "fringe", "tufts"]))
        volume, low = 0.6 * v, rng.uniform(-0.08, 0.04)
        parts += _tied(i, kind, behind, rng)
    elif kind == "spiky":
        line_kind, low = "tufts", rng.uniform(-0.02, 0.08)
    elif kind == "crop":
        line_kind = str(rng.choice(["natural", "peak", "natural", "tufts"]))
        volume = 0.7 * v
    outer = cap_contour(i, volume, low, lift=lift)
    if kind == "quiff":
        s = np.sign(i.part + 1e-9)
        outer[4:11, 0] += 0.06 * s * np.sin(np.linspace(0, np.pi, 7))
        outer[4:11, 1] -= 0.05 * np.sin(np.linspace(0, np.pi, 7))
    line = hairline(i, line_kind, rng, low)
    if kind in ("afro", "curls"):
        grow = (0.09 + 0.1 * i.hair_volume) if kind == "afro" else 0.03 + 0.04 * i.hair_volume
        reach = rng.uniform(0.0, 0.25) if kind == "afro" else rng.uniform(-0.05, 0.1)
        size = 0.035 if kind == "afro" else rng.uniform(0.05, 0.085)
        ring = curve(cap_contour(i, grow, reach), 3)
        outer = curve(curls(ring, size, rng, False), 2)
        if kind == "curls" and rng.random() < 0.7:
            line = curve(curls(hairline(i, "natural", rng, low) * (1, 0.94), 0.5 * size, rng,
                                False), 2)
        parts.append(Part(curve(cap_contour(i, 0.9 * grow, reach + 0.08), 3), -0.15, behind, "back",
                          strands=True))
        strands = 0
    elif kind == "spiky":
        outer = spikes(i, outer, rng)
    else:
        outer = curve(outer, 3)
    xy, z = _sheet(outer, line)
    alpha = 0.62 if kind == "buzz" else 1.0
    index = len(parts)
    parts.append(Part(xy, z, colour, "front", strands=True, alpha=alpha))
    if i.shading != "soft" and strands and i.hair_length > 0.25:
        parts += _strands(i, outer, line, index, "front", rng, strands)
    if kind in ("afro", "curls") and i.shading != "soft":
        for _ in range(7):
            at = outer[int(rng.integers(len(outer)))] * rng.uniform(0.75, 0.9)
            ring = oval(at, 0.022, 0.022)[int(rng.integers(10)) :][:11]
            parts.append(Part(ring, 0.1, tone(colour, rng.choice([0.75, 1.25])), "front", 0.01,
                              lit=False, outlined=False, within=index))
    if i.shading == "cel" and kind != "buzz":
        y = -0.3 - i.cap * 0.8
        band = np.array([[-0.8 * i.width, y + 0.13], [-0.3 * i.width, y], [0.3 * i.width, y],
                         [0.8 * i.width, y + 0.13]])
        parts.append(Part(curve(band, 5), 0.1, mix(colour, (255, 255, 255), 0.4), "front", 0.026,
                          lit=False, outlined=False, within=index, alpha=0.75))
    if line_kind in ("curtain", "sweep") and kind in ("long", "wavy", "bob"):
        parts += _locks(i, volume, length, rng, colour)
    return parts


def _locks(i: Identity, volume: float, length: float, rng: np.random.Generator,
           colour) -> list[Part]:
    """Two locks that fall beside the face."""
    w = i.width
    end = min(length, rng.uniform(0.35, 0.9))
    out = []
    for s in (-1, 1):
        outer = np.array([[w + 0.7 * volume, -0.25], [w + 1.1 * volume, 0.0],
                          [w * 1.0 + 1.2 * volume, 0.25], [w * 0.95 + volume, end]])
        inner = np.array([[w * 0.8, end - 0.04], [w * 0.93, 0.24], [w * 0.97, 0.0],
                          [w * 0.86, -0.25]])
        xy = np.concatenate([curve(outer, 4), curve(inner, 4)]) * (s, 1)
        out.append(Part(xy, 0.12, colour, "front", strands=True, hangs=True))
    return out


def _receding(i: Identity, v: float, rng: np.random.Generator) -> list[Part]:
    """Hair on both sides only."""
    w = i.width
    out = []
    high = rng.uniform(-0.5, -0.36)
    for s in (-1, 1):
        xy = np.array([[0.95 * w, 0.03], [0.93 * w * i.temple, -0.13], [0.9 * w * i.temple, -0.26],
                       [0.84 * i.forehead * w, high + 0.04], [0.92 * i.forehead * w, high - 0.06],
                       [w * 0.98 + v, -0.3], [w + 1.2 * v, -0.12], [w * 1.0 + 0.6 * v, 0.05]])
        z = np.array([NAN, NAN, NAN, NAN, 0.05, -0.02, -0.02, -0.02])
        out.append(Part(xy * (s, 1), z, i.palette.hair, "front", strands=True))
    if rng.random() < 0.4:
        top = curve(cap_contour(i, 0.01, -0.3, 13)[3:10], 3)
        back = top[::-1] * (0.8, 1) + (0, 0.06)
        out.append(Part(np.concatenate([top, back]), 0.0, i.palette.hair, "front", strands=True,
                        alpha=0.5, outlined=False))
    return out


def _mohawk(i: Identity, rng: np.random.Generator) -> list[Part]:
    w = i.width
    shaved, z = _sheet(curve(cap_contour(i, 0.006, -0.02), 3), hairline(i, "natural", rng, -0.02))
    half = rng.uniform(0.16, 0.3) * w
    top = -0.5 - i.cap
    high = rng.uniform(0.12, 0.28)
    count = 5
    xs = np.linspace(-half, half, count * 2 + 1)
    crest = [[x * 1.25, top - high * (1 - 0.5 * (x / half) ** 2) * (1 if k % 2 else 0.72)]
             for k, x in enumerate(xs)]
    base = [[0.75 * half, -0.5], [0, -0.46], [-0.75 * half, -0.5]]
    crest = np.concatenate([[[-half, top + 0.05]], crest, [[half, top + 0.05]], base])
    depth = np.full(len(crest), 0.03)
    depth[-3:] = NAN
    return [Part(shaved, z, i.palette.brow, "front", alpha=0.35, outlined=False),
            Part(crest, depth, i.palette.hair, "front", strands=True)]


def _tied(i: Identity, kind: str, colour, rng: np.random.Generator) -> list[Part]:
    """A bun, a tail or two."""
    top = -0.5 - i.cap
    if kind == "bun":
        r = rng.uniform(0.1, 0.17)
        at = (rng.uniform(-0.08, 0.08), top - 0.45 * r)
        shape = oval(at, 1.1 * r, r)
        return [Part(shape, -0.12, colour, "back", strands=True)]
    sides = (1 if i.part > 0 else -1,) if kind == "ponytail" else (-1, 1)
    high = rng.uniform(-0.62, -0.3) if kind == "ponytail" else rng.uniform(-0.5, -0.1)
    long = rng.uniform(0.35, 0.95)
    out = []
    for s in sides:
        x = i.width * 0.95
        xy = np.array([[x - 0.04, high - 0.03], [x + 0.1, high - 0.07], [x + 0.19, high + 0.12],
                       [x + 0.17, high + 0.6 * long], [x + 0.08, high + long],
                       [x + 0.04, high + 0.6 * long], [x + 0.02, high + 0.15]])
        out.append(Part(curve(xy, 4, True) * (s, 1), -0.12, colour, "back", strands=True,
                        hangs=high > -0.3))
        out.append(Part(oval((s * (x + 0.02), high), 0.04, 0.05), -0.1, i.palette.cloth, "back"))
    return out
