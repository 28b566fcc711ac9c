"""Is imagined data as good to learn from as true data? Cloning on both, tried in the true world."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...noise import rng
from ...robotics.cloned import Cloned, examples
from ...robotics.episode import Episode
from ...robotics.evaluation import Start, evaluate, in_model
from ...robotics.eyes import Eyes, load_eyes
from ...robotics.probes import TaskProbe
from ...robotics.rollouts import MAX_TICKS
from ...robotics.scripted import make_policy
from ...robotics.starts import load_starts
from ...robotics.table_model import TableModel
from ...training.cloning import clone
from ..report import Metric

TASK, TEACHER = "push", "expert"
SPARE = 1.5
"""Runs for each episode that is wanted: some fail and are left out."""
BATCH = 10
Say = Callable[[str], None]


def lessons(run, starts: list[Start], eyes: Eyes, wanted: int, seed: int) -> list[Episode]:
    """The first ``wanted`` runs of the teacher that the world itself calls a success."""
    kept: list[Episode] = []

    def keep(policy: str, start: int, episode: Episode) -> None:
        if episode.success and len(kept) < wanted:
            kept.append(episode)

    evaluate({TEACHER: lambda: make_policy(TEACHER, TASK, eyes)}, starts, run, seed=seed,
             batch=BATCH, keep=keep, stop=None)
    return kept


def synthetic(model: TableModel, wanted: int, tries: int, seed: int, say: Say) -> list[Metric]:
    """robotics.synthetic_bc_ratio: true success of a policy cloned on imagined episodes over that
    of one cloned on as many true ones. The teacher sees pixels alone; imagined episodes begin at
    first looks of scenes of training and are kept by the success that is read from generated
    pixels."""
    from ...simulators.tabletop.truth import in_simulator, simulated_starts

    eyes = load_eyes()
    draw = rng(seed, "synthetic")
    scenes = [2 * int(s) for s in draw.integers(2**40, size=int(SPARE * wanted))]
    say(f"synthetic data: first looks of {len(scenes)} scenes")
    starts = simulated_starts(TASK, scenes)
    worlds = {"true": in_simulator(), "imagined": in_model(model, probe=TaskProbe(eyes))}
    held_out = load_starts(TASK, tries)
    rates, counts, teacher = {}, {}, {}
    for name, world in worlds.items():
        say(f"synthetic data: {name} lessons")
        episodes = lessons(world, starts, eyes, wanted, seed)
        counts[name] = len(episodes)
        if not episodes:
            rates[name] = 0.0
            continue
        say(f"synthetic data: cloning on {len(episodes)} {name} episodes")
        net = clone(*examples(episodes, TASK, eyes), seed=seed)
        found = evaluate({name: lambda net=net: Cloned(net, TASK, eyes)}, held_out,
                         in_simulator(MAX_TICKS), seed=seed, batch=BATCH)
        rates[name] = float(np.nanmean(found.success))
    found = evaluate({TEACHER: lambda: make_policy(TEACHER, TASK, eyes)}, held_out,
                     in_simulator(MAX_TICKS), seed=seed, batch=BATCH)
    teacher = float(np.nanmean(found.success))
    ratio = rates["imagined"] / rates["true"] if rates["true"] else float("nan")
    return [Metric("robotics.synthetic_bc_ratio", ratio, "",
                   {"cloned on true episodes": rates["true"],
                    "cloned on imagined episodes": rates["imagined"], "teacher": teacher},
                   tries, ">= 0.8", ">= 0.95",
                   f"{counts['true']} true and {counts['imagined']} imagined episodes of {TASK}"),
            Metric("robotics.synthetic_true_success", rates["true"], "", {"teacher": teacher},
                   tries, ">= 0.6")]
