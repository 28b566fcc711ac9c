"""A policy that does again what another did from the same start: open loop, eyes closed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...robotics.policy import WIDTH


class Replay:
    """``actions``: seed of a run -> [T, 7]. After its last action it stands still."""

    def __init__(self, actions: Mapping[int, np.ndarray]) -> None:
        self.actions = actions
        self.reset(next(iter(actions)))

    def reset(self, seed: int = 0) -> None:
        self._mine, self._tick = self.actions[seed], 0

    def select_action(self, observation: dict) -> np.ndarray:
        t, self._tick = self._tick, self._tick + 1
        return self._mine[t] if t < len(self._mine) else np.zeros(WIDTH, np.float32)


def save_actions(path: str | os.PathLike[str], actions: Mapping[str, Mapping[int, np.ndarray]]
                 ) -> None:
    """What policies did, by name and seed of the run, in one file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, **{f"{seed}.{name}": rows for name, runs in actions.items()
                                 for seed, rows in runs.items()})
    os.replace(part, path)


def load_actions(path: str | os.PathLike[str]) -> dict[str, dict[int, np.ndarray]]:
    """What ``save_actions`` wrote."""
    out: dict[str, dict[int, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as data:
        for key in data.files:
            seed, name = key.split(".", 1)
            out.setdefault(name, {})[int(seed)] = data[key]
    return out


def replay(actions: Mapping[str, Mapping[int, np.ndarray]], name: str) -> Replay:
    """The policy ``name`` of those actions."""
    return Replay(actions[name])
