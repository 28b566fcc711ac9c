"""Where the things that a text asks for are put: on free floor that the camera sees."""

from __future__ import annotations

import numpy as np

from ..bodies import BALL, BOX, Bodies
from ..guide import draw
from ..memory import Camera, Memory

FLOOR_TOLERANCE = 0.05
NEAREST, FURTHEST = 1.1, 4.5
RADIUS, HALF = 0.16, 0.22
APART = 0.55
COLOURS = {
    "red": (0.80, 0.16, 0.14), "green": (0.20, 0.58, 0.28), "blue": (0.16, 0.32, 0.76),
    "yellow": (0.93, 0.76, 0.18), "orange": (0.93, 0.45, 0.10), "white": (0.92, 0.91, 0.88),
    "purple": (0.52, 0.28, 0.64), "black": (0.12, 0.12, 0.14),
}


def free_floor(memory: Memory, pose: np.ndarray, camera: Camera) -> np.ndarray:
    """World points [N, 2] of seen floor at a comfortable distance, on a coarse grid."""
    small = camera.scaled(0.25)
    guide = draw(memory, pose, small)
    rays = small.rays()
    cy, sy = np.cos(pose[3]), np.sin(pose[3])
    cp, sp = np.cos(pose[4]), np.sin(pose[4])
    axes = np.array([[sy, -cy, 0.0], [sp * cy, sp * sy, -cp], [cp * cy, cp * sy, sp]])
    points = rays * guide.depth[..., None] @ axes + np.asarray(pose[:3])
    away = np.hypot(points[..., 0] - pose[0], points[..., 1] - pose[1])
    fits = (guide.covered & (np.abs(points[..., 2]) < FLOOR_TOLERANCE) & (away > NEAREST)
            & (away < FURTHEST))
    return points[fits][:, :2]


def place_things(bodies: Bodies, things, memory: Memory, pose: np.ndarray, camera: Camera,
                 generator: np.random.Generator, looks: dict | None = None) -> Bodies:
    """Bodies with `things` (gwm_core.understand.Thing) added on free floor in view, apart."""
    if not things:
        return bodies
    floor = free_floor(memory, pose, camera)
    taken = [np.asarray(bodies.pos[i][:2]) for i in bodies.active]
    for thing in things:
        for _ in range(thing.count):
            if not len(floor):
                return bodies
            for _ in range(24):
                place = floor[int(generator.integers(len(floor)))]
                if all(np.hypot(*(place - other)) > APART for other in taken):
                    break
            taken.append(place)
            bodies = put(bodies, thing.kind, thing.colour, place, generator, looks)
    return bodies


def put(bodies: Bodies, kind: str, colour: str | None, place: np.ndarray,
        generator: np.random.Generator, looks: dict | None = None) -> Bodies:
    """One ball or box standing on the floor at `place` [2].

    looks: texture uint8 [24, 24, 3] by "ball.red", "box.blue", ..., as the checkpoint knows them.
    """
    name = colour or str(generator.choice(sorted(COLOURS)))
    rgb = COLOURS.get(name, COLOURS["red"])
    texture = (looks or {}).get(f"{kind}.{name}")
    if texture is not None:
        rgb = tuple(texture.reshape(-1, 3).mean(0) / 255)
    if kind == "box":
        return bodies.add(BOX, (*place, HALF), yaw=float(generator.uniform(0, np.pi)),
                          size=(HALF, HALF, HALF), rgb=rgb, texture=texture)
    return bodies.add(BALL, (*place, RADIUS), size=(RADIUS,) * 3, rgb=rgb, texture=texture)
