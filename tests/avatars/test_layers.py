"""The picture that a rig warps: sampled between its pixels, in front of its ground."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gwm_core.avatars import layers
from gwm_core.avatars.coarse_map import centres
from gwm_core.avatars.layers import Figure, Sheet, sample

BOX = (0, 0, 60, 44)


@pytest.fixture
def picture() -> np.ndarray:
    noise = np.random.default_rng(5).integers(0, 256, (44, 60, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.5)


def sheets(picture: np.ndarray) -> list[Sheet]:
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[:, :20] = 0
    return [Sheet(picture), Figure(picture, alpha)]


def test_pixels_are_exact(picture):
    for sheet in sheets(picture):
        assert np.abs(sheet.at(*centres(BOX), BOX) - picture.astype(float)).max() < 0.01


def waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """0..255 at places in pixels."""
    return np.stack([128 + 60 * np.sin(x / 3) + 40 * np.cos(y / 4 + k) for k in range(3)], -1)


def test_between_pixels_it_is_what_was_there():
    picture, inner = np.rint(waves(*centres(BOX))).astype(np.uint8), (slice(4, -4), slice(4, -4))
    x, y = centres(BOX)
    for dx, dy in ((0.25, 0.0), (0.5, 0.5), (-0.4, 0.3)):
        there = waves(x + dx, y + dy)
        for sheet in sheets(picture):
            near = sheet.at(x + np.float32(dx), y + np.float32(dy), BOX)
            assert np.abs(near - there)[inner][:, 20:].max() < 2
        assert np.abs(picture - there)[inner].max() > 4


def test_a_large_picture_is_not_doubled(picture, monkeypatch):
    monkeypatch.setattr(layers, "DOUBLED", picture.shape[0] * picture.shape[1] - 1)
    x, y = (at + np.float32(0.3) for at in centres(BOX))
    assert np.array_equal(Sheet(picture).at(x, y, BOX), sample(picture, x, y))
