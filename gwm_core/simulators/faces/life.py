"""How a face moves besides its speech: direction and the sound of both voices in, channels out.

Everything is a function of what is known: no random number is drawn here. Blinks close within two
ticks and open within three (VanderWerf et al. 2003: about 90 ms and 200 ms); gaze jumps, the head
follows a little (vestibulo-ocular compensation); heads dip and brows rise at loud syllables
(Munhall et al. 2004).
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from ...avatars.direction import INDEX as D
from ...avatars.motion import INDEX, clamp, still
from ...avatars.turns import loudness
from .listening import Answers

BLINK = np.array([0.6, 1.0, 0.85, 0.45, 0.15])
_HEAD_POLE = 0.80
"""Of the critically damped follower of head targets, a tick: about 0.35 s to a step."""
_SLOW_POLE = 0.85
_BEAT = 0.15 * np.sin(np.linspace(0, np.pi, 10)[1:-1])
_RAISE = 0.32 * np.sin(np.linspace(0, np.pi, 13)[1:-1])
_ACCENT_DB, _STRONG_DB = 1.0, 3.0
"""Above the syllables before it: one that the head answers, and one that the brows do."""
_USUAL = 0.2
"""Share of each syllable in the level of those before."""
_APART = 12
"""Least ticks between accents."""
AHEAD = 2
"""Ticks of sound after a tick that it may depend on."""


def accents(sound: np.ndarray, speaking: np.ndarray) -> list[tuple[int, bool]]:
    """(tick, strong) of loud syllables of ``sound`` [T * 640]: local peaks of loudness while
    ``speaking`` bool [T], above the mean of the peaks before. Knows ``AHEAD`` ticks of what
    follows."""
    level = loudness(sound).astype(np.float64)[:len(speaking)]
    out: list[tuple[int, bool]] = []
    usual, last = None, -_APART
    for t in range(len(level) - AHEAD):
        peak = speaking[t] and level[t] > -45 \
            and level[t] >= level[max(0, t - AHEAD):t + AHEAD + 1].max()
        if not peak:
            continue
        above = 0.0 if usual is None else level[t] - usual
        usual = level[t] if usual is None else usual + _USUAL * above
        if above > _ACCENT_DB and t - last >= _APART:
            out.append((t, above > _STRONG_DB))
            last = t
    return out


def act(direction: np.ndarray, sound: np.ndarray, speaking: np.ndarray,
        answers: Answers) -> np.ndarray:
    """The motion [T, 24] of everything but the speaking mouth.

    direction [T, len(DIRECTION)]; sound [T * 640]: the own voice; speaking bool [T]; answers: to
    the other's.
    """
    ticks = len(direction)
    out = still(ticks).astype(np.float64)

    def of(name: str) -> np.ndarray:
        return direction[:, D[name]].astype(np.float64)

    def put(name: str, value: np.ndarray) -> None:
        out[:, INDEX[name]] = value

    lids = np.clip(np.convolve(of("blink"), BLINK)[:ticks], 0, 1)
    put("blink_left", lids)
    put("blink_right", lids)

    beat, warmth = of("beat"), of("warmth")
    nod, raised = np.zeros(ticks), np.zeros(ticks)
    for at, strong in accents(sound, speaking):
        # the head is lowest just after the syllable's peak, its way down begins before it
        _lay(nod, -_BEAT * (1.4 if strong else 1.0), at - 2)
        if strong:
            _lay(raised, _RAISE, at - 2)
    yaw = _follow(of("turn") + 0.12 * of("look_x"), _HEAD_POLE)
    pitch = _follow(of("nod") + 0.08 * of("look_y"), _HEAD_POLE)
    put("yaw", yaw)
    put("pitch", pitch + beat * (nod + answers.pitch))
    put("roll", _follow(of("tilt"), _SLOW_POLE))
    put("sway", _follow(of("sway"), _SLOW_POLE))
    put("breath", of("breath"))

    eyes = 0.25  # of the way is left after the first tick
    put("gaze_x", lfilter([1 - eyes], [1, -eyes], of("look_x")) - 0.4 * yaw)
    put("gaze_y", lfilter([1 - eyes], [1, -eyes], of("look_y")) - 0.3 * pitch)

    mood = _follow(of("mood"), _SLOW_POLE)
    smile = mood * 0.6 + warmth * answers.smile
    put("smile", smile)
    brows = _follow(of("brows"), _SLOW_POLE) + warmth * (raised + answers.brows)
    put("brow_left", brows)
    put("brow_right", brows)
    put("brow_inner", 0.5 * np.minimum(mood, 0))
    put("squint", 0.35 * np.maximum(smile, 0))
    put("wide", 0.25 * np.maximum(brows - 0.25, 0))
    return clamp(out).astype(np.float32)


def _follow(target: np.ndarray, pole: float) -> np.ndarray:
    """A critically damped second-order follower of ``target`` [T], from its first value."""
    if len(target) == 0:
        return target
    first = target[0]
    b, a = [(1 - pole) ** 2], [1, -2 * pole, pole * pole]
    return first + lfilter(b, a, target - first)


def _lay(track: np.ndarray, shape: np.ndarray, at: int) -> None:
    """``shape`` added to ``track`` [T] from tick ``at`` on."""
    first = max(at, 0)
    last = min(at + len(shape), len(track))
    if last > first:
        track[first:last] += shape[first - at:last - at]
