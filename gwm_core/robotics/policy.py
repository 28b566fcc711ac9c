"""Policies as this library calls them, and ways to make a good one worse.

A policy has ``reset()`` and ``select_action(observation) -> [7]``; a batch of N observations gives
[N, 7]. One that answers in chunks has ``predict_action_chunk(observation) -> [n, 7]`` ([N, n, 7]).
LeRobot's policies have the same methods. A ``reset`` that has a parameter ``seed`` is given one.

Wrappers are policies around a policy. What they draw is decided by the seed of ``reset`` alone, so
that a policy has the same faults in the true world and in the predicted one.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..errors import RoboticsError
from ..noise import check_seed, rng

WIDTH = 7
LIMIT = np.array([0.04, 0.04, 0.04, 0.3, 0.3, 0.3, 1.0], np.float32)
"""Of the tabletop's actions, either way: m, rad, closing."""
NOISE = np.array([0.011, 0.011, 0.009, 0.03, 0.03, 0.06, 0.1], np.float32)
"""Standard deviations of ``Noisy`` at scale 1: m, rad, closing."""


@runtime_checkable
class Policy(Protocol):
    """See the module."""

    def reset(self) -> Any: ...

    def select_action(self, observation: dict[str, Any]) -> Any: ...


def check_policy(policy: Any, chunks: bool = False) -> Any:
    """The policy itself; RoboticsError names the method that it lacks."""
    for name in ("reset", "predict_action_chunk" if chunks else "select_action"):
        if not callable(getattr(policy, name, None)):
            other = ("; a policy with predict_action_chunk alone can be wrapped in Chunked"
                     if name == "select_action" and hasattr(policy, "predict_action_chunk") else "")
            raise RoboticsError(f"policy: {type(policy).__name__} has no method {name}; an object "
                                f"with reset() and {name}(observation) is accepted{other}")
    if isinstance(policy, type):
        raise RoboticsError(f"policy: {policy.__name__} is a class; an object of it is accepted")
    return policy


def reset_policy(policy: Any, seed: int) -> None:
    """Start a policy anew, with the seed where its ``reset`` has a parameter of that name."""
    check_seed(seed)
    try:
        takes = "seed" in inspect.signature(policy.reset).parameters
    except (TypeError, ValueError):  # written in C: nothing is known of it
        takes = False
    policy.reset(**({"seed": seed} if takes else {}))


def act(policy: Any, observation: dict[str, Any], runs: int | None = None) -> np.ndarray:
    """The policy's action, float32 [7], or [runs, 7] for a batch. RoboticsError where the answer
    has another shape or is not finite; tensors of any device are accepted."""
    shape = (WIDTH,) if runs is None else (runs, WIDTH)
    a = _array(policy.select_action(observation), policy)
    if runs is None and a.shape == (1, WIDTH):  # a policy that knows batches only
        a = a[0]
    if a.shape != shape:
        raise RoboticsError(f"policy {type(policy).__name__}: select_action gave {a.shape}; "
                            f"{list(shape)} is accepted")
    return _finite(a, policy, "select_action")


def within(actions: Any, low: Any = None, high: Any = None) -> np.ndarray:
    """Actions float32 [.., 7] cut to their limits, as a robot's controller cuts them."""
    high = LIMIT if high is None else high
    return np.clip(np.asarray(actions, np.float32), -LIMIT if low is None else low, high)


def _array(answer: Any, policy: Any) -> np.ndarray:
    answer = answer.detach().cpu() if hasattr(answer, "detach") else answer
    try:
        return np.asarray(answer, np.float32)
    except (TypeError, ValueError):
        raise RoboticsError(f"policy {type(policy).__name__}: its answer is "
                            f"{type(answer).__name__}; numbers [.., {WIDTH}] are "
                            "accepted") from None


def _finite(a: np.ndarray, policy: Any, method: str) -> np.ndarray:
    if not np.isfinite(a).all():
        raise RoboticsError(f"policy {type(policy).__name__}: {method} gave a value that is not "
                            "finite; numbers are accepted")
    return a


class Chunked:
    """Plays ``predict_action_chunk`` piece by piece: it is asked again after ``every`` actions."""

    def __init__(self, policy: Any, every: int) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise RoboticsError(f"every: {every!r}; a whole number from 1 is accepted")
        self.policy, self.every = check_policy(policy, chunks=True), every
        self._left: deque[np.ndarray] = deque()

    def reset(self, seed: int = 0) -> None:
        """Forget what is left of the last chunk."""
        self._left.clear()
        reset_policy(self.policy, seed)

    def select_action(self, observation: dict[str, Any]) -> np.ndarray:
        """The next action, [7] or [N, 7]."""
        if not self._left:
            answer = _array(self.policy.predict_action_chunk(observation), self.policy)
            batch = np.ndim(observation["agent_pos"]) == 2
            if not batch and answer.ndim == 3 and len(answer) == 1:
                answer = answer[0]
            if answer.ndim != 2 + batch or answer.shape[-1] != WIDTH:
                raise RoboticsError(
                    f"policy {type(self.policy).__name__}: predict_action_chunk gave "
                    f"{answer.shape}; {'[N, n, 7]' if batch else '[n, 7]'} is accepted")
            if answer.shape[-2] < self.every:
                raise RoboticsError(
                    f"policy {type(self.policy).__name__}: its chunk has {answer.shape[-2]} "
                    f"actions; {self.every} or more are needed to be asked every {self.every}")
            _finite(answer, self.policy, "predict_action_chunk")
            self._left.extend(np.moveaxis(answer, -2, 0)[: self.every])
        return self._left.popleft().copy()


class Recorded:
    """Replays actions [T, 7] ([N, T, 7] for a batch) whatever is seen; then it stands still."""

    def __init__(self, actions: Any) -> None:
        self.actions = _finite(_array(actions, self), self, "the recording")
        if self.actions.ndim not in (2, 3) or self.actions.shape[-1] != WIDTH:
            raise RoboticsError(f"recorded actions: {self.actions.shape}; [T, 7] or [N, T, 7] is "
                                "accepted")
        self._tick = 0

    def reset(self) -> None:
        """Back to the first action."""
        self._tick = 0

    def select_action(self, observation: dict[str, Any]) -> np.ndarray:
        """The recording's next action, also for every run of a batch."""
        felt = np.shape(observation["agent_pos"])
        tick, self._tick = self._tick, self._tick + 1
        if self.actions.ndim == 3 and felt[:-1] != self.actions.shape[:1]:
            raise RoboticsError(f"recorded actions: {len(self.actions)} runs, observations of "
                                f"{list(felt)}; one for each run is accepted")
        if tick >= self.actions.shape[-2]:
            return np.zeros((*felt[:-1], WIDTH), np.float32)
        return np.broadcast_to(self.actions[..., tick, :], (*felt[:-1], WIDTH)).copy()


# ------------------------------------------------------------------ degradations


class Degraded:
    """A policy and what goes wrong with it; actions stay within LIMIT."""

    def __init__(self, policy: Any) -> None:
        self.policy = check_policy(policy)
        self._begin(0)

    def reset(self, seed: int = 0) -> None:
        """Start anew, the inner policy too; the seed decides what is drawn."""
        self._begin(check_seed(seed))
        reset_policy(self.policy, seed)

    def _begin(self, seed: int) -> None:
        self._rng = rng(seed, "policy", type(self).__name__)

    def select_action(self, observation: dict[str, Any]) -> np.ndarray:
        """The degraded action, [7] or [N, 7]."""
        felt = np.shape(observation["agent_pos"])
        a = act(self.policy, observation, felt[0] if len(felt) == 2 else None)
        return within(self._worse(a)).astype(np.float32)

    def _worse(self, a: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Noisy(Degraded):
    """Normal noise of NOISE times ``scale`` on every action."""

    def __init__(self, policy: Any, scale: float = 1.0) -> None:
        self.scale = _number("scale", scale, 0, 100)
        super().__init__(policy)

    def _worse(self, a: np.ndarray) -> np.ndarray:
        return a + self.scale * NOISE * self._rng.standard_normal(a.shape)


class Delayed(Degraded):
    """Every action comes some ticks late; before the first one it stands still."""

    def __init__(self, policy: Any, ticks: int) -> None:
        if isinstance(ticks, bool) or not isinstance(ticks, int) or not 0 <= ticks <= 1000:
            raise RoboticsError(f"ticks: {ticks!r}; a whole number from 0 to 1000 is accepted")
        self.ticks = ticks
        super().__init__(policy)

    def _begin(self, seed: int) -> None:
        self._waiting: deque[np.ndarray] = deque()

    def _worse(self, a: np.ndarray) -> np.ndarray:
        self._waiting.append(a)
        return self._waiting.popleft() if len(self._waiting) > self.ticks else np.zeros_like(a)


class Biased(Degraded):
    """The same error on every action: ``bias`` [7], or m a tick in a level direction that the seed
    draws (one for each run of a batch)."""

    def __init__(self, policy: Any, bias: float | Sequence[float]) -> None:
        if np.ndim(bias) == 0:
            self.bias: Any = _number("bias", bias, 0, 0.04)
        else:
            self.bias = np.asarray(bias, np.float32)
            if self.bias.shape != (WIDTH,) or not np.isfinite(self.bias).all():
                raise RoboticsError(f"bias: {self.bias.shape}; metres a tick (0 to 0.04), or 7 "
                                    "finite numbers are accepted")
        super().__init__(policy)

    def _begin(self, seed: int) -> None:
        super()._begin(seed)
        self._drawn: np.ndarray | None = None

    def _worse(self, a: np.ndarray) -> np.ndarray:
        if np.ndim(self.bias):
            return a + self.bias
        if self._drawn is None or self._drawn.shape != a.shape:
            turn = self._rng.uniform(-np.pi, np.pi, a.shape[:-1])
            self._drawn = np.zeros(a.shape, np.float32)
            self._drawn[..., 0], self._drawn[..., 1] = np.cos(turn), np.sin(turn)
        return a + self.bias * self._drawn


class Slow(Degraded):
    """Moves and turns by a share ``gain`` (0..1) of what the policy wants; the grip is its own."""

    def __init__(self, policy: Any, gain: float) -> None:
        self.gain = _number("gain", gain, 0, 1)
        super().__init__(policy)

    def _worse(self, a: np.ndarray) -> np.ndarray:
        return a * np.array([self.gain] * 6 + [1.0], np.float32)


class GripperFault(Degraded):
    """At each tick, with this probability, the gripper opens instead of obeying."""

    def __init__(self, policy: Any, probability: float) -> None:
        self.probability = _number("probability", probability, 0, 1)
        super().__init__(policy)

    def _worse(self, a: np.ndarray) -> np.ndarray:
        a = a.copy()
        a[..., 6] = np.where(self._rng.random(a.shape[:-1]) < self.probability, -1.0, a[..., 6])
        return a


def _number(name: str, value: Any, low: float, high: float) -> float:
    if (isinstance(value, bool) or not isinstance(value, (int, float, np.number))
            or not low <= value <= high):
        raise RoboticsError(f"{name}: {value!r}; a number from {low} to {high} is accepted")
    return float(value)
