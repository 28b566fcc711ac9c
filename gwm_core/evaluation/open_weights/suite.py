"""`gwm eval open-weights`: needs no weights and no graphics card, about a minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import GWMError
from ..report import Metric, Report
from . import decoders, mg2, wan, waypoint, worlds

BACKBONES = {"waypoint": waypoint, "mg2": mg2, "wan": wan}
ERRORS = 3
"""Deliberate errors that every parity check with errors has to catch."""


def keys_metric() -> Metric:
    """Whether every network has exactly the published names and shapes."""
    fits = {}
    for module in (*BACKBONES.values(), decoders):
        fits |= module.keys_ok()
    wrong = [name for name, ok in fits.items() if not ok]
    note = f"not: {', '.join(wrong)}" if wrong else "; ".join(fits)
    return Metric("open.keys_ok", float(not wrong), n=len(fits), must=">= 1", note=note)


def parity_metrics() -> list[Metric]:
    """What each backbone tells of itself, and the fewest errors that any of them catches."""
    found = [metric for module in BACKBONES.values() for metric in module.metrics()]
    caught = [m for m in found if m.id.endswith("_errors_caught")]
    kept = [m for m in found if m not in caught]
    by = {m.id.removeprefix("open.").removesuffix("_errors_caught"): m.value for m in caught}
    return [*kept, Metric("open.errors_caught", min(by.values()), "", by,
                          n=sum(m.n for m in caught), must=f">= {ERRORS}",
                          note="; ".join(m.note for m in caught))]


def world_metrics(seed: int) -> list[Metric]:
    """Worlds as values, and what a branch costs."""
    twins = worlds.twins(seed)
    broken = {t.name: what for t in twins if (what := worlds.broken(t, seed))}
    off = {t.name: worlds.bytes_off(t, seed) for t in twins} | decoders.bytes_off()
    return [
        Metric("open.replay_exact", float(not broken), n=len(twins), must=">= 1",
               note="; ".join(f"{n}: {', '.join(w)}" for n, w in broken.items())
               or "replayed, cut, branched, rewound, saved and loaded"),
        Metric("open.state_bytes_error", max(off.values()), "", n=len(off), must="<= 0.05"),
    ]


PROTOCOLS: dict[str, Callable[[int], list[Metric]]] = {
    "keys": lambda seed: [keys_metric()],
    "parity": lambda seed: parity_metrics(),
    "worlds": world_metrics,
    "decode": lambda seed: decoders.metrics(),
}


def evaluate(seed: int = 0, full: bool = False, progress: Callable[[str], None] = print,
             model: str = "", only: Sequence[str] = (), work: str | Path | None = None) -> Report:
    """All figures of the open-weights family that random weights can give.

    seed: of the tracks that tiny worlds are played with. only: names of PROTOCOLS. full and work
    change nothing: the whole takes about a minute and keeps nothing. model: none is accepted.
    """
    if model:
        raise GWMError(f"--model {model}: open-weights are judged on tiny twins of random weights, "
                       "with no file")
    unknown = sorted(set(only) - set(PROTOCOLS))
    if unknown:
        raise GWMError(f"protocol {unknown[0]!r}: accepted are {', '.join(PROTOCOLS)}")
    report = Report("open-weights", [], seed)
    for name, measure in PROTOCOLS.items():
        if not only or name in only:
            progress(name)
            report.metrics += measure(seed)
    return report
