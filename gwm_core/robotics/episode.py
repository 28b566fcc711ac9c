"""One run of a policy: what every camera saw, what the robot felt, what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import RoboticsError


@dataclass(frozen=True, eq=False)
class Episode:
    """A recorded run of T ticks.

    views       frames by camera, uint8 [T + 1, H, W, 3]; frame t and t + 1 are before and after
                action t
    state       proprioception float32 [T + 1, n]
    actions     float32 [T, m]
    fps         ticks per second
    task        what the robot was asked to do, a sentence
    success     whether it did; None where nobody knows
    violations  ticks 0..T at which each named predicate was broken
    info        further JSON values (seed, policy, where it was made)
    """

    views: dict[str, np.ndarray]
    state: np.ndarray
    actions: np.ndarray
    fps: float
    task: str = ""
    success: bool | None = None
    violations: dict[str, tuple[int, ...]] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def ticks(self) -> int:
        """Number of actions."""
        return len(self.actions)

    def check(self) -> Episode:
        """Itself; RoboticsError names what does not fit."""
        frames = self.ticks + 1
        if self.actions.ndim != 2 or not np.isfinite(self.actions).all():
            raise RoboticsError(
                f"episode: actions {self.actions.shape}; finite numbers [T, n] are accepted"
            )
        if self.state.ndim != 2 or len(self.state) != frames:
            raise RoboticsError(
                f"episode: state {self.state.shape} does not fit {self.ticks} actions; "
                f"[{frames}, n] is accepted"
            )
        for name, view in self.views.items():
            if view.dtype != np.uint8 or view.ndim != 4 or view.shape[3] != 3:
                raise RoboticsError(
                    f"episode: view {name!r} is {view.dtype} {view.shape}; uint8 [T + 1, H, W, 3] "
                    "is accepted"
                )
            if len(view) != frames:
                raise RoboticsError(
                    f"episode: view {name!r} has {len(view)} frames; {frames} fit its actions"
                )
        if not self.fps > 0:
            raise RoboticsError(f"episode: fps {self.fps}; a number above 0 is accepted")
        return self
