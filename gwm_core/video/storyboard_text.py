"""A storyboard as text, one block per shot, typed or pasted like a screenplay.

    title: The lighthouse                      # comments stand after "# "
    size: 512x288   fps: 24   loudness: -23
    cast: Ada (voice: Ruby), Ben (voice: Daniel)

    shot: hall, 8 s
    place: a brick hall at dusk, two red balls   seed: 7
    camera: walk forward
    at 2.5 s: Q
    at 4 s: the lights go out
    Ada (off): Who is there?

    shot: 6.5 s, dissolve 0.5 s
    seen: Ada, Ben   camera: two-shot
    Ada: I heard it too.
    Ben at 3 s: Then run!

Before the first shot: ``title``, ``size``, ``fps``, ``loudness`` (LUFS), ``peak`` (dBTP), ``rate``
(Hz), ``ducking`` (dB), ``extend`` (yes or no), ``cast``, ``note <name>``. A shot begins with
``shot:`` and, in any order, its name, length and cut; then ``place``, ``seed``, ``camera``,
``seen``, ``ambience`` (dB or off), ``at <time>:`` what happens, and who speaks. Short fields may
share a line. Between a speaker and the colon may stand ``(off)``, ``(recording: name)``,
``at <time>`` and ``for <time>``. A line that is moved in further than the one above continues it.

Who is seen: as ``seen`` says. Without it the camera decides: a framing, or none, shows who speaks
without ``(off)``; a move shows the room alone.

Words are read in any case. Portraits and recordings are no text: they come by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..avatars.sound import Recording
from ..errors import VideoError
from .board_checks import same_name
from .storyboard import CastMember, Storyboard
from .storyboard_print import print_board, recordings_of
from .text_head import HEAD_FIELDS, Head
from .text_shot import SHOT_FIELDS, ShotReader, begins_shot
from .text_source import Piece, TextLine, lines_of

MOST_SHOTS = 500


@dataclass
class Places:
    """Where the parts of a storyboard stand in its text: (line, column), both from 1."""

    shots: list[tuple[int, int]] = field(default_factory=list)
    lines: list[list[tuple[int, int]]] = field(default_factory=list)
    happenings: list[list[tuple[int, int]]] = field(default_factory=list)

    def shot(self, index: int) -> tuple[int, int]:
        return self.shots[index]

    def spoken(self, index: int, number: int) -> tuple[int, int]:
        """Of a line that is said."""
        return self.lines[index][number]

    def happens(self, index: int, number: int) -> tuple[int, int]:
        return self.happenings[index][number]


def parse(
    text: str,
    cast: Iterable[CastMember] = (),
    recordings: Mapping[str, Recording] | None = None,
    usual: Storyboard | None = None,
) -> Storyboard:
    """The storyboard that a text describes.

    cast        characters with their portraits; the text's cast takes them by name, and what it
                says of a voice goes first. Those it does not mention are part of the cast too.
    recordings  takes of lines by name
    usual       rates, size and levels of the film where the text says nothing of them

    VideoError with line and column says what is wrong and what is accepted. What can be told from
    values alone (lengths, rates, who is seen) is left to ``checks.check``.
    """
    return parse_with_places(text, cast, recordings, usual)[0]


def parse_with_places(
    text: str,
    cast: Iterable[CastMember] = (),
    recordings: Mapping[str, Recording] | None = None,
    usual: Storyboard | None = None,
) -> tuple[Storyboard, Places]:
    """Like ``parse``, and where everything stands, so that ``check`` can say it too."""
    blocks = _blocks(text)
    head = Head(blocks[0], tuple(cast), usual)
    if len(blocks) == 1:
        last = blocks[0][-1].piece
        raise Piece("", last.line, last.column).fail(
            "no shot follows; one or more are needed (shot: hall, 8 s)")
    places = Places()
    takes = {same_name(name): take for name, take in (recordings or {}).items()}
    names = dict(zip(takes, recordings or {}, strict=True))
    shots = []
    for block in blocks[1:]:
        reader = ShotReader(block, head.board, takes, names)
        shots.append(reader.shot)
        places.shots.append((block[0].piece.line, block[0].piece.column))
        places.lines.append(reader.line_places)
        places.happenings.append(reader.happening_places)
    return head.with_shots(tuple(shots)), places


def _blocks(text: str) -> list[list[TextLine]]:
    """The head's lines, then each shot's."""
    blocks: list[list[TextLine]] = [[]]
    for line in lines_of(text):
        if begins_shot(line.piece):
            if len(blocks) > MOST_SHOTS:
                raise line.piece.fail(f"more than {MOST_SHOTS} shots; fewer are accepted")
            blocks.append([])
        blocks[-1].append(line)
    if blocks == [[]]:
        raise VideoError("storyboard: the text is empty; one shot or more is needed, for example "
                         "\"shot: 8 s\" and below it \"place: a brick hall at dusk\"", 1, 1)
    return blocks


__all__ = ["HEAD_FIELDS", "SHOT_FIELDS", "Places", "parse", "parse_with_places", "print_board",
           "recordings_of"]
