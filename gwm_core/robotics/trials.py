"""Single runs of an evaluation as rows: made in shards, kept as CSV, put together to a table.

    trials = run_trials(policies, starts, in_model(model, probe=probe), shard=(0, 4))
    text = to_csv(trials)                       # on each of four machines
    trials = together([from_csv(t) for t in texts])
    print(table(trials))

The seed of a run belongs to its start, as in ``evaluation.evaluate``. A shard takes whole batches,
so that four shards together are the unsharded evaluation, to the last bit.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RoboticsError
from ..noise import check_seed, rng
from .episode import Episode
from .evaluation import Run, Start
from .policy import check_policy

if TYPE_CHECKING:
    from .ranking import Ranking

NEVER = -1
"""In ``Trial.first``: the predicate was looked at and never broken."""
HEAD = ("task", "policy", "start", "seed", "success", "ticks")
MOST_CHARS = 20_000_000
Z = 1.959964
"""Of a 95 % interval."""


@dataclass(frozen=True)
class Trial:
    """One run. start: its number among the starts of the task. success: None where nobody knows.
    first: predicate -> first tick at which it was broken, NEVER where it never was."""

    task: str
    policy: str
    start: int
    seed: int
    success: bool | None
    ticks: int
    first: dict[str, int] = field(default_factory=dict)

    @property
    def key(self) -> tuple:
        """What tells runs apart."""
        return self.task, self.policy, self.start, self.seed


@dataclass(frozen=True)
class Summary:
    """All runs of a policy. rate and broken: shares 0..1, with a 95 % interval (Wilson); rate is
    None where success of a run is not known. predicates: name -> share of runs that broke it."""

    policy: str
    runs: int
    rate: float | None
    rate_within: tuple[float, float]
    broken: float | None
    broken_within: tuple[float, float]
    predicates: dict[str, float]
    ticks: float


def start_seed(seed: int, start: int) -> int:
    """The seed of every policy's run from a start, in every world."""
    return int(rng(check_seed(seed), "evaluation", start).integers(2**31))


def run_trials(
    policies: Mapping[str, Callable[[], Any]], starts: Sequence[Start], run: Run, *, seed: int = 0,
    offset: int = 0, batch: int = 8, shard: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], None] | None = None,
    keep: Callable[[Trial, Episode], None] | None = None,
) -> list[Trial]:
    """Every policy from every start in one world, or the part of a shard.

    policies  name -> a function that makes a policy; called once for every run
    run       ``evaluation.in_model(..)``, or another world
    offset    number of the first start
    batch     runs at a time; shards of other batches are not the same to the last bit
    shard     (i, n): batches i, i + n, ...
    progress  called with (runs done, runs of this shard)
    """
    part, parts = shard
    if not policies or not starts:
        raise RoboticsError(f"evaluation: {len(policies)} policies, {len(starts)} starts; one of "
                            "each at least is accepted")
    if parts < 1 or not 0 <= part < parts or batch < 1:
        raise RoboticsError(f"shard: {part} of {parts} in batches of {batch}; 0 to n - 1 of n, and "
                            "batches from 1 are accepted")
    groups = [(name, range(begin, min(begin + batch, len(starts))))
              for name in policies for begin in range(0, len(starts), batch)][part::parts]
    total, out = sum(len(rows) for _, rows in groups), []
    for name, rows in groups:
        made = [check_policy(policies[name]()) for _ in rows]
        seeds = [start_seed(seed, offset + j) for j in rows]
        episodes = run(made, [starts[j] for j in rows], seeds)
        for j, used, episode in zip(rows, seeds, episodes, strict=True):
            first = {k: min(v, default=NEVER) for k, v in episode.violations.items()}
            trial = Trial(starts[j].task, name, offset + j, used, episode.success, episode.ticks,
                          first)
            out.append(trial)
            if keep is not None:
                keep(trial, episode)
        if progress is not None:
            progress(len(out), total)
    return out


def together(parts: Iterable[Sequence[Trial]]) -> list[Trial]:
    """The trials of several shards, each once; RoboticsError where two tell a run differently."""
    found: dict[tuple, Trial] = {}
    for trial in (t for part in parts for t in part):
        if found.setdefault(trial.key, trial) != trial:
            raise RoboticsError(f"trials: two results of {trial.policy} from start {trial.start} "
                                f"with seed {trial.seed} ({trial.task}); shards of one evaluation "
                                "are accepted")
    return list(found.values())


# ------------------------------------------------------------------ CSV


def to_csv(trials: Sequence[Trial]) -> str:
    """A line a run, with a head: HEAD (success 1, 0 or empty), then a column for each predicate
    (first tick at which it was broken, -1 never, empty where it was not looked at)."""
    names = list(dict.fromkeys(name for t in trials for name in t.first))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*HEAD, *names])
    for t in trials:
        success = "" if t.success is None else int(t.success)
        writer.writerow([t.task, t.policy, t.start, t.seed, success, t.ticks,
                         *(t.first.get(name, "") for name in names)])
    return out.getvalue()


def from_csv(text: str) -> list[Trial]:
    """What ``to_csv`` wrote; several such texts after each other too. RoboticsError names the line
    that does not fit."""
    if len(text) > MOST_CHARS:
        raise RoboticsError(f"CSV: {len(text)} characters; up to {MOST_CHARS} are accepted")
    out, names = [], None
    for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
        if not row or not any(cell.strip() for cell in row):
            continue
        if tuple(row[: len(HEAD)]) == HEAD:
            names = row[len(HEAD):]
            continue
        if names is None:
            raise RoboticsError(f"CSV, line {number}: a head {','.join(HEAD)}.. is needed before")
        try:
            if len(row) != len(HEAD) + len(names):
                raise ValueError(f"{len(row)} columns, the head has {len(HEAD) + len(names)}")
            task, policy, *numbers = row
            start, seed, ticks = int(numbers[0]), int(numbers[1]), int(numbers[3])
            success = {"": None, "0": False, "1": True}[numbers[2].strip()]
            first = {n: int(v) for n, v in zip(names, numbers[4:], strict=True) if v.strip()}
            out.append(Trial(task, policy, start, seed, success, ticks, first))
        except (ValueError, KeyError) as problem:
            raise RoboticsError(f"CSV, line {number}: {problem}; a line of {','.join(HEAD)} and "
                                "predicates is accepted") from None
    return out


def read_rates(text: str) -> dict[str, float]:
    """Success rates 0..1 by policy: from trials as CSV, or from lines ``policy, rate`` (a rate, a
    percentage as in 85 %, or successes/runs). RoboticsError names the line that does not fit."""
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), start=1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    if lines and lines[0][1].startswith(",".join(HEAD)):
        return {s.policy: s.rate for s in summaries(from_csv(text)) if s.rate is not None}
    rates = {}
    for number, line in lines:
        name, _, value = line.rpartition(",")
        try:
            rate = _rate(value.strip())
        except (ValueError, ZeroDivisionError):
            rate = math.nan
        if not name.strip() or not 0 <= rate <= 1:
            raise RoboticsError(f"rates, line {number}: {line[:80]!r}; lines such as 'expert, "
                                "0.85', 'expert, 85 %' or 'expert, 17/20' are accepted")
        rates[name.strip()] = rate
    return rates


def _rate(text: str) -> float:
    if "/" in text:
        good, _, all_of = text.partition("/")
        return float(good) / float(all_of)
    return float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)


# ------------------------------------------------------------------ what they say


def wilson(good: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson): honest for few runs, and at 0 and 1."""
    if not of:
        return 0.0, 1.0
    share, spread = good / of, Z * Z / of
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def summaries(trials: Sequence[Trial]) -> list[Summary]:
    """One of each policy, the most successful first."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.policy, []).append(trial)
    out = []
    for name, of in groups.items():
        known = all(t.success is not None for t in of)
        good = sum(bool(t.success) for t in of)
        looked = all(t.first for t in of)
        bad = sum(any(v != NEVER for v in t.first.values()) for t in of)
        names = dict.fromkeys(n for t in of for n in t.first)
        shares = {n: float(np.mean([t.first[n] != NEVER for t in of if n in t.first]))
                  for n in names}
        out.append(Summary(
            name, len(of), good / len(of) if known else None, wilson(good, len(of)),
            bad / len(of) if looked else None, wilson(bad, len(of)), shares,
            float(np.mean([t.ticks for t in of]))))
    return sorted(out, key=lambda s: 1 if s.rate is None else -s.rate)


def compare(found: Sequence[Summary], rates: Mapping[str, float], task: str = "") -> Ranking | None:
    """The ranking against success rates from elsewhere, of the policies that both have; None where
    those are fewer than two."""
    from .ranking import rank  # brings scipy.stats: not at a host's start

    both = [s for s in found if s.rate is not None and s.policy in rates]
    if len(both) < 2:
        return None
    true = np.array([[rates[s.policy]] for s in both])
    return rank(true, np.array([[s.rate] for s in both]), [s.policy for s in both], task)


def table(trials: Sequence[Trial]) -> str:
    """Text for people: a line a policy."""
    found = summaries(trials)
    names = list(dict.fromkeys(n for s in found for n in s.predicates))
    width = max([len("policy"), *(len(s.policy) for s in found)])
    lines = [f"{'policy':<{width}}  runs  success      95 %       ticks  any broken"
             + "".join(f"  {name:>9}" for name in names)]
    for s in found:
        rate = "      -" if s.rate is None else f"{s.rate:7.1%}"
        within = "{:4.0%} .. {:4.0%}".format(*s.rate_within) if s.rate is not None else " " * 12
        bad = "         -" if s.broken is None else f"{s.broken:10.0%}"
        shares = "".join(f"  {s.predicates[n]:9.0%}" if n in s.predicates else f"  {'-':>9}"
                         for n in names)
        lines.append(f"{s.policy:<{width}}  {s.runs:4d}  {rate}  {within}  {s.ticks:6.1f}  {bad}"
                     f"{shares}")
    return "\n".join(lines)


def agreement(ranking: Ranking) -> str:
    """Text for people: how success rates from elsewhere are predicted."""
    def line(name: str, value: float | None, figure: str) -> str:
        within = ranking.intervals["policies"].get(figure)
        doubt = "" if within is None else f"  ({within[0]:.2f} .. {within[1]:.2f})"
        return f"{name:<24} {'-' if value is None else f'{value:.3f}':>7}{doubt}"

    return "\n".join([
        f"against the given rates of {len(ranking.policies)} policies",
        "(95 % intervals over policies)",
        line("Pearson r", ranking.pearson, "pearson"),
        line("Spearman", ranking.spearman, "spearman"),
        line("MMRV", ranking.mmrv, "mmrv"),
        line("mean predicted - given", ranking.bias, "bias"),
        *(f"{name}: {why}" for name, why in ranking.reasons.items() if name in (
            "pearson", "spearman"))])


def describe_run(episode: Episode) -> str:
    """Text for people: one run in a line."""
    info = episode.info
    who = [str(info["policy"])] if info.get("policy") else []
    who += [f"{name} {info[name]}" for name in ("start", "seed") if name in info]
    seconds = f"{episode.ticks} ticks ({episode.ticks / episode.fps:g} s)"
    ends = {True: f"done after {seconds}", False: f"not done in {seconds}", None: seconds}
    bad = [f"{name} at {_spans(when)}" for name, when in episode.violations.items() if when]
    kept = "; nothing broken" if episode.violations else ""
    return (f"{', '.join(who)}: " if who else "") + ends[episode.success] + (
        f"; broken: {', '.join(bad)}" if bad else kept)


def _spans(ticks: Sequence[int]) -> str:
    """Ticks as "3", "3-7" or "3-7, 12"."""
    spans: list[list[int]] = []
    for tick in ticks:
        if spans and tick == spans[-1][1] + 1:
            spans[-1][1] = tick
        else:
            spans.append([tick, tick])
    texts = [f"{a}" if a == b else f"{a}-{b}" for a, b in spans[:6]]
    return "tick " + " and ".join(texts) + (" and more" if len(spans) > 6 else "")
