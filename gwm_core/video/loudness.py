"""Loudness and true peak of sound that arrives in pieces, in constant memory.

Integrated loudness after ITU-R BS.1770-4 (K-weighting, blocks of 400 ms that overlap by 75 %,
gates at -70 LUFS and 10 LU below) as EBU R128 asks for; true peak after its Annex 2: 4 times
oversampled. The K-weighting's two filters are designed for any sample rate from the analogue
prototype that gives the recommendation's own coefficients at 48 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from scipy import signal

from ..errors import VideoError

BLOCK_PARTS = 4
"""A gating block is four hops of 100 ms."""
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0
OFFSET = -0.691
OVERSAMPLING = 4
TAPS = 24
"""Taps of each phase of the oversampling filter."""


def k_weighting(rate: int) -> np.ndarray:
    """The K-weighting as second-order sections, float64 [2, 6], for a sample rate in Hz."""
    sections = []
    # A shelf of +4 dB (the head), then a high-pass.
    hertz, q, gain = 1681.974450955533, 0.7071752369554196, 3.999843853973347
    k = math.tan(math.pi * hertz / rate)
    high = 10 ** (gain / 20)
    band = high ** 0.4996667741545416
    a0 = 1 + k / q + k * k
    sections.append([(high + band * k / q + k * k) / a0, 2 * (k * k - high) / a0,
                     (high - band * k / q + k * k) / a0,
                     1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0])
    hertz, q = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * hertz / rate)
    a0 = 1 + k / q + k * k
    sections.append([1, -2, 1, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0])
    return np.array(sections)


@lru_cache(maxsize=8)
def oversampler() -> np.ndarray:
    """The interpolating low-pass, float64 [TAPS * OVERSAMPLING + 1]; flat to 0.9 of the highest
    frequency, above it some of the image passes rather than some of the sound is lost."""
    taps = signal.firwin(TAPS * OVERSAMPLING + 1, 1.03 / OVERSAMPLING, window=("kaiser", 6.0))
    return taps * (OVERSAMPLING / taps.sum())


class LoudnessMeter:
    """Integrated loudness of 1 or 2 channels: ``add`` pieces [C, N], then ``integrated``."""

    def __init__(self, rate: int, channels: int = 2) -> None:
        self.rate = rate
        self._sections = k_weighting(rate)
        self._state = np.zeros((2, channels, 2))
        self._hops: list[float] = []
        self._sum, self._count, self._samples = 0.0, 0, 0

    def add(self, sound: np.ndarray) -> None:
        """The next samples, float [C, N]."""
        if not sound.shape[1]:
            return
        weighted, self._state = signal.sosfilt(self._sections, sound, axis=1, zi=self._state)
        power = (weighted * weighted).sum(axis=0)
        at = 0
        while at < len(power):
            # Hops end at whole multiples of 100 ms, rounded down to samples.
            end = (len(self._hops) + 1) * self.rate // 10
            take = min(end - self._samples, len(power) - at)
            self._sum += float(power[at : at + take].sum())
            self._count += take
            self._samples += take
            at += take
            if self._samples == end:
                self._hops.append(self._sum / self._count)
                self._sum, self._count = 0.0, 0

    @property
    def integrated(self) -> float:
        """LUFS; -inf for silence. Sound shorter than a block of 400 ms counts as one block."""
        hops = np.array(self._hops)
        if len(hops) < BLOCK_PARTS:
            whole = self._sum + float(sum(hops)) * (self.rate / 10)
            blocks = np.array([whole / self._samples]) if self._samples else np.zeros(0)
        else:
            blocks = np.convolve(hops, np.full(BLOCK_PARTS, 1 / BLOCK_PARTS), "valid")
        blocks = blocks[blocks > _power(ABSOLUTE_GATE)]
        if not len(blocks):
            return -math.inf
        gate = _power(_loudness(blocks.mean()) + RELATIVE_GATE)
        return _loudness(blocks[blocks > gate].mean())

    @property
    def loudest_moment(self) -> float:
        """The greatest momentary loudness (one block of 400 ms), LUFS; -inf for silence."""
        if len(self._hops) < BLOCK_PARTS:
            return self.integrated
        blocks = np.convolve(self._hops, np.full(BLOCK_PARTS, 1 / BLOCK_PARTS), "valid")
        return _loudness(blocks.max())


class PeakMeter:
    """True peak: ``add`` pieces [C, N], then ``peak`` (linear) or ``decibels``."""

    def __init__(self, channels: int = 2) -> None:
        self._oversampled = Oversampled(channels)
        self._peak = 0.0

    def add(self, sound: np.ndarray) -> None:
        """The next samples, float [C, N]."""
        peaks = self._oversampled.peaks(sound)
        if len(peaks):
            self._peak = max(self._peak, float(peaks.max()))

    @property
    def peak(self) -> float:
        """The largest value between and at samples of what was added so far, linear."""
        rest = self._oversampled.rest()
        return max(self._peak, float(rest.max()) if len(rest) else 0.0)

    @property
    def decibels(self) -> float:
        """dBTP; -inf for silence."""
        return 20 * math.log10(self.peak) if self.peak > 0 else -math.inf


class Oversampled:
    """The largest magnitude at and around each sample, over all channels, between samples too.

    Values come ``DELAY`` samples late; ``rest`` is what is still owed.
    """

    DELAY = TAPS // 2

    def __init__(self, channels: int = 2) -> None:
        # Zeros before the first sample, as if it had been silent.
        self._kept = np.zeros((channels, 2 * self.DELAY))
        self._owed = 0
        self._last = 0.0

    def peaks(self, sound: np.ndarray) -> np.ndarray:
        """Of the samples that are settled by these [C, N], float64 [M]."""
        joined = np.concatenate([self._kept, sound], axis=1)
        before = self._owed
        self._kept = joined[:, -2 * self.DELAY :].copy()
        count = joined.shape[1] - 2 * self.DELAY
        between = _largest_between(joined, count)
        # A peak between two samples counts for both of them.
        values = np.maximum(between, np.concatenate([[self._last], between[:-1]]))
        if count:
            self._last = between[-1]
        self._owed = min(before + count, self.DELAY)
        return values[max(self.DELAY - before, 0) :] if count else values[:0]

    def rest(self) -> np.ndarray:
        """The last ``DELAY`` samples' values, followed by silence; changes nothing."""
        twin = Oversampled(self._kept.shape[0])
        twin._kept, twin._owed, twin._last = self._kept, self._owed, self._last
        return twin.peaks(np.zeros((self._kept.shape[0], self._owed)))


def _largest_between(joined: np.ndarray, count: int) -> np.ndarray:
    """For each of ``count`` samples the largest magnitude from it to before the next one."""
    if not count:
        return np.zeros(0)
    fine = signal.upfirdn(oversampler(), joined, up=OVERSAMPLING, axis=1)
    # The filter's middle falls DELAY samples behind the sample it belongs to.
    start = (Oversampled.DELAY + TAPS // 2) * OVERSAMPLING
    fine = np.abs(fine[:, start : start + count * OVERSAMPLING]).max(axis=0)
    fine = fine.reshape(count, OVERSAMPLING).max(axis=1)
    middle = Oversampled.DELAY
    return np.maximum(fine, np.abs(joined[:, middle : middle + count]).max(axis=0))


def loudness(sound: np.ndarray, rate: int) -> float:
    """Integrated loudness in LUFS of a whole sound [C, N] (or [N]) of one or two channels."""
    sound = np.atleast_2d(sound)
    if sound.ndim != 2 or not 1 <= sound.shape[0] <= 2:
        raise VideoError(f"loudness: sound {list(sound.shape)}; one or two channels are accepted")
    meter = LoudnessMeter(rate, sound.shape[0])
    for part in pieces(sound):
        meter.add(part)
    return meter.integrated


def true_peak(sound: np.ndarray) -> float:
    """True peak in dBTP of a whole sound [C, N] (or [N])."""
    sound = np.atleast_2d(sound)
    meter = PeakMeter(sound.shape[0])
    for part in pieces(sound):
        meter.add(part)
    return meter.decibels


def pieces(sound: np.ndarray, count: int = 1 << 16) -> Iterable[np.ndarray]:
    """A sound [C, N] in pieces of at most ``count`` samples; also of a mapped file."""
    for start in range(0, sound.shape[1], count):
        yield sound[:, start : start + count]


def _power(lufs: float) -> float:
    return 10 ** ((lufs - OFFSET) / 10)


def _loudness(power: float) -> float:
    return OFFSET + 10 * math.log10(power) if power > 0 else -math.inf
