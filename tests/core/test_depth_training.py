"""The picture reader's training, rehearsed on a few noisy pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from gwm_core.depth import DepthEstimator
from gwm_core.model.depth import HEIGHT, WIDTH, PictureReader, begin_with, build_reader
from gwm_core.training import depth


@pytest.fixture
def views(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "views"
    folder.mkdir()
    for n in range(2):
        np.savez(folder / f"{n:05d}.npz",
                 rgb=rng.integers(0, 255, (3, 2, 2 * HEIGHT, 2 * WIDTH, 3), dtype=np.uint8),
                 depth=rng.uniform(1, 5, (3, 2 * HEIGHT, 2 * WIDTH)).astype(np.float16),
                 label=rng.integers(0, 112, (3, 2 * HEIGHT, 2 * WIDTH), dtype=np.uint8),
                 pitch=np.zeros(3, np.float32))
    return folder


def case():
    rng = np.random.default_rng(1)
    return {"rgb": rng.integers(0, 255, (160, 256, 3), dtype=np.uint8), "pose": np.zeros(5),
            "depth": np.full((160, 256), 2.0, np.float32),
            "label": (np.arange(160 * 256).reshape(160, 256) % 3).astype(np.uint8)}


def test_a_rehearsal_gives_weights_that_load(views, tmp_path):
    figures = [depth.train(tmp_path / f"{k}.safetensors", views, steps=3, size=2, cases=[case()],
                           log=lambda _: None) for k in range(2)]
    assert figures[0] == figures[1] and figures[0]["steps"] == 3
    with safe_open(str(tmp_path / "0.safetensors"), "pt") as file:
        config = json.loads(file.metadata()["config"])
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
    made = DepthEstimator.from_tensors(tensors, config).estimate(case()["rgb"])
    assert made.depth.shape == (160, 256) and np.isfinite(made.depth).all()


def test_version_1_reads_on_and_its_weights_begin_a_new_one():
    torch.manual_seed(0)
    old = build_reader({"widths": [24, 48, 80, 112, 128]}).eval()
    new = PictureReader().eval()
    begin_with(new, old.state_dict())
    x = torch.randn(1, 7, HEIGHT, WIDTH)
    with torch.no_grad():
        for a, b in zip(old(x), new(x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
