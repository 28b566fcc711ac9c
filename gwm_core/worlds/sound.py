"""What a tick sounds like: the state's events and the room's tone as audio tokens, decoded."""

from __future__ import annotations

import numpy as np
import torch

from ..model.audio_tokens import IMPACT_KIND, STEP_KIND, THROW_KIND, encode_events
from .parts import Parts
from .state import RolloutState

KINDS = {"impact": IMPACT_KIND, "footstep": STEP_KIND, "throw": THROW_KIND}
OWN_SIZE, OWN_DISTANCE = 0.16, 1.6


def audio_tokens(parts: Parts, state: RolloutState, moved) -> np.ndarray:
    """Audio tokens f32 [1, 3, 16] of one tick of the state step."""
    ear = np.asarray(moved.players[-1].pose[:3])
    bodies = moved.bodies[-1]
    rows = []
    for event in moved.events:
        away = float(np.linalg.norm(np.asarray(event.place) - ear))
        size = float(bodies.size[event.slot, 0]) if event.slot >= 0 else OWN_SIZE
        rows.append((1, event.frame, KINDS[event.kind], event.material, event.strength,
                     max(away, 0.3), max(size, 0.05)))
    bed = np.asarray(parts.ambience[state.scene.light], np.float32)
    return encode_events(rows, 1, bed)


@torch.no_grad()
def decode(parts: Parts, state: RolloutState, tokens: np.ndarray):
    """(waveform f32 [samples a tick], ringing) of the tick after `state`."""
    wave, ringing = parts.sound.decode(torch.from_numpy(tokens), state.audio, state.seed,
                                       state.tick + 1)
    return wave.numpy(), ringing
