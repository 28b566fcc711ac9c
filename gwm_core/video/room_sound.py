"""A room's sound by stems: what happens in it, and its tone, from the same audio tokens.

Every tick is decoded as a whole and in parts that ring on by themselves: the bed (the room's tone
and nothing else), the footsteps, and what is heard on either side. The effects are the whole less
the bed, so that effects and ambience together are the model's own sound; the parts only tell where
in the stereo picture they lie. Every stem's mean of left and right is what the model made.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..model.audio_tokenizer import (
    BED,
    FOOTSTEP,
    IMPACT,
    THROW,
    AudioTokenizer,
    Ringing,
)
from ..noise import check_seed

STEPS = 0.5
"""Loudness of the walker's own steps against the model's: the camera is no person in most films,
but a walk without steps floats."""
WIDE = 0.8
"""How far to a side (1: all of it) what lies at the picture's edge is heard."""
ASIDE = 0.35
"""From this place across the picture (-1..1) on a sound counts as on that side."""
AIR = 0.55
"""How much of the tone's left and right is unlike each other."""
LONGEST_TAIL = 4.0
"""Seconds after the end of a shot in which things may ring on."""
QUIET = 1e-4


class RoomSound:
    """Decodes the audio tokens of a shot tick by tick.

    sound  the model's audio tokenizer
    seed   of the world; its noise is the model's own
    bed    float32 [9]: the levels of the room's tone before the first tick, so that a shot begins
           in a room that has been there before
    steps  loudness of the walker's own steps against the model's
    """

    def __init__(self, sound: AudioTokenizer, seed: int, bed: np.ndarray,
                 steps: float = STEPS) -> None:
        self._decoder, self._seed, self._tick = sound, check_seed(seed), 0
        self._steps = steps
        self._side = (self._seed ^ 0x5EED51DE) & (2**64 - 1)
        before = np.zeros((1, 3, 16), np.float32)
        before[0, 2, : len(bed)] = bed
        _, began = self._decode(before, None, self._seed, 0)
        _, beside = self._decode(_bed_only(before), None, self._side, 0)
        still = replace(sound.silence(), tail=began.tail)
        self._ringing = {"whole": began, "bed": began, "side": beside,
                         "steps": still, "left": still, "right": still}
        self._heard: dict[str, list[np.ndarray]] = {"effects": [], "ambience": []}
        self._last = before

    @property
    def rate(self) -> int:
        return self._decoder.rate

    def tick(self, tokens: np.ndarray, across: tuple[float | None, float | None]) -> None:
        """The next tick: tokens float32 [1, 3, 16], and where across the picture (-1 left .. 1
        right; None: nowhere) the loudest thing of each half of the tick is heard."""
        self._tick += 1
        self._last = tokens
        parts = {"whole": tokens, "bed": _bed_only(tokens), "side": _bed_only(tokens),
                 "steps": _columns(tokens, (True, True), FOOTSTEP)}
        for name, sign in (("left", -1), ("right", 1)):
            there = tuple(a is not None and sign * a > ASIDE for a in across)
            parts[name] = _columns(tokens, there, IMPACT)
        waves = {name: self._part(name, part) for name, part in parts.items()}
        middle = waves["whole"] - waves["bed"] + np.float32(self._steps - 1) * waves["steps"]
        aside = np.float32(WIDE) * (waves["right"] - waves["left"])
        beside = np.float32(AIR) * waves["side"]
        self._heard["effects"].append(np.stack([middle - aside, middle + aside]))
        self._heard["ambience"].append(np.stack([waves["bed"] - beside, waves["bed"] + beside]))

    def _part(self, name: str, tokens: np.ndarray) -> np.ndarray:
        """The sound of one part of a tick, float32 [N]."""
        ringing = self._ringing[name]
        rings = bool(ringing.modes.any()) or bool(ringing.bursts.any())
        if name in ("steps", "left", "right") and not rings and not tokens.any():
            # The noise goes on unheard.
            self._ringing[name] = replace(ringing, tail=self._ringing["whole"].tail)
            return np.zeros(self._decoder.per_tick, np.float32)
        seed = self._side if name == "side" else self._seed
        wave, self._ringing[name] = self._decode(tokens, ringing, seed, self._tick)
        return wave

    def rest(self) -> int:
        """What rings on after the last tick, with nothing new; the ticks that took."""
        most = int(LONGEST_TAIL * self.rate / self._decoder.per_tick)
        quiet = _bed_only(self._last)
        for ticks in range(1, most + 1):
            self.tick(quiet, (None, None))
            if float(np.abs(self._heard["effects"][-1]).max()) < QUIET:
                return ticks
        return most

    def stems(self) -> dict[str, np.ndarray]:
        """What was heard so far: "effects" and "ambience", float32 [2, N] at ``rate``."""
        return {name: np.concatenate([np.zeros((2, 0), np.float32), *waves], axis=1)
                for name, waves in self._heard.items()}

    @torch.no_grad()
    def _decode(self, tokens: np.ndarray, ringing: Ringing | None, seed: int, tick: int
                ) -> tuple[np.ndarray, Ringing]:
        wave, ringing = self._decoder.decode(torch.from_numpy(tokens), ringing, seed, tick)
        return wave.numpy().astype(np.float32, copy=False), ringing


def _bed_only(tokens: np.ndarray) -> np.ndarray:
    """The room's tone alone; what rolls or slides belongs to the effects."""
    out = np.zeros_like(tokens)
    out[:, 2, BED] = tokens[:, 2, BED]
    return out


def _columns(tokens: np.ndarray, halves: tuple[bool, bool], columns: slice) -> np.ndarray:
    """Of the halves of a tick only some strengths, at the same offset and pitch."""
    out = np.zeros_like(tokens)
    for half, wanted in enumerate(halves):
        if wanted and tokens[:, half, columns].any():
            out[:, half, columns] = tokens[:, half, columns]
            out[:, half, THROW + 1:] = tokens[:, half, THROW + 1:]
    return out


def across_of(place: tuple[float, float, float], pose: np.ndarray) -> float:
    """On which side of a camera (pose [5]) a place lies: the sine of its angle, -1 left .. 1
    right, wherever it is."""
    yaw = float(pose[3])
    dx, dy = place[0] - float(pose[0]), place[1] - float(pose[1])
    ahead, left = dx * np.cos(yaw) + dy * np.sin(yaw), dy * np.cos(yaw) - dx * np.sin(yaw)
    return float(np.clip(-left / max(float(np.hypot(ahead, left)), 0.3), -1, 1))
