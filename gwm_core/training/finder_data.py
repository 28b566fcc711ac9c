"""Pictures for the finder: things strewn in front of the camera in every room and light."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np

from ..bodies import BALL, DOOR
from ..noise import rng as noise_rng
from ..simulators.rooms import catalogue as cat
from ..simulators.rooms.sim import Rooms
from .state_data import Wanderer

KEPT = ("kind", "pos", "yaw")


def material_table() -> np.ndarray:
    """Sounding material 0..5 of every label, uint8 [256] (255: none): see state_memory."""
    table = np.full(256, 255, np.uint8)
    wood, metal = cat.MATERIALS.index("wood"), cat.MATERIALS.index("metal")
    for k, theme in enumerate(cat.THEMES):
        parts = {cat.FLOOR: theme.floor_index, cat.WALL: theme.wall_index,
                 cat.CEILING: theme.wall_index, cat.TRIM: wood, cat.DOOR: wood,
                 cat.FURNITURE: wood, cat.WINDOW: theme.wall_index, cat.LAMP: metal}
        for part, material in parts.items():
            table[k * 8 + part] = material
    return table


def strew(world: Rooms, rng) -> None:
    """Moves balls and boxes into view, turns doors."""
    d = world.data
    arrays = world.body_arrays()
    for k in np.nonzero(arrays["kind"] > 0)[0]:
        s = world.slots[k]
        if s.kind == DOOR:
            if rng.random() < 0.6:
                d.qpos[s.qpos] = rng.uniform(-1.5, 1.5)
                d.qvel[s.dof] = 0
            continue
        if rng.random() > 0.45:
            continue
        angle = world.yaw + rng.uniform(-0.75, 0.75)
        z = float(s.size[2])
        if s.kind == BALL and rng.random() < 0.35:
            z = float(rng.uniform(z, 2.0))
        free = float(world.static_rays(world.foot, (z, 0.4), np.array([angle]))[0].min())
        far = rng.uniform(0.6, min(max(free - s.size[0] * 1.5, 0.61), 5.5))
        if far > free - s.size[0] * 1.2:
            continue
        place = world.foot[:2] + far * np.array([math.cos(angle), math.sin(angle)])
        turn = rng.uniform(-math.pi, math.pi)
        d.qpos[s.qpos : s.qpos + 7] = [*place, z, math.cos(turn / 2), 0, 0, math.sin(turn / 2)]
        d.qvel[s.dof : s.dof + 6] = 0


def collect(out, seeds, frames: int = 30, seed: int = 0) -> None:
    """Writes one .npz per layout seed into folder `out`; those that exist are kept."""
    import mujoco

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    table = material_table()
    began = time.time()
    for count, layout in enumerate(seeds):
        path = out / f"{layout:05d}.npz"
        if path.exists():
            continue
        rng = noise_rng(seed, layout, 88)
        world = Rooms(layout, visual=True)
        policy = Wanderer(world, rng)
        sizes = world.body_constants()["size"]
        store: dict[str, list] = {}
        while len(store.get("rgb", [])) < frames:
            if rng.random() < 0.3:
                room = world.layout.rooms[int(rng.integers(len(world.layout.rooms)))]
                x, y = room.centre + rng.uniform(-0.8, 0.8, 2)
                world.reset(start=(x, y, rng.uniform(-3, 3)))
            for _ in range(int(rng.integers(1, 4))):
                world.step(policy())
            if rng.random() < 0.75:
                strew(world, rng)
                mujoco.mj_forward(world.model.mj, world.data)
            pose = world.pose
            pose[4] = np.clip(rng.normal(-0.12, 0.3), -1.0, 0.6)
            condition = 0 if rng.random() < 0.35 else int(rng.integers(18))
            view = world.render(pose, condition)
            row = {"rgb": view["rgb"], "depth": view["depth"].astype(np.float16), "pose": pose,
                   "body_map": view["body_map"], "material": table[view["label"]],
                   "body_size": sizes}
            arrays = world.body_arrays()
            row |= {f"body_{k}": arrays[k] for k in KEPT}
            for k, v in row.items():
                store.setdefault(k, []).append(v)
        world.close()
        part = path.with_suffix(".part.npz")
        np.savez(part, **{k: np.stack(v) for k, v in store.items()})
        part.rename(path)
        if count % 10 == 9:
            print(f"finder data {count + 1} layouts {time.time() - began:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--frames", type=int, default=30)
    args = parser.parse_args()
    collect(args.out, range(args.first, args.first + args.count), args.frames)


if __name__ == "__main__":
    main()


