"""Two characters in one picture, and their two voices in one sound."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..errors import AvatarError
from .sound import Recording
from .sync_report import loudness

LAYOUTS = ("side by side", "left only", "right only", "cut to the speaker")
SIDES = ("left", "right")
PEAK = 0.99
"""Where a mix would clip it is turned down so far as a whole."""
LEAST_SHOT = 30
"""Ticks that a cut stands at least: 1.2 s."""
BEFORE, AFTER = 8, 12
"""Ticks around a moment in which it counts who speaks: a cut comes a little before the voice."""
CLEARLY = 0.12
"""How much louder (0..1) the other one must be for a cut."""


class TwoShot:
    """Where two characters stand in the picture.

    left, right  sizes (height, width) of their frames
    layout       one of ``LAYOUTS``. Side by side the lower one stands in the middle of the
                 higher one's height; cut to the speaker, each in the middle of the picture.
    """

    def __init__(self, left: tuple[int, int], right: tuple[int, int],
                 layout: str = LAYOUTS[0]) -> None:
        if layout not in LAYOUTS:
            raise AvatarError(f"layout: {layout!r}; one of {', '.join(LAYOUTS)} is accepted")
        self.layout = layout
        self.cuts = layout == LAYOUTS[3]
        shown = dict(zip(SIDES, (left, right), strict=True))
        if layout in LAYOUTS[1:3]:
            side = layout.split()[0]
            shown = {side: shown[side]}
        widths = [width for _, width in shown.values()]
        self.size = (max(h for h, _ in shown.values()), max(widths) if self.cuts else sum(widths))
        self.places: dict[str, tuple[slice, slice]] = {}
        at = 0
        for side, (height, width) in shown.items():
            top = (self.size[0] - height) // 2
            begin = (self.size[1] - width) // 2 if self.cuts else at
            self.places[side] = slice(top, top + height), slice(begin, begin + width)
            at += width

    def shows(self, side: str, speaker: str | None = None) -> bool:
        """Whether a side is in the picture while ``speaker`` speaks."""
        return side in self.places and (not self.cuts or side == speaker)

    def compose(self, left: np.ndarray | None, right: np.ndarray | None,
                speaker: str | None = None) -> np.ndarray:
        """One frame uint8 [H, W, 3] of two; one that is not shown may be None."""
        out = np.zeros((*self.size, 3), np.uint8)
        for side, frame in zip(SIDES, (left, right), strict=True):
            if self.shows(side, speaker):
                out[self.places[side]] = frame
        return out

    def mask(self, side: str, speakers: np.ndarray | None = None) -> np.ndarray:
        """float32 [F, H, W]: 1 where the character of that side is; F is 1 where that never
        changes, else as many as ``speakers`` (see ``who_speaks``)."""
        there = np.ones(1, bool)
        if self.cuts and speakers is not None:
            there = speakers == SIDES.index(side)
        out = np.zeros((len(there), *self.size), np.float32)
        if side in self.places:
            out[(slice(None), *self.places[side])] = there[:, None, None]
        return out


def who_speaks(left: Recording, right: Recording, ticks: int) -> np.ndarray:
    """Whom a camera would show in each tick: int8 [ticks], 0 is left and 1 right.

    It goes to who is clearly the louder one around that moment, stays ``LEAST_SHOT`` ticks at
    least, and stays where both are silent.
    """
    loud = np.zeros((2, ticks + BEFORE + AFTER), np.float32)
    for row, voice in zip(loud, (left, right), strict=True):
        heard = loudness(voice)[:ticks]
        row[BEFORE:BEFORE + len(heard)] = heard
    sums = np.cumsum(np.pad(loud, ((0, 0), (1, 0))), axis=1)
    around = (sums[:, BEFORE + AFTER:] - sums[:, :-BEFORE - AFTER])[:, :ticks] / (BEFORE + AFTER)
    clear = np.flatnonzero(np.abs(around[1] - around[0]) > CLEARLY)
    shown = int(around[1, clear[0]] > around[0, clear[0]]) if len(clear) else 0
    out, since = np.zeros(ticks, np.int8), -LEAST_SHOT
    for tick in range(ticks):
        louder = around[1 - shown, tick] - around[shown, tick] > CLEARLY
        if louder and tick - since >= LEAST_SHOT:
            shown, since = 1 - shown, tick
        out[tick] = shown
    return out


def mix(left: Recording, right: Recording) -> Recording:
    """Both voices as one sound, as long as the longer one.

    It has the higher of their sample rates and the larger number of channels (a mono voice is
    then in the middle); at equal rates samples are added as they are. Turned down as a whole
    where the sum would clip.
    """
    rate = max(left.rate, right.rate)
    parts = [resampled(one, rate) for one in (left, right)]
    out = np.zeros((max(len(p) for p in parts), max(p.shape[1] for p in parts)), np.float32)
    for part in parts:
        part = part if len(part) == len(out) else np.repeat(part[:1], len(out), axis=0)
        out[:, :part.shape[1]] += part
    loudest = float(np.abs(out).max())
    if loudest > 1:
        out *= PEAK / loudest
    return Recording(out, rate, "mix")


def resampled(recording: Recording, rate: int) -> np.ndarray:
    """float32 [C, N'] at ``rate``, N' = ceil(N * rate / its own)."""
    if recording.rate == rate:
        return recording.samples
    from scipy.signal import resample_poly  # brings much: not at start

    ratio = Fraction(rate, recording.rate)
    out = resample_poly(recording.samples, ratio.numerator, ratio.denominator, axis=1)
    want = math.ceil(recording.samples.shape[1] * ratio)
    return np.ascontiguousarray(out[:, :want], np.float32)
