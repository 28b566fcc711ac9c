"""An artist's own picture: cropping, depth, and inputs that do not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gwm_core.depth import DepthEstimator, align_edges, ground_prior, ray_maps
from gwm_core.errors import CheckpointError, GWMError
from gwm_core.model.depth import PictureReader
from gwm_core.pictures import (
    crop_box,
    first_picture,
    fit_depth,
    fit_picture,
    read_picture,
    relative_to_metric,
)

WIDTH, HEIGHT = 256, 160


@pytest.fixture(scope="module")
def estimator():
    torch.manual_seed(0)
    return DepthEstimator(PictureReader())


def test_the_rule_of_cropping():
    assert crop_box(1600, 1000, 1.6) == (0, 0, 1600, 1000)
    assert crop_box(2000, 1000, 1.6) == (200, 0, 1800, 1000)
    assert crop_box(1000, 1000, 1.6) == (0, 187, 1000, 812)
    wide = np.zeros((100, 400, 3), np.uint8)
    wide[:, 120:280] = 255  # exactly what is kept
    assert fit_picture(wide, WIDTH, HEIGHT).min() > 250


SHAPES = [(31, 57), (900, 400, 3), (64, 64, 4), (1, 70, 90, 3), (80, 50, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_and_aspect(shape):
    picture = np.random.default_rng(0).random(shape)
    out = fit_picture(torch.from_numpy(picture), WIDTH, HEIGHT)
    assert out.shape == (HEIGHT, WIDTH, 3) and out.dtype == np.uint8


def test_alpha_lies_over_white():
    picture = np.zeros((20, 20, 4), np.uint8)
    assert (read_picture(picture) == 255).all()


def test_bad_pictures_are_named():
    with pytest.raises(GWMError, match="NaN"):
        read_picture(np.full((20, 20, 3), np.nan))
    with pytest.raises(GWMError, match="shape"):
        read_picture(np.zeros((20, 20, 7)))
    with pytest.raises(GWMError, match="batch"):
        read_picture(np.zeros((3, 20, 20, 3)))
    with pytest.raises(GWMError, match="int64"):
        read_picture(np.zeros((20, 20, 3), np.int64))


def test_depth_maps_fit_their_picture():
    picture = np.zeros((200, 320, 3), np.uint8)
    metres = np.full((100, 160), 3.0, np.float32)
    assert (fit_depth(metres, picture, WIDTH, HEIGHT, "metres") == 3.0).all()
    ramp = np.tile(np.linspace(0, 1, 100, dtype=np.float32)[:, None], (1, 160))
    white = fit_depth(ramp, picture, WIDTH, HEIGHT, "near_white")
    black = fit_depth(1 - ramp, picture, WIDTH, HEIGHT, "near_black")
    np.testing.assert_allclose(white, black, rtol=1e-3)
    assert white[-1, 0] < white[0, 0] and abs(white[-4, 0] - 2.7) < 0.3
    with pytest.raises(GWMError, match="another shape"):
        fit_depth(np.zeros((100, 100), np.float32), picture, WIDTH, HEIGHT)
    with pytest.raises(GWMError, match="above 0"):
        fit_depth(metres * 0, picture, WIDTH, HEIGHT, "metres")
    with pytest.raises(GWMError, match="near_white"):
        fit_depth(metres, picture, WIDTH, HEIGHT, "far")
    with pytest.raises(GWMError, match="NaN"):
        fit_depth(metres * np.nan, picture, WIDTH, HEIGHT)


def test_relative_depth_takes_the_scale_of_an_estimate():
    truth = np.random.default_rng(0).uniform(1, 8, (40, 64)).astype(np.float32)
    relative = (1 / truth - 0.1) * 0.7
    out = relative_to_metric(relative, truth * np.exp(np.random.default_rng(1).normal(
        0, 0.05, truth.shape)))
    assert np.median(np.abs(out / truth - 1)) < 0.08


def test_floors_lie_on_the_floor():
    focal = 0.5 * HEIGHT / math.tan(math.radians(30))
    rays = ray_maps(WIDTH, HEIGHT, focal)
    part = np.zeros((9, HEIGHT, WIDTH))
    part[0] = 1.0
    depth = np.exp(-ground_prior(np.zeros((HEIGHT, WIDTH), np.float32), part, rays))
    row = 150
    expected = 1.55 * focal / (row + 0.5 - HEIGHT / 2)
    np.testing.assert_allclose(depth[row], expected, rtol=1e-3)


def test_depth_edges_follow_the_picture():
    rgb = np.zeros((60, 80, 3), np.uint8)
    rgb[:, 40:] = 200
    coarse = np.tile(np.clip((np.arange(80) - 35) / 10, 0, 1), (60, 1))  # a soft edge
    sharp = align_edges(coarse, rgb)
    assert sharp[30, 36] < 0.25 and sharp[30, 43] > 0.75


def test_a_first_picture_from_any_image(estimator):
    picture = np.random.default_rng(0).random((90, 300, 3))
    made = first_picture(picture, estimator, WIDTH, HEIGHT)
    assert made.rgb.shape == (HEIGHT, WIDTH, 3) and made.label.dtype == np.uint8
    assert np.isfinite(made.depth).all() and made.depth.min() >= 0.3
    given = first_picture(picture, estimator, WIDTH, HEIGHT, depth=np.full((90, 300), 2.0),
                          depth_kind="metres")
    assert (given.depth == 2.0).all()
    with pytest.raises(CheckpointError):
        DepthEstimator.from_tensors({"a": torch.zeros(1)}, {"widths": [8, 8, 8, 8, 8]})
