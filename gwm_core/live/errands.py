"""What a player does that may take long: one thing at a time, the newest wins, the host goes first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ..errors import Cancelled
from ..session import Session
from ..store import Progress

PROGRESS_EVERY = 0.2
"""Seconds between two reports of a replay."""
POLL = 0.02
"""How often a replay that waits for the host looks whether it may go on."""
TELL_AFTER = 0.3
"""Seconds of waiting for the host before a player says so."""
HOST_RUNS = "The queue is running; the world waits for it."

Running = Callable[[], AbstractContextManager[Any]]


class Errands:
    """The state of a player, and how it changes around work that may take long."""

    session: Session
    tick: int
    ticks: int

    def __init__(
        self,
        running: Running,
        held_up: Callable[[], bool],
        say: Callable[..., None],
        clock: Callable[[], float],
    ) -> None:
        self.state, self.why = "paused", ""
        self._running, self._held_up, self._say, self._clock = running, held_up, say, clock
        self._lock = threading.RLock()  # for single values, held for moments
        self._errand = 0

    def tell(self) -> None:
        """Say what the state is."""
        self._say("state", state=self.state, why=self.why, tick=self.tick, ticks=self.ticks)

    def tell_waiting(self) -> None:
        """Say that the host computes something else."""
        self._say("state", state="waiting", why=HOST_RUNS, tick=self.tick, ticks=self.ticks)

    def _enter(self, state: str, why: str = "") -> None:
        with self._lock:
            self.state, self.why = state, why
            self.tell()

    def _new_errand(self) -> int:
        """A number that stays the newest until something else is asked for."""
        with self._lock:
            self._errand += 1
            return self._errand

    def _check(self, errand: int) -> None:
        if errand != self._errand or self.session.closed:
            raise Cancelled("something newer was asked for")

    def _wait_for_host(self, errand: int) -> None:
        """Return when the host computes nothing else, or raise ``Cancelled``."""
        began, told = self._clock(), False
        self._check(errand)
        while self._held_up() and threading.main_thread().is_alive():
            if not told and self._clock() - began > TELL_AFTER:
                told = True
                self.tell_waiting()
            time.sleep(POLL)
            self._check(errand)
        if told:
            self.tell()

    @contextmanager
    def _replay(self, errand: int) -> Iterator[Progress]:
        """The model is used inside. What takes long is told, and ends with ``Cancelled`` when
        something newer is asked for. Whoever replays tells the state that comes after it."""
        self._wait_for_host(errand)
        told = self._clock()

        def report(done: int, total: int, _: Any) -> None:
            nonlocal told
            self._wait_for_host(errand)
            if self._clock() - told > PROGRESS_EVERY:
                told = self._clock()
                with self._lock:
                    self._check(errand)
                    if self.state != "busy":
                        self._enter("busy")
                self._say("progress", done=done, total=total)

        done = False
        try:
            with self._running():
                yield report
            done = True
        finally:
            with self._lock:
                if self.state == "busy":
                    self.state, self.why = "paused", ""
                    if not done:
                        self.tell()
