"""Worlds and sessions over a dynamics of quite another shape.

Random weights, blocks of 3 ticks, 4 frames a tick but 1 in the very first, latent views behind a
streaming decoder, no guide, no depth, no sound, no state stream, no first picture.
"""

from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gwm_core import Session, load_world  # noqa: E402
from gwm_core.clip import Clip  # noqa: E402
from gwm_core.embodiment import ControlSpec, Embodiment, ViewSpec  # noqa: E402
from gwm_core.errors import WorldError  # noqa: E402
from gwm_core.model.spec import DynamicsSpec  # noqa: E402
from gwm_core.rollout import RolloutValue, begin, rollout  # noqa: E402
from gwm_core.store import ClipStore, StateStore  # noqa: E402
from gwm_core.world import Observation, World  # noqa: E402

LATENT = (2, 4, 5)


class BlockDynamics:
    """Remembers the last two blocks; renoises; its controls are rows per frame with a history."""

    spec = DynamicsSpec(
        latent_shape={"view": LATENT}, frames_per_tick=4, first_tick_frames=1, block_ticks=3,
        schedule=(1.0, 0.6, 0.0), between_steps="renoise", prediction="v", controls=2,
        control_rate="frame", control_history=8,
    )

    def __init__(self):
        generator = torch.Generator().manual_seed(5)
        self.mix = torch.randn(40, 40, generator=generator) / 6
        self.act = torch.randn(2, 40, generator=generator)

    def prefill(self, prompt, observation):
        return (torch.full((1, 1, 40), len(prompt) / 10),)

    def step(self, cache, noisy, sigma, controls, t0):
        mixed = noisy["view"].flatten(2) @ self.mix + sum(cache)
        moved = mixed + controls.mean(1, keepdim=True) @ self.act
        return {"view": torch.tanh(moved).view_as(noisy["view"]) * sigma}

    def commit(self, cache, clean, controls, t0):
        return (*cache, clean["view"].flatten(2).mean(1, keepdim=True))[-2:]


class StreamingDecoder:
    """One frame for the first latent, then four on the way from the last latent to the next."""

    def decode(self, state, latents):
        now = latents["view"][:, 0]
        if state is None:
            return {"view": now[:, None]}, now
        steps = [state + (now - state) * (i + 1) / 4 for i in range(4)]
        return {"view": torch.stack(steps, 1)}, now


@dataclass(frozen=True)
class BlockState:
    """A rollout value as worlds want it."""

    value: RolloutValue

    @property
    def nbytes(self):
        return self.value.nbytes

    def to_arrays(self):
        value = self.value
        arrays = {f"cache.{i}": part.numpy() for i, part in enumerate(value.cache)}
        for name in ("decoder", "history"):
            if getattr(value, name) is not None:
                arrays[name] = getattr(value, name).numpy()
        return arrays, {"tick": value.tick, "block": value.block, "seeds": list(value.seeds)}


class BlockModel:
    name, fingerprint = "blocks", "b" * 64

    def __init__(self):
        self.dynamics, self.store, self.calls = BlockDynamics(), StateStore(1 << 22, every=9), 0
        self.embodiment = Embodiment(
            "blocks", 6.25, 4, 0, (ViewSpec("view", 5, 4, 60.0),),
            (ControlSpec("go", "button"), ControlSpec("turn", "axis", low=-1, accumulate=True)),
            extra={"block_ticks": 3, "first_picture": False},
        )

    def new_world(self, prompt="a street", seed=3):
        return World.begin(self, prompt, Observation({}), seed)

    def start(self, prompt, observation, seed):
        return BlockState(begin(self.dynamics, prompt, seeds=seed))

    def advance(self, state, controls, events):
        self.calls += 1
        rows = torch.from_numpy(controls.values.copy())[None]
        for _, text in events:
            rows = rows + len(text) / 10
        ticks = list(rollout(self.dynamics, state.value, rows, decoder=StreamingDecoder()))
        made = torch.cat([tick.frames["view"] for tick in ticks], 1)[0, :, 0]
        grey = ((torch.tanh(made) + 1) * 127).to(torch.uint8).numpy()
        frames = {"view": np.repeat(grey[..., None], 3, -1)}
        first = 1 if state.value.tick == 0 else None
        silence = np.zeros((1, 0), np.float32)
        clip = Clip(frames, {}, silence, 0, self.embodiment.fps, controls, {}, first)
        return BlockState(ticks[-1].value), clip

    def state_from_arrays(self, arrays, meta):
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        cache = tuple(tensors[f"cache.{i}"] for i in range(2) if f"cache.{i}" in tensors)
        return BlockState(RolloutValue(
            cache, meta["tick"], tuple(meta["seeds"]), meta["block"], tensors.get("decoder"),
            history=tensors.get("history"),
        ))


WALK = 'go*7 turn(0.5)*3 event("it rains") go+turn(-0.25)*5 idle*3'


def test_a_walk_however_it_is_cut():
    model = BlockModel()
    world = model.new_world()
    end, clip = world.step(WALK)
    assert len(clip) == 18 and clip.frame_count == 18 * 4 - 3 and end.tick == 18
    assert len(np.unique(clip.frames["view"].reshape(69, -1), axis=0)) > 60
    for cut in range(3, 18, 3):
        half, a = world.step(clip.controls[:cut])
        there, b = half.step(clip.controls[cut:])
        assert there == end and Clip.concat([a, b]).hash() == clip.hash()
    assert BlockModel().new_world().step(WALK)[1].hash() == clip.hash()
    assert model.new_world(seed=4).step(WALK)[1].hash() != clip.hash()
    assert model.new_world("a road").step(WALK)[1].hash() != clip.hash()


def test_replay_rewind_and_file(tmp_path):
    model = BlockModel()
    world = model.new_world()
    end, clip = world.step(WALK)
    wanted = end.step("go*3")[1].hash()
    assert model.store.ticks(end.chain()[0]) == [0, 9, 18, 21]
    model.store.clear()
    assert end.step("go*3")[1].hash() == wanted
    assert end.last_clip().hash() == clip[15:].hash()
    assert end.rewind(6).step(clip.controls[6:])[0] == end
    assert len(world.first_clip()) == world.first_clip().frame_count == 0
    end.save(tmp_path / "street.gwm")
    other = BlockModel()
    loaded = load_world(tmp_path / "street.gwm", other)
    assert loaded == end and loaded.step("go*3")[1].hash() == wanted and other.calls == 1
    with pytest.raises(WorldError, match="makes 3 at once"):
        end.step("go*4")


def test_a_live_session():
    model, clips = BlockModel(), ClipStore()
    seen = []
    with Session(model.new_world(), clips=clips) as session:
        for tick in range(6):
            session.push({"go": tick % 2, "turn": 0.75}, tick + 1)
            if tick == 3:
                session.event("it rains")
            seen.append(session.step())
        assert session.rewind(9).hash() == seen[2].hash()
        session.restore(session.start.after(Clip.concat(seen).controls).track)
        track, end = session.track, session.branch()
    whole = Clip.concat(seen)
    assert whole.frame_count == 69 and track == whole.controls
    fresh, clip = BlockModel().new_world().step(track)
    assert fresh == end and clip.hash() == whole.hash()
    calls = model.calls
    assert model.new_world().step(track, clips=clips)[1].hash() == whole.hash()
    assert model.calls == calls
