"""Stems become one stereo sound of a wanted loudness, no peak above a limit, in constant memory.

    mixed = mix({"dialogue": d, "effects": e, "ambience": a}, rate=48000)      # whole, in memory
    mixer = Mixer(stems, rate=48000, loudness=-23, true_peak=-1)               # long: from files
    for part in mixer.parts(): ...                                            # float32 [2, n]

Stems may be arrays or ``numpy.memmap`` of files: they are read in pieces, some times over. The mix
is their sum times one gain, chosen so that its integrated loudness (``loudness``) is the target,
then a true-peak limiter. ``stem_parts`` gives each stem with the same gain (and ducking): their
sum is the mix before the limiter, within float32 rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import Cancelled, VideoError
from .ducking import Ducking
from .limiter import MARGIN, Limiter
from .loudness import LoudnessMeter, PeakMeter

PIECE = 1 << 16
MOST_GAIN = 40.0
"""Decibels by which quiet sound is raised at most."""
NEAR = 0.1
"""LU: near enough to the target."""
TRIES = 6


@dataclass(frozen=True, eq=False)
class MixReport:
    """loudness   LUFS of the mix as written; -inf where it is silent
    true_peak  dBTP of it
    gain       dB that all stems were raised by
    reduced    dB, the most that the limiter took away
    remark     why the target was not reached; "" where it was
    """

    loudness: float
    true_peak: float
    gain: float
    reduced: float
    remark: str = ""


class Mixer:
    """The mix of some stems.

    stems      name -> float [2, N] or [1, N], all of one N; arrays or mapped files
    rate       samples a second
    loudness   LUFS to aim at (EBU R128: -23)
    true_peak  dBTP that nothing exceeds
    ducking    dB by which the stem "ambience" steps back while "dialogue" is heard; 0: not
    stop       asked before each piece; true: ``Cancelled``
    """

    def __init__(
        self,
        stems: Mapping[str, np.ndarray],
        rate: int,
        loudness: float = -23.0,
        true_peak: float = -1.0,
        ducking: float = 0.0,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self.stems, self.rate = dict(stems), int(rate)
        self.samples = _checked(self.stems)
        self.loudness, self.true_peak, self._stop = float(loudness), float(true_peak), stop
        self._ducking = None
        if ducking > 0 and {"dialogue", "ambience"} <= self.stems.keys():
            self._ducking = Ducking(self.stems["dialogue"], self.rate, ducking)
        self._found: MixReport | None = None

    def report(self) -> MixReport:
        """How the mix will be; the first call listens to all stems, two times or more."""
        if self._found is None:
            self._found = self._decide()
        return self._found

    def parts(self) -> Iterator[np.ndarray]:
        """The mix, float32 [2, n] piece by piece, N samples in all."""
        return self._mixed(self.report().gain)

    def stem_parts(self, name: str) -> Iterator[np.ndarray]:
        """One stem as it is in the mix (before the limiter), float32 [2, n] piece by piece."""
        gain = 10 ** (self.report().gain / 20)
        for start in range(0, self.samples, PIECE):
            self._ask()
            yield (self._piece(name, start) * gain).astype(np.float32)

    def _piece(self, name: str, start: int) -> np.ndarray:
        piece = np.asarray(self.stems[name][:, start : start + PIECE], np.float64)
        if piece.shape[0] == 1:
            # One channel in the middle, as loud as it was.
            piece = np.repeat(piece * math.sqrt(0.5), 2, axis=0)
        if self._ducking is not None and name == "ambience":
            piece = piece * self._ducking.gains(start, piece.shape[1])
        return piece

    def _summed(self) -> Iterator[np.ndarray]:
        for start in range(0, self.samples, PIECE):
            self._ask()
            yield sum(self._piece(name, start) for name in self.stems)

    def _mixed(self, gain: float) -> Iterator[np.ndarray]:
        limiter = Limiter(self.rate, self.true_peak, 10 ** (gain / 20))
        for piece in self._summed():
            done = limiter.add(piece)
            if done.shape[1]:
                yield done
        done = limiter.rest()
        if done.shape[1]:
            yield done
        self._reduced = limiter.reduced

    def _decide(self) -> MixReport:
        meter, peak = LoudnessMeter(self.rate), PeakMeter()
        for piece in self._summed():
            meter.add(piece)
            peak.add(piece)
        natural = meter.integrated
        if natural == -math.inf:
            return self._measured(0.0)
        gain = min(self.loudness - natural, MOST_GAIN)
        if peak.decibels + gain < self.true_peak - MARGIN:
            # The limiter has nothing to do: a gain only.
            return self._told(natural + gain, peak.decibels + gain, gain, 0.0)
        best, before, slope = None, None, 1.0
        for _ in range(TRIES):
            found = self._measured(gain)
            if best is None or self._miss(found) < self._miss(best):
                best = found
            missing = self.loudness - found.loudness
            if abs(missing) <= NEAR or (gain >= MOST_GAIN and missing > 0):
                break
            # A limiter at work gives back less than what is added: how much less shows.
            if before is not None and abs(gain - before.gain) > 1e-3:
                slope = (found.loudness - before.loudness) / (gain - before.gain)
            before = found
            gain = min(gain + missing / min(max(slope, 0.15), 1.0), MOST_GAIN)
        return best

    def _miss(self, found: MixReport) -> float:
        return abs(self.loudness - found.loudness)

    def _measured(self, gain: float) -> MixReport:
        meter, peak = LoudnessMeter(self.rate), PeakMeter()
        for piece in self._mixed(gain):
            meter.add(piece)
            peak.add(piece)
        return self._told(meter.integrated, peak.decibels, gain, self._reduced)

    def _told(self, found: float, peak: float, gain: float, reduced: float) -> MixReport:
        remark = ""
        if found == -math.inf:
            remark = "the film is silent" if peak == -math.inf else "the film is nearly silent"
        elif abs(found - self.loudness) > 0.5:
            why = (f"raising it by more than {MOST_GAIN:.0f} dB would be noise"
                   if gain >= MOST_GAIN else f"peaks may not exceed {self.true_peak:g} dBTP")
            remark = f"loudness {found:.1f} LUFS instead of {self.loudness:g}: {why}"
        return MixReport(found, peak, gain, reduced, remark)

    def _ask(self) -> None:
        if self._stop is not None and self._stop():
            raise Cancelled("the mix was stopped")


def mix(
    stems: Mapping[str, np.ndarray],
    rate: int,
    loudness: float = -23.0,
    true_peak: float = -1.0,
    ducking: float = 0.0,
) -> np.ndarray:
    """The mix of stems in memory, float32 [2, N] (see ``Mixer``)."""
    parts = list(Mixer(stems, rate, loudness, true_peak, ducking).parts())
    return np.concatenate(parts, axis=1) if parts else np.zeros((2, 0), np.float32)


def _checked(stems: Mapping[str, np.ndarray]) -> int:
    if not stems:
        raise VideoError("mix: no stems; one or more are needed")
    lengths = {}
    for name, sound in stems.items():
        shape = getattr(sound, "shape", None)
        if shape is None or len(shape) != 2 or shape[0] not in (1, 2):
            raise VideoError(f"mix: {name} is {list(shape or ())}; samples [1 or 2, count] are "
                             "accepted")
        lengths[name] = shape[1]
    if len(set(lengths.values())) > 1:
        raise VideoError(f"mix: stems of different lengths ({lengths}); equal ones are accepted")
    return next(iter(lengths.values()))
