"""A bounded store of what a server keeps for its clients."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch

T = TypeVar("T")


@dataclass
class _Kept(Generic[T]):
    value: T
    size: int
    used: float


class Shelf(Generic[T]):
    """Values by ids that nobody guesses, for any thread.

    most, size, seconds  how many values and bytes there are at most, and how long one is kept that
                         nobody asks for; those that were asked for longest ago go first
    gone                 called with each value that goes, whatever the reason
    """

    def __init__(self, most: int, size: int, seconds: float,
                 gone: Callable[[T], None] = lambda value: None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.size, self.seconds = most, size, seconds
        self._gone, self._clock = gone, clock
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.RLock()

    def put(self, value: T, size: int = 0) -> str:
        """The id of a new value of so many bytes."""
        name = secrets.token_urlsafe(24)
        with self._lock:
            self._kept[name] = _Kept(value, size, self._clock())
            self._bytes += size
            self._tidy()
        return name

    def get(self, name: str) -> T | None:
        """The value, which is now the one that was asked for last; None where there is none."""
        with self._lock:
            self._tidy()
            kept = self._kept.get(name)
            if kept is None:
                return None
            kept.used = self._clock()
            self._kept.move_to_end(name)
            return kept.value

    def grow(self, name: str, size: int) -> None:
        """A value has so many bytes now."""
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None:
                self._bytes += size - kept.size
                kept.size = size
                self._tidy()

    def drop(self, name: str) -> bool:
        """Let a value go; whether there was one."""
        with self._lock:
            kept = self._kept.pop(name, None)
            if kept is None:
                return False
            self._bytes -= kept.size
            self._gone(kept.value)
            return True

    def clear(self) -> None:
        """Let all go."""
        for name in list(self._kept):
            self.drop(name)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        return self._bytes

    def _tidy(self) -> None:
        old = self._clock() - self.seconds
        while self._kept:
            name, kept = next(iter(self._kept.items()))
            full = len(self._kept) > self.most or self._bytes > self.size
            if not full and kept.used >= old:
                return
            self.drop(name)


def weight(value: Any) -> int:
    """Bytes of the arrays in a value of dataclasses, tuples, lists and dicts; shared ones count
    wherever they occur."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, (tuple, list)):
        return sum(map(weight, value))
    if isinstance(value, dict):
        return sum(map(weight, value.values()))
    if is_dataclass(value) and not isinstance(value, type):
        return sum(weight(getattr(value, f.name)) for f in fields(value))
    return 0
