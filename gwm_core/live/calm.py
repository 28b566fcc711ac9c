"""Python's garbage collection while worlds are played.

A host holds millions of objects; looking through all of them stops every thread for a quarter of a
second, three ticks long. Hosts do so after each prompt, and so after each opening of a world.
"""

from __future__ import annotations

import gc
import threading


class Calm:
    """While it is on, what exists already is left out of garbage collection; new objects are not.

    Both calls take no time and may be repeated.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.on = False

    def begin(self) -> None:
        with self._lock:
            if not self.on:
                gc.freeze()
                self.on = True

    def end(self) -> None:
        with self._lock:
            if self.on:
                gc.unfreeze()
                self.on = False
