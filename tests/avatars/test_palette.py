"""What the inside of a mouth is painted with, from the portrait's own colours."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.avatars.motion import still
from gwm_core.avatars.palette import Palette
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


@pytest.mark.parametrize("style", ["cartoon", "anime", "clay", "photo"])
def test_a_mouth_in_colours_has(style):
    palette = Palette.of(*portrait(style, 0))
    assert redness(palette.cavity) > 1.15 * redness(palette.skin)
    assert redness(palette.tongue) > 1.1 * redness(palette.skin)
