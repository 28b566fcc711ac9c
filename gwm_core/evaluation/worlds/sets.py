"""The sets of simulated cases by name, and a process that makes them ahead of the model."""

from __future__ import annotations

import multiprocessing
import signal
from pathlib import Path

import numpy as np

from .broken import true_turn_set
from .cases import Case
from .keep import Kept
from .sizes import Size
from .walks import Player, bumps, explored, fitting_set, pushed, starts, thrown

PLAYED_TICKS = 24
FITTING = "fitting"


def _walks(size: Size, seed: int) -> list[Case]:
    return explored(size.walks, size.long_ticks, seed, "walk")


def _played(size: Size, seed: int) -> list[Case]:
    return explored(size.played, PLAYED_TICKS, seed, "play", light=False, explorer=Player)


def _other(size: Size, seed: int) -> list[Case]:
    return explored(max(4, size.turns // 2), PLAYED_TICKS, seed + 1, "other", light=False)


SETS = {
    "walks": _walks,
    "played": _played,
    "turns": lambda size, seed: starts(size.turns, seed, "turn"),
    "returns": lambda size, seed: starts(size.returns, seed, "return"),
    "other": _other,
    "bumps": lambda size, seed: bumps(size.bumps, seed),
    "thrown": lambda size, seed: thrown(size.throws, seed),
    "pushed": lambda size, seed: pushed(size.pushes, seed),
    "events": lambda size, seed: starts(size.events, seed, "event", light=True),
    "late": lambda size, seed: starts(1, seed, "late"),
}
COUNTED = {"walks": "walks", "played": "played", "turns": "turns", "returns": "returns",
           "other": "turns", "bumps": "bumps", "thrown": "throws", "pushed": "pushes",
           "events": "events"}


class Cases:
    """The sets of one size and seed, kept on disk (see Kept.cases)."""

    def __init__(self, kept: Kept, size: Size, seed: int):
        self.kept, self.size, self.seed = kept, size, seed
        self.worker: multiprocessing.process.BaseProcess | None = None

    def __call__(self, name: str) -> list[Case]:
        count = getattr(self.size, COUNTED.get(name, ""), 1)
        ticks = f"-{self.size.long_ticks}" if name == "walks" else ""
        return self.kept.cases(f"{name}-{count}{ticks}",
                               lambda: SETS[name](self.size, self.seed), self.worker)

    def true_turn(self, case: Case) -> dict[str, np.ndarray]:
        """The simulator's own turn at a case's first place (see broken.true_turn_set)."""
        return self.kept.arrays(f"turn-{case.seed}-{case.condition}",
                                lambda: true_turn_set(case), self.worker)

    def fitting(self) -> dict[str, np.ndarray]:
        """True views of held-out rooms in neutral light: frames u8 [30, H, W, 3], theme [30]."""
        return self.kept.arrays("fitting", lambda: fitting_set(30, self.seed), self.worker)

    def ahead(self, names: list[str]) -> None:
        """Make sets in another process while the model works on the first ones."""
        context = multiprocessing.get_context("spawn")
        self.worker = context.Process(target=_make, daemon=True, name="gwm-eval-cases", args=(
            self.kept.folder, self.size, self.seed, names))
        self.worker.start()

    def close(self) -> None:
        if self.worker is not None:
            self.worker.terminate()
            self.worker.join()
            self.worker = None


def _make(folder: Path, size: Size, seed: int, names: list[str]) -> None:
    # Ctrl-C reaches the whole group; the parent says what it means and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cases = Cases(Kept(folder, seed, ""), size, seed)
    for name in names:
        if name == FITTING:
            cases.fitting()
            continue
        made = cases(name)
        if name == "turns":
            for case in made:
                cases.true_turn(case)
