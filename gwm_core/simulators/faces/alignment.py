"""When each phoneme of a recording sounds, if it is known what is said: forced alignment.

By pocketsphinx and the English acoustic model that it ships (hidden Markov models of three states
a phoneme in its context; the best path through those of the whole utterance, with silence allowed
between words). At data time only; the extra ``voices`` has the package.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

import numpy as np

from ...avatars.motion import TICK_RATE
from ...avatars.mouth import aperture
from ...errors import AvatarError
from ...noise import rng
from . import flite
from .arpabet import Word, of_flite
from .coarticulation import mouth
from .sentences import sentence
from .speech import RATE, Phoneme

FRAME = 0.010
"""Seconds from one row of the recogniser's features to the next."""
CENTRE = 0.0078
"""Seconds from a row's number to the moment between its window (25.6 ms) and the one before."""
MARGIN = 0.1
"""Seconds of silence put before and after: the recogniser's models expect some."""
SHIFTS = (0.0, 0.0033, 0.0067)
"""Seconds that are put before besides, once each: the median is finer than a row, and the search,
which fails for 1 in 100 by where its rows fall, hardly does for all."""
SPARE = (0.0017, 0.005, 0.0083, 0.0008, 0.0025, 0.0042, 0.0058, 0.0075, 0.0092)
"""Tried one by one where all of ``SHIFTS`` fail."""
SHORTEST = 0.04
"""Seconds below which a gap between words is no pause, but part of the sounds beside it."""


def available() -> bool:
    """Whether pocketsphinx is installed (the extra ``voices``)."""
    return find_spec("pocketsphinx") is not None


@lru_cache(maxsize=1)
def _decoder():
    try:
        import pocketsphinx
    except ImportError:
        raise AvatarError("alignment: pocketsphinx is not installed; "
                          "pip install gwm[voices]") from None
    return pocketsphinx.Decoder(hmm=pocketsphinx.get_model_path("en-us/en-us"), dict=None, lm=None,
                                loglevel="FATAL")


def align(sound: np.ndarray, words: Sequence[Word]) -> list[Phoneme]:
    """The phonemes of ``words`` with their times in ``sound``, gapless; "" is a silence.

    sound: float32 [N] at 16 kHz. AvatarError if pocketsphinx is missing, nothing is said, or the
    sound cannot be these words (it is too short for them).
    """
    words = [w for w in words if w]
    if not words:
        raise AvatarError("words: none have a sound; at least one is needed")
    decoder = _decoder()
    text = " ".join([_known(decoder, word) for word in words])
    count = sum(len(parts) for word in words for _, parts in word)
    found = [_spans(decoder, text, sound, shift) for shift in SHIFTS]
    spans = [s for s in found if _whole(s, count)]
    for shift in SPARE:
        if not spans and _whole(one := _spans(decoder, text, sound, shift), count):
            spans = [one]
    if not spans:
        raise AvatarError(f"sound: {len(sound) / RATE:.2f} s of it do not fit the "
                          f"{sum(map(len, words))} phonemes that it should be")
    middle = np.clip(np.median(spans, axis=0), 0, len(sound) / RATE)
    return _phonemes(middle, [(name, len(parts)) for word in words for name, parts in word],
                     len(sound) / RATE)


def _whole(spans: np.ndarray | None, count: int) -> bool:
    """Whether a search came through, and through every sound."""
    return spans is not None and len(spans) == count


def _known(decoder, word: Word) -> str:
    """The recogniser's name of a word: its sounds, so that each is told once."""
    sounds = [s for _, parts in word for s in parts]
    name = "_".join(sounds)
    if decoder.lookup_word(name) is None:
        decoder.add_word(name, " ".join(sounds), False)
    return name


def _spans(decoder, text: str, sound: np.ndarray, shift: float) -> np.ndarray | None:
    """Start and end [sounds, 2] in seconds of ``sound``; None if its search fails."""
    before = int((MARGIN + shift) * RATE)
    padded = np.zeros(before + len(sound) + int(MARGIN * RATE))
    padded[before:before + len(sound)] = sound / max(float(np.abs(sound).max(initial=0)), 1e-6)
    pcm = (padded * 16384).astype("<i2").tobytes()
    decoder.set_align_text(text)
    try:
        _hear(decoder, pcm)
        decoder.set_alignment()  # of words so far; once more for their phonemes
        _hear(decoder, pcm)
        found = [(p.start, p.start + p.duration) for word in decoder.get_alignment() for p in word
                 if p.name != "SIL"]
    except RuntimeError:  # its only way to say that no path came through
        return None
    return np.array(found) * FRAME + CENTRE - before / RATE


def _hear(decoder, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _phonemes(spans: np.ndarray, names: Sequence[tuple[str, int]], seconds: float
              ) -> list[Phoneme]:
    """Phonemes of one or more sounds each, from the sounds' spans [sounds, 2]; gaps become
    silences or, if short, part of the phoneme before."""
    last = np.cumsum([count for _, count in names])
    starts, ends = spans[last - [count for _, count in names], 0], spans[last - 1, 1]
    out = [Phoneme(0.0, float(starts[0]), "")]
    for k, (name, _) in enumerate(names):
        following = float(starts[k + 1]) if k + 1 < len(names) else float(ends[k])
        pause = following - ends[k] >= SHORTEST
        out.append(Phoneme(float(starts[k]), float(ends[k]) if pause else following, name))
        if pause:
            out.append(Phoneme(float(ends[k]), following, ""))
    return [*out, Phoneme(out[-1].end, seconds, "")]


@dataclass(frozen=True)
class AlignmentError:
    """What the alignment gets wrong where the truth is known.

    boundaries: how many were compared; median_ms, p90_ms: of their absolute errors; bias_ms:
    median of the signed ones, late is positive. r, offset_frames: of the mouth's opening by the
    alignment against that by the true times (Pearson; late is positive, 25 frames a second).
    """

    voice: str
    boundaries: int
    median_ms: float
    p90_ms: float
    bias_ms: float
    r: float
    offset_frames: float

    def __str__(self) -> str:
        return (f"{self.voice}: {self.boundaries} boundaries, off by {self.median_ms:.1f} ms "
                f"(median), {self.p90_ms:.1f} ms (90 %), {self.bias_ms:+.1f} ms (signed median); "
                f"mouth r {self.r:.3f}, offset {self.offset_frames:+.2f} frames")


def alignment_error(voices: Sequence[str] = flite.VOICES, sentences: int = 12, seed: int = 0
                    ) -> list[AlignmentError]:
    """The error on flite, whose own segment times are the truth: of each voice, then of all.

    sentences: of the held-out vocabulary, for each voice; seed: which. AvatarError if pocketsphinx
    or flite is missing.
    """
    errors: dict[str, list[float]] = {}
    curves: dict[str, list[np.ndarray]] = {}
    for voice in voices:
        errors[voice], curves[voice] = [], []
        for k in range(sentences):
            text = sentence(rng(seed, "alignment", k), "held")
            said = flite.speak(text, voice)
            found = align(said.sound, [of_flite(w) for w in flite.words(text, voice)])
            true = [p.start for p in said.phonemes if p.name]
            seen = [p.start for p in found if p.name]
            errors[voice] += [1000 * (a - b) for a, b in zip(seen[1:], true[1:], strict=True)]
            ticks = int(said.seconds * TICK_RATE)
            curves[voice].append(np.array([aperture(mouth(tuple(p), ticks, said.sound, True))
                                           for p in (found, said.phonemes)]))
    out = [_error(f"flite:{v}", errors[v], curves[v]) for v in voices]
    return [*out, _error("all", sum(errors.values(), []), sum(curves.values(), []))]


def _error(voice: str, errors: list[float], curves: list[np.ndarray]) -> AlignmentError:
    """errors in ms; curves [2, T] each: the opening by alignment and the true one."""
    off = np.abs(errors)
    pairs = {lag: np.concatenate([_lagged(c, lag) for c in curves], axis=1) for lag in range(-6, 7)}
    r = {lag: float(np.corrcoef(pair)[0, 1]) for lag, pair in pairs.items()}
    best = max(range(-5, 6), key=r.get)
    left, here, right = r[best - 1], r[best], r[best + 1]
    between = 0.5 * (left - right) / min(left - 2 * here + right, -1e-9)
    return AlignmentError(voice, len(errors), float(np.median(off)),
                          float(np.percentile(off, 90)), float(np.median(errors)), r[0],
                          best + between)


def _lagged(curve: np.ndarray, lag: int) -> np.ndarray:
    """[2, T - |lag|]: the first row ``lag`` ticks later, against the second."""
    seen, true = curve
    size = len(true) - abs(lag)
    return np.stack([seen[max(lag, 0):][:size], true[max(-lag, 0):][:size]])


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in alignment_error())
