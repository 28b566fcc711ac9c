"""Worlds of tiny twins as values: replayed, branched, rewound, stored; bit for bit."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...backbones.causal_wan import CausalWanDynamics
from ...backbones.latent_decoder import DecoderState, LatentDecoder
from ...backbones.matrix_game import MatrixGameDynamics
from ...backbones.taehv import TaehvDecoder
from ...backbones.tiny import tiny_taehv, tiny_waypoint
from ...backbones.waypoint import VIEW
from ...rollout import RolloutValue, begin, rollout
from . import causal_wan_case, matrix_game_case

SEED = 8


@dataclass(frozen=True)
class Twin:
    """A tiny network and how a world of it begins. ``make`` builds it anew from its seed."""

    name: str
    make: Callable[[], Any]
    blocks: int
    prompt: Any = None
    observation: dict[str, Tensor] | None = None


def normal(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def twins(seed: int = 0) -> list[Twin]:
    """One of each backbone, each run past its first eviction."""
    latent = {VIEW: normal(seed, 1, 1, *tiny_waypoint(SEED).config.latent_shape)}
    game = replace(matrix_game_case.UNIVERSAL, rows=4, columns=6)
    picture = matrix_game_case.inputs(game, 1).prompt
    wan = causal_wan_case.CHUNKS
    words = causal_wan_case.inputs(wan, 1).words
    return [
        Twin("Waypoint-1.5", lambda: tiny_waypoint(SEED), 16, observation=latent),
        Twin("Matrix-Game 2.0", lambda: MatrixGameDynamics(matrix_game_case.network(game)), 4,
             prompt=picture),
        Twin("causal Wan", lambda: CausalWanDynamics(causal_wan_case.network(wan)), 4,
             prompt=words),
    ]


def decoder_of(dynamics: Any) -> LatentDecoder:
    channels = dynamics.spec.latent_shape[VIEW][0]
    return TaehvDecoder(tiny_taehv(SEED, channels, 1))


def track(dynamics: Any, blocks: int, seed: int) -> Tensor:
    """Controls [1, ticks, n], a few of them held."""
    rng = np.random.default_rng(seed)
    shape = (1, blocks * dynamics.spec.block_ticks, dynamics.spec.controls)
    return torch.from_numpy((rng.random(shape) > 0.8).astype(np.float32))


def play(dynamics: Any, value: RolloutValue, rows: Tensor, decoder: LatentDecoder):
    """(latents, frames, value at the end of every block)."""
    ticks = list(rollout(dynamics, value, rows, decoder=decoder))
    latents = torch.cat([t.latents[VIEW] for t in ticks], 1)
    frames = torch.cat([t.frames[VIEW] for t in ticks], 1)
    return latents, frames, [t.value for t in ticks if t.value is not None]


def stored(value: RolloutValue) -> RolloutValue:
    """The value after a way through a file."""

    def through(part: Any, kind: type) -> Any:
        arrays, meta = part.to_arrays()
        file = io.BytesIO()
        np.savez(file, **arrays)
        file.seek(0)
        with np.load(file) as kept:
            return kind.from_arrays({name: kept[name] for name in kept.files}, meta)

    return replace(value, cache=through(value.cache, type(value.cache)),
                   decoder=through(value.decoder, DecoderState))


def broken(twin: Twin, seed: int = 0) -> list[str]:
    """What of the promises of a world does not hold bit for bit; [] when all do."""
    dynamics = twin.make()
    decoder, rows = decoder_of(dynamics), track(dynamics, twin.blocks, seed)
    start = begin(dynamics, twin.prompt, twin.observation, seeds=seed)
    latents, frames, values = play(dynamics, start, rows, decoder)
    size = dynamics.spec.block_ticks
    half = twin.blocks // 2
    middle, left = values[half - 1], rows[:, half * size :]
    before = [t.clone() for t in middle.cache.buffers() + middle.decoder.buffers()]
    found = []

    def same(what: str, value: RolloutValue, controls: Tensor, model: Any = dynamics) -> None:
        made = play(model, value, controls, decoder)
        count = made[0].shape[1]
        if not (torch.equal(made[0], latents[:, -count:])
                and torch.equal(made[1], frames[:, -made[1].shape[1] :])):
            found.append(what)

    again = twin.make()
    same("replay", begin(again, twin.prompt, twin.observation, seeds=seed), rows, again)
    same("cut in two", middle, left)
    other = play(dynamics, middle, 1 - left, decoder)[0] if dynamics.spec.controls else play(
        dynamics, replace(middle, seeds=(seed + 1,)), left, decoder)[0]
    if torch.equal(other, latents[:, -other.shape[1] :]):
        found.append("a branch takes no notice of its own controls")
    if not all(map(torch.equal, before, middle.cache.buffers() + middle.decoder.buffers())):
        found.append("a branch changed the value that it began from")
    same("rewind", middle, left)
    same("save and load", stored(middle), left)
    return found


def bytes_off(twin: Twin, seed: int = 0) -> float:
    """How far the bytes of a full history are from what ``spec`` tells, as a share."""
    dynamics = twin.make()
    start = begin(dynamics, twin.prompt, twin.observation, seeds=seed)
    ticks = rollout(dynamics, start, track(dynamics, twin.blocks, seed))
    most = max(t.value.cache.nbytes for t in ticks if t.value is not None)
    return abs(most / dynamics.spec.state_bytes - 1)
