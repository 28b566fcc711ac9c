"""Ears of people and animals, and what is worn: hats, glasses, earrings, headphones."""

from __future__ import annotations

import numpy as np

from .canvas import curve, mix, oval, tone
from .identity import Identity
from .parts import Part

NAN = np.nan


def ear_parts(i: Identity, rng: np.random.Generator) -> list[Part]:
    """Behind the face."""
    p, w = i.palette, i.width
    out: list[Part] = []
    if i.kind == "human":
        pointed = i.palette.skin[1] > i.palette.skin[0] or rng.random() < 0.02
        for s in (-1, 1):
            x, y = 0.95 * w, i.ear_y
            h, e = 0.5 * i.ear_h, i.ear_w
            ear = np.array([[x - 0.02, y - h], [x + 0.7 * e, y - 1.25 * h], [x + e, y - 0.5 * h],
                            [x + 0.75 * e, y + 0.4 * h], [x + 0.3 * e, y + 1.1 * h],
                            [x - 0.02, y + 0.9 * h]])
            if pointed:
                ear[1] = [x + 1.6 * e, y - 1.9 * h]
            skin = tone(p.skin, 0.94)
            out.append(Part(curve(ear, 4, True) * (s, 1), -0.02, skin, "behind"))
            fold = np.array([[x + 0.2 * e, y - 0.8 * h], [x + 0.62 * e, y - 0.6 * h],
                             [x + 0.6 * e, y], [x + 0.25 * e, y + 0.5 * h]])
            out.append(Part(curve(fold, 4) * (s, 1), -0.015, tone(p.skin, 0.7), "behind", 0.013,
                            (0.3, 0.3), outlined=False))
            if "earrings" in i.extras:
                r = 0.014 + 0.02 * i.extras["earrings"]
                hoop = oval((s * (x + 0.25 * e), y + 1.15 * h + 0.8 * r), r, r)
                gold = (232, 190, 80) if i.extras["earrings"] < 0.6 else p.trim
                if i.extras["earrings"] < 0.35:
                    out.append(Part(np.concatenate([hoop, hoop[:2]]), 0.0, gold, "behind", 0.012,
                                    (1, 1)))
                else:
                    out.append(Part(hoop, 0.0, gold, "behind"))
        return out
    if i.kind == "robot":
        for s in (-1, 1):
            x, y, h = 0.96 * w, i.ear_y, i.ear_h
            bolt = np.array([[x - 0.04, y - h], [x + 0.05, y - 0.8 * h], [x + 0.05, y + 0.8 * h],
                             [x - 0.04, y + h]])
            out.append(Part(bolt * (s, 1), -0.02, tone(p.skin, 0.6), "behind"))
            cap = np.array([[x + 0.04, y - 0.4 * h], [x + 0.09, y - 0.35 * h],
                            [x + 0.09, y + 0.35 * h], [x + 0.04, y + 0.4 * h]])
            out.append(Part(cap * (s, 1), -0.02, tone(p.skin, 0.8), "behind"))
        if i.part > -0.3:
            top = -0.5 - i.cap
            spread = (0,) if i.part < 0.4 else (-0.16, 0.16)
            for x in spread:
                out.append(Part(np.array([[x, top + 0.06], [x * 1.4, top - 0.1],
                                          [x * 1.6, top - 0.2]]), 0.0, tone(p.skin, 0.5),
                                "behind", 0.022, (1, 1)))
                out.append(Part(oval((x * 1.6, top - 0.22), 0.04, 0.04), 0.0, p.tongue, "behind",
                                lit=False))
        return out
    return _animal_ears(i)


def _animal_ears(i: Identity) -> list[Part]:
    p, w = i.palette, i.width
    inner = mix(p.skin, (240, 160, 160), 0.55)
    f, top = i.forehead * w, -0.5 - i.cap
    big = 0.8 + 0.5 * i.hair_length
    out = []
    for s in (-1, 1):
        if i.kind in ("cat", "fox"):
            tip = [f * 1.25, top - 0.26 * big]
            ear = np.array([[f * 1.15 + 0.02, -0.36], tip, [f * 0.35, top + 0.07]])
            ear = np.concatenate([curve(np.array([ear[0], 0.5 * (ear[0] + ear[1]) + (0.03, 0),
                                                  ear[1]]), 4),
                                  curve(np.array([ear[1], 0.5 * (ear[1] + ear[2]) - (0.0, 0.02),
                                                  ear[2]]), 4)])
            small = ear.mean(0) + 0.6 * (ear - ear.mean(0)) + (0, 0.01)
        elif i.kind in ("bear", "mouse", "pig"):
            r = (0.15 if i.kind != "mouse" else 0.24) * big
            at = np.array([f * 1.08, top + 0.1 - 0.3 * r])
            if i.kind == "pig":
                ear = curve(at + np.array([[-0.12, 0.05], [0.0, -0.16], [0.16, -0.05],
                                           [0.1, 0.1]]) * big, 4, True)
            else:
                ear = oval(at, r, r)
            small = at + 0.62 * (ear - at) + (0, 0.1 * r)
        elif i.kind == "dog":
            ear = curve(np.array([[f * 0.7, top + 0.06], [f * 1.25, top + 0.0],
                                  [w * 1.22, -0.2], [w * 1.25, 0.1 * big + 0.05],
                                  [w * 1.02, 0.06 * big + 0.05], [w * 0.86, -0.22]]), 4, True)
            small = None
        elif i.kind == "rabbit":
            at = np.array([f * 0.62, top - 0.2 * big])
            ear = oval(at, 0.1, 0.34 * big, 0.14 * s)
            small = oval(at + (0, 0.02), 0.055, 0.26 * big, 0.14 * s)
        else:  # what a frog's eyes stand in
            r = 1.6 * i.eye_w * max(i.lid_up, 0.9)
            ear, small = oval((i.eye_x * w, i.eye_y - 0.03), 1.05 * r, r), None
        layer = "front" if i.kind == "dog" else "behind"
        z = 0.06 if i.kind == "dog" else -0.02
        colour = p.skin if i.kind != "dog" else tone(p.skin, 0.72)
        out.append(Part(ear * (s, 1), z, colour, layer))
        if small is not None:
            out.append(Part(small * (s, 1), z, inner, layer, outlined=False))
    return out


def _rim(centre, rx: float, ry: float, square: float) -> np.ndarray:
    """From an ellipse (square 0) to a rounded box (1)."""
    a = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    c, s = np.cos(a), np.sin(a)
    power = 1 - 0.6 * square
    return np.stack([centre[0] + rx * np.sign(c) * np.abs(c) ** power,
                     centre[1] + ry * np.sign(s) * np.abs(s) ** power], 1)


def glasses_parts(i: Identity) -> list[Part]:
    name = "sunglasses" if "sunglasses" in i.extras else "glasses"
    if name not in i.extras:
        return []
    value = i.extras[name]
    dark = name == "sunglasses"
    colour = ((24, 22, 26), (120, 76, 40), (190, 160, 90), i.palette.trim)[int(value * 3.99)]
    x = i.eye_x * i.width
    rx = min(max(1.3 * i.eye_w, 0.1), 0.98 * x - 0.012)
    ry = max(rx * (0.66 + 0.3 * i.hair_length), 1.15 * i.eye_w * max(i.lid_up, i.lid_low))
    thick = 0.008 + 0.014 * i.hair_length
    y = i.eye_y + 0.015
    out = []
    for s in (-1, 1):
        rim = _rim((s * x, y), rx, ry, (value * 7) % 1)
        z = NAN
        glass = (16, 16, 20) if dark else (225, 238, 246)
        out.append(Part(rim, z, glass, "glasses", lit=False, outlined=False,
                        alpha=0.86 if dark else 0.13))
        out.append(Part(np.concatenate([rim, rim[:2]]), z, colour, "glasses", thick, (1, 1),
                        lit=False))
        glint = np.array([[s * x - 0.55 * rx, y + 0.1 * ry], [s * x - 0.25 * rx, y - 0.6 * ry]])
        out.append(Part(glint, z, (255, 255, 255), "glasses", 0.012, (0.4, 0.4), lit=False,
                        alpha=0.5))
        arm = np.array([[s * (x + rx), y - 0.2 * ry], [s * i.width * 0.99, y - 0.25 * ry]])
        out.append(Part(arm, NAN, colour, "glasses", thick, (1, 1), lit=False))
    bridge = curve(np.array([[-(x - rx), y - 0.1 * ry], [0, y - 0.28 * ry],
                             [x - rx, y - 0.1 * ry]]), 4)
    out.append(Part(bridge, np.full(len(bridge), 0.43), colour, "glasses", thick, (1, 1),
                    lit=False))
    return out


def worn_parts(i: Identity, rng: np.random.Generator) -> list[Part]:
    """What is over the hair."""
    p, w = i.palette, i.width
    out: list[Part] = []
    top = -0.5 - i.cap
    side = w * max(i.temple, 0.9)
    if "hat" in i.extras and i.kind not in ("rabbit", "frog"):
        kind = int(i.extras["hat"] * 4.99)
        rise = 0.06 + 0.03 * i.hair_volume
        y = min(i.eye_y - i.brow_up - 0.12, -0.34)
        z_top = np.full(13, 0.0)
        a = np.linspace(np.pi, 0, 13)
        dome = np.stack([(side + rise) * np.cos(a), y - (y - top + rise) * np.sin(a)], 1)
        under = np.array([[side, y], [0.5 * w, y + 0.035], [0, y + 0.045], [-0.5 * w, y + 0.035],
                          [-side, y]])
        xy = np.concatenate([dome, curve(under, 3)])
        z = np.concatenate([z_top, np.full(len(xy) - 13, NAN)])
        colour = p.trim if i.hair_length > 0.5 else p.cloth
        if kind in (0, 1):  # a cap or a beanie
            out.append(Part(xy, z, colour, "worn"))
            if kind == 0:
                peak = np.array([[-0.7 * w, y + 0.02], [0, y - 0.02], [0.7 * w, y + 0.02],
                                 [0.62 * w, y + 0.1], [0, y + 0.12], [-0.62 * w, y + 0.1]])
                depth = np.array([0.3, 0.34, 0.3, 0.5, 0.55, 0.5])
                smooth = curve(np.concatenate([peak, depth[:, None]], 1), 4, True)
                out.append(Part(smooth[:, :2], smooth[:, 2], tone(colour, 0.8), "worn"))
            else:
                band = np.concatenate([curve(under[::-1], 3) + (0, 0.01),
                                       curve(under, 3) - (0, 0.1)])
                out.append(Part(band * (1.03, 1), NAN, tone(colour, 0.82), "worn"))
                if i.part > 0:
                    out.append(Part(oval((0, top - rise - 0.02), 0.07, 0.07), 0.0, p.second,
                                    "worn"))
        elif kind in (2, 3):  # a brim
            out.append(Part(xy, z, colour, "worn"))
            ribbon = np.concatenate([curve(under[::-1], 3) * (1.06, 1) + (0, 0.0),
                                     curve(under, 3) * (1.06, 1) - (0, 0.07)])
            out.append(Part(ribbon, NAN, tone(colour, 0.5), "worn", outlined=False))
            # a disc that leans forward; its back half is behind the head
            flat = oval((0, 0), (side + rise) * 1.5, 0.62 if kind == 2 else 0.5, 0, 28)
            for layer, low in (("behind", -1.0), ("worn", 0.0)):
                deep = np.maximum(flat[:, 1], low)
                brim = np.stack([flat[:, 0], y + 0.13 * deep + 0.01], 1)
                out.append(Part(brim, 0.02 + deep, tone(colour, 0.92), layer))
        else:  # a crown
            points = [[-side, y], [-side, y - 0.16], [-0.6 * w, y - 0.08], [-0.32 * w, y - 0.22],
                      [0, y - 0.1], [0.32 * w, y - 0.22], [0.6 * w, y - 0.08], [side, y - 0.16],
                      [side, y], [0.5 * w, y + 0.035], [0, y + 0.045], [-0.5 * w, y + 0.035]]
            out.append(Part(np.array(points), 0.2, (236, 196, 76), "worn"))
            for x in (-0.32, 0.0, 0.32):
                out.append(Part(oval((x * w, y - 0.05), 0.025, 0.025), 0.32, p.trim, "worn",
                                lit=False))
    if "headband" in i.extras:
        y = -0.5 - 0.25 * i.cap
        arc = np.array([[-side - 0.02, y + 0.25], [-0.7 * w, y + 0.03], [0, y - 0.03],
                        [0.7 * w, y + 0.03], [side + 0.02, y + 0.25]])
        out.append(Part(curve(arc, 4), NAN, p.trim, "worn", 0.05, (1, 1)))
    if "headphones" in i.extras and i.kind in ("human", "robot"):
        a = np.linspace(np.pi, 0, 15)
        band = np.stack([(side + 0.08) * np.cos(a), -0.1 - (0.5 + i.cap - 0.02) * np.sin(a)], 1)
        dark = tone(p.trim, 0.55)
        out.append(Part(band, -0.02, dark, "worn", 0.045, (1, 1)))
        for s in (-1, 1):
            out.append(Part(oval((s * (w + 0.04), i.ear_y), 0.075, 0.12), 0.0, p.trim, "worn"))
            out.append(Part(oval((s * (w + 0.06), i.ear_y), 0.045, 0.08), 0.02, dark, "worn"))
    if "bow" in i.extras:
        s = 1 if i.part > 0 else -1
        at = np.array([s * 0.55 * w, top + 0.04])
        for k in (-1, 1):
            wing = at + np.array([[0, 0], [k * 0.12, -0.08], [k * 0.14, 0.06]])
            out.append(Part(curve(wing, 3, True), 0.15, p.trim, "worn"))
        out.append(Part(oval(at, 0.03, 0.03), 0.16, tone(p.trim, 0.8), "worn"))
    return out


def front_parts(i: Identity) -> list[Part]:
    """Things before the face that hide a little of it."""
    if "front" not in i.extras:
        return []
    p, s = i.palette, 1 if i.part > 0 else -1
    value = i.extras["front"]
    if value < 0.45:  # a microphone on a stand
        at = np.array([s * 0.3, 0.62])
        stem = np.stack([at + (s * 0.02, 0.06), at + (s * 0.2, 0.9)])
        grid = oval(at, 0.085, 0.1, -0.25 * s)
        dark = (52, 52, 58)
        return [Part(stem, 0.6, dark, "top", 0.045, (1, 1), body=True),
                Part(grid, 0.6, (120, 122, 128), "top", body=True),
                Part(at + np.array([[-0.09, 0.03], [0.09, 0.03]]), 0.6, dark, "top", 0.018, (1, 1),
                     body=True)]
    if value < 0.75:  # a raised hand at the cheek
        at = np.array([s * (0.75 * i.width + 0.02), 0.46])
        out = []
        arm = np.stack([at + (s * 0.02, 0.12), at + (s * 0.16, 1.2)])
        out.append(Part(arm, 0.5, tone(p.skin, 0.9), "top", 0.15, (1, 1), body=True))
        for k in range(4):
            tip = at + (s * (0.075 * k - 0.1), -0.13 - 0.03 * (k in (1, 2)))
            finger = np.stack([at + (s * (0.05 * k - 0.06), 0.1), 0.5 * (tip + at), tip])
            out.append(Part(finger, 0.5, tone(p.skin, 0.98 - 0.04 * (k % 2)), "top", 0.062,
                            (0.9, 0.75), body=True))
        return out
    # a flower held up
    at = np.array([s * 0.42, 0.52])
    out = [Part(curve(np.stack([at, at + (s * 0.06, 0.4), at + (s * 0.02, 1.1)]), 5), 0.5,
                (84, 130, 74), "top", 0.022, (1, 1), body=True)]
    for k in range(6):
        a = k * np.pi / 3
        petal = oval(at + 0.07 * np.array([np.cos(a), np.sin(a)]), 0.06, 0.036, a)
        out.append(Part(petal, 0.5, p.trim, "top", body=True))
    out.append(Part(oval(at, 0.035, 0.035), 0.5, (240, 200, 80), "top", body=True))
    return out
