"""Ready-made camera moves, written as controls.

A move is a named shape (walk forward, full turn, ...) with a duration and two amounts in degrees.
It becomes the same :class:`Controls` a person would have pressed, so nothing downstream needs to
know that it was not played by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .controls import MAX_TICKS, Controls
from .errors import GWMError

#: Degrees are cut to this step so that a move prints as short control text. The steps are cut from
#: the running sum: the whole move turns by exactly the amount asked for (to half a step).
STEP_DEG = 0.125


@dataclass(frozen=True)
class Move:
    """One move: which buttons are held in which part of it, and how it turns.

    Attributes:
        label: what the artist reads.
        parts: ``((share of the time, buttons), ...)``; the shares sum to 1.
        swing: "once" turns from 0 to the full amount, "there and back" to the right, to the left
            and home again, "none" never turns.
        turn: turn in degrees when the caller names none.
    """

    label: str
    parts: tuple[tuple[float, tuple[str, ...]], ...]
    swing: str = "once"
    turn: float = 0.0


MOVES: dict[str, Move] = {
    move.label: move
    for move in (
        Move("walk forward", ((1.0, ("W",)),)),
        Move("walk backward", ((1.0, ("S",)),)),
        Move("step left", ((1.0, ("A",)),)),
        Move("step right", ((1.0, ("D",)),)),
        Move("walk in an arc", ((1.0, ("W",)),), turn=90.0),
        Move("circle around", ((1.0, ("A",)),), turn=90.0),
        Move("turn on the spot", ((1.0, ()),), turn=90.0),
        Move("full turn", ((1.0, ()),), turn=360.0),
        Move("look around", ((1.0, ()),), swing="there and back", turn=60.0),
        Move("walk and look around", ((1.0, ("W",)),), swing="there and back", turn=45.0),
        Move("there and back", ((0.5, ("W",)), (0.5, ("S",))), swing="none"),
        Move("stand still", ((1.0, ()),), swing="none"),
    )
}


def camera_path(
    name: str,
    embodiment,
    seconds: float = 3.0,
    turn_deg: float | None = None,
    tilt_deg: float = 0.0,
) -> Controls:
    """The controls of one move.

    Args:
        name: a key of :data:`MOVES`.
        embodiment: whose controls are meant; it needs the buttons the move holds and a look axis.
        seconds: how long the move takes, more than 0; cut to whole ticks.
        turn_deg: degrees to turn in all, positive to the right; None takes the move's own.
        tilt_deg: degrees to look up in all, negative looks down.

    Returns:
        Controls ``[T, n]`` with ``T = round(seconds * tick_rate)``, at least one tick.

    Raises:
        GWMError: an unknown move, a duration out of range, or a turn faster than the look axis
            allows in one tick.
    """
    move = MOVES.get(name)
    if move is None:
        raise GWMError(f"camera path: no move is called {name!r}; there are: {', '.join(MOVES)}")
    if not math.isfinite(seconds) or seconds <= 0:
        raise GWMError(f"camera path: seconds must be more than 0, not {seconds}")
    turn = move.turn if turn_deg is None else float(turn_deg)
    ticks = max(1, round(seconds * embodiment.tick_rate))
    if ticks > MAX_TICKS:
        raise GWMError(f"camera path: {seconds:g} seconds; {MAX_TICKS} ticks at most are accepted")
    names = list(embodiment.control_names)
    values = np.zeros((ticks, len(names)), np.float32)
    _hold(values, names, move, embodiment.name)
    for axis, total, swing in (("look_x", turn, move.swing), ("look_y", tilt_deg, "once")):
        shape = np.zeros(ticks) if swing == "none" and axis == "look_x" else _curve(ticks, swing)
        steps = _steps(shape * total)
        if not steps.any():
            continue
        column = _column(names, axis, embodiment.name)
        limit = _limit(embodiment, axis)
        fastest = float(np.abs(steps).max())
        if fastest > limit + 1e-6:
            raise GWMError(
                f"camera path: {total:g} degrees in {seconds:g} s turn up to {fastest:.1f} degrees "
                f"a tick, and {embodiment.name} allows {limit:g}; take "
                f"{seconds * fastest / limit:.1f} s or more, or turn less"
            )
        values[:, column] = steps
    return Controls(values, (), embodiment)


def _hold(values: np.ndarray, names: list[str], move: Move, owner: str) -> None:
    start, done = 0, 0.0
    for share, buttons in move.parts:
        done += share
        end = round(done * len(values))
        for button in buttons:
            values[start:end, _column(names, button, owner)] = 1.0
        start = end


def _curve(ticks: int, swing: str) -> np.ndarray:
    """Share of the turn reached after each tick, ``[ticks]``: gentle start, gentle end."""
    time = np.arange(1, ticks + 1) / ticks
    if swing == "there and back":
        return np.sin(2 * np.pi * time) * np.sin(np.pi * time) / 0.7698
    return (1 - np.cos(np.pi * time)) / 2


def _steps(angle: np.ndarray) -> np.ndarray:
    """Degrees per tick from the angle reached after each tick, both ``[ticks]``."""
    cut = np.round(angle / STEP_DEG)
    return (np.diff(cut, prepend=0.0) * STEP_DEG).astype(np.float32)


def _column(names: list[str], wanted: str, owner: str) -> int:
    if wanted not in names:
        raise GWMError(
            f"camera path: {owner} has no control {wanted!r}; it has: {', '.join(names)}"
        )
    return names.index(wanted)


def _limit(embodiment, axis: str) -> float:
    for control in embodiment.controls:
        if axis == control.name or axis.startswith(control.name + "_"):
            return min(abs(float(control.low)), abs(float(control.high)))
    return math.inf
