"""Live play against the runs of what was played: bit for bit the same, also with four at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...noise import rng
from ..report import Metric
from ..worlds.wander import JUMP, PUSH, THROW, wander
from .figures import differing, fairness
from .server import Comfy, new_world
from .visitor import Visitor

PROMPTS = (
    "a brick hall at dusk, two red balls",
    "a bright kitchen by day",
    "a foggy cellar, night",
    "a white gallery at noon, a blue box",
)
FIRST_TICKS, AGAIN_TICKS, BACK = 72, 36, 24
PLAYERS, PLAYERS_SECONDS = 4, 15.0
Say = Callable[[str], None]


@dataclass
class Played:
    """One player's walk, with what was shown live: {tick: [frames' marks, sound's mark]}."""

    graph: dict
    walk: dict
    live: dict[int, list]
    told: int = 0
    """Ticks that it got while all played."""


def measure(comfy: Comfy, seed: int, say: Say, model: str) -> tuple[list[Metric], list[str]]:
    """(metrics, problems). Ends with a clean server on which all walks were made again."""
    comfy.fresh()
    say("a walk with throws, an event and a rewind")
    alone = _listened(comfy, play_alone(comfy, seed, model))[0]
    queued, told = comfy.given(alone.graph, alone.walk)
    say(f"{PLAYERS} players at once")
    crowd = _listened(comfy, play_together(comfy, seed, model))
    comfy.fresh()
    say("the same walks in a clean server")
    again, _ = comfy.given(alone.graph, alone.walk)
    solo = [comfy.given(player.graph, player.walk)[0] for player in crowd]
    metrics, problems = exact(alone, queued, told, again)
    more, wrong = together(crowd, solo)
    return metrics + more, problems + wrong


def exact(alone: Played, queued: dict, told: dict, again: dict) -> tuple[list[Metric], list[str]]:
    """What was shown live against the queue's run and another server's, tick by tick."""
    problems = []
    for where, run in (("the queue's run", queued), ("a clean server's run", again)):
        if ticks := differing(run, alone.live):
            problems.append(f"{len(ticks)} of {len(run)} ticks of {where} differ from live play, "
                            f"the first is {ticks[0]}")
    if told.get("same") is not True:
        problems.append("the run does not find the recorded hash of the last frame")
    count = alone.walk["controls"]["ticks"]
    if len(queued) != count or len(again) != count:
        problems.append(f"{len(queued)} and {len(again)} ticks came of a walk of {count}")
    note = "frames and sound before encoding, live = queue = clean server"
    return [Metric("play.exact", float(not problems), n=count, must=">= 1", note=note)], problems


def together(crowd: list[Played], solo: list[dict]) -> tuple[list[Metric], list[str]]:
    """How evenly players were served, and whether each saw its own world only."""
    problems = []
    for number, (player, run) in enumerate(zip(crowd, solo, strict=True)):
        # Ticks that were merged for a slow page were shown to the probe all the same.
        if ticks := differing(run, player.live):
            problems.append(f"player {number + 1} of {len(crowd)}: {len(ticks)} of {len(run)} "
                            f"ticks differ from its own run, the first is {ticks[0]}")
    counts = [player.told for player in crowd]
    each = {"ticks a second each": float(np.mean(counts)) / PLAYERS_SECONDS}
    metric = Metric("play.players4_ratio", fairness(counts), "of the mean", each, sum(counts),
                    aim=">= 0.9", note="the slowest of four players' ticks; 1 is fair")
    return [metric], problems


def _listened(comfy: Comfy, playing) -> list[Played]:
    """Let players play; each with what the probe heard of it."""
    comfy.listen()
    players = asyncio.run(playing)
    heard = comfy.heard()
    comfy.listen(False)
    for player in players:
        marks = player.live
        fits = [h for h in heard if all(t in h and h[t][0] == mark for t, mark in marks.items())]
        player.live = {tick: mark[1:] for tick, mark in fits[0].items()} if fits else {}
    return players


async def play_alone(comfy: Comfy, seed: int, model: str) -> list[Played]:
    """A walk with everything in it: keys, mouse, throws, an event, a rewind and a new end."""
    graph = new_world(PROMPTS[0], seed, model)
    rows = _eager(FIRST_TICKS + AGAIN_TICKS, rng(seed, "play", "alone"))
    async with Visitor(comfy) as visitor:
        await visitor.open(graph)
        await visitor.play(rows[:FIRST_TICKS], {FIRST_TICKS // 3: "the lights go out"})
        await visitor.seek(visitor.tick - BACK)
        await visitor.play(rows[FIRST_TICKS:], {3: "dense fog rolls in"})
        return [Played(graph, visitor.walk, visitor.marks)]


async def play_together(comfy: Comfy, seed: int, model: str) -> list[Played]:
    """Four worlds played at once for a while."""
    ready: list[Visitor] = []
    graphs = [new_world(prompt, seed + n, model) for n, prompt in enumerate(PROMPTS[:PLAYERS])]
    counts: list[int] = []

    async def begin(number: int) -> Visitor:
        visitor = await Visitor(comfy).__aenter__()
        ready.append(visitor)
        await visitor.open(graphs[number])
        return visitor

    async def press(visitor: Visitor, number: int) -> None:
        rows = _eager(2000, rng(seed, "play", "together", number))
        names = [c.name for c in visitor.embodiment.controls if c.kind == "button"]
        for row in rows:
            held = dict(zip(names, (int(v) for v in row), strict=False))
            await visitor.press(held | {"look": row[len(names):].tolist()})
            await asyncio.sleep(1 / 12)

    try:
        visitors = [await begin(number) for number in range(PLAYERS)]
        pressing = [asyncio.create_task(press(v, n)) for n, v in enumerate(visitors)]
        for visitor in visitors:
            await visitor.say("play")
        for visitor in visitors:
            await visitor.until(lambda v=visitor: v.tick > 2)
        before, started = [v.tick for v in visitors], time.perf_counter()
        await asyncio.sleep(PLAYERS_SECONDS)
        spent = time.perf_counter() - started
        counts = [v.tick - b for v, b in zip(visitors, before, strict=True)]
        counts = [round(count * PLAYERS_SECONDS / spent) for count in counts]
        for task in pressing:
            task.cancel()
        for visitor in visitors:
            await visitor.say("pause", tick=visitor.tick)
        for visitor in visitors:
            await visitor.until(lambda v=visitor: v.state.get("state") == "paused")
        return [Played(graph, v.walk, v.marks, count)
                for graph, v, count in zip(graphs, visitors, counts, strict=True)]
    finally:
        for visitor in ready:
            await visitor.__aexit__()


def _eager(ticks: int, generator: np.random.Generator) -> np.ndarray:
    """A wandering walk that also jumps, pushes and throws."""
    rows = wander(ticks, generator)
    for key, share in ((JUMP, 0.02), (PUSH, 0.03), (THROW, 0.03)):
        rows[generator.random(ticks) < share, key] = 1
    return rows
