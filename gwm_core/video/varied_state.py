"""Another take of a time range of a room: the same walk until then, and back to it in the end.

Within the range the camera sways a little along another path, things in motion fly on slightly
otherwise, and all noises are struck anew. The known future is the goal: of some candidates, rolled
ahead in the cheap state stream alone, the one is taken that comes back nearest to it, and over the
last ticks camera and things ease into the known ones, so that the shot goes on as it was.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..bodies import BALL, Bodies, Player
from ..noise import rng
from ..state_step import StateResult
from .room_moves import Moves
from .splice import Range

SWAY_YAW, SWAY_PITCH = 2.4, 0.9
"""Degrees that the camera strays from the known path at most."""
TURN, SPEED = 16.0, 0.12
"""Spread of what is done to things in motion: degrees to a side, share of the speed."""
SPREAD_TICKS = 6
"""Over so many ticks, so that nothing starts with a jerk."""
CANDIDATES = 6
PLAIN = 0.05
"""Metres: a candidate that hardly differs from the known take is not worth more than this."""
EASE = 5
"""Ticks over which all eases into the known future."""
LEAST_TICKS = 3
GRAIN = 0.015625


@dataclass(frozen=True)
class Variation:
    """One retake of a room: ticks [first, last) of the shot, what is new, and the seed."""

    first: int
    last: int
    part: Range
    seed: int

    def inside(self, tick: int) -> bool:
        return self.first <= tick < self.last

    def sway(self, ticks: int) -> np.ndarray:
        """What is added to look_x and look_y, degrees, float64 [ticks, 2]; adds up to nothing."""
        out = np.zeros((ticks, 2))
        count = self.last - self.first
        if not self.part.picture or count < LEAST_TICKS:
            return out
        generator = rng(self.seed, "another take", self.first)
        time = np.linspace(0, 1, count + 1)
        for axis, reach in enumerate((SWAY_YAW, SWAY_PITCH)):
            side = 1.0 if generator.random() < 0.5 else -1.0
            wave = side + 0.5 * np.sin(2 * np.pi * (time + generator.random()))
            path = reach * min(1.0, count / 12) * np.sin(np.pi * time) ** 2 * wave / 1.5
            # Whole grains, so that yaw and pitch come back to the very values.
            out[self.first : self.last, axis] = np.diff(np.round(path / GRAIN) * GRAIN)
        return out


class VariedState:
    """A state model that plays one range otherwise; asked tick by tick, in order."""

    def __init__(self, inner: Any, variation: Variation, moves: Moves, sway: np.ndarray) -> None:
        self._inner, self._variation, self._moves, self._sway = inner, variation, moves, sway
        self._known: tuple[Any, Player, Bodies] | None = None
        self._nudge: dict[int, tuple[float, float]] | None = None
        self._lot = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def clone(self) -> VariedState:
        """The same at this moment, to go on by itself."""
        twin = copy.copy(self)
        twin._inner = _clone(self._inner)
        if self._known is not None:
            twin._known = (_clone(self._known[0]), *self._known[1:])
        return twin

    def step(self, player: Player, bodies: Bodies, row: np.ndarray, around: Any, tick: int = 0,
             **more: Any) -> StateResult:
        """One tick, as ``StateModel.step``."""
        at = tick - 1
        if not self._variation.inside(at):
            self._known = None
            return self._inner.step(player, bodies, row, around, tick=tick, **more)
        if self._known is None:
            self._known = (_clone(self._inner), player, bodies)
            self._lot = self._choose(player, bodies, around, at) if self._moves_things else 0
        model, known_player, known_bodies = self._known
        known = model.step(known_player, known_bodies, self._row(row, at), around, tick=tick,
                           **more)
        self._known = (model, known.players[-1], known.bodies[-1])
        made = self._free(self._inner, player, bodies, row, around, at, self._lot)
        return eased(made, known, self._shares(at))

    @property
    def _moves_things(self) -> bool:
        # A picture alone must still fit the sound that is there: things move as they did.
        return self._variation.part.picture and self._variation.part.sound

    def _row(self, row: np.ndarray, at: int) -> np.ndarray:
        """The controls without the sway."""
        out = np.array(row, np.float64)
        out[-2:] -= self._sway[at]
        return out

    def _free(self, model: Any, player: Player, bodies: Bodies, row: np.ndarray, around: Any,
              at: int, lot: int) -> StateResult:
        """A tick of one candidate."""
        if self._moves_things:
            bodies = nudged(bodies, self._variation, at, lot)
        return model.step(player, bodies, row, around, tick=at + 1)

    def _choose(self, player: Player, bodies: Bodies, around: Any, at: int) -> int:
        """The candidate that ends nearest to the known future for how far it goes its own way."""
        rows = self._moves.values[at : self._variation.last]
        model, where, path = _clone(self._inner), (player, bodies), []
        for k, row in enumerate(rows):
            found = model.step(*where, self._row(row, at + k), around, tick=at + k + 1)
            where = found.players[-1], found.bodies[-1]
            path.append(where[1])
        prices = []
        for lot in range(CANDIDATES):
            model, where, apart = _clone(self._inner), (player, bodies), 0.0
            for k, row in enumerate(rows):
                found = self._free(model, *where, row, around, at + k, lot)
                where = found.players[-1], found.bodies[-1]
                apart = max(apart, distance(where[1], path[k]))
            prices.append(distance(where[1], path[-1]) / (PLAIN + apart))
        return int(np.argmin(prices))

    def _shares(self, at: int) -> tuple[float, float]:
        """How much of the known future each half of a tick is."""
        last = self._variation.last
        count = 2 * min(EASE, (last - self._variation.first) // 2)
        out = []
        for half in (1, 2):
            left = 2 * (last - at) - half
            share = min(max(1 - left / max(count, 1), 0.0), 1.0)
            out.append(share * share * (3 - 2 * share))
        return out[0], out[1]


def nudged(bodies: Bodies, variation: Variation, at: int, lot: int) -> Bodies:
    """Balls in motion turned and sped up a little, over the first ticks of the range; what is
    thrown later flies otherwise by itself, since the camera looks elsewhere."""
    count = min(SPREAD_TICKS, variation.last - variation.first - EASE)
    moving = [i for i in bodies.of(BALL) if np.hypot(*bodies.vel[i, :2]) > 0.3]
    if not moving or not 0 <= at - variation.first < count:
        return bodies
    vel = np.array(bodies.vel)
    for i in moving:
        generator = rng(variation.seed, "nudge", lot, int(bodies.id[i]))
        turn = math.radians(TURN) * generator.normal() / count
        grow = 1 + SPEED * generator.normal() / count
        c, s = math.cos(turn), math.sin(turn)
        x, y = vel[i, :2]
        vel[i, :2] = grow * (c * x - s * y), grow * (s * x + c * y)
    return bodies.with_(vel=vel)


def distance(one: Bodies, other: Bodies) -> float:
    """Mean way in metres between the same things of two moments; things that only one has count
    as a metre."""
    both = (one.kind > 0) & (other.kind > 0) & (one.id == other.id)
    odd = int(((one.kind > 0) != (other.kind > 0)).sum())
    away = np.linalg.norm(one.pos[both] - other.pos[both], axis=1).sum() + odd
    return float(away / max(int(both.sum()) + odd, 1))


def eased(made: StateResult, known: StateResult, shares: tuple[float, float]) -> StateResult:
    """Two results of a tick mixed, each half by its share of the known one. What is heard is the
    nearer one's."""
    players = tuple(_mixed_player(*pair, share) for pair, share in zip(
        zip(made.players, known.players, strict=True), shares, strict=True))
    bodies = tuple(_mixed_bodies(*pair, share) for pair, share in zip(
        zip(made.bodies, known.bodies, strict=True), shares, strict=True))
    events = tuple(
        event for result, mine in ((made, False), (known, True)) for event in result.events
        if (shares[min(event.frame, 1)] >= 0.5) == mine)
    return StateResult(players, bodies, events)


def _mixed_player(made: Player, known: Player, share: float) -> Player:
    if share <= 0:
        return made
    if share >= 1:
        return known
    return replace(
        known, pos=_between(made.pos, known.pos, share), vel=_between(made.vel, known.vel, share),
        yaw=_turned(made.yaw, known.yaw, share),
        pitch=float(_between(made.pitch, known.pitch, share)))


def _mixed_bodies(made: Bodies, known: Bodies, share: float) -> Bodies:
    if share <= 0:
        return made
    if share >= 1:
        return known
    same = (made.id == known.id) & (made.kind > 0)
    pos, vel, yaw = np.array(known.pos), np.array(known.vel), np.array(known.yaw)
    pos[same] = _between(made.pos[same], known.pos[same], share)
    vel[same] = _between(made.vel[same], known.vel[same], share)
    yaw[same] = [_turned(a, b, share) for a, b in zip(made.yaw[same], known.yaw[same], strict=True)]
    return known.with_(pos=pos, vel=vel, yaw=yaw)


def _between(a: Any, b: Any, share: float) -> Any:
    return np.asarray(a) * (1 - share) + np.asarray(b) * share


def _turned(a: float, b: float, share: float) -> float:
    return a + math.remainder(b - a, 2 * math.pi) * share


def _clone(model: Any) -> Any:
    return model.clone() if isinstance(model, VariedState) else model


def ticks_of(part: Range, fps: Fraction, tick_rate: Any) -> tuple[int, int]:
    """The whole ticks that lie in a range of frames: [first, last)."""
    rate = Fraction(tick_rate).limit_denominator(1000)
    first = math.ceil(Fraction(part.first) / fps * rate)
    return first, max(math.floor(Fraction(part.last) / fps * rate), first)
