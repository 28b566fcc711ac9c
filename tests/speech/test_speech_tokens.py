"""The decoder and the analysis of speech tokens."""

import numpy as np
import pytest
import torch

from gwm_core.model import speech_tokens as st
from gwm_core.speech.analysis import encode


def voice(seconds: float = 0.8, low: float = 110.0, high: float = 160.0) -> np.ndarray:
    """A gliding sawtooth through two resonances, with a hiss in its middle."""
    from scipy.signal import lfilter

    n = int(seconds * st.RATE)
    hertz = np.geomspace(low, high, n)
    saw = 2 * ((np.cumsum(hertz) / st.RATE) % 1.0) - 1
    for centre, width in ((600, 90), (1700, 140)):
        r = np.exp(-np.pi * width / st.RATE)
        saw = lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * centre / st.RATE), r * r], saw)
    saw *= 0.1 / saw.std()
    third = n // 3
    saw[third: third + n // 4] = 0.05 * np.random.default_rng(0).standard_normal(n // 4)
    return saw.astype(np.float32)


def test_a_take_cut_into_calls_sounds_the_same_to_the_bit():
    tokens = torch.from_numpy(encode(voice()))
    whole, end = st.decode(tokens, seed=3)
    parts, state, at = [], None, 0
    for size in (1, 4, 2, len(tokens)):
        wave, state = st.decode(tokens[at: at + size], state, seed=3, tick=at)
        parts.append(wave)
        at += size
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(state.tail, end.tail) and state.phase == end.phase


def test_noise_depends_on_seed_and_tick():
    tokens = torch.zeros(2, st.SUBS, st.WIDTH)
    tokens[..., st.ENVELOPE] = -2.0
    one, two = (st.decode(tokens, seed=s)[0] for s in (1, 2))
    assert not torch.equal(one, two)
    assert not torch.equal(one[: st.TICK], one[st.TICK:])


def test_pitch_level_and_voicing_of_what_is_decoded_are_those_of_the_tokens():
    tokens = torch.zeros(20, st.SUBS, st.WIDTH)
    tokens[..., st.ENVELOPE] = -2.0
    tokens[..., st.PITCH] = float(np.log2(1.3))
    tokens[:10, ..., 45: st.BANDS] = -4.0  # a voice falls to the top
    tokens[:10, ..., st.VOICING] = 1.0
    wave, _ = st.decode(tokens)
    found = encode(wave.numpy())
    voiced, hissed = found[2:9], found[12:19]
    assert 100 * 2 ** voiced[..., st.PITCH].mean() == pytest.approx(130, abs=1.5)
    assert voiced[..., st.VOICING].mean() > 0.9 and hissed[..., st.VOICING].mean() < 0.2
    # white at e^-2 below full scale, up to the highest band
    assert float(wave[10 * st.TICK + 960:].std()) == pytest.approx(np.exp(-2), rel=0.15)
    for part, bands in ((voiced, slice(4, 40)), (hissed, slice(4, 56))):
        assert np.abs(part[..., bands].mean((0, 1)) + 2.0).max() < 0.45


def test_analysis_and_decoder_keep_a_voice():
    sound = voice()
    tokens = encode(sound)
    again = encode(st.decode(torch.from_numpy(tokens))[0].numpy())
    loud = tokens[..., st.ENVELOPE].max(-1) > -4
    error = np.abs(again - tokens)[..., :50][loud]
    assert 8.686 * error.mean() < 4.0  # dB
    third = int(len(tokens) / 3)
    before = tokens[2: third - 1, :, st.VOICING]
    hiss = tokens[third + 1: third + 4, :, st.VOICING]
    assert before.mean() > 0.8 > 0.3 > hiss.mean()
    glide = 100 * 2 ** tokens[2: third - 1, :, st.PITCH].reshape(-1)
    assert 105 < glide[0] < 120 and glide[-1] > glide[0] + 5


def test_silence_is_silent_and_odd_lengths_are_whole_ticks():
    quiet = st.decode(torch.from_numpy(encode(np.zeros(1000, np.float32))))[0]
    assert float(quiet.abs().max()) == 0.0
    assert encode(np.zeros(961, np.float32)).shape == (2, st.SUBS, st.WIDTH)
    assert encode(np.zeros(0, np.float32)).shape == (0, st.SUBS, st.WIDTH)
    with pytest.raises(ValueError, match="tokens must be"):
        st.decode(torch.zeros(3, 8, 12))


def test_the_decoder_passes_gradients_to_its_tokens():
    tokens = torch.from_numpy(encode(voice(0.2))).requires_grad_()
    st.decode(tokens)[0].square().mean().backward()
    assert tokens.grad is not None and float(tokens.grad.abs().sum()) > 0
