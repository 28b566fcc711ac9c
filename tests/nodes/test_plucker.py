"""The camera embedding equals what the host's own code makes from the same poses."""

from __future__ import annotations

import ast

import numpy as np
import pytest
import torch

from gwm_core.errors import GWMError
from gwm_core.plucker import (
    camera_matrices,
    focal_length,
    resample_poses,
    wan_camera_embedding,
)

WANTED = {"process_pose_params", "Camera", "ray_condition"}


def walk(count: int = 40) -> np.ndarray:
    steps = np.random.default_rng(0).normal(size=(count, 5)) * [0.1, 0.1, 0.0, 0.05, 0.02]
    return np.cumsum(steps, axis=0)


@pytest.fixture(scope="module")
def host_code(comfy_tree) -> dict:
    """The host's functions, taken from its source: importing it would start a device."""
    from einops import rearrange

    source = (comfy_tree / "comfy_extras" / "nodes_camera_trajectory.py").read_text()
    parts = [n for n in ast.parse(source).body if getattr(n, "name", None) in WANTED]
    space = {"np": np, "torch": torch, "rearrange": rearrange}
    exec(compile(ast.Module(parts, []), "host", "exec"), space)  # noqa: S102
    return space


def test_equals_the_hosts_embedding(host_code):
    width, height, length = 96, 64, 21
    path = resample_poses(walk(), length)
    focal = focal_length(60.0, (256, 160), (width, height))
    rows = [
        [0, focal / width, focal / height, 0.5, 0.5, 0, 0, *matrix.reshape(-1)]
        for matrix in camera_matrices(path)
    ]
    video = host_code["process_pose_params"](
        np.array(rows), width, height, original_pose_width=width, original_pose_height=height
    )
    video = video.permute([3, 0, 1, 2]).unsqueeze(0)
    video = torch.concat([video[:, :, :1].repeat_interleave(4, dim=2), video[:, :, 1:]], dim=2)
    video = video.transpose(1, 2)
    b, f, c, h, w = video.shape
    video = video.contiguous().view(b, f // 4, 4, c, h, w).transpose(2, 3)
    video = video.contiguous().view(b, f // 4, c * 4, h, w).transpose(1, 2)
    own = wan_camera_embedding(walk(), width, height, length, 60.0, (256, 160))
    assert own.shape == (1, 24, 6, height, width)
    assert torch.allclose(own, video, atol=1e-6)


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
