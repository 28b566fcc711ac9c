"""True data of the evaluation's judges: walks for the inverse judge, views for the scene judge.

One pair of files a layout of the judges' own range, each written whole or not at all, so that
recording can stop and go on at any time.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from ..evaluation.worlds.cases import Case
from ..evaluation.worlds.walks import Player, walk
from ..noise import rng
from ..simulators.rooms.layout import JUDGES
from ..simulators.rooms.nav import Map
from ..simulators.rooms.sim import Rooms

TICKS, VIEWS = 72, 32
HELD_EVERY = 8
"""Every eighth layout scores the judges and is not learnt from."""


def layouts() -> list[int]:
    """The judges' layouts in an order whose every beginning holds all kinds."""
    return [int(s) for s in rng(0, "judge layouts").permutation(np.array(JUDGES))]


def is_held(layout: int) -> bool:
    return layout % HELD_EVERY == 0


def record(folder: Path, count: int, report=print) -> None:
    """Walks and views of the first `count` layouts (resumable)."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, layout in enumerate(layouts()[:count]):
        views, walked = (folder / f"{kind}_{layout}.npz" for kind in ("views", "walk"))
        if views.exists() and walked.exists():
            continue
        sim = Rooms(layout)
        generator = rng(layout, "judge data")
        if not walked.exists():
            light = 0 if generator.random() < 0.7 else int(generator.integers(18))
            _save(walked, pack(walk(sim, TICKS, generator, light, Player)))
        if not views.exists():
            _save(views, look_around(sim, VIEWS, generator))
        sim.close()
        if n % 10 == 0:
            report(f"judges' data: {n + 1} of {count} layouts")


def _save(path: Path, arrays: dict) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(part, path)


# ------------------------------------------------------------------ walks
def pack(case: Case) -> dict:
    """A walk as plain arrays."""
    bodies = [b if isinstance(b, dict) else {k: getattr(b, k) for k in ("kind", "pos", "vel", "id")}
              for b in case.bodies]
    return {"frames": case.frames, "poses": case.poses, "controls": case.controls,
            "body_map": case.body_map,
            **{f"bodies_{k}": np.stack([b[k] for b in bodies])
               for k in ("kind", "pos", "vel", "id")}}


def unpack(arrays) -> Case:
    """What `pack` made, as a case without depth and labels."""
    names = ("kind", "pos", "vel", "id")
    rows = {k: arrays[f"bodies_{k}"] for k in names}
    bodies = [{k: rows[k][i] for k in names} for i in range(len(rows["kind"]))]
    return Case(0, arrays["frames"], None, arrays["poses"], arrays["controls"], 0, bodies,
                arrays["body_map"], None, [])


# ------------------------------------------------------------------ views
def look_around(sim: Rooms, count: int, generator: np.random.Generator) -> dict:
    """Pictures from random places, many of them at things or at balls in flight, each in two
    lights: rgb [N, 2, H, W, 3], light [N, 2], label [N, H/4, W/4], body_map [N, H/2, W/2],
    kind [N, slots]."""
    import mujoco

    sim.reset(0)
    grid = Map(sim.layout, sim.model.solid, 0.3)
    rows: dict[str, list] = {k: [] for k in ("rgb", "light", "label", "body_map", "kind")}
    for _ in range(count):
        sim.reset(0)
        way = generator.random()
        pose = _at_thing(sim, grid, generator) if way < 0.35 else None
        if pose is None:
            x, y = grid.random_point(generator)
            pose = np.array([x, y, 1.55, generator.uniform(-math.pi, math.pi),
                             generator.normal() * 0.17])
        if way > 0.7:
            for k in sim._pool[:int(generator.integers(1, 3))]:
                sim.launch(k, _ahead(pose, generator), np.zeros(3))
            mujoco.mj_forward(sim.model.mj, sim.data)
        lights = generator.choice(18, 2, replace=False)
        view = sim.render(pose, int(lights[0]))
        rows["rgb"].append([view["rgb"], sim.relight(view, pose, int(lights[1]))])
        rows["light"].append(lights)
        rows["label"].append(view["label"][2::4, 2::4])
        rows["body_map"].append(view["body_map"][::2, ::2])
        rows["kind"].append(sim.body_arrays()["kind"])
    return {k: np.array(v) for k, v in rows.items()}


def _at_thing(sim: Rooms, grid: Map, generator: np.random.Generator):
    """A pose that has a ball or a box in view, None where none was found."""
    bodies = sim.body_arrays()
    things = np.flatnonzero((bodies["kind"] == 1) | (bodies["kind"] == 2))
    for _ in range(12 if len(things) else 0):
        at = bodies["pos"][int(generator.choice(things))]
        angle, far = generator.uniform(-math.pi, math.pi), generator.uniform(0.7, 4.5)
        x, y = at[0] - far * math.cos(angle), at[1] - far * math.sin(angle)
        if grid.is_free(x, y):
            down = -math.atan2(1.55 - at[2], far)
            return np.array([x, y, 1.55, angle + generator.normal() * 0.3,
                             np.clip(down * generator.uniform(0.2, 1.1), -1.0, 0.3)])
    return None


def _ahead(pose: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A point in the air in front of a pose."""
    far = generator.uniform(0.4, 5.0)
    yaw = pose[3] + generator.uniform(-0.6, 0.6)
    height = np.clip(pose[2] + far * math.tan(pose[4] + generator.uniform(-0.5, 0.4)), 0.12, 2.4)
    return np.array([pose[0] + far * math.cos(yaw), pose[1] + far * math.sin(yaw), height])
