"""What is heard of a voice: log-mel bands of 40 ms ticks, made as the sound comes in.

Everything is causal and works tick by tick on blocks of one size, so that a voice cut into chunks
of any length gives the very numbers of the whole recording. Sound is listened to at 16 kHz. Tick
``k`` hears up to 2.5 ms before its end, so that the filter which changes the sample rate (2 ms to
either side) never makes it wait for the sound of the next tick.

Bands are taken relative to the voice's own level and its own long-term spectrum, both followed
slowly: gain, distance, microphone and timbre then matter little (cepstral mean normalisation,
Atal 1974, made recursive).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import AvatarError
from .motion import TICK_RATE
from .sound import LEAST_RATE, MOST_RATE

RATE = 16_000
TICK = RATE // TICK_RATE
HOP, WINDOW, FFT = 160, 400, 512
FRAMES = TICK // HOP
"""Frames of a tick: every 10 ms one, of 25 ms."""
BANDS, LOW_HZ, HIGH_HZ = 40, 80.0, 7600.0
CONTEXT = 8
"""Ticks of the own voice that are heard at once: 320 ms, a sound and several before it."""
COARSE = 8
"""Bands that are heard of the other's voice."""
NOTHING, MOST = -6.0, 4.0
"""Relative bands are kept within these (log power), then divided by ``UNIT``."""
UNIT = 3.0
DELAY = 40
REACH = 0.002
"""Seconds of sound that the resampling filter wants on either side."""
PHASES = 1024
FLOOR = 1e-9
LEAST_LEVEL = math.log(1e-6)
"""Sound that never gets louder than this mean power (-60 dB) is not brought up to a voice's."""
NATS = math.log(10) / 10  # in a decibel of power


def mono(audio: np.ndarray, name: str = "audio") -> np.ndarray:
    """float32 [N] within -1..1 of [N] or [channels, N]: floats, or int16 as it is recorded.

    AvatarError for other shapes and for values that are not finite.
    """
    audio = np.asarray(audio)
    if audio.dtype == np.int16:
        audio = audio.astype(np.float32) / 32768
    if audio.ndim not in (1, 2) or audio.dtype.kind != "f":
        raise AvatarError(f"{name}: {audio.dtype} {list(audio.shape)}; float or int16 samples [N] "
                          "or [channels, N] are accepted")
    if audio.ndim == 2:
        audio = audio.mean(axis=0) if len(audio) else np.zeros(audio.shape[1:])
    audio = audio.astype(np.float32)
    if not np.isfinite(audio).all():
        raise AvatarError(f"{name}: NaN or infinity; finite samples are accepted")
    return np.clip(audio, -1, 1)


class Resampler:
    """Any sample rate to 16 kHz, chunk by chunk, by a windowed sinc of 4 ms (Kaiser, beta 8).

    Sample ``i`` of the output lies at ``i / 16000`` s exactly; all chunks and ``finish`` together
    give ``ceil(samples * 16000 / rate)`` samples, the same for any chunks.
    """

    def __init__(self, rate: int) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or not (
                LEAST_RATE <= rate <= MOST_RATE):
            raise AvatarError(f"rate: {rate!r} samples a second; {LEAST_RATE} to {MOST_RATE} "
                              "are accepted")
        self.rate = int(rate)
        common = math.gcd(RATE, self.rate)
        self._up, self._down = RATE // common, self.rate // common
        self._half = math.ceil(REACH * self.rate) if self.rate != RATE else 0
        self._table = _filters(self.rate, self._half, min(self._up, PHASES))
        self._kept = np.zeros(self._half, np.float32)
        self._first = -self._half  # which input sample the first kept one is
        self._heard = self._made = 0

    @property
    def reach(self) -> int:
        """Input samples that an output wants on either side."""
        return self._half

    @property
    def waiting(self) -> int:
        """Output samples that ``finish`` would give."""
        return -(-self._heard * self._up // self._down) - self._made

    def push(self, samples: np.ndarray) -> np.ndarray:
        """What can be made now of float32 [N] more samples."""
        self._heard += len(samples)
        if self.rate == RATE:
            self._made = self._heard
            return np.array(samples, np.float32)
        self._kept = np.concatenate([self._kept, samples])
        # output i wants input up to i * down / up + half
        ready = max(0, -(-(self._heard - self._half) * self._up // self._down))
        return self._make(ready)

    def finish(self) -> np.ndarray:
        """The rest; beyond the end there is silence. The resampler then begins anew."""
        if self.rate == RATE:
            self._heard = self._made = 0
            return np.zeros(0, np.float32)
        self._kept = np.concatenate([self._kept, np.zeros(2 * self._half + 2, np.float32)])
        out = self._make(-(-self._heard * self._up // self._down))
        self._kept, self._first = np.zeros(self._half, np.float32), -self._half
        self._heard = self._made = 0
        return out

    def _make(self, ready: int) -> np.ndarray:
        if ready <= self._made:
            return np.zeros(0, np.float32)
        places = np.arange(self._made, ready, dtype=np.int64) * self._down
        base, part = places // self._up, places % self._up
        start = base - self._half + 1 - self._first
        rows = self._kept[start[:, None] + np.arange(2 * self._half)]
        filters = self._table[part * len(self._table) // self._up]
        out = np.einsum("nk,nk->n", rows, filters)
        self._made = ready
        drop = max(0, ready * self._down // self._up - self._half - self._first)
        self._kept, self._first = self._kept[drop:], self._first + drop
        return out


def _filters(rate: int, half: int, phases: int) -> np.ndarray:
    """float32 [phases, 2 * half]: weights of the inputs around an output, by its phase."""
    if not half:
        return np.zeros((1, 0), np.float32)
    shift = np.arange(phases)[:, None] / phases
    away = np.arange(-half + 1, half + 1)[None] - shift
    cutoff = min(1.0, RATE / rate) * 0.94
    window = np.i0(8 * np.sqrt(np.clip(1 - (away / half) ** 2, 0, None)))
    taps = np.sinc(cutoff * away) * window
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)


class Ticks:
    """A track cut into ticks of 640 samples at 16 kHz (2.5 ms late, see above)."""

    def __init__(self, rate: int) -> None:
        self._resampler = Resampler(rate)
        self._kept = np.zeros(DELAY, np.float32)
        self._made = 0

    def push(self, samples: np.ndarray, rate: int | None = None) -> list[np.ndarray]:
        """The ticks, float32 [640] each, that are complete with [N] more samples; ``rate`` where
        it has changed."""
        ready = []
        if rate is not None and rate != self._resampler.rate:
            following = Resampler(rate)
            ready = self._cut(self._resampler.finish())
            self._resampler = following
        return ready + self._cut(self._resampler.push(samples))

    def finish(self) -> list[np.ndarray]:
        """The last ticks; every begun one counts, filled up with silence."""
        wanted = -(-(self._made + self._resampler.waiting) // TICK) * TICK
        more = -(-(wanted - self._made) * self._resampler.rate // RATE)
        rest = self._resampler.push(np.zeros(more + 1 + 2 * self._resampler.reach, np.float32))
        out = self._cut(rest[:max(0, wanted - self._made)])
        self._made, self._kept = 0, np.zeros(DELAY, np.float32)
        self._resampler = Resampler(self._resampler.rate)
        return out

    def _cut(self, samples: np.ndarray) -> list[np.ndarray]:
        self._made += len(samples)
        self._kept = np.concatenate([self._kept, samples])
        count = len(self._kept) // TICK
        out = [self._kept[i * TICK:(i + 1) * TICK].copy() for i in range(count)]
        self._kept = self._kept[count * TICK:]
        return out


def mel_filters() -> np.ndarray:
    """float32 [257, 40]: triangles, evenly apart in mel (O'Shaughnessy 1987), each of sum 1."""
    def mel(hz):
        return 2595 * np.log10(1 + np.asarray(hz) / 700)

    edges = np.linspace(mel(LOW_HZ), mel(HIGH_HZ), BANDS + 2)
    at = mel(np.arange(FFT // 2 + 1) * RATE / FFT)[:, None]
    up = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    out = np.clip(np.minimum(up, down), 0, None)
    return (out / out.sum(axis=0)).astype(np.float32)


_WINDOW = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_SCALE = np.float32(1 / np.square(_WINDOW).sum())
_MEL = mel_filters()


class LogMel:
    """Ticks [640] to log power of mel bands, float32 [4, 40]."""

    def __init__(self) -> None:
        self._before = np.zeros(WINDOW - HOP, np.float32)

    def tick(self, samples: np.ndarray) -> np.ndarray:
        joined = np.concatenate([self._before, samples])
        self._before = joined[TICK:]
        frames = np.lib.stride_tricks.sliding_window_view(joined, WINDOW)[::HOP] * _WINDOW
        spectrum = np.fft.rfft(frames, FFT)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) * _SCALE
        return np.log(power @ _MEL + np.float32(FLOOR))


@dataclass(frozen=True, eq=False)
class Timbre:
    """A voice's level and long-term spectrum so far: a value; ``hear`` gives the next one.

    level     [...]: log power that its loud moments reach
    spectrum  [..., 40]: mean of the bands of voiced frames, relative to the level
    frames    [...]: how many frames made the mean (counted to ``LONGEST``)

    The leading axes are a batch's; a single voice has none.
    """

    level: np.ndarray
    spectrum: np.ndarray
    frames: np.ndarray

    LONGEST = 400.0
    UP, DOWN = 0.5, 0.01
    AWAY = 0.25 * NATS / TICK_RATE
    VOICED = 15 * NATS

    @classmethod
    def fresh(cls, *batch: int) -> Timbre:
        """Before anything was heard: a quiet voice of usual spectrum."""
        usual = np.linspace(0.3, -4.2, BANDS, dtype=np.float32)
        return cls(np.full(batch, LEAST_LEVEL, np.float32),
                   np.broadcast_to(usual, (*batch, BANDS)).astype(np.float32),
                   np.full(batch, 40.0, np.float32))

    def hear(self, bands: np.ndarray) -> tuple[np.ndarray, Timbre]:
        """(bands relative to the voice, about -1..1; the timbre afterwards) of [..., 4, 40]."""
        loud = np.log(np.exp(bands).mean(axis=-1))  # [..., 4]
        tick = np.log(np.exp(loud).mean(axis=-1))
        above = tick - self.level
        # a high quantile of the voiced ticks; what is far below only lets it sink very slowly
        pace = np.where(above > 0, self.UP, self.DOWN)
        level = self.level + np.where(above > -self.VOICED, pace * above, -self.AWAY)
        level = np.maximum(level, LEAST_LEVEL).astype(np.float32)
        relative = bands - level[..., None, None]
        voiced = ((loud - level[..., None]) > -self.VOICED).astype(np.float32)
        count = voiced.sum(axis=-1)
        mean = (relative * voiced[..., None]).sum(axis=-2) / np.maximum(count, 1)[..., None]
        frames = np.minimum(self.frames + count, self.LONGEST)
        share = (count / frames)[..., None]
        spectrum = self.spectrum + share * (mean - self.spectrum)
        after = replace(self, level=level, spectrum=spectrum.astype(np.float32),
                        frames=frames.astype(np.float32))
        # the floor hides what lies 26 dB and more below the voice's own spectrum
        out = np.clip(relative - after.spectrum[..., None, :], NOTHING, MOST) / UNIT
        return out.astype(np.float32), after


def fine(bands: np.ndarray) -> np.ndarray:
    """Tokens of the own voice [..., T, 1280] of relative bands [..., T, 4, 40]: each tick with the
    seven before it (silence before the first)."""
    ticks = bands.shape[-3]
    rows = bands.reshape(*bands.shape[:-2], FRAMES * BANDS)
    before = np.full((*rows.shape[:-2], CONTEXT - 1, rows.shape[-1]), NOTHING / UNIT, np.float32)
    rows = np.concatenate([before, rows], axis=-2)
    return np.concatenate([rows[..., i:i + ticks, :] for i in range(CONTEXT)], axis=-1)


def coarse(bands: np.ndarray) -> np.ndarray:
    """The token of the other's voice [..., 32]: means of 5 bands."""
    means = bands.reshape(*bands.shape[:-1], COARSE, BANDS // COARSE).mean(axis=-1)
    return means.reshape(*bands.shape[:-2], FRAMES * COARSE)


class Listener:
    """A voice tick by tick, by ``tick(samples [640])``.

    bands   relative bands [CONTEXT, 4, 40] of the last ticks, the newest last
    """

    def __init__(self) -> None:
        self._mel, self._timbre = LogMel(), Timbre.fresh()
        self.bands = np.full((CONTEXT, FRAMES, BANDS), NOTHING / UNIT, np.float32)

    def tick(self, samples: np.ndarray) -> np.ndarray:
        """``bands`` with the next tick."""
        heard, self._timbre = self._timbre.hear(self._mel.tick(samples))
        self.bands = np.concatenate([self.bands[1:], heard[None]])
        return self.bands


def ticks_of(audio: np.ndarray, rate: int = RATE) -> np.ndarray:
    """A whole track as ticks, float32 [ceil(seconds * 25), 640], the same as in chunks."""
    track = Ticks(rate)
    rows = track.push(mono(audio)) + track.finish()
    return np.stack(rows) if rows else np.zeros((0, TICK), np.float32)


def bands_of(ticks: np.ndarray) -> np.ndarray:
    """Log power of mel bands, float32 [T, 4, 40], of ticks [T, 640]."""
    mel = LogMel()
    rows = [mel.tick(row) for row in ticks]
    return np.stack(rows) if rows else np.zeros((0, FRAMES, BANDS), np.float32)


def heard(bands: np.ndarray) -> np.ndarray:
    """Relative bands [..., T, 4, 40] of whole tracks, as ``Listener`` hears them."""
    timbre = Timbre.fresh(*bands.shape[:-3])
    out = np.empty(bands.shape, np.float32)
    for t in range(bands.shape[-3]):
        out[..., t, :, :], timbre = timbre.hear(bands[..., t, :, :])
    return out
