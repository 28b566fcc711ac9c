"""Ablations: the same cases without the guide, and with the dynamics as the only imaginer.

Neither is a way to run a world that the pack offers; both are made here from the model's parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np

from ...imagine import Imagined
from ...worlds import RoomsModel, tick
from ...worlds.correction import VIEW
from ...worlds.view import Look
from ..report import Metric
from . import picture
from .suite import Suite
from .wander import full_turn

SHIPPED, DYNAMICS, BLIND = "shipped", "imaginer_dynamics", "without_guide"


class NothingKept:
    """An imaginer that is never sure: no imagined view is kept, so that every pixel which the
    first picture did not show is what the dynamics makes of smooth filling, tick after tick."""

    name = "dynamics"

    def imagine(self, rgb, disparity, mask, *, label=None, pose=None, fov_deg=60.0, context=None,
                seed=0) -> Imagined:
        depth = 1.0 / np.maximum(disparity, 1 / 60)
        return Imagined(rgb, depth.astype(np.float32), label, np.zeros(mask.shape, bool),
                        placements=context.placements if context else ())


def another(model: RoomsModel, **changes) -> RoomsModel:
    """The model with some parts changed, and with a store of its own."""
    made = RoomsModel(model.name, model.metadata, model.network, replace(model.parts, **changes))
    made.trace = True
    return made


@contextmanager
def without_guide() -> Iterator[None]:
    """Every tick is the dynamics' own: what it is given is the picture it made the tick before,
    none of it covered. Bodies, collisions and sound stay as they are."""
    seen = tick.look

    def blind(parts, state, pose, bodies) -> Look:
        view = seen(parts, state, pose, bodies)
        rgb, near = parts.patches.decode(state.history.past.tokens[VIEW][0, 0].cpu())
        depth = 1.0 / np.maximum(near[-1], 1 / 60)
        nothing = np.zeros(view.guide.covered.shape, bool)
        guide = view.guide.with_(rgb=rgb[-1], depth=depth.astype(np.float32), covered=nothing)
        return Look(guide, rgb[-1])

    tick.look = blind
    try:
        yield
    finally:
        tick.look = seen


def ablation(suite: Suite) -> list[Metric]:
    """worlds.ablation.*: a few cases as shipped, with the dynamics imagining, without guide."""
    found: dict[str, dict[str, float]] = {}
    count = suite.size.ablated
    walks, turns = suite.sets("walks")[:count], suite.sets("turns")[:count]
    shipped = suite.model
    for name in (SHIPPED, DYNAMICS, BLIND):
        suite.say(f"ablation: {name}")
        suite.model = another(shipped, **({"imaginer": NothingKept()} if name == DYNAMICS else {}))
        try:
            with without_guide() if name == BLIND else nullcontext():
                metrics = _measure(suite, walks, turns)
        finally:
            suite.model = shipped
        for metric in metrics:
            found.setdefault(metric.id, {})[name] = metric.value
            units = {m.id: m.unit for m in metrics}
    return [Metric(key.replace("worlds.", "worlds.ablation."), values[SHIPPED], units[key],
                   {k: v for k, v in values.items() if k != SHIPPED}, count)
            for key, values in found.items()]


def _measure(suite: Suite, walks, turns) -> list[Metric]:
    clips = [suite.frames(suite.play(suite.begin(case), case.controls)[1]) for case in walks]
    out = [m for m in picture.gains(walks, clips) if "gain" in m.id]
    turned = [suite.play(suite.begin(case), full_turn())[1] for case in turns]
    return out + suite.rooms(turns, turned)
