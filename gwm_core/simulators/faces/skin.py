"""What is on the face itself: light, muzzles, plates, beards, cheeks, lines of age."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, curve, mix, oval, ribbon, tone
from .light import Light
from .nose import light_nose
from .pose import Pose, smooth


def face_light(pose: Pose) -> Light:
    """The soft light of the head, with what stands out of it."""
    i = pose.identity
    light = Light(pose)
    d = i.depth
    side = np.sign(i.light[0] + 1e-9)
    lips = pose.mouth()
    smile = max(pose.motion["smile"], 0)
    eyes = pose.on_face([[-i.eye_x * i.width, i.eye_y], [i.eye_x * i.width, i.eye_y]])
    inner = pose.on_face([[-0.45 * i.eye_x * i.width, i.eye_y - 0.02],
                          [0.45 * i.eye_x * i.width, i.eye_y - 0.02]])
    human = i.kind == "human"
    if human:
        for at, corner in zip(eyes, inner, strict=True):
            light.spot(at, 0.085, 0.05, -0.2 * d)
            light.spot(corner, 0.03, 0.05, -0.2 * d)
            light.spot(at - (0, 0.13 * pose.unit), 0.08, 0.03, 0.1 * d)
        under = pose.on_face([lips["outer_bottom"][8] + (0, 0.03)])[0]
        light.spot(under, 0.07, 0.016, -0.3 * d)
        light.spot(under + (0, 0.06 * pose.unit), 0.05, 0.035, 0.12 * d + 0.1 * i.gloss)
        groove = pose.on_face([[0, 0.5 * (i.nose_y + lips["outer_top"][8, 1]) + 0.01]])[0]
        light.spot(groove, 0.014, 0.03, -0.12 * d)
    cheeks = pose.on_face([[-0.62 * i.width, 0.1 - 0.02 * smile],
                           [0.62 * i.width, 0.1 - 0.02 * smile]])
    for k, at in enumerate(cheeks):
        lit = (2 * k - 1) * side > 0
        light.spot(at - (0, 0.03 * pose.unit), 0.07, 0.05,
                   (0.12 * d + 0.2 * i.gloss) * (0.9 if lit else 0.35) * (1 + smile))
        rosy = 0.1 + 0.22 * ("blush" in i.extras)
        if human:
            light.spot(at, 0.08, 0.06, (0.01, -0.22 * rosy, -0.2 * rosy))
    if human or i.kind == "robot":
        brow = pose.on_face([[0.3 * side * i.width, -0.36]])[0]
        light.spot(brow, 0.12, 0.06, 0.1 * d + 0.3 * i.gloss)
    light_nose(light, pose)
    hair = i.hair not in ("bald", "receding", "buzz")
    if human and hair:  # the hair shades the top of the forehead
        top = pose.on_face([[0, -0.48]])[0]
        light.spot(top, 0.3, 0.045, -0.3 * d)
    return light


def draw_muzzle(canvas: Canvas, pose: Pose) -> None:
    """An animal's lighter parts."""
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    drop = float(pose.shape.chin)
    low = 0.43 + 0.8 * drop
    wide = max(i.mouth_w * 1.25, 0.2)
    if i.kind in ("fox", "dog", "cat") and i.hair_length > 0.3:
        for s in (-1, 1):  # a mask on the cheeks
            patch = curve(np.array([[s * 0.1, i.nose_y], [s * 0.5 * i.width, 0.05],
                                    [s * 0.98 * i.width, 0.02],
                                    [s * 0.85 * i.jaw * i.width, 0.3 + 0.6 * drop],
                                    [s * 0.1, 0.46 + drop]]), 5, True)
            canvas.fill(pose.on_face(patch), p.second)
        if i.kind != "fox" and i.hair_volume > 0.9:
            blaze = curve(np.array([[0, -0.5 - 0.8 * i.cap], [0.1, -0.2], [0.05, i.nose_y],
                                    [-0.05, i.nose_y], [-0.1, -0.2]]), 4, True)
            canvas.fill(pose.on_face(blaze, -0.05), p.second)
    if i.kind == "frog":
        return
    puff = i.nose_y - 0.045
    shape = np.array([[0, puff], [0.75 * wide, puff + 0.05], [wide, 0.5 * (puff + low)],
                      [0.7 * wide, low - 0.02], [0, low], [-0.7 * wide, low - 0.02],
                      [-wide, 0.5 * (puff + low)], [-0.75 * wide, puff + 0.05]])
    points = pose.on_face(curve(shape, 4, True), 0.07)
    canvas.fill(points, p.second)
    if i.outline > 0.012 and i.part > 0:
        canvas.line(points, mix(p.second, p.line, 0.35), 0.5 * i.outline * u, True)


def draw_whiskers(canvas: Canvas, pose: Pose) -> None:
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    if i.kind not in ("cat", "mouse", "rabbit", "fox") or i.hair_length < 0.25:
        return
    wide = max(i.mouth_w * 1.25, 0.2)
    ink = mix(p.second, p.line, 0.55)
    for s in (-1, 1):
        for k in (-1, 0, 1):
            path = np.array([[s * 0.7 * wide, i.nose_y + 0.07 + 0.035 * k],
                             [s * (wide + 0.1), i.nose_y + 0.06 + 0.06 * k],
                             [s * (wide + 0.26), i.nose_y + 0.07 + 0.1 * k]])
            points = pose.at_depth(curve(path, 3), np.linspace(0.4, 0.3, 7))
            canvas.stroke(points, ink, 0.009 * u, (0.8, 0.2))


def draw_plates(canvas: Canvas, pose: Pose) -> None:
    """A robot's seams, rivets and jaw."""
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    w = i.width
    seam = tone(p.skin, 0.55)
    line = max(i.outline, 0.007) * u
    drop = float(pose.shape.chin)
    jaw = np.array([[-i.jaw * w * 0.97, 0.2], [-0.62 * w, 0.2], [-0.62 * w, 0.2 + 0.12],
                    [-0.55 * w, 0.44 + drop]])
    for s in (-1, 1):
        canvas.line(pose.on_face(jaw * (s, 1), -0.06), seam, line)
    if i.hair_volume > 0.85:  # a visor around the eyes
        y, h = i.eye_y, 1.5 * i.eye_w * max(i.lid_up, 0.8)
        x = min(i.eye_x * w + 1.5 * i.eye_w, 0.94 * w)
        visor = curve(np.array([[-x, y - 0.6 * h], [-0.6 * x, y - h], [0.6 * x, y - h],
                                [x, y - 0.6 * h], [x, y + 0.6 * h], [0.6 * x, y + h],
                                [-0.6 * x, y + h], [-x, y + 0.6 * h]]), 3, True)
        canvas.fill(pose.on_face(visor), mix(p.second, p.skin, 0.2))
        canvas.line(pose.on_face(visor), seam, line, True)
    else:
        canvas.line(pose.on_face([[0, -0.5 - 0.7 * i.cap], [0, i.eye_y - i.brow_up]]), seam, line)
    for x, y in ((0.78, -0.3), (0.84, 0.12), (0.45, 0.4 + drop)):
        for s in (-1, 1):
            at = pose.on_face([[s * x * w * min(i.temple, 1), y]], -0.04)[0]
            canvas.fill(oval(at, 0.016 * u, 0.016 * u, 0, 12), tone(p.skin, 0.68))
            canvas.fill(oval(at - 0.004 * u, 0.008 * u, 0.008 * u, 0, 10), tone(p.skin, 1.25))


def draw_blush(canvas: Canvas, pose: Pose) -> None:
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    if "blush" not in i.extras or i.shading == "soft" or i.kind == "robot":
        return
    x = 0.66 * i.width
    y = i.eye_y + 1.5 * i.eye_w * i.lid_low + 0.07
    spots = pose.on_face([[-x, y], [x, y]])
    squash = (np.cos(pose.yaw + 0.5), np.cos(pose.yaw - 0.5))
    for at, slim in zip(spots, squash, strict=True):
        if i.extras["blush"] < 0.3:
            for k in (-1, 0, 1):
                mark = at + u * np.array([[0.02 + 0.03 * k, -0.018], [-0.01 + 0.03 * k, 0.018]])
                canvas.stroke(mark, p.blush, 0.011 * u, (0.7, 0.7))
        else:
            canvas.glaze(oval(at, 0.075 * u * slim, 0.048 * u), p.blush, 0.55)


def draw_marks(canvas: Canvas, pose: Pose) -> None:
    """Freckles of flat styles, wrinkles, smile folds, scars, face paint."""
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    e = i.extras
    soft = i.shading == "soft"
    if "freckles" in e and not soft:
        for s in (-1, 1):
            for k in range(4):
                xy = [[s * (0.4 + 0.13 * (k % 3)) * i.width, 0.07 + 0.035 * (k // 2) + 0.01 * k]]
                canvas.fill(oval(pose.on_face(xy)[0], 0.009 * u, 0.009 * u, 0, 8),
                            mix(p.skin, p.line, 0.35))
    lips = pose.mouth()
    fold = 0.5 * e.get("wrinkles", 0) + 0.25 * (i.age > 0.45) + 0.5 * max(pose.motion["smile"], 0)
    if i.kind == "human" and fold > 0.2 and i.style.name != "anime":
        for s, k in ((-1, 0), (1, 16)):
            corner = lips["outer_top"][k]
            path = np.array([[s * (i.nose_w + 0.012), i.nose_y - 0.005],
                             [0.5 * (s * i.nose_w + corner[0]) + s * 0.04,
                              0.5 * (i.nose_y + corner[1]) - 0.005],
                             [corner[0] + s * 0.035, corner[1] + 0.005]])
            points = pose.on_face(curve(path, 5))
            if soft:
                canvas.glaze(ribbon(points, 0.016 * u, (0.1, 0.1)), tone(p.skin, 0.66),
                             min(fold, 0.6))
            elif fold > 0.35:
                canvas.stroke(points, mix(p.skin, p.line, 0.4), 0.7 * max(i.outline, 0.008) * u)
    if "wrinkles" in e:
        dark = tone(p.skin, 0.72)
        for k in range(3):
            y = -0.42 + 0.05 * k - 0.01 * max(pose.motion["brow_left"], 0)
            path = curve(np.array([[-0.5 * i.width, y + 0.012], [0, y], [0.5 * i.width, y + 0.01]]),
                         5)
            canvas.glaze(ribbon(pose.on_face(path), 0.01 * u), dark, 0.45)
        for s in (-1, 1):
            for k in (-1, 0, 1):
                x = s * (i.eye_x * i.width + 1.15 * i.eye_w)
                path = [[x, i.eye_y + 0.02 * k], [x + s * 0.05, i.eye_y + 0.035 * k]]
                canvas.glaze(ribbon(pose.on_face(path), 0.009 * u, (0.6, 0.2)), dark, 0.5)
    if "scar" in e and i.kind == "human":
        s = 1 if e["scar"] > 0.5 else -1
        path = np.array([[s * 0.75 * i.width, -0.02], [s * 0.6 * i.width, 0.1],
                         [s * 0.62 * i.width, 0.2]])
        canvas.stroke(pose.on_face(curve(path, 4)), mix(p.skin, (150, 50, 50), 0.5), 0.018 * u)
    if "paint" in e:
        for s in (-1, 1):
            for k in (0, 1):
                y = 0.08 + 0.06 * k
                canvas.stroke(pose.on_face([[s * 0.45 * i.width, y], [s * 0.65 * i.width, y],
                                            [s * 0.85 * i.width, y - 0.01]]), p.trim, 0.03 * u,
                              (0.5, 0.3))
    if "bindi" in e:
        at = pose.on_face([[0, i.eye_y - i.brow_up + 0.005]])[0]
        canvas.fill(oval(at, 0.016 * u, 0.018 * u), (170, 30, 50))


def draw_beard(canvas: Canvas, pose: Pose) -> tuple[np.ndarray, float] | None:
    """The hair on cheeks and chin; its shape and strength, or None."""
    i = pose.identity
    e = i.extras
    lips = pose.mouth()
    drop = float(pose.shape.chin)
    if "beard" in e:
        value, alpha, grow = e["beard"], 1.0, 0.02 + 0.16 * e["beard"] ** 2
    elif "stubble" in e:
        value, alpha, grow = 0.8, 0.22 + 0.2 * e["stubble"], 0.0
    else:
        return None
    w = i.width
    up = lips["outer_top"][8, 1] - 0.012
    goatee = "beard" in e and value < 0.28
    if goatee:
        half = max(1.15 * lips["outer_top"][16, 0], 0.12)
        ring = np.array([[-half, up + 0.0], [-half * 0.95, 0.36 + 0.7 * drop],
                         [-0.5 * half, 0.5 + drop], [0, 0.53 + grow + drop],
                         [0.5 * half, 0.5 + drop], [half * 0.95, 0.36 + 0.7 * drop], [half, up]])
    else:
        left = np.array([[-0.97 * w * i.temple, -0.1], [-1.0 * w - 0.2 * grow, 0.04],
                         [-i.jaw * w - 0.6 * grow, 0.27 + 0.5 * drop],
                         [-i.chin * w - 0.5 * grow, 0.46 + 0.7 * grow + drop],
                         [0, 0.505 + 1.2 * grow + drop]])
        ring = np.concatenate([left, left[:-1][::-1] * (-1, 1)])
    outer = curve(ring, 4)
    cheek = 0.16 if not goatee else up
    half = min(max(1.1 * lips["outer_top"][16, 0], 0.1), 0.7 * w)
    if goatee:
        line = np.array([[half * 0.8, up - 0.01], [0.4 * half, up - 0.03], [0, up - 0.02],
                         [-0.4 * half, up - 0.03], [-half * 0.8, up - 0.01]])
    else:
        line = np.array([[0.86 * w, 0.0], [0.74 * w, cheek], [half, up + 0.0],
                         [0.4 * half, up - 0.025], [0, up - 0.015], [-0.4 * half, up - 0.025],
                         [-half, up], [-0.74 * w, cheek], [-0.86 * w, 0.0]])
    xy = np.concatenate([outer, curve(line, 3)])
    edge = smooth(xy[:, 1], 0.55 + drop, 0.75 + drop)
    z = pose.depth(xy) * 0.75 * (1 - edge) + 0.2 * edge
    z[len(outer):] = pose.depth(xy[len(outer):])
    points = pose.at_depth(xy, z)
    colour = mix(tone(i.palette.hair, 0.9), i.palette.skin, 0.0)
    if alpha < 1:  # it thins out towards its edge
        middle = pose.on_face([[0, 0.36 + 0.6 * drop]])[0]
        for k in (1.0, 0.93, 0.86):
            canvas.glaze(middle + k * (points - middle), colour, 0.45 * alpha)
        return points, alpha
    canvas.fill(points, colour)
    return points, alpha


def draw_moustache(canvas: Canvas, pose: Pose) -> None:
    i, u = pose.identity, pose.unit
    value = i.extras.get("moustache", i.extras.get("beard"))
    if value is None:
        return
    lips = pose.mouth()
    top = lips["outer_top"]
    half = top[16, 0]
    reach = (0.85 + 0.5 * (value * 3 % 1)) * half
    thick = 0.03 + 0.035 * (value * 5 % 1)
    y = top[8, 1] + 0.004
    curl = 0.05 * (value > 0.7) * ("moustache" in i.extras)
    end_y = 0.5 * (top[0, 1] + top[8, 1]) + 0.02 - curl
    for s in (-1, 1):
        shape = np.array([[0, y - thick], [s * 0.5 * reach, y - 0.8 * thick],
                          [s * reach, end_y], [s * 0.55 * reach, y + 0.016], [0, y - 0.002]])
        points = pose.on_face(curve(shape, 4, True), 0.03)
        colour = tone(i.palette.hair, 0.85)
        canvas.fill(points, colour)
        if i.shading == "soft":
            for k in range(4):
                a = shape[0] * (1 - k / 4) + shape[1] * (k / 4) + (0, 0.25 * thick)
                b = a + (s * 0.25 * reach, 0.55 * thick)
                canvas.line(pose.on_face(np.stack([a, b]), 0.03), tone(colour, 0.7), 0.005 * u)
        if i.outline > 0.008:
            canvas.line(points, mix(i.palette.line, colour, 0.3), 0.6 * i.outline * u, True)
