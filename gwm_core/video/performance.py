"""How the characters of a shot move: from what they say and hear, at the film's exact moments.

A character's own voice moves its face, the others' voices make it listen (the avatars' driver:
head, gaze, lids, expression and, of a recording, the mouth). Where the model spoke a line itself,
its mouth moves as the model said it together with the sound. Motions count 25 a second; a frame of
the film reads the curves at the middle of the time for which it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from ..avatars.driver import Driver
from ..avatars.motion import INDEX, TICK_RATE, clamp, group
from ..avatars.sound import Recording
from .lines import Said

HELD = [INDEX[name] for name in ("close", "bite", "blink_left", "blink_right")]
"""Channels that snap shut: between two ticks the nearer one counts, so that lips which meet for a
moment are seen to meet."""
MOUTH = group("mouth")
EDGE = 2
"""Ticks over which a spoken line's mouth comes and goes."""
TOWARDS = {"yaw": 0.30, "gaze_x": 0.28}
"""How far two who stand side by side turn to one another."""
CALM = 0.6
"""What is left then of their own turning, so that they do not turn away from one another."""


def motions(
    faces: Any,
    own: Recording | None,
    others: Recording | None,
    said: tuple[Said, ...],
    ticks: int,
    seed: int,
    facing: float = 0.0,
    stop: Callable[[], bool] | None = None,
) -> np.ndarray:
    """float32 [ticks, 24] of one character.

    said    its own lines; facing: -1 looks to the left of the picture .. 1 to the right
    """
    driver = Driver(faces, seed=seed)
    rows = np.array(list(driver.motions(own, others, ticks, stop=stop)), np.float32)
    for line in said:
        if line.motion is not None:
            lay_mouth(rows, line)
    for name, reach in TOWARDS.items():
        if facing:
            column = rows[:, INDEX[name]]
            rows[:, INDEX[name]] = np.float32(CALM) * column + np.float32(facing * reach)
    return clamp(rows)


def lay_mouth(rows: np.ndarray, line: Said) -> None:
    """The mouth of a line the model spoke, from its exact beginning on."""
    spoken = np.asarray(line.motion, np.float32)
    start = line.start * TICK_RATE
    first = max(floor(start), 0)
    last = min(ceil(start + len(spoken)), len(rows))
    for tick in range(first, last):
        place = float(tick - start)
        weight = np.clip(min(place + 1, len(spoken) - place) / EDGE, 0, 1)
        mouth = at_place(spoken, min(max(place, 0.0), len(spoken) - 1.0))[MOUTH]
        rows[tick, MOUTH] += np.float32(weight) * (mouth - rows[tick, MOUTH])


def ticks_for(count: int, fps: Fraction) -> int:
    """Motion ticks that ``count`` frames of the film read."""
    return max(ceil(Fraction(count) / fps * TICK_RATE), 1)


def at_frames(rows: np.ndarray, count: int, fps: Fraction) -> Iterator[np.ndarray]:
    """The motion [24] of each frame of the film; at 25 frames a second these are the rows."""
    for number in range(count):
        moment = (number + Fraction(1, 2)) / fps * TICK_RATE - Fraction(1, 2)
        yield at_place(rows, float(min(max(moment, Fraction(0)), Fraction(len(rows) - 1))))


def at_place(rows: np.ndarray, place: float) -> np.ndarray:
    """The curves between two rows: a Catmull-Rom spline, within every channel's range."""
    whole = min(int(place), len(rows) - 1)
    part = np.float32(place - whole)
    if part == 0:
        return rows[whole].copy()
    before, here, there, beyond = (rows[min(max(whole + k, 0), len(rows) - 1)]
                                   for k in (-1, 0, 1, 2))
    slope, next_slope = (there - before) / 2, (beyond - here) / 2
    out = ((2 * part ** 3 - 3 * part ** 2 + 1) * here + (part ** 3 - 2 * part ** 2 + part) * slope
           + (3 * part ** 2 - 2 * part ** 3) * there + (part ** 3 - part ** 2) * next_slope)
    out[HELD] = (here if part < 0.5 else there)[HELD]
    return clamp(out)
