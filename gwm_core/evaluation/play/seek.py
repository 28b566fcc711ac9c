"""How soon any tick of a long walk is shown: after a jump, after a reload, from a saved world."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import numpy as np

from ...controls import Controls
from ...noise import rng
from ...walk import Walk
from ..report import Metric
from ..worlds.wander import wander
from .server import PLAY, Comfy, loaded_world, new_world, played
from .visitor import Visitor

LONG, SHORT = 5000, 600
JUMPS = 12
STATES_MB, CLIPS_MB = 1024, 16
"""What the server of the short walk keeps."""
PROMPT = "a brick hall at dusk, two red balls"
Say = Callable[[str], None]


def measure(
    comfy: Comfy, model, seed: int, ticks: int, say: Say
) -> tuple[list[Metric], list[str]]:
    """(metrics, problems) of a walk of ``ticks``."""
    graph = new_world(PROMPT, seed, model.name)
    rows = wander(ticks, rng(seed, "play", "seek"))
    walk = Walk(Controls(rows, (), model.embodiment)).to_json()
    comfy.fresh()
    if ticks != LONG:  # else all of so short a walk is kept as pictures, and nothing is replayed
        comfy.stores(graph, STATES_MB, CLIPS_MB)
    say(f"making {ticks} ticks")
    started = time.perf_counter()
    saved = comfy.run(_made(graph, walk), timeout=3600)["9"]["text"][0]
    made = time.perf_counter() - started
    say(f"{JUMPS} jumps and a reload")
    jumps, reload = asyncio.run(
        _jump(comfy, graph, walk, targets(ticks, model.store.every, seed))
    )
    comfy.fresh()
    say("the saved world in a clean server")
    load = asyncio.run(_load(comfy, graph, saved, model.name))
    name = "play.seek_s" if ticks == LONG else f"play.seek{ticks}_s"
    beside = {"median jump": float(np.median(list(jumps.values()))), "reload": reload,
              "saved world": load}
    worst = max(jumps, key=jumps.get)
    metric = Metric(name, max(*jumps.values(), reload, load), "s", beside, len(jumps) + 2, "<= 3",
                    note=f"the longest jump was to tick {worst} of {ticks}, {jumps[worst]:.2f} s; "
                    f"the walk took {made:.0f} s to make")
    return [metric], []


def targets(ticks: int, every: int, seed: int) -> list[int]:
    """Ticks to jump to: random ones, and two that are farthest from a kept state. every: ticks
    between those states."""
    generator = rng(seed, "play", "jumps")
    random = [int(tick) for tick in generator.integers(1, ticks, JUMPS - 2)]
    middle = ticks // 2 // every * every
    return [*random, middle + every - 1, ticks // every * every - 1]


def _made(graph: dict, walk: dict) -> dict:
    """The walk's run, and its end saved. Few frames are kept: thousands would fill the memory."""
    save = {"class_type": "GWMSaveWorld",
            "inputs": {"world": [PLAY, 0], "filename_prefix": "bench/seek"}}
    return {**played(graph, walk, max_frames=1), "9": save}


async def _jump(comfy: Comfy, graph: dict, walk: dict, ticks: list[int]):
    """Seconds of each jump, and of opening the walk anew as a reloaded page does."""
    jumps = {}
    async with Visitor(comfy) as visitor:
        await visitor.open(graph, walk)
        for tick in ticks:
            jumps[tick] = await visitor.seek(tick)
    async with Visitor(comfy) as visitor:
        started = time.perf_counter()
        await visitor.open(graph, walk)
        return jumps, time.perf_counter() - started


async def _load(comfy: Comfy, graph: dict, file: str, model: str) -> float:
    """Seconds from opening the player on a saved world to its picture; the model is loaded."""
    async with Visitor(comfy) as visitor:
        await visitor.open(graph)
    async with Visitor(comfy) as visitor:
        started = time.perf_counter()
        await visitor.open(loaded_world(file, model))
        return time.perf_counter() - started
