"""One tick of a world: state first, then the guide, then its correction, then the sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..guide import Guide
from ..memory import Memory
from ..state_memory import MemorySurroundings
from .correction import correct
from .imagining import ask_ahead, take_due
from .parts import Parts
from .sound import audio_tokens, decode
from .state import RolloutState
from .view import look


@dataclass(frozen=True)
class TickOutput:
    """What one tick shows: frames u8 [F, H, W, 3], depth f32 [F, H, W] (m), audio f32 [N],
    poses f64 [F, 5], imagined bool [F, H, W] (pixels that no first picture showed), events."""

    frames: np.ndarray
    depth: np.ndarray
    audio: np.ndarray
    poses: np.ndarray
    imagined: np.ndarray
    events: tuple


def advance_tick(parts: Parts, state: RolloutState, row: np.ndarray):
    """One tick under controls row f32 [n] -> (RolloutState, TickOutput)."""
    state = take_due(state)
    around = MemorySurroundings(state.memory, parts.materials)
    moved = parts.state.step(state.player, state.bodies, row, around, tick=state.tick + 1)
    state = _remember_light(state, moved.bodies[-1])
    looks = [look(parts, state, player.pose, bodies)
             for player, bodies in zip(moved.players, moved.bodies, strict=True)]
    tokens = audio_tokens(parts, state, moved)
    frames, history = correct(parts, state, row, moved, looks, tokens)
    audio, ringing = decode(parts, state, tokens)
    before, after, before_memory = state.player, moved.players[-1], state.memory
    span = 1.0 / parts.embodiment.tick_rate
    turn = np.remainder(after.yaw - before.yaw + np.pi, 2 * np.pi) - np.pi
    state = state.replace(tick=state.tick + 1, player=after, bodies=moved.bodies[-1],
                          history=history, audio=ringing)
    state = ask_ahead(parts, state, np.asarray(after.vel), float(turn) / span)
    poses = np.stack([player.pose for player in moved.players])
    depth = np.stack([v.guide.depth for v in looks]).clip(0.05, 60.0).astype(np.float32)
    unseen = np.stack([_imagined(before_memory, v.guide) for v in looks])
    return state, TickOutput(frames, depth, audio, poses, unseen, tuple(moved.events))


def _remember_light(state: RolloutState, bodies) -> RolloutState:
    """New slots (throws, spawned things) have colours of canonical light."""
    fresh = np.asarray(bodies.id) != np.asarray(state.bodies.id)
    if not fresh.any():
        return state
    light = state.body_light.copy()
    light[fresh] = 0
    return state.replace(body_light=light)


def _imagined(memory: Memory, guide: Guide) -> np.ndarray:
    """Pixels whose colour does not come from the first picture or from a body."""
    first = np.array([k.origin == "first" for k in memory.keyframes] + [False])
    return ~(first[guide.keyframe] & guide.covered) & (guide.body == 0)
