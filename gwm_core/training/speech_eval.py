"""How near the model is to its source on sentences it never learned from, at the same times."""

from __future__ import annotations

import numpy as np

from ..avatars.motion import INDEX
from ..evaluation.video.sentences import SENTENCES
from ..model import speech_tokens as tokens
from ..speech.script import Script
from ..speech.talk import Talker, TimedScript
from ..speech.talk_model import TalkModel
from ..speech.voices import VOICES
from .speech_data import SOURCES, take

LOUD = -5.0
"""Envelopes whose highest band is below this are not heard."""
LAGS = 6


def judge(model: TalkModel, count: int = 2) -> dict[str, float]:
    """Means over ``count`` sentences of every voice.

    envelope_db (model) and guess_db (its first guess): distance of log envelopes while loud.
    pitch_semitones: while voiced. jaw_r: of the lips. closure_auc: of the channel that shuts the
    lips, between ticks in which the source shuts them and others. offset_ticks: lag at which the
    jaw fits best.
    """
    talker, rows = Talker(model), {v.row: v for v in VOICES.values()}
    parts: dict[str, list[float]] = {}
    for row, source in enumerate(SOURCES):
        for i in range(count):
            line = SENTENCES[(row * count + i) % len(SENTENCES)]
            truth = take(line, row, source.speed, source.pitch, 50)
            if truth is None:
                continue
            timed = TimedScript(Script(line, (), ()), rows[row], 1.0, (), truth.timed)
            ticks = min(timed.ticks, len(truth.tokens))
            audio, motion = talker.imagined(timed)
            _, guess = talker.script(timed, 0, -1, timed.ticks)
            first = model.scale.back(guess).numpy()
            for name, x in _compared(truth, ticks, audio, first, motion).items():
                parts.setdefault(name, []).append(x)
    return {k: float(np.nanmean(v)) for k, v in parts.items()}


def _compared(truth, ticks: int, audio: np.ndarray, first: np.ndarray, motion: np.ndarray
              ) -> dict[str, float]:
    want, wide = truth.tokens[:ticks].astype(np.float32), truth.motion[:ticks].astype(np.float32)
    loud = want[..., tokens.ENVELOPE].max(-1) > LOUD
    voiced = want[..., tokens.VOICING].max(-1) > 0.5

    def far(x: np.ndarray) -> float:
        level = np.maximum(x[:ticks], tokens.QUIET) - np.maximum(want, tokens.QUIET)
        return 8.686 * float(np.abs(level[..., tokens.ENVELOPE])[loud].mean())

    jaw, shut = INDEX["jaw"], INDEX["close"]
    closed = wide[:, shut] > 0.5
    spoken = wide[:, jaw] + wide[:, shut] > 0.02
    lags = [_like(np.roll(motion[:ticks, jaw], -lag), wide[:, jaw])
            for lag in range(-LAGS, LAGS + 1)]
    pitch = np.abs(audio[:ticks, ..., tokens.PITCH] - want[..., tokens.PITCH])[voiced]
    return {
        "envelope_db": far(audio), "guess_db": far(first),
        "pitch_semitones": 12 * float(pitch.mean()),
        "jaw_r": _like(motion[:ticks, jaw], wide[:, jaw]),
        "closure_auc": _auc(motion[:ticks, shut][spoken & closed],
                            motion[:ticks, shut][spoken & ~closed]),
        "offset_ticks": float(abs(int(np.argmax(lags)) - LAGS)),
    }


def _like(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def _auc(high: np.ndarray, low: np.ndarray) -> float:
    """Share of pairs in which ``high`` is higher; NaN where either is empty."""
    if len(high) == 0 or len(low) == 0:
        return float("nan")
    above = (high[:, None] > low[None]).mean() + 0.5 * (high[:, None] == low[None]).mean()
    return float(above)
