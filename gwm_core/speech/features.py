"""What the networks read of a script: for any moment, the sounds around it and their times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .g2p import PHONES

INDEX = {name: i for i, name in enumerate(PHONES)}
"""Sounds in the networks' order; 0 is a pause."""
VOWEL = np.array([name[0] in "aeiou" for name in PHONES]) & (np.arange(len(PHONES)) > 0)
KINDS = ("statement", "question", "going on", "exclamation")
"""How a phrase, a stretch between pauses, ends: . ? , or !"""
AROUND = 3
"""Sounds before and after the running one that are read."""
VOICES = 8
MANNER = 3
"""Numbers that say how a take is said: pitch, span of the melody, pace; 0 is usual."""
_BUMPS = np.array([0.0, 0.01, 0.02, 0.035, 0.055, 0.08, 0.12, 0.18])
_WIDTHS = np.array([0.008, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.08])
_COUNTS = 4


@dataclass(frozen=True, eq=False)
class Timed:
    """Sounds with times: a script as the networks read it, of P sounds.

    phone, stress (0 none, 1 main, 2 side), word (number of the word, -1 of a pause), kind (index of
    ``KINDS`` of its phrase): int64 [P]. start, end: seconds f64 [P], gapless. It begins and ends
    with a pause.
    """

    phone: np.ndarray
    stress: np.ndarray
    word: np.ndarray
    kind: np.ndarray
    start: np.ndarray
    end: np.ndarray


def _widths() -> dict[str, int]:
    near = 2 * AROUND + 1
    return {
        "phones": near * len(PHONES), "stress": near * 2, "words": 4, "bumps": 2 * len(_BUMPS),
        "times": 5, "phrase": len(KINDS) + 3 + 2 * _COUNTS + 2, "accent": 3,
        "voice": VOICES, "manner": MANNER,
    }


WIDTH = sum(_widths().values())


def rows(timed: Timed, times: np.ndarray, voice: np.ndarray, manner: np.ndarray) -> np.ndarray:
    """What is read of a script at ``times`` [N] (seconds): float32 [N, WIDTH].

    voice: weights of the voices [8]. manner [3] (see ``MANNER``).
    """
    count = len(timed.phone)
    here = np.clip(np.searchsorted(timed.start, times, side="right") - 1, 0, count - 1)
    around = here[:, None] + np.arange(-AROUND, AROUND + 1)
    inside = (around >= 0) & (around < count)
    around = np.clip(around, 0, count - 1)
    phone = np.where(inside, timed.phone[around], 0)
    stress = np.where(inside, timed.stress[around], 0)
    word = np.where(inside, timed.word[around], -1)
    length = np.maximum(timed.end - timed.start, 1e-3)
    since, left = times - timed.start[here], timed.end[here] - times
    middle = AROUND
    logs = np.where(inside, np.log(length[around] / 0.08), 0.0)[:, middle - 1: middle + 2]
    share = np.clip(since / length[here], 0, 1)
    parts = [
        _one_hot(phone, len(PHONES)).reshape(len(times), -1),
        np.stack([stress == 1, stress == 2], 2).reshape(len(times), -1),
        word[:, middle - 2: middle + 2] != word[:, middle - 1: middle + 3],
        np.exp(-0.5 * ((since[:, None] - _BUMPS) / _WIDTHS) ** 2),
        np.exp(-0.5 * ((left[:, None] - _BUMPS) / _WIDTHS) ** 2),
        logs, share[:, None], np.clip(np.minimum(since, left), 0, 0.3)[:, None] * 5,
        _phrase(timed)[here] + _moving(timed, here, times),
        _accent(timed, times),
        np.broadcast_to(voice, (len(times), VOICES)),
        np.broadcast_to(manner, (len(times), MANNER)),
    ]
    return np.concatenate([np.asarray(p, np.float32) for p in parts], axis=1)


def _one_hot(index: np.ndarray, size: int) -> np.ndarray:
    return (index[..., None] == np.arange(size)).astype(np.float32)


def phrases(timed_phone: np.ndarray) -> list[tuple[int, int]]:
    """(first, after the last) sounds of each stretch between pauses."""
    speech = np.concatenate([[0], (timed_phone > 0).astype(int), [0]])
    edges = np.flatnonzero(np.diff(speech))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def place_in_phrase(phone: np.ndarray, stress: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """[P, 4 + 2 * 4 + 2]: kind, stressed vowels before and after (0, 1, 2, more), vowels before
    and after."""
    out = np.zeros((len(phone), len(KINDS) + 2 * _COUNTS + 2))
    for a, b in phrases(phone):
        vowel = VOWEL[phone[a:b]]
        strong = vowel & (stress[a:b] == 1)
        before, weak = np.cumsum(strong) - strong, np.cumsum(vowel) - vowel
        after, weak_after = strong.sum() - before - strong, vowel.sum() - weak - vowel
        out[a:b] = np.concatenate([
            _one_hot(kind[a:b], len(KINDS)), _one_hot(np.minimum(before, _COUNTS - 1), _COUNTS),
            _one_hot(np.minimum(after, _COUNTS - 1), _COUNTS),
            np.minimum(weak, 12)[:, None] / 6, np.minimum(weak_after, 12)[:, None] / 6], axis=1)
    return out


def _phrase(timed: Timed) -> np.ndarray:
    """Of each sound, with three columns left free for ``_moving``."""
    fixed = place_in_phrase(timed.phone, timed.stress, timed.kind)
    return np.concatenate([fixed, np.zeros((len(fixed), 3))], axis=1)


def _moving(timed: Timed, here: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Time since the phrase began, until it ends, and the share of it."""
    out = np.zeros((len(times), len(KINDS) + 2 * _COUNTS + 2 + 3))
    for a, b in phrases(timed.phone):
        inside = (here >= a) & (here < b)
        begin, end = timed.start[a], timed.end[b - 1]
        since, left = times[inside] - begin, end - times[inside]
        out[inside, -3:] = np.stack(
            [np.log1p(since * 4), np.log1p(np.maximum(left, 0) * 4), since / (end - begin)], axis=1)
    return out


def _accent(timed: Timed, times: np.ndarray) -> np.ndarray:
    """[N, 3]: seconds since the last stressed vowel's middle and until the next, and whether one
    is near."""
    strong = VOWEL[timed.phone] & (timed.stress == 1)
    middle = 0.5 * (timed.start + timed.end)[strong]
    far = 1.0
    if len(middle) == 0:
        return np.tile(np.array([far, far, 0.0]), (len(times), 1))
    at = np.searchsorted(middle, times)
    last = np.where(at > 0, times - middle[np.maximum(at - 1, 0)], far)
    following = np.where(at < len(middle), middle[np.minimum(at, len(middle) - 1)] - times, far)
    near = np.exp(-((np.minimum(last, following) / 0.12) ** 2))
    return np.stack([np.minimum(last, far), np.minimum(following, far), near], axis=1)
