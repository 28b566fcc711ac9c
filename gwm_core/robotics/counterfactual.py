"""What other actions would have led to: several policies from one moment of one table.

    episodes = branch_out(model, look, [Branch("left", Recorded(a)), Branch("right", Recorded(b))],
                          ticks=24, task="push", probe=probe)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import RoboticsError
from ..model.scene_reader import MARKS, THINGS
from .episode import Episode
from .eyes import Eyes, eyes_of
from .policy import WIDTH, check_policy, reset_policy
from .rollouts import (
    HOLD,
    Probe,
    act_each,
    felt_violations,
    first_reading,
    merged,
    next_reading,
    picked,
    play,
    stacked,
)
from .table_model import TableModel
from .trials import describe_run
from .watching import seen_signals, unreadable


@dataclass(frozen=True, eq=False)
class Branch:
    """One future: its name, a policy object of its own, and the seed of its reset."""

    name: str
    policy: Any
    seed: int = 0


def past_of(episode: Episode, tick: int) -> tuple[dict[str, Any], np.ndarray]:
    """The first look of a run, and its actions [tick, 7] before a tick."""
    if episode.actions.shape[1] != WIDTH:
        raise RoboticsError(f"past: actions of {episode.actions.shape[1]} numbers; {WIDTH} are "
                            "accepted")
    if not 0 <= tick <= episode.ticks:
        raise RoboticsError(f"at_tick: {tick}; 0 to {episode.ticks} are accepted, the length of "
                            "the past")
    look = {"pixels": {v: f[0] for v, f in episode.views.items()}, "agent_pos": episode.state[0]}
    return look, episode.actions[:tick]


def branch_out(model: TableModel, look: dict[str, Any], branches: Sequence[Branch], ticks: int, *,
               task: str = "", probe: Probe | None = None, before: np.ndarray | None = None
               ) -> list[Episode]:
    """An episode of ``ticks`` ticks for every branch, all in one model step a tick.

    before  actions [T, 7] that all branches share, from the look on; the episodes begin behind them
    """
    if not branches:
        raise RoboticsError("branches: none; one or more are accepted")
    policies = [check_policy(b.policy) for b in branches]
    for policy, b in zip(policies, branches, strict=True):
        reset_policy(policy, b.seed)
    seen = stacked([look])
    state = model.begin(stacked([look]))
    held, broken, memory = 0, None, None
    shared = [] if before is None else list(before)
    if probe is not None and shared:
        memory, _ = first_reading(probe, seen, [task])
    for action in shared:
        felt = seen["agent_pos"][0]
        state, seen = model.step(state, action[None])
        broken = felt_violations(seen["agent_pos"][0], felt)
        if probe is not None:
            memory, reading = next_reading(probe, memory, seen)
            held = held + 1 if reading.done[0] else 0
            broken = merged(broken, reading.broken[0])
    n = len(branches)
    eyes = {id(e): e for e in map(eyes_of, policies) if e is not None}

    def choose(looks: dict[str, Any], rows: np.ndarray) -> np.ndarray:
        return act_each([policies[i] for i in rows], picked(looks, rows), eyes.values())

    info = [{"policy": b.name, "seed": b.seed, "branch": i} for i, b in enumerate(branches)]
    start = {"pixels": {v: np.repeat(f, n, 0) for v, f in seen["pixels"].items()},
             "agent_pos": np.repeat(seen["agent_pos"], n, 0)}
    episodes = play(model, state.pick([0] * n), start, choose, ticks, [task] * n, info, probe,
                    [None] * n, held=min(held, HOLD), broken=broken,
                    memory=None if memory is None else tuple(memory) * n, stop=False)
    at = {"from_tick": len(shared)} if shared else {}
    return [replace(e, info=e.info | at) for e in episodes]


def moved(episode: Episode, eyes: Eyes) -> dict[str, np.ndarray]:
    """How far things moved [3] (m), first look to last, as the pictures show it; by name."""
    if unreadable(episode):
        return {}
    seen = seen_signals(episode, eyes)
    out = {}
    for name in MARKS[:THINGS]:
        path = np.stack([np.asarray(seen[f"{name}_{axis}"]) for axis in "xyz"], -1)
        if np.isfinite(path).all():
            out[name] = path[-1] - path[0]
    return out


def describe_branches(episodes: Sequence[Episode], eyes: Eyes) -> str:
    """Text for people: of every branch what it moved and how it ended."""
    lines = []
    for i, episode in enumerate(episodes, start=1):
        tip = 100 * (episode.state[-1, :3] - episode.state[0, :3])
        parts = [f"gripper {_way(tip)}"]
        for name, way in moved(episode, eyes).items():
            far = 100 * way
            still = float(np.linalg.norm(far)) < 1.0
            parts.append(f"{name} {'stays' if still else _way(far)}")
        lines += [f"{i}. {episode.info.get('policy', '')}: {describe_run(episode)}",
                  f"   moved, in cm along x, y, z: {'; '.join(parts)}"]
    return "\n".join(lines)


def _way(cm: np.ndarray) -> str:
    return "(" + ", ".join(f"{v:+.1f}" for v in cm) + ")"
