"""What espeak-ng said, as sounds of the dictionary with exact times."""

from __future__ import annotations

import re

import numpy as np

from ..errors import AvatarError
from ..simulators.faces import espeak
from ..simulators.faces.arpabet import of_ipa
from ..simulators.faces.speech import Phoneme
from ..speech.features import INDEX, VOWEL, Timed, phrases

_MARK = {"ˈ": 1, "ˌ": 2}
_KIND = {".": 0, "?": 1, ",": 2, ";": 2, ":": 2, "!": 3}
_OPEN_VOWEL = "ʌ"
"""Where espeak marks no stress on it, the dictionary has a side stress: 0 would be a schwa."""


def timed(text: str, voice: str, phonemes: list[Phoneme], seconds: float) -> Timed | None:
    """The sounds of what ``voice`` said; None where the reading does not fit the events.

    seconds: length of the sound. Pauses at both ends are part of it.
    """
    try:
        marks = _marks(espeak.ipa(text, voice), [p.name for p in phonemes])
        if marks is None:
            return None
        rows = [("pau", 0, -1, 0.0)]
        for i, (p, (stress, word)) in enumerate(zip(phonemes, marks, strict=True)):
            if not _catch(phonemes, i):
                rows += _parts(p, stress, word)
    except AvatarError:
        return None
    merged = [rows[0]]
    for row in rows[1:]:
        last = merged[-1]
        # pauses next to each other are one, and so is an r that espeak writes twice
        if row[0] == last[0] and (row[0] == "pau" or (row[0] == "r" and row[2] == last[2])):
            continue
        merged.append(row)
    if merged[-1][0] != "pau":
        merged.append(("pau", 0, -1, phonemes[-1].end))
    phone = np.array([INDEX[r[0]] for r in merged])
    start = np.maximum.accumulate(np.array([r[3] for r in merged]))
    end = np.append(start[1:], max(seconds, start[-1] + 0.01))
    kind = _kinds(text, phone, end - start)
    if kind is None:
        return None
    return Timed(phone, np.array([r[1] for r in merged]), np.array([r[2] for r in merged]), kind,
                 start, end)


def _catch(phonemes: list[Phoneme], i: int) -> bool:
    """Whether event ``i`` is a short catch of the voice within a phrase, not a pause: espeak ends
    a phrase with two events without a name."""
    if phonemes[i].name or i == 0 or i + 1 >= len(phonemes):
        return False
    return bool(phonemes[i - 1].name and phonemes[i + 1].name)


def _marks(reading: str, names: list[str]) -> list[tuple[int, int]] | None:
    """(stress, word) of every event, found by walking along the reading."""
    out, at, word, stress = [], 0, 0, 0
    for name in names:
        if not name:
            out.append((0, -1))
            continue
        while at < len(reading) and (reading[at] in _MARK or reading[at] == " "):
            if reading[at] == " ":
                word, stress = word + 1, 0
            else:
                stress = _MARK[reading[at]]
            at += 1
        if not reading.startswith(name, at):
            return None
        at += len(name)
        vowel = any(VOWEL[INDEX[s.lower()]] for _, parts in of_ipa(name) for s in parts)
        if vowel and not stress and _OPEN_VOWEL in name:
            stress = 2
        out.append((stress if vowel else 0, word))
        if vowel:
            stress = 0
    return out if at == len(reading) else None


def _parts(p: Phoneme, stress: int, word: int) -> list[tuple[str, int, int, float]]:
    """(sound, stress, word, start) of one event, which may be several sounds."""
    if not p.name:
        return [("pau", 0, -1, p.start)]
    names = [s.lower() for _, parts in of_ipa(p.name) for s in parts]
    weight = np.array([1.5 if VOWEL[INDEX[n]] else 1.0 for n in names])
    cuts = p.start + (p.end - p.start) * np.concatenate([[0], np.cumsum(weight)]) / weight.sum()
    out, given = [], False
    for name, cut in zip(names, cuts[:-1], strict=True):
        vowel = bool(VOWEL[INDEX[name]])
        out.append((name, stress if vowel and not given else 0, word, float(cut)))
        given = given or vowel
    return out


def _kinds(text: str, phone: np.ndarray, length: np.ndarray) -> np.ndarray | None:
    """[P]: how each phrase ends, from the punctuation; None where it does not match the pauses.

    espeak also pauses shortly before words such as "and": the shortest pauses are those.
    """
    ends = re.findall(r"[.?!,;:]+", text.replace("...", "."))
    found = phrases(phone)
    if not ends or len(found) < len(ends):
        return None
    gaps = np.array([length[b] for _, b in found[:-1]])
    marked = set(np.argsort(-gaps, kind="stable")[: len(ends) - 1].tolist()) | {len(found) - 1}
    out, mark = np.zeros(len(phone), np.int64), iter(ends)
    for i, (a, b) in enumerate(found):
        out[a:b] = _KIND[next(mark)[0]] if i in marked else _KIND[","]
    return out
