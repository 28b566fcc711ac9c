"""Frames for the state nets: what each body perceives and what it does next, from the simulator.

A wanderer walks at walls, doors and things, throws and pushes; balls are kicked at random. Rows
of every kind are gathered before and after each video frame and kept as float16/32 arrays.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np

from ..bodies import BALL, BOX, DOOR, Bodies
from ..noise import rng as noise_rng
from ..rays import FAR
from ..simulators.rooms import rays as solid_rays
from ..simulators.rooms.sim import IMPACT, Rooms
from ..state_inputs import heading, wished
from ..state_observe import (
    KIND_NAMES,
    LEVEL_REACH,
    RAY_REACH,
    Crowd,
    see_balls,
    see_boxes,
    see_doors,
    see_player,
)

TABLE_UNDERSIDE = 0.62


def seen_solids(world: Rooms) -> np.ndarray:
    """Fixed solids [n,6] as a camera sees them: tables are a top on legs, not a block."""
    solid = [row for row in world.model.solid]
    blocks = {tuple(np.round([*f.centre, *f.half], 4)): f for room in world.layout.rooms
              for f in room.fixed if f.kind == "table" and f.surface == "none"}
    out = []
    for row in solid:
        if tuple(np.round(row, 4)) in blocks:
            top = row[2] + row[5]
            low = min(TABLE_UNDERSIDE, top - 0.05)
            row = np.array([row[0], row[1], (top + low) / 2, row[3], row[4], (top - low) / 2])
        out.append(row)
    for room in world.layout.rooms:
        out += [np.array([*f.centre, *f.half]) for f in room.fixed
                if f.kind == "table" and not f.solid and f.half[0] < 0.05 and f.half[1] < 0.05]
    return np.array(out)


class SolidSurroundings:
    """Rays against the simulator's fixed solids; everything is known."""

    def __init__(self, world: Rooms):
        self.world = world
        self.solid = seen_solids(world)

    def rays(self, origin, dirs):
        out = solid_rays.cast(self.solid, np.asarray(origin, np.float64), dirs, FAR)
        return np.where(out >= RAY_REACH, FAR, out).astype(np.float32), np.ones(len(dirs), bool)

    def around(self, place, heights, azimuths):
        out = solid_rays.horizontal(self.solid, np.asarray(place, np.float64),
                                    np.asarray(heights, np.float64), azimuths, FAR)
        out = np.where(out >= LEVEL_REACH, FAR, out).astype(np.float32)
        return out, np.ones(len(azimuths), bool)

    def material(self, point) -> int:
        """Sounding material 0..5 of the fixed surface nearest to a world point."""
        if point[2] < 0.05:
            return self.world.floor_material(point[0], point[1])
        solid = self.world.model.solid
        gap = np.maximum(np.abs(solid[:, :3] - point) - solid[:, 3:], 0)
        return int(self.world.model.solid_material[np.argmin((gap**2).sum(1))])


class Wanderer:
    """Controls [9] tick by tick: goes for bodies, doorways and walls, throws, pushes, jumps."""

    def __init__(self, world: Rooms, rng: np.random.Generator, touch: bool = False):
        self.world, self.rng, self.touch = world, rng, touch
        self.left = 0
        self.pitch_goal = 0.0

    def _choose(self) -> None:
        rng, world = self.rng, self.world
        self.left = int(rng.integers(8, 50))
        self.keys = np.zeros(9)
        draw = rng.random()
        self.goal = None
        if self.touch and rng.random() < 0.85 and self._touch():
            return
        if draw < 0.08:
            return
        if draw < 0.3:
            self.keys[rng.choice([0, 0, 0, 1, 2, 3])] = 1
            if rng.random() < 0.3:
                self.keys[rng.choice([0, 1, 3])] = 1
            self.turn = float(rng.choice([0, 0, 0, rng.normal() * 4]))
            return
        arrays = world.body_arrays()
        active = np.nonzero(arrays["kind"] > 0)[0]
        if draw < 0.68 and len(active):
            near = np.linalg.norm(arrays["pos"][active, :2] - world.foot[:2], axis=1)
            order = active[np.argsort(near)]
            k = order[min(int(rng.exponential(1.2)), len(order) - 1)]
            self.goal = arrays["pos"][k, :2] + rng.normal(0, 0.25, 2)
        elif draw < 0.85:
            doors = [o for o in world.layout.openings if o.kind != "window"]
            o = doors[int(rng.integers(len(doors)))]
            self.goal = o.point() + rng.normal(0, 0.2, 2)
        else:
            room = world.layout.rooms[int(rng.integers(len(world.layout.rooms)))]
            self.goal = np.array([rng.uniform(room.x0, room.x1), rng.uniform(room.y0, room.y1)])
        self.keys[0] = 1
        if rng.random() < 0.25:
            self.keys[rng.choice([1, 3])] = 1

    def _touch(self) -> bool:
        """Walk into, and past, a box or door that is near."""
        rng, arrays = self.rng, self.world.body_arrays()
        pick = np.nonzero((arrays["kind"] == BOX) | (arrays["kind"] == DOOR))[0]
        if not len(pick):
            return False
        near = np.linalg.norm(arrays["pos"][pick, :2] - self.world.foot[:2], axis=1)
        k = pick[np.argsort(near)[min(int(rng.exponential(0.8)), len(pick) - 1)]]
        place = arrays["pos"][k, :2].copy()
        if arrays["kind"][k] == DOOR:
            yaw = arrays["yaw"][k]
            place += rng.uniform(0.1, 0.9) * np.array([math.cos(yaw), math.sin(yaw)])
        way = place - self.world.foot[:2]
        self.goal = place + rng.uniform(0.2, 1.0) * way / max(np.hypot(*way), 1e-6)
        self.goal += rng.normal(0, 0.12, 2)
        self.left = int(rng.integers(10, 36))
        self.keys[0] = 1
        if rng.random() < 0.3:
            self.keys[rng.choice([1, 3])] = 1
        return True

    def __call__(self) -> np.ndarray:
        rng, world = self.rng, self.world
        if self.left <= 0:
            self._choose()
        self.left -= 1
        out = self.keys.copy()
        if self.goal is not None:
            to = self.goal - world.foot[:2]
            away = math.degrees(math.atan2(to[1], to[0]) - world.yaw)
            away = (away + 180) % 360 - 180
            out[7] = np.clip(-0.5 * away, -18, 18)
            if abs(away) > 70:
                out[:4] = 0
            if np.hypot(*to) < 0.2:
                self.left = min(self.left, 2)
        elif out[:4].any():
            out[7] = self.turn
        if rng.random() < 0.05:
            self.pitch_goal = float(np.clip(rng.normal(-0.15, 0.3), -0.9, 0.6))
        out[8] = np.clip(math.degrees(self.pitch_goal - world.pitch) * 0.3, -10, 10)
        out[4] = rng.random() < 0.02
        out[5] = rng.random() < 0.12
        out[6] = rng.random() < 0.06
        return out


class Recorder(Rooms):
    """A world that notes rows of every kind around each frame."""

    def attach(self, rng) -> None:
        self.rows: dict[str, list[dict]] = {"player": [], "ball": [], "box": [], "door": []}
        self.rng, self.seen = rng, SolidSurroundings(self)
        self.kinds = (BALL, BOX, DOOR)
        self.constants = self.body_constants()

    def snapshot(self) -> Bodies:
        a, c = self.body_arrays(), self.constants
        return Bodies(a["kind"], a["pos"], a["yaw"], a["vel"], a["yaw_rate"], c["size"], c["rgb"],
                      c["movable"], a["id"])

    def _frame(self, c, sub, events) -> None:
        bodies, player = self.snapshot(), self.player()
        first = len(events)
        yaw = np.array([player.yaw])
        wish = wished(c[None], yaw)
        travel = float(heading(player.vel[None], wish, yaw)[0])
        crowd = Crowd(bodies, player)
        self.before = {"bodies": bodies, "player": player, "wish": wish[0]}
        row = see_player(self.seen, crowd, player, travel, 0.0)
        near = {int(k): self._interesting(bodies, k, player) for k in bodies.active}
        super()._frame(c, sub, events)
        after, walker = self.snapshot(), self.player()
        hits = {}
        for event in events[first:]:
            if event[2] == IMPACT:
                hits[event[5]] = max(hits.get(event[5], 0.0), event[4])
        row |= {"pos": player.pos, "vel": player.vel, "wish": wish[0], "travel": travel,
                "ground": player.on_ground, "next_pos": walker.pos, "next_vel": walker.vel,
                "next_ground": walker.on_ground, "impact": hits.get(-1, 0.0)}
        self.rows["player"].append(row)
        for kind in self.kinds:
            name = KIND_NAMES[kind]
            index = [k for k in bodies.of(kind) if after.kind[k] == kind and (
                near[int(k)] or hits.get(int(k), 0) > 0
                or np.linalg.norm(after.vel[k]) + abs(after.yaw_rate[k]) > 0.03
                or self.rng.random() < 0.03)]
            if not index:
                continue
            if kind == BALL:
                view = see_balls(self.seen, crowd, bodies, index, bodies.vel[index], 0.0)
            elif kind == BOX:
                view = see_boxes(self.seen, crowd, bodies, index, player)
            else:
                view = see_doors(self.seen, crowd, bodies, index, player)
            for j, k in enumerate(index):
                turn = (after.yaw[k] - bodies.yaw[k] + math.pi) % (2 * math.pi) - math.pi
                one = {key: value[j] for key, value in view.items() if key != "dirs"}
                one |= {"pos": bodies.pos[k], "vel": bodies.vel[k], "yaw": bodies.yaw[k],
                        "rate": bodies.yaw_rate[k], "full": bodies.size[k],
                        "mate_pos": player.pos, "mate_vel": player.vel, "mate_wish": wish[0],
                        "next_pos": after.pos[k], "next_vel": after.vel[k], "next_turn": turn,
                        "next_rate": after.yaw_rate[k], "impact": hits.get(int(k), 0.0)}
                self.rows[name].append(one)

    @staticmethod
    def _interesting(bodies: Bodies, k: int, player) -> bool:
        if np.linalg.norm(bodies.vel[k]) + abs(bodies.yaw_rate[k]) > 0.03:
            return True
        reach = 0.7 + float(bodies.size[k, 0]) * (2 if bodies.kind[k] == DOOR else 1)
        return bool(np.hypot(*(bodies.pos[k, :2] - player.pos[:2])) < reach)

    def disturb(self) -> None:
        """Now and then the player is nudged and a ball or box is kicked."""
        rng, d = self.rng, self.data
        if rng.random() < 0.15:
            d.qpos[self._player_q[:2]] += rng.normal(0, 0.012, 2)
            d.qvel[self._player_dof[:2]] += rng.normal(0, 0.15, 2)
        kinds = self.body_arrays()["kind"]
        for k in np.nonzero((kinds == BALL) | (kinds == BOX))[0]:
            if rng.random() < (0.02 if kinds[k] == BALL else 0.004):
                s = self.slots[k]
                self._wake(s.body)
                angle, speed = rng.uniform(0, 2 * math.pi), rng.exponential(1.6)
                up = rng.uniform(0, 2.5) if kinds[k] == BALL and rng.random() < 0.5 else 0.0
                d.qvel[s.dof : s.dof + 3] += (speed * math.cos(angle), speed * math.sin(angle), up)


def _pack(rows: list[dict]) -> dict[str, np.ndarray]:
    out = {}
    for key in rows[0]:
        value = np.array([r[key] for r in rows])
        if value.dtype == np.float64:
            value = value.astype(np.float32)
        if key in ("static", "moving"):
            value = value.astype(np.float16)
        out[key] = value
    return out


def collect(out, seeds, ticks: int = 300, seed: int = 0, touch: bool = False) -> None:
    """Writes one .npz of rows per layout seed into folder `out`; those that exist are kept.

    touch: the wanderer mostly seeks boxes and doors, and balls are left out.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    began = time.time()
    for count, layout in enumerate(seeds):
        path = out / f"{layout:05d}.npz"
        if path.exists():
            continue
        rng = noise_rng(seed, layout, 77)
        world = Recorder(layout, visual=False)
        world.attach(rng)
        world.kinds = (BOX, DOOR) if touch else (BALL, BOX, DOOR)
        policy = Wanderer(world, rng, touch)
        for tick in range(ticks):
            if tick % 100 == 0 and tick:
                room = world.layout.rooms[int(rng.integers(len(world.layout.rooms)))]
                x, y = room.centre + rng.uniform(-0.5, 0.5, 2)
                world.reset(start=(x, y, rng.uniform(-3, 3)))
                for _ in range(3):
                    Rooms._frame(world, np.zeros(9), 0, [])
            world.disturb()
            world.step(policy())
        data = {f"{kind}.{key}": value for kind, rows in world.rows.items() if rows
                for key, value in _pack(rows).items()}
        part = path.with_suffix(".part.npz")
        np.savez(part, **data)
        part.rename(path)
        if count % 10 == 9:
            counts = {k: len(v) for k, v in world.rows.items()}
            print(f"state data {count + 1} {counts} {time.time() - began:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=160)
    parser.add_argument("--ticks", type=int, default=300)
    parser.add_argument("--touch", action="store_true", help="mostly boxes and doors")
    args = parser.parse_args()
    collect(args.out, range(args.first, args.first + args.count), args.ticks, touch=args.touch)


if __name__ == "__main__":
    main()

