"""How many threads torch uses while a world goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread inside: a tick's small products gain nothing from more, and the other
    cores draw and imagine ahead meanwhile. (It also makes results independent of the machine's
    number of cores.)"""
    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before != 1:
            torch.set_num_threads(before)
