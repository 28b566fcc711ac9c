"""Eyes for tests of what looks through them: the simulator's truth with errors, no pictures."""

from __future__ import annotations

import numpy as np
import torch

from gwm_core.model.scene_reader import MARKS, THINGS
from gwm_core.robotics.eyes import VIEWS, Eyes
from gwm_core.simulators.tabletop import Tabletop

SURE = 4.0  # logit


class NoisyReader:
    """In the place of a SceneReader: where things of ``sim`` are, off by normal errors (m, rad);
    a thing is missed at some looks. Looks are asked for one by one."""

    def __init__(self, error: float = 0.004, turn: float = np.radians(4), miss: float = 0.03,
                 seed: int = 0) -> None:
        self.error, self.turn, self.miss = error, turn, miss
        self.random = np.random.default_rng(seed)
        self.sim: Tabletop | None = None
        self.calls = 0

    def eval(self) -> NoisyReader:
        return self

    def __call__(self, pixels, felt) -> dict[str, torch.Tensor]:
        assert len(pixels) == len(felt) == 1
        self.calls += 1
        truth, r = self.sim.truth(), self.random
        place, yaw = np.zeros((len(MARKS), 3)), np.zeros(len(MARKS))
        half, shown = np.full(len(MARKS), 0.022), np.full(len(MARKS), -SURE)
        for i, name in enumerate(MARKS):
            if i < THINGS and name in truth.objects:
                _, place[i], yaw[i], size, _ = truth.objects[name]
                half[i] = size[0]
                on = (np.abs(place[i, :2]) < 0.4).all() and place[i, 2] > -0.05
                shown[i] = SURE if on and r.random() >= self.miss else -SURE
            elif i >= THINGS and name in truth.zones:
                _, place[i], half[i] = truth.zones[name]
                shown[i] = SURE
        place += self.error * r.standard_normal(place.shape)
        half[:THINGS] += self.error / 4 * r.standard_normal(THINGS)
        yaw += self.turn * r.standard_normal(yaw.shape)
        out = {"place": place, "turn": np.stack([np.sin(4 * yaw), np.cos(4 * yaw)], -1),
               "half": half, "shown": shown}
        return {k: torch.from_numpy(v[None].astype(np.float32)) for k, v in out.items()}


def noisy_eyes(**errors) -> Eyes:
    """Eyes whose ``reader.sim`` has to be set before they look."""
    return Eyes(NoisyReader(**errors))


def look(sim: Tabletop) -> dict:
    """What ``sim.observe`` gives, with black pictures that differ from tick to tick."""
    black = np.zeros((64, 64, 3), np.uint8)
    black[0, 0, 0] = sim.tick
    return {"pixels": dict.fromkeys(VIEWS, black), "agent_pos": sim.agent_pos()}


def run(sim: Tabletop, policy, eyes: Eyes, seed: int, ticks: int = 80, watch=None) -> bool:
    """A policy's run in the simulator; whether it succeeded. watch: called after every tick."""
    eyes.reader.sim = sim
    policy.reset(seed)
    for _ in range(ticks):
        sim.advance(policy.select_action(look(sim)))
        if watch is not None:
            watch(sim)
        if sim.success():
            return True
    return False
