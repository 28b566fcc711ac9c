"""A storyboard: who is in a film, and its shots in order. Values only; nothing is made here.

Times are exact: seconds as ``Fraction``, from the beginning of their shot. A film has one frame
rate, one size and one sample rate; every shot has a whole number of frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ..avatars.character import Character
from ..avatars.sound import Recording

CUTS = ("cut", "dissolve", "j-cut", "l-cut")
"""How a shot begins. A j-cut lets its sound begin before its picture, an l-cut lets the sound of
the shot before go on under it; a dissolve fades picture and sound over. All but a plain cut let
the two shots overlap by ``cut_seconds`` (``timeline``)."""
FRAMINGS = ("close-up", "medium", "wide", "two-shot")
"""How much of a speaking character is seen; a two-shot has two of them."""


@dataclass(frozen=True, eq=False)
class CastMember:
    """One character of a film.

    name       as shots and lines call it
    character  its portrait and where its face is; None: it is only heard
    voice      a name of ``gwm_core.speech.voices.VOICES``
    strength   0..2, how strongly the portrait moves
    """

    name: str
    character: Character | None = None
    voice: str = ""
    strength: float = 1.0


@dataclass(frozen=True, eq=False)
class Line:
    """Something said. who: a name of the cast. at: seconds from the beginning of the shot; None:
    after the line before, with a short pause. recording: a person's own take of the line, used
    instead of the model's voice; it drives the lips. seconds: how long the model takes to say it;
    None: as long as it needs at its natural pace."""

    who: str
    text: str
    at: Fraction | None = None
    recording: Recording | None = None
    seconds: Fraction | None = None


@dataclass(frozen=True)
class Happening:
    """Something that happens in a room: ``text`` is a control ("Q", "E", "SPACE") or a sentence as
    World Event takes it ("the lights go out", "a ball is thrown")."""

    at: Fraction
    text: str


@dataclass(frozen=True, eq=False)
class Shot:
    """One shot.

    seconds    its length; a whole number of frames at the film's rate
    place      prompt of the room; "" is the place of the shot before
    seed       of the room: shots of one place and seed show the same room
    camera     of a shot without characters a move of ``gwm_core.camera_path.MOVES``, or controls as
               text ("W*24 look(+6,0)*12"); of a shot with characters one of ``FRAMINGS``
    seen       characters in the picture, left to right: none, one or two
    lines      what is said; who speaks need not be seen
    happens    what happens in the room
    ambience   -60..0 dB, or None: level of the room's tone against the model's own
    cut        one of ``CUTS``: how it begins; cut_seconds: how long a dissolve or overlap takes
    name       what it is called in messages and reports
    """

    seconds: Fraction
    place: str = ""
    seed: int = 0
    camera: str = ""
    seen: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    happens: tuple[Happening, ...] = ()
    ambience: float | None = 0.0
    cut: str = "cut"
    cut_seconds: Fraction = Fraction(1, 2)
    name: str = ""

    @property
    def speaks(self) -> bool:
        """Whether it shows characters (from portraits) rather than a walk through a room."""
        return bool(self.seen)


@dataclass(frozen=True, eq=False)
class Storyboard:
    """A film to be made.

    cast         by name; names are unique, whatever their case
    shots        in order
    fps          frames a second, exact
    width        height    of the picture, even
    sample_rate  of the sound
    loudness     integrated loudness that the mix aims at, LUFS (EBU R128)
    true_peak    dBTP that no sample of the mix exceeds
    ducking      0..24 dB by which ambience steps back under dialogue
    extend       a shot too short for its lines grows; otherwise it is an error
    """

    cast: tuple[CastMember, ...]
    shots: tuple[Shot, ...]
    fps: Fraction = Fraction(24)
    width: int = 512
    height: int = 288
    sample_rate: int = 48000
    loudness: float = -23.0
    true_peak: float = -1.0
    title: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    ducking: float = 0.0
    extend: bool = False

    def member(self, name: str) -> CastMember | None:
        """The character of that name, whatever its case."""
        wanted = name.strip().casefold()
        return next((m for m in self.cast if m.name.casefold() == wanted), None)
