"""All live avatars of a process: bounded in number and time, each belonging to one page.

A graph makes a character under a token (``offer``); the page that asked for it with the same token
(``open``) gets a ``LiveAvatar``. A page's sound never waits for anything.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import AvatarError, GWMError, SessionError
from ..live import encode
from ..live.messages import BadMessage, Forms, read, say
from .live import LiveAvatar
from .take import RATES

log = logging.getLogger(__name__)
FORMS: Forms = {
    "open": {"token": ((str,), True), "encoding": ((str,), False)},
    "ack": {"n": ((int,), True)},
    "record": {"on": ((int,), True)},
    "close": {},
}
HEAD = 8
"""Bytes before the samples: "GWMA", then the samples a second as a u32 (little endian)."""
MAGIC = b"GWMA"
MOST_SAMPLES = 96_000
"""Samples of one message."""
MOST_A_SECOND = 300
"""Messages that a page may send each second; more is no page but a flood."""
MOST_BAD = 20


@dataclass(frozen=True)
class Limits:
    """sessions, links: at once. seconds: of one session. silent: seconds without sound after which
    it ends. token: seconds that a character and its page wait for one another."""

    sessions: int = 4
    links: int = 16
    seconds: float = 4 * 3600
    silent: float = 60
    token: float = 120


@dataclass
class Cast:
    """A character under a token: how its avatar is made, and the size of its frames."""

    make: Callable[[Callable[[str | bytes], None], str], LiveAvatar]
    width: int
    height: int


@dataclass
class _Offer:
    since: float
    cast: Cast | None = None
    link: AvatarLink | None = None
    encoding: str = "auto"


class AvatarHub:
    """Where pages meet characters; ``forms`` are the messages that they may send."""

    forms: Forms = FORMS

    def __init__(
        self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits or Limits()
        self._clock = clock
        self._lock = threading.RLock()
        self._links: set[AvatarLink] = set()
        self._offers: dict[str, _Offer] = {}

    @property
    def sessions(self) -> int:
        """Avatars that are on air."""
        return sum(link.avatar is not None for link in self._links)

    def offer(self, token: str, cast: Cast) -> None:
        """A graph has made the character that the page with this token waits for."""
        with self._lock:
            self._tidy()
            offer = self._offers.setdefault(token, _Offer(self._clock()))
            offer.cast = cast
        self._match(token)

    def connect(
        self, send: Callable[[str | bytes], None], near: bool, close: Callable[[], None]
    ) -> AvatarLink:
        """A page's socket: ``send`` and ``close`` may be called from any thread and never wait."""
        with self._lock:
            self._tidy()
            if len(self._links) >= self.limits.links:
                raise SessionError(f"{self.limits.links} pages are connected; no more fit")
            link = self.new_link(send, near, close)
            self._links.add(link)
        return link

    def new_link(
        self, send: Callable[[str | bytes], None], near: bool, close: Callable[[], None]
    ) -> AvatarLink:
        """A link of this hub."""
        return AvatarLink(self, send, near, close, self._clock)

    def left(self, link: AvatarLink) -> None:
        """The page is gone, and its avatar with it."""
        with self._lock:
            self._links.discard(link)
            for token, offer in list(self._offers.items()):
                if offer.link is link:
                    del self._offers[token]
        link.stop()

    def free(self, why: str) -> None:
        """End every session, as when a host frees its memory."""
        for link in list(self._links):
            if link.avatar is not None:
                link.say("closed", why=why)
                link.stop()

    def wait(self, link: AvatarLink, token: str, encoding: str) -> None:
        """The page waits for the character of ``token``."""
        if not 16 <= len(token) <= 64:
            raise BadMessage("message open: a token of 16 to 64 characters is accepted")
        with self._lock:
            self._tidy()
            offer = self._offers.setdefault(token, _Offer(self._clock()))
            if offer.link not in (None, link):
                raise BadMessage("message open: another page has asked for this character")
            offer.link, offer.encoding = link, encoding
        self._match(token)

    def _match(self, token: str) -> None:
        with self._lock:
            offer = self._offers.get(token)
            if offer is None or offer.cast is None or offer.link is None:
                return
            del self._offers[token]
            link, cast = offer.link, offer.cast
            link.stop()
            if self.sessions >= self.limits.sessions:
                most = self.limits.sessions
                link.error("full", f"{most} avatars are live already; stop one of them first.")
                return
            encoding = encode.choose(offer.encoding, link.near, cast.width, cast.height)
            link.avatar = cast.make(link.send, encoding)
            link.since = self._clock()
        link.say("opened", width=cast.width, height=cast.height, rates=list(RATES),
                 limits={"seconds": self.limits.seconds})
        link.avatar.start()

    def _tidy(self) -> None:
        """Forget what waited too long, and end what is over."""
        now = self._clock()
        for token, offer in list(self._offers.items()):
            if now - offer.since > self.limits.token:
                del self._offers[token]
                if offer.link is not None:
                    offer.link.error("failed", "The graph did not make the character in time.")
        for link in list(self._links):
            link.look(now)


class AvatarLink:
    """One page: its messages and its avatar."""

    def __init__(
        self, hub: AvatarHub, send: Callable[[str | bytes], None], near: bool,
        close: Callable[[], None], clock: Callable[[], float],
    ) -> None:
        self.hub, self.send, self.near = hub, send, near
        self.avatar: LiveAvatar | None = None
        self.since = clock()
        self.ended = False
        self._close, self._clock = close, clock
        self._tokens, self._filled = float(MOST_A_SECOND), clock()
        self._bad = 0

    def say(self, kind: str, **values: Any) -> None:
        """Send a text message."""
        if not self.ended:
            self.send(say(kind, **values))

    def error(self, code: str, message: str, fatal: bool = True) -> None:
        """Tell the page what is wrong."""
        self.say("error", code=code, message=message[:500], fatal=fatal)

    def left(self) -> None:
        """The socket is closed."""
        self.ended = True
        self.hub.left(self)

    def end(self) -> None:
        """Close the socket."""
        self.ended = True
        self._close()

    def stop(self) -> None:
        """End the avatar, if there is one."""
        avatar, self.avatar = self.avatar, None
        if avatar is not None:
            avatar.close()

    def look(self, now: float) -> None:
        """End an avatar whose time is up, or to whom nobody speaks any more."""
        avatar = self.avatar
        if avatar is None:
            return
        if now - self.since > self.hub.limits.seconds:
            self.say("closed", why="The longest time of a live avatar is over; press Start again.")
        elif now - avatar.last_heard > self.hub.limits.silent:
            self.say("closed", why="No sound came any more; press Start again.")
        else:
            return
        self.stop()

    def receive(self, data: str | bytes) -> None:
        """One message of the page; wrong ones are answered with a sentence, floods end it."""
        if self.ended:
            return
        now = self._clock()
        self._tokens = min(MOST_A_SECOND, self._tokens + (now - self._filled) * MOST_A_SECOND)
        self._filled = now
        if self._tokens < 1:
            self.error("bad-message", f"More than {MOST_A_SECOND} messages a second.")
            self.end()
            return
        self._tokens -= 1
        try:
            if isinstance(data, bytes):
                self._sound(data)
            else:
                self._text(read(data, self.hub.forms))
            self._bad = 0
        except GWMError as error:
            self._bad += 1
            self.error("bad-message", str(error), self._bad > MOST_BAD)
            if self._bad > MOST_BAD:
                self.end()

    def _text(self, message: dict[str, Any]) -> None:
        kind, avatar = message["type"], self.avatar
        if kind == "open":
            self.hub.wait(self, message["token"], message.get("encoding", "auto"))
        elif kind == "close":
            self.stop()
        elif avatar is not None and kind == "ack":
            avatar.ack(message["n"])
        elif avatar is not None:
            avatar.record(bool(message["on"]))

    def _sound(self, data: bytes) -> None:
        samples, rest = divmod(len(data) - HEAD, 4)
        if data[:4] != MAGIC or rest or not 0 < samples <= MOST_SAMPLES:
            raise AvatarError(
                f"sound: {len(data)} bytes; GWMA, a u32 rate, then 1 to {MOST_SAMPLES} pairs of "
                "int16 (character, other) are accepted")
        self.look(self._clock())
        if self.avatar is not None:  # else it has just ended, and more is on the way
            rate = int.from_bytes(data[4:8], "little")
            self.avatar.hear(np.frombuffer(data, "<i2", offset=HEAD).reshape(-1, 2), rate)
