"""Open-loop figures of the state model on held-out layouts, against the simulator.

Windows begin in the simulator's state; from then on the model runs on its own under the same
controls, perceiving the simulator's fixed solids from where it believes to be.
"""

from __future__ import annotations

import argparse
import json
import math

import numpy as np

from ..bodies import BALL, BOX, DOOR, FIRST_THROWN, Bodies
from ..noise import rng as noise_rng
from ..simulators.rooms.sim import FOOTSTEP, IMPACT, Rooms
from ..state_step import StateModel
from .state_data import Recorder, SolidSurroundings, Wanderer


class Truth(Recorder):
    """The recorder without its recording: quick snapshots only."""

    def _frame(self, c, sub, events) -> None:
        Rooms._frame(self, c, sub, events)

    def marked(self) -> Bodies:
        """Bodies with thrown balls marked by their ids, as the model marks them."""
        bodies = self.snapshot()
        ids = np.array(bodies.id)
        for k in self._pool:
            if bodies.kind[k] == BALL:
                ids[k] += FIRST_THROWN
        return bodies.with_(id=ids)


AUDIBLE = 0.2
"""Strength from which an event counts, as in the evaluation of worlds."""


def onset_f1(truth, guess, slack: int = 1) -> tuple[int, int, int]:
    """Matched, true and guessed onsets of tick lists, each used once, within `slack` ticks."""
    left, matched = sorted(guess), 0
    for t in sorted(truth):
        for k, g in enumerate(left):
            if abs(g - t) <= slack:
                matched += 1
                left.pop(k)
                break
    return matched, len(truth), len(guess)


def ticks_of(events, kinds, loud: float = 0.0) -> list[int]:
    """Ticks with an event, repeated ones in a tick counted once."""
    return sorted({t for t, kind, strength in events if kind in kinds and strength >= loud})


def window(world: Truth, policy, model: StateModel, ticks: int, blur=None, script=None) -> dict:
    """One open-loop window: places of everything, truth and guess, and what was heard."""
    around = blur(world) if blur else SolidSurroundings(world)
    player, bodies = world.player(), world.marked()
    start = {"player": player, "bodies": bodies}
    out = {"true": [], "guess": [], "true_bodies": [], "guess_bodies": [], "controls": [],
           "heard": [], "said": [], "start": start, "ids": {}}
    for t in range(ticks):
        c = policy() if script is None else script[t]
        step = world.step(c)
        result = model.step(player, bodies, c, around, t + 1)
        player, bodies = result.players[-1], result.bodies[-1]
        out["controls"].append(c)
        out["true"].append(world.player().to_array())
        out["guess"].append(player.to_array())
        out["true_bodies"].append(world.marked())
        out["guess_bodies"].append(bodies)
        out["heard"] += [(t + 1, "impact" if e[2] == IMPACT else "footstep", e[4])
                         for e in step.events if e[2] in (IMPACT, FOOTSTEP)]
        out["said"] += [(t + 1, e.kind, e.strength) for e in result.events if e.kind != "throw"]
    return out


def body_errors(run: dict, kind: int, span: int):
    """(error, no-motion error) summed over `span` ticks of bodies that move, and those thrown."""
    error = still = 0.0
    first = run["start"]["bodies"]
    slots = {int(i): first.pos[k] for k, i in enumerate(first.id) if first.kind[k] == kind}
    for t in range(span):
        a, b = run["true_bodies"][t], run["guess_bodies"][t]
        for k in a.of(kind):
            if a.id[k] >= FIRST_THROWN and int(a.id[k]) not in slots:
                continue
            at = slots.get(int(a.id[k]))
            if at is None or np.linalg.norm(run["true_bodies"][span - 1].pos[k] - at) < 0.05:
                continue
            match = np.nonzero(b.id == a.id[k])[0]
            move = float(np.linalg.norm(a.pos[k] - at))
            still += move
            error += 2 * move if not len(match) else float(
                np.linalg.norm(b.pos[match[0]] - a.pos[k]))
    return error, still


def thrown_errors(world: Truth, model, rng, blur=None, span: int = 12):
    """A throw in some direction: errors of the ball per tick (model, no motion)."""
    c = np.zeros(9)
    around = blur(world) if blur else SolidSurroundings(world)
    c[8] = rng.uniform(-15, 10)
    world.step(c)
    player, bodies = world.player(), world.marked()
    c = np.zeros(9)
    c[6] = 1
    rows = []
    for t in range(span):
        world.step(c)
        result = model.step(player, bodies, c, around, t + 1)
        player, bodies = result.players[-1], result.bodies[-1]
        c = np.zeros(9)
        truth = world.snapshot()
        slot = world._pool[(world._next - 1) % len(world._pool)]
        mine = int(np.argmax(bodies.id))
        if t == 0:
            at = result.bodies[0].pos[mine].copy()
        rows.append((float(np.linalg.norm(bodies.pos[mine] - truth.pos[slot])),
                     float(np.linalg.norm(truth.pos[slot] - at))))
    return rows


def evaluate(weights, layouts=range(10000, 10012), windows: int = 4, ticks: int = 48,
             seed: int = 1, blur=None) -> dict:
    """All figures as a flat dict."""
    model = weights if isinstance(weights, StateModel) else StateModel.load(weights)
    at12, at48, stops, sums = [], [], [], {BALL: [0.0, 0.0], BOX: [0.0, 0.0]}
    f1 = {"all": np.zeros(3), "impact": np.zeros(3), "footstep": np.zeros(3)}
    throws, doors = [], []
    for layout in layouts:
        rng = noise_rng(seed, layout, 99)
        world = Truth(layout, visual=False)
        world.attach(rng)
        policy = Wanderer(world, rng)
        for number in range(windows):
            policy.touch = number % 2 == 1
            for _ in range(int(rng.integers(5, 30))):
                world.step(policy())
            if number % 2 == 0 and rng.random() < 0.6:
                world.disturb()
            run = window(world, policy, model, ticks, blur)
            true, guess = np.array(run["true"]), np.array(run["guess"])
            gap = np.linalg.norm(true[:, :3] - guess[:, :3], axis=1)
            at12.append(gap[11])
            at48.append(gap[ticks - 1])
            stops += stop_hits(run)
            doors += door_errors(run)
            for kind in sums:
                e, s = body_errors(run, kind, 12)
                sums[kind][0] += e
                sums[kind][1] += s
            for name, kinds in (("all", ("impact", "footstep")), ("impact", ("impact",)),
                                ("footstep", ("footstep",))):
                a = [t for t in ticks_of(run["heard"], kinds, AUDIBLE) if t <= 24]
                b = [t for t in ticks_of(run["said"], kinds, AUDIBLE) if t <= 24]
                f1[name] += onset_f1(a, b)
            throws.append(thrown_errors(world, model, rng, blur))
    out = {"player_at12": float(np.mean(at12)), "player_at12_median": float(np.median(at12)),
           "player_at48": float(np.mean(at48)), "player_at48_median": float(np.median(at48)),
           "stops": float(np.mean(stops)) if stops else math.nan, "stops_n": len(stops)}
    for kind, name in ((BALL, "ball"), (BOX, "box")):
        out[f"{name}_ratio"] = sums[kind][0] / max(sums[kind][1], 1e-9)
    for name, (m, t, g) in f1.items():
        out[f"f1_{name}"] = 2 * m / max(t + g, 1)
        out[f"n_{name}"] = int(t)
    rows = np.array(throws)
    out["throw_ratio"] = float(rows[:, :, 0].sum() / rows[:, :, 1].sum())
    for a, b in ((0, 3), (3, 6), (6, 12)):
        part = rows[:, a:b]
        out[f"throw_ratio_{a + 1}_{b}"] = float(part[..., 0].sum() / part[..., 1].sum())
    out["throw_error12"] = float(rows[:, -1, 0].mean())
    out["door_angle_error24"] = float(np.mean(doors)) if doors else math.nan
    out["door_n"] = len(doors)
    return out


def stop_hits(run: dict) -> list[bool]:
    """For each time the true walker is stopped while walking: did the model stop within 2 ticks?"""
    keys = np.array(run["controls"])[:, :4].sum(1) > 0
    true, guess = (np.linalg.norm(np.array(run[k])[:, 3:5], axis=1) for k in ("true", "guess"))
    out = []
    for t in range(2, len(keys) - 2):
        if keys[t] and keys[t - 1] and true[t] < 0.4 and true[t - 2] > 1.2:
            before, around = guess[max(t - 4, 0) : t], guess[t - 2 : t + 3]
            out.append(bool(around.min() < 0.5 and before.max() > 0.8))
    return out


def door_errors(run: dict, span: int = 24) -> list[float]:
    """Angle errors (rad) at `span` of doors that turned by .2 or more."""
    first, a, b = run["start"]["bodies"], run["true_bodies"][span - 1], run["guess_bodies"][
        span - 1]
    out = []
    for k in first.of(DOOR):
        if abs(math.remainder(a.yaw[k] - first.yaw[k], 2 * math.pi)) > 0.2:
            out.append(abs(math.remainder(a.yaw[k] - b.yaw[k], 2 * math.pi)))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("--layouts", type=int, default=12)
    parser.add_argument("--windows", type=int, default=4)
    args = parser.parse_args()
    out = evaluate(args.weights, range(10000, 10000 + args.layouts), args.windows)
    print(json.dumps({k: round(v, 4) for k, v in out.items()}, indent=1))


if __name__ == "__main__":
    main()
