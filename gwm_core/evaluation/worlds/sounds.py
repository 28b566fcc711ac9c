"""Sound figures: do impacts and footsteps of the generated sound come when they should?"""

from __future__ import annotations

import numpy as np

from ..measures import f1, match_f1, onsets
from ..report import Metric
from .cases import Case

LOUD = 0.2
"""Events of less strength than this are not counted: they cannot be heard above the room."""


def true_times(case: Case, ticks: int) -> np.ndarray:
    """Times (in ticks, 0 = first tick) of the simulator's impacts and footsteps."""
    rows = [(e[0] - 1 + e[1] / 2) for e in case.events
            if e[2] in (0, 1) and e[4] >= LOUD and e[0] <= ticks]
    # Contacts of one collision come in bursts; the ear and the onset finder hear one.
    rows.sort()
    kept = [t for i, t in enumerate(rows) if i == 0 or t - rows[i - 1] > 0.3]
    return np.array(kept)


def heard_times(audio: np.ndarray, rate: int, samples_per_tick: int) -> np.ndarray:
    """Onsets of a waveform [N], in ticks."""
    hop = samples_per_tick // 4
    return onsets(audio, rate, hop) / 4.0


def sound_f1(cases: list[Case], sounds: list[np.ndarray], rate: int, samples_per_tick: int,
             true_sounds: list[np.ndarray] | None = None) -> Metric:
    """worlds.sound_event_f1 within one tick; floor: the sound shifted by a third of the clip;
    ceiling: the simulator's own sound heard by the same onset finder."""
    def score(audios, shift=0.0):
        counts = []
        for case, audio in zip(cases, audios, strict=True):
            heard = heard_times(np.roll(audio, int(shift * len(audio))), rate, samples_per_tick)
            counts.append(match_f1(heard, true_times(case, case.ticks), 1.0))
        return f1(counts)

    extra = {"true_sound": score(true_sounds)} if true_sounds is not None else {}
    return Metric("worlds.sound_event_f1", score(sounds), "",
                  {"time_shifted": score(sounds, 1 / 3), **extra},
                  sum(len(true_times(case, case.ticks)) for case in cases), ">= 0.75", ">= 0.85")
