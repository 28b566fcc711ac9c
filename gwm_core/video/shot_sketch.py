"""A sketch of a shot that was not made yet: a room in the colours of its words, and the
characters' own portraits in front of it, as far as the framing shows them."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ..avatars.character import Character
from ..avatars.landmarks import INDEX
from ..noise import rng
from .storyboard import Shot, Storyboard

WALLS = {
    "brick": (142, 88, 72), "stone": (128, 130, 134), "timber": (150, 116, 80),
    "wood": (134, 104, 76), "walnut": (104, 76, 56), "library": (112, 84, 62),
    "terracotta": (176, 104, 76), "concrete": (134, 134, 132), "steel": (118, 126, 136),
    "metal": (118, 126, 136), "teal": (84, 142, 140), "tile": (150, 170, 172),
    "rose": (182, 132, 134), "mustard": (184, 150, 74), "paper": (206, 200, 186),
    "plaster": (178, 170, 156), "cellar": (104, 98, 92), "gallery": (190, 186, 178),
    "white": (204, 202, 198), "red": (150, 72, 66), "blue": (84, 104, 146),
    "green": (92, 126, 96), "yellow": (190, 164, 98), "garden": (112, 138, 98),
    "lab": (168, 180, 188),
}
"""Colours of walls by words of a place; the first word that is found counts."""
LIGHTS = {
    "night": (0.5, (96, 120, 190)), "dark": (0.5, (110, 124, 170)),
    "dusk": (0.66, (255, 176, 120)), "evening": (0.62, (255, 170, 116)),
    "dawn": (0.74, (255, 196, 168)), "sun": (1.12, (255, 238, 204)),
    "candle": (0.6, (255, 184, 110)), "fog": (0.9, (214, 220, 226)),
}
BALLS = {"red": (196, 58, 50), "blue": (62, 96, 186), "green": (70, 146, 84),
         "yellow": (222, 184, 70), "purple": (128, 82, 160), "white": (226, 224, 220),
         "orange": (222, 128, 56)}
FACES = {"close-up": (0.60, 0.50), "medium": (0.38, 0.43), "wide": (0.24, 0.46),
         "two-shot": (0.34, 0.43)}
"""Height of a face (crown to chin) and where its eyes are, as shares of the picture's height."""


def sketch(board: Storyboard, shot: Shot, width: int, height: int) -> np.ndarray:
    """uint8 [height, width, 3]; the same board gives the same sketch."""
    image = _room(shot, width, height)
    members = [board.member(who) for who in shot.seen]
    people = [m.character for m in members if m is not None and m.character is not None]
    if people:
        image = image.filter(ImageFilter.GaussianBlur(height / 90))
        image = Image.blend(image, Image.new("RGB", image.size, (12, 12, 16)), 0.25)
        for k, person in enumerate(people):
            middle = width * ((k + 0.5) / len(people) if len(people) > 1 else 0.5)
            middle += width * 0.03 * (1 - 2 * k) if len(people) > 1 else 0
            _stand(image, person, shot.camera, middle, len(people))
    return np.asarray(image)


def _said(words: str, table):
    """The value of the first word of a text that begins like one of the table's."""
    return next((table[key] for word in words.split() for key in table
                 if word.strip(",.;").startswith(key)), None)


def _place(words: str) -> str:
    """A place's words without the things that lie in it."""
    return " ".join(part for part in words.split(",") if "ball" not in part and "box" not in part)


def _room(shot: Shot, width: int, height: int) -> Image.Image:
    words = shot.place.casefold()
    wall = np.array(_said(_place(words), WALLS) or (148, 142, 134), float)
    bright, tint = _said(words, LIGHTS) or (0.95, (255, 244, 228))
    light = bright * (0.5 + 0.5 * np.array(tint, float) / 255)
    chance = rng(shot.seed, "sketch", len(words))
    scale = 2
    w, h = width * scale, height * scale
    image = Image.new("RGB", (w, h))
    pen = ImageDraw.Draw(image)
    # The end wall, seen from eye height; it lies off the middle by the seed.
    cx, cy = w * (0.5 + chance.uniform(-0.12, 0.12)), h * 0.46
    half_w, up, down = w * 0.23, h * 0.25, h * 0.21
    left, right, top, bottom = cx - half_w, cx + half_w, cy - up, cy + down

    def shade(factor: float, colour=wall):
        return tuple(int(v) for v in np.clip(np.array(colour) * light * factor, 0, 255))

    floor = 0.45 * wall + 0.55 * np.array((112, 92, 74))
    far = 3.2

    def out(x, y):
        """A corner of the end wall, brought to the eye."""
        return cx + (x - cx) * far, cy + (y - cy) * far

    pen.polygon([(left, top), out(left, top), out(right, top), (right, top)],
                shade(0.78, 0.5 * wall + 90))
    pen.polygon([(left, bottom), out(left, bottom), out(right, bottom), (right, bottom)],
                shade(0.62, floor))
    pen.polygon([(left, top), out(left, top), out(left, bottom), (left, bottom)], shade(0.70))
    pen.polygon([(right, top), out(right, top), out(right, bottom), (right, bottom)], shade(0.84))
    pen.rectangle([left, top, right, bottom], shade(0.98))
    # Skirting, and boards that run to the end of the room.
    skirt = h * 0.018
    pen.rectangle([left, bottom - skirt, right, bottom], shade(0.55))
    for side in (left, right):
        ox, oy = out(side, bottom)
        _, oy2 = out(side, bottom - skirt)
        pen.polygon([(side, bottom - skirt), (ox, oy2), (ox, oy), (side, bottom)], shade(0.45))
    for k in range(1, 8):
        x = left + (right - left) * k / 8
        pen.line([(x, bottom), out(x, bottom)], shade(0.54, floor), scale)
    # A doorway.
    door = left + (right - left) * chance.uniform(0.2, 0.6)
    pen.rectangle([door, bottom - (up + down) * 0.62, door + half_w * 0.42, bottom], shade(0.32))
    _balls(pen, words, w, h, shade, chance)
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    return _vignette(image.filter(ImageFilter.GaussianBlur(0.6)))


def _balls(pen, words: str, w: int, h: int, shade, chance) -> None:
    if "ball" not in words:
        return
    before = words[: words.index("ball")].split()[-3:]
    colour = next((BALLS[word] for word in before if word in BALLS), BALLS["red"])
    count = 1 if "a" in before or "one" in before else 2
    for _ in range(count):
        x, y, r = chance.uniform(0.25, 0.75) * w, chance.uniform(0.78, 0.9) * h, 0.045 * h
        pen.ellipse([x - r * 1.1, y + r * 0.75, x + r * 1.1, y + r * 1.1], shade(0.3))
        for k in range(12):
            t = k / 11
            q = r * (1 - 0.85 * t)
            tone = tuple(int(v * (0.55 + 0.6 * t)) for v in shade(0.9, colour))
            pen.ellipse([x - q - r * 0.3 * t, y - q - r * 0.35 * t,
                         x + q - r * 0.3 * t, y + q - r * 0.35 * t], tone)


def _vignette(image: Image.Image) -> Image.Image:
    w, h = image.size
    y, x = np.mgrid[0:h, 0:w]
    far = np.hypot((x / w - 0.5) * 1.5, (y / h - 0.46) * 1.5)
    dim = 1 - 0.45 * np.clip(far - 0.25, 0, 1) ** 1.3
    return Image.fromarray(np.clip(np.asarray(image) * dim[..., None], 0, 255).astype(np.uint8))


def _stand(image: Image.Image, person: Character, camera: str, middle: float, count: int) -> None:
    """Put a portrait so that its face has the framing's size, its eyes at the framing's height.

    A portrait that is no cut-out brings its own background, which goes on, out of focus, where
    the picture is wider.
    """
    width, height = image.size
    tall, eyes = FACES.get(camera, FACES["two-shot" if count > 1 else "close-up"])
    points = person.points
    crown, chin = points[INDEX["crown"]], points[INDEX["chin"]]
    eye = (points[INDEX["iris_left"]] + points[INDEX["iris_right"]]) / 2
    scale = tall * height / max(float(np.linalg.norm(crown - chin)), 2.0)
    portrait = Image.fromarray(person.image)
    whole_w, whole_h = portrait.size
    if person.alpha is None:
        scale = max(scale, height / whole_h)
    x0, y0 = eye[0] - middle / scale, eye[1] - eyes * height / scale
    if person.alpha is None:
        y0 = min(max(y0, 0), whole_h - height / scale)
        mask = _feathered(portrait.size, 0.07)
    else:
        # The figure's lower edge may not float in the picture.
        rows = np.flatnonzero(person.alpha.any(axis=1))
        y0 = min(y0, (rows[-1] + 1 if len(rows) else whole_h) - height / scale)
        mask = Image.fromarray(person.alpha)
    fit = (1 / scale, 0, x0, 0, 1 / scale, y0)
    if person.alpha is None:
        _continue(image, portrait, fit, middle, count)
    mask = _transformed(mask, image.size, fit)
    if person.alpha is None and count > 1:
        mask = Image.composite(mask, Image.new("L", image.size, 0), _share(image.size, middle))
    image.paste(_transformed(portrait, image.size, fit), (0, 0), mask)


def _share(size: tuple[int, int], middle: float) -> Image.Image:
    """A mask of one character's half of the picture."""
    column = Image.new("L", size, 0)
    half = size[0] // 2
    left = 0 if middle < half else half + 1
    ImageDraw.Draw(column).rectangle([left, 0, left + half - 2, size[1]], 255)
    return column


def _continue(image: Image.Image, portrait: Image.Image, fit, middle: float, count: int) -> None:
    """Fill the picture, or a half of it, with what stands at a portrait's edges, drawn out."""
    width, height = image.size
    strip = max(round(portrait.width * 0.06), 1)
    canvas = Image.new("RGB", image.size)
    for left, x in ((0, 0), (round(middle), portrait.width - strip)):
        edge = portrait.crop((x, 0, x + strip, portrait.height)).resize(
            (1, portrait.height), Image.Resampling.BOX)
        rows = edge.transform((1, height), Image.Transform.AFFINE, (0, 0, 0.5, 0, fit[4], fit[5]),
                              Image.Resampling.NEAREST)
        rows = rows.filter(ImageFilter.BoxBlur((0, height / 40)))
        canvas.paste(rows.resize((width - left, height)), (left, 0))
    canvas = canvas.filter(ImageFilter.GaussianBlur(height / 30))
    image.paste(canvas, (0, 0), None if count == 1 else _share(image.size, middle))


def _feathered(size: tuple[int, int], share: float) -> Image.Image:
    """White, soft to the left and right."""
    w, h = size
    x = np.minimum(np.arange(w) + 0.5, w - np.arange(w) - 0.5) / (share * w)
    row = (np.clip(x, 0, 1) ** 2 * (3 - 2 * np.clip(x, 0, 1)) * 255).astype(np.uint8)
    return Image.fromarray(np.repeat(row[None], h, axis=0))


def _transformed(picture: Image.Image, size: tuple[int, int], fit) -> Image.Image:
    """An affine crop; large pictures are brought down first, so that nothing flickers."""
    step = max(int(math.floor(fit[0])), 1)
    if step > 1:
        picture = picture.reduce(step)
        fit = tuple(v / step for v in fit)
    return picture.transform(size, Image.Transform.AFFINE, fit, Image.Resampling.BICUBIC)
