"""A kept shot with one time range of it taken from another take.

Before and after the range the kept shot is used bit for bit. The range begins with the other
take's own pictures, which leave from the same moment, and ends with a cross-fade of ``BLEND``
frames back to the kept ones; sound fades over ``SEAM`` seconds at either end. Both lie within the
range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .cutting import mixed
from .kept_shot import STEMS, KeptShot, Take
from .timeline import sample_at

BLEND = 4
"""Frames at the end of a range that are mixed with the known ones."""
SEAM = Fraction(1, 25)
"""Seconds over which sound goes over at either end of a range."""
PICTURE, SOUND, BOTH = "picture", "sound", "both"
KINDS = (PICTURE, SOUND, BOTH)


@dataclass(frozen=True)
class Range:
    """Frames [first, last) of a shot, and what of them is new: one of ``KINDS``."""

    first: int
    last: int
    what: str

    @property
    def picture(self) -> bool:
        return self.what in (PICTURE, BOTH)

    @property
    def sound(self) -> bool:
        return self.what in (SOUND, BOTH)


class Splice:
    """The take (see ``kept_shot.Take``) of ``known`` with ``part`` of it from ``fresh``."""

    def __init__(self, known: KeptShot, fresh: Take, part: Range) -> None:
        self.known, self.fresh, self.part = known, fresh, part
        self.after: Mapping[str, np.ndarray] = {}

    def frames(self) -> Iterator[np.ndarray]:
        """The kept frames with the range's from the other take."""
        first, last = self.part.first, self.part.last
        if not self.part.picture:
            yield from self.known.pictures()
            return
        # Where the range reaches the shot's end there is nothing to go back to.
        blend = min(BLEND, (last - first) // 2) if last < self.known.frames else 0
        new = self.fresh.frames()
        for n, old in enumerate(self.known.pictures()):
            frame = next(new, None) if n < last else None
            if frame is None or n < first:
                yield old
            elif n < last - blend:
                yield frame
            else:
                yield mixed(frame, old, n - (last - blend), blend)
        if self.part.sound:
            for _ in new:  # its sound is whole only when all of its pictures are made
                pass

    def sounds(self) -> dict[str, np.ndarray]:
        """The kept stems with the range's from the other take."""
        known = {name: self._known(name) for name in STEMS}
        self.after = {name: self.known.after(name) for name in STEMS}
        if not self.part.sound:
            return known
        new = self.fresh.sounds()
        if self.part.last >= self.known.frames:
            tails = getattr(self.fresh, "after", None) or {}
            self.after = {name: tails.get(name, np.zeros((2, 0), np.float32)) for name in STEMS}
        return {name: self._spliced(name, sound, new.get(name)) for name, sound in known.items()}

    @property
    def contacts(self) -> list[float]:
        """Those seen: the other take's within the range."""
        if not self.part.picture:
            return list(self.known.contacts)
        a, b = (Fraction(n) / self.known.fps for n in (self.part.first, self.part.last))
        new = [float(c) for c in self.fresh.contacts if a <= c < b]
        return sorted([c for c in self.known.contacts if not a <= c < b] + new)

    @property
    def spoken(self) -> list[tuple[str, str, Fraction, Fraction]]:
        """The lines; those that begin in the range as the other take says them."""
        old = [(s.who, s.text, s.start, s.end) for s in self.known.spoken]
        new = [(who, text, Fraction(a), Fraction(b)) for who, text, a, b in self.fresh.spoken]
        if not self.part.sound or len(old) != len(new):
            return old
        a, b = (Fraction(n) / self.known.fps for n in (self.part.first, self.part.last))
        return [n if a <= o[2] < b else o for o, n in zip(old, new, strict=True)]

    def to_keep(self) -> dict[str, Any]:
        """What the other take tells; the range is noted."""
        return {**self.fresh.to_keep(),
                "range": [self.part.first, self.part.last, self.part.what]}

    def _known(self, name: str) -> np.ndarray:
        with self.known.sound(name) as sound:
            return sound[:, :]

    def _spliced(self, name: str, old: np.ndarray, new: np.ndarray | None) -> np.ndarray:
        known, rate = self.known, self.known.rate
        first = sample_at(self.part.first, known.fps, rate)
        last = min(sample_at(self.part.last, known.fps, rate), known.samples)
        if self.part.last >= known.frames:
            last = known.samples
        new = np.zeros_like(old) if new is None else new
        if np.array_equal(new[:, first:last], old[:, first:last]):
            return old
        share = np.ones(last - first)
        seam = min(int(SEAM * rate), (last - first) // 2)
        ramp = (np.arange(seam) + 0.5) / max(seam, 1)
        if first > 0:
            share[:seam] = ramp
        if last < known.samples:
            share[last - first - seam :] = ramp[::-1]
        out = old.copy()
        # Room tone is unlike itself, so its powers add up; the rest leaves from the same moment.
        if name == "ambience":
            gain, rest = np.sin(np.pi / 2 * share), np.cos(np.pi / 2 * share)
        else:
            gain, rest = share, 1 - share
        inside = old[:, first:last] * rest + new[:, first:last] * gain
        whole = share >= 1
        inside[:, whole] = new[:, first:last][:, whole]
        out[:, first:last] = inside
        return out
