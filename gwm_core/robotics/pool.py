"""A pool of processes for ``executor``.

A worker is ``python -m gwm_core.cli worker`` (no fork: nothing of this process's threads or
devices is inherited). Messages on its stdin and stdout are a length, 8 bytes with the highest
first, and as much JSON; a result's bytes follow in the same way. It ends when its stdin does.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import Cancelled
from .work import LONGEST, failed

TRIES = 3
"""How often an item is tried whose worker dies: once, and 2 times more."""
POLL = 0.05  # seconds between two questions whether to stop
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def send(stream: BinaryIO, message: dict, payload: bytes | None = None) -> None:
    """Write a message, and the bytes that belong to it."""
    for data in (json.dumps(message).encode(), payload):
        if data is not None:
            stream.write(len(data).to_bytes(8, "big") + data)
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """The bytes of one message; None at the end of the stream, also in the middle of a message."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    size = int.from_bytes(head, "big")
    data = stream.read(size)
    return data if len(data) == size else None


def environment() -> dict[str, str]:
    """The variables of a worker: one thread, this copy of the library, and our modules."""
    paths = [str(Path(__file__).resolve().parents[2]), *(path or os.getcwd() for path in sys.path)]
    return {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": os.pathsep.join(paths)}


class _Dead(Exception):
    """A worker ended before it answered."""


class Worker:
    """One process, started when it is first asked and again after it died."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None
        self.closed = False
        self.lock = threading.Lock()
        self.tail = ""

    def ask(self, message: dict) -> tuple[dict, bytes | None]:
        """The answer and its bytes; of another process where one dies, TRIES of them at most."""
        what = ""
        for _ in range(TRIES):
            try:
                return self._ask(message)
            except _Dead as death:
                what = f"{death}, {TRIES} times. Its last words: {self.tail.strip() or '-'}"
        return {"ok": False, "error": what}, None

    def _ask(self, message: dict) -> tuple[dict, bytes | None]:
        with self.lock:
            if self.closed:
                raise _Dead("the pool was closed")
            process = self.process = self.process or self._start()
        with contextlib.suppress(OSError):
            send(process.stdin, message)
            answer = receive(process.stdout)
            reply = None if answer is None else json.loads(answer)
            if reply and not reply["ok"]:
                return reply, None
            data = receive(process.stdout) if reply else None
            if data is not None:
                return reply, data
        self._kill()
        raise _Dead(f"its worker ended with status {process.returncode}")

    def _start(self) -> subprocess.Popen:
        # A group of its own: Ctrl-C comes here first, and what the work started ends with it.
        group = {"start_new_session": True}
        if sys.platform == "win32":
            group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        process = subprocess.Popen(
            [sys.executable, "-m", "gwm_core.cli", "worker"], env=environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **group,
        )
        self.tail = ""
        self.reader = threading.Thread(target=self._drain, args=(process.stderr,), daemon=True)
        self.reader.start()
        return process

    def _drain(self, stream: BinaryIO) -> None:
        with contextlib.suppress(OSError, ValueError):
            while chunk := stream.read1(4096):
                self.tail = (self.tail + chunk.decode(errors="replace"))[-LONGEST:]

    def close(self) -> None:
        """End the process; there is none from now on."""
        self.closed = True
        self._kill()

    def _kill(self) -> None:
        with self.lock:
            process, self.process = self.process, None
            if process is None:
                return
            # Until the process is waited for, its group's number cannot be another's.
            if process.returncode is None and sys.platform != "win32":
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
            elif process.returncode is None:
                process.kill()
            process.wait()
            self.reader.join(1)
            with contextlib.suppress(OSError):  # what could not be sent
                process.stdin.close()


def results(
    todo: dict[str, dict], work: str, workers: int, stop: Callable[[], bool]
) -> Iterator[tuple[str, bytes]]:
    """(key, encoded result) of every item as it is finished; at the end no process is left."""
    left = deque(todo.items())
    answers: queue.Queue = queue.Queue()
    pool = [Worker() for _ in range(min(workers, len(todo)))]

    def serve(worker: Worker) -> None:
        while left:
            try:
                key, item = left.popleft()
            except IndexError:  # another took the last one
                return
            try:
                answers.put((key, *worker.ask({"work": work, "item": item})))
            except Exception as error:  # such as: no process can be started
                answers.put((key, {"ok": False, "error": f"its worker failed: {error}"}, None))

    threads = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in pool]
    try:
        for thread in threads:
            thread.start()
        for _ in range(len(todo)):
            key, reply, data = _next(answers, stop)
            if not reply["ok"]:
                raise failed(todo[key], reply["error"])
            yield key, data
    finally:
        left.clear()
        for worker in pool:
            worker.close()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _next(answers: queue.Queue, stop: Callable[[], bool]) -> tuple[str, dict, bytes | None]:
    while True:
        if stop():
            raise Cancelled("stopped")
        with contextlib.suppress(queue.Empty):
            return answers.get(timeout=POLL)
