"""How long each sound of a script takes."""

from __future__ import annotations

import numpy as np

from .features import INDEX, MANNER, VOICES, VOWEL, Timed, place_in_phrase
from .g2p import PHONES
from .script import Script

AROUND = 3
USUAL = 0.08
"""Seconds; the networks tell logarithms of lengths over this."""
LEAST = 0.012
LEAD = 0.1
"""Seconds of silence before the first sound and after the last."""
SLOWEST, FASTEST = 0.7, 1.6
"""Paces that are accepted."""
KIND = {".": 0, "...": 0, "?": 1, ",": 2, "-": 2, "!": 3}
"""Index of ``features.KINDS`` by the mark that a phrase ends with."""
_STRETCH = {"...": 1.6, "-": 1.2}
"""Of the pause at a mark, against a full stop's or a comma's."""
WIDTH = (2 * AROUND + 1) * (len(PHONES) + 2) + 2 * AROUND + 4 + 8 + 2 + VOICES + MANNER


def features(phone: np.ndarray, stress: np.ndarray, word: np.ndarray, kind: np.ndarray,
             voice: np.ndarray, manner: np.ndarray) -> np.ndarray:
    """What the network of lengths reads, float32 [P, WIDTH]: each sound among its neighbours."""
    count = len(phone)
    around = np.arange(count)[:, None] + np.arange(-AROUND, AROUND + 1)
    inside = (around >= 0) & (around < count)
    around = np.clip(around, 0, count - 1)
    sound = np.where(inside, phone[around], 0)
    strong = np.where(inside & VOWEL[sound], stress[around], 0)
    words = np.where(inside, word[around], -1)
    parts = [
        (sound[..., None] == np.arange(len(PHONES))).reshape(count, -1),
        np.stack([strong == 1, strong == 2], 2).reshape(count, -1),
        words[:, 1:] != words[:, :-1],
        place_in_phrase(phone, stress, kind),
        np.broadcast_to(voice, (count, VOICES)), np.broadcast_to(manner, (count, MANNER)),
    ]
    return np.concatenate([np.asarray(p, np.float32) for p in parts], axis=1)


def untimed(script: Script) -> tuple[np.ndarray, ...]:
    """(phone, stress, word, kind) int64 [P + 1] of a script, a pause before its first sound."""
    phones = script.phones
    return tuple(np.array(x, np.int64) for x in (
        [0, *(INDEX[p.name] for p in phones)], [0, *(p.stress for p in phones)],
        [-1, *(p.word if not p.mark else -1 for p in phones)],
        [0, *(KIND[m] if not p.mark else 0 for p, m in zip(phones, script.marks, strict=True))]))


def timed(script: Script, seconds: np.ndarray) -> Timed:
    """The script with times, from the lengths that ``lengths`` gave."""
    end = np.cumsum(seconds.astype(np.float64))
    return Timed(*untimed(script), np.concatenate([[0.0], end[:-1]]), end)


def stretched(script: Script, seconds: np.ndarray) -> np.ndarray:
    """Lengths [P + 1] in which the pauses are those of their marks; silence at both ends."""
    out = np.maximum(seconds, LEAST)
    for i, p in enumerate(script.phones, 1):
        if p.mark:
            out[i] = np.clip(out[i], 0.06, 0.6) * _STRETCH.get(p.mark, 1.0)
    out[0] = out[-1] = LEAD
    return out
