"""A camera move by name, paced to its room: who walks on does not stand nose to wall for the rest
of a shot.

The walk is tried beforehand in what is known of the room, without pictures. Where it would be
stopped, it ends a step before, and the camera looks slowly about from there. Control text is
played as it is written.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..bodies import Bodies
from ..camera_path import MOVES
from ..state_memory import MemorySurroundings
from ..worlds.threads import one_thread
from .room_moves import Moves
from .storyboard import Shot

BUTTONS = ("W", "A", "S", "D")
BEFORE = 1.5
"""Metres before what stops it at which a walk ends."""
SLOW, FOR = 0.3, 4
"""Share of the fastest pace so far below which a walk is stopped, for so many ticks."""
LOOK = 24.0
"""Degrees that the camera then looks to one side, and back."""
EASE = 6
"""Ticks from walking to looking about."""


def paced(moves: Moves, shot: Shot, world: Any) -> Moves:
    """``moves`` of a shot that begins with a world; others where a named move is stopped."""
    if shot.camera.strip().casefold() not in {name.casefold() for name in MOVES}:
        return moves
    names = world.embodiment.control_names
    held = [names.index(b) for b in BUTTONS if b in names]
    walks = moves.values[:, held].any(1)
    if not walks.any():
        return moves
    path = tried(moves, world)
    gone = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))]
    end = end_of(np.diff(gone), walks)
    if end is None:
        return moves
    far = max(gone[end] - BEFORE, 0.0)
    stop = int(np.searchsorted(gone, far))
    values = np.array(moves.values)
    values[stop:, held] = 0
    if "look_x" in names and not values[:, names.index("look_x")].any():
        values[:, names.index("look_x")] += about(len(values), stop + EASE, far > 0.5)
    return replace(moves, values=values)


def tried(moves: Moves, world: Any) -> np.ndarray:
    """Where the walker would stand before every tick and at the end, [T + 1, 2] (m)."""
    state, model = world.state(), world.model
    around = MemorySurroundings(state.memory, model.parts.materials)
    player, path = state.player, [state.player.pose[:2]]
    with one_thread():
        for tick, row in enumerate(moves.values):
            player = model.parts.state.step(player, Bodies.empty(), row, around, tick).players[-1]
            path.append(player.pose[:2])
    return np.array(path, float)


def end_of(pace: np.ndarray, walks: np.ndarray) -> int | None:
    """The tick in which a walk of some pace (m a tick) is stopped though it goes on being asked
    for (``walks``); None where it is not."""
    for tick in range(len(pace) - FOR + 1):
        usual = max(pace[:tick].max(initial=0.0), 0.05)
        part = slice(tick, tick + FOR)
        if tick >= 2 and walks[part].all() and (pace[part] < SLOW * usual).all():
            return tick
    return None


def about(ticks: int, begin: int, there_and_back: bool) -> np.ndarray:
    """Degrees a tick of a slow look to the right and, where there is time, back."""
    out = np.zeros(ticks, np.float32)
    left = ticks - begin
    if left < 12:
        return out
    time = np.linspace(0, 1, left + 1)
    reach = LOOK * min(1.0, left / 48)
    swing = 0.5 - 0.5 * np.cos(np.pi * time * (2 if there_and_back and left > 60 else 1))
    out[begin:] = np.diff(np.round(reach * swing / 0.015625) * 0.015625)
    return out
