"""The sampling loop over two dynamics of different shape: ours, and a block-wise stranger."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from gwm_core.errors import Cancelled
from gwm_core.model.dynamics import Dynamics
from gwm_core.model.spec import DynamicsSpec, Ring, StreamConfig
from gwm_core.rollout import begin, rollout, settle, stack, wait


@dataclass(frozen=True)
class StrangeCache:
    """The last two blocks' summed latents: another value type, another history rule."""

    blocks: tuple[torch.Tensor, ...] = ()

    @property
    def nbytes(self):
        return sum(b.nbytes for b in self.blocks)

    @staticmethod
    def stack(caches):
        rows = zip(*[c.blocks for c in caches], strict=True)
        return StrangeCache(tuple(torch.cat(r) for r in rows))


class Strange:
    """Random weights, blocks of 3 ticks, 4 frames a tick but 1 in the first, velocity prediction,
    renoising, controls by the frame with a history; no guide, no state stream, no fused pass."""

    spec = DynamicsSpec(
        latent_shape={"view": (2, 4, 5)}, frames_per_tick=4, first_tick_frames=1, block_ticks=3,
        schedule=lambda block: (1.0, 0.9, 0.6, 0.0) if block == 0 else (1.0, 0.6, 0.0),
        between_steps="renoise", prediction="v", controls=2, control_rate="frame",
        control_history=12, history=Ring(6),
    )

    def __init__(self):
        g = torch.Generator().manual_seed(5)
        self.mix = torch.randn(40, 40, generator=g) / 9
        self.act = torch.randn(2, 40, generator=g) / 3
        self.steps = 0
        self.seen = []

    def prefill(self, prompt, observation):
        return StrangeCache((prompt,) if prompt is not None else ())

    def step(self, cache, noisy, sigma, controls, t0):
        self.steps += 1
        self.seen.append((t0, sigma, tuple(controls.shape)))
        x = noisy["view"].flatten(2)
        past = sum(b for b in cache.blocks) if cache.blocks else 0.0
        return {"view": torch.tanh(
            x @ self.mix + past + controls.sum(1, keepdim=True) @ self.act
        ).view_as(noisy["view"]) * sigma}

    def commit(self, cache, clean, controls, t0):
        summed = clean["view"].flatten(2).mean(1, keepdim=True)
        return StrangeCache((*cache.blocks, summed)[-2:])


class Streaming:
    """A streaming decoder: 1 frame for the first latent, then 4, with a state value."""

    def decode(self, state, latents):
        x = latents["view"]
        frames = x[:, :, :1] if state is None else torch.stack(
            [state + (x[:, 0] - state) * (i + 1) / 4 for i in range(4)], 1
        )[:, :, :1]
        return {"view": frames}, x[:, 0]


STREAMS = [
    StreamConfig("controls", 1, 3),
    StreamConfig("state", 2, 6),
    StreamConfig("view.eye", 6, 10, grid=(2, 3), guide=True),
]


@pytest.fixture(scope="module")
def ours():
    torch.manual_seed(0)
    m = Dynamics(STREAMS, width=32, depth=2, heads=2, window=4,
                 passes=(("state",), ("view.eye",)), schedule=(1.0, 0.5, 0.0)).eval()
    with torch.no_grad():
        for p in m.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    return m


def controls(ticks, columns=3, seed=0, batch=1):
    return torch.randn(batch, ticks, columns, generator=torch.Generator().manual_seed(seed))


def run(model, value, rows, **more):
    return list(rollout(model, value, rows, **more))


def view(ticks, name="view.eye"):
    return torch.cat([t.latents[name] for t in ticks], 1)


OBSERVATION = {"state": torch.ones(1, 1, 2, 6), "view.eye": torch.ones(1, 1, 6, 10)}


def test_cutting_a_walk_changes_nothing(ours):
    value = begin(ours, None, OBSERVATION, seeds=7)
    rows = controls(9)
    whole = run(ours, value, rows)
    first = run(ours, value, rows[:, :4])
    second = run(ours, first[-1].value, rows[:, 4:])
    assert torch.equal(view(whole), view(first + second))
    assert [t.index for t in whole] == list(range(1, 10))


def test_global_random_state_does_not_matter(ours):
    value = begin(ours, None, OBSERVATION, seeds=7)
    a = run(ours, value, controls(4))
    torch.manual_seed(99)
    np.random.seed(3)
    before = torch.get_rng_state()
    b = run(ours, value, controls(4))
    assert torch.equal(view(a), view(b))
    assert torch.equal(before, torch.get_rng_state())
    c = run(ours, replace(value, seeds=(8,)), controls(4))
    assert not torch.equal(view(a), view(c))


def test_branching_leaves_the_past_alone(ours):
    trunk = run(ours, begin(ours, None, OBSERVATION, seeds=1), controls(6))[-1].value
    a = run(ours, trunk, controls(5, seed=1))
    b = run(ours, trunk, controls(5, seed=2))
    again = run(ours, trunk, controls(5, seed=1))
    assert torch.equal(view(a), view(again)) and not torch.equal(view(a), view(b))


def test_batched_branches_agree_with_single_ones(ours):
    trunk = run(ours, begin(ours, None, OBSERVATION, seeds=1), controls(6))[-1].value
    singles = [run(ours, trunk, controls(5, seed=s)) for s in (1, 2)]
    both = run(ours, stack([trunk, trunk]), torch.cat([controls(5, seed=s) for s in (1, 2)]))
    for i, single in enumerate(singles):
        torch.testing.assert_close(view(both)[i : i + 1], view(single), atol=1e-4, rtol=1e-3)


def test_constant_cost(ours):
    ticks = run(ours, begin(ours, None, OBSERVATION, seeds=1), controls(40))
    assert ticks[39].value.nbytes == ticks[9].value.nbytes


def test_rollout_equals_naive_recompute(ours):
    """Every tick's committed tokens, pushed through the masked network at once, give the last
    tick again: the ring forgets nothing that the window shows."""
    ticks = run(ours, begin(ours, None, OBSERVATION, seeds=3), controls(9))
    last = ticks[-1]
    value = settle(ours, ticks[-2].value)
    state = last.latents["state"]
    rows = controls(9)
    noisy = {"state": state, "view.eye": torch.randn(1, 1, 6, 10)}
    ring = ours.step(value.cache, noisy, {"state": 0.0, "view.eye": 1.0}, rows[:, 8:], 9)
    tokens = {
        "controls": torch.cat([torch.zeros(1, 1, 3), rows], 1)[:, :, None],
        "state": torch.cat([OBSERVATION["state"], view(ticks, "state")], 1),
        "view.eye": torch.cat([OBSERVATION["view.eye"], view(ticks[:-1]), noisy["view.eye"]], 1),
    }
    levels = {n: torch.zeros(1, 10) for n in tokens}
    levels["view.eye"][:, -1] = 1.0
    levels["controls"][:, 0] = 1.0  # the observation came without controls: unknown
    with torch.inference_mode():
        full = ours(tokens, levels)
    torch.testing.assert_close(ring["view.eye"], full["view.eye"][:, -1:], atol=1e-4, rtol=1e-3)


def test_cancelled_between_ticks(ours):
    value = begin(ours, None, OBSERVATION, seeds=1)
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 3

    seen = []
    with pytest.raises(Cancelled):
        for tick in rollout(ours, value, controls(10), should_stop=stop):
            seen.append(tick)
    assert len(seen) == 3
    rest = run(ours, seen[-1].value, controls(10)[:, 3:])
    assert torch.equal(view(seen + rest), view(run(ours, value, controls(10))))


class Pin:
    """Hooks: a guide from the context, finished tokens pinned, the context counts ticks."""

    def guides(self, context, tick, streams, known):
        if "view.eye" not in streams:
            return None, context
        from gwm_core.model.spec import Guide

        assert set(known) == {"state"}, "the state of the tick is known before its view"
        return {"view.eye": Guide(torch.full((1, 1, 6, 10), float(tick)),
                                  torch.ones(1, 1, 6, 1))}, context

    def finish(self, context, tick, clean):
        pinned = clean["view.eye"].clone()
        pinned[:, :, 0] = tick
        return {**clean, "view.eye": pinned}, context + 1


def test_hooks_guide_and_pin(ours):
    value = begin(ours, None, OBSERVATION, seeds=1, context=0)
    ticks = run(ours, value, controls(4), hooks=Pin())
    assert ticks[-1].value.context == 4
    assert view(ticks)[0, :, 0, 0].tolist() == [1, 2, 3, 4]
    again = run(ours, ticks[1].value, controls(4)[:, 2:], hooks=Pin())
    assert torch.equal(view(again), view(ticks[2:]))


def test_a_stranger_in_blocks():
    model, rows = Strange(), controls(9, 2)
    value = begin(model, torch.ones(1, 1, 40), None, seeds=5)
    ticks = run(model, value, rows, decoder=Streaming())
    assert [t.frames["view"].shape[1] for t in ticks] == [1] + [4] * 8
    assert [t.value is not None for t in ticks] == [False, False, True] * 3
    assert model.steps == 3 + 2 + 2
    # controls by the frame: 12 rows of history, then the block's own frames (1 + 4 + 4, then 12)
    assert model.seen[0] == (0, 1.0, (1, 21, 2)) and model.seen[3] == (3, 1.0, (1, 24, 2))
    middle = ticks[2].value
    again = run(model, middle, rows[:, 3:], decoder=Streaming())
    assert torch.equal(view(again, "view"), view(ticks[3:], "view"))
    assert torch.equal(again[0].frames["view"], ticks[3].frames["view"])
    assert ticks[8].value.nbytes == ticks[5].value.nbytes


def test_a_block_waits_until_it_is_full():
    model, rows = Strange(), controls(6, 2)
    value = begin(model, None, None, seeds=5)
    whole = run(model, value, rows)
    assert run(model, value, rows[:, :2]) == []
    value = wait(value, rows[:, :2], 3)
    first = run(model, value, rows[:, 2:5])
    assert len(first) == 3 and first[-1].value.waiting.shape[1] == 2
    second = run(model, first[-1].value, rows[:, 5:])
    assert torch.equal(view(first + second, "view"), view(whole, "view"))


def test_strange_branches_are_batched_too():
    model = Strange()
    trunk = run(model, begin(model, torch.ones(1, 1, 40), None, seeds=5), controls(3, 2))[-1].value
    parts = [controls(3, 2, seed=s) for s in (1, 2)]
    both = run(model, stack([trunk, trunk]), torch.cat(parts))
    for i, rows in enumerate(parts):
        single = run(model, trunk, rows)
        torch.testing.assert_close(view(both, "view")[i : i + 1], view(single, "view"))


def test_end_of_a_model():
    model = Strange()
    model.spec = replace(model.spec, max_ticks=3)
    with pytest.raises(ValueError, match="ends at tick 3"):
        run(model, begin(model, None, None), controls(6, 2))
