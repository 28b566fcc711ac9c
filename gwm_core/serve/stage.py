"""The characters of the service: those it was started with, and portraits that clients send.

A client's ``open`` says which one, and how it is drawn; everything else is the live avatar's.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..avatars.actor import Actor
from ..avatars.character import Character
from ..avatars.dials import MOST, Dials
from ..avatars.driver import Driver
from ..avatars.faces_model import FacesModel
from ..avatars.live import LiveAvatar
from ..avatars.live_hub import AvatarHub, AvatarLink, Cast, Limits
from ..avatars.portrait import Portrait, portrait_of
from ..avatars.portrait_file import decode
from ..errors import AvatarError, GWMError
from ..live.messages import Forms
from ..noise import check_seed

log = logging.getLogger(__name__)
FORMS: Forms = {
    "open": {
        "portrait": ((str,), True),
        "anchors": ((dict,), False),
        "seed": ((int,), False),
        "size": ((int,), False),
        "dials": ((dict,), False),
        "encoding": ((str,), False),
    },
    "ack": {"n": ((int,), True)},
    "close": {},
}
DATA = ("data:image/png;base64,", "data:image/jpeg;base64,")
"""How a portrait begins that is sent, not named; a message of it has at most 1 MiB."""
MOST_SIDE = 2048
"""Pixels a side of a portrait that is sent."""
LEAST_SIZE, SIZE, MOST_SIZE = 64, 512, 1024
"""Longest side of the frames."""
NAMES = tuple(field.name for field in fields(Dials))


@dataclass(frozen=True, eq=False)
class Ask:
    """An ``open`` that was read: the name of a portrait, or its bytes with placed points (text, see
    ``avatars.anchors``), and how it is drawn."""

    portrait: str | bytes
    anchors: str
    seed: int
    size: int
    dials: Dials
    encoding: str


class Stage(AvatarHub):
    """An ``AvatarHub`` whose characters are made here, one after the other, in a thread.

    model      a FacesModel, which all avatars share
    portraits  by the names that clients may ask for
    """

    forms = FORMS

    def __init__(self, model: FacesModel, portraits: Mapping[str, Portrait],
                 limits: Limits | None = None, **clock: Any) -> None:
        super().__init__(limits, **clock)
        self.model, self.portraits = model, dict(portraits)
        self._makers = ThreadPoolExecutor(1, "gwm-serve-character")

    def new_link(self, send: Callable[[str | bytes], None], near: bool,
                 close: Callable[[], None]) -> StageLink:
        return StageLink(self, send, near, close, self._clock)

    def open(self, link: StageLink, message: dict[str, Any]) -> None:
        """Begin to make what an ``open`` asks for; AvatarError says what of it is wrong."""
        ask = read_ask(message, self.portraits)
        if link.making:
            raise AvatarError("message open: the one before is still at work; wait for its answer")
        if self.sessions - (link.avatar is not None) >= self.limits.sessions:
            link.error("full", f"{self.limits.sessions} avatars are live already; try later")
            return
        link.making = True
        self._makers.submit(self._make, link, ask)

    def close(self) -> None:
        """Send everybody away."""
        self._makers.shutdown(wait=False, cancel_futures=True)
        for link in list(self._links):
            link.say("closed", why="The service ends.")
            link.stop()
            link.end()

    def _make(self, link: StageLink, ask: Ask) -> None:
        made, failed = None, ""
        try:
            if not link.ended:
                portrait = self._portrait(ask)
                made = portrait, self._cast(portrait.character, ask)
        except GWMError as error:
            failed = str(error)
        except Exception:
            log.exception("gwm serve: a character could not be made")
            failed = "the service failed at this portrait; its log says why"
        link.making = False  # before the answer: the client may open another one at once
        if failed:
            link.error("failed", failed, fatal=False)
        elif made is not None:
            portrait, cast = made
            link.say("portrait", found=portrait.found, text=portrait.message)
            token = secrets.token_urlsafe(24)
            self.wait(link, token, ask.encoding)
            self.offer(token, cast)
        if link.ended:  # it has left meanwhile
            link.stop()

    def _portrait(self, ask: Ask) -> Portrait:
        if isinstance(ask.portrait, bytes):
            return portrait_of(decode(ask.portrait, MOST_SIDE), ask.anchors)
        return self.portraits[ask.portrait]

    def _cast(self, character: Character, ask: Ask) -> Cast:
        longest = max(character.image.shape[:2])
        actor = Actor(character, min(ask.size, max(longest, LEAST_SIZE)),
                      rest=1.0 if ask.dials.mouth == 0 else 0.0)

        def make(send: Callable[[str | bytes], None], encoding: str) -> LiveAvatar:
            # Clients cannot record here: nothing is ever written to the folder.
            return LiveAvatar(lambda: Driver(self.model, ask.seed, ask.dials), actor.draw, send,
                              encoding, nullcontext, Path())

        height, width = actor.size
        return Cast(make, width, height)


class StageLink(AvatarLink):
    """One client; ``making``: whether its character is being made."""

    hub: Stage
    making = False

    def _text(self, message: dict[str, Any]) -> None:
        if message["type"] == "open":
            self.hub.open(self, message)
        else:
            super()._text(message)


def read_ask(message: dict[str, Any], names: Collection[str]) -> Ask:
    """What an ``open`` asks for; AvatarError names what is wrong."""
    size = message.get("size", SIZE)
    if not LEAST_SIZE <= size <= MOST_SIZE:
        raise AvatarError(f"message open: size {size}; {LEAST_SIZE} to {MOST_SIZE} are accepted")
    anchors = json.dumps(message["anchors"]) if message.get("anchors") else ""
    return Ask(_portrait(message["portrait"], names), anchors, check_seed(message.get("seed", 0)),
               size, _dials(message.get("dials", {})), message.get("encoding", "auto"))


def _portrait(text: str, names: Collection[str]) -> str | bytes:
    start = next((one for one in DATA if text.startswith(one)), None)
    if start is None:
        if text not in names:
            known = ", ".join(map(repr, names)) or "none was given at start"
            raise AvatarError(f"message open: portrait {text[:60]!r}; a name ({known}) or a data "
                              "URL of a PNG or JPEG in base64 is accepted")
        return text
    try:
        return base64.b64decode(text[len(start):], validate=True)
    except (ValueError, binascii.Error):
        raise AvatarError("message open: portrait is no base64; base64 is accepted") from None


def _dials(values: dict[str, Any]) -> Dials:
    for name, value in values.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if name not in NAMES or not number or not 0 <= value <= MOST:
            raise AvatarError(f"message open: dial {name[:40]!r} is {str(value)[:40]}; "
                              f"{', '.join(NAMES)} from 0 to {MOST:g} are accepted")
    return Dials(**{name: float(value) for name, value in values.items()})
