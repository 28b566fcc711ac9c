"""The held-out walks that the figures are taken from."""

from __future__ import annotations

import math

import numpy as np

from ...bodies import WALK_SPEED
from ...noise import rng
from ...simulators.rooms.explorer import Explorer
from ...simulators.rooms.nav import Map
from ...simulators.rooms.sim import Rooms
from .cases import Case, layouts, record
from .control import stop_tick
from .wander import THROW, W, hold, idle


def free_place(sim: Rooms, generator: np.random.Generator, margin: float = 0.45):
    """A random free place (x, y, yaw) of a plan, away from its things."""
    grid = Map(sim.layout, sim.model.solid, margin)
    for _ in range(50):
        x, y = grid.random_point(generator)
        if all(np.hypot(x - s.position[0], y - s.position[1]) > s.size[0] * 1.5 + 0.5
               for s in sim.layout.things):
            break
    return x, y, float(generator.uniform(-math.pi, math.pi))


def pick_light(generator: np.random.Generator) -> int:
    """Half of the walks in neutral light, the others in any of the 18 conditions."""
    return 0 if generator.random() < 0.5 else int(generator.integers(18))


def prompt_of(condition: int) -> str:
    """A true sentence about a light condition (nothing else), for a given first picture."""
    time = ("by day", "at dusk", "at night")[condition // 6]
    lamps = ("the lamps are off", "the lamps are on")[condition // 3 % 2]
    fog = ("", ", light fog", ", dense fog")[condition % 3]
    return f"a room {time}, {lamps}{fog}"


def explored(count: int, ticks: int, seed: int, key: str, light: bool = True,
             explorer: type[Explorer] = Explorer) -> list[Case]:
    """Walks of the explorer, begun at rest in held-out layouts."""
    out = []
    for i, layout in enumerate(layouts(count, seed, key)):
        generator = rng(seed, key, i)
        sim = Rooms(layout)
        condition = pick_light(generator) if light else 0
        out.append(walk(sim, ticks, generator, condition, explorer))
        sim.close()
    return out


def walk(sim: Rooms, ticks: int, generator: np.random.Generator, condition: int = 0,
         explorer: type[Explorer] = Explorer) -> Case:
    """One walk of an explorer, begun at rest at a random place of the simulator's plan, or where
    the explorer likes to begin."""
    sim.reset(condition)
    sim.reset(condition, getattr(explorer, "place", free_place)(sim, generator))
    policy = explorer(sim, int(generator.integers(1 << 30)))
    views, poses, bodies, events, rows = [sim.render()], [sim.pose], [sim.bodies()], [], []
    for _ in range(ticks):
        row = policy.next()
        tick = sim.step(row, views=True)
        rows.append(row)
        views += tick.views
        poses += list(tick.pose)
        events += tick.events
        bodies += [{n: tick.bodies[n][k] for n in ("kind", "pos", "vel", "id")}
                   for k in range(2)]
    stack = {n: np.stack([v[n] for v in views]) for n in ("rgb", "depth", "body_map", "label")}
    return Case(sim.layout.seed, stack["rgb"], stack["depth"].astype(np.float32), np.stack(poses),
                np.stack(rows), condition, bodies, stack["body_map"], stack["label"],
                events, {"prompt": prompt_of(condition)})


class Player(Explorer):
    """An explorer that presses every key often: what the control figures are read from. Two of
    three walks begin before a ball or box, which is played with first."""

    WEIGHTS = {"go": 0.14, "turn": 0.06, "look": 0.05, "play": 0.24, "throw": 0.17, "bump": 0.05,
               "hop": 0.13, "stand": 0.02, "strafe": 0.14}

    @staticmethod
    def place(sim: Rooms, generator: np.random.Generator):
        """(x, y, yaw) 1.1 to 1.8 m before a thing, or any free place."""
        bodies, grid = sim.bodies(), Map(sim.layout, sim.model.solid, 0.3)
        things = np.flatnonzero((bodies.kind == 1) | (bodies.kind == 2))
        for _ in range(40 if len(things) and generator.random() < 0.67 else 0):
            at = bodies.pos[int(generator.choice(things))]
            angle, far = generator.uniform(-math.pi, math.pi), generator.uniform(1.1, 1.8)
            x, y = at[0] - far * math.cos(angle), at[1] - far * math.sin(angle)
            if grid.is_free(x, y) and all(np.hypot(*(p[:2] - (x, y))) > 0.9 for p in
                                          bodies.pos[things]):
                return float(x), float(y), float(angle)
        return free_place(sim, generator)

    def _main(self):
        yield from self._idle(int(self.rng.integers(1, 3)))
        near = self._things()
        if near and near[0][0] < 2.0:
            yield from self._do_play()
        yield from super()._main()


def starts(count: int, seed: int, key: str, light: bool = False) -> list[Case]:
    """First pictures only, at free places of held-out layouts."""
    out = []
    for i, layout in enumerate(layouts(count, seed, key)):
        generator = rng(seed, key, i)
        sim = Rooms(layout)
        condition = pick_light(generator) if light else 0
        sim.reset(condition, free_place(sim, generator))
        case = record(sim, np.zeros((0, 9)), condition=condition,
                      info={"prompt": prompt_of(condition)})
        out.append(case)
        sim.close()
    return out


def fitting_set(count: int, seed: int) -> dict[str, np.ndarray]:
    """One view of each of `count` held-out layouts, and the theme of its room."""
    frames, themes = [], []
    for i, layout in enumerate(layouts(count, seed, "fit")):
        sim = Rooms(layout)
        sim.reset(0, free_place(sim, rng(seed, "fit", i)))
        themes.append(sim.layout.rooms[sim.layout.room_at(*sim.foot[:2])].theme)
        frames.append(sim.render()["rgb"])
        sim.close()
    return {"frames": np.stack(frames), "theme": np.array(themes)}


def thrown(count: int, seed: int) -> list[Case]:
    """Own throws; info["ball"] = [slot, where it left from [3], tick before it flew]."""
    out = []
    for i, layout in enumerate(layouts(count, seed, "throw")):
        generator = rng(seed, "throw", i)
        sim = Rooms(layout)
        sim.reset(0, free_place(sim, generator))
        rows = np.concatenate([idle(1), hold(1, THROW), idle(13)])
        rows[0, 8] = float(generator.uniform(-6, 10))
        case = record(sim, rows)
        throws = [e for e in case.events if e[2] == 2]
        if throws:
            case.info["ball"] = [int(throws[0][5]), [float(v) for v in throws[0][6:9]], 1]
            out.append(case)
        sim.close()
    return out


PUSH_FROM = 2.9
"""Metres: nearer, a ball on the floor lies below the first picture."""


def pushed(count: int, seed: int) -> list[Case]:
    """A ball lies ahead in the first picture; the walker walks into it, looking down more and
    more (info as of `thrown`)."""
    out: list[Case] = []
    rows = hold(30, W)
    rows[:20, 8] = -2.7
    for i, layout in enumerate(layouts(60, seed, "push")):
        if len(out) >= count:
            break
        generator = rng(seed, "push", i)
        plan = Rooms(layout, visual=False)
        found = _towards_ball(plan, generator)
        if found is None:
            continue
        k, start, still = found
        plan.reset(0, start)
        places = [np.array(plan.bodies().pos[k])]
        for row in rows:
            plan.step(row)
            places.append(np.array(plan.bodies().pos[k]))
        moved = np.linalg.norm(np.array(places)[:, :2] - still[:2], axis=1)
        hit = int(np.argmax(moved > 0.03)) - 1
        if moved.max() < 0.4 or not 8 < hit < len(rows) - 10:
            continue
        sim = Rooms(layout)
        sim.reset(0, start)
        case = record(sim, rows)
        sim.close()
        if (case.body_map[0] == k + 1).sum() > 10:
            case.info["ball"] = [k, [float(v) for v in still], hit]
            out.append(case)
    return out


def _towards_ball(plan: Rooms, generator: np.random.Generator):
    """(slot, start (x, y, yaw), place [3] of the ball): PUSH_FROM before a ball, with a free way
    and room behind it; None where a plan has no such ball."""
    bodies = plan.bodies()
    balls = bodies.of(1)
    grid = Map(plan.layout, plan.model.solid, 0.3)
    for _ in range(80 if len(balls) else 0):
        k = int(balls[int(generator.integers(len(balls)))])
        ball = np.array(bodies.pos[k])
        angle = float(generator.uniform(-math.pi, math.pi))
        way = np.array([math.cos(angle), math.sin(angle)])
        start = ball[:2] - PUSH_FROM * way
        line = [start + d * way for d in (0.0, 0.4, 0.9, 1.4, 1.9, 2.4, PUSH_FROM + 0.6)]
        others = [s for s in plan.layout.things
                  if np.hypot(*(np.array(s.position[:2]) - ball[:2])) > 0.05]
        clear = all(_off(np.array(s.position[:2]), start, way) > 0.35 + s.size[0] for s in others)
        if clear and all(grid.is_free(*p) for p in line):
            return k, (float(start[0]), float(start[1]), angle), ball
    return None


def _off(point: np.ndarray, start: np.ndarray, way: np.ndarray) -> float:
    """Distance of a point from the way ahead of a start."""
    gap = point - start
    along = float(np.clip(gap @ way, 0, PUSH_FROM + 1))
    return float(np.linalg.norm(gap - along * way))


def bumps(count: int, seed: int, ticks: int = 18) -> list[Case]:
    """Straight walks, begun at rest and level, into what the first picture shows .8 to 2.4 m
    ahead, and every fourth one through free space or an open door; info["met"] says what each
    met ("fixed", "latched", "free")."""
    cases: list[Case] = []
    i = 0
    order = layouts(60, seed, "bump")
    while len(cases) < count and i < 60 * count:
        generator = rng(seed, "bump", i)
        layout = order[i % len(order)]
        i += 1
        plan = Rooms(layout, visual=False)
        x, y, yaw = free_place(plan, generator)
        plan.reset(0, (x, y, yaw))
        across = [yaw - 0.12, yaw, yaw + 0.12]
        reach = plan.static_rays(plan.foot, np.array([0.3, 0.9, 1.4]), np.array(across))
        free = len(cases) % 4 == 3
        fits = reach.min() > 3.6 if free else 0.8 < reach[1].min() < 2.4
        if not fits:
            continue
        controls = hold(ticks, W)
        poses, touched = [plan.pose], False
        for row in controls:
            tick = plan.step(row)
            poses += list(tick.pose)
            touched |= any(e[2] == 0 and e[5] >= 0 for e in tick.events)
        stops = stop_tick(np.stack(poses), 1 / 12, WALK_SPEED)
        if touched or (stops is None) != free or (stops or 0) > ticks - 4:
            continue  # it met something that moves, or slid along a wall
        sim = Rooms(layout)
        sim.reset(0, (x, y, yaw))
        case = record(sim, controls, pictures=False)
        middle = case.label[0][:, case.label.shape[2] // 2]
        case.info["met"] = ("free" if free else
                            "latched" if (middle % 8 == 4).mean() > 0.3 else "fixed")
        cases.append(case)
        sim.close()
    return cases
