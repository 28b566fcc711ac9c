"""Lips, teeth and tongue."""

from __future__ import annotations

import numpy as np

from .canvas import GROWTH, Canvas, curve, mix, oval, tone
from .pose import Pose, smooth


def lips(pose: Pose) -> dict[str, np.ndarray]:
    """The mouth's curves in the picture, by the names of ``Pose.mouth``."""
    return {name: pose.on_face(xy, pose.lip_depth(xy)) for name, xy in pose.mouth().items()}


def _ring(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return np.concatenate([upper, lower[::-1]])


def _hole(canvas: Canvas, m: dict[str, np.ndarray]) -> np.ndarray:
    """What is between the lips, less what painting adds to a shape."""
    gap = m["bottom"] - m["top"]
    far = np.sqrt((gap * gap).sum(1, keepdims=True)) + 1e-6
    trim = gap / far * np.minimum(GROWTH / canvas.supersample, 0.4 * far)
    return _ring(m["top"] + trim, m["bottom"] - trim)


def interior(canvas: Canvas, pose: Pose, m: dict[str, np.ndarray]) -> None:
    """What is seen between the lips: throat, tongue and teeth."""
    i, s = pose.identity, pose.shape
    opened = float(s.open) * pose.unit
    if opened < 0.35:
        return
    p = i.palette
    down = m["bottom"][8] - m["top"][8]
    height = np.linalg.norm(down) + 1e-6
    down /= height
    hole = _hole(canvas, m)
    width = np.linalg.norm(m["top"][16] - m["top"][0])
    soft = i.shading == "soft"
    with canvas.inside(hole) as c:
        c.fill(hole, p.inside)
        # the tongue lies on the lower teeth, and is lifted to the upper ones by th and l
        lift = float(s.tongue)
        rise = (0.3 + 0.5 * lift) * height
        reach = min(0.4 * width, 0.115 * pose.unit)
        tall = 0.5 * rise + 0.2 * height
        tip = m["bottom"][8] - down * rise
        tongue = oval(tip + down * tall, reach, tall, pose.roll)
        colour = mix(p.inside, p.tongue, 0.75 + 0.25 * lift)
        c.fill(tongue, colour)
        if soft and height > 4:
            c.stroke(np.stack([tip + down * 0.3 * rise, m["bottom"][8]]), tone(colour, 0.75),
                     0.012 * pose.unit)
        if soft:
            shadow = _ring(m["top"], m["top"] + down * (0.3 * height))
            c.glaze(shadow, tone(p.inside, 0.6), 0.5)
        show = float(s.teeth)
        band = min(0.045 * pose.unit, 0.5 * height + 0.5) * show
        if band > 0.25:
            bend = (1 - np.linspace(-1, 1, 17) ** 2)[:, None]
            edge = m["top"] + down * band * (0.55 + 0.45 * bend)
            teeth = _ring(m["top"] - down, edge)
            c.fill(teeth, p.teeth if not soft else mix(p.inside, p.teeth, 0.88))
            if soft and width > 18:
                k = [3, 5, 7, 8, 9, 11, 13]
                c.line(np.stack([m["top"][k], edge[k]], 1), tone(p.teeth, 0.8),
                       0.003 * pose.unit)
        low = 0.35 * show * smooth(height / pose.unit, 0.05, 0.12) * (1 - lift)
        if low * 0.04 * pose.unit > 0.4 and i.style.name != "anime":
            edge = m["bottom"] - down * (0.04 * low * pose.unit)
            c.fill(_ring(edge, m["bottom"] + down), mix(p.inside, p.teeth, 0.62))


def _flat_lips(canvas: Canvas, pose: Pose, m: dict[str, np.ndarray], colour) -> None:
    up = _ring(m["outer_top"], m["top"])
    low = _ring(m["bottom"], m["outer_bottom"])
    canvas.fill(up, tone(colour, 0.9))
    canvas.fill(low, colour)


def _bitten(canvas: Canvas, pose: Pose, m: dict[str, np.ndarray]) -> None:
    """The upper teeth on the lower lip."""
    tuck = float(pose.shape.tuck)
    if tuck < 0.15:
        return
    i = pose.identity
    down = m["outer_bottom"][8] - m["outer_top"][8]
    down /= np.linalg.norm(down) + 1e-6
    top = m["top"][3:14]
    bend = (1 - np.linspace(-1, 1, 11) ** 4)[:, None]
    edge = top + down * (0.022 * tuck * pose.unit) * bend
    canvas.fill(_ring(top, edge), i.palette.teeth)


def draw_mouth(canvas: Canvas, pose: Pose, colour) -> None:
    """The mouth in the manner of the identity; ``colour`` of its lips."""
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    m = lips(pose)
    opened = float(pose.shape.open)
    line = max(i.outline, 0.009)
    if i.mouth == "slot":
        _slot(canvas, pose, m)
        return
    if i.mouth == "muzzle":
        interior(canvas, pose, m)
        ink = p.line
        tip = pose.on_face(pose.nose()[1:2], pose.nose_depth()[1])[0]
        canvas.stroke(np.stack([tip, (tip + m["top"][8]) / 2, m["top"][8]]), ink, 0.014 * u,
                      (0.8, 0.8))
        # a W: the line dips on both sides of the middle
        canvas.stroke(m["top"], ink, 0.017 * u, (0.5, 0.5))
        if opened > 0.004:
            canvas.stroke(m["bottom"], ink, 0.015 * u, (0.4, 0.4))
        for side, k in ((-1, 0), (1, 16)):
            end = m["top"][k]
            hook = end + u * np.array([[0, 0], [side * 0.012, -0.008], [side * 0.022, -0.024]])
            canvas.stroke(curve(hook, 4), ink, 0.014 * u, (0.8, 0.3))
        _bitten(canvas, pose, m)
        return
    if i.mouth == "toon":
        interior(canvas, pose, m)
        if opened > 0.004:
            canvas.stroke(m["top"], p.line, 1.15 * line * u, (0.7, 0.7))
            canvas.stroke(m["bottom"], p.line, 0.9 * line * u, (0.7, 0.7))
        else:
            canvas.stroke(m["top"], p.line, 1.2 * line * u, (0.35, 0.35))
        if "lipstick" in i.extras:
            canvas.glaze(_ring(m["bottom"], m["outer_bottom"]), colour, 0.7)
        elif i.style.name != "anime" or i.extras.get("front", 1) > 0.5:
            under = m["outer_bottom"][5:12] + (0, 0.014 * u)
            canvas.stroke(under, mix(p.skin, p.line, 0.35), 0.6 * line * u)
        _bitten(canvas, pose, m)
        return
    if i.mouth == "lips":
        _flat_lips(canvas, pose, m, colour)
        interior(canvas, pose, m)
        if i.outline > 0.004:
            canvas.line(_ring(m["outer_top"], m["outer_bottom"]), p.line, 0.6 * i.outline * u, True)
        if opened < 0.012:
            canvas.stroke(m["top"], tone(colour, 0.55), 0.009 * u, (0.5, 0.5))
        _bitten(canvas, pose, m)
        return
    # real: soft edges, darker upper lip, a light on the lower one
    ring = _ring(m["outer_top"], m["outer_bottom"])
    strength = 0.95 if "lipstick" in i.extras else 0.82
    with canvas.glazing(ring, strength) as c:
        _flat_lips(c, pose, m, colour)
    low = 0.5 * (m["bottom"] + m["outer_bottom"])
    shine = 0.25 + 0.5 * i.gloss
    canvas.glaze(oval(low[8] + (0.1 * u * i.light[0], 0), 0.3 * i.mouth_w * u,
                      0.2 * i.lip_low * u), mix(colour, (255, 250, 245), 0.5), shine)
    interior(canvas, pose, m)
    seam = tone(mix(colour, p.inside, 0.45), 0.72)
    canvas.stroke(m["top"], seam, (0.011 if opened < 0.01 else 0.007) * u, (0.25, 0.25))
    for k in (0, 16):
        canvas.glaze(oval(m["outer_top"][k], 0.011 * u, 0.009 * u), seam, 0.35)
    _bitten(canvas, pose, m)


def _slot(canvas: Canvas, pose: Pose, m: dict[str, np.ndarray]) -> None:
    """A robot's: a frame of metal, and bars of light behind it."""
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    frame = _ring(m["outer_top"], m["outer_bottom"])
    canvas.fill(frame, tone(p.skin, 0.42))
    hole = _hole(canvas, m)
    opened = float(pose.shape.open)
    if opened * u > 0.35:
        glow = p.tongue
        down = m["bottom"][8] - m["top"][8]
        with canvas.inside(hole) as c:
            c.fill(hole, p.inside)
            if i.hair_length < 0.5:  # a grille
                for k in range(2, 16, 2):
                    c.line(np.stack([m["top"][k], m["bottom"][k]]), tone(p.skin, 0.75), 0.014 * u)
            else:
                core = m["top"] + down * 0.5
                c.stroke(core, mix(p.inside, glow, 0.6), 0.55 * np.linalg.norm(down), (0.3, 0.3))
                c.stroke(core, glow, 0.25 * np.linalg.norm(down), (0.2, 0.2))
            if float(pose.shape.tongue) > 0.1:
                c.glaze(oval(m["bottom"][8], 0.3 * i.mouth_w * u, 0.03 * u), glow, 0.8)
    else:
        canvas.stroke(m["top"], tone(p.skin, 0.15), 0.009 * u, (1, 1))
    canvas.line(frame, mix(p.line, tone(p.skin, 0.25), 0.5), max(i.outline, 0.008) * u, True)
