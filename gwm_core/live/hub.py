"""All players of a process: bounded in number, bytes and time, and fair to one another.

One thread makes the ticks of all players, whichever is most overdue first; another encodes and
sends, so that a page hears everything in the order in which it happened; some more replay and
seek. A page's socket hands its messages to ``Link.receive`` and sends what it is given; it never
waits for a world.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import ControlError, GWMError, SessionClosed, SessionError
from ..store import ClipStore
from ..walk import Walk, facts_of
from ..world import World
from . import encode
from .calm import Calm
from .errands import POLL, TELL_AFTER
from .link import Link
from .messages import BadMessage
from .outbox import Outbox
from .player import Player, Running
from .seat import Limits, Offer, Seat

log = logging.getLogger(__name__)
BEHIND = 3
"""Ticks that players may be behind their clocks before the clocks give in, all by the same time, so
that none of them loses more than the others: until then the world catches up, beyond it goes slower
than time."""
IDLE = 0.25
"""Longest sleep of the thread that makes ticks."""
MOST_ERRANDS = 64
"""Requests of one page that may wait for one another."""
SETTLE = 2.0
"""Seconds that freeing waits for a tick which is being made."""


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
        # One for each player and some for those that come: an errand may wait for the host long.
        self._work = ThreadPoolExecutor(self.limits.players + 4, "gwm-errand")
        self._thread: threading.Thread | None = None
        self._calm = Calm()

    # ------------------------------------------------------------------ worlds and links

    def offer(self, token: str, world: World, running: Running) -> None:
        """A graph has made the world that the page with this token waits for."""
        with self._lock:
            self._tidy()
            offer = self._offers.setdefault(token, Offer(self._clock()))
            offer.world, offer.running, offer.since = world, running, self._clock()
        self._start()
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
            self._withdraw(link)
            if seat is None or seat.link is not link:
                return
            seat.link, seat.since = None, self._clock()
        seat.player.stop()
        self._start()

    # ------------------------------------------------------------------ what links ask for

    def open(self, link: Link, token: str, walk: Any, encoding: str) -> None:
        """The page wants to play the world that a graph makes under ``token``."""
        if not 16 <= len(token) <= 64:
            raise BadMessage("message open: a token of 16 to 64 characters is accepted")
        with self._lock:
            self._tidy()
            self._withdraw(link)
            offer = self._offers.setdefault(token, Offer(self._clock()))
            before, offer.link = offer.link, link
            offer.walk, offer.encoding = walk, encoding
        if before is not None:
            before.error("unknown-token", "Another page has asked for this world.", True)
        self._start()
        self._match(token)

    def resume(self, link: Link, id: str) -> None:
        """The page is back after its socket was lost."""
        with self._lock:
            seat = self._seats.get(id)
            if seat is None:
                link.error("unknown-session", "This session has ended; press Play to go on.", True)
                return
            if link.seat is not None and link.seat is not seat:
                self.close(link.seat)
            before, seat.link = seat.link, None
            if before is not None:
                before.seat = None
            seat.link, link.seat, seat.since = link, seat, self._clock()
        if before is not None and before is not link:
            before.say("closed", why="This world is now played from another place.")
            before.end()
        seat.player.stop()

        def greet() -> None:
            seat.outbox.close()  # what it holds is in the walk that the page is given
            seat.outbox = Outbox(link.send, seat.outbox.encoding, self._clock)
            self._opened(seat, True)

        self.errand(seat, lambda player: player.open(greet))

    def errand(self, seat: Seat, do: Callable[[Player], Any], name: str = "") -> None:
        """Do something that may take long, one after the other for each player. A later errand of
        the same ``name`` takes the place of one that still waits directly before it. SessionError
        when too many wait."""
        queue = seat.errands
        with self._lock:
            if name and len(queue) > 1 and queue[-1][0] == name:
                queue.pop()
            if len(queue) >= MOST_ERRANDS:
                raise SessionError(f"session: {MOST_ERRANDS} requests wait already")
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
        except (ControlError, SessionError) as error:
            code = "control" if isinstance(error, ControlError) else "limit"
            self.say(seat, "error", code=code, message=str(error), fatal=False)
        except Exception as error:
            if not isinstance(error, GWMError):
                log.exception("gwm: a live session failed")
            self.say(seat, "error", code="failed", message=str(error), fatal=False)

    def say(self, seat: Seat, kind: str, **values: Any) -> None:
        """Tell a page something, after all that it was shown before."""
        self._in_order(lambda: seat.say(kind, **values))

    def _in_order(self, do: Callable[[], None]) -> None:
        def done() -> None:
            try:
                do()
            except Exception:
                log.exception("gwm: something could not be sent")

        try:
            self._encoder.submit(done)
        except RuntimeError:  # the process ends
            pass

    # ------------------------------------------------------------------ the end of sessions

    def close(self, seat: Seat, why: str = "") -> None:
        """End a session; its page is told why."""
        with self._lock:
            if self._seats.pop(seat.id, None) is None:
                return
            link, seat.link = seat.link, None
            if link is not None and link.seat is seat:
                link.seat = None
        seat.player.close()
        seat.outbox.close()
        if link is not None and why:
            link.say("closed", why=why)

    def free(self, why: str) -> None:
        """End every session and forget kept ticks and states, as when a host frees its memory."""
        with self._lock:
            seats = list(self._seats.values())
            waiting = [offer.link for offer in self._offers.values() if offer.link is not None]
            self._offers.clear()
        for link in waiting:
            link.error("closed", why, True)
        for seat in seats:
            self.close(seat, why)
        for seat in seats:
            seat.player.settled(SETTLE)
            seat.player.start.store.clear()
        self.clips.clear()

    @property
    def sessions(self) -> int:
        """Sessions that live now."""
        return len(self._seats)

    # ------------------------------------------------------------------ inside

    def _withdraw(self, link: Link) -> None:
        """A page asks for one world at a time."""
        for token, offer in list(self._offers.items()):
            if offer.link is link:
                del self._offers[token]

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
            seat = self._seat_for(offer, link)
            with self._lock:
                if link not in self._links:
                    return
                if link.seat is not None:
                    self.close(link.seat)
                if len(self._seats) >= self.limits.players:
                    away = [other for other in self._seats.values() if other.link is None]
                    if not away:
                        most = self.limits.players
                        why = f"{most} worlds are played already; close one of them first."
                        link.error("full", why, True)
                        return
                    self.close(min(away, key=lambda other: other.since))
                link.seat, seat.link = seat, link
                self._seats[seat.id] = seat
                seat.since = self._clock()
            self.errand(seat, lambda player: player.open(lambda: self._opened(seat, False)))
        except ControlError as error:
            link.error("control", str(error), True)
        except Exception as error:
            log.exception("gwm: a world could not be opened")
            link.error("failed", str(error), True)

    def _seat_for(self, offer: Offer, link: Link) -> Seat:
        """A player of a world, not yet connected to its page."""
        world = offer.world
        walk = Walk.read(offer.walk, world.embodiment)
        view = world.embodiment.views[0]
        encoding = encode.choose(offer.encoding, link.near, view.width, view.height)
        seat = Seat(secrets.token_hex(16), Outbox(link.send, encoding, self._clock), self._clock())

        def show(shown: Any) -> None:
            outbox = seat.outbox
            self._in_order(lambda: outbox.offer(shown))

        def forget(tick: int) -> None:
            outbox = seat.outbox
            self._in_order(lambda: outbox.forget(tick))

        seat.player = Player(
            world,
            walk,
            running=offer.running,
            clips=self.clips,
            say=lambda kind, **values: self.say(seat, kind, **values),
            show=show,
            forget=forget,
            held_up=self._busy,
            max_ticks=self.limits.ticks,
            max_seconds=self.limits.seconds,
            clock=self._clock,
        )
        return seat

    def flush(self, seat: Seat) -> None:
        """The page can take more: send what waits."""
        self._in_order(seat.outbox.flush)

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
        self.say(seat, "opened", **values)
        self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="gwm-live", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def _run(self) -> None:
        """Makes ticks while there is anyone to make them for, and ends sessions whose time is up.

        The thread ends when nobody is left, and is started anew when somebody comes."""
        going = True
        while going:
            try:
                going = self._round()
            except Exception:
                log.exception("gwm: the live thread stumbled")
                time.sleep(POLL)

    def _round(self) -> bool:
        """Make the tick that is due, or wait a little; False when nobody is left."""
        with self._lock:
            self._tidy()
            if not self._seats and not self._offers:
                self._calm.end()
                self._thread = None
                return False
            seat = self._next()
        if seat is not None:
            self._advance(seat)
        return True

    def _next(self) -> Seat | None:
        """The most overdue player, or None after a wait (the lock is let go meanwhile)."""
        playing = [s for s in self._seats.values() if s.player.active]
        if not playing:
            self._calm.end()
            self._wake.wait(IDLE)
            return None
        self._calm.begin()
        if self._busy():
            self._hold(playing)
            self._wake.wait(POLL)
            return None
        now = self._clock()
        for seat in self._seats.values():
            if seat.waiting is not None:
                if seat.player.active:
                    seat.player.rest(now)
                    if seat.told:
                        seat.player.tell()
                seat.waiting, seat.told = None, False
        seat = min(playing, key=lambda s: s.player.due)
        early = seat.player.due - now
        if early > 0:
            self._wake.wait(min(early, IDLE))
            return None
        too_late = (seat.player.behind(now) - BEHIND) * seat.player.period
        if too_late > 0:
            for other in playing:
                other.player.rest(min(now, other.player.due + too_late))
        return seat

    def _hold(self, playing: list[Seat]) -> None:
        """The host computes something else: players wait, and say so when it takes long."""
        now = self._clock()
        for seat in playing:
            if seat.waiting is None:
                seat.waiting = now
            elif not seat.told and now - seat.waiting > TELL_AFTER:
                seat.told = True
                seat.player.tell_waiting()

    def _advance(self, seat: Seat) -> None:
        if seat.link is None:  # it left just as it was about to play
            seat.player.stop()
            return
        if seat.outbox.silent_for() > self.limits.silent:
            seat.player.stop("The page did not answer for a while.")
            return
        seat.since = self._clock()
        try:
            first = seat.player.advance()
        except Exception:
            log.exception("gwm: a tick could not be made")
        else:
            if first is not None:
                self.errand(seat, first)

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
            if now - offer.since > (limits.token if offer.link is None else limits.wait):
                del self._offers[token]
                if offer.link is not None:
                    offer.link.error("unknown-token", "The graph gave no world to play.", True)
