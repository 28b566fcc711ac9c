"""What a finished shot depends on, as one digest: a shot whose digest is the same is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields
from fractions import Fraction
from typing import Any

import numpy as np

from .. import __version__
from .shots import place_of
from .storyboard import CastMember, Shot, Storyboard

VERSION = 2
"""Raised when the way in which shots are made changes."""
ASSEMBLY = ("cut", "cut_seconds", "name", "place")
"""What of a shot only the film's assembly uses; place is told as it is resolved."""


def shot_key(board: Storyboard, index: int, fingerprints: Iterable[str] = ()) -> str:
    """Hex digest of shot ``index``: the shot and its place, who is in it (pixels and recordings
    included), the film's size and rates, the checkpoints, and the versions of this library.

    What only the assembly of the film uses is no part of it: how the shot cuts, its name, the
    loudness, and all other shots.
    """
    shot = board.shots[index]
    cast = {name.casefold() for name in (*shot.seen, *(line.who for line in shot.lines))}
    said = {
        "versions": [VERSION, __version__],
        "film": [str(board.fps), board.width, board.height, board.sample_rate],
        "place": place_of(board, index),
        "shot": _shot(shot),
        "cast": [_member(m) for m in board.cast if m.name.casefold() in cast],
        "parts": list(fingerprints),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def retaken_key(key: str, *what: Any) -> str:
    """The digest of a shot of which something was retaken."""
    text = json.dumps([key, *(str(w) for w in what)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _shot(shot: Shot) -> dict[str, Any]:
    said = _fields(shot, without=ASSEMBLY)
    said["seen"] = [name.casefold() for name in shot.seen]
    said["lines"] = [{**_fields(line, without=("recording",)), "who": line.who.casefold(),
                      "recording": _recording(line.recording)} for line in shot.lines]
    said["happens"] = [_fields(happening) for happening in shot.happens]
    return said


def _fields(value: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """All fields of a dataclass as JSON, so that a new one counts from its first day."""
    found = ((f.name, getattr(value, f.name)) for f in fields(value) if f.name not in without)
    return {name: str(v) if isinstance(v, Fraction) else v for name, v in found}


def _member(member: CastMember) -> list[Any]:
    found = member.character
    pixels = None if found is None else [
        _array(found.image), _array(found.points), _array(found.alpha)]
    return [member.name.casefold(), member.voice, float(member.strength), pixels]


def _recording(recording: Any) -> Any:
    return None if recording is None else [recording.rate, _array(recording.samples)]


def _array(array: np.ndarray | None) -> str | None:
    if array is None:
        return None
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
