"""The Wan 2.1 VAE: the published code's numbers, published shapes, streaming."""

import os

import pytest
import torch

from gwm_core.backbones.latent_decoder import DecoderState
from gwm_core.backbones.wan_vae import WanVae, WanVaeDecoder, load_wan_vae
from gwm_core.errors import CheckpointError
from gwm_core.evaluation.open_weights import decoder_cases as cases
from gwm_core.evaluation.open_weights.numbers import apart, committed

CLOSE = 1e-4


@pytest.fixture(scope="module")
def decoder():
    return WanVaeDecoder(load_wan_vae(cases.wan_vae_weights(), config=cases.WAN_VAE))


def test_the_published_codes_numbers():
    wanted = committed("wan_vae")
    for part, made in cases.wan_vae().items():
        assert wanted[part].std() > 0.1
        assert apart(made, wanted[part]) <= CLOSE


@pytest.mark.slow
def test_the_reference_itself():
    """GWM_WAN21: a checkout of Wan-Video/Wan2.1."""
    if not os.environ.get("GWM_WAN21"):
        pytest.skip("GWM_WAN21 names no checkout of Wan-Video/Wan2.1")
    from .reference_decoders import wan_vae

    made = cases.wan_vae()
    for part, wanted in wan_vae(os.environ["GWM_WAN21"]).items():
        assert apart(made[part], wanted) <= CLOSE


def test_published_sizes():
    network = WanVae(device="meta", dtype=torch.float16)
    state = network.state_dict()
    assert (len(state), sum(t.numel() for t in state.values())) == (194, 126_892_531)
    assert state["decoder.upsamples.3.time_conv.weight"].shape == (768, 384, 3, 1, 1)
    assert state["encoder.downsamples.2.resample.1.weight"].shape == (96, 96, 3, 3)
    assert state["decoder.middle.1.norm.gamma"].shape == (384, 1, 1)
    assert abs(WanVaeDecoder(network).state_bytes(44, 80) - 1.07e9) < 0.01e9


def test_chunks_are_the_whole_clip(decoder):
    clip = cases.latents(4)
    whole = WanVaeDecoder(decoder.network)
    whole.at_once = cases.TICKS
    wanted, end = whole.frames(None, clip)
    assert wanted.shape == (1, 1 + 4 * (cases.TICKS - 1), 3, 16, 24) and wanted.std() > 0.1
    for chunks in ((1, 1, 1, 1), (2, 2), (1, 3)):
        parts, state = cases.streamed(decoder, clip, chunks)
        assert (parts - wanted).abs().max() <= CLOSE
        assert max(map(lambda a, b: (a - b).abs().max(), state.past, end.past)) <= CLOSE


def test_the_state_is_a_value(decoder):
    clip = cases.latents(4)
    _, first = decoder.frames(None, clip[:, :1])
    _, state = decoder.frames(first, clip[:, 1:2])
    kept = [t.clone() for t in state.buffers()]
    assert first.past.count(None) == 2 and state.nbytes == decoder.state_bytes(*cases.SIZE)
    once, _ = decoder.frames(state, clip[:, 2:3])
    decoder.frames(state, clip[:, 3:4])
    again, _ = decoder.frames(state, clip[:, 2:3])
    assert torch.equal(once, again) and all(map(torch.equal, kept, state.buffers()))
    for s in (first, state):
        back = DecoderState.from_arrays(*s.to_arrays())
        assert back.ticks == s.ticks and len(back.past) == len(s.past)
        assert torch.equal(decoder.frames(back, clip[:, 2:3])[0],
                           decoder.frames(s, clip[:, 2:3])[0])


def test_what_does_not_fit_is_named(decoder):
    weights = cases.wan_vae_weights()
    lost = {n: t for n, t in weights.items() if n != "decoder.head.2.bias"}
    with pytest.raises(CheckpointError, match="vae.pth does not fit .*decoder.head.2.b"):
        load_wan_vae(lost, config=cases.WAN_VAE, where="vae.pth")
    with pytest.raises(CheckpointError, match="no decoder of the Wan VAE"):
        load_wan_vae({"a": torch.zeros(1)})
    with pytest.raises(ValueError, match="16 channels, this file decodes 4"):
        decoder.frames(None, cases.latents(16))
    with pytest.raises(ValueError, match=r"accepted are \[batch, 1 \+ 4n"):
        decoder.network.encode(torch.zeros(1, 4, 3, 16, 24))
    half = {n: t for n, t in weights.items() if n.startswith(("decoder.", "conv2."))}
    alone = load_wan_vae(half, config=cases.WAN_VAE)
    with pytest.raises(CheckpointError, match="a decoder only"):
        alone.encode(torch.zeros(1, 1, 3, 16, 24))
