"""Views of the simulator's training layouts for the picture reader, with exact depth and labels.

Poses are those a picture may be taken from: a free place at eye height, mostly level. Every view
is kept in several lights. One .npz a layout, so that collecting can be stopped and resumed.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from ..bodies import EYE
from ..simulators.rooms.layout import HELD_IN

#: what is kept of a view, and by how much finer it is drawn
WIDTH, HEIGHT, FINER = 128, 80, 2
LIGHTS = 3


def pose_in(places, rng, level: float = 0.5) -> np.ndarray:
    """A camera pose [5] at a free place; `level`: share of poses with no tilt."""
    x, y = places.random_point(rng)
    pitch = 0.0 if rng.random() < level else float(np.clip(rng.normal(0, 0.2), -0.5, 0.5))
    return np.array([x, y, EYE, rng.uniform(-math.pi, math.pi), pitch])


def shrink(rgb: np.ndarray, times: int = FINER) -> np.ndarray:
    """Means of squares of `times` pixels; u8."""
    height, width = rgb.shape[0] // times, rgb.shape[1] // times
    mean = rgb.reshape(height, times, width, times, 3).astype(np.float32).mean((1, 3))
    return (mean + 0.5).astype(np.uint8)


def layout_views(layout: int, count: int, seed: int) -> dict[str, np.ndarray]:
    """rgb u8 [N, LIGHTS, 80, 128, 3] (the first one neutral), depth f16, label u8, pitch f32."""
    from ..simulators.rooms.nav import Map
    from ..simulators.rooms.sim import Rooms

    rng = np.random.Generator(np.random.Philox(key=[seed, 7000 + layout]))
    sim = Rooms(layout, width=FINER * WIDTH, height=FINER * HEIGHT)
    places = Map(sim.layout, sim.model.solid, 0.38)
    out = {"rgb": np.zeros((count, LIGHTS, HEIGHT, WIDTH, 3), np.uint8),
           "depth": np.zeros((count, HEIGHT, WIDTH), np.float16),
           "label": np.zeros((count, HEIGHT, WIDTH), np.uint8),
           "pitch": np.zeros(count, np.float32)}
    part = (slice(1, None, FINER), slice(1, None, FINER))
    n = 0
    while n < count:
        pose = pose_in(places, rng)
        view = sim.render(pose, 0)
        if np.median(view["depth"]) < 0.6:  # the nose against a wall says nothing
            continue
        lights = [0, *rng.choice(np.arange(1, 18), LIGHTS - 1, replace=False)]
        for k, light in enumerate(lights):
            out["rgb"][n, k] = shrink(sim.relight(view, pose, int(light)) if light else view["rgb"])
        out["depth"][n], out["label"][n] = view["depth"][part], view["label"][part]
        out["pitch"][n] = pose[4]
        n += 1
    sim.close()
    return out


def collect(folder, layouts: int, count: int, seed: int = 0, log=print) -> None:
    """Draws `count` views in each of the first `layouts` training layouts into `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for n, layout in enumerate(list(HELD_IN)[:layouts]):
        path = folder / f"{layout:05d}.npz"
        if path.exists():
            continue
        temporary = folder / f".{layout}.{os.getpid()}.npz"
        np.savez(temporary, **layout_views(layout, count, seed))
        os.replace(temporary, path)
        if n % 20 == 0:
            log(f"depth: views of {n + 1} layouts")


def _half(rgb: np.ndarray) -> np.ndarray:
    """Pictures u8 [N, L, H, W, 3] at half their size."""
    x = rgb.astype(np.uint16)
    x = x[:, :, ::2] + x[:, :, 1::2]
    return ((x[:, :, :, ::2] + x[:, :, :, 1::2] + 2) // 4).astype(np.uint8)


def load(folder, layouts: int | None = None) -> dict[str, np.ndarray]:
    """Everything that was collected, joined, at the network's 64x40."""
    paths = sorted(p for p in Path(folder).glob("*.npz") if not p.name.startswith("."))[:layouts]
    parts = []
    for path in paths:
        with np.load(path) as file:
            parts.append({
                "rgb": _half(file["rgb"]), "pitch": file["pitch"],
                "depth": file["depth"][:, 1::2, 1::2], "label": file["label"][:, 1::2, 1::2]})
    return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
