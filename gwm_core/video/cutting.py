"""Shots cut together: pictures as one stream of frames, sounds as gains over samples.

Nothing here holds more than one frame of each of two shots, or a piece of sound. When a shot is
seen and heard says ``Timeline``; here is how one goes over into the next:

    picture    a dissolve of F frames shows in its frame k the share (k + 1) / (F + 1) of the next
               shot: all of its frames are mixed ones
    dialogue,  whole to the shot's end in a cut, j-cut and l-cut, and what rings on is heard under
    effects    the next shot; over a dissolve they fade with equal power
    ambience   fades with equal power over the overlap. At a plain cut, where shots share nothing,
               it fades over ``BED`` seconds around the cut, both beds carried on by their own
               mirror image: room tone has no gap, step or click
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .timeline import Placed, Timeline

BED = Fraction(3, 10)
"""Seconds over which room tone goes over into the next one at a plain cut."""
EDGE = Fraction(1, 50)
"""Seconds in which the film's sound begins and ends."""
SOFT = Fraction(1, 200)
"""Seconds in which a stem fades at its end where nothing of it rings on."""

Pictures = Callable[[int, int], Iterator[np.ndarray]]
"""Frames [start, stop) of one shot."""


def cut_pictures(timeline: Timeline, shots: Sequence[Pictures]) -> Iterator[np.ndarray]:
    """The film's frames in order, uint8 [H, W, 3]; of each shot only what is seen is read."""
    before: Iterator[np.ndarray] | None = None
    for placed, source in zip(timeline.shots, shots, strict=True):
        start, stop = placed.own_shown
        following = _following(timeline, placed)
        fade_out = following.fade if following is not None else 0
        stream = source(start, stop)
        for k in range(placed.fade):
            frame = next(stream)
            last = np.zeros_like(frame) if before is None else next(before)
            yield mixed(last, frame, k, placed.fade)
        for _ in range(start + placed.fade, stop - fade_out):
            yield next(stream)
        _close(before)
        before = stream
    _close(before)


def mixed(first: np.ndarray, second: np.ndarray, k: int, count: int) -> np.ndarray:
    """Frame ``k`` of a dissolve of ``count`` frames, rounded; uint8 as both."""
    share = np.float32(k + 1) / np.float32(count + 1)
    out = first.astype(np.float32)
    out += (second.astype(np.float32) - out) * share
    return np.rint(out).astype(np.uint8)


@dataclass(frozen=True)
class Fade:
    """How one stem of one shot is heard; positions are samples of the shot, from its own 0.

    begin  the first sample heard; below 0 the bed is carried on backwards
    end    the sample after the last one; beyond the shot's length carried on
    rise   over how many samples from ``begin`` it fades in; ``fall``: out, up to ``end``
    rings  whether what rings on after the end is heard too
    """

    begin: int
    end: int
    rise: int
    fall: int
    rings: bool = False

    def gain(self, start: int, stop: int) -> np.ndarray:
        """float32 [stop - start]: equal power, so that two fades of unlike sound keep the level."""
        at = np.arange(start, stop, dtype=np.float64) + 0.5
        gain = ((at >= self.begin) & (at < self.end)).astype(np.float64)
        if self.rise:
            gain *= np.sin(np.pi / 2 * np.clip((at - self.begin) / self.rise, 0, 1))
        if self.fall:
            gain *= np.sin(np.pi / 2 * np.clip((self.end - at) / self.fall, 0, 1))
        return gain.astype(np.float32)


def fade_of(timeline: Timeline, index: int, stem: str, rings: bool) -> Fade:
    """How a stem of shot ``index`` is heard. ``rings``: it has something that rings on."""
    placed = timeline.shots[index]
    following = _following(timeline, placed)
    before = timeline.shots[index - 1] if index else None
    if stem == "ambience":
        return _bed(timeline, before, placed, following)
    rise = fall = 0
    if placed.cut == "dissolve":
        # The first shot's dissolve is a fade from black, of its sound too.
        rise = _samples(placed, placed.fade)
    dissolves = following is not None and following.cut == "dissolve"
    if dissolves:
        fall = following.overlap_samples
    elif not rings:
        fall = min(int(SOFT * timeline.rate), placed.samples)
    return Fade(0, placed.samples, rise, fall, rings and not dissolves)


def carried_on(read: Callable[[int, int], np.ndarray], length: int, start: int, stop: int
               ) -> np.ndarray:
    """Samples [start, stop) of a sound of ``length``, beyond both ends its mirror image.

    ``read(a, b)`` gives samples within it, float32 [C, b - a].
    """
    if start >= 0 and stop <= length:
        return read(start, stop)
    at = np.abs(np.arange(start, stop))
    at = np.where(at >= length, 2 * (length - 1) - at, at)
    # A bed shorter than what is asked of it is mirrored once; then its end is held.
    at = np.clip(at, 0, length - 1)
    low, high = int(at.min()), int(at.max()) + 1
    return read(low, high)[:, at - low]


def edge_gain(samples: int, rate: int, start: int, stop: int) -> np.ndarray:
    """How the film's sound begins and ends: float32 [stop - start] of its own samples."""
    count = max(1, int(EDGE * rate))
    at = np.arange(start, stop, dtype=np.float64) + 0.5
    near = np.clip(np.minimum(at, samples - at) / count, 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * near)).astype(np.float32)


def _bed(timeline: Timeline, before: Placed | None, placed: Placed, following: Placed | None
         ) -> Fade:
    half = int(BED * timeline.rate) // 2
    begin, rise, end, fall = 0, 0, placed.samples, 0
    if before is None:
        rise = _samples(placed, placed.fade)
    elif placed.overlap:
        rise = placed.overlap_samples
    else:
        reach = min(half, placed.samples // 2, before.samples // 2)
        begin, rise = -reach, 2 * reach
    if following is not None and following.overlap:
        fall = following.overlap_samples
    elif following is not None:
        reach = min(half, placed.samples // 2, following.samples // 2)
        # Its own sound may be a sample longer than the frames it fills.
        seam = following.first_sample - placed.first_sample
        end, fall = seam + reach, 2 * reach
    return Fade(begin, end, rise, fall)


def _close(stream: Iterator[np.ndarray] | None) -> None:
    """A stream that is read no further gives its file back at once."""
    close = getattr(stream, "close", None)
    if close is not None:
        close()


def _following(timeline: Timeline, placed: Placed) -> Placed | None:
    return timeline.shots[placed.index + 1] if placed.index + 1 < len(timeline.shots) else None


def _samples(placed: Placed, frames: int) -> int:
    """How many of a shot's samples its first ``frames`` take."""
    return placed.samples * frames // placed.frames
