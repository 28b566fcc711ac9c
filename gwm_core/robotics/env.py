"""A table model as a gymnasium environment, and what it shares with the true one.

``TableEnv`` imagines; ``gwm_core.simulators.tabletop.env.SimEnv`` is the simulator, with the same
spaces, infos and snapshots, so that what is written for one runs in the other.

info  ``is_success`` (bool; None where nothing tells it), ``violations`` (names that are broken at
      this tick; ``env.predicates`` are the ones that are looked at), ``task`` (a sentence),
      ``clipped`` (whether the action went beyond its limits: it is cut to them, as by a robot's
      controller)

The reward is 1 at success, which ends a run (terminated), else 0.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..embodiment import Embodiment
from ..errors import RoboticsError
from .futures import check_futures, disagreement
from .futures import futures as imagine_futures
from .loading import load_table, tabletop_embodiment
from .rollouts import (
    HOLD,
    MAX_TICKS,
    Probe,
    Reading,
    branches,
    check_probe,
    copied,
    felt_violations,
    first_reading,
    merged,
    next_reading,
    row,
    sentence,
    stacked,
    told,
)
from .table_model import TableModel, TableState

try:
    import gymnasium
    import gymnasium.vector
except ImportError:
    raise RoboticsError('environments: the package gymnasium is needed (pip install '
                        '"gwm[robotics]")') from None

# What proprioception may be: x, y, z (m), roll, pitch, yaw (rad), opening, effort, force (N)
_FELT_LOW = np.array([-1, -1, -1, -np.pi, -np.pi, -np.pi, 0, 0, 0], np.float32)
_FELT_HIGH = np.array([1, 1, 1, np.pi, np.pi, np.pi, 1, 1, 30], np.float32)
NOTHING = Reading((False,), ((),))
"""Of one run without a probe."""


class RobotEnv(gymnasium.Env):
    """What both environments share. A subclass gives ``_begin``, ``_advance``, ``_done``,
    ``_broken``, ``_kept`` and ``_restore``."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    OPTIONS: tuple[str, ...] = ()

    def __init__(self, body: Embodiment, task: str, max_ticks: int,
                 render_mode: str | None) -> None:
        if isinstance(max_ticks, bool) or not isinstance(max_ticks, int) or max_ticks < 1:
            raise RoboticsError(f"max_ticks: {max_ticks!r}; a whole number from 1 is accepted")
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise RoboticsError(f"render_mode: {render_mode!r}; None, {', '.join(modes)} are "
                                "accepted")
        box = gymnasium.spaces.Box
        self.metadata = {**self.metadata, "render_fps": body.fps}
        self.render_mode, self.embodiment = render_mode, body
        self.task, self.task_description = task, sentence(task)
        self.max_ticks = self._max_episode_steps = max_ticks  # the second name is LeRobot's
        self.observation_space = gymnasium.spaces.Dict({
            "pixels": gymnasium.spaces.Dict({
                v.name: box(0, 255, (v.height, v.width, 3), np.uint8) for v in body.views}),
            "agent_pos": box(_FELT_LOW, _FELT_HIGH, dtype=np.float32)})
        low, high, _ = body.limits
        self.action_space = box(low, high, dtype=np.float32)
        self.predicates: tuple[str, ...] = ()
        self._seen: dict[str, Any] | None = None
        self._tick, self._over, self._clipped = 0, False, False

    # ------------------------------------------------------------------ gymnasium

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None
              ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A new run: (first look, info). RoboticsError names an option that does not fit."""
        super().reset(seed=seed)
        options = dict(options or {})
        unknown = sorted(set(options) - set(self.OPTIONS))
        if unknown:
            raise RoboticsError(f"option {unknown[0]!r}: {', '.join(self.OPTIONS)} are accepted")
        self._seen = self._begin(options)
        self._tick, self._over, self._clipped = 0, False, False
        return copied(self._seen), self._info()

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One tick under an action [7]; RoboticsError where it has another shape or is not finite,
        or where the run is over or not begun."""
        if self._seen is None or self._over:
            raise RoboticsError(f"step: the run is {'over' if self._over else 'not begun'}; call "
                                "reset first")
        given = np.asarray(action, np.float32)
        if given.shape != (7,) or not np.isfinite(given).all():
            raise RoboticsError(f"action: {given.shape}, {given}; 7 finite numbers are accepted: "
                                f"{', '.join(self.embodiment.control_names)}")
        a = np.clip(given, self.action_space.low, self.action_space.high)
        self._clipped = bool((a != given).any())
        self._seen = self._advance(a)
        self._tick += 1
        info = self._info()
        terminated, truncated = info["is_success"] is True, self._tick >= self.max_ticks
        self._over = terminated or truncated
        return copied(self._seen), float(terminated), terminated, truncated, info

    def render(self) -> np.ndarray | None:
        """The views side by side, uint8 [H, V W, 3] (render_mode "rgb_array"), else None."""
        if self.render_mode is None:
            return None
        if self._seen is None:
            raise RoboticsError("render: the run is not begun; call reset first")
        return np.concatenate(list(self._seen["pixels"].values()), 1)

    def _info(self) -> dict[str, Any]:
        return {"is_success": self._done(), "violations": tuple(self._broken()),
                "task": self.task_description, "clipped": self._clipped}

    # ------------------------------------------------------------------ snapshots

    def get_state(self) -> dict[str, Any]:
        """All that the future depends on, the generator of ``reset`` too; deep: later steps do not
        touch it."""
        if self._seen is None:
            raise RoboticsError("get_state: the run is not begun; call reset first")
        generator = self._np_random
        return {"kind": type(self).__name__, "tick": self._tick, "over": self._over,
                "clipped": self._clipped, "seen": copied(self._seen),
                "random": None if generator is None else
                copy.deepcopy(generator.bit_generator.state),
                "seed": self._np_random_seed, "rest": self._kept()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot, as often as wanted; RoboticsError where it is none of this kind
        of environment."""
        name = type(self).__name__
        if not isinstance(state, dict) or state.get("kind") != name:
            raise RoboticsError(f"snapshot: not one of this environment; what {name}.get_state "
                                "gave is accepted")
        self._restore(state["rest"])
        self._tick, self._over, self._clipped = state["tick"], state["over"], state["clipped"]
        self._seen = copied(state["seen"])
        if state["random"] is None:
            self._np_random = None
        else:
            self._np_random, _ = gymnasium.utils.seeding.np_random(0)
            self._np_random.bit_generator.state = copy.deepcopy(state["random"])
        self._np_random_seed = state["seed"]

    # ------------------------------------------------------------------ what a world gives

    def _begin(self, options: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def _advance(self, action: np.ndarray) -> dict[str, Any]:
        raise NotImplementedError

    def _done(self) -> bool | None:
        raise NotImplementedError

    def _broken(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _kept(self) -> Any:
        raise NotImplementedError

    def _restore(self, kept: Any) -> None:
        raise NotImplementedError

    def _index(self, options: dict[str, Any], starts: Sequence[Any]) -> int:
        """Which start: the option's, or one that the seed draws."""
        if "start" not in options:
            return int(self.np_random.integers(len(starts)))
        try:
            i = operator.index(options["start"])
        except TypeError:
            i = -1
        if not 0 <= i < len(starts):
            raise RoboticsError(f"option 'start': {options['start']!r}; a whole number from 0 to "
                                f"{len(starts) - 1} is accepted")
        return i


class TableEnv(RobotEnv):
    """One run in a table model.

    model        a TableModel, or the name or path of its checkpoint
    starts       first looks to begin at, one drawn by the seed of ``reset``
    task         a name (push, pick_place, stack, slide) or any sentence
    probe        tells success and more violations, see ``rollouts.Probe``; without it: None
    futures      0, or how many futures are imagined beside the run (2 to 64, see ``futures``):
                 info then has ``uncertainty``, how far they are apart (m)

    Options of ``reset``: ``observation`` (a first look of the user's own), ``start`` (an index into
    starts), ``keep_out`` (centre (x, y) in m of the zone that the tip must not come near).
    """

    OPTIONS = ("observation", "start", "keep_out")

    def __init__(self, model: TableModel | str = "gwm-tabletop", *,
                 starts: Sequence[dict[str, Any]] = (), task: str = "", max_ticks: int = MAX_TICKS,
                 probe: Probe | None = None, render_mode: str | None = None,
                 futures: int = 0) -> None:
        self.futures = check_futures(futures) if futures != 0 else 0
        self.many: TableState | None = None
        self.model = model if isinstance(model, TableModel) else load_table(model)
        body = getattr(self.model, "embodiment", None) or tabletop_embodiment(self.model.rig)
        super().__init__(body, task, max_ticks, render_mode)
        self.starts, self.probe = starts, check_probe(probe)
        self.state: TableState | None = None
        self.memory: tuple | None = None  # the probe's, of this run
        self._held, self._keep_out = 0, None
        self._now: tuple[str, ...] = ()
        # Set by TableVectorEnv: the outcome of this run's step, and options of its reset
        self.ahead: tuple[TableState, dict[str, Any], tuple | None, Reading] | None = None
        self.given: dict[str, Any] = {}

    @property
    def about(self) -> dict[str, Any]:
        """Where episodes of this environment were made."""
        return {"model": getattr(self.model, "name", "")}

    def _begin(self, options: dict[str, Any]) -> dict[str, Any]:
        options, self.given = options | self.given, {}
        keep_out = _zone(options.get("keep_out"))
        if options.get("observation") is not None:
            look = options["observation"]
        elif len(self.starts):
            look = self.starts[self._index(options, self.starts)]
        else:
            raise RoboticsError("reset: there is nothing to begin at; first looks in the "
                                "constructor's starts, or one in options['observation'], are "
                                "accepted")
        _, felt = self.model.checked(look)
        if np.ndim(look["agent_pos"]) != 1:
            raise RoboticsError(f"observation: {len(felt)} looks; one without a leading axis is "
                                "accepted")
        look = {"pixels": {v: look["pixels"][v] for v in self.model.rig.views},
                "agent_pos": look["agent_pos"]}
        # begin() may keep views of what it is given, so that it gets arrays of its own
        self.state = self.model.begin(copied(look))
        if self.futures:
            seed = int(self.np_random.integers(2**31))
            self.many = imagine_futures(self.state, self.futures, seed)
        self.ahead, self._held, self._keep_out = None, 0, keep_out
        self.predicates = told(keep_out, self.probe)
        self._now = felt_violations(felt[0], None, keep_out)
        if self.probe is not None:
            self.memory, reading = first_reading(self.probe, stacked([look]), [self.task])
            self._now = merged(self._now, reading.broken[0])
        return copied(look)

    def _advance(self, action: np.ndarray) -> dict[str, Any]:
        if self.many is not None:
            same = np.repeat(action[None], self.futures, 0)
            self.many, _ = self.model.step(self.many, same, draw=False)
        if self.ahead is None:
            self.state, batch = self.model.step(self.state, action[None])
            seen, reading = row(batch, 0), NOTHING
            if self.probe is not None:
                self.memory, reading = next_reading(self.probe, self.memory, batch)
        else:
            (self.state, seen, self.memory, reading), self.ahead = self.ahead, None
        self._held = self._held + 1 if reading.done[0] else 0
        felt = felt_violations(seen["agent_pos"], self._seen["agent_pos"], self._keep_out,
                               self.embodiment.fps)
        self._now = merged(felt, reading.broken[0])
        return seen

    def _info(self) -> dict[str, Any]:
        info = super()._info()
        if self.many is not None:
            info["uncertainty"] = float(disagreement(self.many, self.futures)[0])
        return info

    def _done(self) -> bool | None:
        return None if self.probe is None else self._held >= HOLD

    def _broken(self) -> tuple[str, ...]:
        return self._now

    def _kept(self) -> tuple:
        # The tables are values that nothing writes to; tensors are copied.
        return (self.state.pick([0]), self.many, self.memory, self._held, self._keep_out,
                self._now)

    def _restore(self, kept: tuple) -> None:
        state, self.many, self.memory, self._held, self._keep_out, self._now = kept
        self.state, self.ahead = state.pick([0]), None
        self.predicates = told(self._keep_out, self.probe)

    def branch(self, actions: Any) -> list:
        """What K sequences of actions [K, T, 7] lead to from here, as K episodes of T ticks.

        All in one model step a tick; this environment stays where it is. Success and limits on
        ticks end no branch.
        """
        if self._seen is None:
            raise RoboticsError("branch: the run is not begun; call reset first")
        return branches(self.model, self.state, self._seen, actions, task=self.task,
                        probe=self.probe, keep_out=self._keep_out, held=self._held,
                        broken=self._now, memory=self.memory)


def _zone(keep_out: Any) -> tuple[float, float] | None:
    if keep_out is None:
        return None
    where = np.asarray(keep_out, np.float64)
    if where.shape != (2,) or not np.isfinite(where).all():
        raise RoboticsError(f"option 'keep_out': {keep_out!r}; the centre (x, y) in metres is "
                            "accepted")
    return float(where[0]), float(where[1])
