"""Do picture and sound of a clip belong together, and by how much is one of them late?

Two independent looks, each from picture and sound alone:

- impacts that are seen (``foley.contacts``) against what sets in in the sound (``onsets``): how
  many match within a frame, and the shift at which most do;
- lips that are seen against the voice (``avatars.sync_report``), in each stretch between two cuts
  in which a face is seen.

Beside each figure stands its floor: the same with the sound moved away in time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..avatars.sound import Recording
from ..avatars.sync_report import TICK_RATE
from ..errors import Cancelled, CheckpointError
from .cut_finder import find_cuts
from .foley import check_clip
from .lips_seen import Lips, follows, lips_of
from .onsets import onsets

TOLERANCE = 1.0
"""Frames within which something seen and something heard are one event."""
LATE_MS, EARLY_MS = 40.0, 60.0
"""How late or early a picture may be: EBU R37 (sound at most 40 ms early, 60 ms late)."""
MOST_SHIFT = 12
"""Frames to either side that are looked at."""
MOST_FAR = 400
"""Shifts beyond those, around the whole clip, that tell what chance gives."""
SURE, LEAST_PAIRS = 1.25, 3
"""How far above chance the best shift must be, and how many events must match there."""
FINE = 4
"""Shifts are looked at to a quarter of a frame."""
TOGETHER = 0.06
"""Seconds within which several impacts are heard as one."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class AVSync:
    """Times in seconds, ``offset`` in frames at ``fps``, positive: the picture is late.

    seen      impacts in the pictures; ``heard`` what sets in in the sound
    pairs     (seen, heard) that are one event where the clip is
    offset    the shift at which most match, nan where nothing is seen or heard
    iou       matched over all seen or heard, in place; ``best_iou`` at ``offset``
    floor     the mean of the same with the sound moved away; ``control`` the most of it at any of
              the shifts beyond those looked at; ``best_pairs`` how many match at ``offset``
    heard_of_seen  share of what is seen that is heard, and its floor
    lips      stretches with a face and a voice
    loudness  of the sound for the plot, float32 [n] over the clip's length
    remarks   what could not be looked at
    """

    fps: Fraction
    frames: int
    seen: tuple[float, ...]
    heard: tuple[float, ...]
    pairs: tuple[tuple[float, float], ...]
    offset: float
    iou: float
    best_iou: float
    floor: float
    control: float
    best_pairs: int
    heard_of_seen: float
    heard_of_seen_floor: float
    lips: tuple[Lips, ...]
    loudness: np.ndarray
    remarks: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return float(self.frames / self.fps)

    @property
    def sure(self) -> bool:
        """Whether impacts and sounds fit better at ``offset`` than at any shift that has nothing to
        do with it."""
        return bool(np.isfinite(self.offset)) and self.best_pairs >= LEAST_PAIRS \
            and self.best_iou > SURE * self.control

    @property
    def lips_offset(self) -> float:
        """Of all stretches whose lips follow the voice, in frames at ``fps``, by their length; nan
        where there are none."""
        sure = [s for s in self.lips if follows(s.report)]
        if not sure:
            return float("nan")
        weights = [s.end - s.start for s in sure]
        ticks = np.average([s.report.offset for s in sure], weights=weights)
        return float(ticks * float(self.fps) / TICK_RATE)

    def verdict(self) -> str:
        """One or two sentences."""
        said = []
        if np.isfinite(self.offset):
            said.append(f"Impacts: {_late(self.offset, self.fps)}" if self.sure else
                        "Impacts and sounds do not belong together more than by chance.")
        if self.lips:
            late = self.lips_offset
            said.append(f"Lips: {_late(late, self.fps)}" if np.isfinite(late) else
                        "Lips and voice do not follow each other more than by chance.")
        return " ".join(said) or "Sync cannot be told: no impact and no speaking face is seen."

    def text(self) -> str:
        """The verdict and all figures, line by line."""
        lines = [self.verdict()]
        lines.append(f"impacts  {len(self.seen)} seen, {len(self.heard)} sounds set in, "
                     f"{len(self.pairs)} match within a frame")
        if np.isfinite(self.offset):
            lines.append(f"offset   {self.offset:+.2f} frames ({_ms(self.offset, self.fps):+.0f} "
                         "ms; + is a late picture)")
            lines.append(f"matched  {self.heard_of_seen:.0%} of what is seen (sound from elsewhere "
                         f"{self.heard_of_seen_floor:.0%}); of all seen or heard {self.iou:.2f}, "
                         f"at that offset {self.best_iou:.2f} (elsewhere {self.floor:.2f}, at "
                         f"most {self.control:.2f})")
        for stretch in self.lips:
            report = stretch.report
            lines.append(f"lips     {stretch.start:.2f} to {stretch.end:.2f} s: {report.verdict()} "
                         f"score {report.score:.2f} (elsewhere {report.control:.2f})")
        return "\n".join([*lines, *self.remarks])

    def to_json(self) -> str:
        """All figures, for other programs; what is not known is null."""
        return json.dumps({
            "fps": str(self.fps), "frames": self.frames, "verdict": self.verdict(),
            "seen": _rounded(self.seen), "heard": _rounded(self.heard),
            "pairs": [_rounded(pair) for pair in self.pairs],
            "offset_frames": _known(self.offset), "iou": _known(self.iou),
            "best_iou": _known(self.best_iou), "floor": _known(self.floor),
            "control": _known(self.control), "sure": self.sure,
            "heard_of_seen": _known(self.heard_of_seen),
            "heard_of_seen_floor": _known(self.heard_of_seen_floor),
            "lips_offset_frames": _known(self.lips_offset),
            "lips": [{"start": round(s.start, 3), "end": round(s.end, 3),
                      "offset_ticks": _known(s.report.offset), "score": _known(s.report.score),
                      "control": _known(s.report.control)} for s in self.lips],
            "remarks": list(self.remarks),
        })


def av_sync(
    frames: Sequence[np.ndarray],
    fps: Fraction | float,
    sound: Recording,
    *,
    model: Any = None,
    faces: Any = None,
    seen: Sequence[float] | None = None,
    lips: bool = True,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> AVSync:
    """The report of a clip.

    frames  uint8 [T, H, W, 3], or a sequence of such pictures, read one by one in order and over
            again (``clip_frames.ClipFrames`` of a file)
    model   a loaded rooms model, whose network finds impacts; None: the embedded one
    faces   a loaded model of faces: lips are held against those it would make of the voice, which
            is sharper than loudness
    seen    seconds of impacts, where they are known already
    lips    whether faces are looked for
    progress(done, total) counts frames; ``stop`` true ends it with ``Cancelled``

    VideoError names what does not fit.
    """
    check_clip(frames, float(fps))
    rate, count = Fraction(fps).limit_denominator(100_000), len(frames)
    passes = (seen is None) + 2 * lips
    remarks: list[str] = []

    def told(base: int) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            if stop is not None and stop():
                raise Cancelled("the report was stopped")
            if progress is not None:
                progress(base * count + min(done, count), max(passes, 1) * count)
        return tell

    at = 0
    if seen is None:
        seen = _contacts(frames, float(rate), model, told(at), remarks)
        at += 1
    found = _apart(sorted(float(t) for t in seen))
    heard = tuple(float(t) for t in onsets(sound.mono(), sound.rate, stop)
                  if t < count / rate)
    shifts = _matched(found, heard, rate, count)
    stretches: list[Lips] = []
    if lips and not sound.silent:
        cuts = find_cuts(frames, told(at))
        stretches = lips_of(frames, rate, sound, cuts, faces, told(at + 1))
    if not stretches and lips:
        remarks.append("no face is seen while a voice is heard: lips are not looked at")
    return AVSync(rate, count, found, heard, *shifts, tuple(stretches),
                  _loudness(sound, count / rate), tuple(remarks))


def matches(seen: Sequence[float], heard: Sequence[float], tolerance: float
            ) -> list[tuple[float, float]]:
    """Pairs of times within ``tolerance``, each used once, the nearest first."""
    near = sorted((abs(h - s), i, j) for i, s in enumerate(seen) for j, h in enumerate(heard)
                  if abs(h - s) <= tolerance)
    one, other, out = set(), set(), []
    for _, i, j in near:
        if i not in one and j not in other:
            one.add(i)
            other.add(j)
            out.append((seen[i], heard[j]))
    return sorted(out)


def _apart(times: Sequence[float]) -> tuple[float, ...]:
    """Of times in order those that can be heard apart."""
    out: list[float] = []
    for time in times:
        if not out or time - out[-1] > TOGETHER:
            out.append(time)
    return tuple(out)


def _contacts(frames: Sequence[np.ndarray], fps: float, model: Any, progress: Progress,
              remarks: list[str]) -> list[float]:
    from .foley import contacts  # brings the network: not at start

    try:
        return [contact.time for contact in contacts(frames, fps, model, progress=progress)]
    except CheckpointError as error:
        remarks.append(f"impacts in the picture are not looked for: {error}")
        return []


def _matched(seen: tuple[float, ...], heard: tuple[float, ...], fps: Fraction, frames: int
             ) -> tuple:
    """(pairs, offset, iou, best iou, floor, control, pairs at best, heard of seen, its floor)."""
    near, span = TOLERANCE / float(fps), float(frames / fps)

    def count(frames_late: float, around: bool = False) -> int:
        times = [t + frames_late / float(fps) for t in heard]
        return counted(seen, sorted(t % span for t in times) if around else times, near)

    def iou(pairs: int) -> float:
        return pairs / (len(seen) + len(heard) - pairs)

    nan = float("nan")
    if not seen or not heard:
        return (), nan, nan, nan, nan, nan, 0, nan, nan
    pairs = matches(seen, heard, near)
    shifts = np.arange(-MOST_SHIFT * FINE, MOST_SHIFT * FINE + 1) / FINE
    found = [count(shift) for shift in shifts]
    best = max(range(len(shifts)), key=lambda k: (found[k], -abs(shifts[k])))
    moved = [t + shifts[best] / float(fps) for t in heard]
    gaps = [float(fps) * (s - h) for s, h in matches(seen, moved, near)]
    offset = float(shifts[best] + np.median(gaps)) if gaps else nan
    # Sound moved around the whole clip: as many events, none where it belongs.
    far = np.arange((MOST_SHIFT + 2) * FINE, (frames - MOST_SHIFT - 2) * FINE + 1) / FINE
    far = far[:: max(len(far) // MOST_FAR, 1)]
    chance = [count(shift, True) for shift in far] or [0]
    return (tuple(pairs), offset, iou(len(pairs)), iou(found[best]),
            float(np.mean([iou(n) for n in chance])), iou(max(chance)), found[best],
            len(pairs) / len(seen), float(np.mean(chance)) / len(seen))


def counted(seen: Sequence[float], heard: Sequence[float], tolerance: float) -> int:
    """How many pairs within ``tolerance`` there can be, each time used once; both in order."""
    i = j = pairs = 0
    while i < len(seen) and j < len(heard):
        if abs(seen[i] - heard[j]) <= tolerance:
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif seen[i] < heard[j]:
            i += 1
        else:
            j += 1
    return pairs


def _loudness(sound: Recording, seconds: Fraction, points: int = 1000) -> np.ndarray:
    """Peaks of the sound over the clip, for the plot."""
    mono = sound.mono()
    edges = (np.arange(points + 1) * float(seconds) * sound.rate / points).astype(int)
    edges = np.minimum(edges, max(len(mono) - 1, 0))
    return np.maximum.reduceat(np.abs(mono), edges[:-1]).astype(np.float32)


def _late(offset: float, fps: Fraction) -> str:
    late = _ms(offset, fps)
    if -EARLY_MS <= late <= LATE_MS:
        return "in sync."
    return f"the picture is {abs(late):.0f} ms {'late' if late > 0 else 'early'}."


def _ms(frames: float, fps: Fraction) -> float:
    return 1000 * frames / float(fps)


def _known(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(v), 4) for v in values]
