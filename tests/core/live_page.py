"""What a page and a player say and show, for tests of live players without a host."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext

from gwm_core.controls import Controls
from gwm_core.live import Player
from gwm_core.live.messages import say as message
from gwm_core.live.messages import unpack
from gwm_core.walk import Walk

PERIOD = 1 / 12


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Page:
    """What a hub says to a page, and what the page says back."""

    def __init__(self, hub, near=True, acks=True):
        self.texts, self.binary, self.acks, self.ended = [], [], acks, False
        self.said = []
        self.hub = hub
        self.link = hub.connect(self.take, near, self.end)

    def take(self, data):
        if isinstance(data, bytes):
            header, payload = unpack(data)
            self.binary.append(header | {"payload": payload})
            self.said.append(header["kind"])
            if self.acks:
                self.say("ack", n=header["n"])
        else:
            told = json.loads(data)
            self.texts.append(told)
            self.said.append(told["type"])

    def end(self):
        self.ended = True

    def say(self, kind, **values):
        self.link.receive(message(kind, **values))

    def settle(self):
        """Until nothing is under way for it any more."""
        limit = time.monotonic() + 10
        while self.link.seat is not None and self.link.seat.errands:
            assert time.monotonic() < limit
            time.sleep(0.002)
        while self.hub._work._work_queue.qsize():
            time.sleep(0.002)
        for _ in range(3):  # what is sent may be answered, and that sends more
            self.hub._encoder.submit(lambda: None).result(10)

    def open(self, world, walk=None, token="t" * 16):
        self.say("open", token=token, walk=walk)
        self.hub.offer(token, world, nullcontext)
        until(lambda: self.of("opened") or self.of("error"))
        self.settle()
        return self

    def of(self, kind):
        return [text for text in self.texts if text["type"] == kind]

    @property
    def rows(self):
        return [row for header in self.binary for row in header["rows"]]


def until(true, seconds=10):
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "not in time"
        time.sleep(0.002)


class Stage:
    """A player with a list of all it says and shows."""

    def __init__(self, world, walk=None, **given):
        self.log = []
        self.player = Player(
            world, walk or Walk(Controls.idle(0, world.embodiment)), clock=Clock(),
            say=lambda kind, **values: self.log.append((kind, values)),
            show=lambda shown: self.log.append(("show", shown)),
            forget=lambda tick: self.log.append(("forget", tick)), **given,
        )

    @property
    def shown(self):
        return [value for kind, value in self.log if kind == "show"]

    @property
    def states(self):
        return [value["state"] for kind, value in self.log if kind == "state"]

    def make(self, ticks, **held):
        if not self.player.active:
            self.player.play()
        self.player.push(held, 0)
        for _ in range(ticks):
            later = self.player.advance()
            if later is not None:
                later(self.player)
        return self.player


def slow_hub_track(hub):
    (seat,) = hub._seats.values()
    return seat.player.track
