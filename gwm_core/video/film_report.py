"""What is told of a finished film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from .storyboard import Storyboard


@dataclass(frozen=True)
class ShotReport:
    """One shot of a finished film.

    called     as in messages; ``key`` its digest on the shelf
    first      its first frame in the film; ``frames`` how many it has
    kept       it was finished already, and taken as it was
    seconds    how long it took to make
    """

    called: str
    key: str
    first: int
    frames: int
    kept: bool
    seconds: float


@dataclass(frozen=True, eq=False)
class FilmReport:
    """A finished film.

    path       the file (H.264 and AAC in MP4)
    frames, samples, fps, rate, size   exact; size is (width, height)
    shots      one ``ShotReport`` each
    remarks    what was decided for the storyboard to be possible, and what fell short
    loudness   of the mix, LUFS; ``true_peak`` dBTP; before the codec
    srt        the lines as subtitles, SRT
    contacts   seconds of the film at which an impact is seen
    spoken     per shot its lines: (who, text, start, end) in seconds of the shot
    seconds    how long it took
    stems      files by name ("dialogue", "effects", "ambience", "mix"); {} if not asked for
    board      the storyboard after the rules; ``retakes`` what was retaken of it, in order
    gain       dB by which all sound was raised; retakes keep it
    """

    path: Path
    frames: int
    samples: int
    fps: Fraction
    rate: int
    size: tuple[int, int]
    shots: tuple[ShotReport, ...]
    remarks: tuple[str, ...]
    loudness: float
    true_peak: float
    srt: str
    contacts: tuple[float, ...]
    spoken: tuple[tuple[tuple[str, str, Fraction, Fraction], ...], ...]
    seconds: float
    stems: Mapping[str, Path]
    board: Storyboard = field(repr=False)
    retakes: tuple[Any, ...] = ()
    gain: float = 0.0

    @property
    def length(self) -> Fraction:
        """Seconds, exactly."""
        return self.frames / self.fps

    def text(self) -> str:
        """What was made, in a few lines."""
        width, height = self.size
        new = sum(not shot.kept for shot in self.shots)
        lines = [
            f"{self.path.name}: {float(self.length):.2f} s, {len(self.shots)} shots, {width} x "
            f"{height} at {float(self.fps):.5g} frames a second, sound {self.rate} Hz",
            f"loudness {self.loudness:.1f} LUFS, true peak {self.true_peak:.1f} dBTP",
            f"made in {self.seconds:.0f} s; {new} shots made, {len(self.shots) - new} kept ones "
            "used again",
        ]
        return "\n".join([*lines, *self.remarks])
