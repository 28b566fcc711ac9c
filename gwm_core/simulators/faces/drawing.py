"""A portrait, painted from the back to the front."""

from __future__ import annotations

import numpy as np

from .body import draw_body, neck_shape
from .canvas import Canvas, mix, tone
from .eyes import draw_brow, draw_eye
from .light import shade, sheet
from .mouth_drawing import draw_mouth
from .nose import draw_nose
from .parts import Part, Soft, draw_parts
from .pose import Pose
from .skin import (
    draw_beard,
    draw_blush,
    draw_marks,
    draw_moustache,
    draw_muzzle,
    draw_plates,
    draw_whiskers,
    face_light,
)
from .textures import affine


def draw_portrait(canvas: Canvas, pose: Pose, parts: list[Part], skin: np.ndarray | None,
                  hair: np.ndarray | None) -> None:
    """Paints ``pose`` on a canvas that holds the background. ``skin`` and ``hair`` are textures
    of the head."""
    i, p, u = pose.identity, pose.identity.palette, pose.unit
    soft = None
    gains = None
    if i.shading == "soft":
        gains = sheet(face_light(pose).map(), canvas.pixels.shape[0])
        turned = pose.affine[:, :2]
        middle = pose.at_depth([[0, 0]], 0.3)[0]
        soft = Soft(gains, hair, affine(turned, middle, canvas.supersample))
    head = pose.head()
    draw_parts(canvas, pose, parts, "back", soft)
    draw_body(canvas, pose)
    _neck_shadow(canvas, pose, head)
    draw_parts(canvas, pose, parts, "behind", soft)
    canvas.fill(head, p.skin)
    if i.shading == "cel":
        with canvas.inside(head) as c:
            c.fill(head, tone(p.skin, 0.84))
            away = np.array([i.light[0], i.light[1] * 0.6])
            c.fill(head + 0.075 * u * away / (np.linalg.norm(away) + 1e-6), p.skin)
    if i.kind == "robot":
        draw_plates(canvas, pose)
    elif i.kind != "human":
        draw_muzzle(canvas, pose)
    if soft is not None:
        shade(canvas, head, gains, skin, soft.affine)
    if i.outline > 0.002:
        canvas.line(head, mix(p.line, tone(p.skin, 0.3), 0.2), i.outline * u, True)
    draw_blush(canvas, pose)
    draw_marks(canvas, pose)
    beard = draw_beard(canvas, pose)
    if beard is not None and soft is not None and beard[1] == 1:
        shade(canvas, beard[0], gains, hair, soft.affine)
    draw_nose(canvas, pose)
    lips = _lip_colour(pose)
    draw_mouth(canvas, pose, lips)
    draw_moustache(canvas, pose)
    draw_whiskers(canvas, pose)
    for side in (-1, 1):
        draw_eye(canvas, pose, side)
    over = i.style.name == "anime"
    if not over:
        for side in (-1, 1):
            draw_brow(canvas, pose, side)
    draw_parts(canvas, pose, parts, "front", soft)
    if over:
        for side in (-1, 1):
            draw_brow(canvas, pose, side)
    draw_parts(canvas, pose, parts, "glasses", soft)
    draw_parts(canvas, pose, parts, "worn", soft)
    draw_parts(canvas, pose, parts, "top", soft)


def _lip_colour(pose: Pose):
    i, p = pose.identity, pose.identity.palette
    if "lipstick" not in i.extras:
        return p.lips
    reds = ((176, 32, 48), (206, 74, 96), (140, 30, 62), (196, 96, 78))
    return mix(reds[int(i.extras["lipstick"] * 3.99)], p.lips, 0.15)


def _neck_shadow(canvas: Canvas, pose: Pose, head: np.ndarray) -> None:
    """The head's shadow on the neck."""
    i = pose.identity
    neck = neck_shape(pose)
    box = canvas.window(neck)
    if box is None:
        return
    fall = pose.unit * np.array([-0.05 * np.sign(i.light[0] + 1e-9), 0.07])
    if i.shading == "soft":
        with canvas.inside(neck) as c:
            for k in (1.5, 1.1, 0.7):
                c.glaze(head + fall * k, tone(i.palette.skin, 0.4), 0.16 + 0.12 * i.depth)
        return
    with canvas.inside(neck) as c:
        colour = i.palette.skin if i.kind != "robot" else tone(i.palette.skin, 0.55)
        c.fill(head + fall, tone(colour, 0.76))
