"""One tick of a world: state first, then the guide, then its correction, then the sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..guide import Guide, draw, fill_cracks, push_pull
from ..state_memory import MemorySurroundings
from .imagining import ask_ahead, take_due
from .parts import Parts
from .sound import hear
from .state import RolloutState
from .view import correct, frame_of


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
    guides, frames, depths, imagined = [], [], [], []
    for player, bodies in zip(moved.players, moved.bodies, strict=True):
        guide = push_pull(fill_cracks(draw(state.memory, player.pose, parts.camera, bodies)))
        guides.append(guide)
        frames.append(frame_of(parts, state, guide))
        depths.append(np.where(guide.known, guide.depth, 60.0).astype(np.float32))
        imagined.append(_imagined(state, guide))
    frames, cache = correct(parts, state, row, moved, guides, frames)
    audio, ringing = hear(parts, state, moved)
    before, after = state.player, moved.players[-1]
    span = 1.0 / parts.embodiment.tick_rate
    turn = np.remainder(after.yaw - before.yaw + np.pi, 2 * np.pi) - np.pi
    state = state.replace(tick=state.tick + 1, player=after, bodies=moved.bodies[-1], cache=cache,
                          audio=ringing)
    state = ask_ahead(parts, state, np.asarray(after.vel), float(turn) / span)
    poses = np.stack([player.pose for player in moved.players])
    return state, TickOutput(np.stack(frames), np.stack(depths), audio, poses,
                             np.stack(imagined), tuple(moved.events))


def _remember_light(state: RolloutState, bodies) -> RolloutState:
    """New slots (throws, spawned things) have colours of canonical light."""
    fresh = np.asarray(bodies.id) != np.asarray(state.bodies.id)
    if not fresh.any():
        return state
    light = state.body_light.copy()
    light[fresh] = 0
    return state.replace(body_light=light)


def _imagined(state: RolloutState, guide: Guide) -> np.ndarray:
    """Pixels whose colour does not come from the first picture or from a body."""
    first = np.array([k.origin == "first" for k in state.memory.keyframes] + [False])
    return ~(first[guide.keyframe] & guide.covered) & (guide.body == 0)
