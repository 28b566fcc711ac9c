"""A whole recording at once: what a face does to it, as curves and as a film.

The driver is the live one, so a film is what was seen live. Everything streams: memory grows
only by what the caller keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AvatarError
from .film import Film
from .motion import group
from .sound import Recording

if TYPE_CHECKING:
    from .dials import Dials

MOST_TICKS = 25 * 3600 * 2
"""Two hours."""
CURVES_FOR = ("everything", "all but the mouth")
"""What the curves of another performance decide: the mouth may follow the voice instead."""


def curves_from_voice(
    model: Any,
    own: Recording | None,
    other: Recording | None = None,
    *,
    seed: int = 0,
    dials: Dials | None = None,
    ticks: int | None = None,
) -> Iterator[np.ndarray]:
    """Motions [24] of a character, one for every tick.

    own    its voice; None: it only listens
    other  the voice it listens to
    ticks  how many; as long as the longer voice when left out (what is missing is silence)
    """
    from .driver import Driver

    if own is None and other is None:
        raise AvatarError("audio: no voice is given; one of one's own or another's is needed")
    longest = max(len_of(own), len_of(other))
    ticks = checked_ticks(longest if ticks is None else ticks)
    yield from Driver(model, seed=seed, dials=dials).motions(own, other, ticks)


def len_of(recording: Recording | None) -> int:
    """Ticks of a recording that may be missing."""
    return 0 if recording is None else recording.ticks


def checked_ticks(ticks: int) -> int:
    """``ticks``; AvatarError where they are too many."""
    if ticks > MOST_TICKS:
        raise AvatarError(f"audio: {ticks / 25 / 60:.0f} minutes; up to {MOST_TICKS // 1500} are "
                          "accepted at once")
    return ticks


def with_curves(motions: Iterable[np.ndarray] | None, curves: np.ndarray, use: str, ticks: int
                ) -> Iterator[np.ndarray]:
    """``ticks`` motions of another performance, on this one.

    motions  from this one's voice; None (or ``use`` "everything") takes the curves alone
    curves   [T, 24]; where they end before ``ticks``, their last motion is held
    use      one of ``CURVES_FOR``
    """
    if use not in CURVES_FOR:
        raise AvatarError(f"curves: {use!r}; one of {', '.join(CURVES_FOR)} is accepted")
    if len(curves) == 0:
        raise AvatarError("motion: no ticks; at least one is needed")
    mouth = group("mouth")
    spoken = iter(motions) if motions is not None and use != CURVES_FOR[0] else None
    for tick in range(ticks):
        row = curves[min(tick, len(curves) - 1)].copy()
        if spoken is not None:
            row[mouth] = next(spoken)[mouth]
        yield row


@dataclass(frozen=True, eq=False)
class Shot:
    """What was filmed: ``motion`` [T, ..., 24], its first ``frames`` uint8 [F, H, W, 3]."""

    motion: np.ndarray
    frames: np.ndarray


def shoot(
    motions: Iterable[np.ndarray],
    draw: Callable[[np.ndarray], np.ndarray],
    ticks: int,
    *,
    film: Film | None = None,
    most_frames: int = 0,
    progress: Callable[[int, int, np.ndarray], None] | None = None,
) -> Shot:
    """Draws ``ticks`` motions, writes them to ``film`` and keeps the first ``most_frames``.

    motions   one motion [24] for every tick, or several at once [K, 24], as ``draw`` takes them
    progress  called as (ticks done, ticks, frame); what it raises ends the film
    """
    rows: list[np.ndarray] = []
    kept = np.zeros((0, 0, 0, 3), np.uint8)
    for tick, row in enumerate(motions, start=1):
        frame = draw(row)
        if film is not None:
            film.add(frame)
        rows.append(np.array(row, np.float32))
        if tick == 1 and most_frames > 0:
            kept = np.empty((min(most_frames, ticks), *frame.shape), np.uint8)
        if tick <= most_frames:
            kept[tick - 1] = frame
        if progress is not None:
            progress(tick, ticks, frame)
        if tick == ticks:
            break
    if len(rows) != ticks:
        raise AvatarError(f"motion: {len(rows)} of {ticks} ticks were made")
    return Shot(np.stack(rows), kept)
