"""Silent clips of thrown and falling things in the simulator's rooms, and what is heard in them.

The walker stands, pans or explores; balls are thrown, things fall from mid-air.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...model.impacts import GRID
from ...simulators.rooms.sim import EVENT_FIELDS, IMPACT, Rooms
from ..worlds.physics import project
from ..worlds.walks import Player, free_place, pick_light

THROW, LOOK_X, LOOK_Y = 6, 7, 8
FACTS = ("frame", "offset", "kind", "material", "strength", "distance", "size", "column", "row",
         "seen", "slot")
"""What is kept of an event: picture it falls in, 0..1 within it, kind and material as numbers, log
force, metres from the ear, half extent of the thing (m), place in the picture 0..1, whether it is
seen there, and whose it is."""


@dataclass
class Filmed:
    """frames u8 [1 + 2T, H, W, 3]; facts f64 [n, 11] (see FACTS); moving u8 [1 + 2T, 20, 32]: how
    much of a cell shows a thing in motion (0..255); episode: arrays as `sound.synthesise` takes
    them; condition: of the light; still: whether the camera never moved."""

    frames: np.ndarray
    facts: np.ndarray
    moving: np.ndarray
    episode: dict
    condition: int
    still: bool


def film(layout: int, ticks: int, generator: np.random.Generator, mode: str | None = None,
         light: int | None = None, midair: bool = True) -> Filmed:
    """One clip. mode: "still", "pan" or "walk" (None: drawn); midair: things also begin to fall
    in the middle of the clip, out of nowhere."""
    mode = mode or str(generator.choice(["still", "pan", "walk"], p=[0.5, 0.2, 0.3]))
    condition = pick_light(generator) if light is None else light
    sim = Rooms(layout)
    try:
        return _film(sim, ticks, generator, mode, condition, midair)
    finally:
        sim.close()


def _film(sim: Rooms, ticks: int, generator, mode: str, condition: int, midair: bool) -> Filmed:
    sim.reset(condition)
    start = Player.place(sim, generator) if mode == "walk" else wide_place(sim, generator)
    sim.reset(condition, start)
    if mode != "walk":
        sim.pitch = float(generator.uniform(-0.42, 0.05))
    policy = Player(sim, int(generator.integers(1 << 30))) if mode == "walk" else None
    pan, tilt = generator.normal() * 3, generator.normal() * 0.6
    for _ in range(int(generator.integers(0, 3))):
        drop(sim, generator)
    next_throw, views, poses, bodies, events = int(generator.integers(1, 8)), [], [], [], []
    views.append(sim.render())
    poses.append(sim.pose)
    bodies.append(sim.body_arrays())
    for t in range(ticks):
        row = np.zeros(9) if policy is None else np.array(policy.next(), np.float64)
        if mode == "pan":
            if generator.random() < 0.08:
                pan, tilt = generator.normal() * 3, generator.normal() * 0.6
            row[LOOK_X], row[LOOK_Y] = pan, tilt
        if t == next_throw:
            row[THROW] = 1
            next_throw = t + int(generator.integers(7, 20))
        if midair and generator.random() < 0.04:
            drop(sim, generator)
        tick = sim.step(row, views=True)
        views += tick.views
        poses += list(tick.pose)
        events += tick.events
        bodies += [{n: tick.bodies[n][k] for n in ("kind", "pos", "vel")} for k in range(2)]
    rgb, depth, body = (np.stack([v[n] for v in views]) for n in ("rgb", "depth", "body_map"))
    poses = np.stack(poses)
    size = sim.body_constants()["size"]
    shape = (ticks, 2, -1)
    episode = {"events": np.array(events, np.float64).reshape(-1, len(EVENT_FIELDS)),
               "pose": poses[1:].reshape(*shape), "body_size": size}
    for name in ("kind", "pos", "vel"):
        rows = np.stack([b[name] for b in bodies[1:]])
        episode["bodies_" + name] = rows.reshape(ticks, 2, *rows.shape[1:])
    facts = np.array([fact(e, poses, depth, size) for e in events]).reshape(-1, len(FACTS))
    moving = np.stack([in_motion(m, b["vel"]) for m, b in zip(body, bodies, strict=True)])
    return Filmed(rgb, facts, moving, episode, condition, mode == "still")


def wide_place(sim: Rooms, generator) -> tuple[float, float, float]:
    """A free place and a direction in which there is room to throw."""
    best = None
    for _ in range(6):
        x, y, _ = free_place(sim, generator)
        angles = generator.uniform(-math.pi, math.pi, 8)
        free = sim.static_rays((x, y, 0.0), np.array([0.6]), angles)[:, 0]
        k = int(np.argmin(np.abs(free - 4.5)))
        gap = abs(float(free[k]) - 4.5)
        if best is None or gap < best[0]:
            best = gap, (float(x), float(y), float(angles[k]))
    return best[1]


def drop(sim: Rooms, generator) -> None:
    """A ball or box into the air before the camera, at rest or tossed a little."""
    things = [k for k, s in enumerate(sim.slots) if s.kind != 3]
    k = int(generator.choice(things))
    s, yaw = sim.slots[k], sim.yaw + float(generator.uniform(-0.4, 0.4))
    free = float(sim.static_rays(sim.foot, np.array([0.4, 1.0, 1.6]), np.array([yaw])).min())
    reach = max(s.size) + 0.15
    if free < 1.3 + reach:
        return
    far = float(generator.uniform(1.2, min(free - reach, 5.0)))
    x, y, z = sim.foot
    place = np.array([x + far * math.cos(yaw), y + far * math.sin(yaw),
                      z + float(generator.uniform(0.7, 2.1))])
    speed = np.append(generator.normal(size=2) * float(generator.choice([0.1, 0.6, 1.6])),
                      float(generator.uniform(-0.5, 1.0)))
    if s.pool:
        sim.launch(k, place, speed)
        return
    d = sim.data
    turn = generator.normal(size=4) if generator.random() < 0.5 else np.array([1.0, 0, 0, 0])
    d.qpos[s.qpos:s.qpos + 7] = [*place, *(turn / np.linalg.norm(turn))]
    d.qvel[s.dof:s.dof + 6] = [*speed, *(generator.normal(size=3) * 1.5)]
    sim._wake(s.body)


def fact(event, poses: np.ndarray, depth: np.ndarray, size: np.ndarray) -> list[float]:
    """What is kept of one event of the simulator, as FACTS."""
    tick, sub, kind, material, strength, slot, x, y, z, step = event
    frame = 1 + 2 * (int(tick) - 1) + int(sub)
    h, w = depth.shape[1:]
    place = np.array([x, y, z])
    u, v, far = project(place[None], poses[frame], w, h)[0]
    inside = far > 0.1 and 0 <= u < w and 0 <= v < h
    reach = float(size[int(slot)].max()) if slot >= 0 else 0.2
    seen = False
    if inside and kind == IMPACT and slot >= 0:
        r, c = int(v), int(u)
        near = depth[frame, max(r - 3, 0):r + 4, max(c - 3, 0):c + 4]
        seen = float(near.max()) > far - 2 * reach - 0.15
    gap = float(np.linalg.norm(place - poses[frame, :3]))
    return [frame, step / 10, kind, material, strength, gap, reach, u / w, v / h, float(seen), slot]


def in_motion(body_map: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """u8 [20, 32]: share of each cell's pixels that show a thing faster than .4 m/s."""
    fast = np.append(False, np.linalg.norm(velocity, axis=1) > 0.4)
    rows, columns = GRID
    h, w = body_map.shape
    cells = fast[body_map].reshape(rows, h // rows, columns, w // columns).mean((1, 3))
    return np.round(cells * 255).astype(np.uint8)
