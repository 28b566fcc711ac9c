"""One shot of a storyboard becomes pictures and sounds.

    take = open_shot(board, 0, parts)
    for frame in take.frames(): ...              # uint8 [H, W, 3], exactly the shot's
    sounds = take.sounds()                       # "dialogue", "effects", "ambience"

A take streams: frames are made as they are asked for and not kept. The same storyboard and models
give the same frames and samples, bit for bit on the same machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from ..errors import VideoError
from .parts import Parts
from .storyboard import Storyboard

STEMS = ("dialogue", "effects", "ambience")


class ShotTake(Protocol):
    """What ``open_shot`` gives.

    contacts  seconds at which an impact is seen; known when the frames are made
    spoken    (who, text, start, end) of each line, seconds
    after     what of each stem rings on after the end, float32 [2, M] by name; known with
              ``sounds``
    """

    after: dict[str, np.ndarray]

    @property
    def contacts(self) -> tuple[Fraction, ...]: ...

    @property
    def spoken(self) -> tuple[tuple[str, str, Fraction, Fraction], ...]: ...

    def frames(self) -> Iterator[np.ndarray]:
        """uint8 [H, W, 3] in order, ``seconds * fps`` of them; to be gone through once."""

    def sounds(self) -> Mapping[str, np.ndarray]:
        """float32 [2, N] by stem, N = ``seconds * sample_rate``."""

    def to_keep(self) -> dict[str, Any]:
        """Arrays and JSON values that a retake goes on from."""


def open_shot(
    board: Storyboard, index: int, parts: Parts, *, stop: Callable[[], bool] | None = None
) -> ShotTake:
    """A take of shot ``index`` of a storyboard, as ``checks.check`` returned it.

    stop  asked at least once for each tick of a model; true ends it with ``Cancelled``

    VideoError names what does not fit.
    """
    if not 0 <= index < len(board.shots):
        raise VideoError(f"shot {index + 1}: the storyboard has {len(board.shots)}")
    place = place_of(board, index)
    if board.shots[index].speaks:
        from .talk_shot import TalkShot

        return TalkShot(board, index, parts, place, stop)
    from .room_shot import RoomShot

    return RoomShot(board, index, parts, place, stop)


def place_of(board: Storyboard, index: int) -> tuple[str, int]:
    """(prompt, seed) of a shot's room: its own, or those of the last shot before that names one."""
    for shot in reversed(board.shots[: index + 1]):
        if shot.place.strip():
            return shot.place.strip(), shot.seed
    return "", board.shots[index].seed
