"""Plays one world at full speed, without a host or a page, and writes what memory it holds as it
goes: lines [tick, MB]. `leak` starts it as a process of its own.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress

from ...live import Hub, Limits
from ...live.messages import say as message
from ...live.messages import unpack
from ...noise import rng
from ..bench import PROMPTS, STORE_BYTES, resident_mb
from ..worlds.wander import wander

CLIP_BYTES = 16 << 20
EVERY = 50  # ticks between two looks at the memory
RELOAD = 500  # ticks between two losses of the socket
HASTE = 1000.0
"""The players' clock runs this much faster, so that every tick is overdue."""


class Page:
    """Takes what a hub sends to a page, answers at once, and presses keys."""

    def __init__(self, hub: Hub):
        self.hub = hub
        self.session, self.tick = "", 0
        self.news = threading.Condition()
        self.connect()

    def connect(self) -> None:
        self.link = self.hub.connect(self._take, near=False, close=lambda: None)

    def say(self, kind: str, **values: object) -> None:
        self.link.receive(message(kind, **values))

    def _take(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            header, _ = unpack(data)
            self.tick = header["tick"]
            self.say("ack", n=header["n"])
        else:
            told = json.loads(data)
            if told["type"] == "opened":
                self.session = told["session"]
            elif told["type"] in ("error", "closed"):
                raise RuntimeError(data)
        with self.news:
            self.news.notify_all()

    def until(self, true: Callable[[], bool], seconds: float = 120) -> None:
        with self.news:
            if not self.news.wait_for(true, seconds):
                raise RuntimeError(f"nothing came for {seconds:g} s")


def play(model_name: str, seed: int, ticks: int) -> None:
    """Play ``ticks``, with keys and a page that loses its socket now and then."""
    from ...worlds import load

    model = load(model_name)
    model.store.resize(STORE_BYTES)
    started = time.monotonic()
    ever = 1e12
    limits = Limits(seconds=ever, idle=ever, grace=ever, token=ever, silent=ever,
                    clip_bytes=CLIP_BYTES)
    hub = Hub(limits, clock=lambda: started + (time.monotonic() - started) * HASTE)
    world = model.new_world(prompt=PROMPTS[0], seed=seed)
    page = Page(hub)
    page.say("open", token="0" * 16)
    hub.offer("0" * 16, world, lambda: nullcontext(model))
    page.until(lambda: bool(page.session))
    rows = wander(ticks, rng(seed, "play", "leak"))
    names = [c.name for c in model.embodiment.controls if c.kind == "button"]
    page.say("play")
    told, number, reloaded = 0, 0, 0
    while page.tick < ticks:
        now = page.tick
        row = rows[min(now, ticks - 1)]
        number += 1
        held = dict(zip(names, (int(v) for v in row), strict=False))
        page.say("controls", seq=number, held=held | {"look": row[len(names):].tolist()})
        if now - told >= EVERY:
            told = now
            note(now)
        if now - reloaded >= RELOAD:
            reloaded = now
            page.link.left()
            page.connect()
            page.say("resume", session=page.session)
            page.say("play")
        page.until(lambda now=now: page.tick != now)
    note(page.tick)
    page.say("close")
    while hub.sessions:
        time.sleep(0.05)
    time.sleep(0.5)  # for the tick that was being made


def note(tick: int) -> None:
    sys.stdout.write(json.dumps([tick, held_mb()]) + "\n")
    sys.stdout.flush()


def held_mb() -> float:
    """Memory that is held, in MB. What is free already but waits in the allocator for the next
    tick is given back first (with glibc): it comes and goes by tens of MB."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return resident_mb()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="gwm-rooms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ticks", type=int, default=1000)
    given = parser.parse_args()
    play(given.model, given.seed, given.ticks)
