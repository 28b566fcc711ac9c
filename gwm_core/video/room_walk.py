"""A walk through a room, tick by tick: what is seen, what is heard by stems, what was hit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import Cancelled
from ..raster import projection
from ..world import World
from ..worlds.events import apply_event
from ..worlds.sound import audio_tokens
from ..worlds.threads import one_thread
from ..worlds.tick import TickOutput, advance_tick
from .room_moves import Moves
from .room_sound import RoomSound, across_of

HIDDEN = 0.6
"""Metres in front of a place from which on something else hides it."""


@dataclass(frozen=True)
class _Heard:
    """A tick's state step as far as its sound is made of it."""

    players: tuple
    bodies: tuple
    events: tuple


@dataclass(frozen=True)
class _Ear:
    """Where it was heard from."""

    pose: np.ndarray


class RoomWalk:
    """One walk on from a world; go through ``frames`` once, then the rest is known.

    contacts  seconds at which an impact is seen: in the picture and not hidden
    sound     RoomSound of all ticks so far
    """

    def __init__(self, world: World, moves: Moves, stop: Callable[[], bool] | None = None) -> None:
        self.model, self.moves, self._stop = world.model, moves, stop
        self._state: Any = world.state()
        parts = self.model.parts
        self._bed = np.asarray(parts.ambience[self._state.scene.light], np.float32)
        self.sound = RoomSound(parts.sound, world.seed, self._bed)
        self.contacts: list[Fraction] = []
        self.ticks = 0

    def frames(self) -> Iterator[np.ndarray]:
        """Every frame uint8 [h, w, 3] of the model's own size and rate that was not made yet."""
        while self.ticks < len(self.moves.values):
            self._ask()
            yield from self._tick()

    def listen(self) -> None:
        """The sound of a room in which nothing happens, for all ticks that were not made yet;
        nothing is seen."""
        bed = np.zeros((1, 3, 16), np.float32)
        bed[0, 2, : len(self._bed)] = self._bed
        while self.ticks < len(self.moves.values):
            self._ask()
            with one_thread():
                self.sound.tick(bed, (None, None))
            self.ticks += 1

    def _ask(self) -> None:
        if self._stop is not None and self._stop():
            raise Cancelled(f"stopped before tick {self.ticks} of a room")

    def _tick(self) -> np.ndarray:
        parts, state = self.model.parts, self._state
        row, said = self.moves.values[self.ticks], self.moves.at(self.ticks)
        with one_thread():
            for text in said:
                state = apply_event(parts, state, text)
            after, out = advance_tick(parts, state, row)
            moved = _Heard((_Ear(out.poses[-1]),), (after.bodies,), out.events)
            tokens = audio_tokens(parts, state, moved)
            self.sound.tick(tokens, _sides(out))
        fps = self.model.embodiment.fps
        self.contacts += [Fraction(len(out.frames) * self.ticks + e.frame) / fps
                          for e in out.events if self._seen(e, out)]
        self._state, self.ticks = after, self.ticks + 1
        return out.frames

    def _seen(self, event: Any, out: TickOutput) -> bool:
        """Whether an impact of a thing lies in the picture and nothing is before it."""
        if event.kind != "impact" or event.slot < 0:
            return False
        camera, half = self.model.parts.camera, min(event.frame, len(out.frames) - 1)
        m = projection(out.poses[half], camera.focal, camera.cx, camera.cy).reshape(3, 4)
        x, y, z = m @ [*event.place, 1.0]
        if z <= 0.1:
            return False
        column, line = int(x / z), int(y / z)
        if not (0 <= column < camera.width and 0 <= line < camera.height):
            return False
        return float(out.depth[half, line, column]) > z - HIDDEN


def _sides(out: TickOutput) -> tuple[float | None, float | None]:
    """Where across the picture the loudest impact of each half of a tick is heard."""
    found: list[float | None] = [None, None]
    for half in range(2):
        hits = [e for e in out.events if e.kind == "impact" and min(e.frame, 1) == half]
        if hits:
            loudest = max(hits, key=lambda e: e.strength)
            found[half] = across_of(loudest.place, out.poses[min(half, len(out.poses) - 1)])
    return found[0], found[1]
