"""Many runs of a table model as one gymnasium vector environment, and LeRobot's ``make_env``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import RoboticsError
from .env import NOTHING, TableEnv, gymnasium
from .eyes import load_eyes
from .loading import load_table
from .policy import within
from .probes import TaskProbe
from .rollouts import MAX_TICKS, Probe, Reading, join, next_reading, row
from .starts import load_starts
from .table_model import TableModel

MODES = ("NextStep", "SameStep", "Disabled")


class TableVectorEnv(gymnasium.vector.SyncVectorEnv):
    """N runs side by side, one model step a tick for all of them.

    The arguments are those of TableEnv; ``autoreset_mode`` is one of gymnasium's (NEXT_STEP by
    default). Run i behaves as a TableEnv that is reset with seed + i, up to the rounding of batched
    products. Options of ``reset`` are TableEnv's, of all runs; ``observation`` may have a leading
    axis N, ``start`` may be N indices and ``keep_out`` N centres.

    It is a SyncVectorEnv, of which ``envs`` are TableEnvs, because LeRobot's evaluation asks for
    one to draw its videos.
    """

    def __init__(self, model: TableModel | str = "gwm-tabletop", num_envs: int = 1, *,
                 starts: Sequence[dict[str, Any]] = (), task: str | Sequence[str] = "",
                 max_ticks: int = MAX_TICKS, probe: Probe | None = None,
                 render_mode: str | None = None, autoreset_mode: Any = None,
                 futures: int = 0) -> None:
        if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
            raise RoboticsError(f"num_envs: {num_envs!r}; a whole number from 1 is accepted")
        tasks = [task] * num_envs if isinstance(task, str) else list(task)
        if len(tasks) != num_envs:
            raise RoboticsError(f"task: {len(tasks)} for {num_envs} runs; one for each is accepted")
        self.model = model if isinstance(model, TableModel) else load_table(model)
        self.probe = probe
        # A table model is a value without state of its own: all runs share it.
        super().__init__(
            [lambda t=t: TableEnv(self.model, starts=starts, task=t, max_ticks=max_ticks,
                                  probe=probe, render_mode=render_mode, futures=futures)
             for t in tasks],
            autoreset_mode=mode_of(autoreset_mode))

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None
              ) -> tuple[dict[str, Any], dict[str, Any]]:
        """First looks [N, ..] and infos; see gymnasium for seeds and ``reset_mask``."""
        options = dict(options or {})  # gymnasium takes entries out of it
        each = self._each(options)
        try:
            for env, given in zip(self.envs, each, strict=True):
                env.given = given
            return super().reset(seed=seed, options=options)
        finally:
            for env in self.envs:  # a mask may have left some out
                env.given = {}

    def _each(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        """Options of the single runs, taken out of ``options``."""
        out: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        parts = {}
        look = options.get("observation")
        if isinstance(look, dict) and np.ndim(look.get("agent_pos")) == 2:
            self.model.checked(look)
            del options["observation"]
            parts["observation"] = [row(look, i) for i in range(len(look["agent_pos"]))]
        if np.ndim(options.get("start")) == 1:
            parts["start"] = list(options.pop("start"))
        zones = options.get("keep_out")
        if isinstance(zones, (list, tuple, np.ndarray)) and not all(map(np.isscalar, zones)):
            parts["keep_out"] = list(options.pop("keep_out"))
        for name, values in parts.items():
            if len(values) != self.num_envs:
                raise RoboticsError(f"option {name!r}: {len(values)} for {self.num_envs} runs; "
                                    "one for each is accepted")
            for given, value in zip(out, values, strict=True):
                given[name] = value
        return out

    def step(self, actions: Any) -> tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray,
                                          dict[str, Any]]:
        """One tick under actions [N, 7]. What an ended run does is the autoreset mode's."""
        actions = np.asarray(actions, np.float32)
        if actions.shape != (self.num_envs, 7):
            raise RoboticsError(f"actions: {actions.shape}; [{self.num_envs}, 7] is accepted")
        over = self._autoreset_envs
        if self.autoreset_mode == gymnasium.vector.AutoresetMode.DISABLED and over.any():
            raise RoboticsError(f"step: runs {np.flatnonzero(over).tolist()} are over; reset with "
                                "options={'reset_mask': ..} first")
        rows = np.flatnonzero(~over)
        if any(self.envs[i].state is None for i in rows):
            raise RoboticsError("step: the runs are not begun; call reset first")
        if not np.isfinite(actions[rows]).all():
            raise RoboticsError("actions: a value is not finite; numbers are accepted")
        if len(rows):
            self._look_ahead(rows, actions[rows])
        # gymnasium's own loop does the rest: a run's step takes the outcome that waits for it
        return super().step(actions)

    def _look_ahead(self, rows: np.ndarray, actions: np.ndarray) -> None:
        envs = [self.envs[i] for i in rows]
        space = self.single_action_space
        state, seen = self.model.step(join([env.state for env in envs]),
                                      within(actions, space.low, space.high))
        if self.probe is None:
            memories, readings = [None] * len(envs), [NOTHING] * len(envs)
        else:
            memory, got = next_reading(
                self.probe, tuple(m for env in envs for m in env.memory), seen)
            memories = [(m,) for m in memory]
            readings = [Reading(got.done[k:k + 1], got.broken[k:k + 1])
                        for k in range(len(envs))]
        for k, env in enumerate(envs):
            env.ahead = (state.pick([k]), row(seen, k), memories[k], readings[k])

    def get_state(self) -> dict[str, Any]:
        """A snapshot of all runs, see TableEnv.get_state."""
        return {"kind": "TableVectorEnv", "runs": [env.get_state() for env in self.envs],
                "over": self._autoreset_envs.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot of as many runs."""
        if not isinstance(state, dict) or state.get("kind") != "TableVectorEnv":
            raise RoboticsError("snapshot: not one of this environment; what "
                                "TableVectorEnv.get_state gave is accepted")
        if len(state["runs"]) != self.num_envs:
            raise RoboticsError(f"snapshot: of {len(state['runs'])} runs; {self.num_envs} are "
                                "accepted")
        for i, (env, kept) in enumerate(zip(self.envs, state["runs"], strict=True)):
            env.set_state(kept)
            self._env_obs[i] = kept["seen"]
        self._autoreset_envs = state["over"].copy()


def mode_of(mode: Any) -> Any:
    """One of gymnasium's modes, by itself, its name or its value."""
    modes = gymnasium.vector.AutoresetMode
    if mode is None:
        return modes.NEXT_STEP
    try:
        return mode if isinstance(mode, modes) else modes(mode)
    except ValueError:
        raise RoboticsError(f"autoreset_mode: {mode!r}; {', '.join(MODES)} are "
                            "accepted") from None


def check_count(n_envs: int) -> int:
    """How many environments; RoboticsError if it is no whole number from 1."""
    if isinstance(n_envs, bool) or not isinstance(n_envs, int) or n_envs < 1:
        raise RoboticsError(f"n_envs: {n_envs!r}; a whole number from 1 is accepted")
    return n_envs


def make_env(
    n_envs: int = 1, use_async_envs: bool = False, model: TableModel | str = "gwm-tabletop",
    task: str = "push", *, starts: Sequence[Any] | None = None, max_ticks: int = MAX_TICKS,
    probe: Probe | None = None, render_mode: str | None = "rgb_array",
    autoreset_mode: Any = "SameStep", cfg: Any = None,
) -> gymnasium.vector.VectorEnv:
    """What LeRobot's EnvHub calls in an ``env.py``: a vector environment.

    use_async_envs  changes nothing: the runs share one model step in any case
    starts          first looks to begin from; by default those of the task that come with the pack
    probe           tells success, which LeRobot's evaluation counts; by default the pack's own
    autoreset_mode  SAME_STEP, as LeRobot's own environments: it reads ``final_info``
    cfg             LeRobot's; its ``task`` is taken where it is a text

    ``gwm_core.simulators.tabletop.env.make_env`` is the same for the true world.
    """
    named = getattr(cfg, "task", None)
    task = named if isinstance(named, str) and named else task
    if starts is None:
        starts = [start.observation for start in load_starts(task)]
    probe = TaskProbe(load_eyes()) if probe is None else probe
    return TableVectorEnv(model, n_envs, starts=starts, task=task, max_ticks=max_ticks,
                          probe=probe, render_mode=render_mode, autoreset_mode=autoreset_mode)
