"""`gwm bench worlds`: speed and memory of gwm-rooms on this machine, imagining included.

The short run takes some minutes. What needs thousands of ticks comes from ``full`` (resumable),
whose report is committed beside the checkpoint; the short run shows those figures, measures a
short piece of each again, and finds a problem where the piece is clearly worse.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ..controls import Controls
from ..noise import rng
from ..worlds.threads import one_thread
from .bench_model import matmul_fraction, recompute_share
from .report import Metric, Report, machine
from .worlds.wander import wander

Say = Callable[[str], None]
PROMPTS = (
    "a brick hall at dusk, two red balls",
    "a bright kitchen by day",
    "a foggy cellar, night",
)
WARM_TICKS, SPEED_TICKS = 24, 120
EARLY, LATE, LAST = 100, 5000, 10_000  # ticks
SHORT_LATE = 600
TIMED = 100  # ticks timed at each place
CHUNK = 100  # ticks between two notes of the long run
STORE_BYTES = 64 << 20
SETTLED = 1000  # from here on memory must be flat: before, stores and pools fill up
WORSE = 1.2  # a short piece may be this much worse than the committed figure
STAND_INS = {f"bench.tick{SHORT_LATE}_ratio": f"bench.tick{LATE}_ratio"}
"""A short piece of the long walk -> the long figure that it stands for."""
COMMITTED = Path(__file__).resolve().parents[1] / "checkpoints"


def bench(
    seed: int = 0, full: bool = False, progress: Say = print, model: str = "gwm-rooms"
) -> Report:
    """All figures of speed and memory. full: also the long walk of 10,000 ticks."""
    from ..worlds import load

    started = time.perf_counter()
    loaded = load(model)
    load_s = time.perf_counter() - started
    progress("first pictures and speed")
    metrics = [Metric("bench.load_s", load_s, "s", n=1), *speed(loaded, seed)]
    progress("how well the dynamics uses the machine")
    metrics += efficiency(loaded)
    progress("constant cost")
    walk = LongWalk(loaded, seed, progress)
    long = walk.measure(LATE, LAST) if full else walk.measure(SHORT_LATE, SHORT_LATE)
    report = Report("worlds", metrics, seed, loaded.fingerprint)
    if full:
        report.metrics += long
        walk.forget()
    else:
        compare(report, long, COMMITTED / f"{model}.bench.json")
    return report


def tick_seconds(world, rows: np.ndarray) -> tuple[object, list[float]]:
    """(the world after ``rows`` of controls, seconds of each tick)."""
    times = [time.perf_counter()]
    controls = Controls(np.asarray(rows, np.float32), (), world.embodiment)
    world, _ = world.step(controls, lambda *_: times.append(time.perf_counter()))
    return world, list(np.diff(times))


def speed(model, seed: int) -> list[Metric]:
    """Speed of a walk with sound, and the time to a prompt's first picture."""
    rate, per_tick = model.embodiment.tick_rate, model.embodiment.frames_per_tick
    firsts, times = [], []
    for number, prompt in enumerate(PROMPTS):
        started = time.perf_counter()
        world = model.new_world(prompt=prompt, seed=seed + number)
        firsts.append(time.perf_counter() - started)
        generator = rng(seed, "bench", number)
        world, _ = tick_seconds(world, wander(WARM_TICKS, generator))
        times += tick_seconds(world, wander(SPEED_TICKS, generator))[1]
    seconds, n = float(np.sum(times)), len(times)
    clip = {"the clip's own": float(rate * per_tick)}
    return [
        # The first one of a process also compiles; it is the longest wait that there is.
        Metric("bench.first_picture_s", max(firsts), "s", n=len(firsts), must="<= 3"),
        Metric("bench.fps", n * per_tick / seconds, "frames/s", clip, n, ">= 20", ">= 24"),
        Metric("bench.realtime_ratio", n / rate / seconds, "x", {"real time": 1.0}, n, ">= 1.2"),
        Metric(
            "bench.p95_tick_ratio",
            float(np.quantile(times, 0.95)) * rate,
            "of a tick",
            {"median": float(np.median(times)) * rate, "worst": max(times) * rate},
            n,
            "<= 1",
        ),
    ]


def efficiency(model) -> list[Metric]:
    """The dynamics' forward against plain matrix products, its ring against recomputing; all on
    one thread, as worlds are played."""
    dynamics = model.parts.dynamics
    with one_thread():
        share, ring = matmul_fraction(dynamics), recompute_share(dynamics)
    ideal = ring["details"]["ideal_ratio"]
    return [
        Metric(
            "bench.matmul_fraction",
            share["value"],
            baselines={"GFLOP/s of the machine": share["details"]["machine_gflops"]},
            must=">= 0.5",
            note=f"one pass takes {share['details']['step_ms']:.1f} ms",
        ),
        Metric(
            "bench.recompute_share",
            ring["value"],
            baselines={"ideal speed-up": ideal, "speed-up": ring["details"]["ratio"]},
            must=">= 0.7",
            note=f"W {ring['W']}, s {ring['s']}, commits {ring['commits']}",
        ),
    ]


class LongWalk:
    """One walk of thousands of ticks. It goes on from its last note when it is run again."""

    def __init__(self, model, seed: int, say: Say):
        self.model, self.seed, self.say = model, seed, say
        model.store.resize(STORE_BYTES)  # else states for rewinding fill it all along the walk
        self.folder = Path(tempfile.gettempdir()) / f"gwm-bench-{model.fingerprint[:12]}-{seed}"
        self.note = self.folder / "note.json"

    def rows(self, ticks: int) -> np.ndarray:
        return wander(ticks, rng(self.seed, "bench", "long"))

    def kept_world(self, tick: int):
        """The world that was kept at ``tick``."""
        from ..world import load_world

        return load_world(self.folder / f"{tick}.gwm", self.model)

    def states(self, tick: int, last: int) -> Iterator[tuple[int, object, float]]:
        """(tick, world, resident MB) at every CHUNK ticks from the kept ``tick`` to ``last``."""
        rows = self.rows(LAST + TIMED)
        if tick:
            world = self.kept_world(tick)
        else:
            world = self.model.new_world(prompt=PROMPTS[0], seed=self.seed)
        while tick < last:
            world, _ = tick_seconds(world, rows[tick : tick + CHUNK])
            tick += CHUNK
            yield tick, world, resident_mb()

    def keep(self, tick: int, world, facts: dict) -> None:
        """Write down where the walk is, so that the next run goes on from here."""
        self.folder.mkdir(exist_ok=True)
        world.save(self.folder / f"{tick}.gwm")
        temporary = self.note.with_suffix(".part")
        temporary.write_text(json.dumps({**facts, "tick": tick}))
        os.replace(temporary, self.note)

    def facts(self) -> dict:
        return json.loads(self.note.read_text()) if self.note.is_file() else {}

    def forget(self) -> None:
        """Remove the notes of a walk that is done."""
        for file in self.folder.glob("*"):
            file.unlink()
        if self.folder.is_dir():
            self.folder.rmdir()

    def measure(self, late: int, last: int) -> list[Metric]:
        """Cost of a tick at ``late`` against one at EARLY, and memory up to ``last``."""
        facts = self.facts() if last == LAST else {}
        # States, not worlds: the small store would replay a world for every tick.
        early = self.kept_world(EARLY).state() if facts else None
        facts.pop("settled_mb", None)  # of another process: not to be compared with this one
        for tick, world, memory in self.states(facts.get("tick", 0), last):
            if tick == EARLY:
                early = world.state()
            if tick >= min(SETTLED, late):
                facts.setdefault("settled_mb", memory)
            if tick == late:
                facts["pair"] = self.compare(early, world.state())
                facts["bytes"] = [state_bytes(early), state_bytes(world.state())]
            if tick % 500 == 0:
                self.say(f"tick {tick}: {memory:.0f} MB")
            if last == LAST and (tick == EARLY or tick % 1000 == 0):
                self.keep(tick, world, facts)
            facts["last_mb"] = memory
        at_late, at_early = facts["pair"]
        name = f"bench.tick{late}_ratio"
        early_bytes, late_bytes = facts["bytes"]
        metrics = [
            Metric(
                name,
                at_late / at_early,
                "x",
                {f"ms at {EARLY}": at_early * 1e3, f"ms at {late}": at_late * 1e3},
                TIMED,
                "<= 1.05",
            ),
            Metric(
                f"bench.state{late}_mb",
                late_bytes / 1e6,
                "MB",
                {f"at {EARLY}": early_bytes / 1e6},
                1,
            ),
        ]
        if last > SETTLED:
            growth = facts["last_mb"] - facts["settled_mb"]
            baseline = {f"resident at {SETTLED}": facts["settled_mb"]}
            metrics.append(Metric("bench.memory_growth_mb", growth, "MB", baseline, last, "<= 50"))
        return metrics

    def compare(self, early, late) -> tuple[float, float]:
        """Median seconds of a tick at the later and at the earlier state, tick by tick in turn,
        so that whatever else the machine does slows both alike."""
        rows = self.rows(LAST + TIMED)[LAST:]
        states = [late, early]
        times: list[list[float]] = [[], []]
        for row in rows:
            controls = Controls(np.asarray(row[None], np.float32), (), self.model.embodiment)
            for side in (0, 1):
                started = time.perf_counter()
                states[side], _ = self.model.advance(states[side], controls, ())
                times[side].append(time.perf_counter() - started)
        return float(np.median(times[0])), float(np.median(times[1]))


def compare(
    report: Report,
    pieces: list[Metric],
    committed: Path,
    stand_ins: Mapping[str, str] = STAND_INS,
) -> None:
    """Add the committed long figures to a short report, and what the short pieces say of them.

    Without a committed report the short pieces stand alone. On the machine that made it, a
    figure that is clearly worse now is a problem. stand_ins: id of a short piece -> id of the
    long figure that it stands for.
    """
    report.metrics += pieces
    if not committed.is_file():
        return
    kept = Report.from_json(json.loads(committed.read_text()))
    if kept.fingerprint != report.fingerprint:
        report.problems.append(f"{committed.name} belongs to another checkpoint")
        return
    here = {metric.id: metric for metric in report.metrics}
    for metric in kept.metrics:
        if metric.id not in here:
            metric.note = f"from {committed.name} ({kept.commit})"
            report.metrics.append(metric)
    same = _same_machine(kept.machine, machine())
    long = {metric.id: metric for metric in kept.metrics}
    pairs = [(long[id], here[id]) for id in long if id in here]
    pairs += [(long[whole], here[piece]) for piece, whole in stand_ins.items()
              if piece in here and whole in long]
    for was, now in pairs if same else ():
        if was.must and _worse(was, now):
            report.problems.append(f"{now.id} is {now.value:.3g}, was {was.value:.3g}")


def _worse(was: Metric, now: Metric) -> bool:
    """Whether a figure is clearly worse. Figures far on the good side of their bound (no gap in
    the sound, a growth of half a megabyte) are held against half of the bound instead."""
    more_is_better = was.must.strip().startswith(">=")
    limit = float(was.must.strip()[2:])
    worse_by = was.value - now.value if more_is_better else now.value - was.value
    return not worse_by <= (WORSE - 1) * max(abs(was.value), abs(limit) / 2)


def _same_machine(one: dict, other: dict) -> bool:
    keys = ("cpu", "cores", "threads", "torch", "gpu")
    return all(one.get(key) == other.get(key) for key in keys)


def state_bytes(state) -> int:
    """Bytes of everything that the next tick depends on: kept pixels, ring, bodies."""
    parts = {id(part): int(part.nbytes) for part in state.buffers()}
    return sum(parts.values())


def resident_mb(pid: int | None = None) -> float:
    """Memory that a process holds, in MB; this one's when no other is named."""
    try:
        pages = int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError):
        if pid is not None:
            return math.nan
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
