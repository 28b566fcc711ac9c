"""The true simulator as a gymnasium environment, beside ``gwm_core.robotics.env.TableEnv``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import RoboticsError
from ...robotics.env import RobotEnv, gymnasium
from ...robotics.loading import tabletop_embodiment
from ...robotics.policy import Recorded, within
from ...robotics.rig import tabletop_rig
from ...robotics.rollouts import MAX_TICKS, Recorder, copied
from ...robotics.vector_env import check_count, mode_of
from . import VIOLATIONS, Tabletop


class SimEnv(RobotEnv):
    """One run in the true simulator `tabletop` (MuJoCo).

    task    push, pick_place, stack or slide
    starts  seeds of scenes (or one of them), one drawn by the seed of ``reset``: with first looks
            of the same scenes in its starts, a TableEnv draws the same ones
    size    pixels of each view

    Options of ``reset``: ``start`` (an index into starts) or ``scene`` (a scene's seed).
    Success and all violations are the true ones.
    """

    OPTIONS = ("start", "scene")

    def __init__(self, task: str, starts: int | Sequence[int] = (0,), *,
                 max_ticks: int = MAX_TICKS, size: int = 64,
                 render_mode: str | None = None) -> None:
        super().__init__(tabletop_embodiment(tabletop_rig(size)), task, max_ticks, render_mode)
        self.starts = (starts,) if isinstance(starts, (int, np.integer)) else tuple(starts)
        if not self.starts:
            raise RoboticsError("starts: none; seeds of scenes are accepted")
        self.predicates = VIOLATIONS
        self.sim = Tabletop(task, int(self.starts[0]), size=size)

    @property
    def about(self) -> dict[str, Any]:
        """Where episodes of this environment were made."""
        return {"simulator": "tabletop", "task": self.task, "scene": self.sim.seed}

    def _begin(self, options: dict[str, Any]) -> dict[str, Any]:
        if "scene" in options:
            scene = options["scene"]
        else:
            scene = int(self.starts[self._index(options, self.starts)])
        return copied(self.sim.reset(scene))

    def _advance(self, action: np.ndarray) -> dict[str, Any]:
        return copied(self.sim.step(action))

    def _done(self) -> bool:
        return bool(self.sim.success())

    def _broken(self) -> tuple[str, ...]:
        return self.sim.violations()

    def _kept(self) -> tuple[int, bytes]:
        return self.sim.seed, self.sim.get_state()

    def _restore(self, kept: tuple[int, bytes]) -> None:
        scene, state = kept
        if scene != self.sim.seed:
            self.sim.reset(scene)
        self.sim.set_state(state)

    def branch(self, actions: Any) -> list:
        """As ``TableEnv.branch``: the true counterfactuals, one after another."""
        plans = Recorded(actions).actions
        if plans.ndim != 3 or not all(plans.shape[:2]):
            raise RoboticsError(f"branches: actions {plans.shape}; [K, T, 7] is accepted")
        here, out = self.get_state(), []
        try:
            for i, plan in enumerate(plans):
                self.set_state(here)
                record = Recorder(self._seen, self._broken())
                for action in plan:
                    a = within(action, self.action_space.low, self.action_space.high)
                    record.add(a, self._advance(a), self._broken(), self._done())
                about = {"policy": "branch", "branch": i, **self.about}
                out.append(record.episode(self.embodiment.fps, self.task_description,
                                          self.predicates, about))
        finally:
            self.set_state(here)
        return out

    def close(self) -> None:
        """Let go of the drawing."""
        self.sim.close()


def make_env(
    n_envs: int = 1, use_async_envs: bool = False, *, task: str = "push",
    seeds: Sequence[int] = tuple(range(1, 32, 2)), max_ticks: int = MAX_TICKS,
    render_mode: str | None = "rgb_array", autoreset_mode: Any = "SameStep",
) -> gymnasium.vector.VectorEnv:
    """``gwm_core.robotics.vector_env.make_env`` for the true world: n simulators, one after
    another. seeds: of scenes; by default those that no training has (odd ones)."""
    return gymnasium.vector.SyncVectorEnv(
        [lambda: SimEnv(task, seeds, max_ticks=max_ticks, render_mode=render_mode)]
        * check_count(n_envs), autoreset_mode=mode_of(autoreset_mode))
