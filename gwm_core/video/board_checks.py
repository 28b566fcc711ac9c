"""What a storyboard says about the film as a whole, and its cast, verified."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import replace
from fractions import Fraction

from ..avatars.character import Character
from ..errors import VideoError
from .nearest import did_you_mean, listed
from .storyboard import CastMember, Storyboard

SIZES = (64, 2048)
RATES = (16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
"""Sample rates that a film's sound track can hold."""
FPS = (Fraction(1), Fraction(120))
LOUDNESS = (-40.0, -10.0)
TRUE_PEAK = (-20.0, 0.0)
MOST_DUCKING = 24.0
MOST_CAST = 100
MOST_NAME = 60
WORDS_OF_FORM = frozenset((
    "title", "size", "fps", "loudness", "peak", "rate", "ducking", "extend", "cast", "note", "shot",
    "place", "seed", "camera", "seen", "ambience", "at", "nobody", "off"))
"""What the text form means by these words; nobody may be called so."""
NO_NAME = re.compile(r"[:：(),#\"\\\x00-\x1f\x7f]")


def check_form(board: Storyboard) -> None:
    """Rates, size and levels of a film; VideoError names the one that does not fit."""
    for name in ("width", "height"):
        value = getattr(board, name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise VideoError(f"storyboard: {name} {value!r}; a whole number is accepted")
        if not SIZES[0] <= value <= SIZES[1] or value % 2:
            raise VideoError(f"storyboard: {name} {value}; even numbers from {SIZES[0]} to "
                             f"{SIZES[1]} are accepted")
    try:
        fps = Fraction(board.fps)
    except (TypeError, ValueError, OverflowError):
        raise VideoError(f"storyboard: fps {board.fps!r}; a number is accepted") from None
    if not FPS[0] <= fps <= FPS[1]:
        raise VideoError(f"storyboard: {float(fps):g} frames a second; {FPS[0]} to {FPS[1]} are "
                         "accepted")
    if board.sample_rate not in RATES:
        raise VideoError(f"storyboard: {board.sample_rate!r} samples a second; "
                         f"{listed(map(str, RATES))} are accepted")
    for name, what, (low, high) in (
        ("loudness", "LUFS", LOUDNESS), ("true_peak", "dBTP", TRUE_PEAK),
        ("ducking", "dB", (0.0, MOST_DUCKING)),
    ):
        value = getattr(board, name)
        real = isinstance(value, (int, float)) and math.isfinite(value)
        if not real or not low <= value <= high:
            raise VideoError(f"storyboard: {name} {value!r} {what}; {low:g} to {high:g} are "
                             "accepted")


def check_name(name: str) -> str | None:
    """What is wrong with a character's name, or None."""
    if not isinstance(name, str) or not name.strip():
        return "it is empty; a name is needed"
    if len(name) > MOST_NAME:
        return f"{len(name)} characters; up to {MOST_NAME} are accepted"
    found = NO_NAME.search(name)
    if found:
        return f"it holds {found.group()!r}; a name without : ( ) , # \" is accepted"
    if name.strip().casefold() in WORDS_OF_FORM:
        return "that is a word of the storyboard's text form; another name is accepted"
    return None


def same_name(name: str) -> str:
    """Two names with this in common are one: case and the way accents are stored do not count."""
    return unicodedata.normalize("NFC", " ".join(name.split())).casefold()


def check_cast(board: Storyboard, remarks: list[str]) -> Storyboard:
    """Names, portraits and voices of the cast; who has no voice and needs one gets one."""
    if len(board.cast) > MOST_CAST:
        raise VideoError(f"cast: {len(board.cast)} characters; up to {MOST_CAST} are accepted")
    names: dict[str, str] = {}
    for member in board.cast:
        wrong = check_name(member.name)
        if wrong:
            raise VideoError(f"cast: name {member.name!r}: {wrong}")
        key = same_name(member.name)
        if key in names:
            raise VideoError(f"cast: {names[key]} and {member.name} have the same name; different "
                             "ones are accepted")
        names[key] = member.name
        if member.character is not None and not isinstance(member.character, Character):
            raise VideoError(f"cast, {member.name}: portrait {type(member.character).__name__}; "
                             "a Character is accepted")
        real = isinstance(member.strength, (int, float)) and math.isfinite(member.strength)
        if not real or not 0 <= member.strength <= 2:
            raise VideoError(f"cast, {member.name}: strength {member.strength!r}; 0 to 2 are "
                             "accepted")
    voices = known_voices()
    if voices is None:
        return board
    return replace(board, cast=_with_voices(board, voices, remarks))


def _with_voices(board: Storyboard, voices: list[str],
                 remarks: list[str]) -> tuple[CastMember, ...]:
    by_folded = {voice.casefold(): voice for voice in voices}
    taken = {member.voice.strip().casefold() for member in board.cast}
    speakers = {same_name(line.who) for shot in board.shots for line in shot.lines
                if line.recording is None}
    out, free = [], [voice for voice in voices if voice.casefold() not in taken]
    for member in board.cast:
        asked = member.voice.strip()
        if asked:
            voice = by_folded.get(asked.casefold())
            if voice is None:
                raise VideoError(f"cast, {member.name}: unknown voice {asked!r}"
                                 f"{did_you_mean(asked, voices)}; accepted are {voices_told()}")
        elif same_name(member.name) in speakers:
            voice = free.pop(0) if free else voices[len(out) % len(voices)]
            remarks.append(f"{member.name} has no voice of its own yet and gets {voice}")
        else:
            voice = ""
        out.append(replace(member, voice=voice))
    return tuple(out)


def known_voices() -> list[str] | None:
    """The names of the model's voices; None where this copy has no speech."""
    try:
        from ..speech.voices import VOICES
    except ImportError:
        return None
    return list(VOICES)


def voices_told() -> str:
    """The voices as a person chooses one: "Daniel (a man, American, calm), ..."."""
    try:
        from ..speech.voices import VOICES
    except ImportError:
        return "none"
    return ", ".join(f"{voice.name} ({voice.about})" for voice in VOICES.values())
