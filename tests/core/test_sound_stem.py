"""A stem that hears a sound by convolutions: the same whole as token by token."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gwm_core.model.dynamics import Dynamics
from gwm_core.model.sound_stem import FRAMES, STEP, SoundStem
from gwm_core.model.spec import StreamConfig

BANDS = 12
CONFIG = StreamConfig("voice", 1, FRAMES * BANDS, stem_depth=1, stem_width=16, stem_bands=BANDS)


@pytest.fixture(scope="module")
def stem():
    torch.manual_seed(0)
    return SoundStem(CONFIG, 8, nn).eval()


def test_a_track_at_once_gives_the_numbers_of_its_tokens(stem):
    track = torch.randn(2, FRAMES + 5 * STEP, BANDS)
    tokens = torch.stack([track[:, k * STEP:k * STEP + FRAMES].flatten(1) for k in range(6)], 1)
    with torch.no_grad():
        embedded, skip = stem(tokens[:, :, None])
        whole = stem.track(track)
    assert embedded.shape == (2, 6, 1, 8) and skip.shape == (2, 6, 1, 16)
    assert torch.allclose(embedded[:, :, 0], whole, atol=1e-6)


def test_the_newest_and_the_oldest_step_are_heard(stem):
    sound = torch.randn(1, FRAMES, BANDS)
    with torch.no_grad():
        said = stem.track(sound)
        for frame in (FRAMES - 1, STEP - 1):
            other = sound.clone()
            other[:, frame] += 3
            assert not torch.allclose(stem.track(other), said, atol=1e-4), frame


@pytest.mark.parametrize("config", [
    StreamConfig("voice", 1, FRAMES * BANDS + 1, stem_depth=1, stem_bands=BANDS),
    StreamConfig("voice", 2, FRAMES * BANDS, stem_depth=1, stem_bands=BANDS),
    StreamConfig("voice", 1, FRAMES * BANDS, guide=True, stem_depth=1, stem_bands=BANDS),
])
def test_what_is_no_sound_is_refused(config):
    with pytest.raises(ValueError, match="'voice'.*one token of 32 frames and no guide"):
        SoundStem(config, 8, nn)


def test_a_network_keeps_how_it_hears():
    net = Dynamics([StreamConfig("controls", 1, 2), CONFIG, StreamConfig("view", 1, 3)], 16, 1, 2,
                   4)
    again = Dynamics(**{**net.config, "streams": [
        StreamConfig.from_json(s) for s in net.config["streams"]]})
    assert isinstance(again.stems["voice"], SoundStem)
    assert again.load_state_dict(net.state_dict())


def test_a_token_that_comes_again_is_heard_once(stem):
    token, calls = torch.randn(1, 1, 1, FRAMES * BANDS), []
    hook = stem.hears.register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        first, again = stem(token), stem(token)
        other = stem(token.clone())
    assert len(calls) == 2 and first[0] is again[0] and torch.equal(first[0], other[0])
    weights = {k: v + 0.1 for k, v in stem.state_dict().items()}
    stem.load_state_dict(weights)
    with torch.inference_mode():
        assert not torch.equal(stem(token)[0], first[0])
    hook.remove()
