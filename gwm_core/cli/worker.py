"""One process of a pool: reads items on stdin and answers on stdout (gwm_core.robotics.pool).

A pool starts it; there is nothing to type here.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import sys
import threading
from typing import BinaryIO

from ..robotics.pool import receive, send
from ..robotics.work import compute, failure, resolve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    """Work until the pool is gone."""
    incoming, outgoing = _streams()
    messages: queue.Queue = queue.Queue()
    threading.Thread(target=_listen, args=(incoming, messages), daemon=True).start()
    while True:
        message, payload = messages.get(), None
        try:
            payload = compute(resolve(message["work"]), message["item"])
            reply = {"ok": True}
        except Exception as error:
            reply = {"ok": False, "error": failure(error)}
        send(outgoing, reply, payload)


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """The pool's pipes for us alone: the work finds an empty stdin, and stderr as its stdout."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return incoming, outgoing


def _listen(incoming: BinaryIO, messages: queue.Queue) -> None:
    """Pass messages on; when the pool is gone, end at once, in the middle of the work too."""
    while (data := receive(incoming)) is not None:
        messages.put(json.loads(data))
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # with whatever the work started
    os._exit(1)
