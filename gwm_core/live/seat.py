"""What the hub knows of each player, and of worlds and pages that have not met yet."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import GWMError
from ..world import World
from .errands import Running
from .link import Link
from .outbox import Outbox
from .player import Player


@dataclass(frozen=True)
class Limits:
    """players: sessions at once, those whose page is away included; links: open sockets.
    seconds, ticks: of one session. idle: seconds that it may be paused. grace: seconds that it
    outlives its socket. token: seconds that a world waits for its page; wait: that a page waits
    for its world. silent: seconds without an answer of the page before its world stops.
    clip_bytes: kept ticks of all sessions together."""

    players: int = 8
    links: int = 32
    seconds: float = 4 * 3600
    ticks: int = 100_000
    idle: float = 3600
    grace: float = 30
    token: float = 120
    wait: float = 60
    silent: float = 10
    clip_bytes: int = 256 << 20

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Limits from a text such as "players=4, grace=10"; GWMError names what is accepted."""
        known = {f.name: int if f.type == "int" else float for f in fields(cls)}
        given = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = (piece.strip() for piece in part.partition("="))
            try:
                given[name] = known[name](value)
                if not given[name] > 0:
                    raise ValueError
            except (KeyError, ValueError):
                raise GWMError(
                    f"limits: {part!r}; numbers above 0 for {', '.join(known)} are accepted, "
                    "as in players=4, grace=10"
                ) from None
        return cls(**given)


@dataclass(eq=False)
class Seat:
    """A player with its page."""

    id: str
    outbox: Outbox
    since: float
    """When it was last used, or its page left."""
    player: Player = field(init=False)
    link: Link | None = None
    waiting: float | None = None
    """Since when it waits for the host."""
    told: bool = False
    errands: deque = field(default_factory=deque)
    """(name, function) of what its page asked for; the first one is under way."""

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
