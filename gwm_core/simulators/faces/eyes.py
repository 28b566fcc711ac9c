"""Eyes and brows in several manners."""

from __future__ import annotations

import numpy as np

from .canvas import GROWTH, Canvas, curve, mix, oval, ribbon, tone
from .pose import Pose


def _placed(canvas: Canvas, pose: Pose, eye: dict) -> dict:
    """The lids and the iris in the picture, and how wide things near the eye are drawn."""
    upper, lower = pose.on_face(eye["upper"]), pose.on_face(eye["lower"])
    iris = pose.on_face(eye["iris"][None])[0]
    wide = np.linalg.norm(upper[16] - upper[0]) / (2 * eye["w"] * pose.unit + 1e-6)
    gap = lower - upper
    trim = gap * np.minimum(0.4, GROWTH / canvas.supersample
                            / (np.sqrt((gap * gap).sum(1, keepdims=True)) + 1e-6))
    return {"upper": upper, "lower": lower, "iris": iris, "slim": wide,
            "ring": np.concatenate([upper + trim, (lower - trim)[::-1]])}


def draw_eye(canvas: Canvas, pose: Pose, side: int) -> None:
    """The eye of the viewer's left (-1) or right (1)."""
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    eye = pose.eye(side)
    at = _placed(canvas, pose, eye)
    kind = i.eyes
    w = eye["w"] * u
    shut = eye["open"] * u < 0.12 * w
    if kind == "dot":
        _dot(canvas, pose, eye, at, shut)
        return
    if kind == "led":
        _led(canvas, pose, eye, at)
        return
    ring = at["ring"]
    soft = i.shading == "soft"
    if not shut:
        radius = i.iris * w
        with canvas.inside(ring) as c:
            white = p.white if kind != "bead" else mix(p.iris, (20, 14, 12), 0.75)
            c.fill(ring, white)
            if soft and kind == "real":
                for k in (0, 16):  # the ball turns away towards the corners
                    c.glaze(oval(ring[k], 0.55 * w, 0.5 * w), tone(p.white, 0.72), 0.5)
            if kind == "anime":
                _anime_iris(c, pose, at, radius)
            elif kind == "bead":
                _bead_iris(c, pose, at, w)
            elif kind == "oval":
                c.fill(oval(at["iris"], radius * at["slim"], radius * 1.05), (22, 18, 20))
                c.fill(oval(at["iris"] + w * np.array([-0.13, -0.17]), 0.14 * w, 0.14 * w),
                       (255, 255, 255))
            else:
                _iris(c, pose, at, radius, soft)
            # the upper lid throws a shadow on the ball
            drop = (0, 0.16 * w)
            shadow = np.concatenate([at["upper"], (at["upper"] + drop)[::-1]])
            if kind in ("real", "anime"):
                c.glaze(shadow, tone(p.skin, 0.35), 0.38)
    _lids(canvas, pose, eye, at, shut, side)


def _iris(c: Canvas, pose: Pose, at: dict, radius: float, soft: bool) -> None:
    i, p = pose.identity, pose.identity.palette
    centre, slim = at["iris"], at["slim"]
    c.fill(oval(centre, radius * slim, radius), tone(p.iris, 0.55))
    c.fill(oval(centre, 0.86 * radius * slim, 0.86 * radius), p.iris)
    if soft:
        c.glaze(oval(centre + (0, 0.3 * radius), 0.6 * radius * slim, 0.45 * radius),
                tone(p.iris, 1.5), 0.55)
    c.fill(oval(centre, 0.44 * radius * slim, 0.44 * radius), (14, 11, 12))
    spot = centre + radius * np.array([0.38 * np.sign(i.light[0] + 1e-9), -0.38])
    c.fill(oval(spot, 0.2 * radius, 0.2 * radius), (252, 252, 255))


def _anime_iris(c: Canvas, pose: Pose, at: dict, radius: float) -> None:
    """Tall, dark above and bright below, with two lights."""
    p = pose.identity.palette
    centre, slim = at["iris"], at["slim"]
    tall = 1.3 * radius
    c.fill(oval(centre, radius * slim, tall), tone(p.iris, 0.38))
    c.fill(oval(centre + (0, 0.1 * tall), 0.86 * radius * slim, 0.84 * tall), tone(p.iris, 0.8))
    c.fill(oval(centre + (0, 0.42 * tall), 0.68 * radius * slim, 0.48 * tall), tone(p.iris, 1.25))
    c.fill(oval(centre, 0.36 * radius * slim, 0.5 * tall), tone(p.iris, 0.22))
    c.fill(oval(centre + radius * np.array([-0.35, -0.52]), 0.3 * radius, 0.36 * radius),
           (255, 255, 255))
    c.fill(oval(centre + radius * np.array([0.38, 0.5]), 0.16 * radius, 0.18 * radius),
           mix(p.iris, (255, 255, 255), 0.8))


def _bead_iris(c: Canvas, pose: Pose, at: dict, w: float) -> None:
    """A dark shining eye with a rim of colour."""
    p = pose.identity.palette
    centre, slim = at["iris"], at["slim"]
    c.fill(oval(centre, 0.8 * w * slim, 0.82 * w), mix(p.iris, (30, 20, 16), 0.35))
    c.fill(oval(centre, 0.6 * w * slim, 0.62 * w), (16, 12, 12))
    c.fill(oval(centre + w * np.array([-0.24, -0.3]), 0.22 * w, 0.22 * w), (255, 255, 255))
    c.fill(oval(centre + w * np.array([0.24, 0.26]), 0.1 * w, 0.1 * w), (214, 214, 220))


def _dot(canvas: Canvas, pose: Pose, eye: dict, at: dict, shut: bool) -> None:
    p, w = pose.identity.palette, eye["w"] * pose.unit
    ink = mix(p.line, (18, 16, 20), 0.6)
    if shut:
        canvas.stroke(at["lower"], ink, 0.16 * w, (0.4, 0.4))
        return
    canvas.fill(at["ring"], ink)
    middle = at["ring"].mean(0)
    tall = eye["open"] * pose.unit
    m = pose.motion
    spot = middle + np.array([(-0.25 + 0.35 * m["gaze_x"]) * w,
                              (-0.2 - 0.2 * m["gaze_y"]) * tall])
    if tall > 0.7 * w:
        canvas.fill(oval(spot, 0.2 * w, 0.2 * w), (255, 255, 255))


def _led(canvas: Canvas, pose: Pose, eye: dict, at: dict) -> None:
    """A lamp behind glass, closed by a shutter."""
    i, p, w = pose.identity, pose.identity.palette, eye["w"] * pose.unit
    full = oval(pose.on_face([[eye["x"], eye["y"]]])[0], 1.16 * w * at["slim"],
                1.12 * w * max(i.lid_up, i.lid_low), 0, 28)
    canvas.fill(full, tone(p.skin, 0.5))
    canvas.line(full, tone(p.skin, 0.3), 0.008 * pose.unit, True)
    inner = oval(pose.on_face([[eye["x"], eye["y"]]])[0], 1.0 * w * at["slim"],
                 1.0 * w * max(i.lid_up, i.lid_low), 0, 28)
    canvas.fill(inner, tone(p.skin, 0.72))
    if eye["open"] * pose.unit < 0.12 * w:
        canvas.stroke(at["lower"], tone(p.skin, 0.2), 0.1 * w, (1, 1))
        return
    glow = p.iris
    with canvas.inside(at["ring"]) as c:
        c.fill(at["ring"], (16, 18, 24))
        r = i.iris * w
        c.glaze(oval(at["iris"], 1.5 * r, 1.5 * r), glow, 0.35)
        c.fill(oval(at["iris"], r * at["slim"], r), glow)
        c.fill(oval(at["iris"], 0.55 * r * at["slim"], 0.55 * r), mix(glow, (255, 255, 255), 0.6))
        c.glaze(oval(at["ring"][4] + (0.1 * w, 0.35 * w), 0.2 * w, 0.12 * w, -0.6),
                (255, 255, 255), 0.5)
    canvas.line(at["ring"], tone(p.skin, 0.2), 0.007 * pose.unit, True)


def _lids(canvas: Canvas, pose: Pose, eye: dict, at: dict, shut: bool, side: int) -> None:
    """Lid lines, lashes and the crease."""
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    w = eye["w"] * u
    kind = i.eyes
    outer = 0 if side < 0 else 16
    lashes = "lashes" in i.extras or "makeup" in i.extras
    upper, lower = at["upper"], at["lower"]
    if kind == "anime":
        ink = mix(p.line, tone(p.hair, 0.35), 0.35)
        thick = (0.2 + 0.1 * lashes) * w
        canvas.stroke(upper, ink, thick, (0.9, 0.3) if side < 0 else (0.3, 0.9))
        end = upper[outer]
        flick = end + w * np.array([[0, 0], [side * 0.12, -0.03], [side * 0.24, -0.16]])
        canvas.stroke(curve(flick, 3), ink, 0.6 * thick, (1, 0.1))
        if not shut:
            canvas.stroke(lower[4:13], ink, 0.06 * w, (0.3, 0.3))
            crease = upper[3:14] - (0, (0.2 + 0.1 * (1 - eye["blink"])) * w)
            canvas.stroke(crease, mix(p.skin, p.line, 0.45), 0.05 * w)
        return
    if kind in ("toon", "oval", "bead"):
        width = max(i.outline, 0.008) * u
        ink = p.line if kind != "bead" else mix(p.line, (16, 12, 12), 0.5)
        if shut:
            canvas.stroke(lower, ink, 1.3 * width, (0.5, 0.5))
        elif i.outline > 0.004:
            canvas.line(at["ring"], ink, 0.75 * width, True)
        if lashes or (eye["blink"] > 0.05 and not shut):
            canvas.stroke(upper, ink, (1.7 if lashes else 1.2) * width, (0.6, 0.6))
        if lashes and not shut:
            for k, reach in ((outer, 0.3), (3 if side < 0 else 13, 0.26)):
                tip = upper[k] + w * np.array([side * reach, -0.2])
                canvas.stroke(np.stack([upper[k], (upper[k] + tip) / 2 + (0, 0.02 * w), tip]), ink,
                              1.2 * width, (1, 0.1))
        return
    # real
    dark = mix(tone(p.skin, 0.3), p.line, 0.3)
    weight = 0.012 + 0.01 * lashes
    canvas.stroke(upper, dark, weight * u, (0.35, 0.8) if side > 0 else (0.8, 0.35))
    if lashes and not shut:
        k = np.arange(2, 16, 2)
        roots = upper[k if side > 0 else 16 - k]
        lean = np.stack([side * (0.1 + 0.07 * k), np.full(len(k), -0.85)], 1)
        tips = roots + (w * (0.1 + 0.014 * k))[:, None] * lean
        canvas.line(np.stack([roots, tips], 1), dark, 0.005 * u)
    if not shut:
        canvas.stroke(lower, mix(p.skin, dark, 0.45), 0.006 * u, (0.2, 0.2))
        inner = 16 - outer
        canvas.glaze(oval(at["ring"][inner] - (side * -0.06 * w, 0), 0.09 * w, 0.07 * w),
                     mix(p.skin, (210, 110, 110), 0.5), 0.7)
    fold = (0.26 * (1 - eye["blink"]) + 0.12) * eye["up"] * u + 0.06 * w
    crease = upper[2:15] - np.array([0, fold])
    canvas.glaze(_band(crease, 0.05 * w), mix(p.skin, dark, 0.8), 0.55)
    if "makeup" in i.extras:
        shadow = np.concatenate([upper[1:16], (upper[1:16] - (0, 1.5 * fold))[::-1]])
        canvas.glaze(shadow, mix(tone(p.skin, 0.6), p.cloth, 0.35), 0.3)
    if i.age > 0.5:
        bag = lower[3:14] + (0, 0.3 * w)
        canvas.glaze(_band(bag, 0.07 * w), tone(p.skin, 0.7), 0.25 + 0.35 * (i.age - 0.5))


def _band(points: np.ndarray, width: float) -> np.ndarray:
    return ribbon(points, max(width, 0.35))


def draw_brow(canvas: Canvas, pose: Pose, side: int) -> None:
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    xy = curve(pose.brow(side), 6)
    line = pose.on_face(xy, 0.015)
    thick = i.brow_thick * u
    if i.kind == "robot":
        if i.part > 0.1:
            canvas.stroke(line, tone(p.skin, 0.45), 0.8 * thick, (1, 1))
        return
    if i.kind != "human":
        if i.part > -0.3:  # tufts; the others show none
            canvas.stroke(line[2:], mix(p.skin, p.line, 0.6), 0.7 * thick, (0.5, 0.5))
        return
    if i.eyes == "real" and i.style.name != "vector":
        with canvas.glazing(line, 0.8, 6) as c:
            c.stroke(line, p.brow, thick, (0.25, 0.75))
        if thick * canvas.supersample > 3 and i.shading == "soft":
            up = pose.rolled @ np.array([0.0, -1.0]) / u
            out = pose.rolled @ np.array([float(side), 0.0]) / u
            k = np.arange(2, len(line) - 1, 2)
            swept = (0.35 + 0.03 * (len(line) - k))[:, None] * thick * out
            hairs = np.stack([line[k] - 0.35 * thick * up, line[k] + 0.5 * thick * up + swept], 1)
            canvas.line(hairs, tone(p.brow, 0.8), 0.0045 * u)
        return
    ends = (0.25, 0.7) if i.brow_arch > 0.25 else (0.9, 0.9)
    canvas.stroke(line, p.brow, thick, ends)
