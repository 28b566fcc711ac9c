"""The modal synthesiser behind the audio tokens."""

import time

import numpy as np
import pytest
import torch

from gwm_core.model import modes
from gwm_core.model.audio_tokenizer import OFFSET, PITCH, AudioTokenizer, Ringing
from gwm_core.model.audio_tokens import bed_levels, encode_events, strength_of

METAL, WOOD, STONE = 4, 0, 1


@pytest.fixture(scope="module")
def tokenizer():
    return AudioTokenizer().eval()


def play(tokenizer, tokens, state=None, seed=3, tick=1):
    with torch.inference_mode():
        wave, state = tokenizer.decode(torch.from_numpy(tokens), state, seed, tick)
    return wave.numpy(), state


def example(ticks=10):
    events = [(1, 0, 0, METAL, 0.8, 1.0, 0.16, 0.3), (3, 1, 1, WOOD, 0.5), (5, 0, 2, 5, 0.35),
              (6, 0, 0, STONE, 0.4, 3.0)]
    bed = np.array([1.5, 1.2, 1.1, 1, 0.9, 0.7, 0.5, 0.2, 0.5], np.float32)
    return encode_events(events, ticks, bed)


def test_ticks_join_exactly(tokenizer):
    whole, end = play(tokenizer, example())
    state, parts = None, []
    for t in range(10):
        wave, state = play(tokenizer, example()[t : t + 1], state, tick=1 + t)
        state = Ringing.from_arrays(state.to_arrays())
        parts.append(wave)
    assert np.array_equal(whole, np.concatenate(parts))
    assert torch.equal(end.modes, state.modes)


def test_ringing_is_the_analytic_mode(tokenizer):
    """A metal impact rings through tick borders as the sum of its damped sines."""
    tokens = encode_events([(1, 0, 0, METAL, 0.2, 1.0, 0.16, 0.25)], 6)
    tokens[:, :, PITCH] = 0.0
    with torch.no_grad():
        quiet = AudioTokenizer().eval()
        quiet.burst.zero_()
    wave, _ = play(quiet, tokens)
    t = np.arange(12000 - 250) / 24000
    bright = (0.35 + 0.9 * 0.2) ** (np.arange(6) * 0.35)
    amount = modes.loudness(0.2) * modes.GAIN[0, METAL] * bright
    want = np.zeros(12000)
    for k in range(6):
        want[250:] += amount[k] * np.sin(2 * np.pi * modes.FREQUENCY[METAL, k] * t) * np.exp(
            -t / modes.DECAY[METAL, k]
        )
    np.testing.assert_allclose(wave, np.tanh(1.2 * want) / 1.2, atol=2e-4)


def test_same_seed_same_sound(tokenizer):
    a, _ = play(tokenizer, example())
    torch.manual_seed(1)
    b, _ = play(tokenizer, example())
    c, _ = play(tokenizer, example(), seed=4)
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_events_are_heard_where_they_are(tokenizer):
    wave, _ = play(tokenizer, encode_events([(4, 1, 1, WOOD, 0.6)], 8))
    loud = np.sqrt(np.square(wave.reshape(16, 1000)).mean(1))
    assert loud[:7].max() < 1e-6 and loud[7] > 0.02 and loud[-1] < 0.2 * loud[7]
    far, _ = play(tokenizer, encode_events([(4, 1, 1, WOOD, 0.6, 4.0)], 8))
    assert abs(np.abs(far).max() / np.abs(wave).max() - 0.25) < 0.05


def test_materials_sound_apart(tokenizer):
    spectra = []
    for material in range(6):
        wave, _ = play(tokenizer, encode_events([(1, 0, 0, material, 0.6)], 4))
        size = np.abs(np.fft.rfft(wave, 8192))
        spectra.append(size / np.linalg.norm(size))
    likeness = np.stack(spectra) @ np.stack(spectra).T - np.eye(6)
    assert likeness.max() < 0.9


def test_gradients_reach_tokens_and_tables():
    m = AudioTokenizer().train()
    tokens = torch.from_numpy(example(3)).requires_grad_()
    wave, _ = m.decode(tokens, None, 1, 1)
    wave.square().sum().backward()
    assert tokens.grad[0, 0, METAL] > 0 and tokens.grad[0, 0, OFFSET] != 0
    assert tokens.grad[:, 2, :8].abs().min() > 0
    for name in ("log_frequency", "log_decay", "gain", "burst", "log_burst_decay"):
        assert getattr(m, name).grad.abs().sum() > 0, name


def test_a_checkpoint_stores_the_modes():
    a, b = AudioTokenizer().eval(), AudioTokenizer().eval()
    with torch.no_grad():
        a.log_frequency.add_(0.3)
    play(b, example())
    b.load_state_dict(a.state_dict())
    assert np.array_equal(play(a, example())[0], play(b, example())[0])
    assert not np.array_equal(play(a, example())[0], play(AudioTokenizer().eval(), example())[0])


def test_bed_levels_are_found_again(tokenizer):
    level = np.array([0.8, 0.9, 1.2, 1.0, 0.7, 0.5, 0.4, 0.3, 0.0], np.float32)
    wave, _ = play(tokenizer, encode_events([(5, 0, 0, METAL, 0.5)], 120, level))
    found = bed_levels(wave[2000:])
    assert np.abs(found - level[:8]).max() < 0.3
    assert np.abs(bed_levels(np.zeros(48000))).max() < 1e-3


def test_strength_is_the_inverse_of_loudness():
    for strength in (0.05, 0.4, 1.1):
        assert abs(strength_of(modes.loudness(strength)) - strength) < 1e-6


def test_silence_is_silent_and_cheap(tokenizer):
    tokens = np.zeros((1, 3, 16), np.float32)
    wave, state = play(tokenizer, tokens)
    assert not wave.any() and state.nbytes < 20_000
    _, ringing = play(tokenizer, example())
    start = time.process_time()
    for tick in range(20):
        _, ringing = play(tokenizer, example()[tick % 10 :][:1], ringing, tick=tick)
    assert (time.process_time() - start) / 20 < 0.02


def test_clear_error(tokenizer):
    with pytest.raises(ValueError, match=r"must be \[T, 3, 16\]"):
        tokenizer.decode(torch.zeros(3, 16))
