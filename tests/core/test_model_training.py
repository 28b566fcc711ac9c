"""The trunk's training loop, rehearsed on random tokens."""

import json

import pytest
import torch

from gwm_core.model.dynamics import Dynamics
from gwm_core.model.spec import StreamConfig
from gwm_core.training.dynamics import RandomShards, TrainConfig, rate_at, train
from gwm_core.training.noising import NoiseConfig, draw_noise

STREAMS = [
    StreamConfig("controls", 1, 5),
    StreamConfig("state", 2, 6, stem_depth=1, stem_width=16),
    StreamConfig("view.eye", 6, 10, grid=(2, 3), guide=True),
]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Dynamics(STREAMS, width=32, depth=2, heads=2, window=4, prompt_width=7,
                    passes=(("state",), ("view.eye",)))


def config(model, **more):
    return TrainConfig(model.config, batch=4, ticks=5, warmup=3, log_every=5, save_every=7, **more)


def test_rehearsal_of_20_steps_learns_and_logs(model, tmp_path):
    trained = train(config(model), RandomShards(model), tmp_path, 20)
    lines = [json.loads(x) for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [x["step"] for x in lines] == [5, 10, 15, 20]
    assert lines[-1]["state"] < lines[0]["state"]
    assert not trained.training and trained.config == model.config


def test_resumed_run_is_the_same_run(model, tmp_path):
    whole = train(config(model), RandomShards(model), tmp_path / "a", 12)
    asked = []

    def stop():
        asked.append(1)
        return len(asked) == 5

    train(config(model), RandomShards(model), tmp_path / "b", 12, should_stop=stop)
    torch.manual_seed(1234)
    resumed = train(config(model), RandomShards(model), tmp_path / "b", 12)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(),
                            strict=True):
        assert torch.equal(a, b), name
    other = Dynamics(STREAMS, width=16, depth=1, heads=2)
    with pytest.raises(ValueError, match="another network"):
        train(config(other), RandomShards(other), tmp_path / "b", 13)


def test_history_is_what_a_rollout_has(model):
    """With clean history, the imagined copy of a tick predicts what the ring predicts."""
    net = Dynamics(**{**model.config, "streams": STREAMS}).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    import numpy as np

    batch = RandomShards(net).batch(np.random.default_rng(0), 1, 6)
    quiet = NoiseConfig(context=0.0, guide=0.0, control_dropout=0.0, prompt_dropout=0.0,
                        guide_dropout=0.0, first_pass=0.0, unknown=0.0)
    noised = draw_noise(net, batch, quiet, torch.Generator().manual_seed(0))
    with torch.inference_mode():
        out = net(noised.noisy, noised.sigma, noised.guides, noised.prompt, noised.first_pass,
                  noised.history)
    cache = net.prefill(noised.prompt)
    for t in range(6):
        def at(x, t=t):
            return x[:, t : t + 1]

        guide = noised.guides["view.eye"]
        guides = {"view.eye": type(guide)(at(guide.tokens), at(guide.coverage), 0.0)}
        free = ("state", "view.eye")
        level = {n: float(noised.sigma[n][0, t]) for n in free}
        ring = net.step(cache, {n: at(noised.noisy[n]) for n in free}, level,
                        at(batch["controls"]), t, guides)
        for name, value in ring.items():
            torch.testing.assert_close(value, at(out[name]), atol=1e-4, rtol=1e-3)
        cache = net.commit(cache, {n: at(noised.clean[n]) for n in free}, at(batch["controls"]),
                           t, guides)


def test_levels_are_independent(model):
    import numpy as np

    batch = RandomShards(model).batch(np.random.default_rng(0), 64, 8)
    noised = draw_noise(model, batch, NoiseConfig(), torch.Generator().manual_seed(0))
    state, view = (noised.sigma[n].flatten() for n in ("state", "view.eye"))
    assert abs(float(torch.corrcoef(torch.stack([state, view]))[0, 1])) < 0.15
    assert {0.0, 1.0} <= set(state.tolist()) and len(set(state.tolist())) > 20
    known = noised.sigma["state"] == 0
    assert torch.equal(noised.noisy["state"][known], noised.clean["state"][known])


def test_a_run_ends_in_time(model, tmp_path):
    train(config(model, minutes=0.01), RandomShards(model), tmp_path, 10_000)
    steps = [json.loads(x)["step"] for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert 1 <= steps[-1] < 5000


def test_rate_schedule():
    rates = [rate_at(i, i / 100, 10, 0.2) for i in range(100)]
    assert rates[0] == 0.1 and rates[50] == 1.0 and rates[-1] == pytest.approx(0.05)
