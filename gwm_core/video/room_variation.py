"""A take of a room shot of which some ranges are played otherwise, and their noises struck anew.

How the walk leaves the known one and comes back to it: ``varied_state``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..model.audio_tokenizer import PITCH, THROW
from ..noise import rng
from .lines import Lines
from .room_shot import RoomShot
from .room_sound import RoomSound
from .room_walk import RoomWalk
from .varied_state import Variation, VariedState

PITCH_SPREAD, STRENGTH_SPREAD = 0.12, 0.06
"""How much another strike differs: pitch as in audio tokens, share of the strength."""


class VariedSound(RoomSound):
    """A room's sound in which some ticks are struck anew: other noise, and another pitch and
    strength of every impact and step."""

    def __init__(self, sound: Any, seed: int, bed: np.ndarray, variations: Sequence[Variation]
                 ) -> None:
        super().__init__(sound, seed, bed)
        self._own, self._variations = self._seed, [v for v in variations if v.part.sound]

    def tick(self, tokens: np.ndarray, across: tuple[float | None, float | None]) -> None:
        """The next tick, as ``RoomSound.tick``."""
        at = self._tick
        self._seed = self._own
        for variation in self._variations:
            if variation.inside(at):
                generator = rng(variation.seed, "struck anew", at)
                self._seed = int(generator.integers(2**62))
                tokens = np.array(tokens)
                struck = tokens[0, :2, : THROW + 1] > 0
                grow = 1 + STRENGTH_SPREAD * generator.normal(size=struck.shape)
                tokens[0, :2, : THROW + 1] *= np.where(struck, grow, 1).astype(np.float32)
                heard = struck.any(axis=1)
                tokens[0, :2, PITCH] += (heard * PITCH_SPREAD * generator.normal(size=2)
                                         ).astype(np.float32)
        super().tick(tokens, across)


@dataclass(frozen=True, eq=False)
class _Model:
    """A rooms model with some of its parts replaced, as far as a walk uses one."""

    parts: Any
    embodiment: Any


@dataclass(frozen=True, eq=False)
class _World:
    """A world with another model."""

    model: _Model
    seed: int
    state: Callable[[], Any]


class VariedRoom(RoomShot):
    """A take of a room shot with some ranges played otherwise."""

    def __init__(self, board: Any, index: int, parts: Any, place: tuple[str, int],
                 variations: Sequence[Variation], lines: Lines,
                 stop: Callable[[], bool] | None = None) -> None:
        super().__init__(board, index, parts, place, stop)
        self._lines = lines
        world, moves = parts.place(*place), self._walk.moves
        own = world.model.parts
        state, values = own.state, np.array(moves.values)
        low, high = look_limits(world.embodiment)
        for variation in variations:
            sway = variation.sway(len(values))
            swayed = values.copy()
            swayed[:, -2:] = np.clip(values[:, -2:] + sway, low, high)
            sway = (swayed - values)[:, -2:].astype(np.float64)
            values = swayed
            state = VariedState(state, variation, replace(moves, values=values), sway)
        model = _Model(replace(own, state=state), world.embodiment)
        self._walk = RoomWalk(_World(model, world.seed, world.state),
                              replace(moves, values=values), stop)
        bed = np.asarray(own.ambience[world.state().scene.light], np.float32)
        self._walk.sound = VariedSound(own.sound, world.seed, bed, variations)


def look_limits(embodiment: Any) -> tuple[float, float]:
    """The least and most degrees a tick of the look axis."""
    look = next(c for c in embodiment.controls if c.name == "look")
    return look.low, look.high
