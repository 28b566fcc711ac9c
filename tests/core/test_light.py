"""Relighting: nothing changes where nothing changed, and a little training already helps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gwm_core.model.light import Relight, condition_features
from gwm_core.relight import Relighter, find_lights, nearness, no_lights
from gwm_core.training.light import measure, sample


@pytest.fixture
def relighter():
    torch.manual_seed(0)
    return Relighter(Relight())


def test_the_same_light_is_the_same_bytes(relighter):
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    near, far = np.full((20, 30), 2.0, np.float32), np.full((20, 30), 5.0, np.float32)
    for condition in (0, 3, 6, 15):  # without fog, whatever the distance
        assert (relighter.relight(rgb, condition, condition, near, far) == rgb).all()
    assert (relighter.relight(rgb, 1, 1, near, near) == rgb).all()
    assert (relighter.relight(rgb, 1, 1, near, far) != rgb).any(), "fog depends on distance"
    assert (relighter.relight(rgb, 0, 12, near, near) != rgb).any()


def test_the_network_itself_is_exact():
    torch.manual_seed(1)
    model = Relight()
    rgb, s = torch.rand(64, 3), torch.full((64,), 9)
    out = model(rgb, s, torch.rand(64) * 5, s, torch.rand(64) * 5, torch.zeros(64, 6))
    assert torch.equal(out, rgb)
    clear = condition_features(torch.tensor([0, 1]), torch.tensor([3.0, 3.0]))
    assert (clear[0, 7:] == 0).all() and (clear[1, 7:] > 0).all()


def test_mixed_sources_and_unknown_lights(relighter):
    rgb = np.full((4, 4, 3), 100, np.uint8)
    source = np.full((4, 4), 12, np.uint8)
    source[:2] = 0
    out = relighter.relight(rgb, source, 12, 1.0, 1.0)
    assert (out[2:] == 100).all() and (out[:2] != 100).any()
    with pytest.raises(ValueError, match="0 to 17"):
        relighter.relight(rgb, 0, 18, 1.0, 1.0)


def test_lights_are_found_among_kept_points():
    rng = np.random.default_rng(0)
    lamp = rng.normal((1, 2, 2.2), 0.05, (50, 3))
    pane = rng.normal((4, 0, 1.5), 0.2, (80, 3))
    wall = rng.normal((0, 0, 1), 1.0, (100, 3))
    label = np.array([7] * 50 + [8 + 6] * 80 + [1] * 100, np.uint8)
    lights = find_lights(np.concatenate([lamp, pane, wall]).astype(np.float32), label)
    assert len(lights.lamps) == 1 and np.linalg.norm(lights.lamps[0] - (1, 2, 2.2)) < 0.1
    assert len(lights.windows) >= 1
    close = nearness(np.array([[1, 2, 2.0], [9, 9, 9]], np.float32), lights)
    assert close[0, 0] > 0.9 > close[1, 0] and close[0, 1] == 1
    assert (nearness(np.zeros((2, 3), np.float32), no_lights()) == 0).all()


def test_training_on_made_up_pixels_helps():
    rng = np.random.default_rng(0)
    base = rng.uniform(60, 200, (3000, 1, 3))
    tone = np.array([(1, 1, 1), (1.1, 1.05, 0.9), (0.6, 0.5, 0.4), (0.9, 0.7, 0.5),
                     (0.25, 0.3, 0.4), (0.8, 0.6, 0.4)])
    data = {"colour": (base * tone).clip(0, 255).astype(np.uint8),
            "distance": rng.uniform(0.5, 6, 3000).astype(np.float32),
            "extra": np.zeros((3000, 6), np.float32)}
    torch.manual_seed(0)
    model = Relight(24)
    optimiser = torch.optim.AdamW(model.parameters(), 5e-3)
    for _ in range(80):
        *inputs, wanted = sample(data, rng, 512)
        loss = torch.nn.functional.smooth_l1_loss(model(*inputs), wanted, beta=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    figures = measure(model, data, 0)
    assert figures["psnr"] > figures["psnr_unchanged"] + 3
