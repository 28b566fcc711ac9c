"""flite through its shared libraries: sound and its own segment times. At data time only."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
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
    pointers = ("flite_synth_text", "utt_relation", "relation_head", "item_next", "path_to_item")
    for name in pointers:
        getattr(lib, name).restype = ctypes.c_void_p
    lib.flite_synth_text.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    lib.utt_relation.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lib.path_to_item.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
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
    with _said(text, voice) as utterance:
        found = _library().utt_wave(utterance).contents
        wave = np.ctypeslib.as_array(found.samples, (found.count,)).astype(np.float32) / 32768
        rate, start, phonemes = found.rate, 0.0, []
        for name, end, _ in _segments(utterance):
            phonemes.append(Phoneme(start, end, name))
            start = end
    return trimmed(at_rate(wave, rate), phonemes)


def words(text: str, voice: str) -> tuple[tuple[str, ...], ...]:
    """The phonemes of each word as ``speak`` has them: in the same order, without pauses."""
    out: dict[int, list[str]] = {}
    with _said(text, voice) as utterance:
        for name, _, word in _segments(utterance):
            if name:
                out.setdefault(word, []).append(name)
    return tuple(tuple(names) for names in out.values())


@contextmanager
def _said(text: str, voice: str) -> Iterator[int]:
    """The library's utterance of ``text``, freed at the end."""
    if voice not in VOICES:
        raise AvatarError(f"flite: no voice {voice!r}; {', '.join(VOICES)} are accepted")
    if not available():
        raise AvatarError("flite: libflite.so.1 is not installed; held-out performances are made "
                          "with it (Debian: flite)")
    utterance = _library().flite_synth_text(text.encode("ascii", "ignore"), _voice(voice))
    try:
        yield utterance
    finally:
        _library().delete_utterance(utterance)


def _segments(utterance: int) -> Iterator[tuple[str, float, int]]:
    """(name, end in seconds, which word) of each segment; a pause has the name "" and no word."""
    lib = _library()
    item = lib.relation_head(lib.utt_relation(utterance, b"Segment"))
    while item:
        name = lib.item_feat_string(item, b"name").decode()
        pause = name == "pau"
        word = 0 if pause else lib.path_to_item(item, b"R:SylStructure.parent.parent")
        yield "" if pause else name, float(lib.item_feat_float(item, b"end")), word
        item = lib.item_next(item)
