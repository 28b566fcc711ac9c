"""Neck, shoulders and clothes."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, curve, mix, tone
from .pose import Pose

LOW = 2.2  # below every picture


def neck_shape(pose: Pose) -> np.ndarray:
    """The neck, whose upper end moves with the head."""
    i = pose.identity
    n = i.neck * i.width
    jaw = pose.at_depth([[-n * 0.97, 0.26], [n * 0.97, 0.26]], 0.0)
    base = pose.on_body([[n * 1.04, 0.7], [n * 1.5, 0.84], [-n * 1.5, 0.84], [-n * 1.04, 0.7]])
    return np.concatenate([jaw, base])


def shoulder_shape(pose: Pose) -> np.ndarray:
    i = pose.identity
    n = i.neck * i.width
    s, y = max(i.shoulders, 1.5 * n + 0.12), 0.67
    right = np.array([[0.9 * n, y], [1.04 * n, y + 0.01], [1.35 * n, y + 0.075],
                      [0.5 * (n + s) + 0.05, y + 0.09 + 0.4 * i.slope],
                      [0.93 * s, y + 0.1 + i.slope], [s + 0.02, y + 0.22 + 1.2 * i.slope],
                      [s + 0.06, LOW]])
    left = right[::-1] * (-1, 1)
    return pose.on_body(curve(np.concatenate([right, left]), 4))


def draw_body(canvas: Canvas, pose: Pose) -> None:
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    n = i.neck * i.width
    animal = i.kind not in ("human", "robot")
    skin = p.skin
    torso = shoulder_shape(pose)
    neck = neck_shape(pose)
    cloth = p.cloth
    if i.kind == "robot":
        cloth, skin = tone(p.skin, 0.85), tone(p.skin, 0.55)
    elif animal and i.part < 0.2:
        cloth = p.skin
    dark = tone(cloth, 0.72)
    ink = mix(p.line, tone(cloth, 0.3), 0.5)
    kind = "fur" if cloth == p.skin else i.clothes
    bare = kind in ("straps", "dress")
    canvas.fill(torso, skin if bare else cloth)
    canvas.fill(neck if bare else neck[[0, 1, 2, 5]], tone(skin, 0.93))
    if i.kind == "robot":
        for k in range(4):
            ring = pose.on_body([[-n * 1.05, 0.56 + 0.05 * k], [n * 1.05, 0.56 + 0.05 * k]])
            canvas.line(ring, tone(skin, 0.65), 0.014 * u)
        collar = pose.on_body([[-1.5 * n, 0.72], [1.5 * n, 0.72], [1.7 * n, 0.84],
                               [-1.7 * n, 0.84]])
        canvas.fill(collar, tone(p.skin, 0.65))
        canvas.line(pose.on_body([[0, 0.84], [0, LOW]]), tone(cloth, 0.6), 0.012 * u)
        for s in (-1, 1):
            canvas.fill(pose.on_body([[s * 0.42 * i.shoulders - 0.05, 1.0],
                                      [s * 0.42 * i.shoulders + 0.05, 1.0],
                                      [s * 0.42 * i.shoulders + 0.05, 1.03],
                                      [s * 0.42 * i.shoulders - 0.05, 1.03]]), p.iris)
    elif kind == "fur":
        belly = curve([[-0.3, LOW], [-0.34, 1.2], [0, 0.92], [0.34, 1.2], [0.3, LOW]], 5)
        canvas.fill(pose.on_body(belly), p.second)
    else:
        with canvas.inside(torso) as c:
            _clothes(c, pose, kind, cloth, dark, ink, skin, n)
        if not bare:
            canvas.fill(neck[[0, 1, 2, 5]], tone(skin, 0.93))
    if "scarf" in i.extras:
        wrap = pose.on_body(curve([[-1.5 * n, 0.62], [0, 0.72], [1.5 * n, 0.62], [1.6 * n, 0.8],
                                   [0, 0.92], [-1.6 * n, 0.8]], 5, True))
        canvas.fill(wrap, p.trim)
        canvas.line(pose.on_body(curve([[-1.4 * n, 0.72], [0, 0.82], [1.4 * n, 0.7]], 5)),
                    tone(p.trim, 0.7), 0.014 * u)
    if i.outline > 0.004:
        canvas.line(torso, ink, i.outline * u)


def _clothes(canvas: Canvas, pose: Pose, kind: str, cloth, dark, ink, skin, n: float) -> None:
    i, p, u = pose.identity, pose.identity.palette, pose.unit

    def shape(points, colour) -> None:
        canvas.fill(pose.on_body(points), colour)

    if kind in ("straps", "dress"):
        high = 1.0 if kind == "straps" else 0.98
        shape([[-2, high + 0.1], [-0.5, high + 0.03], [0, high + 0.08], [0.5, high + 0.03],
               [2, high + 0.1], [2, LOW], [-2, LOW]], cloth)
        for s in (-1, 1):
            x = s * 0.5 * (n + i.shoulders) * 0.72
            shape([[x - 0.04, 0.6], [x + 0.04, 0.6], [x + 0.05, high + 0.1],
                   [x - 0.05, high + 0.1]], cloth)
        return
    if kind == "stripes":
        for k in range(5):
            y = 0.98 + 0.15 * k
            shape([[-2, y], [2, y], [2, y + 0.06], [-2, y + 0.06]], p.trim)
    vee = {"vee": 0.24, "suit": 0.34, "shirt": 0.16}.get(kind, 0.07)
    hole = curve([[-1.03 * n, 0.66], [-0.98 * n, 0.7], [-0.66 * n, 0.755 + 0.4 * vee],
                  [0, 0.77 + vee], [0.66 * n, 0.755 + 0.4 * vee], [0.98 * n, 0.7],
                  [1.03 * n, 0.66]], 4)
    if kind == "turtleneck":
        roll = curve([[-1.12 * n, 0.56], [0, 0.62], [1.12 * n, 0.56], [1.2 * n, 0.78], [0, 0.86],
                      [-1.2 * n, 0.78]], 5, True)
        shape(roll, tone(cloth, 0.9))
        canvas.line(pose.on_body(roll), tone(cloth, 0.65), 0.008 * u, True)
        return
    shape(hole, tone(skin, 0.96))
    canvas.line(pose.on_body(hole), p.trim if kind in ("crew", "stripes") else dark,
                (0.03 if kind == "crew" else 0.018) * u)
    if kind == "suit":
        white = (240, 240, 244)
        shape([[-1.0 * n, 0.74], [0, 1.12], [1.0 * n, 0.74], [0.4 * n, 1.4], [-0.4 * n, 1.4]],
              white)
        shape([[-0.05, 0.96], [0.05, 0.96], [0.075, 1.5], [-0.075, 1.5]], p.trim)
        shape([[-0.05, 0.9], [0.05, 0.9], [0.035, 0.98], [-0.035, 0.98]], tone(p.trim, 0.85))
        for s in (-1, 1):
            shape([[s * 1.15 * n, 0.68], [s * 1.45 * n, 0.74], [s * 0.16, 1.6], [s * 0.05, 1.6],
                   [s * 0.62 * n, 1.08]], dark)
    elif kind == "shirt":
        for s in (-1, 1):
            flap = [[s * 1.14 * n, 0.64], [s * 1.34 * n, 0.74], [s * 0.75 * n, 0.98],
                    [0, 0.86 + vee * 0.5]]
            shape(flap, tone(cloth, 1.12))
            canvas.line(pose.on_body(flap), ink, 0.008 * u, True)
        canvas.line(pose.on_body([[0, 0.9 + vee], [0, LOW]]), dark, 0.012 * u)
    elif kind == "hoodie":
        for s in (-1, 1):
            hood = curve([[s * 1.0 * n, 0.6], [s * 1.7 * n, 0.66], [s * 1.75 * n, 0.85],
                          [s * 0.7 * n, 1.0], [s * 0.1, 0.98], [s * 0.95 * n, 0.82]], 4, True)
            shape(hood, tone(cloth, 0.86))
            canvas.stroke(pose.on_body([[s * 0.1, 0.96], [s * 0.11, 1.1], [s * 0.1, 1.25]]),
                          p.trim, 0.02 * u, (1, 1))
