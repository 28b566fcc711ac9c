"""Which ticks of a world were computed in which of two ways, so that a replay is exact.

Compiled layers round differently from the same layers as they are. A tick is computed in one of
the two ways the first time it is reached, and so again ever after, on every branch and in every
replay of the same beginning; walks and world files carry the record on.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MOST = 512
"""Beginnings that are remembered; those used longest ago are forgotten first."""


@dataclass
class _Record:
    """switches: ticks at which the way changes; it begins with layers as they are. decided: ticks
    before this one are settled."""

    switches: list[int] = field(default_factory=list)
    decided: int = 0

    def compiled(self, tick: int) -> bool:
        return bisect_right(self.switches, tick) % 2 == 1


class Ways:
    """The record of every world by its beginning (a text); thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, _Record] = OrderedDict()

    def decide(self, origin: str, tick: int, ticks: int, ready: Callable[[], bool]) -> bool:
        """Whether the ``ticks`` ticks from ``tick`` on are computed with compiled layers: as they
        were before, else as ``ready()`` says now."""
        with self._lock:
            record = self._record(origin)
            if tick >= record.decided:
                now = ready()
                if now != record.compiled(tick):
                    record.switches.append(tick)
                record.decided = tick + ticks
            return record.compiled(tick)

    def back(self, origin: str, tick: int) -> None:
        """Compiled layers failed at ``tick``: from there on they are as they are."""
        with self._lock:
            record = self._record(origin)
            record.switches = [s for s in record.switches if s < tick]
            if record.compiled(tick):
                record.switches.append(tick)

    def switches(self, origin: str) -> tuple[int, ...]:
        """The ticks at which the way changes; empty where all are computed as they are."""
        with self._lock:
            record = self._of.get(origin)
            return tuple(record.switches) if record is not None else ()

    def recall(self, origin: str, switches: Sequence[int], ticks: int) -> bool:
        """Take up the record of a walk or world file of so many ticks. False where ticks of the
        same beginning were already computed in another way here: those stay as they are."""
        with self._lock:
            record = self._record(origin)
            told = _Record([int(s) for s in switches if s < ticks])
            if record.decided:
                until = min(ticks, record.decided)
                return [s for s in record.switches if s < until] == [
                    s for s in told.switches if s < until]
            record.switches, record.decided = told.switches, int(ticks)
            return True

    def _record(self, origin: str) -> _Record:
        record = self._of.setdefault(origin, _Record())
        self._of.move_to_end(origin)
        while len(self._of) > MOST:
            self._of.popitem(last=False)
        return record
