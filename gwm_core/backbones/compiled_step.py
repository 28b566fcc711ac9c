"""Layers of a large network, compiled beside the play and taken once they are there.

Compiling takes from seconds to minutes, a tick must not wait for it, and torch's compiler cannot
trace in one thread while another computes. So ticks begin as they are, and note which layer
functions they call with which shapes. Once the same shapes come again soon, another process
compiles those functions (``compile_worker``) into files that are kept; a thread loads them and
holds them against the functions. Only when all that such a tick needs is there may a tick be
computed with them: it never compiles anything, it calls machine code that knows no Python.

CUDA graphs are not taken: they belong to the thread that recorded them, and want the history, which
is a new value every tick, copied into buffers of their own.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .compile_files import Folder, Job, flat, job_of, made_up

log = logging.getLogger(__name__)
SOON = 16
"""Shapes that come again within so many ticks are compiled: those of a full history do; while it
fills, each tick has shapes of its own."""
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.06, torch.float16: 0.02}
"""Largest difference from the layers as they are, relative to the largest number."""


def plain(function: Callable, block: nn.Module, *args: Any) -> Any:
    """A layer function as it is: what networks do on their own."""
    return function(block, *args)


@dataclass
class _Notes:
    """The layer calls of a tick in their order, and a block for each of them."""

    order: list[Job] = field(default_factory=list)
    blocks: dict[Job, nn.Module] = field(default_factory=dict)

    def add(self, function: Callable, block: nn.Module, args: tuple) -> None:
        job = job_of(function, block, args)
        self.order.append(job)
        self.blocks.setdefault(job, block)


@dataclass
class _Play:
    """The compiled calls of a tick, one after the other: looking shapes up takes too long."""

    calls: list[tuple[Job, Callable]]
    at: int = 0

    def next(self, function: Callable) -> tuple[Job, Callable]:
        job, code = self.calls[self.at]
        self.at += 1
        if job.name != function.__name__:
            raise RuntimeError(f"{function.__name__} was called in the place of {job.name}")
        return job, code


class CompiledStep:
    """Calls the layer functions of a network, as they are or compiled.

    attach     once for a network: its ``call`` is then this object's
    run        computes a tick
    ready      whether a tick of these shapes may be computed with compiled layers
    prepare    compile for such a tick, and wait for it
    failed     why they are not used any more; "" while nothing is wrong

    folder: where compiled files are made and kept. say: told once where it fails; play goes on as
    it was.
    """

    def __init__(self, folder: Folder, say: Callable[[str], None] = log.warning) -> None:
        self.folder, self.failed = folder, ""
        self._say, self._closed = say, False
        self._lock = threading.Condition()
        self._local = threading.local()
        self._seen: dict[Hashable, int] = {}
        self._ticks = 0
        self._ready: dict[Hashable, list[tuple[Job, Callable]]] = {}
        self._asked: set[Hashable] = set()
        self._todo: deque[tuple[Hashable, _Notes]] = deque()
        self._code: dict[Job, Callable] = {}
        self._thread: threading.Thread | None = None
        self._owners: weakref.WeakKeyDictionary[nn.Module, dict] = weakref.WeakKeyDictionary()

    def attach(self, network: nn.Module) -> None:
        """Take over the layer calls of a network (its ``call``)."""
        network.call = self.call

    def call(self, function: Callable, block: nn.Module, *args: Any) -> Any:
        """``function(block, *args)``, as the tick of this thread is computed."""
        mode = getattr(self._local, "mode", None)
        if isinstance(mode, _Play):
            job, code = mode.next(function)
            out = code(*self._weights(job, block), *flat(args))
            return out[0] if len(out) == 1 else tuple(out)
        if mode is not None:
            mode.add(function, block, args)
        return function(block, *args)

    def ready(self, key: Hashable) -> bool:
        """Whether everything that a tick of these shapes calls is compiled."""
        with self._lock:
            return not self.failed and not self._closed and key in self._ready

    def run(self, key: Hashable, work: Callable[[], Any], compiled: bool = False) -> Any:
        """``work()`` with layers as they are, or compiled (only where ``ready``). A tick as it is
        never waits; one of new shapes is noted."""
        if compiled:
            with self._as(_Play(self._ready[key])):
                return work()
        with self._lock:
            self._ticks += 1
            before, self._seen[key] = self._seen.get(key), self._ticks
            known = self.failed or self._closed or key in self._asked
            note = not known and before is not None and self._ticks - before <= SOON
        return self._noted(key, work) if note else work()

    def prepare(self, key: Hashable, work: Callable[[], Any]) -> bool:
        """Compile what ``work()`` needs and wait for it; whether that is ready. For ticks that
        were computed so before, in another run of the program."""
        with self._lock:
            known = self.failed or self._closed or key in self._asked
        if not known:
            self._noted(key, work)
        with self._lock:
            self._lock.wait_for(lambda: key in self._ready or self.failed or self._closed)
        return self.ready(key)

    def fail(self, why: Any) -> None:
        """Compiled layers are not used from now on; said once."""
        with self._lock:
            first, self.failed = not self.failed, self.failed or _line(why)
            self._todo.clear()
            self._lock.notify_all()
        if first:
            self._say(f"compiled layers are not used, play goes on as before: {self.failed}")

    def close(self) -> None:
        """Nothing more is compiled, and what is being compiled is ended."""
        with self._lock:
            self._closed = True
            self._todo.clear()
            self._lock.notify_all()
        self.folder.stop()

    def idle(self, seconds: float) -> bool:
        """Wait until nothing is being compiled; whether that is so."""
        with self._lock:
            return self._lock.wait_for(lambda: self._thread is None, seconds)

    @contextmanager
    def _as(self, mode: _Notes | _Play):
        before = getattr(self._local, "mode", None)
        self._local.mode = mode
        try:
            yield
        finally:
            self._local.mode = before

    def _noted(self, key: Hashable, work: Callable[[], Any]) -> Any:
        notes = _Notes()
        with self._as(notes):
            done = work()
        with self._lock:
            if key not in self._asked and not self._closed and not self.failed:
                self._asked.add(key)
                self._todo.append((key, notes))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, daemon=True)
                    self._thread.start()
        return done

    def _weights(self, job: Job, block: nn.Module) -> list[Tensor]:
        """A block's weights in the order in which compiled code takes them; RuntimeError where a
        host has put them elsewhere meanwhile."""
        owners = self._owners.setdefault(block, {})
        if job.name not in owners:
            split = [name.rpartition(".") for name in job.parameters]
            places = [(block.get_submodule(path), leaf) for path, _, leaf in split]
            owners[job.name] = places, torch.device(job.weights[1][4])
        places, device = owners[job.name]
        found = [getattr(owner, leaf).detach() for owner, leaf in places]
        for tensor in found:
            if tensor.device != device:
                raise RuntimeError(f"weights are on {tensor.device} now")
        return found

    def _work(self) -> None:
        """The thread: ends when there is nothing more to do."""
        while True:
            with self._lock:
                if self._closed or self.failed or not self._todo:
                    self._thread = None
                    self._lock.notify_all()
                    return
                key, notes = self._todo.popleft()
            try:
                self._load(notes)
            except Exception as problem:  # any compiler's; play must go on
                if not self._closed:
                    self.fail(problem)
                continue
            with self._lock:
                self._ready[key] = [(job, self._code[job]) for job in notes.order]
                self._lock.notify_all()
            del notes

    @torch.no_grad()
    def _load(self, notes: _Notes) -> None:
        """Compile, load and check what is not there yet."""
        jobs = [job for job in notes.blocks if job not in self._code]
        for job, code in self.folder.build(jobs).items():
            block = notes.blocks[job]
            args = made_up(job.args, torch.Generator().manual_seed(7))
            wanted = flat(getattr(type(block), job.name)(block, *args))
            apart = _apart(wanted, code(*self._weights(job, block), *flat(args)))
            if apart is not None:
                raise ValueError(f"{job.name}: {apart}")
            self._code[job] = code


def _apart(wanted: list[Tensor], got: list[Tensor]) -> str | None:
    """In what two results differ, None where they agree."""
    for w, g in zip(wanted, got, strict=True):
        if w.shape != g.shape or w.dtype != g.dtype:
            return f"{g.dtype} {list(g.shape)} in the place of {w.dtype} {list(w.shape)}"
        if not w.numel():
            continue
        most, far = w.float().abs().max().item(), (w.float() - g.float()).abs().max().item()
        allowed = TOLERANCE.get(w.dtype, 0.0) * max(most, 1e-6)
        if not far <= allowed:
            return f"results {far:.3g} apart, {allowed:.3g} are allowed"
    return None


def _line(problem: Any) -> str:
    """The first line of what went wrong."""
    text = str(problem).strip() or type(problem).__name__
    return text.splitlines()[0][:300]
