"""TAEHV: the published code's numbers, published shapes, streaming, old files."""

import os

import numpy as np
import pytest
import torch

from gwm_core.backbones.latent_decoder import DecoderState
from gwm_core.backbones.taehv import KINDS, Taehv, TaehvDecoder, kind_of, load_taehv
from gwm_core.errors import CheckpointError
from gwm_core.evaluation.open_weights import decoder_cases as cases
from gwm_core.evaluation.open_weights.numbers import apart, committed

CLOSE = 1e-4


@pytest.fixture(scope="module")
def decoder():
    return TaehvDecoder(load_taehv(cases.taehv_weights("taew2_1")))


@pytest.mark.parametrize("name", cases.TAEHV_KINDS)
def test_the_published_codes_numbers(name):
    wanted = committed("taehv")
    for part, made in cases.taehv(name).items():
        assert wanted[f"{name}.{part}"].std() > 0.1
        assert apart(made, wanted[f"{name}.{part}"]) <= CLOSE


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.TAEHV_KINDS)
def test_the_reference_itself(name):
    """GWM_TAEHV: a checkout of madebyollin/taehv."""
    if not os.environ.get("GWM_TAEHV"):
        pytest.skip("GWM_TAEHV names no checkout of madebyollin/taehv")
    from .reference_decoders import taehv

    made = cases.taehv(name)
    for part, wanted in taehv(os.environ["GWM_TAEHV"], name).items():
        assert apart(made[part], wanted) <= CLOSE


def test_published_sizes():
    counts = {name: (128, 11_315_539) if name == "taew2_1" else None for name in KINDS}
    counts |= {"taehv1_5": (128, 11_372_012), "taehv1_5_super": (112, 20_470_572),
               "taew2_2": (128, 11_418_108), "taew2_2_super": (112, 20_487_996)}
    for name, kind in KINDS.items():
        network = Taehv(kind, device="meta", dtype=torch.float16)
        state = network.state_dict()
        assert (len(state), sum(t.numel() for t in state.values())) == counts[name]
        assert kind_of({n: tuple(t.shape) for n, t in state.items()}) == kind
    small = TaehvDecoder(Taehv(KINDS["taehv1_5"], device="meta", dtype=torch.float16))
    assert abs(small.state_bytes(32, 64) - 22e6) < 0.5e6  # Waypoint at 720P
    assert abs(small.state_bytes(44, 80) - 38e6) < 0.5e6  # Matrix-Game 2.0


def test_chunks_are_the_whole_clip(decoder):
    clip = cases.latents(16)
    whole, end = decoder.frames(None, clip)
    assert whole.shape == (1, 4 * cases.TICKS - 3, 3, 16, 24)
    for chunks in ((1, 1, 1, 1), (2, 2), (1, 3)):
        parts, state = cases.streamed(decoder, clip, chunks)
        assert (parts - whole).abs().max() <= CLOSE
        assert state.ticks == end.ticks == cases.TICKS
        assert max(map(lambda a, b: (a - b).abs().max(), state.past, end.past)) <= CLOSE


def test_the_state_is_a_value(decoder):
    clip = cases.latents(16)
    _, state = decoder.frames(None, clip[:, :2])
    kept = [t.clone() for t in state.buffers()]
    assert state.nbytes == decoder.state_bytes(*cases.SIZE)
    once, _ = decoder.frames(state, clip[:, 2:3])
    decoder.frames(state, clip[:, 3:4])
    again, _ = decoder.frames(state, clip[:, 2:3])
    assert torch.equal(once, again) and all(map(torch.equal, kept, state.buffers()))
    back = DecoderState.from_arrays(*state.to_arrays())
    assert back.ticks == 2 and all(map(torch.equal, back.buffers(), kept))
    # eight latents later the first ones are forgotten
    long = torch.cat([clip, clip, clip], 1)
    _, a = decoder.frames(None, long)
    _, b = decoder.frames(None, torch.cat([long[:, 1:2], long[:, 1:]], 1))
    assert max(map(lambda x, y: (x - y).abs().max(), a.past, b.past)) <= CLOSE


def test_frames_as_rollouts_want_them():
    decoder = TaehvDecoder(load_taehv(cases.taehv_weights("taew2_1")), size=(32, 18))
    clip = cases.latents(16)
    primed = decoder.prime(clip[:, :1])
    out, state = decoder.decode(primed, {"view": clip[:, 1:2]})
    assert out["view"].shape == (1, 4, 18, 32, 3) and out["view"].dtype == torch.uint8
    assert len(np.unique(out["view"].numpy())) > 50
    both, after = decoder.decode((primed, primed), {"view": torch.cat([clip[:, 1:2]] * 2)})
    assert torch.equal(both["view"][0], both["view"][1]) and len(after) == 2
    assert (both["view"][0].int() - out["view"][0].int()).abs().max() <= 1
    assert after[0].nbytes == state.nbytes


def test_what_does_not_fit_is_named(decoder):
    weights = cases.taehv_weights("taew2_1")
    with pytest.raises(CheckpointError, match="mine.pth does not fit TAEHV: missing: encoder.0"):
        load_taehv({n: t for n, t in weights.items() if n != "encoder.0.weight"}, where="mine.pth")
    with pytest.raises(CheckpointError, match="no TAEHV decoder"):
        load_taehv({"a": torch.zeros(1)})
    other = dict(weights) | {"decoder.1.weight": torch.zeros(256, 24, 3, 3)}
    with pytest.raises(CheckpointError, match="24 latent channels .* accepted are taew2_1"):
        load_taehv(other)
    with pytest.raises(ValueError, match="32 channels, this file decodes 16"):
        decoder.frames(None, cases.latents(32))
    with pytest.raises(ValueError, match="sides in multiples of 8"):
        decoder.network.encode(torch.zeros(1, 4, 3, 12, 16))
    alone = load_taehv({n: t for n, t in weights.items() if n.startswith("decoder.")})
    with pytest.raises(CheckpointError, match="a decoder only"):
        alone.encode(torch.zeros(1, 4, 3, 16, 16))
