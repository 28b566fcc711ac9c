"""From sound to speech tokens: pitch, spectral envelope and voicing every 5 ms.

The envelope is CheapTrick's (Morise, "CheapTrick, a spectral envelope estimator", 2015): windows of
three periods, power smoothed over two thirds of the fundamental, then liftered. The pitch is the
best path through the peaks of the normalised autocorrelation (Talkin 1995).
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt

from ..model import speech_tokens as tokens

LOW, HIGH = 54.0, 420.0
"""Hertz between which a pitch is looked for."""
SLOW = 6000
"""Samples a second at which the pitch is looked for."""
VOICED = 0.25
QUIETEST = 10 ** (-50 / 20)
_DULL = 0.25
_HARMONICS = 800.0
_GLIDES = (1.0, 0.96, 0.975, 0.99, 1.01, 1.025, 1.04)
"""A pitch that glides or trembles is another a period later: periods are compared at these too."""
_CHANCE, _SURE = 0.2, 0.65
"""How alike neighbouring periods of noise are by chance, and those of a voice at least: its
formants move and its periods jitter."""
_UNVOICED_PITCH = 150.0
"""Hertz by which unvoiced sounds are windowed."""


def encode(sound: np.ndarray, rate: int = tokens.RATE) -> np.ndarray:
    """Speech tokens float32 [T, 8, 69] of a mono sound [N]; T is rounded up to whole ticks."""
    if rate != tokens.RATE:
        common = np.gcd(rate, tokens.RATE)
        sound = resample_poly(sound, tokens.RATE // common, rate // common)
    ticks = -(-len(sound) // tokens.TICK)
    sound = np.pad(sound.astype(np.float64), (0, ticks * tokens.TICK - len(sound)))
    frames = ticks * tokens.SUBS
    out = np.zeros((frames, tokens.WIDTH), np.float32)
    if frames == 0:
        return out.reshape(0, tokens.SUBS, tokens.WIDTH)
    hertz, voiced = pitch(sound, frames)
    out[:, tokens.ENVELOPE] = envelope(sound, np.where(voiced, hertz, _UNVOICED_PITCH))
    out[:, tokens.PITCH] = np.log2(hertz / tokens.REFERENCE)
    out[:, tokens.VOICING] = voicing(sound, hertz) * voiced[:, None]
    return out.reshape(ticks, tokens.SUBS, tokens.WIDTH)


def _windows(sound: np.ndarray, middle: np.ndarray, size: int) -> np.ndarray:
    """[F, size] samples around each of ``middle`` [F] (sample numbers)."""
    padded = np.pad(sound, size)
    start = middle - size // 2 + size
    return padded[start[:, None] + np.arange(size)]


def _middles(frames: int) -> np.ndarray:
    return (np.arange(frames) + 1) * tokens.HOP


# ------------------------------------------------------------------ pitch


def pitch(sound: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """(hertz [F], voiced bool [F]); between voiced stretches the pitch is drawn as a line."""
    slow = resample_poly(sound, SLOW, tokens.RATE)
    # formants move fast, and so does the pitch: the lowest harmonics, over about two periods
    slow = sosfiltfilt(butter(3, _HARMONICS, "lowpass", fs=SLOW, output="sos"), slow)
    size, least, most = 160, int(SLOW / HIGH), int(SLOW / LOW)
    middle = (_middles(frames) * SLOW) // tokens.RATE
    part = _windows(slow, middle, size + most)
    part = part - part.mean(1, keepdims=True)
    n = 1024
    head = part[:, :size]
    cross = np.fft.irfft(np.conj(np.fft.rfft(head, n)) * np.fft.rfft(part, n), n)[:, : most + 1]
    power = np.cumsum(np.pad(part**2, ((0, 0), (1, 0))), axis=1)
    energy = power[:, size:] - power[:, :-size]
    energy = energy[:, : most + 1]
    like = cross / np.sqrt(energy[:, :1] * energy + (1e-4 * size) ** 2 * 1e-2 + 1e-12)
    lags = np.arange(least, most)
    # a little against octaves below
    score = like[:, least:most] - 0.0008 * lags
    best = _path(score)
    rows = np.arange(frames)
    at = best + least
    a, b, c = like[rows, at - 1], like[rows, at], like[rows, np.minimum(at + 1, most)]
    bend = a - 2 * b + c
    shift = np.where(bend < -1e-9, 0.5 * (a - c) / np.minimum(bend, -1e-9), 0.0)
    hertz = SLOW / (at + np.clip(shift, -0.5, 0.5))
    low = np.sqrt(energy[:, 0] / size)
    whole = _windows(sound, _middles(frames), 640)
    whole = np.sqrt((whole**2).mean(1))
    # what hisses has little below 800 Hz
    voiced = _steady((b > VOICED) & (low > QUIETEST) & (low > _DULL * whole))
    if not voiced.any():
        return np.full(frames, _UNVOICED_PITCH), voiced
    known = np.flatnonzero(voiced)
    return 2 ** np.interp(rows, known, np.log2(hertz[known])), voiced


def _path(score: np.ndarray) -> np.ndarray:
    """[F]: the columns of the best path through ``score`` [F, L]; a jump costs its size in octaves.

    Only the eight best columns of a row are candidates.
    """
    count = 8
    peak = np.full(score.shape, -1.0)
    inner = score[:, 1:-1]
    peak[:, 1:-1] = np.where((inner >= score[:, :-2]) & (inner >= score[:, 2:]), inner, -1.0)
    columns = np.argsort(-peak, axis=1)[:, :count]
    value = np.take_along_axis(peak, columns, axis=1)
    place = np.log2(columns + int(SLOW / HIGH))
    total, back = value[0].copy(), np.zeros((len(score), count), np.int64)
    for i in range(1, len(score)):
        jump = total[None, :] - 1.2 * np.abs(place[i][:, None] - place[i - 1][None, :])
        back[i] = jump.argmax(1)
        total = value[i] + jump.max(1)
    out, now = np.zeros(len(score), np.int64), int(total.argmax())
    for i in range(len(score) - 1, -1, -1):
        out[i] = columns[i, now]
        now = int(back[i, now])
    return np.clip(out, 1, score.shape[1] - 1)


def _steady(voiced: np.ndarray) -> np.ndarray:
    """Without stretches of either kind shorter than 3 frames."""
    out = voiced.copy()
    for kind in (False, True):
        edges = np.flatnonzero(np.diff(out.astype(np.int8))) + 1
        bounds = [0, *edges, len(out)]
        for a, b in zip(bounds[:-1], bounds[1:], strict=True):
            if out[a] == kind and b - a < 3 and a > 0 and b < len(out):
                out[a:b] = not kind
    return out


# ------------------------------------------------------------------ envelope and voicing


def envelope(sound: np.ndarray, hertz: np.ndarray) -> np.ndarray:
    """Log gains of the bands, f64 [F, 64], of frames whose fundamental is ``hertz`` [F]."""
    out = np.empty((len(hertz), tokens.BANDS))
    gain = np.interp(np.arange(tokens.FFT // 2 + 1) * tokens.RATE / tokens.FFT, tokens.centres(),
                     np.arange(tokens.BANDS))
    share = np.maximum(0, 1 - np.abs(gain - np.arange(tokens.BANDS)[:, None]))
    narrow = share.sum(1) < 1e-6
    share[narrow, 0] = 1.0
    share /= share.sum(1, keepdims=True)
    for a in range(0, len(hertz), 512):
        b = min(a + 512, len(hertz))
        out[a:b] = _cheaptrick(sound, np.arange(a, b), hertz[a:b]) @ share.T
    return np.maximum(out, tokens.QUIET)


def _cheaptrick(sound: np.ndarray, frames: np.ndarray, hertz: np.ndarray) -> np.ndarray:
    """Log gain [F, bins]."""
    size, rate = tokens.FFT, tokens.RATE
    part = _windows(sound, (frames + 1) * tokens.HOP, size)
    distance = (np.arange(size) - size // 2)[None, :] / rate
    window = np.where(np.abs(distance) * hertz[:, None] < 1.5,
                      0.5 + 0.5 * np.cos(2 * np.pi * distance * hertz[:, None] / 3), 0.0)
    weight = (window**2).sum(1, keepdims=True)
    part = part * window
    part -= window * (part.sum(1, keepdims=True) / window.sum(1, keepdims=True))
    power = np.abs(np.fft.rfft(part, size)) ** 2 / weight
    bins = size // 2 + 1
    width = (hertz * size / rate)[:, None]
    # below the fundamental the spectrum is mirrored at it, so that it does not fall to nothing
    index = np.arange(bins)[None, :]
    low = np.take_along_axis(power, np.clip(np.rint(width - index), 0, bins - 1).astype(int), 1)
    power = np.where(index < width, power + low, power)
    half = bins - 1
    mirrored = np.concatenate([power[:, :0:-1], power, power[:, -2::-1]], axis=1)
    total = np.cumsum(np.pad(mirrored, ((0, 0), (1, 0))), axis=1)
    place = np.arange(bins)[None, :] + half + 0.5

    def before(x: np.ndarray) -> np.ndarray:
        k = np.floor(x).astype(int)
        low, high = (np.take_along_axis(total, k + d, 1) for d in (0, 1))
        return low + (high - low) * (x - k)

    smooth = (before(place + width / 3) - before(place - width / 3)) / (2 * width / 3)
    cepstrum = np.fft.irfft(np.log(smooth + 1e-12), size)
    quefrency = np.minimum(np.arange(size), size - np.arange(size))[None, :] / rate
    lifter = np.sinc(hertz[:, None] * quefrency)
    lifter = lifter * (1.18 - 0.18 * np.cos(2 * np.pi * quefrency * hertz[:, None]))
    return 0.5 * np.fft.rfft(cepstrum * lifter, size).real


def voicing(sound: np.ndarray, hertz: np.ndarray) -> np.ndarray:
    """Periodic share of the energy f64 [F, 4]: how alike neighbouring periods are, by region."""
    out = np.empty((len(hertz), tokens.REGIONS))
    edges = (0.0, *tokens.EDGES, tokens.TOP)
    for k in range(tokens.REGIONS):
        kind, cut = ("lowpass", edges[1]) if k == 0 else ("bandpass", edges[k:k + 2])
        part = sosfiltfilt(butter(3, cut, kind, fs=tokens.RATE, output="sos"), sound)
        # between samples of high frequencies one can only read at a higher rate
        times = 2 if k == tokens.REGIONS - 1 else 1
        part = resample_poly(part, 2, 1) if times == 2 else part
        part = np.pad(part, 1024 * times)
        size, lag = 320 * times, times * tokens.RATE / hertz
        middle = _middles(len(hertz)) * times + 1024 * times
        rows = np.arange(size)[None, :] - size // 2
        first = (middle - np.rint(lag / 2).astype(int))[:, None] + rows
        a = part[np.clip(first, 0, len(part) - 1)]
        best = np.zeros(len(hertz))
        for stretch in _GLIDES:
            apart = lag * stretch
            b = _between(part, first + np.floor(apart).astype(int)[:, None],
                         (apart % 1.0)[:, None])
            both = (a * b).sum(1) / (0.5 * ((a * a).sum(1) + (b * b).sum(1)) + 1e-9)
            best = np.maximum(best, both)
        out[:, k] = np.clip((best - _CHANCE) / (_SURE - _CHANCE), 0, 1)
    return out


def _between(x: np.ndarray, whole: np.ndarray, part: np.ndarray) -> np.ndarray:
    """``x`` at ``whole + part`` (0..1) by the cubic through four samples."""
    y = [x[np.clip(whole + d, 0, len(x) - 1)] for d in (-1, 0, 1, 2)]
    w = (-part * (part - 1) * (part - 2) / 6, (part + 1) * (part - 1) * (part - 2) / 2,
         -(part + 1) * part * (part - 2) / 2, (part + 1) * part * (part - 1) / 6)
    return sum(a * b for a, b in zip(w, y, strict=True))
