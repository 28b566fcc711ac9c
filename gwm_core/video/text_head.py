"""What stands before the first shot of a storyboard's text: the film, and its cast."""

from __future__ import annotations

import re
from dataclasses import replace

from ..errors import VideoError
from .board_checks import check_name, known_voices, same_name, voices_told
from .nearest import did_you_mean, listed, shortened
from .storyboard import CastMember, Shot, Storyboard
from .text_fields import (
    Item,
    fields_in,
    first_key,
    joined,
    key_pattern,
    read_fps,
    read_number,
    read_size,
    read_yes,
)
from .text_shot import SHOT_FIELDS
from .text_source import Piece, TextLine

HEAD_FIELDS = ("title", "size", "fps", "loudness", "peak", "rate", "ducking", "extend", "cast",
               "note")
_SHORT = ("size", "fps", "loudness", "peak", "true peak", "rate", "sample rate", "ducking",
          "extend")
_OTHER = {"true peak": "peak", "sample rate": "rate"}
_KEYS = key_pattern(_SHORT)
_WHOLE = re.compile(r"(title|cast|note(?:\s+(?P<name>[^:：]{1,60}?))?)\s*[:：]", re.IGNORECASE)
_MEMBER = re.compile(r"(?P<name>[^()]*?)\s*(?:\((?P<options>[^()]*)\))?")


class Head:
    """Reads the lines before the first shot. ``board`` is the film without shots."""

    def __init__(self, lines: list[TextLine], wired: tuple[CastMember, ...],
                 usual: Storyboard | None = None) -> None:
        self._said: dict[str, Piece] = {}
        self._notes: dict[str, str] = {}
        self._values: dict[str, object] = {}
        self._wired = {same_name(member.name) for member in wired}
        self._cast: dict[str, tuple[CastMember, set[str]]] = {}
        for piece in joined(lines, self._begins, lambda piece: bool(_WHOLE.match(piece.text))):
            self._read(piece)
        usual = usual or Storyboard((), ())
        self.board = replace(usual, cast=self._members(wired), shots=(),
                             notes={**usual.notes, **self._notes}, **self._values)

    def with_shots(self, shots: tuple[Shot, ...]) -> Storyboard:
        return replace(self.board, shots=shots)

    @staticmethod
    def _begins(piece: Piece) -> bool:
        return bool(_WHOLE.match(piece.text) or _KEYS.match(piece.text))

    def _read(self, piece: Piece) -> None:
        whole = _WHOLE.match(piece.text)
        if whole:
            self._read_whole(piece, whole)
        elif _KEYS.match(piece.text):
            for item in fields_in(piece, _KEYS):
                self._once(_OTHER.get(item.key, item.key), item.at)
                self._read_short(item)
        else:
            found = first_key(piece)
            word = piece.text[: found[1] - 1].strip() if found else shortened(piece.value)
            who = re.split(r"\s*(?:\(|\bat\b)", word)[0]
            if same_name(who) in self._wired or same_name(who) in self._cast:
                raise piece.fail(f"{who} speaks before the first shot; a line such as "
                                 "\"shot: 8 s\" above is needed")
            if word.casefold() in SHOT_FIELDS:
                raise piece.fail(f"{word} belongs to a shot; a line such as \"shot: 8 s\" above "
                                 "is needed")
            raise piece.fail(
                f"{word!r} is no field before the first shot{did_you_mean(word, HEAD_FIELDS)}; "
                f"accepted are {listed(HEAD_FIELDS)}, and shot: to begin a shot")

    def _once(self, key: str, at: Piece) -> None:
        before = self._said.get(key)
        if before:
            raise at.fail(f"{key} stands here again (first on line {before.line}); once is "
                          "accepted")
        self._said[key] = at

    def _read_whole(self, piece: Piece, whole: re.Match[str]) -> None:
        value = piece.part(whole.end())
        key = whole[1].casefold()
        if key == "cast":
            for member in value.split(","):
                if member:
                    self._read_member(member)
        elif key == "title":
            self._once("title", piece)
            self._values["title"] = value.value
        else:
            name = " ".join((whole["name"] or "").split())
            self._once(f"note {name}".strip(), piece)
            self._notes[name] = value.value

    def _read_short(self, item: Item) -> None:
        key, value = _OTHER.get(item.key, item.key), item.value
        if not value:
            raise item.at.fail(f"{key} has no value")
        if key == "size":
            self._values["width"], self._values["height"] = read_size(value)
        elif key == "fps":
            self._values["fps"] = read_fps(value)
        elif key == "loudness":
            self._values["loudness"] = read_number(
                value, key, "LUFS|LKFS|LU", "LUFS are accepted (-23)")
        elif key == "peak":
            self._values["true_peak"] = read_number(
                value, key, "dBTP|dB", "decibels below full scale are accepted (-1)")
        elif key == "rate":
            kilo = value.value.casefold().endswith("khz")
            rate = read_number(value, key, "kHz|Hz", "Hz are accepted (48000)")
            rate = rate * 1000 if kilo else rate
            if rate != int(rate):
                raise value.fail(f"rate {value.value[:40]!r}; whole Hz are accepted (48000)")
            self._values["sample_rate"] = int(rate)
        elif key == "ducking":
            off = value.value.casefold() in ("off", "no")
            self._values["ducking"] = 0.0 if off else read_number(
                value, key, "dB", "decibels are accepted (6 dB), or off")
        else:
            self._values["extend"] = read_yes(value, key)

    def _read_member(self, piece: Piece) -> None:
        found = _MEMBER.fullmatch(piece.text)
        if not found:
            raise piece.fail(f"{piece.value[:40]!r}; Name (voice: …, strength: …) is accepted, "
                             "with commas between characters")
        name = " ".join(found["name"].split())
        wrong = check_name(name)
        if wrong:
            raise piece.fail(f"name {name!r}: {wrong}")
        if same_name(name) in self._cast:
            raise piece.fail(f"{name} is in the cast already; each name once is accepted")
        values: dict[str, object] = {}
        if found["options"] is not None:
            start, end = found.span("options")
            for option in piece.part(start, end).split(","):
                if option:
                    self._read_option(option, values, name)
        self._cast[same_name(name)] = (CastMember(name, **values), set(values))

    def _read_option(self, option: Piece, values: dict[str, object], name: str) -> None:
        word, mark, _ = option.text.replace("：", ":").partition(":")
        key = word.strip().casefold()
        # "Ada (alto)": a word alone is the voice.
        value = option.part(len(word) + 1) if mark else option
        if not mark:
            key = "voice"
        if key in values:
            raise option.fail(f"{name}: {key} stands twice; once is accepted")
        if key == "voice":
            voices = known_voices()
            if voices and value.value.casefold() not in (v.casefold() for v in voices):
                raise value.fail(f"{name}: unknown voice {value.value[:40]!r}"
                                 f"{did_you_mean(value.value, voices)}; accepted are "
                                 f"{voices_told()}")
            values["voice"] = value.value
        elif key == "strength":
            values["strength"] = read_number(value, f"{name}: strength", "x",
                                             "0 to 2 are accepted")
        else:
            raise option.fail(f"{name}: unknown option {key[:40]!r}"
                              f"{did_you_mean(key, ('voice', 'strength'))}; accepted are voice "
                              "and strength")

    def _members(self, wired: tuple[CastMember, ...]) -> tuple[CastMember, ...]:
        """The text's cast with the portraits of those of the same name, then the others."""
        given: dict[str, CastMember] = {}
        for member in wired:
            if same_name(member.name) in given:
                raise VideoError(f"cast: two characters are called {member.name}; different names "
                                 "are accepted")
            given[same_name(member.name)] = member
        out = []
        for key, (member, said) in self._cast.items():
            other = given.pop(key, None)
            if other is not None:
                keep = {name: getattr(member, name) for name in said}
                member = replace(other, name=member.name, **keep)
            out.append(member)
        return (*out, *given.values())
