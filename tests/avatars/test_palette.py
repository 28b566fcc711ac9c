"""What the inside of a mouth is painted with, from the portrait's own colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gwm_core.avatars.character import Character
from gwm_core.avatars.landmarks import INDEX as POINT
from gwm_core.avatars.motion import INDEX, still
from gwm_core.avatars.palette import Palette
from gwm_core.avatars.rig import Rig
from gwm_core.simulators.faces.faces import Face


def portrait(style: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    image, points = Face(9_100_000 + seed, style=style, split="held").draw(still(1)[0], size=192)
    return image, np.asarray(points, np.float32)


def redness(colour: np.ndarray) -> float:
    return float(colour[0] / max(colour[1], 1))


@pytest.mark.parametrize("paper", [(255, 255, 255), (255, 226, 178), (170, 205, 240)])
def test_a_mouth_in_ink_has_no_flesh(paper):
    image, points = portrait("ink", 1)
    grey = image.astype(np.float32).mean(-1, keepdims=True) / 255
    image = np.rint(grey * np.array(paper)).astype(np.uint8)
    palette = Palette.of(image, points)
    for colour in (palette.cavity, palette.tongue):
        assert abs(redness(colour) - paper[0] / paper[1]) < 0.1


@pytest.mark.parametrize(("style", "ink"), [("ink", True), ("cartoon", False), ("photo", False)])
def test_only_a_drawing_in_one_ink_has_its_ink_and_paper(style, ink):
    palette = Palette.of(*portrait(style, 1))
    assert (palette.ink is not None) == ink
    if ink:
        dark, light = palette.ink
        assert light.mean() - dark.mean() > 110 and palette.flat == 1
    # two colours and hard edges, but not one ink
    image, points = portrait("ink", 1)
    image[..., 2] = 255 - image[..., 2]
    assert Palette.of(image, points).ink is None


def opened(black: bool) -> tuple[np.ndarray, np.ndarray, Palette]:
    """Greys [n] of an opened mouth in a drawing of one ink whose lips are black or blank, how far
    each pixel is from the edge, and the palette."""
    image, points = portrait("ink", 1)
    mouth = [i for name, i in POINT.items() if name.startswith(("lip_", "mouth_", "inner_"))]
    (x0, y0), (x1, y1) = points[mouth].min(0) - 4, points[mouth].max(0) + 4
    image[int(y0):int(y1), int(x0):int(x1)] = Palette.of(image, points).ink[0 if black else 1]
    rig = Rig(Character(image, points), size=384)
    motion = still(1)[0]
    motion[INDEX["jaw"]] = 0.6
    inside = rig.painted(motion)
    deep = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)[inside]
    return rig.draw(motion)[inside].astype(float).mean(-1), deep, rig.palette


@pytest.mark.parametrize("black", [False, True])
def test_a_mouth_of_an_ink_drawing_is_ink_and_paper_with_a_line_around_it(black):
    grey, deep, palette = opened(black)
    ink, paper = (c.mean() for c in palette.ink)
    known = (grey < ink + 40) | (grey > paper - 40)
    assert known.mean() > 0.7  # the rest is edges between both
    assert (grey[deep > 3] < ink + 40).mean() > 0.15 and (grey[deep > 3] > paper - 40).mean() > 0.1
    rim = np.median(grey[(deep > 0.5) & (deep < 1.8)])
    assert abs(rim - (paper if black else ink)) < abs(rim - (ink if black else paper))


@pytest.mark.parametrize("style", ["cartoon", "anime", "clay", "photo"])
def test_a_mouth_in_colours_has(style):
    palette = Palette.of(*portrait(style, 0))
    assert redness(palette.cavity) > 1.15 * redness(palette.skin)
    assert redness(palette.tongue) > 1.1 * redness(palette.skin)
