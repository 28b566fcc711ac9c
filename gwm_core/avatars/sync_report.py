"""Does a mouth follow a voice: how open it is frame by frame, how open the voice says it should
be, and the shift at which the two agree best.

After the offset and confidence of SyncNet (Chung and Zisserman 2016), but on one plain curve,
which works for drawings too: the opening between the inner lips over the height of the face.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import AvatarError
from .motion import TICK_RATE
from .mouth import aperture
from .sound import Recording

MOST_SHIFT = 15
"""Ticks to either side that are looked at: 0.6 s."""
FAR = (25, 75)
"""Shifts that have nothing to do with one another any more: the control."""
FINE = 4
"""Shifts are looked at to a quarter of a tick."""
LEAST_TICKS = 25
LOUD_DB = 30.0
"""A tick whose sound is so much below the loudest ones is a pause."""
VOICE_BAND = (150.0, 4000.0)


@dataclass(frozen=True, eq=False)
class SyncReport:
    """All curves are float32 [T] at 25 a second; ``offset`` in ticks, positive: the picture is
    late.

    mouth     how open the mouth is seen (or moved), in face heights
    voice     how open the voice says it should be; any scale
    speaks    bool [T]: something is heard
    offset    where the two agree best; nan where it cannot be told (silence, a still mouth)
    score     how well they agree there, -1..1 (Pearson's r)
    in_place  the same without any shift
    control   the same for sound from one to three seconds away: what chance gives (of all these
              shifts the best tenth begins there)
    pauses    mean opening in pauses as a share of the mean while something is heard
    measured  what ``mouth`` was read from; ``expected`` what ``voice`` was
    """

    mouth: np.ndarray
    voice: np.ndarray
    speaks: np.ndarray
    offset: float
    score: float
    in_place: float
    control: float
    pauses: float
    measured: str = "motion"
    expected: str = "loudness of the voice"

    def frames_late(self, rate: float | Fraction = TICK_RATE) -> int:
        """The offset in whole frames of a film of ``rate`` a second; 0 where it is not known."""
        if not np.isfinite(self.offset):
            return 0
        return int(round(self.offset * float(rate) / TICK_RATE))

    def verdict(self) -> str:
        """One sentence."""
        if not np.isfinite(self.offset):
            heard, moved = bool(self.speaks.any()), float(self.mouth.max()) > 0.004
            what = "nothing is heard" if not heard else "the mouth does not move" if not moved \
                else "too little is heard or seen"
            return f"Sync cannot be told: {what}."
        if self.score < max(0.25, self.control + 0.15):
            return "Mouth and voice do not follow each other more than by chance."
        milliseconds = 1000 * self.offset / TICK_RATE
        if abs(milliseconds) < 45:
            return "In sync."
        side = "late" if milliseconds > 0 else "early"
        return f"The picture is {abs(milliseconds):.0f} ms {side}."

    def text(self) -> str:
        """The verdict and its figures, line by line."""
        lines = [self.verdict()]
        if np.isfinite(self.offset):
            lines.append(f"offset    {self.offset:+.2f} frames at {TICK_RATE} a second "
                         f"({1000 * self.offset / TICK_RATE:+.0f} ms; + is a late picture)")
            lines.append(f"score     {self.score:.2f} (in place {self.in_place:.2f}; "
                         f"sound from elsewhere {self.control:.2f})")
        if np.isfinite(self.pauses):
            lines.append(f"pauses    the mouth is {self.pauses:.0%} as open as while speaking")
        lines.append(f"mouth     read from the {self.measured}; mean opening "
                     f"{100 * float(self.mouth.mean()):.1f} % of the face's height, widest "
                     f"{100 * float(self.mouth.max()):.1f} %")
        lines.append(f"expected  by the {self.expected}")
        return "\n".join(lines)


def compare(
    mouth: np.ndarray,
    recording: Recording,
    *,
    voice: np.ndarray | None = None,
    measured: str = "motion",
    expected: str = "loudness of the voice",
) -> SyncReport:
    """How ``mouth`` [T], 25 a second, follows a recording.

    voice  the expected opening [T'] (see ``opening_of_voice``); the loudness of the voice's band
           when left out. Of curves of two lengths the common part counts.

    AvatarError below a second, or where a value is not finite.
    """
    loud = loudness(recording)
    voice = loud if voice is None else np.asarray(voice, np.float32)
    ticks = min(len(mouth), len(voice), len(loud))
    if ticks < LEAST_TICKS:
        raise AvatarError(f"sync: picture and sound share {ticks / TICK_RATE:.2f} s; at least "
                          f"{LEAST_TICKS / TICK_RATE:.0f} s are needed")
    mouth = np.asarray(mouth, np.float32)[:ticks]
    voice, loud = voice[:ticks], loud[:ticks]
    if not np.isfinite(mouth).all() or not np.isfinite(voice).all():
        raise AvatarError("sync: a value of a curve is not finite")
    speaks = loud > 0
    offset, score = best_shift(mouth, voice)
    far = [s for s in (*range(-FAR[1], -FAR[0] + 1), *range(FAR[0], FAR[1] + 1))
           if ticks - abs(s) >= max(LEAST_TICKS, ticks / 2)]
    control = np.array([agreement(mouth, voice, s) for s in far])
    spoken = float(mouth[speaks].mean()) if speaks.any() else 0.0
    pauses = float(mouth[~speaks].mean()) / spoken if spoken > 1e-6 and (~speaks).any() else np.nan
    return SyncReport(
        mouth, voice, speaks, offset, score, agreement(mouth, voice, 0),
        float(np.nanpercentile(control, 90)) if np.isfinite(control).any() else 0.0,
        pauses, measured, expected,
    )


def best_shift(mouth: np.ndarray, voice: np.ndarray) -> tuple[float, float]:
    """(ticks that the mouth is late, agreement there); (nan, 0) where a curve is flat."""
    if np.ptp(mouth) < 1e-6 or np.ptp(voice) < 1e-6:
        return float("nan"), 0.0
    most = min(MOST_SHIFT, len(mouth) - LEAST_TICKS // 2)
    shifts = np.arange(-most * FINE, most * FINE + 1) / FINE
    found = np.array([agreement(mouth, voice, shift) for shift in shifts])
    if not np.isfinite(found).any():
        return float("nan"), 0.0
    best = int(np.nanargmax(found))
    return float(shifts[best]), float(found[best])


def agreement(mouth: np.ndarray, voice: np.ndarray, shift: float) -> float:
    """Pearson's r of the mouth with a voice that is moved ``shift`` ticks later; nan if flat."""
    ticks = np.arange(len(mouth), dtype=np.float64)
    inside = (ticks - shift >= 0) & (ticks - shift <= len(voice) - 1)
    a, b = mouth[inside], np.interp(ticks[inside] - shift, np.arange(len(voice)), voice)
    if len(a) < 2 or np.ptp(a) < 1e-6 or np.ptp(b) < 1e-6:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def loudness(recording: Recording) -> np.ndarray:
    """Of the voice's band per tick, 0..1: 0 is a pause, 1 the loudest; float32 [ticks]."""
    mono = recording.mono()
    ticks = recording.ticks
    if ticks < 2 or recording.silent:
        return np.zeros(ticks, np.float32)
    from scipy.signal import butter, sosfilt  # brings much: not at start

    top = min(VOICE_BAND[1], 0.45 * recording.rate)
    low = min(VOICE_BAND[0], 0.2 * top)
    band = sosfilt(butter(2, (low, top), "bandpass", fs=recording.rate, output="sos"), mono)
    edges = [recording.at(tick) for tick in range(ticks + 1)]
    power = np.concatenate([[0.0], np.cumsum(np.square(band, dtype=np.float64))])
    counts = np.maximum(1, np.diff(edges))
    power = np.diff(power[edges]) / counts
    level = 10 * np.log10(np.maximum(power, 1e-12))
    # Room tone of a loud recording lies below this too: what stays is speech.
    floor = max(np.percentile(level, 95) - LOUD_DB, -65.0)
    smooth = np.convolve(np.pad(level, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
    out = np.clip((smooth - floor) / LOUD_DB, 0, 1)
    return (out / out.max() if out.max() > 0 else out).astype(np.float32)


def opening_of_voice(model: Any, recording: Recording, seed: int = 0) -> np.ndarray:
    """The mouth that a model of faces would make of it, float32 [ticks]."""
    from .drive import curves_from_voice

    return aperture(np.stack(list(curves_from_voice(model, recording, seed=seed))))


def at_ticks(curve: np.ndarray, rate: float | Fraction) -> np.ndarray:
    """A curve of ``rate`` values a second at 25; values stand in the middle of their frames."""
    rate = Fraction(rate)
    if rate == TICK_RATE:
        return np.asarray(curve, np.float32)
    ticks = -(-len(curve) * TICK_RATE // rate)
    middle = (np.arange(int(ticks)) + 0.5) * float(rate) / TICK_RATE - 0.5
    return np.interp(middle, np.arange(len(curve)), curve).astype(np.float32)
