"""What a character says: text as phones, the values that the model's ``script`` stream carries."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ..errors import VideoError
from . import g2p
from .english import check_english
from .g2p import PHONES, VOWELS
from .numbers import (
    ABBREVIATION,
    NUMERIC,
    ROMAN,
    abbreviation,
    ends_sentence,
    letters,
    numeric,
    roman,
    sign,
)

__all__ = ["LONGEST", "MARKS", "PHONES", "VOWELS", "Phone", "Script"]

LONGEST = 600
"""Characters of one line."""
MARKS = (".", "?", "!", ",", "-", "...")
"""What a pause may stand for: the end of a statement, question or exclamation, a comma, a dash
or bracket, an ellipsis."""
ENDS = (".", "?", "!", "...")

_PLAIN = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u00ab": '"',
    "\u00bb": '"', "\u2013": "\u2014", "\u2015": "\u2014", "\u2010": "-", "\u2011": "-",
    "\u2212": "-", "\u00df": "ss", "\u00e6": "ae", "\u00c6": "Ae", "\u0153": "oe", "\u0152": "Oe",
    "\u00f8": "o", "\u00d8": "O", "\u0142": "l", "\u0141": "L", "\u00f0": "d", "\u00fe": "th",
    "\u00a0": " ", "\u202f": " ", "\u200b": None, "\ufe0f": None,
})
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*'?(?:-[A-Za-z]+(?:'[A-Za-z]+)*)*|'[A-Za-z]+'?")
_INITIAL = re.compile(r"[A-HJ-Z]\.(?=\s+[A-Z])")
_MARK = re.compile(r"\.{2,}|[.?!,;:()\[\]\u2014]+|--+|(?<=\s)-(?=\s)")
_DRAWN_OUT = re.compile(r"([A-Za-z])\1{2,}", re.I)
_ANY = re.compile(r".", re.S)


@dataclass(frozen=True)
class Phone:
    """One sound. name: one of ``PHONES``; stress: 0 none, 1 primary, 2 secondary (vowels only);
    word: its word's index in ``Script.words``, -1 for a pause; mark: one of ``MARKS`` for a pause,
    "" for a sound."""

    name: str
    stress: int = 0
    word: int = -1
    mark: str = ""


@dataclass(frozen=True)
class Script:
    """A line to be said.

    text    as it was given
    words   as they stand in the text but for accents, in order; what is said for one may be
            several ("$3.50")
    phones  all sounds, with a pause at every comma, dash and end of a sentence and after the last
            word; two pauses never follow each other
    """

    text: str
    words: tuple[str, ...]
    phones: tuple[Phone, ...]

    @classmethod
    def of(cls, text: str) -> Script:
        """English ``text`` of at most ``LONGEST`` characters as phones.

        Numbers, times, money, dates and abbreviations are spoken in full, words in capitals that
        no dictionary has are spelled, signs without a reading are left out. VideoError, with the
        column, for text that is empty, too long, without a word, or not English; and if the
        pronouncing dictionary is not installed.
        """
        if not isinstance(text, str):
            raise VideoError(f"script: {type(text).__name__}; text is accepted")
        plain = _plain(text)
        pieces = _pieces(plain)
        spoken = [w for _, said, _ in pieces for w in said]
        check_english(text, spoken)
        words, phones = [], []
        for clause, mark in _clauses(pieces):
            # the library reads a clause as a whole; a word of the text may be several of these
            said = iter(g2p.read(tuple(w for _, many in clause for w in many)))
            for written, many in clause:
                for sounds in (next(said) for _ in many):
                    phones += [Phone(name, stress, len(words)) for name, stress in sounds]
                words.append(written)
            phones.append(Phone("pau", mark=mark))
        return cls(text, tuple(words), tuple(phones))

    @property
    def marks(self) -> tuple[str, ...]:
        """For every phone the mark that its clause ends with: what its melody heads for."""
        out: list[str] = []
        for phone in reversed(self.phones):
            out.append(phone.mark or out[-1])
        return tuple(reversed(out))

    @property
    def ends(self) -> tuple[str, ...]:
        """For every phone the mark that its sentence ends with: one of ``ENDS``."""
        out: list[str] = []
        for phone in reversed(self.phones):
            out.append(phone.mark if phone.mark in ENDS or not out else out[-1])
        return tuple(reversed(out))

    def said(self) -> str:
        """The phones as text: "hh ah l ow1 | w er1 l d |" with a bar for a pause."""
        return " ".join("|" if p.mark else p.name + (str(p.stress) if p.stress else "")
                        for p in self.phones)


def _plain(text: str) -> str:
    """``text`` with straight quotes and without accents, in the letters that are read."""
    if len(text) > LONGEST:
        raise VideoError(f"script: {len(text)} characters in one line; at most {LONGEST} are "
                         "accepted (make two lines of it)")
    out = []
    for column, c in enumerate(text, 1):
        parts = unicodedata.normalize("NFKD", c.translate(_PLAIN)).translate(_PLAIN)
        kept = "".join(p for p in parts if not unicodedata.combining(p))
        if any(p.isalpha() and not p.isascii() for p in kept):
            raise VideoError(f"script: {c!r} at character {column} is no letter of English; "
                             "English text is accepted", column=column)
        out.append(kept)
    return re.sub(r"\s", " ", "".join(out))


def _pieces(text: str) -> list[tuple[str, list[str], str]]:
    """(as written, words said, "") of every word, ("", [], mark) of every mark, in order."""
    out: list[tuple[str, list[str], str]] = []
    at = 0
    while at < len(text):
        begins = at == 0 or not text[at - 1].isalnum()
        if begins and (m := NUMERIC.match(text, at)):
            out.append((m[0], numeric(m, text[m.end():]), ""))
        elif begins and (m := ABBREVIATION.match(text, at)) and _abbreviates(m, text):
            out.append((m[0], abbreviation(m[0], text[m.end():]), ""))
            if ends_sentence(m[0], text[m.end():]):
                out.append(("", [], "."))
        elif begins and (m := _INITIAL.match(text, at)):
            out.append((m[0], letters(m[0]), ""))
        elif begins and (m := ROMAN.match(text, at)) and out and out[-1][0][:1].isupper():
            out.append((m[0], roman(m[0], out[-1][0]), ""))
        elif m := _WORD.match(text, at):
            out.append((m[0], _said(m[0]), ""))
        elif text[at] == "." and text[at + 1:at + 2].islower():
            m = _ANY.match(text, at)
            out.append((m[0], ["dot"], ""))
        elif m := _MARK.match(text, at):
            out.append(("", [], _mark(m[0])))
        else:
            m = _ANY.match(text, at)
            if m[0] == "#" and text[at + 1:at + 2].isdigit():
                out.append((m[0], ["number"], ""))
            elif said := sign(m[0]):
                out.append((m[0], said.split(), ""))
        at = m.end()
    return out


def _abbreviates(match: re.Match, text: str) -> bool:
    """Whether a word with a period is short for another: not where it ends a sentence."""
    if match[0].count(".") > 1 or match[0][:-1].lower() not in ("no", "mar", "jun", "sen", "rev",
                                                                 "est", "mon", "wed", "fri"):
        return True
    return bool(re.match(r"\s*\d", text[match.end():])) or match[0].lower() in ("sen.", "rev.")


def _said(word: str) -> list[str]:
    """A word of letters as the dictionary has it: a compound by its parts."""
    if g2p.is_interjection(word):
        return [word]
    if word.lower() == "www":
        return letters(word)
    word = _shortened(word)
    word = word.rstrip("'") if not word.lower().endswith("s'") else word
    if "-" not in word:
        return [word]
    whole = word.replace("-", "")
    return [whole] if g2p.known(whole) and not g2p.known(word.split("-")[-1]) else word.split("-")


def _shortened(word: str) -> str:
    """A drawn-out word ("Nooo") as the one it is."""
    if not _DRAWN_OUT.search(word) or g2p.known(word):
        return word
    tries = (_DRAWN_OUT.sub(r"\1" * n, word) for n in (1, 2))
    return next((w for w in tries if g2p.known(w) or g2p.is_interjection(w)), word)


def _mark(text: str) -> str:
    if ".." in text:
        return "..."
    for mark in ("?", "!", "."):
        if mark in text:
            return mark
    return "-" if set(text) & set("()[]\u2014-") else ","


def _clauses(pieces) -> list[tuple[list[tuple[str, list[str]]], str]]:
    """Words between marks, each with the mark after them; of several marks the one that ends a
    sentence counts."""
    out: list[tuple[list[tuple[str, list[str]]], str]] = []
    now: list[tuple[str, list[str]]] = []
    for written, said, mark in pieces:
        if not mark:
            now.append((written, said))
        elif now:
            out.append((now, mark))
            now = []
        elif out and out[-1][1] not in ENDS:
            out[-1] = (out[-1][0], mark)
    if now:
        out.append((now, "."))
    elif out and out[-1][1] not in ENDS:
        out[-1] = (out[-1][0], ".")
    return out
