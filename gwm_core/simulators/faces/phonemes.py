"""What the mouth aims at for each sound of speech.

Targets are after the viseme classes of speech animation (Edwards et al., "JALI", 2016; Cohen and
Massaro 1993 for targets with a dominance). A sound's name is IPA, as espeak writes it, or
ARPAbet in lower case, as flite does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

CHANNELS = ("jaw", "funnel", "pucker", "stretch", "press", "tongue", "upper", "smile")
"""Channels that blend; ``close`` and ``bite`` are gestures of their own: they are reached fully."""


@dataclass(frozen=True)
class Target:
    """shape: the values of ``CHANNELS`` left out are 0. jaw_weight, lip_weight: dominance of the
    sound over its neighbours, 0..1. gesture: "close", "bite" or "". held: share of the sound's
    time, from its start, for which the gesture is held. vowel: carries loudness."""

    shape: dict[str, float]
    jaw_weight: float = 0.35
    lip_weight: float = 0.3
    gesture: str = ""
    held: float = 1.0
    vowel: bool = False


def _vowel(jaw: float, lip: float = 0.7, **shape: float) -> Target:
    return Target({"jaw": jaw, **shape}, 1.0, lip, vowel=True)


SOUNDS: dict[str, Target] = {
    # vowels, from open to close
    "a": _vowel(0.80, stretch=0.10),
    "ae": _vowel(0.72, stretch=0.40, smile=0.05),
    "uh": _vowel(0.66),
    "e": _vowel(0.56, stretch=0.38),
    "schwa": _vowel(0.40, lip=0.35),
    "er": _vowel(0.36, funnel=0.40),
    "open_o": _vowel(0.62, lip=0.9, funnel=0.55),
    "o": _vowel(0.46, lip=0.95, funnel=0.50, pucker=0.30),
    "i": _vowel(0.26, lip=0.85, stretch=0.75, smile=0.08),
    "short_i": _vowel(0.38, stretch=0.45),
    "u": _vowel(0.24, lip=1.0, pucker=0.90, funnel=0.15),
    "short_u": _vowel(0.32, lip=0.85, pucker=0.50, funnel=0.25),
    "front_u": _vowel(0.26, lip=0.95, pucker=0.75, funnel=0.15),
    "front_o": _vowel(0.42, lip=0.9, funnel=0.55, pucker=0.2),
    # consonants
    "p": Target({"jaw": 0.16, "press": 0.25}, 0.5, 0.3, "close", 0.62),
    "b": Target({"jaw": 0.16, "press": 0.15}, 0.5, 0.3, "close", 0.62),
    "m": Target({"jaw": 0.16}, 0.5, 0.3, "close", 0.9),
    "f": Target({"jaw": 0.14, "upper": 0.25}, 0.7, 0.5, "bite", 0.9),
    "th": Target({"jaw": 0.20, "tongue": 0.95}, 0.6, 0.3),
    "s": Target({"jaw": 0.10, "upper": 0.55, "stretch": 0.35}, 0.9, 0.5),
    "sh": Target({"jaw": 0.12, "funnel": 0.70, "upper": 0.35}, 0.9, 0.9),
    "l": Target({"jaw": 0.26, "tongue": 0.55}, 0.4, 0.15),
    "t": Target({"jaw": 0.16, "upper": 0.15, "tongue": 0.2}, 0.5, 0.15),
    "k": Target({"jaw": 0.24}, 0.25, 0.08),
    "h": Target({"jaw": 0.30}, 0.08, 0.04),
    "r": Target({"jaw": 0.18, "funnel": 0.45, "pucker": 0.20}, 0.4, 0.75),
    "w": Target({"jaw": 0.10, "pucker": 1.0}, 0.7, 1.0),
    "j": Target({"jaw": 0.20, "stretch": 0.45}, 0.5, 0.5),
    "pause": Target({}, 1.0, 1.0),
}

_IPA = {
    "a": "aɑɐäɶ", "ae": "æ", "uh": "ʌ", "e": "ɛeɘε", "schwa": "əɨᵻɤ", "er": "ɜɚɝ",
    "open_o": "ɔɒ", "o": "o", "i": "i", "short_i": "ɪ", "u": "uɯ", "short_u": "ʊ",
    "front_u": "yʏʉ", "front_o": "øœɵ",
    "p": "p", "b": "bβɓ", "m": "mɱ", "f": "fvʋɸ", "th": "θð", "s": "szɕʑ", "sh": "ʃʒʂʐ",
    "l": "lɫɭʎɬ", "t": "tdnɾɲɳʈɖ", "k": "kɡgŋxɣqχʁcɟçɴ", "h": "hɦʔ?", "r": "ɹrɻʀɺ",
    "w": "wʍɥ", "j": "jʝʲ",
}
_OF_IPA = {letter: sound for sound, letters in _IPA.items() for letter in letters}

_ARPA = {
    "aa": ("a",), "ae": ("ae",), "ah": ("uh",), "ao": ("open_o",), "aw": ("a", "short_u"),
    "ax": ("schwa",), "axr": ("er",), "ay": ("a", "short_i"), "b": ("b",), "ch": ("t", "sh"),
    "d": ("t",), "dh": ("th",), "eh": ("e",), "er": ("er",), "ey": ("e", "short_i"), "f": ("f",),
    "g": ("k",), "hh": ("h",), "ih": ("short_i",), "iy": ("i",), "jh": ("t", "sh"), "k": ("k",),
    "l": ("l",), "m": ("m",), "n": ("t",), "ng": ("k",), "ow": ("o", "short_u"),
    "oy": ("open_o", "short_i"), "p": ("p",), "r": ("r",), "s": ("s",), "sh": ("sh",),
    "t": ("t",), "th": ("th",), "uh": ("short_u",), "uw": ("u",), "v": ("f",), "w": ("w",),
    "y": ("j",), "z": ("s",), "zh": ("sh",), "el": ("l",), "em": ("m",), "en": ("t",),
}


@lru_cache(maxsize=512)
def sounds(name: str, arpabet: bool = False) -> tuple[str, ...]:
    """The sounds (keys of ``SOUNDS``) of a phoneme in order: two of a diphthong or an affricate.

    A name that is not known reads as "schwa"; "" is a pause.
    """
    if not name or name in ("pau", "_", "_:"):
        return ("pause",)
    if arpabet:
        return _ARPA.get(name, ("schwa",))
    found = [_OF_IPA[letter] for letter in name if letter in _OF_IPA]
    merged = [s for i, s in enumerate(found) if i == 0 or s != found[i - 1]]
    return tuple(merged[:3]) or ("schwa",)
