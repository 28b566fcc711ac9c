"""Linear patch tokens."""

import time

import numpy as np
import pytest
import torch

from gwm_core.model.patches import PatchTokenizer


def scenes(ticks, width=64, height=32, seed=0):
    """Smooth moving colour ramps with an edge, and disparity to match."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 32.0
    frames = np.zeros((ticks, 2, height, width, 3), np.uint8)
    near = np.zeros((ticks, 2, height, width), np.float32)
    for t in range(ticks):
        a, b, phase, edge = rng.normal(size=4)
        for f in range(2):
            wave = np.sin(a * x + b * y + phase + 0.2 * f) + (x > 1 + 0.3 * edge + 0.05 * f)
            frames[t, f] = np.clip(110 + 50 * wave[..., None] * rng.uniform(0.5, 1, 3), 0, 255)
            near[t, f] = 0.5 + 0.2 * wave
    return frames, near


@pytest.fixture(scope="module")
def fitted():
    tokenizer = PatchTokenizer(64, 32, 16, (48, 16, 12, 4))
    return tokenizer, tokenizer.fit(*scenes(300))


def test_fit_explains_the_data(fitted):
    _, report = fitted
    assert report["explained_mean"] > 0.98 and report["explained_depth"] > 0.98
    assert report["psnr"] > 30


def test_round_trip_of_unseen_ticks(fitted):
    tokenizer, _ = fitted
    frames, near = scenes(20, seed=9)
    for f, d in zip(frames, near, strict=True):
        tokens = tokenizer.encode(f, d)
        assert tokens.shape == (8, 80)
        again, disparity = tokenizer.decode(tokens)
        assert again.shape == f.shape and again.dtype == np.uint8
        error = np.square(again.astype(float) - f).mean()
        assert 10 * np.log10(255**2 / error) > 28
        assert np.abs(disparity - d).mean() < 0.02


def test_a_single_frame_stands_still(fitted):
    tokenizer, _ = fitted
    frames, near = scenes(1, seed=4)
    tokens = tokenizer.encode(frames[0, :1], near[0, :1])
    assert not tokens[:, 48:64].any(), "no change is the token zero"
    both, _ = tokenizer.decode(tokens)
    assert np.array_equal(both[0], both[1])
    assert tokenizer.decode(tokens, frames=1)[0].shape[0] == 1


def test_a_change_of_tokens_is_linear(fitted):
    tokenizer, _ = fitted
    frames, near = scenes(2, seed=5)
    a, b = (tokenizer.encode(f, d) for f, d in zip(frames, near, strict=True))
    change = tokenizer.decode_change(b - a, 1)
    low, high = tokenizer.decode(a)[0], tokenizer.decode(b)[0]
    assert np.abs(np.clip(low + change, 0, 255) - high).mean() < 1.0
    assert not tokenizer.decode_change(a - a, 1).any()
    cells = tokenizer.decode_change(b - a, 4)
    means = change.reshape(2, cells.shape[1], 4, cells.shape[2], 4, 3).mean((2, 4))
    assert np.allclose(cells, means, atol=1e-3)


def test_tokens_are_of_about_unit_size(fitted):
    tokenizer, _ = fitted
    frames, near = scenes(50, seed=6)
    tokens = torch.cat([tokenizer.encode(f, d) for f, d in zip(frames, near, strict=True)])
    assert 0.2 < float(tokens[:, :48].std()) < 5


def test_same_data_same_basis():
    a, b = PatchTokenizer(64, 32, 16), PatchTokenizer(64, 32, 16)
    a.fit(*scenes(40))
    torch.manual_seed(5)
    b.fit(*scenes(40))
    assert torch.equal(a.mean_basis, b.mean_basis)


def test_full_size_is_fast():
    tokenizer = PatchTokenizer()
    assert tokenizer.tokens == 40 and tokenizer.grid == (5, 8)
    frames = np.random.default_rng(0).integers(0, 255, (2, 160, 256, 3), np.uint8)
    near = np.ones((2, 160, 256), np.float32)
    tokenizer.decode(tokenizer.encode(frames, near))
    start = time.process_time()
    for _ in range(10):
        tokenizer.decode(tokenizer.encode(frames, near))
    assert (time.process_time() - start) / 10 < 0.05


def test_clear_errors():
    tokenizer = PatchTokenizer(64, 32, 16)
    with pytest.raises(ValueError, match="not a multiple of 32"):
        PatchTokenizer(250, 160)
    with pytest.raises(ValueError, match="frames must be"):
        tokenizer.encode(np.zeros((2, 30, 64, 3), np.uint8), np.zeros((2, 30, 64), np.float32))
    with pytest.raises(ValueError, match="tokens must be"):
        tokenizer.decode(torch.zeros(3, 3))
