"""Another take of a time range of what is said and how a face moves, with known past and future.

Lines are retaken by the model that speaks (``Talker.retake``), which knows what is around the
range. Faces get another direction (looks, blinks, wander of the head) in the range, and their
curves go over into the known ones at both ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..avatars.motion import TICK_RATE, clamp
from ..errors import VideoError
from .kept_shot import STEMS, KeptShot
from .lines import Lines, Said, seed_of, speak
from .performance import MOUTH, motions
from .room_variation import VariedSound
from .sound_rate import at_rate
from .splice import Range
from .talk_shot import TalkShot
from .timeline import called
from .varied_state import Variation as RoomVariation

LEAVE = 8
"""Ticks (of 1/25 s) over which curves leave the known ones, and come back to them."""
MOST_ALIKE = 4.0
"""Times that a new line is made louder or softer at most."""


@dataclass(frozen=True)
class Variation:
    """One retake of a shot with speech: seconds [start, end) of the shot, what is new, the seed;
    ``line``: only that line is said anew, by ``who``, in the words of ``text`` if it has any."""

    start: Fraction
    end: Fraction
    part: Range
    seed: int
    line: int | None = None
    text: str = ""
    who: str = ""


class VariedLines(Lines):
    """The lines of a shot, with what falls into a range said anew."""

    def __init__(self, board: Any, index: int, parts: Any, variations: Sequence[Variation],
                 stop: Callable[[], bool] | None = None) -> None:
        super().__init__(board, index, parts, stop)
        self._variations = variations

    @property
    def said(self) -> tuple[Said, ...]:
        """Every line, in the order of the storyboard."""
        if self._said is None:
            lines = list(super().said)
            for variation in self._variations:
                for number, line in enumerate(lines):
                    lines[number] = self._again(variation, number, line, lines)
            self._said = tuple(lines)
        return self._said

    def _again(self, variation: Variation, number: int, said: Said, lines: list[Said]) -> Said:
        if variation.line is not None:
            return self._reworded(variation, said, lines) if variation.line == number else said
        if said.spoken is None:
            return said  # a person's own recording stays what it is
        length = float(said.spoken.timed.seconds)
        start = max(float(variation.start - said.start), 0.0)
        end = min(float(variation.end - said.start), length)
        if end - start < 1 / TICK_RATE:
            return said
        what = {"picture": "motion"}.get(variation.part.what, variation.part.what)
        spoken = self._parts.talker.retake(said.spoken, start, end, what,
                                           seed=seed_of(variation.seed, said.who, said.line.text))
        return self._with(said, said.line, spoken)

    def _reworded(self, variation: Variation, said: Said, lines: list[Said]) -> Said:
        """The line once more: the same words in the time they took, or other words in the time
        that is there, which is up to the next line, or the shot's end."""
        member = self.board.member(said.who)
        line = replace(said.line, text=variation.text or said.line.text, recording=None,
                       seconds=None)
        if not variation.text and said.spoken is not None:
            line = replace(line, seconds=said.spoken.timed.seconds)
        room = min([s.start for s in lines if s.start > said.start] + [self.shot.seconds])
        room = min(room, variation.end) - said.start
        try:
            if planned(self._parts.talker, line.text, member) > room:
                line = replace(line, seconds=room)
            spoken = speak(self._parts.talker, line, member,
                           seed_of(variation.seed, said.who, line.text), self._stop)
        except VideoError as error:
            raise VideoError(f"{called(self.shot, self.index)}, {said.who}'s line: there are "
                             f"{float(room):.2f} s for the new text: {error}") from None
        made = self._with(said, line, spoken)
        return replace(made, sound=made.sound * alike(said.sound, made.sound))

    def _with(self, said: Said, line: Any, spoken: Any) -> Said:
        wave = np.asarray(spoken.sound, np.float32)[None]
        sound = at_rate(wave, int(spoken.rate), self.rate)[0]
        return replace(said, line=line, sound=sound, spoken=spoken)


def alike(old: np.ndarray, new: np.ndarray) -> np.float32:
    """The gain that makes a line as loud as the one in its place was, of their loud parts."""
    levels = []
    for sound in (old, new):
        power = np.sort(np.square(sound, dtype=np.float64))[len(sound) // 2 :]
        levels.append(float(np.sqrt(power.mean())) if len(power) else 0.0)
    if min(levels) <= 1e-5:
        return np.float32(1)
    return np.float32(np.clip(levels[0] / levels[1], 1 / MOST_ALIKE, MOST_ALIKE))


def planned(talker: Any, text: str, member: Any) -> Fraction:
    """Seconds that a text takes at its natural pace."""
    from ..speech.script import Script
    from ..speech.voices import VOICES

    voice = VOICES[member.voice or next(iter(VOICES))]
    return Fraction(talker.plan(Script.of(text), voice).seconds)


class VariedDialogue:
    """A take of a kept shot of which only what is said is new; pictures and all else are kept."""

    def __init__(self, known: KeptShot, lines: VariedLines) -> None:
        self._known, self._lines = known, lines
        self.contacts, self.after = known.contacts, {}

    def frames(self) -> Iterator[np.ndarray]:
        """The kept ones."""
        return self._known.pictures()

    def sounds(self) -> dict[str, np.ndarray]:
        """The kept stems with the new dialogue."""
        known = self._known
        self.after = {name: known.after(name) for name in STEMS}
        said = self._lines.sound(known.samples)
        self.after["dialogue"] = said[:, known.samples :]
        out = {"dialogue": said[:, : known.samples]}
        for name in STEMS[1:]:
            with known.sound(name) as sound:
                out[name] = sound[:, :]
        return out

    @property
    def spoken(self) -> tuple[tuple[str, str, Fraction, Fraction], ...]:
        """(who, text, start, end) of each line as it is said now."""
        return self._lines.spoken

    def to_keep(self) -> dict[str, Any]:
        """What the lines keep."""
        return {**self._known.kept(), **self._lines.to_keep()}


class VariedTalk(TalkShot):
    """A take of a shot with characters, with some ranges played otherwise."""

    def __init__(
        self, board: Any, index: int, parts: Any, place: tuple[str, int],
        variations: Sequence[Variation], rooms: Sequence[RoomVariation], lines: VariedLines,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(board, index, parts, place, stop)
        self._variations, self._varied = variations, lines
        walk = self._scenery.walk
        own = walk.model.parts
        walk.sound = VariedSound(own.sound, parts.place(*place).seed, walk._bed, rooms)

    def _figure(self, number: int, member: Any) -> Any:
        found = super()._figure(number, member)
        facing = 0.0 if len(self._members) == 1 else 1.0 - 2.0 * number
        rows = found.motions
        for variation in self._variations:
            if not variation.part.picture or variation.who not in ("", member.name):
                continue
            lines = self._varied if variation.part.sound else self._lines
            said = tuple(s for s in self._varied.said if s.who == member.name)
            new = motions(
                self.parts.faces, lines.voice_of(member.name, self.samples),
                lines.voices_besides(member.name, self.samples), said, len(rows),
                seed_of(variation.seed, member.name, "another take"), facing, self._stop)
            rows = blended(rows, new, variation)
        found.motions = rows
        return found

    def sounds(self) -> dict[str, np.ndarray]:
        """Stems float32 [2, N], with the lines as they are said now."""
        if self._stems is None:
            before, self._lines = self._lines, self._varied
            try:
                return super().sounds()
            finally:
                self._lines = before
        return self._stems

    @property
    def spoken(self) -> tuple[tuple[str, str, Fraction, Fraction], ...]:
        """(who, text, start, end) of each line as it is said now."""
        return self._varied.spoken


def blended(known: np.ndarray, new: np.ndarray, variation: Variation) -> np.ndarray:
    """Curves [T, 24] that are ``known`` outside of the variation and ``new`` inside, with smooth
    crossings of ``LEAVE`` ticks within it; the mouth follows its sound at once."""
    start, end = (float(t) * TICK_RATE for t in (variation.start, variation.end))
    at = np.arange(len(known), dtype=np.float64)
    # Up to the shot's end there is no known future to come back to.
    left = np.full(len(known), np.inf) if end >= len(known) - 1 else end - 1 - at
    inside = np.minimum(at - start, left)
    near = np.clip(inside / max(min(LEAVE, (end - start) / 3), 1), 0, 1)
    share = np.repeat((near * near * (3 - 2 * near))[:, None], known.shape[1], axis=1)
    share[:, MOUTH] = np.clip(inside / 2, 0, 1)[:, None]
    out = known + (new - known) * share.astype(np.float32)
    return clamp(np.where(share > 0, out, known)).astype(np.float32)

