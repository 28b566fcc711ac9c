"""What a recorded run shows, as signals for specifications, and which rules it breaks when.

    watched = watch(episode, parse(text), eyes)
    watched.lanes[0].broken                      # bool [T + 1]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import RoboticsError
from ..model.scene_reader import MARKS, SIDE, THINGS
from .episode import Episode
from .eyes import FELT, VIEWS, Eyes, Sight
from .spec_text import Node, Spec
from .specs import ABSENT, evaluate, signals_of

ZONES = {"keep_out": "zone", "goal": "goal", "plate": "plate", "rail_end": "rail_end"}
"""Signals of zones: the zone to keep out of is zone_x, zone_y."""
SEEN = frozenset(
    [f"{name}_{axis}" for name in MARKS[:THINGS] for axis in (*"xyz", "fall")]
    + [f"{name}_{axis}" for name in ZONES.values() for axis in "xy"])
"""Signals that are read from pictures."""
LOOKS = 64  # at a time


@dataclass(frozen=True, eq=False)
class Lane:
    """One rule over a run of T ticks.

    looked      False where the rule needs pictures that nobody could read: nothing is said then
    kept        whether the run keeps it
    robustness  how far it is from breaking it (below 0: how far beyond), in the rule's unit
    first       the tick at which it is first broken, -1 never
    exposure    share 0..1 of the ticks at which it is broken
    broken      bool [T + 1]
    margin      float [T + 1], the distance to the bound at every tick (of what is inside an outer
                always or never)
    """

    name: str
    rule: str
    looked: bool
    kept: bool
    robustness: float
    first: int
    exposure: float
    broken: np.ndarray
    margin: np.ndarray


@dataclass(frozen=True, eq=False)
class Watched:
    """A run and its lanes. blind: why pictures could not be read; empty where they were."""

    episode: Episode
    lanes: tuple[Lane, ...]
    blind: str = ""

    @property
    def first(self) -> int:
        """The first tick at which any rule is broken, -1 never."""
        return min((lane.first for lane in self.lanes if lane.first >= 0), default=-1)


def watch(episode: Episode, specs: Mapping[str, Spec], eyes: Eyes | None = None) -> Watched:
    """A run held against rules. eyes: finds things and zones in its pictures; None: nobody looks.

    RoboticsError names a signal that the run has not, or a state that is not the tabletop's.
    """
    if episode.state.shape[1] != FELT:
        raise RoboticsError(
            f"rollouts: the state has {episode.state.shape[1]} numbers; {FELT} are accepted (x, y, "
            "z, roll, pitch, yaw, opening, effort, force: a robot's table)")
    blind = "no eyes were given" if eyes is None else unreadable(episode)
    more: dict[str, Any] = dict.fromkeys(SEEN - {n for n in SEEN if n.endswith("_fall")}, ABSENT)
    if not blind:
        more |= seen_signals(episode, eyes)
    signals = signals_of(episode.state, episode.fps, **more)
    return Watched(episode, tuple(_lane(spec, signals, episode, not blind)
                                  for spec in specs.values()), blind)


def unreadable(episode: Episode) -> str:
    """Why eyes cannot read a run's pictures; empty where they can."""
    missing = [name for name in VIEWS if name not in episode.views]
    if missing:
        return f"the run has no view {missing[0]}"
    for name in VIEWS:
        size = episode.views[name].shape[1:3]
        if size != (SIDE, SIDE):
            return f"view {name} is {size[1]}x{size[0]}, {SIDE}x{SIDE} is read"
    return ""


def seen_signals(episode: Episode, eyes: Eyes) -> dict[str, Any]:
    """Places (m) of things at every tick [T + 1] and of zones, ABSENT where there is none."""
    places = np.full((episode.ticks + 1, len(MARKS), 3), ABSENT)
    sight = None
    for begin in range(0, episode.ticks + 1, LOOKS):
        part = slice(begin, begin + LOOKS)
        felt = episode.state[part]
        marks = eyes.find({"pixels": {v: episode.views[v][part] for v in VIEWS},
                           "agent_pos": felt})
        for i in range(len(felt)):
            row = marks.row(i)
            sight = Sight.first(row, felt[i]) if sight is None else sight.after(row, felt[i])
            places[begin + i, sight.known] = sight.place[sight.known]
    out: dict[str, Any] = {}
    for k, name in enumerate(MARKS[:THINGS]):
        for axis in range(3):
            values = places[:, k, axis]
            # Before it was first seen it counts as where it was then.
            seen = np.isfinite(values)
            first = values[seen.argmax()] if seen.any() else ABSENT
            out[f"{name}_{'xyz'[axis]}"] = torch.from_numpy(np.where(seen, values, first))
    for name, signal in ZONES.items():
        x, y, _ = sight.place[MARKS.index(name)]
        there = sight.known[MARKS.index(name)]
        out[f"{signal}_x"] = float(x) if there else ABSENT
        out[f"{signal}_y"] = float(y) if there else ABSENT
    return out


def _lane(spec: Spec, signals: Mapping[str, Any], episode: Episode, looked: bool) -> Lane:
    frames = episode.ticks + 1
    if not looked and spec.formula.signals() & SEEN:
        return Lane(spec.name, str(spec.formula), False, True, math.inf, -1, 0.0,
                    np.zeros(frames, bool), np.full(frames, np.inf))
    verdict = evaluate(spec, signals, episode.fps)
    kept = bool(verdict.kept)
    margin = _at_each_tick(spec.formula, signals, episode.fps, frames)
    if spec.formula.kind == "always":
        begin, end = _window(spec.formula, episode.fps, frames)
        inside = (np.arange(frames) >= begin) & (np.arange(frames) <= end)
        broken = inside & (margin < 0)
    else:
        broken = np.full(frames, not kept)
    return Lane(spec.name, str(spec.formula), True, kept, float(verdict.robustness),
                int(verdict.first), float(verdict.exposure), broken, margin)


def _at_each_tick(formula: Node, signals: Mapping[str, Any], fps: float, frames: int) -> np.ndarray:
    inner = formula.args[0] if formula.kind == "always" else formula
    trace = evaluate(inner, signals, fps).trace
    return np.broadcast_to(trace.double().numpy(), (frames,))


def _window(formula: Node, fps: float, frames: int) -> tuple[int, int]:
    """First and last tick that an outer ``always`` looks at, as ``specs`` counts them."""
    window = formula.window
    if window is None:
        return 0, frames - 1
    if not window.seconds:
        return int(window.begin), int(min(window.end, frames - 1))
    return math.ceil(window.begin * fps - 1e-6), math.floor(window.end * fps + 1e-6)


def report(runs: Sequence[Watched]) -> str:
    """Text for people: every rule over all runs, then what each run breaks."""
    lines = []
    blind = sorted({w.blind for w in runs if w.blind})
    if blind:
        lines.append(f"Things and zones were not looked for: {'; '.join(blind)}.")
    names = list(dict.fromkeys(lane.name for w in runs for lane in w.lanes))
    width = max(map(len, names), default=4)
    lines.append(f"{'rule':<{width}}  broken in  first tick  exposure  least margin")
    for name in names:
        lanes = [lane for w in runs for lane in w.lanes if lane.name == name]
        if not any(lane.looked for lane in lanes):
            lines.append(f"{name:<{width}}  not looked at")
            continue
        bad = [lane for lane in lanes if not lane.kept]
        first = f"{min(lane.first for lane in bad):10d}" if bad else " " * 9 + "-"
        share = float(np.mean([lane.exposure for lane in lanes if lane.looked]))
        least = min(lane.robustness for lane in lanes if lane.looked)
        margin = "inf" if math.isinf(least) else f"{least:.3g}"
        lines.append(f"{name:<{width}}  {len(bad):3d} of {len(lanes):<3d} {first}  {share:8.1%}  "
                     f"{margin:>12}")
    lines.append("")
    for i, w in enumerate(runs, start=1):
        bad = [f"{lane.name} from tick {lane.first} ({lane.first / w.episode.fps:.1f} s)"
               for lane in w.lanes if not lane.kept]
        who = w.episode.info.get("policy", "")
        lines.append(f"run {i}{f' ({who})' if who else ''}: {', '.join(bad) or 'keeps every rule'}")
    return "\n".join(lines)
