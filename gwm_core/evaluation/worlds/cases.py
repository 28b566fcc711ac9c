"""Held-out cases: what the simulator did from a first picture on, under controls."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...noise import rng
from ...simulators.rooms.sim import Rooms

HELD_OUT = (10000, 10060)
"""Layout seeds that no model, bank or judge was made from."""


@dataclass
class Case:
    """One walk of the simulator, begun at rest.

    frames u8 [1 + 2T, H, W, 3] and depth f32 [1 + 2T, H, W]: first picture, then two a tick
    (None for walks without pictures but the first). poses f64 [1 + 2T, 5]; controls f32 [T, 9];
    bodies: per frame the simulator's Bodies; events as the simulator gives them.
    """

    seed: int
    frames: np.ndarray
    depth: np.ndarray
    poses: np.ndarray
    controls: np.ndarray
    condition: int
    bodies: list
    body_map: np.ndarray
    label: np.ndarray
    events: list
    info: dict = field(default_factory=dict)

    @property
    def ticks(self) -> int:
        return len(self.controls)


def record(sim: Rooms, controls: np.ndarray, pictures: bool = True, info: dict | None = None,
           condition: int = 0) -> Case:
    """Run the simulator from where it stands; the first picture is always drawn."""
    first = sim.render()
    views, poses, bodies, events = [first], [sim.pose], [sim.bodies()], []
    for row in np.asarray(controls, np.float32):
        tick = sim.step(row, views=pictures)
        views += tick.views
        poses += list(tick.pose)
        bodies += _bodies_of(sim, tick)
        events += tick.events
    stack = {key: np.stack([v[key] for v in views]) for key in ("rgb", "depth", "body_map",
                                                                "label")}
    return Case(sim.layout.seed, stack["rgb"], stack["depth"].astype(np.float32),
                np.stack(poses), np.asarray(controls, np.float32), condition, bodies,
                stack["body_map"], stack["label"], events, info or {})


def _bodies_of(sim: Rooms, tick) -> list:
    """Kind and place of the bodies in both frames of a tick."""
    return [{"kind": tick.bodies["kind"][k], "pos": tick.bodies["pos"][k],
             "vel": tick.bodies["vel"][k], "id": tick.bodies["id"][k]} for k in range(2)]


def layouts(count: int, seed: int, key: str) -> list[int]:
    """`count` held-out layout seeds in an order drawn from `seed`."""
    order = rng(seed, "layouts", key).permutation(np.arange(*HELD_OUT))
    return [int(order[i % len(order)]) for i in range(count)]
