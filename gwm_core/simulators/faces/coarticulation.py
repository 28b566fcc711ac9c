"""From sounds with times to the mouth's channels, by dominance functions with anticipation.

Each sound pulls a channel towards its target with a strength that falls off before and after it
(Cohen and Massaro, "Modeling coarticulation in synthetic visual speech", 1993; here with a plateau
within the sound): F(t) = sum D_s(t) T_s / sum D_s(t), D_s(t) = w_s exp(-|t - s| / tau). Lips
round earlier than the jaw moves. Closed lips (p, b, m) and the bitten lip (f, v) are reached in
full, for a frame at least, as in Edwards et al. 2016.
"""

from __future__ import annotations

import numpy as np

from ...avatars.motion import INDEX, TICK_RATE, still
from .phonemes import CHANNELS, SOUNDS, sounds
from .speech import RATE, Phoneme

FINE = 8
"""Moments per tick at which the channels are worked out; a tick is the mean of its middle half,
so that a gesture held for 60 ms is seen in full in some tick."""
_JAW_TAU = (0.042, 0.040)
_LIP_TAU = (0.060, 0.045)
"""Seconds: how soon before, and how long after a sound its pull falls to a third."""
_LIP_CHANNELS = ("funnel", "pucker", "stretch", "smile", "press")
_DIPHTHONG = 0.5
"""Share of its time that the first sound of a pair has."""
_ONSET, _OFFSET = 0.07, 0.09
"""Seconds before and after speech within which the mouth opens and closes."""
_RAMP, _LEAST = 0.045, 0.06
"""Seconds that a gesture takes to form, and that it is held at least."""
_LOUD_SHARE = 0.03
"""Of a vowel's opening, per dB that it is louder than the others."""


def segments(phonemes: tuple[Phoneme, ...], arpabet: bool = False
             ) -> list[tuple[float, float, str]]:
    """(start, end, sound) with pairs split; gaps between phonemes are pauses."""
    out: list[tuple[float, float, str]] = []
    for p in phonemes:
        if out and p.start > out[-1][1] + 0.03:
            out.append((out[-1][1], p.start, "pause"))
        parts = sounds(p.name, arpabet)
        cuts = np.linspace(p.start, p.end, len(parts) + 1)
        if len(parts) == 2:
            cuts[1] = p.start + _DIPHTHONG * (p.end - p.start)
        out += [(float(cuts[k]), float(cuts[k + 1]), s) for k, s in enumerate(parts)]
    return [s for s in out if s[1] - s[0] > 1e-4]


def mouth(
    phonemes: tuple[Phoneme, ...], ticks: int, sound: np.ndarray, arpabet: bool = False
) -> np.ndarray:
    """The motion [ticks, 24] of speech: only the mouth's channels and ``smile`` move.

    phonemes: times in seconds from tick 0. sound [N] at 16 kHz: what is said, without noise; its
    loudness opens the mouth more or less. Before, after and in pauses the mouth is closed.
    """
    out = still(ticks)
    parts = segments(phonemes, arpabet)
    voiced = [p for p in parts if p[2] != "pause"]
    if not voiced or ticks == 0:
        return out
    times = (np.arange(ticks * FINE) + 0.5) / (FINE * TICK_RATE)
    start = np.array([p[0] for p in parts])
    end = np.array([p[1] for p in parts])
    targets = [SOUNDS[p[2]] for p in parts]
    shapes = np.array([[t.shape.get(c, 0.0) for c in CHANNELS] for t in targets])
    shapes[:, 0] *= _emphasis(parts, sound)
    inset = 0.25 * (end - start)
    pull = {
        False: _pull(times, start + inset, end - inset, _JAW_TAU)
        * np.array([t.jaw_weight for t in targets])[:, None],
        True: _pull(times, start + inset, end - inset, _LIP_TAU)
        * np.array([t.lip_weight for t in targets])[:, None],
    }
    values = np.zeros((len(times), len(INDEX)))
    for k, channel in enumerate(CHANNELS):
        weight = pull[channel in _LIP_CHANNELS]
        values[:, INDEX[channel]] = shapes[:, k] @ weight / np.maximum(weight.sum(0), 1e-9)
    values *= _speaking(times, parts)[:, None]
    for gesture in ("close", "bite"):
        for (s, e, _), target in zip(parts, targets, strict=True):
            if target.gesture == gesture:
                _hold(values[:, INDEX[gesture]], times, s, s + target.held * (e - s))
    return values.reshape(ticks, FINE, -1)[:, FINE // 4: -FINE // 4].mean(1).astype(np.float32)


def _pull(times: np.ndarray, start: np.ndarray, end: np.ndarray,
          tau: tuple[float, float]) -> np.ndarray:
    """[S, N]: 1 from start to end, falling off before and after."""
    before = np.maximum(start[:, None] - times, 0) / tau[0]
    after = np.maximum(times - end[:, None], 0) / tau[1]
    return np.exp(-(before + after))


def _emphasis(parts: list[tuple[float, float, str]], sound: np.ndarray) -> np.ndarray:
    """[S]: how much wider than usual each vowel opens, from its loudness among the vowels."""
    out = np.ones(len(parts))
    rows, levels = [], []
    for k, (start, end, name) in enumerate(parts):
        if SOUNDS[name].vowel:
            piece = sound[int(start * RATE): max(int(end * RATE), int(start * RATE) + 1)]
            rows.append(k)
            levels.append(10 * np.log10(float(np.mean(piece.astype(np.float64) ** 2))
                                        + 1e-7) if len(piece) else -70.0)
    if rows:
        above = np.array(levels) - np.median(levels)
        out[rows] = np.clip(1 + _LOUD_SHARE * above, 0.7, 1.2)
    return out


def _speaking(times: np.ndarray, parts: list[tuple[float, float, str]]) -> np.ndarray:
    """[N]: 1 while sounds are made, 0 in pauses, with smooth edges."""
    out = np.zeros(len(times))
    runs: list[list[float]] = []
    for start, end, name in parts:
        if name == "pause":
            continue
        if runs and start - runs[-1][1] < 0.06:
            runs[-1][1] = end
        else:
            runs.append([start, end])
    for start, end in runs:
        rise = np.clip((times - (start - _ONSET)) / (_ONSET + 0.03), 0, 1)
        fall = np.clip((end + _OFFSET - times) / (_OFFSET + 0.03), 0, 1)
        out = np.maximum(out, _smooth(np.minimum(rise, fall)))
    return out


def _hold(track: np.ndarray, times: np.ndarray, start: float, end: float) -> None:
    """A gesture on ``track`` [N], in full from start to end and long enough to be seen."""
    short = max(_LEAST - (end - start), 0)
    start, end = start - 0.7 * short, end + 0.3 * short
    first, last = np.searchsorted(times, [start - _RAMP, end + _RAMP])
    t = times[first:last]
    shape = np.minimum(np.clip((t - start + _RAMP) / _RAMP, 0, 1),
                       np.clip((end + _RAMP - t) / _RAMP, 0, 1))
    track[first:last] = np.maximum(track[first:last], _smooth(shape))


def _smooth(x: np.ndarray) -> np.ndarray:
    return x * x * (3 - 2 * x)
