"""A policy that explores, turns, walks through doors, comes back and plays with things."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .nav import Map
from .sim import Rooms

W, A, S, D, JUMP, PUSH, THROW, LOOK_X, LOOK_Y = range(9)
_DIRECTIONS = ((0.0, (W,)), (45.0, (W, A)), (90.0, (A,)), (135.0, (S, A)), (180.0, (S,)),
               (-135.0, (S, D)), (-90.0, (D,)), (-45.0, (W, D)))


def wrap(angle: float) -> float:
    """Radians to [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


class Explorer:
    """`next()` gives the controls [9] of the next tick, from the simulator's present state.

    The same simulator state and seed give the same walk.  Look moves like a hand with a mouse:
    it speeds up, slows down and trembles a little; pitch stays mostly within 20 degrees.
    """

    WEIGHTS = {"go": 0.26, "turn": 0.07, "look": 0.08, "play": 0.20, "throw": 0.10, "bump": 0.07,
               "hop": 0.07, "stand": 0.03, "revisit": 0.04, "strafe": 0.12}

    def __init__(self, sim: Rooms, seed: int) -> None:
        self.sim = sim
        self.rng = np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFF, 0x5EED]))
        self.map = Map(sim.layout, sim.model.solid)
        self._rate = np.zeros(2)
        self._names = list(self.WEIGHTS)
        self._p = np.array([self.WEIGHTS[n] for n in self._names])
        self._p /= self._p.sum()
        self._plan = self._main()

    def next(self) -> np.ndarray:
        out = next(self._plan)
        out[LOOK_X:] = np.clip(np.round(out[LOOK_X:] * 4) / 4, -30, 30)
        return out.astype(np.float32)

    # -------------------------------------------------------------- building blocks
    def _look(self, c: np.ndarray, yaw: float, pitch: float, gain: float = 0.45,
              limit: float = 24.0) -> None:
        """Turn smoothly towards a world yaw and pitch (radians)."""
        want = np.array([-math.degrees(wrap(yaw - self.sim.yaw)),
                         math.degrees(pitch - self.sim.pitch)])
        wish = np.clip(want * gain, -limit, limit)
        step = np.clip(wish - self._rate, -7.5, 7.5)
        self._rate = self._rate + step
        tremble = self.rng.normal(size=2) * 0.12 * (np.abs(self._rate) > 0.8)
        c[LOOK_X:] = np.where(np.abs(self._rate) < 0.12, 0.0, self._rate + tremble)

    def _walk(self, c: np.ndarray, azimuth: float) -> None:
        """Keys for walking along a world azimuth."""
        rel = math.degrees(wrap(azimuth - self.sim.yaw))
        keys = min(_DIRECTIONS, key=lambda d: abs((rel - d[0] + 180) % 360 - 180))[1]
        for k in keys:
            c[k] = 1.0

    def _go(self, x: float, y: float, limit: int, near: float = 0.3, face: bool = True,
            pitch: float | None = None) -> Iterator[np.ndarray]:
        """Walk to a place; ends when there, or stuck, or after `limit` ticks."""
        field = self.map.field(x, y)
        level = self.rng.normal() * 0.10 - 0.05 if pitch is None else pitch
        drift, stuck = self.sim.yaw, 0
        for _ in range(limit):
            foot = self.sim.foot
            if math.hypot(foot[0] - x, foot[1] - y) < near:
                return
            azimuth = self.map.heading(field, foot[0], foot[1])
            if azimuth is None:
                azimuth = math.atan2(y - foot[1], x - foot[0])
            c = np.zeros(9)
            if face:
                self._look(c, azimuth, level)
                if abs(wrap(azimuth - self.sim.yaw)) < 0.9:
                    self._walk(c, azimuth)
            else:
                drift += self.rng.normal() * 0.10
                self._look(c, drift, level)
                self._walk(c, azimuth)
            if self.rng.random() < 0.03:
                c[JUMP if self.rng.random() < 0.6 else PUSH] = 1
            yield c
            moved = math.hypot(*(self.sim.foot[:2] - foot[:2]))
            stuck = stuck + 1 if moved < 0.03 and c[:4].any() else 0
            if stuck > 6:
                return

    def _settle(self, yaw: float, pitch: float, limit: int = 10) -> Iterator[np.ndarray]:
        for _ in range(limit):
            c = np.zeros(9)
            self._look(c, yaw, pitch)
            if not c.any():
                return
            yield c

    def _idle(self, ticks: int) -> Iterator[np.ndarray]:
        for _ in range(ticks):
            self._rate[:] = 0
            yield np.zeros(9)

    def _main(self) -> Iterator[np.ndarray]:
        if self.rng.random() < 0.5:
            yield from self._idle(int(self.rng.integers(1, 4)))
        while True:
            name = str(self.rng.choice(self._names, p=self._p))
            before = self.sim.tick
            yield from getattr(self, "_do_" + name)()
            if self.sim.tick == before:
                yield np.zeros(9)

    # -------------------------------------------------------------- behaviours
    def _do_go(self) -> Iterator[np.ndarray]:
        here = self.sim.layout.room_at(*self.sim.foot[:2])
        others = [i for i in range(len(self.sim.layout.rooms)) if i != here]
        room = here if self.rng.random() < 0.35 else int(self.rng.choice(others))
        x, y = self.map.random_point(self.rng, room)
        yield from self._go(x, y, 60, face=self.rng.random() < 0.75)

    def _do_turn(self) -> Iterator[np.ndarray]:
        """A full circle or more, to one side."""
        rate = self.rng.uniform(11, 27) * self.rng.choice([-1, 1])
        walk = self.rng.random() < 0.25
        level = self.rng.normal() * 0.06
        for _ in range(int(math.ceil(360 / abs(rate)))):
            c = np.zeros(9)
            c[LOOK_X] = rate + self.rng.normal() * 0.4
            c[LOOK_Y] = np.clip(math.degrees(level - self.sim.pitch) * 0.4, -6, 6)
            c[W] = float(walk)
            yield c
        self._rate[:] = 0

    def _do_look(self) -> Iterator[np.ndarray]:
        for _ in range(int(self.rng.integers(1, 4))):
            yaw = self.sim.yaw + self.rng.uniform(-2.2, 2.2)
            far = self.rng.random() < 0.25
            pitch = self.rng.uniform(-1.0, 1.0) if far else self.rng.normal() * 0.16
            yield from self._settle(yaw, pitch, 14)
            yield from self._idle(int(self.rng.integers(0, 4)))
        yield from self._settle(self.sim.yaw, -0.04, 6)

    def _things(self) -> list[tuple[float, int]]:
        """(distance, slot) of balls and boxes in the world, nearest first."""
        foot, d = self.sim.foot, self.sim.data
        out = []
        for k, s in enumerate(self.sim.slots):
            if s.kind == 3 or (s.pool and k not in self.sim._thrown):
                continue
            p = d.qpos[s.qpos : s.qpos + 3]
            if p[2] > -0.5:
                out.append((math.hypot(p[0] - foot[0], p[1] - foot[1]), k))
        return sorted(out)

    def _do_play(self) -> Iterator[np.ndarray]:
        """Walk up to a thing, then shove it with the hands or with the body."""
        things = self._things()
        if not things:
            return
        _, k = things[int(self.rng.integers(min(len(things), 3)))]
        s, d = self.sim.slots[k], self.sim.data
        x, y = d.qpos[s.qpos : s.qpos + 2]
        yield from self._go(float(x), float(y), 40, near=0.95)
        body = self.rng.random() < 0.4
        wait = 2
        for _ in range(int(self.rng.integers(10, 26))):
            p, foot = d.qpos[s.qpos : s.qpos + 3], self.sim.foot
            gap = math.hypot(p[0] - foot[0], p[1] - foot[1])
            azimuth = math.atan2(p[1] - foot[1], p[0] - foot[0])
            c = np.zeros(9)
            down = -math.atan2(1.55 + foot[2] - p[2], max(gap, 0.3))
            self._look(c, azimuth, max(down, -1.0) * 0.8)
            facing = abs(wrap(azimuth - self.sim.yaw)) < 0.4
            wait -= 1
            if facing and not body and gap < 1.05 and wait <= 0:
                c[PUSH] = 1
                wait = int(self.rng.integers(4, 8))
            elif facing and (body or gap > 0.8):
                c[W] = 1
            yield c
            if gap > 3.5:
                return

    def _do_throw(self) -> Iterator[np.ndarray]:
        for _ in range(int(self.rng.integers(1, 3))):
            things = self._things()
            if things and self.rng.random() < 0.3:
                s = self.sim.slots[things[0][1]]
                gap = self.sim.data.qpos[s.qpos : s.qpos + 2] - self.sim.foot[:2]
                yaw = math.atan2(gap[1], gap[0])
            else:
                yaw = self.sim.yaw + self.rng.normal() * 0.5
            yield from self._settle(yaw, self.rng.uniform(-0.25, 0.3), 8)
            c = np.zeros(9)
            c[THROW] = 1
            c[W] = float(self.rng.random() < 0.3)
            yield c
            pitch = self.rng.uniform(-0.35, 0.0)
            for _ in range(int(self.rng.integers(5, 13))):
                c = np.zeros(9)
                self._look(c, self.sim.yaw, pitch, 0.3)
                yield c

    def _do_bump(self) -> Iterator[np.ndarray]:
        """Walk against a wall, heavy furniture or a latched door for a while."""
        foot, here = self.sim.foot, self.sim.layout.room_at(*self.sim.foot[:2])
        room = self.sim.layout.rooms[here]
        targets = [f.centre for f in room.fixed if f.solid]
        targets += [(*o.point(), 0) for o in self.sim.layout.openings
                    if o.kind == "latched" and here in o.rooms]
        if targets and self.rng.random() < 0.6:
            x, y = targets[int(self.rng.integers(len(targets)))][:2]
            yield from self._go(float(x), float(y), 24, near=1.0)
            foot = self.sim.foot
            azimuth = math.atan2(y - foot[1], x - foot[0])
        else:
            azimuth = self.rng.uniform(-math.pi, math.pi)
        back = self.rng.random() < 0.15
        against = int(self.rng.integers(3, 9))
        for _ in range(24):
            c = np.zeros(9)
            moved = math.hypot(*self.sim.velocity[:2])
            against -= moved < 0.15 and self.sim.phase > 0.2
            if against < 0:
                break
            self._look(c, azimuth + (math.pi if back else 0), -0.08)
            if abs(wrap(azimuth + (math.pi if back else 0) - self.sim.yaw)) < 0.6:
                c[S if back else W] = 1
            yield c
        yield from self._go(*self.map.random_point(self.rng, here), 10)

    def _do_hop(self) -> Iterator[np.ndarray]:
        walk = self.rng.random() < 0.6
        for n in range(int(self.rng.integers(9, 18))):
            c = np.zeros(9)
            c[JUMP] = float(n % 9 in (1, 2))
            c[W] = float(walk)
            self._look(c, self.sim.yaw + self.rng.normal() * 0.1, -0.05)
            yield c

    def _do_stand(self) -> Iterator[np.ndarray]:
        yield from self._idle(int(self.rng.integers(4, 13)))

    def _do_revisit(self) -> Iterator[np.ndarray]:
        """Walk off, then come back to the same place and view."""
        x, y, _ = self.sim.foot
        yaw, pitch = self.sim.yaw, self.sim.pitch
        yield from self._go(*self.map.random_point(self.rng), int(self.rng.integers(14, 26)))
        yield from self._go(float(x), float(y), 36, near=0.15)
        yield from self._settle(yaw, pitch, 14)

    def _do_strafe(self) -> Iterator[np.ndarray]:
        keys = [(A,), (D,), (S,), (W, A), (W, D), (S, A), (S, D)][int(self.rng.integers(7))]
        yaw = self.sim.yaw
        for _ in range(int(self.rng.integers(5, 13))):
            c = np.zeros(9)
            for k in keys:
                c[k] = 1
            yaw += self.rng.normal() * 0.05
            self._look(c, yaw, -0.05)
            yield c
