"""Causal Wan: keys, parity with the published code, prompts that change, histories as values."""

import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core.backbones.causal_wan import VIEW, CausalWanConfig, CausalWanDynamics  # noqa: E402
from gwm_core.backbones.wan_cache import WanCache  # noqa: E402
from gwm_core.evaluation.open_weights import causal_wan_case as cases  # noqa: E402
from gwm_core.evaluation.open_weights import wan  # noqa: E402

CHECKOUT = os.environ.get("GWM_SELF_FORCING")


def dynamics_of(name):
    return CausalWanDynamics(cases.network(cases.CASES[name][0]))


def block(dynamics, seed):
    generator = torch.Generator().manual_seed(seed)
    spec = dynamics.spec
    return torch.randn(1, spec.block_ticks, *spec.latent_shape[VIEW], generator=generator)


def test_published_keys():
    assert wan.keys_ok() == {"causal Wan 1.3B": True}


def test_parity_with_the_published_code():
    found = wan.parity()
    assert set(found) == set(cases.CASES) and max(found.values()) <= 1e-4, found


def test_schedules():
    dynamics = dynamics_of("frames")
    assert len(dynamics.spec.sigmas(0)) == 4 and len(dynamics.spec.sigmas(1)) == 3
    assert dynamics.spec.sigmas(1) == pytest.approx((1, 5 / 6, 0))
    assert dynamics_of("chunks").spec.sigmas(7) == pytest.approx((1, 0.9375, 5 / 6, 0.625, 0))
    with pytest.raises(ValueError, match="do not fit into a window of 4"):
        CausalWanConfig(local=4, sink=3)


@torch.no_grad()
def test_another_prompt_replaces_nothing_but_the_words():
    dynamics = dynamics_of("chunks")
    generator = torch.Generator().manual_seed(1)
    here, there = (torch.randn(1, n, 24, generator=generator) for n in (5, 8))
    start = dynamics.prefill(here)
    one = dynamics.commit(start, {VIEW: block(dynamics, 2)}, None, 0)
    changed = dynamics.with_prompt(one, there)
    assert all(a is b for a, b in zip(one.part("self"), changed.part("self"), strict=True))
    noisy = {VIEW: block(dynamics, 3)}
    said = dynamics.step(changed, noisy, 0.9, None, 3)[VIEW]
    unsaid = dynamics.step(one, noisy, 0.9, None, 3)[VIEW]
    assert (said - unsaid).abs().max() > 0.05
    again = dynamics.with_prompt(changed, here)
    assert torch.equal(dynamics.step(again, noisy, 0.9, None, 3)[VIEW], unsaid)
    with pytest.raises(ValueError, match=r"up to 20, 24\] is accepted"):
        dynamics.prefill(torch.zeros(1, 21, 24))


@torch.no_grad()
def test_histories_are_values():
    dynamics = dynamics_of("sink")
    values = [dynamics.prefill(torch.ones(1, 3, 24))]
    for index in range(4):
        clean = {VIEW: block(dynamics, index)}
        values.append(dynamics.commit(values[-1], clean, None, 3 * index))
    assert [f for f, _ in values[-1].slots] == [0, 1, 2, 9, 10, 11]
    assert values[-1].nbytes == dynamics.spec.state_bytes
    assert values[-1].part("self")[0] is values[1].part("self")[0]
    back = WanCache.from_arrays(*values[-1].to_arrays())
    noisy = {VIEW: block(dynamics, 9)}
    wanted = dynamics.step(values[-1], noisy, 0.9, None, 12)[VIEW]
    assert torch.equal(dynamics.step(back, noisy, 0.9, None, 12)[VIEW], wanted)
    # an earlier value goes on as if the later ones had never been
    fork = dynamics.commit(values[1], {VIEW: block(dynamics, 1)}, None, 3)
    pairs = zip(fork.buffers(), values[2].buffers(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@torch.no_grad()
def test_a_first_picture():
    words = torch.ones(1, 3, 24)
    single = dynamics_of("frames")
    first = {VIEW: block(single, 5)}
    assert [f for f, _ in single.prefill(words, first).slots] == [0]
    with pytest.raises(ValueError, match="begins from text alone"):
        dynamics_of("chunks").prefill(words, first)


@pytest.mark.slow
def test_the_published_code_itself():
    if not CHECKOUT:
        pytest.skip("GWM_SELF_FORCING names no checkout of Self-Forcing")
    from . import wan_published

    rows = {}
    for name, (config, blocks) in cases.CASES.items():
        case = cases.inputs(config, blocks)
        rows[name] = wan_published.self_forcing(CHECKOUT, config, cases.weights(config), case)
        made = cases.run(CausalWanDynamics(cases.network(config)), case)
        assert min(float(values.std()) for values in rows[name]) > 0.3
        apart = [float(np.abs(a - b).max()) for a, b in zip(rows[name], made, strict=True)]
        print(name, apart)
        assert max(apart) <= 1e-4, (name, apart)
    apart = wan_published.compared(wan.NAME, rows, cases.KEEP)
    assert max(apart.values()) <= 1e-5, apart
