"""Figures of open-loop rollouts: pictures, the gripper's motion, actions read from true looks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...model.pair_reader import PairReader
from ...noise import rng
from ...robotics.table_model import TableModel
from ..judges import load_judge
from ..report import Metric
from .open_loop import Run, figures, imagined


def pictures(model: TableModel, runs: Sequence[Run]) -> list[Metric]:
    """robotics.rollout50_psnr_db and robotics.dynamic_gain_db, each of the worst view."""
    found = figures(model, runs)
    views = {v: found[v] for v in model.rig.views}
    whole = {v: f["psnr_db"] for v, f in views.items()}
    gain = {v: f["moving_db"] - f["moving_copy_db"] for v, f in views.items()}
    worst = min(whole, key=whole.get)
    ticks = len(runs[0].actions)
    places = found["places"]
    return [
        Metric("robotics.rollout50_psnr_db", whole[worst], "dB",
               {f"copy_{v}": f["copy_db"] for v, f in views.items()} | whole, len(runs) * ticks,
               ">= 26", ">= 30", f"the worst view, {worst}"),
        Metric("robotics.dynamic_gain_db", min(gain.values()), "dB", gain, len(runs) * ticks,
               ">= 4", ">= 6", "over copying the first look, where something moves"),
        Metric("robotics.things_m", places["median_m"], "m",
               {"left where they were": places["still_m"], "at the start": places["first_m"]},
               int(places["moved"]), note="median error of what moved, after the last tick"),
    ]


@torch.inference_mode()
def read_motion(judge: PairReader, films: dict[str, np.ndarray]) -> np.ndarray:
    """How the gripper moves between looks of films uint8 [R, T + 1, H, W, 3] by view, as a judge
    reads it from the pictures alone: float32 [R, T, 3] (m)."""
    looks = torch.from_numpy(np.stack(list(films.values()), 2)).permute(0, 1, 2, 5, 3, 4)
    return np.stack([judge(film[:-1], film[1:])["moved"][:, :3].numpy() for film in looks])


def following(model: TableModel, runs: Sequence[Run], seed: int) -> list[Metric]:
    """robotics.action_r: the gripper's displacement as read from generated looks, against what it
    truly was under the same actions."""
    judge = load_judge("tabletop", PairReader())[0]
    frames, _ = imagined(model, runs)
    truth = np.stack([np.diff(r.tips, axis=0) for r in runs])
    films = {v: np.concatenate([np.stack([r.looks[0]["pixels"][v] for r in runs])[:, None], f], 1)
             for v, f in frames.items()}
    true_films = {v: np.stack([[look["pixels"][v] for look in r.looks] for r in runs])
                  for v in model.rig.views}
    made, ceiling = read_motion(judge, films), read_motion(judge, true_films)
    order = rng(seed, "following").permutation(len(runs) * truth.shape[1])
    mixed = truth.reshape(-1, 3)[order]
    return [Metric("robotics.action_r", correlation(made, truth), "",
                   {"true looks": correlation(ceiling, truth),
                    "shuffled actions": correlation(made.reshape(-1, 3), mixed)},
                   truth.shape[0] * truth.shape[1], ">= 0.95", "",
                   "mean over x, y and z; read by a judge from pairs of looks")]


def inverse(model: TableModel, runs: Sequence[Run], seed: int) -> list[Metric]:
    """Actions that the model reads from true looks: robotics.inverse_r each from its two looks and
    nothing else, robotics.inverse_film_r from films, where the look before the two is known too."""
    films = [{v: np.stack([look["pixels"][v] for look in r.looks]) for v in model.rig.views}
             for r in runs]
    truth = np.stack([r.actions for r in runs])
    flat = truth.reshape(-1, 7)
    mixed = flat[rng(seed, "inverse").permutation(len(flat))]

    def one(id: str, alone: bool, must: str, note: str) -> Metric:
        read = np.stack([model.actions_between(film, alone=alone) for film in films])
        parts = {name: float(np.corrcoef(read[..., k].ravel(), truth[..., k].ravel())[0, 1])
                 for k, name in enumerate(("x", "y", "z", "roll", "pitch", "yaw", "grip"))}
        return Metric(id, float(np.mean(list(parts.values()))), "",
                      {"shuffled": correlation(read.reshape(-1, 7), mixed)} | parts, len(flat),
                      must, "", f"mean over the 7 parts of an action; {note}")

    return [one("robotics.inverse_r", True, ">= 0.9", "from two looks"),
            one("robotics.inverse_film_r", False, "", "from two looks and the one before them")]


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Mean over the last axis of Pearson's r."""
    a, b = one.reshape(-1, one.shape[-1]), other.reshape(-1, other.shape[-1])
    return float(np.mean([np.corrcoef(a[:, k], b[:, k])[0, 1] for k in range(a.shape[1])]))
