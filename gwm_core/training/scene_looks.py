"""Looks at tables with what is really there, for the reader: several moments of many scenes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..model.scene_reader import MARKS, THINGS
from ..noise import rng
from ..robotics.rig import Rig, tabletop_rig

FIELDS = ("pixels", "masks", "felt", "place", "yaw", "shown", "half", "up", "cam")
SHARD = 500
PER_SCENE = 5
"""Looks at a scene: its start, and moments of somebody's work on it."""
MOST_BETWEEN = 14  # ticks between two looks
LEVEL = 0.98  # cosine: what leans less stands upright


def look(sim, rig: Rig) -> dict[str, np.ndarray]:
    """This instant of a simulator, fields as in ``scene_reader.Looks``."""
    truth, seen = sim.truth(), sim.observe()
    count = len(MARKS)
    out = {"place": np.zeros((count, 3)), "yaw": np.zeros(count), "shown": np.zeros(count),
           "half": np.full(count, 0.022), "up": np.zeros(count),
           "cam": np.zeros((len(rig.views), 5))}
    for i, name in enumerate(MARKS):
        if i < THINGS and name in truth.objects:
            kind, place, yaw, half, _ = truth.objects[name]
            w, x, y, z = truth.quats[name]
            out["place"][i], out["yaw"][i], out["half"][i] = place, yaw, half[0]
            out["shown"][i] = 1
            out["up"][i] = kind == "box" and abs(w * w - x * x - y * y + z * z) > LEVEL
        elif i >= THINGS and name in truth.zones:
            _, place, radius = truth.zones[name]
            out["place"][i], out["shown"][i], out["half"][i] = place, 1, radius
    scale = np.array([0.01, 0.01, 0.01, np.pi / 180, np.pi / 180])
    for k, view in enumerate(rig.views):
        if view in rig.fixed:
            out["cam"][k] = (truth.cameras[view] - np.array(rig.fixed[view])) / scale
    out = {k: v.astype(np.float32) for k, v in out.items()}
    return out | {
        "pixels": np.stack([seen["pixels"][v] for v in rig.views]),
        "masks": np.stack([sim.masks(v) for v in rig.views]),
        "felt": seen["agent_pos"],
    }


def looks_of(task: str, scene: int, style: str, draw: np.random.Generator,
             rig: Rig) -> list[dict[str, np.ndarray]]:
    """PER_SCENE looks at a scene while a scripted policy works on it."""
    from ..simulators.tabletop import Tabletop, expert

    sim, policy = Tabletop(task, scene), expert(task, style)
    policy.reset(scene)
    out = [look(sim, rig)]
    while len(out) < PER_SCENE:
        for _ in range(int(draw.integers(2, MOST_BETWEEN + 1))):
            sim.advance(policy.act(sim.truth(), {"agent_pos": sim.agent_pos()}))
        out.append(look(sim, rig))
    sim.close()
    return out


def record(folder: Path, looks: int, seed: int, held_out: bool = False,
           progress: Callable[[int, int], None] | None = None,
           shards: slice = slice(None)) -> list[Path]:
    """Shards of SHARD looks in a folder; whole ones that are there are kept. Scenes of training
    have even seeds, held-out ones odd seeds. shards: which of them to make (several processes)."""
    from ..simulators.tabletop import STYLES, TASKS

    folder.mkdir(parents=True, exist_ok=True)
    rig, out = tabletop_rig(), []
    for number in range(-(-looks // SHARD))[shards]:
        name = folder / f"looks{'-held' if held_out else ''}-{seed}-{number:04d}.npz"
        out.append(name)
        if name.exists():
            continue
        rows: list[dict[str, np.ndarray]] = []
        for k in range(SHARD // PER_SCENE):
            draw = rng(seed, "looks", int(held_out), number, k)
            task = TASKS[int(draw.integers(len(TASKS)))]
            style = STYLES[int(draw.integers(len(STYLES)))]
            scene = 2 * int(draw.integers(2**40)) + int(held_out)
            rows += looks_of(task, scene, style, draw, rig)
            if progress is not None:
                progress(number * SHARD + len(rows), looks)
        aside = name.with_suffix(".part.npz")
        np.savez(aside, **{f: np.stack([r[f] for r in rows]) for f in FIELDS})
        aside.replace(name)
    return out
