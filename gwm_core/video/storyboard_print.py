"""A storyboard as text, as ``storyboard_text.parse`` reads it."""

from __future__ import annotations

import re
from fractions import Fraction

from ..avatars.sound import Recording
from .exact_times import parse_time, print_number, print_time
from .storyboard import CastMember, Shot, Storyboard
from .text_fields import BROADCAST, is_quoted
from .text_shot import KEYS, begins_shot
from .text_source import Piece, escaped

_DEFAULT = Storyboard((), ())
_SHOT = Shot(Fraction(1))
_RATES = {Fraction(rate, 1001): name for name, rate in reversed(BROADCAST.items())}
_CUT = re.compile(r"(?:cut|dissolve|[jl][- ]?cut)\b", re.IGNORECASE)


def print_board(board: Storyboard) -> str:
    """The text of a storyboard. Read again with the same portraits and recordings
    (``recordings_of``) it is the same storyboard; texts with runs of white space get single
    spaces. Printing what was read gives the same text again."""
    takes = {id(take): name for name, take in recordings_of(board).items()}
    blocks = [_head(board)]
    blocks += [_shot(shot, board, takes) for shot in board.shots]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def recordings_of(board: Storyboard) -> dict[str, Recording]:
    """The recordings of a storyboard by the names that its text calls them: their own, numbered
    where two have the same."""
    out: dict[str, Recording] = {}
    seen: set[int] = set()
    folded: set[str] = set()
    for shot in board.shots:
        for line in shot.lines:
            take = line.recording
            if take is None or id(take) in seen:
                continue
            seen.add(id(take))
            base = " ".join(re.sub(r"[()\[\],:：#\"\\]", " ", take.name).split()) or "audio"
            name, number = base, 2
            while name.casefold() in folded:
                name, number = f"{base} {number}", number + 1
            folded.add(name.casefold())
            out[name] = take
    return out


def _head(board: Storyboard) -> list[str]:
    lines = [f"title: {escaped(board.title)}"] if board.title.strip() else []
    fields = [f"size: {board.width}x{board.height}", f"fps: {_fps(board.fps)}",
              f"loudness: {_float(board.loudness)}"]
    if board.true_peak != _DEFAULT.true_peak:
        fields.append(f"peak: {_float(board.true_peak)}")
    if board.sample_rate != _DEFAULT.sample_rate:
        fields.append(f"rate: {board.sample_rate}")
    if board.ducking:
        fields.append(f"ducking: {_float(board.ducking)} dB")
    if board.extend:
        fields.append("extend: yes")
    lines.append("   ".join(fields))
    if board.cast:
        lines.append("cast: " + ", ".join(_member(member) for member in board.cast))
    lines += [f"note {name}: {escaped(text)}" if name else f"note: {escaped(text)}"
              for name, text in board.notes.items()]
    return lines


def _member(member: CastMember) -> str:
    options = [f"voice: {member.voice.strip()}"] if member.voice.strip() else []
    if member.strength != 1:
        options.append(f"strength: {_float(member.strength)}")
    name = " ".join(member.name.split())
    return f"{name} ({', '.join(options)})" if options else name


def _shot(shot: Shot, board: Storyboard, takes: dict[int, str]) -> list[str]:
    first = [_name(shot.name)] if shot.name.strip() else []
    first.append(print_time(shot.seconds))
    if shot.cut != "cut":
        first.append(f"{shot.cut} {print_time(shot.cut_seconds)}")
    lines = ["shot: " + ", ".join(first)]
    if shot.place.strip():
        place = f"place: {escaped(shot.place, KEYS)}"
        lines.append(place + (f"   seed: {shot.seed}" if shot.seed else ""))
    elif shot.seed:
        lines.append(f"seed: {shot.seed}")
    fields = [f"seen: {', '.join(shot.seen)}"] if shot.seen else []
    if shot.camera.strip():
        fields.append(f"camera: {escaped(shot.camera, KEYS, controls=True)}")
    if shot.ambience is None:
        fields.append("ambience: off")
    elif shot.ambience != _SHOT.ambience:
        fields.append(f"ambience: {_float(shot.ambience)} dB")
    if fields:
        lines.append("   ".join(fields))
    lines += [f"at {print_time(h.at)}: {escaped(h.text)}" for h in shot.happens]
    seen = {who.casefold() for who in shot.seen}
    for line in shot.lines:
        options = [] if line.who.casefold() in seen else ["off"]
        if line.recording is not None:
            options.append(f"recording: {takes[id(line.recording)]}")
        head = line.who + (f" ({', '.join(options)})" if options else "")
        head += "" if line.at is None else f" at {print_time(line.at)}"
        head += "" if line.seconds is None else f" for {print_time(line.seconds)}"
        lines.append(f"{head}: {_said(line.text)}".rstrip())
    return lines


def _said(text: str) -> str:
    text = escaped(text)
    return f'"{text}"' if is_quoted(text) else text


def _name(name: str) -> str:
    """In quotes where it could be read as something else."""
    text = escaped(name, KEYS).replace('"', '\\"')
    unclear = ("," in text or "(" in text or ")" in text or text[0] in "“„«" or _CUT.match(text)
               or parse_time(text, Fraction(24)) is not None or begins_shot(Piece(text, 1, 1)))
    return f'"{text}"' if unclear else text


def _fps(fps: Fraction) -> str:
    fps = Fraction(fps)
    return _RATES.get(fps) or print_number(fps)


def _float(value: float) -> str:
    """The shortest text that reads back as this number."""
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text
