"""flite through its shared libraries: sound and its own segment times. At data time only."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np

from ...errors import AvatarError
from .speech import Phoneme, Spoken, at_rate, trimmed

VOICES = ("awb", "kal", "kal16", "rms", "slt")


class _Wave(ctypes.Structure):
    _fields_ = [("type", ctypes.c_char_p), ("rate", ctypes.c_int), ("count", ctypes.c_int),
                ("channels", ctypes.c_int), ("samples", ctypes.POINTER(ctypes.c_short))]


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    lib = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
    pointers = ("flite_synth_text", "utt_relation", "relation_head", "item_next")
    for name in pointers:
        getattr(lib, name).restype = ctypes.c_void_p
    lib.flite_synth_text.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    lib.utt_relation.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lib.relation_head.argtypes = lib.item_next.argtypes = [ctypes.c_void_p]
    lib.item_feat_float.argtypes = lib.item_feat_string.argtypes = [ctypes.c_void_p,
                                                                    ctypes.c_char_p]
    lib.item_feat_float.restype = ctypes.c_float
    lib.item_feat_string.restype = ctypes.c_char_p
    lib.utt_wave.argtypes = [ctypes.c_void_p]
    lib.utt_wave.restype = ctypes.POINTER(_Wave)
    lib.delete_utterance.argtypes = [ctypes.c_void_p]
    lib.flite_init()
    return lib


@lru_cache(maxsize=len(VOICES))
def _voice(name: str) -> int:
    for library in ("usenglish", "cmulex"):
        ctypes.CDLL(f"libflite_{library}.so.1", mode=ctypes.RTLD_GLOBAL)
    register = getattr(ctypes.CDLL(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}")
    register.restype, register.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    return register(None)


def available() -> bool:
    """Whether the libraries are installed (Debian: flite)."""
    try:
        _library()
        _voice(VOICES[0])
    except (OSError, AttributeError):
        return False
    return True


def speak(text: str, voice: str) -> Spoken:
    """``text`` said by one of ``VOICES``. AvatarError if flite is missing or the voice unknown."""
    if voice not in VOICES:
        raise AvatarError(f"flite: no voice {voice!r}; {', '.join(VOICES)} are accepted")
    if not available():
        raise AvatarError("flite: libflite.so.1 is not installed; held-out performances are made "
                          "with it (Debian: flite)")
    lib = _library()
    utterance = lib.flite_synth_text(text.encode("ascii", "ignore"), _voice(voice))
    try:
        found = lib.utt_wave(utterance).contents
        wave = np.ctypeslib.as_array(found.samples, (found.count,)).astype(np.float32) / 32768
        rate, start, phonemes = found.rate, 0.0, []
        item = lib.relation_head(lib.utt_relation(utterance, b"Segment"))
        while item:
            end = float(lib.item_feat_float(item, b"end"))
            name = lib.item_feat_string(item, b"name").decode()
            phonemes.append(Phoneme(start, end, "" if name == "pau" else name))
            item, start = lib.item_next(item), end
    finally:
        lib.delete_utterance(utterance)
    return trimmed(at_rate(wave, rate), phonemes)
