"""How a picture may look that another hand made: colours, light, paper, pencils, cameras; and
pictures without a face.

Drawn faces vary in what a face is; these vary in how it was put down, so that a net trained on
drawn faces also reads photographs and paintings.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Draw = np.random.Generator


def varied(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """A picture uint8 [H, W, 3] as it might also look; nothing moves by it."""
    out = rgb
    for share, change in _CHANGES:
        if draw.random() < share:
            out = change(out, draw)
    return np.ascontiguousarray(out)


def blurred(x: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; a wide one is made on few pixels."""
    if sigma < 3:
        return cv2.GaussianBlur(x, (0, 0), sigma)
    h, w = x.shape[:2]
    times = sigma / 2
    few = cv2.resize(x, (max(2, round(w / times)), max(2, round(h / times))),
                     interpolation=cv2.INTER_AREA)
    few = cv2.GaussianBlur(few, (0, 0), 1.7)
    return cv2.resize(few, (w, h), interpolation=cv2.INTER_LINEAR)


def _byte(x: np.ndarray) -> np.ndarray:
    return np.clip(x, 0, 255).astype(np.uint8)


def _tone(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Exposure, contrast and gamma, a little different in each channel."""
    x = np.arange(256) / 255
    gain = np.exp(draw.normal(0, 0.25)) * np.exp(draw.normal(0, 0.1, 3))
    lift = draw.normal(0, 0.1) + draw.normal(0, 0.04, 3)
    gamma = np.exp(draw.normal(0, 0.3)) * np.exp(draw.normal(0, 0.08, 3))
    curve = np.clip((x[:, None] ** gamma - 0.5) * gain + 0.5 + lift, 0, 1)
    return cv2.LUT(rgb, _byte(curve * 255.0)[:, None].reshape(256, 1, 3))


def _mixed(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Colours turned and faded: other skins, other pigments."""
    grey = np.full((3, 3), 1 / 3)
    turn = np.eye(3)[draw.permutation(3)] if draw.random() < 0.3 else np.eye(3)
    keep = draw.uniform(0, 1.5)
    m = keep * turn + (1 - keep) * grey + draw.normal(0, 0.06, (3, 3))
    return _byte(cv2.transform(rgb, m).astype(np.float32))


def _grey(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Black and white, or in the tone of an old print."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    tint = 1 + draw.normal(0, 0.08, 3) * (draw.random() < 0.5)
    return _byte(grey * tint)


def _lit(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Light from a side, or a soft edge of shadow across the picture."""
    h, w = rgb.shape[:2]
    angle, far = draw.uniform(0, 2 * np.pi), draw.uniform(0.15, 0.7)
    along = (np.cos(angle) * np.linspace(-1, 1, w)[None] + np.sin(angle)
             * np.linspace(-1, 1, h)[:, None]).astype(np.float32)
    steep = np.exp(draw.uniform(0, 2.5))
    shade = 1 - far / (1 + np.exp(-steep * (along - draw.uniform(-0.6, 0.6))))
    colour = 1 + draw.normal(0, 0.1, 3)
    return _byte(rgb * (shade[..., None] * (1 + 0.3 * far)) ** colour.clip(0.6, 1.4))


def _spot(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """A lamp or a shadow that falls on a part."""
    h, w = rgb.shape[:2]
    spot = np.zeros((h, w), np.float32)
    centre = (int(draw.uniform(0, w)), int(draw.uniform(0, h)))
    axes = (int(w * draw.uniform(0.1, 0.5)), int(h * draw.uniform(0.1, 0.5)))
    cv2.ellipse(spot, centre, axes, float(draw.uniform(0, 180)), 0, 360, 1.0, -1)
    spot = blurred(spot, w * draw.uniform(0.02, 0.12))
    return _byte(rgb * (1 + draw.uniform(-0.5, 0.6) * spot[..., None]))


def _soft(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Out of focus, moved, enlarged from few pixels, or smeared by a brush."""
    h, w = rgb.shape[:2]
    way = draw.integers(5)
    if way == 0:
        return blurred(rgb, w * draw.uniform(0.003, 0.02))
    if way == 1:
        kernel = np.zeros((9, 9), np.float32)
        angle = draw.uniform(0, np.pi)
        end = (int(round(4 + 4 * np.cos(angle))), int(round(4 + 4 * np.sin(angle))))
        cv2.line(kernel, (8 - end[0], 8 - end[1]), end, 1.0)
        return cv2.filter2D(rgb, -1, kernel / kernel.sum())
    if way == 2:
        return cv2.medianBlur(rgb, int(draw.choice([3, 5])))
    if way == 3:
        return cv2.bilateralFilter(rgb, 5, 60, 3)
    few = max(12, int(w / draw.uniform(1.3, 3.5)))
    small = cv2.resize(rgb, (few, max(12, few * h // w)), interpolation=cv2.INTER_AREA)
    how = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[draw.integers(3)]
    return cv2.resize(small, (w, h), interpolation=how)


def _sharp(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Sharpened, sometimes far too much."""
    blur = blurred(rgb, draw.uniform(0.8, 3.0))
    strength = draw.uniform(0.3, 2.0)
    return cv2.addWeighted(rgb, 1 + strength, blur, -strength, 0)


def _grain(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Noise of a sensor, film, paper or canvas: fine or coarse, added or multiplied."""
    h, w = rgb.shape[:2]
    cells = int(draw.choice([1, 1, 2, 4]))
    channels = 3 if draw.random() < 0.4 else 1
    grain = draw.standard_normal((h // cells + 1, w // cells + 1, channels), dtype=np.float32)
    if cells > 1:
        grain = cv2.resize(grain, (w, h), interpolation=cv2.INTER_LINEAR)
    grain = grain.reshape(*grain.shape[:2], -1)[:h, :w]
    if draw.random() < 0.5:
        return _byte(rgb + draw.uniform(2, 22) * grain)
    return _byte(rgb * (1 + draw.uniform(0.02, 0.14) * grain))


def _woven(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Threads, scan lines, hatching or halftone over all of it."""
    waves = _waves(rgb.shape[:2], draw, draw.uniform(2, 8))
    if draw.random() < 0.4:
        waves = waves * _waves(rgb.shape[:2], draw, draw.uniform(2, 8))
    return _byte(rgb * (1 + draw.uniform(0.05, 0.3) * waves[..., None]))


def _waves(shape: tuple[int, int], draw: Draw, period: float) -> np.ndarray:
    h, w = shape
    angle = draw.uniform(0, np.pi)
    along = (np.cos(angle) * np.arange(w)[None] + np.sin(angle) * np.arange(h)[:, None])
    return np.sin(along * (2 * np.pi / period) + draw.uniform(0, 6)).astype(np.float32)


def _few_colours(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Posterised to some levels, as in screen prints."""
    levels = int(draw.integers(3, 9))
    table = np.round(np.arange(256) / 255 * (levels - 1)) / (levels - 1) * 255
    return cv2.LUT(rgb, _byte(table))


def _jpeg(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Stored in few bytes."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(12, 70))]
    return cv2.imdecode(cv2.imencode(".jpg", rgb, quality)[1], cv2.IMREAD_COLOR)


def _ink(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Drawn in lines on paper: edges, tones as dodged pencil, or hatching by darkness."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    w = rgb.shape[1]
    way = draw.integers(4)
    if way == 0:  # what is darker than around it
        paper = grey / (blurred(grey, w * draw.uniform(0.01, 0.06)) + 1)
        ink = np.clip((1 - paper) * draw.uniform(2, 6), 0, 1)
    elif way == 1:  # contours
        low = int(draw.integers(20, 80))
        soft = blurred(grey, draw.uniform(0.6, 1.5))
        ink = cv2.Canny(_byte(soft), low, 2.5 * low).astype(np.float32) / 255
        if draw.random() < 0.5:
            ink = cv2.dilate(ink, np.ones((2, 2), np.uint8))
        ink = blurred(ink, draw.uniform(0.4, 0.9))
    elif way == 2:  # steps of tone
        size = blurred(grey, draw.uniform(0.5, 1.2))
        far = blurred(grey, draw.uniform(1.5, 3.0))
        ink = np.clip((far - size) * draw.uniform(0.05, 0.2), 0, 1)
        ink = np.maximum(ink, (size < draw.uniform(30, 90)) * draw.uniform(0.3, 1))
    else:
        ink = np.clip(np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(
            grey, cv2.CV_32F, 0, 1)) / draw.uniform(120, 400), 0, 1)
    if draw.random() < 0.5:  # hatched where it is dark, once or crossed
        for limit in draw.uniform(40, 170, int(draw.integers(1, 3))):
            lines = np.clip(_waves(grey.shape, draw, draw.uniform(2.5, 6)) * 2, 0, 1)
            ink = np.maximum(ink, lines * (grey < limit) * draw.uniform(0.4, 1))
    paper, colour = draw.uniform(190, 255, 3), draw.uniform(0, 90, 3)
    if draw.random() < 0.15:
        paper, colour = colour, paper
    if draw.random() < 0.3:  # coloured in, more or less
        paper = rgb * draw.uniform(0.4, 0.9) + 255 * draw.uniform(0.1, 0.4)
    return _byte(paper * (1 - ink[..., None]) + colour * ink[..., None])


def _covered(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Something before it: a strand, a hand, a scratch, a stain."""
    out = rgb.copy()
    h, w = out.shape[:2]
    for _ in range(int(draw.integers(1, 4))):
        colour = tuple(int(v) for v in draw.integers(0, 256, 3))
        a, b = ((int(draw.uniform(0, w)), int(draw.uniform(0, h))) for _ in range(2))
        if draw.random() < 0.5:
            cv2.line(out, a, b, colour, int(draw.integers(1, 5)), cv2.LINE_AA)
        else:
            axes = (int(w * draw.uniform(0.02, 0.12)), int(h * draw.uniform(0.02, 0.12)))
            cv2.ellipse(out, a, axes, float(draw.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return out


def _inverse(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    return 255 - rgb


_CHANGES: tuple[tuple[float, Callable[[np.ndarray, Draw], np.ndarray]], ...] = (
    (0.12, _covered), (0.25, _lit), (0.2, _spot), (0.25, _mixed), (0.10, _few_colours),
    (0.22, _ink), (0.12, _sharp), (0.35, _soft), (0.18, _grey), (0.1, _woven), (0.75, _tone),
    (0.35, _grain), (0.02, _inverse), (0.25, _jpeg),
)

# ------------------------------------------------------------------ no face


def nothing(size: int, draw: Draw) -> np.ndarray:
    """A picture uint8 [size, size, 3] of no face: colours, shapes, letters, textures."""
    out = _ground(size, draw)
    for _ in range(int(draw.integers(0, 3))):
        out = _THINGS[draw.integers(len(_THINGS))](out, draw)
    return out


def _ground(size: int, draw: Draw) -> np.ndarray:
    way = draw.integers(7)
    colours = draw.uniform(0, 255, (3, 3)).astype(np.float32)
    if way > 4:
        return _leaves(size, draw)
    if way == 4:
        return _byte(colours[0] + (colours[1] - colours[0]) * rough(size, draw)[..., None])
    if way == 0:
        return np.broadcast_to(colours[0], (size, size, 3)).astype(np.uint8)
    if way == 1:
        return _byte(cv2.resize(draw.uniform(0, 255, (2, 2, 3)).astype(np.float32), (size, size)))
    field = np.zeros((size, size), np.float32)
    for k in range(int(draw.integers(1, 6))):
        cells = 2 ** (k + 1)
        octave = draw.standard_normal((cells, cells), dtype=np.float32)
        field += cv2.resize(octave, (size, size), interpolation=cv2.INTER_CUBIC) * 0.65**k
    field = np.clip(field * 0.4 + 0.5, 0, 1)
    if way == 3:
        field = np.floor(field * draw.integers(2, 6)) / 4 % 1.01
    return _byte(colours[0] + (colours[1] - colours[0]) * field[..., None])


def rough(size: int, draw: Draw) -> np.ndarray:
    """float32 [size, size] about 0..1: noise as rough as natural pictures are."""
    field, cells = np.zeros((size, size), np.float32), 3
    fall = draw.uniform(0.45, 0.8)
    strength = 0.4
    while cells < size:
        octave = draw.standard_normal((cells, cells), dtype=np.float32)
        field += strength * cv2.resize(octave, (size, size), interpolation=cv2.INTER_CUBIC)
        cells, strength = 2 * cells, strength * fall
    return field * draw.uniform(0.3, 0.8) + 0.5


def _leaves(size: int, draw: Draw) -> np.ndarray:
    """Things before things, of all sizes, each with its light and its roughness: the "dead
    leaves" of natural pictures (Lee, Mumford and Huang 2001)."""
    count = int(draw.integers(10, 70))
    least = draw.uniform(0.02, 0.06)
    reach = size * least * draw.random(count) ** -0.7
    base, apart = draw.uniform(40, 215, 3), draw.uniform(15, 90)
    out = np.empty((size, size, 3), np.float32)
    out[:] = base
    round_ = draw.random() < 0.5
    for r in np.minimum(reach, 0.7 * size)[np.argsort(draw.random(count))]:
        at = tuple(int(v) for v in draw.uniform(0, size, 2))
        colour = np.clip(base + draw.normal(0, apart, 3), 0, 255)
        axes = (int(r) + 1, int(r * draw.uniform(0.4, 1)) + 1)
        if round_ or draw.random() < 0.5:
            turn = float(draw.uniform(0, 180))
            cv2.ellipse(out, at, axes, turn, 0, 360, colour.tolist(), -1, cv2.LINE_AA)
            if draw.random() < 0.4:  # a rim, or what bulges
                cv2.ellipse(out, at, (axes[0] * 3 // 4 + 1, axes[1] * 3 // 4 + 1), turn, 0, 360,
                            (colour * draw.uniform(0.7, 1.3)).tolist(), -1, cv2.LINE_AA)
        else:
            corners = at + draw.normal(0, r, (int(draw.integers(3, 7)), 2))
            cv2.fillPoly(out, [corners.astype(np.int32)], colour.tolist(), cv2.LINE_AA)
    shade = 1 + draw.uniform(0.1, 0.9) * (rough(size, draw) - 0.5)
    return _byte(blurred(out, draw.uniform(0.3, 1.6)) * shade[..., None])


def _colour(draw: Draw) -> tuple[int, int, int]:
    return tuple(int(v) for v in draw.integers(0, 256, 3))


def _shapes(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Ellipses, boxes and lines, some of them in pairs as eyes are."""
    out, size = rgb.copy(), len(rgb)
    for _ in range(int(draw.integers(2, 12))):
        at, far = draw.uniform(0, size, 2), size * draw.uniform(0.02, 0.3)
        other = at + draw.normal(0, 1, 2) * far
        thick = -1 if draw.random() < 0.6 else int(draw.integers(1, 4))
        a, b = tuple(int(v) for v in at), tuple(int(v) for v in other)
        way = draw.integers(4)
        if way == 0:
            cv2.rectangle(out, a, b, _colour(draw), thick)
        elif way == 1:
            cv2.line(out, a, b, _colour(draw), int(draw.integers(1, 6)), cv2.LINE_AA)
        else:
            axes = (int(far * draw.uniform(0.2, 1)) + 1, int(far * draw.uniform(0.2, 1)) + 1)
            turn, colour = float(draw.uniform(0, 180)), _colour(draw)
            cv2.ellipse(out, a, axes, turn, 0, 360, colour, thick, cv2.LINE_AA)
            if draw.random() < 0.3:
                cv2.ellipse(out, (int(at[0] + 2.5 * far), a[1]), axes, turn, 0, 360, colour, thick,
                            cv2.LINE_AA)
    return out


def _patches(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    """Polygons: roofs, folds of cloth, rocks."""
    out, size = rgb.copy(), len(rgb)
    for _ in range(int(draw.integers(2, 14))):
        corners = draw.uniform(0, size, 2) + draw.normal(0, size * draw.uniform(0.05, 0.3),
                                                         (int(draw.integers(3, 8)), 2))
        cv2.fillPoly(out, [corners.astype(np.int32)], _colour(draw), cv2.LINE_AA)
    return out


def _stripes(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    waves = _waves(rgb.shape[:2], draw, draw.uniform(4, 40))
    if draw.random() < 0.5:
        waves = waves * _waves(rgb.shape[:2], draw, draw.uniform(4, 40))
    share = np.clip(waves * draw.uniform(0.5, 8) / 2 + 0.5, 0, 1)[..., None]
    return _byte(rgb * (1 - share) + np.array(_colour(draw)) * share)


def _letters(rgb: np.ndarray, draw: Draw) -> np.ndarray:
    out, size = rgb.copy(), len(rgb)
    for _ in range(int(draw.integers(1, 6))):
        text = "".join(chr(int(c)) for c in draw.integers(33, 126, int(draw.integers(1, 9))))
        at = (int(draw.uniform(-0.2, 0.8) * size), int(draw.uniform(0, 1) * size))
        cv2.putText(out, text, at, int(draw.integers(0, 8)), draw.uniform(0.3, 2.5), _colour(draw),
                    int(draw.integers(1, 4)), cv2.LINE_AA)
    return out


_THINGS = (_shapes, _patches, _stripes, _letters, _shapes)
