"""When every shot of a film is seen and heard, in whole frames and whole samples.

The rule of overlaps: every shot keeps its full length. A dissolve, j-cut or l-cut lets the end of
one shot and the beginning of the next run at the same time for ``cut_seconds``, so a film is as
long as its shots together less these overlaps. Within an overlap

    dissolve   the picture fades over, and so does the sound
    j-cut      the first shot is still seen, both are heard: sound leads the cut
    l-cut      the second shot is seen already, both are heard: sound trails the cut

so nothing is ever needed from before a shot's beginning or after its end, and sound never moves
against its own picture. A dissolve of the first shot is a fade from black.

Time is counted from frame 0; a position in samples is the frame's exact time rounded down, a
shot's own sound rounded up to whole samples. Where a frame holds a whole number of samples (48 kHz
at 24, 25, 30 or 24000/1001 a second) both are exact; elsewhere neighbours share at most one
sample, and no gap or drift can arise.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from ..errors import VideoError
from .storyboard import Shot, Storyboard


def frames_of(seconds: Fraction, fps: Fraction) -> int:
    """The whole number of frames nearest to that time; half a frame counts as one."""
    return floor(seconds * fps + Fraction(1, 2))


def samples_of(frames: int, fps: Fraction, rate: int) -> int:
    """How many samples the sound of so many frames has (rounded up)."""
    return ceil(frames * rate / Fraction(fps))


def sample_at(frame: int, fps: Fraction, rate: int) -> int:
    """The sample at which a frame of the film begins (rounded down)."""
    return floor(frame * rate / Fraction(fps))


@dataclass(frozen=True)
class Placed:
    """One shot in the film; all positions count from the beginning of the film.

    index          which shot
    first_frame    where its own frame 0 lies; with ``frames``, its own number of frames
    first_sample   where its own sample 0 lies; with ``samples``, its own number of samples
    shown          [from, to) frames of the film in which its picture is seen, dissolves included
    cut            how it begins: "cut", "dissolve", "j-cut", "l-cut"
    overlap        frames it shares with the shot before (0 for a cut)
    overlap_samples  samples it shares with the shot before
    cut_frame      the first frame of the film in which it is seen
    fade           frames of its dissolve: it fades in over its own first ``fade`` frames, from the
                   shot before, or from black where it is the first; 0 without
    """

    index: int
    first_frame: int
    frames: int
    first_sample: int
    samples: int
    shown: tuple[int, int]
    cut: str
    overlap: int = 0
    overlap_samples: int = 0
    fade: int = 0

    @property
    def end_frame(self) -> int:
        """The frame after its last one."""
        return self.first_frame + self.frames

    @property
    def end_sample(self) -> int:
        """The sample after its last one."""
        return self.first_sample + self.samples

    @property
    def cut_frame(self) -> int:
        return self.shown[0]

    @property
    def own_shown(self) -> tuple[int, int]:
        """``shown`` counted from its own frame 0: what of its picture is ever seen."""
        return self.shown[0] - self.first_frame, self.shown[1] - self.first_frame


class Timeline:
    """The whole film: ``shots`` (Placed, in order), ``frames``, ``samples``, ``fps``, ``rate``.

    VideoError where a shot has no frame or its overlaps leave no frame of it alone.
    """

    def __init__(self, board: Storyboard) -> None:
        self.fps, self.rate = Fraction(board.fps), int(board.sample_rate)
        overlaps = [overlap_frames(shot, index, self.fps)
                    for index, shot in enumerate(board.shots)]
        counts = [frames_of(shot.seconds, self.fps) for shot in board.shots]
        starts, at = [], 0
        for index, (shot, count, overlap) in enumerate(
                zip(board.shots, counts, overlaps, strict=True)):
            after = overlaps[index + 1] if index + 1 < len(counts) else 0
            if count < 1:
                raise VideoError(f"{called(shot, index)}: {_seconds(shot.seconds)} is no frame at "
                                 f"{_rate(self.fps)}; one frame or more is accepted")
            if overlap + after >= count:
                raise VideoError(
                    f"{called(shot, index)}: it has {count} frames and overlaps its neighbours in "
                    f"{overlap} + {after} of them; its cuts may take {count - 1} in all")
            at -= overlap
            starts.append(at)
            at += count
        self.frames = at
        self.samples = sample_at(at, self.fps, self.rate)
        self.shots = tuple(
            self._placed(board.shots, index, starts, counts, overlaps)
            for index in range(len(counts)))

    def _placed(self, shots, index, starts, counts, overlaps) -> Placed:
        shot, start, overlap = shots[index], starts[index], overlaps[index]
        shown_from, shown_to = start, start + counts[index]
        if shot.cut == "j-cut":
            shown_from += overlap
        if index + 1 < len(shots) and shots[index + 1].cut == "l-cut":
            shown_to -= overlaps[index + 1]
        first = sample_at(start, self.fps, self.rate)
        shared = sample_at(start + overlap, self.fps, self.rate) - first
        fade = overlap if index else frames_of(shot.cut_seconds, self.fps)
        return Placed(
            index, start, counts[index], first, samples_of(counts[index], self.fps, self.rate),
            (shown_from, shown_to), shot.cut, overlap, shared,
            min(fade, counts[index]) if shot.cut == "dissolve" else 0)

    @property
    def seconds(self) -> Fraction:
        """The film's exact length."""
        return self.frames / self.fps

    @property
    def cuts(self) -> tuple[int, ...]:
        """The frames at which another picture begins (a dissolve: begins to show)."""
        return tuple(placed.cut_frame for placed in self.shots[1:])

    def at_frame(self, frame: int) -> tuple[Placed, ...]:
        """Whose picture is seen in a frame: one shot, or two within a dissolve."""
        return tuple(p for p in self.shots if p.shown[0] <= frame < p.shown[1])

    def seconds_at(self, index: int, seconds: Fraction) -> Fraction:
        """The film's time of a time within a shot."""
        return self.shots[index].first_frame / self.fps + seconds


def overlap_frames(shot: Shot, index: int, fps: Fraction) -> int:
    """How many frames a shot shares with the one before it."""
    if index == 0 or shot.cut == "cut":
        return 0
    return frames_of(shot.cut_seconds, fps)


def called(shot: Shot, index: int) -> str:
    """What a shot is called in messages: 'shot 2 "hall"'."""
    return f'shot {index + 1} "{shot.name}"' if shot.name else f"shot {index + 1}"


def _seconds(value: Fraction) -> str:
    return f"{float(value):.4g} s"


def _rate(fps: Fraction) -> str:
    return f"{float(fps):.5g} frames a second"
