"""All players of a process: bounded in number, bytes and time, and fair to one another.

One thread makes the ticks of all players, whichever is most overdue first; another encodes; some
more replay and seek. A page's socket hands its messages to ``Link.receive`` and sends what it is
given; it never waits for a world.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..errors import ControlError, GWMError, SessionClosed, SessionError
from ..store import ClipStore
from ..walk import Walk, facts_of
from ..world import World
from . import encode
from .link import Link
from .messages import BadMessage
from .outbox import Outbox
from .player import Player, Running

log = logging.getLogger(__name__)
IDLE = 0.25
"""Longest sleep of the thread that makes ticks."""
POLL = 0.02
"""How often it looks whether the host is done with other work."""
TELL_AFTER = 0.3
"""Seconds of waiting for the host before a player says so."""


@dataclass(frozen=True)
class Limits:
    """players: sessions at once, those whose page is away included; links: open sockets.
    seconds, ticks: of one session. idle: seconds that it may be paused. grace: seconds that it
    outlives its socket. token: seconds that a world waits for its page, or a page for its world.
    silent: seconds without an answer of the page before its world stops. clip_bytes: kept ticks of
    all sessions together."""

    players: int = 8
    links: int = 32
    seconds: float = 4 * 3600
    ticks: int = 100_000
    idle: float = 3600
    grace: float = 30
    token: float = 120
    silent: float = 10
    clip_bytes: int = 256 << 20


@dataclass(eq=False)
class Seat:
    """A player with all that the hub knows of it."""

    id: str
    player: Player
    link: Link | None
    outbox: Outbox
    since: float
    """When it was last used, or its page left."""
    waiting: float | None = None
    """Since when it waits for the host."""
    told: bool = False
    errands: deque = field(default_factory=deque)
    """What its page asked for; the first one is under way."""

    def say(self, kind: str, **values: Any) -> None:
        link = self.link
        if link is not None:
            link.say(kind, **values)


@dataclass(eq=False)
class Offer:
    """A world under a token: the world, the link that asked for it, or both."""

    since: float
    world: World | None = None
    running: Running | None = None
    link: Link | None = None
    walk: Any = None
    encoding: str = "auto"


class Hub:
    """Where pages meet worlds.

    busy    whether the host computes something else, for which players wait
    clips   kept ticks of all players; queue runs may use them too
    clock   seconds, monotonic
    """

    def __init__(
        self,
        limits: Limits | None = None,
        busy: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or Limits()
        self.clips = ClipStore(self.limits.clip_bytes)
        self._busy, self._clock = busy, clock
        self._lock = threading.RLock()
        self._wake = threading.Condition(self._lock)
        self._seats: dict[str, Seat] = {}
        self._links: set[Link] = set()
        self._offers: dict[str, Offer] = {}
        self._encoder = ThreadPoolExecutor(1, "gwm-encode")
        self._work = ThreadPoolExecutor(4, "gwm-errand")
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------ worlds and links

    def offer(self, token: str, world: World, running: Running) -> None:
        """A graph has made the world that the page with this token waits for."""
        with self._lock:
            self._tidy()
            offer = self._offers.setdefault(token, Offer(self._clock()))
            offer.world, offer.running, offer.since = world, running, self._clock()
        self._match(token)

    def connect(
        self, send: Callable[[str | bytes], None], near: bool, close: Callable[[], None]
    ) -> Link:
        """A page's socket: ``send`` and ``close`` may be called from any thread and never wait.

        near: whether the page is on this machine. SessionError when there are too many.
        """
        with self._lock:
            if len(self._links) >= self.limits.links:
                raise SessionError(f"{self.limits.links} players are connected; no more fit")
            link = Link(self, send, near, close, self._clock)
            self._links.add(link)
        return link

    def left(self, link: Link) -> None:
        """The page is gone; its session waits for it for the time of grace."""
        with self._lock:
            self._links.discard(link)
            seat, link.seat = link.seat, None
            for token in [t for t, offer in self._offers.items() if offer.link is link]:
                del self._offers[token]
        if seat is not None and seat.link is link:
            seat.link, seat.since = None, self._clock()
            seat.player.stop()
            self._start()

    # ------------------------------------------------------------------ what links ask for

    def open(self, link: Link, token: str, walk: Any, encoding: str) -> None:
        """The page wants to play the world that a graph makes under ``token``."""
        with self._lock:
            self._tidy()
            if not 16 <= len(token) <= 64:
                raise BadMessage("open: a token of 16 to 64 characters is accepted")
            offer = self._offers.setdefault(token, Offer(self._clock()))
            offer.link, offer.walk, offer.encoding = link, walk, encoding
        self._start()
        self._match(token)

    def resume(self, link: Link, id: str) -> None:
        """The page is back after its socket was lost."""
        with self._lock:
            seat = self._seats.get(id)
            if seat is None:
                link.error("unknown-session", "This session has ended; press Play to go on.", True)
                return
            before, seat.link = seat.link, link
            if before is not None and before is not link:
                before.seat = None
                before.say("closed", why="This world is now played from another place.")
                before.end()
            link.seat = seat
            seat.since = self._clock()
            seat.outbox = Outbox(link.send, seat.outbox.encoding, self._clock)
        seat.player.stop()
        self.errand(seat, lambda player: (self._opened(seat, True), player.open()))

    def errand(self, seat: Seat, do: Callable[[Player], Any], name: str = "") -> None:
        """Do something that may take long, one after the other for each player. A later errand of
        the same ``name`` takes the place of one that still waits directly before it."""
        queue = seat.errands
        with self._lock:
            if name and len(queue) > 1 and queue[-1][0] == name:
                queue.pop()
            queue.append((name, do))
            first = len(queue) == 1
        if first:
            self._work.submit(self._run_errands, seat)

    def _run_errands(self, seat: Seat) -> None:
        while True:
            self._try(seat, seat.errands[0][1])
            with self._lock:
                seat.errands.popleft()
                self._wake.notify_all()
                if not seat.errands:
                    return

    def _try(self, seat: Seat, do: Callable[[Player], Any]) -> None:
        try:
            do(seat.player)
        except SessionClosed:
            pass
        except GWMError as error:
            code = "control" if isinstance(error, ControlError) else "limit"
            seat.say("error", code=code, message=str(error), fatal=False)
        except Exception as error:
            log.exception("gwm: a live session failed")
            seat.say("error", code="failed", message=str(error), fatal=False)

    # ------------------------------------------------------------------ the end of sessions

    def close(self, seat: Seat, why: str = "") -> None:
        """End a session; its page is told why."""
        with self._lock:
            if self._seats.pop(seat.id, None) is None:
                return
            link = seat.link
            seat.link = None
            if link is not None:
                link.seat = None
        seat.player.close()
        if link is not None and why:
            link.say("closed", why=why)

    def free(self, why: str) -> None:
        """End every session and forget kept ticks and states, as when a host frees its memory."""
        with self._lock:
            seats = list(self._seats.values())
            self._offers.clear()
        for seat in seats:
            self.close(seat, why)
            seat.player.start.store.clear()
        self.clips.clear()

    @property
    def sessions(self) -> int:
        """Sessions that live now."""
        return len(self._seats)

    # ------------------------------------------------------------------ inside

    def _match(self, token: str) -> None:
        with self._lock:
            offer = self._offers.get(token)
            if offer is None or offer.world is None or offer.link is None:
                return
            del self._offers[token]
        self._work.submit(self._welcome, offer)

    def _welcome(self, offer: Offer) -> None:
        """World and page have met: make their session. It takes the place of the page's last one,
        and at the limit that of the one whose page has been away longest."""
        link = offer.link
        try:
            with self._lock:
                if link not in self._links:
                    return
                if link.seat is not None:
                    self.close(link.seat)
                if len(self._seats) >= self.limits.players:
                    away = [seat for seat in self._seats.values() if seat.link is None]
                    if not away:
                        most = self.limits.players
                        why = f"{most} worlds are played already; close one of them first."
                        link.error("full", why, True)
                        return
                    self.close(min(away, key=lambda seat: seat.since))
            seat = self._seated(offer, link)
        except GWMError as error:
            link.error("control", str(error), True)
        except Exception as error:
            log.exception("gwm: a world could not be opened")
            link.error("failed", str(error), True)
        else:
            self.errand(seat, lambda player: (self._opened(seat, False), player.open()))

    def _seated(self, offer: Offer, link: Link) -> Seat:
        world = offer.world
        walk = Walk.read(offer.walk, world.embodiment)
        view = world.embodiment.views[0]
        encoding = encode.choose(offer.encoding, link.near, view.width, view.height)
        player = Player(
            world,
            walk,
            running=offer.running,
            clips=self.clips,
            say=lambda kind, **values: seat.say(kind, **values),
            show=lambda shown: self._encoder.submit(self._offer, seat, shown),
            max_ticks=self.limits.ticks,
            max_seconds=self.limits.seconds,
            clock=self._clock,
        )
        outbox = Outbox(link.send, encoding, self._clock)
        seat = Seat(secrets.token_hex(16), player, link, outbox, self._clock())
        with self._lock:
            link.seat = seat
            self._seats[seat.id] = seat
        return seat

    def _offer(self, seat: Seat, shown) -> None:
        try:
            seat.outbox.offer(shown)
        except Exception:
            log.exception("gwm: a tick could not be sent")

    def flush(self, seat: Seat) -> None:
        """The page can take more: send what waits."""
        self._encoder.submit(seat.outbox.flush)

    def _opened(self, seat: Seat, resumed: bool) -> None:
        player = seat.player
        start = player.start
        values: dict[str, Any] = {
            "session": seat.id,
            "resumed": resumed,
            "embodiment": start.embodiment.to_json(),
            "tick": player.tick,
            "ticks": player.ticks,
            "of": facts_of(start),
            "world": start.key,
            "changed": list(player.changed),
            "grace": self.limits.grace,
            "limits": {"seconds": self.limits.seconds, "ticks": self.limits.ticks},
        }
        if resumed:
            values["walk"] = player.walk().to_json()
        seat.say("opened", **values)
        self._start()

    def wake(self) -> None:
        """Something has changed for the thread that makes ticks."""
        with self._lock:
            self._wake.notify_all()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="gwm-live", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def _run(self) -> None:
        """Makes ticks while there is anyone to make them for, and ends sessions whose time is up.

        The thread ends when nobody is left, and is started anew when somebody comes."""
        while True:
            try:
                with self._lock:
                    self._tidy()
                    if not self._seats and not self._offers:
                        self._thread = None
                        return
                    seat = self._next()
                    if seat is None:
                        continue
                self._advance(seat)
            except Exception:
                log.exception("gwm: the live thread stumbled")
                time.sleep(IDLE)

    def _next(self) -> Seat | None:
        """The most overdue player, or None after a wait (the lock is let go meanwhile)."""
        playing = [s for s in self._seats.values() if s.player.active]
        if not playing:
            self._wake.wait(IDLE)
            return None
        if self._busy():
            self._hold(playing)
            self._wake.wait(POLL)
            return None
        now = self._clock()
        for seat in playing:
            if seat.waiting is not None:
                seat.player.delay(now - seat.waiting)
                seat.waiting = None
                if seat.told:
                    seat.told = False
                    player = seat.player
                    seat.say(
                        "state", state=player.state, why="", tick=player.tick, ticks=player.ticks
                    )
        seat = min(playing, key=lambda s: s.player.due)
        early = seat.player.due - now
        if early > 0:
            self._wake.wait(min(early, IDLE))
            return None
        return seat

    def _hold(self, playing: list[Seat]) -> None:
        """The host computes something else: players wait, and say so when it takes long."""
        now = self._clock()
        for seat in playing:
            if seat.waiting is None:
                seat.waiting = now
            elif not seat.told and now - seat.waiting > TELL_AFTER:
                seat.told = True
                why = "The queue is running; the world waits for it."
                player = seat.player
                seat.say("state", state="waiting", why=why, tick=player.tick, ticks=player.ticks)

    def _advance(self, seat: Seat) -> None:
        if seat.outbox.silent_for() > self.limits.silent:
            seat.player.stop("The page did not answer for a while.")
            return
        seat.since = self._clock()
        seat.player.advance()

    def _tidy(self) -> None:
        """End what is over: sessions without a page, idle ones, worlds that nobody came for."""
        now, limits = self._clock(), self.limits
        for seat in list(self._seats.values()):
            away = now - seat.since
            if seat.link is None and away > limits.grace:
                self.close(seat)
            elif not seat.player.active and away > limits.idle:
                self.close(seat, "This world was paused for long and has been freed.")
            elif seat.player.session.seconds_left <= 0:
                self.close(seat, f"A session lasts {limits.seconds / 3600:g} hours at most.")
        for token, offer in list(self._offers.items()):
            if now - offer.since > limits.token:
                del self._offers[token]
                if offer.link is not None:
                    offer.link.error("unknown-token", "The graph gave no world to play.", True)
