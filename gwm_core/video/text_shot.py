"""One shot of a storyboard's text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from ..avatars.sound import Recording
from .board_checks import same_name
from .exact_times import ACCEPTED, TIME
from .nearest import did_you_mean, listed, shortened
from .shot_checks import framing_of
from .storyboard import CUTS, Happening, Line, Shot, Storyboard
from .text_fields import (
    Item,
    fields_in,
    first_key,
    joined,
    key_pattern,
    read_number,
    read_time,
    unquoted,
)
from .text_source import Piece, TextLine

SHOT_FIELDS = ("place", "seed", "camera", "seen", "ambience")
KEYS = key_pattern(SHOT_FIELDS)
_SHOT = re.compile(r"shot(?:\s*(?:#\s*)?\d{1,4})?\s*[:：]", re.IGNORECASE)
_AT = re.compile(rf"at\s+(?P<time>{TIME})\s*[:：]", re.IGNORECASE | re.ASCII)
_AT_WORD = re.compile(r"at\s+[^:：]{0,60}[:：]", re.IGNORECASE)
_HEAD = re.compile(
    rf"(?P<name>[^:：()]{{1,80}}?)\s*"
    rf"(?:\((?P<options>[^()]*)\)\s*)?"
    rf"(?:\bat\s+(?P<at>{TIME})\s*)?(?:\bfor\s+(?P<for>{TIME})\s*)?[:：]", re.IGNORECASE)
_CUT = re.compile(r"(?P<cut>cut|dissolve|[jl][- ]?cut)\b\s*(?P<time>.*)", re.IGNORECASE)
_PLAIN = str.maketrans("“”„−", '"""-')
_AND = re.compile(r"\s+and\s+|\s*&\s*", re.IGNORECASE)


def begins_shot(piece: Piece) -> bool:
    """Whether a line is the first one of a shot."""
    return bool(_SHOT.match(piece.text))


class ShotReader:
    """Reads the lines of one shot: ``shot``, and where its lines and happenings stand."""

    def __init__(
        self,
        lines: list[TextLine],
        board: Storyboard,
        takes: Mapping[str, Recording],
        take_names: Mapping[str, str],
    ) -> None:
        self._fps = Fraction(board.fps)
        self._members = {same_name(m.name): m.name for m in board.cast}
        self._takes, self._take_names = takes, take_names
        self._values: dict[str, object] = {}
        self._said: dict[str, Piece] = {}
        self._lines: list[Line] = []
        self._happens: list[Happening] = []
        self._off: dict[str, Piece] = {}
        self._speakers: list[str] = []
        self.line_places: list[tuple[int, int]] = []
        self.happening_places: list[tuple[int, int]] = []
        for piece in joined(lines, self._begins, lambda piece: not begins_shot(piece)):
            self._read(piece)
        seen = self._seen()
        self.shot = Shot(**self._values, seen=seen, lines=tuple(self._lines),
                         happens=tuple(self._happens))

    def _begins(self, piece: Piece) -> bool:
        if KEYS.match(piece.text) or _AT.match(piece.text):
            return True
        head = _HEAD.match(piece.text)
        if head and same_name(head["name"]) in self._members:
            return True
        # What is nearly an item is a slip, not the rest of the line above.
        key = first_key(piece)
        slip = key is not None and bool(did_you_mean(key[0], SHOT_FIELDS))
        return slip or self._timed(piece) is not None

    def _timed(self, piece: Piece) -> str | None:
        """Who speaks in a line with something between name and colon."""
        if ":" not in piece.text and "：" not in piece.text:
            return None
        return next((name for name in self._members.values()
                     if re.match(rf"{re.escape(name)}\s*(?:\([^()]*\)\s*)?(?:at|for)\s",
                                 piece.text, re.IGNORECASE)), None)

    def _read(self, piece: Piece) -> None:
        shot = _SHOT.match(piece.text)
        if shot:
            rest = piece.part(shot.end())
            fields = KEYS.search(rest.text)
            self._read_first(rest.part(0, fields.start() if fields else None), piece)
            if fields:
                self._read_fields(rest.part(fields.start()))
        elif KEYS.match(piece.text):
            self._read_fields(piece)
        elif _AT.match(piece.text):
            found = _AT.match(piece.text)
            what = piece.part(found.end())
            if not what:
                raise piece.fail("nothing is said to happen here; a control (at 2.5 s: Q) or a "
                                 "sentence (at 4 s: the lights go out) is accepted")
            self._happens.append(Happening(self._time(piece, found, "time"), what.value))
            self.happening_places.append((piece.line, piece.column))
        elif _AT_WORD.match(piece.text):
            raise piece.part(2).fail(f"no time stands here; accepted are {ACCEPTED}")
        else:
            self._read_line(piece)

    def _time(self, piece: Piece, found: re.Match[str], group: str) -> Fraction:
        time = piece.part(*found.span(group))
        seconds = read_time(time, self._fps)
        if seconds is None:
            raise time.fail(f"time {time.value[:40]!r}; accepted are {ACCEPTED}")
        return seconds

    def _read_first(self, rest: Piece, piece: Piece) -> None:
        """Name, length and cut, in any order."""
        for part in rest.split(","):
            if not part:
                continue
            seconds, cut = read_time(part, self._fps), _CUT.fullmatch(part.text)
            if seconds is not None:
                if "seconds" in self._values:
                    raise part.fail("a second length stands here; one is accepted (a decimal "
                                    "point is a point: 8.5 s)")
                self._values["seconds"] = seconds
            elif cut and self._read_cut(part, cut):
                continue
            elif "name" in self._values:
                raise part.fail(f"{part.value[:40]!r} is no length and no cut"
                                f"{did_you_mean(part.value, CUTS)}; after the name a length "
                                f"({ACCEPTED}) and a cut ({listed(CUTS)}, with its length) are "
                                "accepted")
            else:
                self._values["name"] = part.name
        if "seconds" not in self._values:
            at = rest if rest else piece
            name = self._values.get("name")
            name = f"{shortened(name)}, " if name else ""
            raise at.fail(f"the shot has no length; one is needed (shot: {name}8 s); accepted "
                          f"are {ACCEPTED}")

    def _read_cut(self, part: Piece, found: re.Match[str]) -> bool:
        """Whether the part is a cut; "cut to the chase" is a name."""
        word = found["cut"].casefold().replace(" ", "-")
        word = word if "cut" == word or "-" in word or word == "dissolve" else f"{word[0]}-cut"
        time = part.part(found.start("time"))
        seconds = read_time(time, self._fps) if time else None
        if time and seconds is None:
            if "name" not in self._values and word == "cut":
                return False
            raise time.fail(f"length {time.value[:40]!r} of the {word}; accepted are {ACCEPTED}")
        if "cut" in self._values:
            raise part.fail("a second cut stands here; one is accepted")
        self._values["cut"] = word
        if seconds is not None:
            self._values["cut_seconds"] = seconds
        return True

    def _read_fields(self, piece: Piece) -> None:
        for item in fields_in(piece, KEYS):
            before = self._said.get(item.key)
            if before:
                raise item.at.fail(f"{item.key} stands here again (first on line {before.line}); "
                                   "once in a shot is accepted")
            self._said[item.key] = item.at
            if not item.value:
                raise item.at.fail(f"{item.key} has no value")
            self._read_field(item)

    def _read_field(self, item: Item) -> None:
        key, value = item.key, item.value
        if key in ("place", "camera"):
            self._values[key] = (value.controls.translate(_PLAIN) if key == "camera"
                                 else value.value)
        elif key == "seed":
            text = value.value
            if not (text.isascii() and text.isdigit() and len(text) <= 20):
                raise value.fail(f"seed {text[:40]!r}; a whole number from 0 is accepted")
            self._values["seed"] = int(text)
        elif key == "ambience":
            off = value.value.casefold() in ("off", "none", "no")
            self._values["ambience"] = None if off else read_number(
                value, key, "dB", "-60 to 0 dB, or off, are accepted")
        else:
            self._values["seen"] = self._names(value)

    def _names(self, value: Piece) -> tuple[str, ...]:
        if value.value.casefold() in ("nobody", "no one", "none"):
            return ()
        names = []
        for part in value.split(","):
            start = 0
            for joint in [*_AND.finditer(part.text), None]:
                one = part.part(start, joint.start() if joint else None)
                start = joint.end() if joint else 0
                if one:
                    names.append(self._member(one, one.name))
        return tuple(names)

    def _member(self, piece: Piece, word: str) -> str:
        name = self._members.get(same_name(word))
        if name is None:
            names = list(self._members.values())
            known = (f"the cast is {listed(names)}" if names else
                     "the cast is empty; add \"cast: …\" before the first shot")
            raise piece.fail(f"unknown character {word[:40]!r}{did_you_mean(word, names)}; {known}")
        return name

    def _read_line(self, piece: Piece) -> None:
        """Something that is said."""
        head = _HEAD.match(piece.text)
        if head is None or same_name(head["name"]) not in self._members:
            self._unknown(piece)
        who = self._members[same_name(head["name"])]
        off, take = self._options(piece, head, who)
        text = piece.part(head.end())
        said = unquoted(text.value)
        if not said and take is None:
            raise piece.fail(f"{who} says nothing; words after the colon are needed")
        at = self._time(piece, head, "at") if head["at"] else None
        lasts = self._time(piece, head, "for") if head["for"] else None
        self._lines.append(Line(who, said, at, take, lasts))
        self.line_places.append((piece.line, piece.column))
        if off:
            self._off.setdefault(who, piece)
        elif who not in self._speakers:
            self._speakers.append(who)

    def _options(self, piece: Piece, head: re.Match[str], who: str):
        off, take = False, None
        if head["options"] is None:
            return off, take
        for option in piece.part(*head.span("options")).split(","):
            word, mark, _ = option.text.replace("：", ":").partition(":")
            key = word.strip().casefold()
            if key in ("off", "o.s.", "os", "v.o.", "vo") and not mark:
                off = True
            elif key == "recording" and mark:
                wanted = option.part(len(word) + 1)
                take = self._takes.get(same_name(wanted.value))
                if take is None:
                    names = list(self._take_names.values())
                    raise wanted.fail(f"unknown recording {wanted.value[:40]!r}"
                                      f"{did_you_mean(wanted.value, names)}; there are "
                                      f"{listed(names)}")
            elif option:
                raise option.fail(f"{who}: unknown remark {option.value[:40]!r}; (off) and "
                                  "(recording: name) are accepted")
        return off, take

    def _unknown(self, piece: Piece) -> None:
        """The error of a line that is none of all this."""
        found = first_key(piece)
        names = list(self._members.values())
        cast = listed(names) if names else "empty: it is named before the first shot, cast: …"
        accepted = (f"accepted are {listed(SHOT_FIELDS)}, at <time>: and lines of the cast "
                    f"({cast})")
        timed = self._timed(piece)
        if timed:
            raise piece.part(len(timed)).fail(
                f"what stands between {timed} and the colon is not understood; accepted are "
                f"{timed} at 3 s: …, {timed} for 2 s: …, {timed} (off): …, and times such as "
                f"{ACCEPTED}")
        colon = next((k for k, char in enumerate(piece.text[:100]) if char in ":："), None)
        if colon is None:
            bare = piece.value[:40]
            raise piece.fail(f"{bare!r} is no field and nobody's line (there is no colon); "
                             f"{accepted}")
        word = re.sub(r"\s*\(.*", "", piece.text[:colon]).strip() or (found or [""])[0]
        from .text_head import HEAD_FIELDS

        if word.casefold() in ("cut", "length", "duration", "name", "transition"):
            raise piece.fail(f"{word!r} has no line of its own; the shot's first line holds it: "
                             "shot: hall, 8 s, dissolve 0.5 s")
        if word.casefold() in HEAD_FIELDS:
            raise piece.fail(f"{word.casefold()} belongs before the first shot")
        raise piece.fail(f"{word[:40]!r} is no character and no field"
                         f"{did_you_mean(word, [*names, *SHOT_FIELDS])}; {accepted}")

    def _seen(self) -> tuple[str, ...]:
        """Who is in the picture (see ``storyboard_text``)."""
        seen = self._values.pop("seen", None)
        if seen is None:
            camera = str(self._values.get("camera", ""))
            if camera and framing_of(camera) is None:
                seen = ()
            else:
                seen = tuple(who for who in self._speakers if who not in self._off)
        for who in seen:
            if who in self._off:
                raise self._off[who].fail(f"{who} speaks (off) and is seen in the same shot; one "
                                          "of the two is accepted")
        return seen


