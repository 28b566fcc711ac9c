"""espeak-ng through its shared library: sound and phoneme times. At data time only.

espeak's state is global: one voice at a time in a process, and from one call to the next of the
same text the sound may differ by the phase of its voice and its length by a few samples.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np

from ...errors import AvatarError
from .speech import Phoneme, Spoken, at_rate, trimmed

LIBRARY = "libespeak-ng.so.1"
_SYNCHRONOUS, _IPA_EVENTS = 2, 3
_UTF8, _AS_IPA = 1, 2
_SPEED, _PITCH, _RANGE = 1, 3, 4
_PHONEME_EVENT = 7
VOICELESS_STOPS = ("p", "t", "k")
SILENT = 0.025
"""Of full scale: what the echo of some voices leaves of a closure."""


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("text", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("id_", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_position", ctypes.c_int),
                ("sample", ctypes.c_int), ("user", ctypes.c_void_p), ("id", _Id)]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int,
                             ctypes.POINTER(_Event))


class _Engine:
    """The library, started once."""

    def __init__(self) -> None:
        self.lib = ctypes.CDLL(LIBRARY)
        self.lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int,
                                                   ctypes.c_int]
        self.rate = self.lib.espeak_Initialize(_SYNCHRONOUS, 0, None, _IPA_EVENTS)
        if self.rate <= 0:
            raise OSError("espeak-ng found no voices")
        self.parts: list[np.ndarray] = []
        self.events: list[tuple[float, str]] = []
        self.callback = _Callback(self._heard)  # kept: the library calls it as long as it lives
        self.lib.espeak_SetSynthCallback(self.callback)

    def _heard(self, wave, count, events) -> int:
        if wave and count > 0:
            self.parts.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type:
            if events[i].type == _PHONEME_EVENT:
                name = events[i].id.text.decode("utf-8", "ignore")
                self.events.append((events[i].audio_position / 1000, name))
            i += 1
        return 0


@lru_cache(maxsize=1)
def _engine() -> _Engine:
    return _Engine()


def available() -> bool:
    """Whether the library and its voices are installed (Debian: libespeak-ng1)."""
    try:
        _engine()
    except OSError:
        return False
    return True


def speak(text: str, voice: str, speed: int = 175, pitch: int = 50, span: int = 50) -> Spoken:
    """``text`` said by ``voice`` ("en-us+f3": accent and variant).

    speed: words a minute, 80..400; pitch and span (of the melody): 0..100. AvatarError if the
    library is missing or has no such voice.
    """
    wave, rate, phonemes = speak_whole(text, voice, speed, pitch, span)
    return trimmed(at_rate(wave, rate), phonemes)


def speak_whole(text: str, voice: str, speed: int = 175, pitch: int = 50, span: int = 50
                ) -> tuple[np.ndarray, int, list[Phoneme]]:
    """As ``speak``, untrimmed and at the library's own rate: (sound float32 [N], samples a second,
    phonemes)."""
    engine = _with_voice(voice)
    lib = engine.lib
    for parameter, value in ((_SPEED, speed), (_PITCH, pitch), (_RANGE, span)):
        lib.espeak_SetParameter(parameter, int(value), 0)
    engine.parts.clear()
    engine.events.clear()
    data = text.encode()
    lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
    lib.espeak_Synchronize()
    if not engine.parts:
        return np.zeros(0, np.float32), engine.rate, []
    wave = np.concatenate(engine.parts).astype(np.float32) / 32768
    return wave, engine.rate, _phonemes(engine.events, wave, engine.rate)


def ipa(text: str, voice: str) -> str:
    """How ``voice`` reads ``text``, in IPA: stress before the vowel, a space between words, no
    punctuation. AvatarError if the library is missing or has no such voice."""
    read = _with_voice(voice).lib.espeak_TextToPhonemes
    rest, out = ctypes.c_char_p(text.encode()), []
    while rest.value:  # a clause at a time
        out.append(read(ctypes.byref(rest), _UTF8, _AS_IPA).decode())
    return " ".join(" ".join(out).split())


def _with_voice(voice: str) -> _Engine:
    """The engine, which reads as ``voice`` from now on."""
    try:
        engine = _engine()
    except OSError:
        raise AvatarError(f"espeak-ng: {LIBRARY} is not installed; performances are made with it "
                          "(Debian: libespeak-ng1)") from None
    if engine.lib.espeak_SetVoiceByName(voice.encode()) != 0:
        raise AvatarError(f"espeak-ng: no voice {voice!r}; an accent such as en-us, with a "
                          "variant such as +f3, is accepted")
    return engine


def _phonemes(events: list[tuple[float, str]], wave: np.ndarray, rate: int) -> list[Phoneme]:
    """Segments between events. espeak reports p, t and k at their burst; they begin with the
    silence before it, as everywhere else."""
    names = [name if not name.startswith("(") else "" for _, name in events]
    starts = [start for start, _ in events]
    for i in range(1, len(events)):
        if names[i].startswith(VOICELESS_STOPS):
            floor = starts[i - 1] + 0.5 * (starts[i] - starts[i - 1])
            if names[i - 1]:
                starts[i] = _closure(wave, rate, starts[i], max(floor, starts[i] - 0.09))
    end = len(wave) / rate
    ends = [*starts[1:], end]
    return [Phoneme(s, max(e, s), n) for s, e, n in zip(starts, ends, names, strict=True)]


def _closure(wave: np.ndarray, rate: int, burst: float, floor: float) -> float:
    """Where the silence before a burst begins, not before ``floor`` (seconds)."""
    step = int(0.005 * rate)
    at = int(burst * rate)
    # the event may lie a few ms within the silence or after the burst's first samples
    while at - step > floor * rate and np.abs(wave[at - step:at]).max(initial=0) > SILENT \
            and at > (burst - 0.015) * rate:
        at -= step
    while at - step >= floor * rate and np.abs(wave[at - step:at]).max(initial=0) <= SILENT:
        at -= step
    return min(at / rate, burst)
