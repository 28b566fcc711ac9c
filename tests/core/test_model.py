"""The dynamics: its ring rollout, its masks, and what its caches promise."""

import pytest
import torch

from gwm_core.model.cache import Cache
from gwm_core.model.dynamics import Dynamics, build_dynamics
from gwm_core.model.spec import Guide, StreamConfig

STREAMS = [
    StreamConfig("controls", 1, 5),
    StreamConfig("state", 2, 6, stem_depth=2, stem_width=24),
    StreamConfig("view.eye", 6, 10, grid=(2, 3), guide=True),
]
FREE = ("state", "view.eye")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    m = Dynamics(
        STREAMS, width=32, depth=3, heads=2, window=4, prompt_width=7,
        passes=(("state",), ("view.eye",)),
    ).eval()
    with torch.no_grad():
        for p in m.parameters():  # zero-initialised outputs would hide every mistake
            p.add_(torch.randn_like(p) * 0.1)
    return m


class Data:
    def __init__(self, ticks, batch=1, seed=1):
        g = torch.Generator().manual_seed(seed)
        def draw(*shape):
            return torch.randn(*shape, generator=g)
        self.prompt = draw(batch, 3, 7)
        self.controls = draw(batch, ticks, 5)
        self.state, self.view = draw(batch, ticks, 2, 6), draw(batch, ticks, 6, 10)
        self.guide = Guide(draw(batch, ticks, 6, 10), torch.rand(batch, ticks, 6, 1, generator=g))

    def tick(self, t):
        clean = {"state": self.state[:, t : t + 1], "view.eye": self.view[:, t : t + 1]}
        guide = Guide(self.guide.tokens[:, t : t + 1], self.guide.coverage[:, t : t + 1])
        return clean, self.controls[:, t : t + 1], {"view.eye": guide}


def play(model, data, ticks):
    clean, controls, guides = data.tick(0)
    caches = [model.prefill(data.prompt, clean, controls, guides)]
    for t in range(1, ticks):
        clean, controls, guides = data.tick(t)
        caches.append(model.commit(caches[-1], clean, controls, t, guides))
    return caches


def test_ring_equals_full_recompute(model):
    ticks = 11
    data = Data(ticks)
    caches = play(model, data, ticks - 1)
    clean, controls, guides = data.tick(ticks - 1)
    sigma = {"state": 0.0, "view.eye": 0.7}
    ring = model.step(caches[-1], clean, sigma, controls, ticks - 1, guides)
    tokens = {"state": data.state, "view.eye": data.view, "controls": data.controls[:, :, None]}
    levels = {n: torch.zeros(1, ticks) for n in tokens}
    levels["view.eye"][:, -1] = 0.7
    with torch.inference_mode():
        full = model(tokens, levels, {"view.eye": data.guide}, data.prompt)
    torch.testing.assert_close(ring["view.eye"], full["view.eye"][:, -1:], atol=1e-5, rtol=1e-4)
    assert set(ring) == {"view.eye"}


def test_partial_tick_equals_masked_recompute(model):
    ticks = 6
    data = Data(ticks)
    cache = play(model, data, ticks - 1)[-1]
    clean, controls, _ = data.tick(ticks - 1)
    ring = model.step(cache, {"state": clean["state"]}, 1.0, controls, ticks - 1)
    tokens = {"state": data.state, "view.eye": data.view, "controls": data.controls[:, :, None]}
    levels = {n: torch.zeros(1, ticks) for n in tokens}
    levels["state"][:, -1] = 1.0
    first = torch.zeros(1, ticks, dtype=torch.bool)
    first[:, -1] = True
    with torch.inference_mode():
        full = model(tokens, levels, {"view.eye": data.guide}, data.prompt, first)
    torch.testing.assert_close(ring["state"], full["state"][:, -1:], atol=1e-5, rtol=1e-4)


def test_fused_pass_equals_commit_then_step(model):
    data = Data(9)
    caches = play(model, data, 8)
    for t in (1, 2, 3, 4, 7):  # before, at and after the ring is full
        clean, controls, guides = data.tick(t)
        following, next_controls, next_guides = data.tick(t + 1)
        cache, out = model.commit_step(
            caches[t - 1], clean, controls, following, 0.5, next_controls, t, guides, next_guides
        )
        apart = model.step(caches[t], following, 0.5, next_controls, t + 1, next_guides)
        for name in FREE:
            torch.testing.assert_close(out[name], apart[name], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            cache.slots[-1][1], caches[t].slots[-1][1], atol=1e-5, rtol=1e-4
        )


def test_old_caches_stay_valid(model):
    data, other = Data(8), Data(8, seed=2)
    caches = play(model, data, 7)
    clean, controls, guides = data.tick(7)
    before = model.step(caches[3], clean, 1.0, controls, 4, guides)
    copies = [slot.clone() for _, slot in caches[3].slots]
    branch = caches[3]
    for t in range(4, 7):  # another future from the same past
        branch = model.commit(branch, *other.tick(t)[:2], t)
    model.step(caches[-1], clean, 1.0, controls, 7, guides)
    after = model.step(caches[3], clean, 1.0, controls, 4, guides)
    assert all(torch.equal(before[n], after[n]) for n in FREE)
    assert all(torch.equal(a, b) for a, (_, b) in zip(copies, caches[3].slots, strict=True))
    shared = {id(t) for t in caches[5].tensors()} & {id(t) for t in caches[6].tensors()}
    assert len(shared) == 3, "the prompt and all but the newest and oldest slots are shared"


def test_cache_size_is_constant(model):
    data = Data(30)
    caches = play(model, data, 30)
    assert caches[29].nbytes == caches[5].nbytes == caches[3].nbytes
    assert caches[29].nbytes - caches[29].prompt.nbytes == model.spec.state_bytes
    assert [t for t, _ in caches[29].slots] == [27, 28, 29]


def test_cache_survives_a_file(model):
    data = Data(6)
    cache = play(model, data, 5)[-1]
    again = Cache.from_tensors(cache.to_tensors())
    clean, controls, guides = data.tick(5)
    a = model.step(cache, clean, 1.0, controls, 5, guides)
    b = model.step(again, clean, 1.0, controls, 5, guides)
    assert all(torch.equal(a[n], b[n]) for n in FREE)
    assert again.next_tick == 5
    third = model.cache_from_arrays(*cache.to_arrays())
    c = model.step(third, clean, 1.0, controls, 5, guides)
    assert all(torch.equal(a[n], c[n]) for n in FREE)
    with pytest.raises(ValueError, match="cache.prompt"):
        Cache.from_tensors({})
    arrays, meta = cache.to_arrays()
    with pytest.raises(ValueError, match="this network needs"):
        model.cache_from_arrays({**arrays, "slot.4": arrays["slot.4"][:2]}, meta)


def test_time_is_relative(model):
    """The same past 50,000 ticks later gives the same answer: the prompt does not fade."""
    data = Data(4)
    outs = []
    for start in (0, 50_001):
        cache = model.prefill(data.prompt)
        for t in range(3):
            clean, controls, guides = data.tick(t)
            cache = model.commit(cache, clean, controls, start + t, guides)
        clean, controls, guides = data.tick(3)
        outs.append(model.step(cache, clean, 1.0, controls, start + 3, guides))
    for name in FREE:
        torch.testing.assert_close(outs[0][name], outs[1][name], atol=1e-4, rtol=1e-3)


def test_batched_branches(model):
    data = Data(6)
    cache = play(model, data, 5)[-1]
    parts = [Data(6, seed=s).tick(5) for s in (3, 4)]
    noisy = {n: torch.cat([p[0][n] for p in parts]) for n in FREE}
    controls = torch.cat([p[1] for p in parts])
    both = model.step(cache.expand(2), noisy, 1.0, controls, 5)
    for i, (clean, control, _) in enumerate(parts):
        one = model.step(cache, clean, 1.0, control, 5)
        for name in FREE:
            torch.testing.assert_close(both[name][i : i + 1], one[name], atol=1e-5, rtol=1e-4)
    stacked = Cache.stack(model.commit(cache.expand(2), noisy, controls, 5).split())
    assert stacked.batch == 2 and stacked.next_tick == 6


def test_prompt_event_changes_the_answer_and_keeps_the_past(model):
    data = Data(5)
    cache = play(model, data, 4)[-1]
    event = model.with_prompt(cache, data.prompt + 1.0)
    assert all(a[1] is b[1] for a, b in zip(cache.slots, event.slots, strict=True))
    clean, controls, guides = data.tick(4)
    a = model.step(cache, clean, 1.0, controls, 4, guides)
    b = model.step(event, clean, 1.0, controls, 4, guides)
    assert not torch.allclose(a["view.eye"], b["view.eye"])


def test_controls_can_be_imagined(model):
    """Inverse dynamics is a mask: views known, controls at level 1."""
    data = Data(5)
    cache = play(model, data, 4)[-1]
    clean, _, guides = data.tick(4)
    noisy = {**clean, "controls": torch.zeros(1, 1, 1, 5)}
    sigma = {"state": 0.0, "view.eye": 0.0, "controls": 1.0}
    out = model.step(cache, noisy, sigma, None, 4, guides)
    assert set(out) == {"controls"} and out["controls"].shape == (1, 1, 1, 5)
    blind = model.step(cache, clean, 1.0, None, 4, guides)
    assert set(blind) == set(FREE)


def test_guided_stream_starts_at_its_guide():
    torch.manual_seed(0)
    m = Dynamics(STREAMS, width=32, depth=2, heads=2).eval()
    clean, controls, guides = Data(1).tick(0)
    out = m.step(m.prefill(), clean, 1.0, controls, 0, guides)
    assert torch.equal(out["view.eye"], guides["view.eye"].tokens)


def test_config_rebuilds_the_network(model):
    again = build_dynamics(model.config)
    again.load_state_dict(model.state_dict())
    assert again.config == model.config
    assert again.spec == model.spec


def test_operations_are_used_for_every_linear_layer():
    class Own(torch.nn.Linear):
        pass

    class Operations:
        Linear = Own

    m = Dynamics(STREAMS, width=32, depth=1, heads=2, prompt_width=4, operations=Operations)
    linear = [x for x in m.modules() if isinstance(x, torch.nn.Linear)]
    assert linear and all(type(x) is Own for x in linear)


def test_clear_errors(model):
    with pytest.raises(ValueError, match="unknown stream 'sound'"):
        model.step(model.prefill(), {"sound": torch.zeros(1, 1, 1, 1)}, 1.0, None, 0)
    with pytest.raises(ValueError, match=r"stream 'state' needs \[.., 2, 6\]"):
        model.step(model.prefill(), {"state": torch.zeros(1, 1, 3, 6)}, 1.0, None, 0)
    with pytest.raises(ValueError, match="multiple of 4"):
        Dynamics(STREAMS, width=30, heads=2)
