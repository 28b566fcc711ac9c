"""One page's connection to the hub: reads its messages, keeps floods out, answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ControlError, GWMError
from .messages import BadMessage, read, say

if TYPE_CHECKING:
    from .hub import Hub
    from .seat import Seat

log = logging.getLogger(__name__)
MOST_A_SECOND = 240
"""Messages that a page may send each second; more is no page but a flood."""
BURST = 480
MOST_BAD = 20
"""Malformed messages in a row that are answered before the connection is ended."""
LONGEST = 500
"""Characters of what a page is told about its mistakes: they may quote what it sent."""


class Link:
    """Belongs to one socket. ``receive`` never waits for a world.

    send takes a text or bytes for the page and ``close`` ends the socket; both return at once.
    """

    def __init__(
        self,
        hub: Hub,
        send: Callable[[str | bytes], None],
        near: bool,
        close: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.hub, self.send, self.near = hub, send, near
        self.seat: Seat | None = None
        self._close, self._clock = close, clock
        self._tokens, self._filled = float(BURST), clock()
        self._bad = 0
        self.ended = False  # nothing is heard or said any more

    def say(self, kind: str, **values: Any) -> None:
        """Send a text message."""
        if not self.ended:
            self.send(say(kind, **values))

    def error(self, code: str, message: str, fatal: bool = False) -> None:
        """Tell the page what is wrong."""
        if len(message) > LONGEST:
            message = f"{message[:LONGEST]}…"
        self.say("error", code=code, message=message, fatal=fatal)

    def end(self) -> None:
        """End the socket."""
        self.ended = True
        self._close()

    def left(self) -> None:
        """The socket is closed."""
        self.ended = True
        self.hub.left(self)

    def receive(self, text: str | bytes) -> None:
        """One message of the page. Wrong ones are refused with a sentence; floods end it."""
        if self.ended:
            return
        now = self._clock()
        self._tokens = min(BURST, self._tokens + (now - self._filled) * MOST_A_SECOND)
        self._filled = now
        if self._tokens < 1:
            self.error("bad-message", f"More than {MOST_A_SECOND} messages a second.", True)
            self.end()
            return
        self._tokens -= 1
        try:
            message = read(text)
            self._bad = 0
            self._do(message)
        except ControlError as error:
            self.error("control", str(error))
        except BadMessage as error:
            self._bad += 1
            self.error("bad-message", str(error), self._bad >= MOST_BAD)
            if self._bad >= MOST_BAD:
                self.end()
        except GWMError as error:
            self.error("limit", str(error))
        except Exception as error:  # whatever it is, other messages are still read
            log.exception("gwm: a message of a page could not be handled")
            self.error("failed", str(error))

    def _do(self, message: dict[str, Any]) -> None:
        kind, hub = message["type"], self.hub
        if kind == "open":
            hub.open(self, message["token"], message.get("walk"), message.get("encoding", "auto"))
            return
        if kind == "resume":
            hub.resume(self, message["session"])
            return
        seat = self.seat
        if kind == "ack":  # may still come for a session that has ended
            if seat is not None:
                seat.outbox.ack(message["n"])
                hub.flush(seat)
            return
        if seat is None:
            if kind not in ("controls", "release", "pause", "close"):  # those may come late
                self.error("unknown-session", "There is no world here; press Play.", True)
            return
        player = seat.player
        seat.since = self._clock()
        if kind == "controls":
            player.push(message["held"], message["seq"])
        elif kind == "release":
            player.session.release()
        elif kind == "close":
            hub.close(seat)
        elif kind == "event":
            self._event(seat, message["text"])
        else:
            self._errand(seat, kind, message)

    def _errand(self, seat: Seat, kind: str, message: dict[str, Any]) -> None:
        """Requests that may have to replay: they stop what they replace at once."""
        hub, player = self.hub, seat.player
        if kind == "pause":
            tick = message.get("tick")
            player.stop(limit=tick)
            hub.errand(seat, lambda p: p.pause(tick))
        elif kind == "seek":
            player.stop()
            hub.errand(seat, lambda p: p.seek(message["tick"]), "seek")
        elif kind == "cut":
            hub.errand(seat, lambda p: p.cut())
        elif kind == "step":
            hub.errand(seat, lambda p: p.step(message.get("ticks", 1)))
        else:
            hub.errand(seat, lambda p: p.play() if kind == "play" else p.watch())

    def _event(self, seat: Seat, text: str) -> None:
        """Something happens; the page hears which words the model knows."""

        def happen(player: Any) -> None:
            player.event(text)
            said = getattr(player.start.model, "understand", None)
            if said is not None:
                words = said(text, event=True)
                known, not_known = list(words.understood), list(words.ignored)
                seat.say("event", text=text, understood=known, ignored=not_known)

        self.hub.errand(seat, happen)
