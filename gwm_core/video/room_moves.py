"""What a room shot's text asks for, as controls and events tick by tick."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..camera_path import MOVES, camera_path
from ..controls import Controls
from ..errors import ControlError, GWMError, VideoError
from ..noise import rng
from .storyboard import Happening, Shot
from .timeline import called

ACTS = (
    (r"thr(?:ow|ows|own|ew|owing)\b|toss(?:es|ed)?\b", "throw"),
    (r"push(?:es|ed)?\b|shov(?:es|ed|e)\b|kick(?:s|ed)?\b", "push"),
    (r"jump(?:s|ed)?\b|hop(?:s|ped)?\b", "jump"),
)
"""Sentences that say what a control does: "a ball is thrown" is a throw, not a ball put down."""
SWAY = 7.0
"""Degrees that a camera without a move pans over a shot, to either side."""


@dataclass(frozen=True, eq=False)
class Moves:
    """values float32 [T, n], one row of controls a tick; events (tick, sentence), in order."""

    values: np.ndarray
    events: tuple[tuple[int, str], ...]

    def at(self, tick: int) -> tuple[str, ...]:
        """The sentences that come true before a tick's row is played."""
        return tuple(text for when, text in self.events if when == tick)


def moves_of(shot: Shot, index: int, embodiment: Any, ticks: int) -> Moves:
    """Camera and happenings of a shot over ``ticks`` ticks; VideoError names what does not fit."""
    camera = camera_of(shot, index, embodiment, ticks)
    values, events = np.array(camera.values), list(camera.events)
    for happening in shot.happens:
        at = tick_of(happening.at, embodiment.tick_rate)
        if at >= ticks:
            continue
        played = played_by(happening, embodiment)
        if played is None:
            events.append((at, happening.text.strip()))
            continue
        rows = min(len(played), ticks - at)
        values[at:at + rows] = _together(values[at:at + rows], played.values[:rows], embodiment)
        events += [(at + tick, text) for tick, text in played.events]
    return Moves(values.astype(np.float32), tuple(sorted(events, key=lambda e: e[0])))


def tick_of(at: Fraction, tick_rate: int) -> int:
    """The tick in which a moment lies."""
    return math.floor(Fraction(at) * tick_rate)


def camera_of(shot: Shot, index: int, embodiment: Any, ticks: int) -> Controls:
    """The camera's controls: a move by name over the whole shot, or control text, which then
    stands still; a shot without a camera pans slowly from one side to the other."""
    name = shot.camera.strip()
    if not name:
        return slow_pan(shot, embodiment, ticks)
    try:
        move = next((m for m in MOVES if m.casefold() == name.casefold()), None)
        if move is not None:
            return camera_path(move, embodiment, ticks / embodiment.tick_rate)
        played = Controls.parse(name, embodiment)
    except ControlError as error:
        raise VideoError(f"{called(shot, index)}: camera {name!r}: {error}; accepted are control "
                         f"text and the moves {', '.join(MOVES)}") from None
    except GWMError as error:
        raise VideoError(f"{called(shot, index)}: {error}") from None
    if len(played) >= ticks:
        return Controls(played.values[:ticks],
                        tuple(e for e in played.events if e[0] < ticks), embodiment)
    return played.concat(Controls.idle(ticks - len(played), embodiment))


def slow_pan(shot: Shot, embodiment: Any, ticks: int) -> Controls:
    """A camera that lives: a slow pan across the room, to the side that the seed says."""
    names = embodiment.control_names
    values = np.zeros((ticks, len(names)), np.float32)
    if "look_x" in names:
        side = 1.0 if rng(shot.seed, "slow pan").random() < 0.5 else -1.0
        time = np.linspace(0, 1, ticks + 1)
        reach = SWAY * min(1.0, ticks / embodiment.tick_rate / 4)
        path = side * reach * (1 - np.cos(np.pi * time))
        steps = np.round(path / 0.015625) * 0.015625
        values[:, names.index("look_x")] = np.diff(steps)
    return Controls(values, (), embodiment)


def played_by(happening: Happening, embodiment: Any) -> Controls | None:
    """The controls that a happening is, or None where it is a sentence for the world."""
    text = happening.text.strip()
    for pattern, control in ACTS:
        if re.search(rf"\b(?:{pattern})", text.casefold()) and control in embodiment.control_names:
            return Controls.parse(control, embodiment)
    try:
        return Controls.parse(text, embodiment)
    except ControlError:
        return None


def _together(one: np.ndarray, other: np.ndarray, embodiment: Any) -> np.ndarray:
    """Two rows of controls at once: buttons are held by either, axes add up within range."""
    out, column = np.array(one), 0
    for control in embodiment.controls:
        for _ in control.components or (control.name,):
            both: Sequence[np.ndarray] = one[:, column], other[:, column]
            out[:, column] = (np.clip(both[0] + both[1], control.low, control.high)
                              if control.kind == "axis" else np.maximum(*both))
            column += 1
    return out
