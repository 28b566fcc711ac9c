"""Speed of a table model, as ratios in one run and as steps a second."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from ...noise import rng
from ...robotics.evaluation_job import Job, evaluate_jobs, stored_starts
from ...robotics.rollouts import stacked
from ...robotics.starts import load_starts
from ...robotics.table_model import TableModel
from ..report import Metric
from .ranking import built_in, imagined_world

PAST, AHEAD, BRANCHES, REPEATS = 16, 16, 8, 5
CHUNK = 17
PLAYERS, POOL_STARTS = ("expert", "noisy-15", "slow-40", "inexact-40"), 20


def plans(seed: int, runs: int, ticks: int) -> np.ndarray:
    """Smooth random actions float32 [R, T, 7] within the limits."""
    draw = rng(seed, "bench", "plans")
    slow = draw.uniform(-1, 1, (runs, -(-ticks // 8), 7)).repeat(8, axis=1)[:, :ticks]
    return (slow * np.array([0.03, 0.03, 0.03, 0.1, 0.1, 0.1, 0.3])).astype(np.float32)


def speed(model: TableModel, seed: int, say: Callable[[str], None]) -> list[Metric]:
    """robotics.steps_per_s and robotics.branch_cost_ratio; medians of REPEATS runs."""
    look = stacked([load_starts("push", 1)[0].observation])
    many = plans(seed, BRANCHES, PAST + AHEAD)
    first = model.begin(look)

    def ticks(state, rows) -> None:
        for t in range(rows.shape[1]):
            state, _ = model.step(state, rows[:, t])
        return state

    ticks(first, many[:1, :4])  # what is compiled and loaded at first
    single, alone, branched, bare = [], [], [], []
    for _ in range(REPEATS):
        say("speed: one run, eight runs, eight branches")
        began = time.perf_counter()
        ticks(first, many[:1])
        single.append(time.perf_counter() - began)
        began = time.perf_counter()
        for k in range(BRANCHES):
            ticks(first, many[k : k + 1])
        alone.append(time.perf_counter() - began)
        began = time.perf_counter()
        past = ticks(first, many[:1, :PAST])
        ticks(past.pick([0] * BRANCHES), many[:, PAST:])
        branched.append(time.perf_counter() - began)
        began, state = time.perf_counter(), first
        for t in range(PAST + AHEAD):
            state, _ = model.step(state, many[:1, t], draw=False)
        bare.append(time.perf_counter() - began)
    count = PAST + AHEAD
    rate = count / float(np.median(single))
    ratio = float(np.median(np.array(branched) / np.array(alone)))
    return [
        Metric("robotics.steps_per_s", rate, "1/s",
               {"without pictures": count / float(np.median(bare))}, REPEATS * count, ">= 40",
               note="one run, three views of 64x64"),
        Metric("robotics.branch_cost_ratio", ratio, "x",
               {"8 whole runs": 1.0, "in theory": (PAST + BRANCHES * AHEAD) / (BRANCHES * count)},
               REPEATS, "<= 0.65",
               note=f"{BRANCHES} branches of {AHEAD} steps from {PAST} shared ones"),
    ]


def sdk_chunk(model: TableModel, seed: int, say: Callable[[str], None]) -> list[Metric]:
    """robotics.sdk_chunk_s: a chunk of 17 actions through Runway's client, round trip; [] where the
    client is not installed."""
    try:
        from runway_robotics_sdk import RunwayRobotics
    except ImportError:
        say('the client is not measured: pip install "gwm[test]" installs runway-robotics-sdk')
        return []
    from ...serve.server import Server

    look = load_starts("push", 1)[0].observation
    views, felt = look["pixels"], look["agent_pos"]
    path = felt[:7] + np.cumsum(plans(seed, 1, CHUNK * (REPEATS + 1))[0], axis=0)
    path[:, 6] = 0.0  # the fingers stay open
    seconds = []
    with Server(model) as server:
        client = RunwayRobotics(api_key="local", base_url=server.url)
        world = client.world_model.create(views["front"], views["wrist"])
        for k in range(REPEATS + 1):
            say(f"chunk {k + 1} of {REPEATS + 1} through runway-robotics-sdk")
            began = time.perf_counter()
            world.step(path[k * CHUNK : (k + 1) * CHUNK])
            seconds.append(time.perf_counter() - began)
    state = model.begin(stacked([look]))
    began = time.perf_counter()
    for row in plans(seed, 1, CHUNK)[0]:
        state, _ = model.step(state, row)
    alone = time.perf_counter() - began
    return [Metric("robotics.sdk_chunk_s", float(np.median(seconds[1:])), "s",
                   {"the first, which begins": seconds[0], "the model alone": alone}, REPEATS,
                   "<= 1.5", note="the client sleeps .75 to 1.25 s between two questions")]


def workers(model: str, seed: int, say: Callable[[str], None]) -> list[Metric]:
    """robotics.pool_speedup: the same evaluation here and in pools of one and two processes, the
    start of the processes included."""
    policies = {name: one for name, one in built_in("push").items() if name in PLAYERS}
    job = {"push": Job(policies, stored_starts("push"), POOL_STARTS, imagined_world(model), seed)}
    rates, reports = {}, []
    for name, executor, count in (("inline", "inline", 1), ("a pool of 1", "pool", 1),
                                  ("a pool of 2", "pool", 2)):
        say(f"{len(PLAYERS)} policies from {POOL_STARTS} starts: {name}")
        began = time.perf_counter()
        results = evaluate_jobs(job, executor, count)["push"]
        rates[name] = float(results.ticks.sum()) / (time.perf_counter() - began)
        reports.append(results.to_json())
    if not reports[0] == reports[1] == reports[2]:
        raise AssertionError("the executors gave different reports")
    return [Metric("robotics.pool_speedup", rates["a pool of 2"] / rates["inline"], "x",
                   {f"ticks/s {name}": rate for name, rate in rates.items()}, len(PLAYERS) *
                   POOL_STARTS, note="the three reports are the same")]
