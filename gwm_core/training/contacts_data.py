"""Motion without pictures for the interaction network: what the gripper was told, what happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..noise import rng

THINGS = ("red", "blue", "yellow", "knob")
DRAWN = "drawn"
"""The style of drawn_policies; the others are those of the simulator's experts."""
DRAWN_SHARE = 0.55
FIELDS = ("pose", "felt", "actions", "place", "axes", "half", "present")


def axes_of(quat: np.ndarray) -> np.ndarray:
    """First two columns of the rotations of quaternions [.., 4] (w, x, y, z), [.., 6]."""
    w, x, y, z = np.moveaxis(quat, -1, 0)
    return np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y),
                     2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], -1)


def episode(task: str, seed: int, style: str, ticks: int) -> dict[str, np.ndarray]:
    """One run: pose [T + 1, 6], felt [T + 1, 3] (opening, effort, force), actions [T, 7], and of
    every thing place [T + 1, 4, 3], axes [T + 1, 4, 6], half [4, 3], present [4]."""
    from ..simulators.tabletop import Tabletop

    sim = Tabletop(task, seed)
    act = _actor(task, seed, style)
    rows: dict[str, list] = {name: [] for name in ("pose", "felt", "actions", "place", "axes")}
    half, present = np.full((4, 3), 0.02), np.zeros(4)

    def note() -> None:
        truth, felt = sim.truth(), sim.agent_pos()
        place, axes = np.zeros((4, 3)), np.tile([1.0, 0, 0, 0, 1, 0], (4, 1))
        for i, name in enumerate(THINGS):
            if name in truth.objects:
                place[i] = truth.objects[name][1]
                axes[i] = axes_of(truth.quats[name])
                half[i], present[i] = truth.objects[name][3], 1.0
        rows["pose"].append(np.concatenate([truth.tip, truth.rpy]))
        rows["felt"].append(felt[6:9])
        rows["place"].append(place)
        rows["axes"].append(axes)

    note()
    for _ in range(ticks):
        action = act(sim)
        sim.advance(action)
        rows["actions"].append(np.asarray(action))
        note()
    out = {name: np.asarray(v, np.float32) for name, v in rows.items()}
    return out | {"half": half.astype(np.float32), "present": present.astype(np.float32)}


def _actor(task: str, seed: int, style: str) -> Callable[[Any], np.ndarray]:
    """What decides an episode's actions, from the simulator as it stands."""
    if style == DRAWN:
        from ..robotics.policy import act, within
        from .drawn_policies import drawn_policy

        policy = drawn_policy(task, seed)
        return lambda sim: within(act(policy, {"truth": sim.truth(),
                                               "agent_pos": sim.agent_pos()}))
    from ..simulators.tabletop import expert

    script = expert(task, style)
    script.reset(seed)
    return lambda sim: script.act(sim.truth(), {"agent_pos": sim.agent_pos()})


def record(folder: Path, episodes: int, seed: int, ticks: int = 80, held_out: bool = False,
           progress: Callable[[int, int], None] | None = None) -> list[Path]:
    """Shards of 100 episodes each in a folder; whole ones that are there are kept. Scenes of
    training have even seeds, held-out ones odd seeds."""
    from ..simulators.tabletop import STYLES, TASKS

    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for start in range(0, episodes, 100):
        name = folder / f"motion{'-held' if held_out else ''}-{seed}-{start // 100:04d}.npz"
        out.append(name)
        if name.exists():
            continue
        runs = []
        for k in range(start, start + 100):
            draw = rng(seed, "contacts", int(held_out), k)
            task = TASKS[int(draw.integers(len(TASKS)))]
            style = STYLES[int(draw.integers(len(STYLES)))]
            style = DRAWN if draw.random() < DRAWN_SHARE else style
            scene = 2 * int(draw.integers(2**40)) + int(held_out)
            runs.append(episode(task, scene, style, ticks))
            if progress is not None:
                progress(k + 1, episodes)
        aside = name.with_suffix(".part.npz")
        np.savez(aside, **{f: np.stack([r[f] for r in runs]) for f in FIELDS})
        aside.replace(name)
    return out
