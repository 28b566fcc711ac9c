"""How many threads torch uses while a world goes on."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

HAND_OVER = 0.0002
"""Seconds after which a thread lets another one have Python."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread inside: a tick's small products gain nothing from more, and the other
    cores draw and imagine ahead meanwhile. (It also makes results independent of the machine's
    number of cores.) Threads hand Python over more often meanwhile: each of the tick's many small
    operations would else wait up to 5 ms for what imagines ahead."""
    threads, interval = torch.get_num_threads(), sys.getswitchinterval()
    if threads != 1:
        torch.set_num_threads(1)
    sys.setswitchinterval(min(interval, HAND_OVER))
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if threads != 1:
            torch.set_num_threads(threads)


def one_torch_thread() -> None:
    """For a thread that works beside a tick: its products are the same as the tick's own."""
    torch.set_num_threads(1)


def stand_back() -> None:
    """For a thread that works ahead: torch on one thread, and lower priority than whatever draws
    the present tick (where the system has priorities for threads)."""
    one_torch_thread()
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)
