"""What a page and a player say to each other: checked when it comes in, packed when it goes out."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from ..errors import GWMError

MAX_BYTES = 1 << 20
"""Longest message of a page; the walk that it opens with is the longest there is."""
MAX_TICKS = 10_000_000

#: Message type -> name -> (kinds that are accepted, whether it must be there)
Forms = dict[str, dict[str, tuple[tuple[type, ...], bool]]]
FORMS: Forms = {
    "open": {
        "token": ((str,), True),
        "walk": ((dict, str, type(None)), False),
        "encoding": ((str,), False),
    },
    "resume": {"session": ((str,), True)},
    "controls": {"seq": ((int,), True), "held": ((dict,), True)},
    "release": {},
    "play": {},
    "pause": {"tick": ((int, type(None)), False)},
    "step": {"ticks": ((int,), False)},
    "seek": {"tick": ((int,), True)},
    "cut": {},
    "watch": {},
    "event": {"text": ((str,), True)},
    "ack": {"n": ((int,), True)},
    "close": {},
}
ENCODINGS = ("auto", "lossless", "small")


class BadMessage(GWMError):
    """A message that is none, or does not have the form it must have."""


def read(text: str | bytes, forms: Forms = FORMS) -> dict[str, Any]:
    """A message of a page as a dict with "type"; BadMessage says what is accepted."""
    if isinstance(text, bytes):
        raise BadMessage("message: bytes came; JSON text is accepted")
    if len(text) > MAX_BYTES:
        raise BadMessage(f"message: {len(text)} characters; up to {MAX_BYTES} are accepted")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("message: no JSON") from None
    kind = message.get("type") if isinstance(message, dict) else None
    form = forms.get(kind) if isinstance(kind, str) else None
    if form is None:
        raise BadMessage(f"message: type {str(kind)[:40]!r}; accepted are {', '.join(forms)}")
    for name, (kinds, needed) in form.items():
        value = message.get(name)
        if name not in message:
            if needed:
                raise BadMessage(f"message {kind}: {name!r} is missing")
        elif not isinstance(value, kinds) or isinstance(value, bool):
            accepted = " or ".join("null" if k is type(None) else k.__name__ for k in kinds)
            raise BadMessage(f"message {kind}: {name!r} must be {accepted}")
        elif isinstance(value, int) and not 0 <= value < 2**53:
            raise BadMessage(f"message {kind}: {name!r} is {value}; 0 and more are accepted")
    if message.get("encoding", "auto") not in ENCODINGS and kind == "open":
        raise BadMessage(f"message open: encoding is one of {', '.join(ENCODINGS)}")
    return message


def say(kind: str, **values: Any) -> str:
    """A text message to a page."""
    return json.dumps({"type": kind, **values}, ensure_ascii=False, separators=(",", ":"))


def pack(header: Mapping[str, Any], *payload: bytes) -> bytes:
    """A binary message: u32 (little endian) length of the header, header as JSON, payload."""
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return b"".join((struct.pack("<I", len(head)), head, *payload))


def unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    """(header, payload) of a binary message; the inverse of ``pack``, for clients in Python."""
    (size,) = struct.unpack_from("<I", data)
    return json.loads(data[4 : 4 + size]), data[4 + size :]
