"""How a face listens: stated rules, from nothing but the sound of the other and one's own turn.

1. When the other pauses after a phrase of at least 0.8 s, a nod begins 320 ms after its last loud
   tick: the head dips and comes back within 520 ms.
2. If that phrase was loud (within ``LOUD_DB`` of the loudest one so far; the first one is), a
   smile begins at the same time, rises within 240 ms and decays over the next 1.5 s.
3. While the other speaks the brows are slightly up.

A phrase is a stretch of ``turns.activity`` (pauses up to 200 ms are within it). Nothing of this
begins while the own voice is active, and it fades within 160 ms when it becomes so. The rules are
made by hand, they are not learnt from people; back-channels follow pauses of the other by some
hundred ms also in people (Ward and Tsukahara 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...avatars.turns import RELEASE, Activity

LEAST_PHRASE = 20
"""Ticks: 0.8 s."""
ANSWER = 8
"""Ticks from the last loud tick to the answer's first: 320 ms."""
LOUD_DB = 5.0
NOD = -0.5 * np.sin(np.linspace(0, np.pi, 14)[1:-1]) ** 1.2
"""Pitch of a nod, tick by tick."""
_RISE = np.sin(np.linspace(0, np.pi / 2, 7)[1:]) ** 2
SMILE = 0.6 * np.concatenate([_RISE, np.cos(np.linspace(0, np.pi / 2, 39)[1:]) ** 1.5])
BROWS = 0.22
_FADE = 0.25
"""Of the answers, per tick of the own voice."""


@dataclass(frozen=True, eq=False)
class Answers:
    """pitch, smile, brows float32 [T] to add to a motion; the ticks at which nods and smiles
    begin."""

    pitch: np.ndarray
    smile: np.ndarray
    brows: np.ndarray
    nods: tuple[int, ...]
    smiles: tuple[int, ...]


def answers(other: np.ndarray, speaking: np.ndarray) -> Answers:
    """What the rules ask for: other [T * 640] at 16 kHz, speaking bool [T] (``turns.activity`` of
    the own voice). Causal: tick t depends on nothing after it."""
    active, level = Activity().push(other)
    ticks = min(len(active), len(speaking))
    pitch, smile, brows = (np.zeros(ticks, np.float64) for _ in range(3))
    gate = _eased(1.0 - speaking[:ticks], _FADE, _FADE)
    nods, smiles, loudest, begun = [], [], -np.inf, 0
    for t in range(1, ticks + 1):
        on = t < ticks and active[t]
        if on and not active[t - 1]:
            begun = t
        if t == ticks or on or not active[t - 1]:
            continue
        last = t - 1 - RELEASE
        length = last + 1 - begun
        if length < LEAST_PHRASE:
            continue
        phrase = np.sort(level[begun:last + 1])[length // 4:]
        loud = float(phrase.mean())
        smiled = loud >= loudest - LOUD_DB
        loudest = max(loudest, loud)
        at = last + ANSWER
        if at >= ticks or gate[at] < 0.9:
            continue
        _add(pitch, NOD, at)
        nods.append(at)
        if smiled:
            _add(smile, SMILE, at)
            smiles.append(at)
    listening = _eased((active[:ticks] & ~speaking[:ticks]).astype(float), 0.25, 0.12)
    return Answers((pitch * gate).astype(np.float32), (smile * gate).astype(np.float32),
                   (BROWS * listening).astype(np.float32), tuple(nods), tuple(smiles))


def _add(track: np.ndarray, shape: np.ndarray, at: int) -> None:
    """``shape`` from tick ``at`` on, where it is more than what is there."""
    piece = shape[:len(track) - at]
    there = track[at:at + len(piece)]
    track[at:at + len(piece)] = np.where(np.abs(piece) > np.abs(there), piece, there)


def _eased(wanted: np.ndarray, up: float, down: float) -> np.ndarray:
    """[T]: follows ``wanted`` (0..1) by at most ``up`` or ``down`` a tick, from its first value."""
    out, value = np.empty(len(wanted)), float(wanted[0]) if len(wanted) else 0.0
    for t, w in enumerate(wanted):
        value += float(np.clip(w - value, -down, up))
        out[t] = value
    return out
