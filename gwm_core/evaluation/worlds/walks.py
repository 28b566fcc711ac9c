"""The held-out walks that the figures are taken from."""

from __future__ import annotations

import math

import numpy as np

from ...noise import rng
from ...simulators.rooms import catalogue as cat
from ...simulators.rooms.explorer import Explorer
from ...simulators.rooms.nav import Map
from ...simulators.rooms.sim import Rooms
from .cases import Case, layouts, record
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
    out, i = [], 0
    order = layouts(60, seed, "push")
    while len(out) < count and i < 4 * len(order):
        generator = rng(seed, "push", i)
        sim = Rooms(order[i % len(order)])
        i += 1
        balls = [k for k, s in enumerate(sim.slots) if s.kind == 1 and not s.pool]
        if balls:
            k = balls[int(generator.integers(len(balls)))]
            ball = np.asarray(sim.slots[k].position[:2])
            grid = Map(sim.layout, sim.model.solid, 0.4)
            angle = float(generator.uniform(-math.pi, math.pi))
            x, y = ball - 1.5 * np.array([math.cos(angle), math.sin(angle)])
            if grid.is_free(x, y) and grid.is_free(*(ball + 0.5 * (ball - np.array((x, y))))):
                sim.reset(0, (float(x), float(y), angle))
                rows = hold(14, W)
                rows[:6, 8] = -2.0
                case = record(sim, rows)
                moved = np.linalg.norm(case.bodies[-1]["pos"][k][:2] - ball) > 0.3
                seen = (case.body_map[0] == k + 1).sum() > 10
                if moved and seen:
                    still = np.asarray(case.bodies[0].pos[k])
                    out.append((case, k, still, 5))
        sim.close()
    return out


def bumps(count: int, seed: int, ticks: int = 16) -> tuple[list[Case], list[str]]:
    """Straight walks, begun at rest and level, towards whatever is ahead within 4 m, or through
    an open door; returns the cases and what each walked into ("fixed", "door", "free")."""
    cases, kinds, i = [], [], 0
    order = layouts(60, seed, "bump")
    while len(cases) < count and i < 40 * count:
        generator = rng(seed, "bump", i)
        sim = Rooms(order[i % len(order)], visual=True)
        i += 1
        x, y, yaw = free_place(sim, generator)
        sim.reset(0, (x, y, yaw))
        reach = float(sim.static_rays(sim.foot, np.array([0.3, 0.9, 1.4]), np.array([yaw])).min())
        wants_free = len(cases) % 4 == 3
        if (reach > 3.9) == wants_free and reach > 0.8:
            controls = np.concatenate([hold(ticks, W)])
            case = record(sim, controls, pictures=False)
            touched = any(e[2] == 0 and e[5] >= 0 for e in case.events)
            if not touched:
                cases.append(case)
                kinds.append("free" if wants_free else "fixed")
        sim.close()
    return cases, kinds


def theme_name(index: int) -> str:
    return cat.THEME_NAMES[index]


__all__ = ["JUMP", "bumps", "explored", "free_place", "prompt_of", "pushed", "starts", "thrown"]
