"""Open-loop rollouts: the same first look, the same actions, in the simulator and in the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...noise import rng
from ...robotics.table_model import TableModel

TICKS = 50
MOVED = 24.0
"""Levels by which a pixel differs from the first look where something moves."""


@dataclass(frozen=True, eq=False)
class Run:
    """A true run: looks (observations) 0..T, actions [T, 7], things' places [T + 1, K, 3] (not a
    number where a thing is missing), tips [T + 1, 3]."""

    looks: list[dict]
    actions: np.ndarray
    places: np.ndarray
    tips: np.ndarray


def true_runs(count: int, seed: int, ticks: int = TICKS,
              progress: Callable[[int, int], None] | None = None) -> list[Run]:
    """Runs of the recording's experts in held-out scenes (odd seeds)."""
    from ...simulators.tabletop import OBJECTS, TASKS, Tabletop, expert

    out = []
    for k in range(count):
        draw = rng(seed, "open loop", k)
        task = TASKS[k % len(TASKS)]
        style = ("expert", "noisy")[k // len(TASKS) % 2]
        sim = Tabletop(task, 2 * int(draw.integers(2**40)) + 1)
        policy = expert(task, style)
        policy.reset(int(draw.integers(2**31)))
        truth = sim.truth()
        looks, actions, truths = [sim.observe()], [], [truth]
        for _ in range(ticks):
            action = policy.act(truth, looks[-1])
            looks.append(sim.step(action))
            truth = sim.truth()
            actions.append(np.asarray(action, np.float32))
            truths.append(truth)
        sim.close()
        places = [[t.objects[n][1] if n in t.objects else [np.nan] * 3 for n in OBJECTS]
                  for t in truths]
        tips = [t.tip for t in truths]
        out.append(Run(looks, np.stack(actions), np.array(places), np.array(tips)))
        if progress is not None:
            progress(k + 1, count)
    return out


def imagined(model: TableModel, runs: Sequence[Run]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(frames uint8 [R, T, H, W, 3] by view, places [R, T, K, 3]) of the same runs in the model."""
    first = {"pixels": {v: np.stack([r.looks[0]["pixels"][v] for r in runs])
                        for v in model.rig.views},
             "agent_pos": np.stack([r.looks[0]["agent_pos"] for r in runs])}
    state = model.begin(first)
    frames: dict[str, list] = {v: [] for v in model.rig.views}
    places = []
    for t in range(len(runs[0].actions)):
        state, seen = model.step(state, np.stack([r.actions[t] for r in runs]))
        for view, pixels in seen["pixels"].items():
            frames[view].append(pixels)
        places.append(state.things.place.numpy().copy())
    return {v: np.stack(f, 1) for v, f in frames.items()}, np.stack(places, 1)


def psnr(a: np.ndarray, b: np.ndarray, where: np.ndarray | None = None) -> float:
    """PSNR (dB) of uint8 pictures, of the pixels ``where`` alone if given."""
    square = (a.astype(np.float32) - b.astype(np.float32)) ** 2
    error = float(square.mean() if where is None else square[where].mean())
    return 10 * float(np.log10(255.0**2 / max(error, 1e-3)))


def figures(model: TableModel, runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """By view: mean PSNR over all ticks, of copying the first look, and both where things move."""
    frames, places = imagined(model, runs)
    out: dict[str, dict[str, float]] = {}
    for view in model.rig.views:
        rows = []
        for r, run in enumerate(runs):
            first = run.looks[0]["pixels"][view]
            for t in range(len(run.actions)):
                true = run.looks[t + 1]["pixels"][view]
                moves = np.abs(true.astype(int) - first).max(-1) > MOVED
                made = frames[view][r, t]
                row = [psnr(made, true), psnr(first, true), np.nan, np.nan]
                if moves.sum() >= 8:
                    row[2:] = [psnr(made, true, moves), psnr(first, true, moves)]
                rows.append(row)
        names = ("psnr_db", "copy_db", "moving_db", "moving_copy_db")
        out[view] = dict(zip(names, np.nanmean(rows, 0).tolist(), strict=True))
    truth = np.stack([r.places[1:] for r in runs])
    gone = truth[:, -1] - np.stack([r.places[0] for r in runs])
    moved = np.linalg.norm(gone, axis=-1) > 0.02
    error = np.linalg.norm(places[:, -1] - truth[:, -1], axis=-1)
    mine = places[:, -1] - places[:, 0]
    start = np.linalg.norm(np.stack([r.places[0] for r in runs]) - places[:, 0], axis=-1)
    out["places"] = {
        "moved": float(moved.sum()), "median_m": float(np.median(error[moved])),
        "still_m": float(np.median(np.linalg.norm(gone[moved], axis=-1))),
        "r": float(np.corrcoef(mine[moved].ravel(), gone[moved].ravel())[0, 1]),
        "first_m": float(np.nanmedian(start)),
    }
    return out
