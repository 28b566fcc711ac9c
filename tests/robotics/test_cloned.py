"""Cloned policies: features say where things are, cloning learns, a policy acts on looks alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gwm_core.errors import RoboticsError
from gwm_core.model.cloned_policy import LIMIT, ClonedNet
from gwm_core.model.scene_reader import MARKS, SceneReader
from gwm_core.robotics.cloned import FEATURES, Cloned, examples, features
from gwm_core.robotics.eyes import Eyes, Sight
from gwm_core.simulators.tabletop import Tabletop, record
from gwm_core.training.cloning import clone


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    torch.manual_seed(0)
    return Eyes(SceneReader(width=8))


@pytest.fixture(scope="module")
def sight(eyes) -> Sight:
    seen = Tabletop("push", 1).observe()
    return Sight.first(eyes.find(seen).row(0), seen["agent_pos"])


def test_features_move_with_what_they_tell(sight):
    x = features(sight, "push")
    assert x.shape == (FEATURES,) and x.dtype == np.float32 and np.isfinite(x).all()
    place = sight.place.copy()
    place[MARKS.index("red")] += [0.02, 0, 0]
    moved = features(replace(sight, place=place), "push")
    assert moved[7] - x[7] == pytest.approx(0.02, abs=1e-6)   # from the tip to the thing
    assert moved[10] - x[10] == pytest.approx(-0.02, abs=1e-6)  # from the thing to its goal
    place = sight.place.copy()
    place[MARKS.index("yellow")] += 0.05
    assert np.array_equal(features(replace(sight, place=place), "push"), x)
    with pytest.raises(RoboticsError, match="push, pick_place"):
        features(sight, "dance")


def test_cloning_learns_a_rule_and_repeats():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(2000, FEATURES)).astype(np.float32)
    y = np.zeros((2000, 7), np.float32)
    y[:, 0] = 0.03 * np.tanh(x[:, 3])
    y[:, 6] = np.sign(x[:, 5]) * 0.8
    nets = [clone(x, y, seed=1, steps=400) for _ in range(2)]
    for one, two in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True):
        assert torch.equal(one, two)
    test = draw.normal(size=(500, FEATURES)).astype(np.float32)
    with torch.no_grad():
        told = nets[0](torch.from_numpy(test)).numpy()
    assert np.corrcoef(told[:, 0], np.tanh(test[:, 3]))[0, 1] > 0.9
    assert (np.abs(told) <= np.array(LIMIT) + 1e-6).all()


def test_examples_are_what_the_policy_sees(eyes):
    """The policy, taken through an episode's looks, has the features of its examples."""
    episode, _ = record("push", 2, ticks=6)
    x, y = examples([episode, episode], "push", eyes)
    assert x.shape == (12, FEATURES) and np.array_equal(y[:6], episode.actions)
    assert np.array_equal(x[:6], x[6:])
    net, seen = ClonedNet(FEATURES, width=8), []
    net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].numpy()[0]))
    policy = Cloned(net, "push", eyes)
    for _ in range(2):
        policy.reset(3)
        for t in range(6):
            look = {"pixels": {v: f[t] for v, f in episode.views.items()},
                    "agent_pos": episode.state[t]}
            action = policy.select_action(look)
            assert action.shape == (7,) and (np.abs(action) <= np.array(LIMIT) + 1e-6).all()
    assert np.allclose(np.stack(seen), x, atol=2e-3)
    with pytest.raises(RoboticsError, match="none to learn"):
        examples([], "push", eyes)
