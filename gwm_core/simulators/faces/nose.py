"""Noses in several manners."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, curve, mix, oval, tone
from .light import Light
from .pose import Pose


def light_nose(light: Light, pose: Pose) -> None:
    """The soft light and shadow of a nose that stands out."""
    i = pose.identity
    if i.nose in ("animal", "panel", "tick", "dots", "line", "hook"):
        return
    bridge, tip, left, right = pose.on_face(pose.nose(), pose.nose_depth())
    d, out = i.depth, i.nose_out / 0.12
    side = np.sign(i.light[0] + 1e-9)
    middle = 0.5 * bridge + 0.5 * tip
    across = 0.5 * (right - left)
    light.spot(tip + (0, 0.05 * pose.unit), 0.07, 0.022, -0.4 * d * out)
    light.spot(middle - across * 0.75 * side, 0.022, 0.07, -0.26 * d * out)
    light.spot(tip - across * 0.8 * side, 0.03, 0.03, -0.22 * d * out)
    light.spot(middle + across * 0.05 * side, 0.014, 0.08, 0.18 * d + 0.15 * i.gloss)
    light.spot(tip + across * 0.1 * side - (0, 0.012 * pose.unit), 0.022, 0.02,
               0.2 * d + 0.4 * i.gloss)
    for wing in (left, right):
        light.spot(wing, 0.03, 0.025, 0.08 * d)


def draw_nose(canvas: Canvas, pose: Pose) -> None:
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    points = pose.on_face(pose.nose(), pose.nose_depth())
    bridge, tip, left, right = points
    side = -np.sign(i.light[0] + 1e-9)
    shade = mix(p.skin, p.line, 0.4)
    line = max(i.outline, 0.01) * u
    w = 0.5 * np.linalg.norm(right - left)
    if i.nose == "hook":
        wing = left if side < 0 else right
        path = curve([bridge + 0.45 * (tip - bridge), tip + (-side * 0.25 * w, -0.15 * w),
                      tip + (0, 0.45 * w), wing + (0, 0.25 * w)], 5)
        canvas.stroke(path, shade, line, (0.2, 0.5))
    elif i.nose == "button":
        ball = oval(tip, 0.85 * w, 0.75 * w)
        canvas.fill(ball, mix(p.skin, p.blush, 0.45))
        if i.outline > 0.004:
            canvas.line(ball[1:12], p.line, 0.8 * line)
        canvas.glaze(oval(tip - (0.25 * w, 0.28 * w), 0.25 * w, 0.2 * w), (255, 255, 255), 0.45)
    elif i.nose == "dots":
        for k in (-0.4, 0.4):
            canvas.fill(oval(tip + (k * w, 0.25 * w), 0.12 * w + 0.004 * u, 0.09 * w + 0.003 * u),
                        shade)
    elif i.nose == "tick":
        path = np.stack([tip + (side * 0.1 * w, -0.5 * w), tip + (side * 0.55 * w, 0.3 * w),
                         tip + (-side * 0.1 * w, 0.35 * w)])
        canvas.stroke(path, shade, 0.8 * line, (0.3, 0.4))
    elif i.nose == "shade":
        under = tip + w * np.array([[-0.6, 0.35], [0, 0.05], [0.6, 0.35], [0, 0.6]])
        canvas.fill(curve(under, 3, True), tone(p.skin, 0.78))
    elif i.nose == "wedge":
        wing = left if side < 0 else right
        canvas.fill(np.stack([bridge + 0.2 * (tip - bridge), tip, wing + (0, 0.2 * w)]),
                    tone(p.skin, 0.8))
        canvas.stroke(np.stack([wing + (0, 0.2 * w), 0.5 * (wing + tip) + (0, 0.3 * w),
                                tip + (0, 0.2 * w)]), shade, 0.8 * line, (0.5, 0.5))
    elif i.nose == "line":
        path = curve([left, left + (0.25 * w, 0.45 * w), tip + (0, 0.55 * w),
                      right + (-0.25 * w, 0.45 * w), right], 4)
        canvas.stroke(path, shade, line, (0.3, 0.3))
    elif i.nose == "animal":
        _snout(canvas, pose, tip, w)
    elif i.nose == "panel":
        plate = np.stack([tip - (0.5 * w, 0.5 * w), tip + (0.5 * w, -0.5 * w),
                          tip + (w, 0.7 * w), tip + (-w, 0.7 * w)])
        canvas.fill(plate, tone(p.skin, 0.6))
    else:
        _real(canvas, pose, points, w)


def _real(canvas: Canvas, pose: Pose, points: np.ndarray, w: float) -> None:
    p, u = pose.identity.palette, pose.unit
    _, tip, left, right = points
    deep = tone(mix(p.skin, (90, 30, 30), 0.25), 0.42)
    base = 0.5 * (left + right)
    axis = (right - left) / (2 * w + 1e-6)
    down = np.array([-axis[1], axis[0]])
    under = tip + 0.4 * (base - tip) + down * 0.3 * w
    for s in (-1, 1):
        at = under + axis * (0.4 * w * s)
        canvas.glaze(oval(at, 0.2 * w, 0.1 * w + 0.002 * u, s * 0.3), deep, 0.75)
        wing = left if s < 0 else right
        path = curve([wing + down * (-0.32 * w) - axis * (0.12 * w * s), wing + down * 0.02 * w,
                      wing + down * 0.26 * w - axis * (0.14 * w * s)], 4)
        canvas.stroke(path, tone(p.skin, 0.62), 0.009 * u, (0.1, 0.5))


def _snout(canvas: Canvas, pose: Pose, tip: np.ndarray, w: float) -> None:
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    dark = mix((40, 28, 30), tone(p.skin, 0.3), 0.25)
    if i.kind == "pig":
        ball = oval(tip, 1.4 * w, 1.05 * w)
        canvas.fill(ball, tone(p.skin, 0.88))
        canvas.line(ball, tone(p.skin, 0.6), 0.01 * u, True)
        for s in (-0.5, 0.5):
            canvas.fill(oval(tip + (s * w, 0), 0.22 * w, 0.36 * w), tone(p.skin, 0.45))
        return
    if i.kind == "frog":
        for s in (-0.35, 0.35):
            canvas.fill(oval(tip + (s * w, 0), 0.1 * w + 0.004 * u, 0.08 * w + 0.003 * u),
                        tone(p.skin, 0.5))
        return
    if i.kind in ("cat", "mouse", "rabbit"):
        dark = mix((226, 120, 130), dark, 0.75 * (i.part > 0.2))
        shape = curve([tip + (-0.7 * w, -0.42 * w), tip + (0.7 * w, -0.42 * w),
                       tip + (0.12 * w, 0.42 * w), tip + (-0.12 * w, 0.42 * w)], 4, True)
    else:
        shape = curve([tip + (-0.9 * w, -0.3 * w), tip + (0, -0.6 * w), tip + (0.9 * w, -0.3 * w),
                       tip + (0.45 * w, 0.45 * w), tip + (-0.45 * w, 0.45 * w)], 4, True)
    canvas.fill(shape, dark)
    canvas.glaze(oval(tip - (0.22 * w, 0.26 * w), 0.28 * w, 0.12 * w), (255, 255, 255), 0.55)
