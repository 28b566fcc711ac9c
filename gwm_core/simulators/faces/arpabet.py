"""From the phonemes of the synthesisers to the 39 sounds of the CMU pronouncing dictionary."""

from __future__ import annotations

from functools import lru_cache

from ...errors import AvatarError

_OF_IPA = {
    "aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "oʊ": "OW", "əʊ": "OW", "ɔɪ": "OY",
    "tʃ": "CH", "dʒ": "JH",
    "iː": "IY", "i": "IY", "uː": "UW", "u": "UW", "ɑː": "AA", "ɑ": "AA", "a": "AA", "ɒ": "AA",
    "ɔː": "AO", "ɔ": "AO", "oː": "AO", "o": "OW", "ɜː": "ER", "ɜ": "ER", "ɚ": "ER", "ɝ": "ER",
    "æ": "AE", "ɛ": "EH", "e": "EH", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "ʊ": "UH", "ʌ": "AH",
    "ə": "AH", "ɐ": "AH", "əl": "AH L", "n̩": "AH N", "l̩": "AH L", "m̩": "AH M",
    "p": "P", "b": "B", "m": "M", "f": "F", "v": "V", "θ": "TH", "ð": "DH", "t": "T", "d": "D",
    "ɾ": "D", "ʔ": "T", "n": "N", "ŋ": "NG", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "k": "K",
    "ɡ": "G", "g": "G", "x": "K", "h": "HH", "l": "L", "ɫ": "L", "ɹ": "R", "r": "R", "w": "W",
    "ʍ": "W", "j": "Y", "ʲ": "Y",
}
_LONGEST = max(map(len, _OF_IPA))
_STRESS = "ˈˌ"
_OF_FLITE = {"ax": "AH", "axr": "ER", "el": "AH L", "em": "AH M", "en": "AH N"}

Sound = tuple[str, tuple[str, ...]]
"""A phoneme as its synthesiser names it, and the dictionary's sounds that it is made of."""
Word = tuple[Sound, ...]


@lru_cache(maxsize=4096)
def of_ipa(word: str) -> Word:
    """The sounds of a word that espeak wrote in IPA. AvatarError names a letter that English has
    not."""
    rest, out = "".join(c for c in word if c not in _STRESS), []
    while rest:
        for size in range(min(_LONGEST, len(rest)), 0, -1):
            if rest[:size] in _OF_IPA:
                out.append((rest[:size], tuple(_OF_IPA[rest[:size]].split())))
                break
        else:
            raise AvatarError(f"IPA {word!r}: {rest[0]!r} is no sound of English as espeak-ng "
                              "writes it (voice en-us)")
        rest = rest[size:]
    return tuple(out)


def of_flite(names: tuple[str, ...]) -> Word:
    """The sounds of a word of ``flite.words``."""
    return tuple((n, tuple(_OF_FLITE.get(n, n.upper()).split())) for n in names)
