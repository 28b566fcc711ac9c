"""A policy that plays in worlds the model makes, where no map is known: it sees the state only."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...bodies import BALL, BOX, WALK_SPEED

W, A, S, D, JUMP, PUSH, THROW, LOOK_X, LOOK_Y = range(9)
WALKS = ((W,), (W,), (W,), (W, A), (W, D), (A,), (D,), (S,), (S, A), (S, D), ())
WEIGHTS = {"walk": 0.34, "turn": 0.12, "look": 0.1, "hop": 0.13, "throw": 0.14, "play": 0.17}
STOPPED = 0.3
"""Share of walking speed below which the way is blocked."""


class Roamer:
    """`next(state)` gives the controls [9] of the next tick. Looks move like a hand's, or steadily
    as written controls do; where the way is blocked it turns away."""

    def __init__(self, generator: np.random.Generator):
        self.rng = generator
        self.state = None
        self._plan = self._main()

    def next(self, state) -> np.ndarray:
        self.state = state
        row = next(self._plan)
        row[LOOK_X:] = np.clip(np.round(row[LOOK_X:] * 8) / 8, -30, 30)
        return row

    # -------------------------------------------------------------- building blocks
    def _main(self) -> Iterator[np.ndarray]:
        for _ in range(int(self.rng.integers(0, 3))):
            yield np.zeros(9)
        names, chance = list(WEIGHTS), np.array(list(WEIGHTS.values()))
        while True:
            name = str(self.rng.choice(names, p=chance / chance.sum()))
            yield from getattr(self, "_" + name)()

    def _row(self, keys=(), x: float = 0.0, y: float = 0.0) -> np.ndarray:
        row = np.zeros(9)
        row[list(keys)] = 1
        row[LOOK_X:] = x, y
        return row

    def _level(self) -> float:
        """A look up or down that brings the view back towards level."""
        return float(np.clip(-math.degrees(self.state.player.pitch) * 0.2, -3, 3))

    def _blocked(self, wish: bool) -> bool:
        speed = float(np.hypot(*np.asarray(self.state.player.vel)[:2]))
        return wish and speed < STOPPED * WALK_SPEED

    def _hand(self, ticks: int, strength: float) -> np.ndarray:
        """Looks [ticks, 2] like a hand's: one smooth swing of the mouse, with a tremble."""
        swing = np.sin(np.linspace(0, math.pi, ticks + 2))[1:-1]
        out = np.stack([swing * self.rng.normal() * strength,
                        swing * self.rng.normal() * strength * 0.25], 1)
        return out + self.rng.normal(size=out.shape) * 0.12 * (np.abs(out) > 0.6)

    # -------------------------------------------------------------- behaviours
    def _walk(self) -> Iterator[np.ndarray]:
        """Keys held for a while; look still, steady or like a hand's."""
        ticks, keys = int(self.rng.integers(3, 15)), WALKS[int(self.rng.integers(len(WALKS)))]
        way = self.rng.random()
        if way < 0.35:
            looks = np.zeros((ticks, 2))
        elif way < 0.6:
            looks = np.tile([self.rng.normal() * 4, self.rng.normal() * 0.5], (ticks, 1))
        else:
            looks = self._hand(ticks, 7.0)
        stuck = 0
        for k, (x, y) in enumerate(looks):
            stuck = stuck + 1 if k > 1 and self._blocked(bool(keys)) else 0
            if stuck > 3:
                yield from self._away()
                return
            yield self._row(keys, x, y + (self._level() if k % 3 == 0 else 0))

    def _away(self) -> Iterator[np.ndarray]:
        turn, ticks = self.rng.uniform(70, 170) * self.rng.choice([-1, 1]), 0
        ticks = int(self.rng.integers(6, 12))
        for _ in range(ticks):
            yield self._row((), turn / ticks, self._level())

    def _turn(self) -> Iterator[np.ndarray]:
        rate = self.rng.uniform(2, 20) * self.rng.choice([-1, 1])
        keys = WALKS[int(self.rng.integers(len(WALKS)))] if self.rng.random() < 0.4 else ()
        for _ in range(int(self.rng.integers(4, 14))):
            yield self._row(keys, rate, self._level())

    def _look(self) -> Iterator[np.ndarray]:
        for x, y in self._hand(int(self.rng.integers(4, 9)), 12.0):
            yield self._row((), x, y * 3)
        for _ in range(int(self.rng.integers(0, 4))):
            yield self._row()

    def _hop(self) -> Iterator[np.ndarray]:
        keys = [(W,), (), (A,), (D,)][int(self.rng.integers(4))]
        held, ticks = int(self.rng.integers(1, 4)), int(self.rng.integers(9, 13))
        for k in range(ticks):
            yield self._row((*keys, JUMP) if 1 <= k <= held else keys, 0.0, self._level())

    def _throw(self) -> Iterator[np.ndarray]:
        for _ in range(int(self.rng.integers(1, 3))):
            keys = (W,) if self.rng.random() < 0.3 else ()
            yield self._row((*keys, THROW), *(self._hand(1, 2.0)[0]))
            for x, y in self._hand(int(self.rng.integers(5, 10)), 4.0):
                yield self._row(keys, x, y)

    def _play(self) -> Iterator[np.ndarray]:
        """Walk up to the nearest ball or box and push it with the hands."""
        wait = 1
        for _ in range(int(self.rng.integers(14, 30))):
            player, bodies = self.state.player, self.state.bodies
            things = [i for i in bodies.active if bodies.kind[i] in (BALL, BOX)]
            if not things:
                return
            gaps = np.asarray(bodies.pos)[things] - player.pos
            near = int(np.argmin(np.hypot(gaps[:, 0], gaps[:, 1])))
            gap, far = gaps[near], float(np.hypot(*gaps[near, :2]))
            if far > 5:
                return
            off = math.remainder(math.atan2(gap[1], gap[0]) - player.yaw, 2 * math.pi)
            down = -math.atan2(1.55 - gap[2], max(far, 0.3)) * 0.8 - player.pitch
            row = self._row((), np.clip(-math.degrees(off) * 0.45, -18, 18),
                            np.clip(math.degrees(down) * 0.4, -8, 8))
            wait -= 1
            if far < 1.05 and abs(off) < 0.4 and wait <= 0:
                row[PUSH] = 1
                wait = int(self.rng.integers(4, 8))
            elif abs(off) < 0.5 and far > 0.8:
                row[W] = 1
            yield row
