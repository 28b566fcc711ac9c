"""The held-out walks that the figures are taken from."""

from __future__ import annotations

import math

import numpy as np

from ...bodies import WALK_SPEED
from ...noise import rng
from ...simulators.rooms import catalogue as cat
from ...simulators.rooms.explorer import Explorer
from ...simulators.rooms.nav import Map
from ...simulators.rooms.sim import Rooms
from .cases import Case, layouts, record
from .control import stop_tick
from .wander import JUMP, THROW, W, hold, idle


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


def explored(count: int, ticks: int, seed: int, key: str, light: bool = True) -> list[Case]:
    """Walks of the explorer, begun at rest in held-out layouts."""
    out = []
    for i, layout in enumerate(layouts(count, seed, key)):
        generator = rng(seed, key, i)
        sim = Rooms(layout)
        condition = pick_light(generator) if light else 0
        sim.reset(condition, free_place(sim, generator))
        explorer = Explorer(sim, int(generator.integers(1 << 30)))
        first, views, poses = sim.render(), [], []
        bodies, events, rows = [sim.bodies()], [], []
        views.append(first)
        poses.append(sim.pose)
        for _ in range(ticks):
            row = explorer.next()
            tick = sim.step(row, views=True)
            rows.append(row)
            views += tick.views
            poses += list(tick.pose)
            events += tick.events
            bodies += [{n: tick.bodies[n][k] for n in ("kind", "pos", "vel", "id")}
                       for k in range(2)]
        stack = {n: np.stack([v[n] for v in views]) for n in ("rgb", "depth", "body_map", "label")}
        out.append(Case(layout, stack["rgb"], stack["depth"].astype(np.float32), np.stack(poses),
                        np.stack(rows), condition, bodies, stack["body_map"], stack["label"],
                        events, {"prompt": prompt_of(condition)}))
        sim.close()
    return out


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


def thrown(count: int, seed: int) -> list[tuple[Case, int, np.ndarray, int]]:
    """Own throws: (case, slot of the ball, where it left from [3], tick before it flew)."""
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
            out.append((case, int(throws[0][5]), np.array(throws[0][6:9]), 1))
        sim.close()
    return out


def pushed(count: int, seed: int) -> list[tuple[Case, int, np.ndarray, int]]:
    """A ball lies ahead in the first picture; the walker walks into it."""
    out: list[tuple[Case, int, np.ndarray, int]] = []
    for i, layout in enumerate(layouts(60, seed, "push")):
        if len(out) >= count:
            break
        generator = rng(seed, "push", i)
        plan = Rooms(layout, visual=False)
        found = _towards_ball(plan, generator)
        if found is None:
            continue
        k, start, still = found
        rows = hold(14, W)
        rows[:6, 8] = -2.0
        plan.reset(0, start)
        for row in rows:
            plan.step(row)
        if np.linalg.norm(plan.bodies().pos[k][:2] - still[:2]) < 0.3:
            continue
        sim = Rooms(layout)
        sim.reset(0, start)
        case = record(sim, rows)
        if (case.body_map[0] == k + 1).sum() > 10:
            out.append((case, k, still, 5))
        sim.close()
    return out


def _towards_ball(plan: Rooms, generator: np.random.Generator):
    """(slot, start (x, y, yaw), place [3] of the ball): 1.5 m before a ball, with room behind it;
    None where a plan has no such ball."""
    bodies = plan.bodies()
    balls = bodies.of(1)
    grid = Map(plan.layout, plan.model.solid, 0.35)
    for _ in range(24 if len(balls) else 0):
        k = int(balls[int(generator.integers(len(balls)))])
        ball = np.array(bodies.pos[k])
        angle = float(generator.uniform(-math.pi, math.pi))
        way = np.array([math.cos(angle), math.sin(angle)])
        start, beyond = ball[:2] - 1.5 * way, ball[:2] + 0.6 * way
        if grid.is_free(*start) and grid.is_free(*beyond) and grid.is_free(*(ball[:2] - 0.8 * way)):
            return k, (float(start[0]), float(start[1]), angle), ball
    return None


def bumps(count: int, seed: int, ticks: int = 18) -> tuple[list[Case], list[str]]:
    """Straight walks, begun at rest and level, into what the first picture shows .8 to 2.4 m
    ahead, and every fourth one through free space or an open door; with what each met ("fixed",
    "latched", "free")."""
    cases, kinds, i = [], [], 0
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
        kinds.append("free" if free else "latched" if (middle % 8 == 4).mean() > 0.3 else "fixed")
        cases.append(case)
        sim.close()
    return cases, kinds


def theme_name(index: int) -> str:
    return cat.THEME_NAMES[index]


__all__ = ["JUMP", "bumps", "explored", "free_place", "prompt_of", "pushed", "starts", "thrown"]
