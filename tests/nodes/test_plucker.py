"""Poses, their resampling and the sizes Wan takes, without a server."""

from __future__ import annotations

import numpy as np
import pytest

from gwm_core.errors import GWMError
from gwm_core.plucker import camera_matrices, resample_poses, wan_camera_embedding


def walk(count: int = 40) -> np.ndarray:
    steps = np.random.default_rng(0).normal(size=(count, 5)) * [0.1, 0.1, 0.0, 0.05, 0.02]
    return np.cumsum(steps, axis=0)


def test_camera_axes():
    ahead = camera_matrices(np.array([[1.0, 2.0, 1.5, 0.0, 0.0]]))[0]
    assert np.allclose(ahead[:3, 2], [1, 0, 0]), "yaw 0 looks along +x"
    assert np.allclose(ahead[:3, 0], [0, -1, 0]), "right of +x is -y"
    assert np.allclose(ahead[:3, 1], [0, 0, -1]), "camera y points down"
    up = camera_matrices(np.array([[0, 0, 0, np.pi / 2, np.pi / 6]]))[0]
    assert np.allclose(up[:3, 2], [0, np.cos(np.pi / 6), 0.5])
    assert np.isclose(np.linalg.det(up[:3, :3]), 1)


def test_resampling_keeps_the_ends_and_turns_the_short_way():
    path = np.array([[0, 0, 0, 3.1, 0], [1, 0, 0, -3.1, 0]], float)
    out = resample_poses(path, 3)
    assert np.allclose(out[0], path[0]) and np.isclose(out[1, 0], 0.5)
    assert abs(out[1, 3] - np.pi) < 1e-6


@pytest.mark.parametrize(
    ("sizes", "word"), [((64, 64, 6), "4n+1"), ((60, 64, 5), "width"), ((64, 0, 5), "height")]
)
def test_bad_sizes(sizes, word):
    with pytest.raises(GWMError, match=re_escape(word)):
        wan_camera_embedding(walk(), *sizes, 60.0, (256, 160))


def test_bad_poses():
    with pytest.raises(GWMError, match="walked path"):
        wan_camera_embedding(np.zeros((0, 5)), 64, 64, 5, 60.0, (256, 160))
    with pytest.raises(GWMError, match="walked path"):
        wan_camera_embedding(np.full((3, 5), np.nan), 64, 64, 5, 60.0, (256, 160))


def re_escape(word: str) -> str:
    return word.replace("+", r"\+")
