"""How well pictures of held-out rooms are read: the whole estimator, at the size of a view."""

from __future__ import annotations

import numpy as np

from ..depth import DepthEstimator
from ..simulators.rooms.layout import HELD_OUT

UNKNOWN = 255
FLOOR, WALL, CEILING = 0, 1, 2


def held_out(layouts: int = 12, views: int = 4, seed: int = 0) -> list[dict]:
    """Views of held-out layouts as first pictures are taken: mostly level, in all lights."""
    from ..simulators.rooms.nav import Map
    from ..simulators.rooms.sim import Rooms
    from .depth_data import pose_in

    rng = np.random.Generator(np.random.Philox(key=[seed, 5]))
    out = []
    for layout in list(HELD_OUT)[:layouts]:
        sim = Rooms(layout)
        places = Map(sim.layout, sim.model.solid, 0.38)
        for _ in range(views):
            pose = pose_in(places, rng, 0.75)
            light = 0 if rng.random() < 0.5 else int(rng.integers(18))
            view = sim.render(pose, light)
            out.append({"rgb": view["rgb"], "depth": view["depth"], "label": view["label"],
                        "pose": pose, "light": light, "layout": layout})
        sim.close()
    return out


def measure(model, seed: int = 0, cases: list[dict] | None = None) -> dict[str, float]:
    """Errors of log-depth as read from nothing but the picture, shares of right parts and themes,
    and the error of the tilt (degrees)."""
    estimator = model if isinstance(model, DepthEstimator) else DepthEstimator(model)
    rows: dict[str, list] = {k: [] for k in ("depth", "wall", "ceiling", "parts", "themes")}
    tilts, each = [], []
    for case in cases if cases is not None else held_out(seed=seed):
        made = estimator.estimate(case["rgb"])
        error, label = np.abs(np.log(made.depth / case["depth"])), case["label"]
        known = label != UNKNOWN
        part = np.where(known, label & 7, UNKNOWN)
        rows["depth"].append(error.ravel())
        each.append(np.median(error))
        for name, index in (("wall", WALL), ("ceiling", CEILING)):
            rows[name].append(error[part == index])
        told = made.label != UNKNOWN
        rows["parts"].append((told & ((made.label ^ label) & 7 == 0))[known])
        rows["themes"].append((told & (made.label >> 3 == label >> 3))[known])
        tilts.append(abs(made.pitch - case["pose"][4]))
    every = {k: np.concatenate(v) for k, v in rows.items()}
    middle = {f"{k}_error_median": float(np.median(every[k])) for k in ("depth", "wall", "ceiling")}
    figures = {**middle, "depth_error_mean": float(every["depth"].mean()),
               "depth_error_p90": float(np.quantile(every["depth"], 0.9)),
               "worst_quarter_of_views": float(np.quantile(each, 0.75)),
               "parts": float(every["parts"].mean()), "themes": float(every["themes"].mean()),
               "tilt_error_deg": float(np.degrees(np.mean(tilts)))}
    return {k: round(v, 4) for k, v in figures.items()}
