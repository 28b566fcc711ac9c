"""A model with the simplest physics there is, to exercise worlds, stores and sessions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from gwm_core.clip import Clip
from gwm_core.embodiment import ControlSpec, Embodiment, ViewSpec
from gwm_core.live import Hub
from gwm_core.noise import noise
from gwm_core.store import StateStore
from gwm_core.world import Observation, World

from .live_page import Clock


@dataclass(frozen=True)
class FakeState:
    """A point that walks, a light that events switch, and ballast to fill a store."""

    tick: int
    seed: int
    place: np.ndarray
    light: int
    ballast: np.ndarray
    shared: np.ndarray

    @property
    def nbytes(self):
        return self.place.nbytes + self.ballast.nbytes + self.shared.nbytes

    def buffers(self):
        return [self.place, self.ballast, self.shared]

    def to_arrays(self):
        arrays = {"place": self.place, "shared": self.shared}
        meta = {"tick": self.tick, "seed": self.seed, "light": self.light}
        return arrays, {**meta, "ballast": len(self.ballast)}


class FakeModel:
    """Walks by W, A, S, D and look; every frame shows place, light and noise of its tick."""

    name = "fake"

    def __init__(self, block=1, ballast=1000, store=None, fingerprint="f" * 64, sound=True):
        self.fingerprint = fingerprint
        self.store = store if store is not None else StateStore(1 << 22)
        self.ballast = ballast
        self.calls = self.starts = self.thaws = 0
        self.embodiment = Embodiment(
            "fake", 12, 2, 2400 if sound else 0, (ViewSpec("eye", 6, 4, 60.0),),
            (
                ControlSpec("W", "button", "KeyW"),
                ControlSpec("jump", "button", "Space", aliases=("SPACE",)),
                ControlSpec(
                    "look", "axis", low=-30, high=30, components=("x", "y"), step=1 / 64,
                    accumulate=True,
                ),
                ControlSpec("grip", "axis", low=-1, high=1),
            ),
            extra={"block_ticks": block},
        )

    def new_world(self, prompt="a hall", seed=7):
        frame = np.full((4, 6, 3), 50, np.uint8)
        depth = np.full((4, 6), 2.0, np.float32)
        info = {"pose": [0, 0, 1.5, 0, 0], "understood": ["hall"], "ignored": ["a"]}
        observation = Observation({"eye": frame}, {"eye": depth}, info)
        return World.begin(self, prompt, observation, seed)

    def start(self, prompt, observation, seed):
        self.starts += 1
        place = np.array([observation.frames["eye"].mean(), len(prompt), 0.0, 0.0])
        zeros = np.zeros(self.ballast, np.uint8)
        return FakeState(0, seed, place, 1, zeros, np.zeros(500, np.uint8))

    def advance(self, state, controls, events):
        assert len(controls) == self.embodiment.block_ticks
        assert events == controls.events and all(tick < len(controls) for tick, _ in events)
        self.calls += 1
        frames, depth, audio, poses = [], [], [], []
        place, light, now = state.place, state.light, state.tick
        for tick, row in enumerate(controls.values):
            for at, text in events:
                if at == tick:
                    light = light * 31 + len(text)
            now += 1
            jitter = noise(state.seed, now, 0, "view.eye", (4, 6))
            place = place + row[[0, 1, 2, 4]] + jitter[0, 0]
            for half in range(2):
                value = np.abs(jitter * 20 + place.sum() + light + half) % 256
                frames.append(np.repeat(value[..., None], 3, -1).astype(np.uint8))
                depth.append((np.abs(jitter) + 1).astype(np.float32))
                poses.append([*place[:3], now, half])
            audio.append(noise(state.seed, now, 0, "audio", (1, 200)) * 0.1)
        after = FakeState(
            now, state.seed, place, light, np.zeros(self.ballast, np.uint8), state.shared
        )
        sound = np.concatenate(audio, axis=1)
        clip = Clip(
            {"eye": np.stack(frames)}, {"eye": np.stack(depth)},
            sound if self.embodiment.sample_rate else sound[:, :0],
            self.embodiment.sample_rate, self.embodiment.fps, controls,
            {"poses": np.array(poses, np.float64)},
        )
        return after, clip

    def state_from_arrays(self, arrays, meta):
        self.thaws += 1
        if arrays["place"].shape != (4,):
            raise ValueError(f"place has shape {arrays['place'].shape}")
        ballast = np.zeros(meta["ballast"], np.uint8)
        return FakeState(
            meta["tick"], meta["seed"], arrays["place"], meta["light"], ballast, arrays["shared"]
        )


@pytest.fixture
def fake_model():
    """The class, so that a test can make models of its own shape."""
    return FakeModel


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def slow_hub(clock):
    """A hub whose thread the test is: ``hub.turn(seconds)`` makes what is due in that time."""
    hub = Hub(clock=clock)
    hub._start = lambda: None
    hub._wake.wait = lambda seconds: setattr(clock, "now", clock.now + seconds)

    def turn(seconds):
        end = clock.now + seconds
        while clock.now < end and hub._round():
            pass

    hub.turn = turn
    return hub


@pytest.fixture
def hub():
    """A hub as it is, with a thread and the real clock."""
    hub = Hub()
    yield hub
    hub.free("")
