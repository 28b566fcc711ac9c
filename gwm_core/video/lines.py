"""What is said in a shot: each line's sound at its exact sample, by the model or a recording."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor, pi
from typing import Any

import numpy as np

from ..avatars.sound import Recording
from ..errors import VideoError
from .line_times import place_lines
from .parts import Parts
from .sound_rate import at_rate
from .storyboard import CastMember, Line, Storyboard
from .timeline import called

SEEDS = 2**63


@dataclass(frozen=True, eq=False)
class Said:
    """One line as it sounds.

    who     its character's name as the cast has it
    first   the sample of the shot at which it begins; ``sound`` float32 [n] at the film's rate
    spoken  what the model made (``gwm_core.speech.talk.Spoken``); None of a recording
    """

    line: Line
    who: str
    start: Fraction
    first: int
    sound: np.ndarray
    spoken: Any = None

    @property
    def motion(self) -> np.ndarray | None:
        """float32 [T, 24] at 25 a second from ``start`` on, the mouth's channels filled; None of a
        recording, whose sound drives the lips."""
        return None if self.spoken is None else self.spoken.motion


class Lines:
    """All lines of a shot; they are spoken when they are first asked for."""

    def __init__(self, board: Storyboard, index: int, parts: Parts,
                 stop: Callable[[], bool] | None = None) -> None:
        self.board, self.shot, self.index = board, board.shots[index], index
        self.rate = int(board.sample_rate)
        self._parts, self._stop = parts, stop
        self._said: tuple[Said, ...] | None = None

    @property
    def said(self) -> tuple[Said, ...]:
        """Every line, in the order of the storyboard."""
        if self._said is None:
            self._said = self._speak()
        return self._said

    @property
    def spoken(self) -> tuple[tuple[str, str, Fraction, Fraction], ...]:
        """(who, text, start, end) of each line, exact seconds of the shot."""
        return tuple((said.who, said.line.text, said.start,
                      said.start + Fraction(len(said.sound), self.rate)) for said in self.said)

    def sound(self, samples: int, places: Mapping[str, float] | None = None) -> np.ndarray:
        """The dialogue, float32 [2, samples or more]: longer only where a line rings on after the
        shot's end. places: where across the picture (-1 left .. 1 right) somebody stands; others
        are in the middle. Panned with constant power."""
        length = max([samples, *(s.first + len(s.sound) for s in self.said)])
        out = np.zeros((2, length), np.float32)
        for said in self.said:
            at = (places or {}).get(said.who, 0.0)
            for channel, gain in zip(out, panned(at), strict=True):
                channel[said.first : said.first + len(said.sound)] += gain * said.sound
        return out

    def voice_of(self, who: str, samples: int) -> Recording | None:
        """All that one character says in the shot as one sound; None where it says nothing."""
        return self._mixed([s for s in self.said if s.who == who], samples, who)

    def voices_besides(self, who: str, samples: int) -> Recording | None:
        """What it hears of the others."""
        return self._mixed([s for s in self.said if s.who != who], samples, f"others than {who}")

    def to_keep(self) -> dict[str, Any]:
        """Samples and motion of every line, for a retake."""
        out: dict[str, Any] = {}
        for number, said in enumerate(self._said or ()):
            out[f"line{number}_sound"] = said.sound
            out[f"line{number}_first"] = int(said.first)
            if said.motion is not None:
                out[f"line{number}_motion"] = said.motion
        return out

    def _mixed(self, some: list[Said], samples: int, name: str) -> Recording | None:
        if not some:
            return None
        out = np.zeros(samples, np.float32)
        for said in some:
            part = said.sound[: max(samples - said.first, 0)]
            out[said.first : said.first + len(part)] += part
        return Recording(out[None], self.rate, name)

    # ------------------------------------------------------------------ speaking

    def _speak(self) -> tuple[Said, ...]:
        made = [self._sound_of(line) for line in self.shot.lines]
        starts = self._starts(made)
        out = []
        for line, (member, sound, spoken), start in zip(self.shot.lines, made, starts, strict=True):
            out.append(Said(line, member.name, start, floor(start * self.rate), sound, spoken))
        return tuple(out)

    def _starts(self, made: list) -> list[Fraction]:
        """When each line begins: as the checked storyboard says, else by its rules."""
        if all(line.at is not None for line in self.shot.lines):
            return [Fraction(line.at) for line in self.shot.lines]
        needs = [Fraction(len(sound), self.rate) for _, sound, _ in made]
        placed, _ = place_lines(self.shot.lines, needs, [True] * len(needs),
                                Fraction(self.shot.seconds), True,
                                [f"{self._called()}, line {k + 1}" for k in range(len(needs))])
        return [line.start for line in placed]

    def _sound_of(self, line: Line) -> tuple[CastMember, np.ndarray, Any]:
        member = self.board.member(line.who)
        if member is None:
            known = ", ".join(m.name for m in self.board.cast) or "nobody"
            raise VideoError(f"{self._called()}: {line.who!r} speaks, who is not in the cast; "
                             f"accepted are {known}")
        if line.recording is not None:
            wave = line.recording.samples.mean(axis=0, keepdims=True)
            return member, at_rate(wave, line.recording.rate, self.rate)[0], None
        spoken = speak(self._parts.talker, line, member, self.shot.seed, self._stop)
        wave = np.asarray(spoken.sound, np.float32)[None]
        return member, at_rate(wave, int(spoken.rate), self.rate)[0], spoken

    def _called(self) -> str:
        return called(self.shot, self.index)


def speak(talker: Any, line: Line, member: CastMember, seed: int,
          stop: Callable[[], bool] | None = None) -> Any:
    """A line by the model that speaks: ``gwm_core.speech.talk.Spoken``."""
    from ..speech.script import Script
    from ..speech.voices import VOICES

    if member.voice and member.voice not in VOICES:
        raise VideoError(f"{member.name}: voice {member.voice!r}; one of {', '.join(VOICES)} is "
                         "accepted")
    voice = VOICES[member.voice or next(iter(VOICES))]
    timed = talker.plan(Script.of(line.text), voice, seconds=line.seconds)
    return talker.say(timed, voice, seed=seed_of(seed, member.name, line.text),
                      stop=None if stop is None else Asked(stop))


@dataclass(frozen=True)
class Asked:
    """A question whether to stop, in the form of an event that may be set."""

    ask: Callable[[], bool]

    def is_set(self) -> bool:
        return bool(self.ask())


def seed_of(seed: int, *what: str) -> int:
    """A seed for one use within a shot."""
    text = "\n".join((str(seed), *(w.casefold() for w in what)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") % SEEDS


def panned(place: float) -> tuple[np.float32, np.float32]:
    """Gains of left and right of a mono sound at -1 .. 1: their squares add up to 1 (in the middle
    each is 0.71)."""
    angle = (float(np.clip(place, -1, 1)) + 1) * pi / 4
    return np.float32(np.cos(angle)), np.float32(np.sin(angle))
