"""A shot of one or two characters who speak or listen, before a room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from ..avatars.actor import stronger
from ..errors import Cancelled, VideoError
from .composite import Light, over
from .figure import Cutout, MatteRig, cutout, framed, surroundings
from .framing import FRAMING, Framing, Placed, placed
from .lines import Lines, seed_of
from .parts import Parts
from .performance import at_frames, motions, ticks_for
from .scenery import TURN, Scenery
from .sound_rate import at_rate
from .storyboard import CastMember, Storyboard
from .timeline import called, frames_of, samples_of

PUSH, ROOM_PUSH = 0.028, 0.012
"""How much closer the camera comes over a shot: figures more than the room behind them."""
FINER = 1.15
"""Figures are drawn so much larger than they are shown, where their portrait allows."""
WITHIN = 1.02
ASIDE = 0.35
"""How far to their side two characters of one picture are heard."""


@dataclass(eq=False)
class _Seen:
    """One character in the picture. ground: what a portrait that cannot be cut out stands in,
    float32 [H, W, 3] of the film, in columns ``part`` of it; None: it stands in the room."""

    member: CastMember
    rig: MatteRig
    placed: Placed
    eyes: tuple[float, float]
    motions: np.ndarray
    light: Light
    ground: np.ndarray | None
    part: tuple[int, int]

    def to_film(self, zoom: float, centre: tuple[float, float], finer: float) -> np.ndarray:
        """[2, 3] from pixels of its cutout, ``finer`` times as many, to the film."""
        scale = zoom * self.placed.scale / finer
        move = [c + zoom * (p - c) - scale * (e * finer - 0.5) - 0.5
                for c, p, e in zip(centre, self.placed.at, self.eyes, strict=True)]
        return np.array([[scale, 0, move[0]], [0, scale, move[1]]])


class TalkShot:
    """A take of a shot with characters in the picture (see ``shots.open_shot``)."""

    contacts: tuple[Fraction, ...] = ()

    def __init__(self, board: Storyboard, index: int, parts: Parts, place: tuple[str, int],
                 stop: Callable[[], bool] | None = None) -> None:
        shot = board.shots[index]
        self.board, self.shot, self.parts, self._stop = board, shot, parts, stop
        self.fps = Fraction(board.fps)
        self.count = frames_of(shot.seconds, self.fps)
        self.samples = samples_of(self.count, self.fps, board.sample_rate)
        self.size = board.width, board.height
        self._members = [_member(board, index, name) for name in shot.seen]
        if not 1 <= len(self._members) <= 2:
            raise VideoError(f"{called(shot, index)}: {len(self._members)} characters are seen; "
                             "one or two are accepted")
        self.framing = framing_of(shot.camera, len(self._members), called(shot, index))
        self._lines = Lines(board, index, parts, stop)
        turn = 0.0
        if len(self._members) == 1:
            order = [m.name for m in board.cast].index(self._members[0].name)
            turn = TURN * (-1 if order % 2 == 0 else 1)
        seconds = Fraction(self.samples, board.sample_rate)
        self._scenery = Scenery(parts.place(*place), shot, index, self.size, turn,
                                self.framing.blur, self.count, self.fps, seconds, stop)
        self._figures: list[_Seen] | None = None
        self._cuts: list[Cutout] | None = None
        self._stems: dict[str, np.ndarray] | None = None
        self._opened = False
        self.after: dict[str, np.ndarray] = {}

    # ------------------------------------------------------------------ picture

    def frames(self) -> Iterator[np.ndarray]:
        """Exactly the shot's frames, uint8 [H, W, 3]; once."""
        if self._opened:
            raise RuntimeError("the frames of a take are made once; open the shot again")
        self._opened = True
        figures = self.figures()
        streams = [at_frames(f.motions, self.count, self.fps) for f in figures]
        for number, room in enumerate(self._scenery.pictures()):
            if self._stop is not None and self._stop():
                raise Cancelled(f"stopped before frame {number} of a shot")
            yield self._frame(room, figures, [next(s) for s in streams],
                              (number + 0.5) / self.count)

    def _frame(self, room: np.ndarray, figures: list[_Seen], now: list[np.ndarray], part: float
               ) -> np.ndarray:
        out = zoomed(room, self.size, 1 + ROOM_PUSH * part)
        # The camera comes closer to the eye line, not to the middle of the picture.
        centre = self.size[0] / 2, figures[0].placed.at[1]
        zoom = 1 + PUSH * part
        for figure, motion in zip(figures, now, strict=True):
            rig, (left, right) = figure.rig, figure.part
            matted = rig.draw_matted(stronger(motion, figure.member.strength), 0.0)
            under = out if figure.ground is None else figure.ground
            laid = over(under, matted, figure.to_film(zoom, centre, rig.scale), figure.light)
            if figure.ground is None:
                out = laid
            else:
                out[:, left:right] = laid[:, left:right]
        return np.clip(out + 0.5, 0, 255).astype(np.uint8)

    def figures(self) -> list[_Seen]:
        """Who is seen, with all of its motion."""
        if self._figures is None:
            self._figures = [self._figure(k, m) for k, m in enumerate(self._members)]
        return self._figures

    def _figure(self, number: int, member: CastMember) -> _Seen:
        cuts = self._cutouts()
        cut = cuts[number]
        split = len(cuts) == 2 and any(c.whole for c in cuts)
        # Two of whom one cannot be cut out share a split picture.
        across = self.framing.places[number] if not split else 0.25 + 0.5 * number
        at = placed(cut, self.framing, across, self.size, 0.5 if split else 1.0)
        scale = min(at.scale * FINER, 1.0) if at.scale < 1 else 1.0
        rig = MatteRig(cut, max(round(max(cut.alpha.shape) * scale), 16))
        said = tuple(s for s in self._lines.said if s.who == member.name)
        facing = 0.0 if len(self._members) == 1 else 1.0 - 2.0 * number
        rows = motions(
            self.parts.faces, self._lines.voice_of(member.name, self.samples),
            self._lines.voices_besides(member.name, self.samples), said,
            ticks_for(self.count, self.fps), seed_of(self.shot.seed, member.name), facing,
            self._stop)
        width = self.size[0]
        half = (number * width // 2, (number + 1) * width // 2) if split else (0, width)
        light = Light.none() if cut.whole else Light.of(self._scenery.still, cut)
        seen = _Seen(member, rig, at, cut.eyes, rows, light, None, half)
        if cut.whole:
            seen.ground = surroundings(cut, seen.to_film(1, at.at, 1), self.size)
        elif split:
            seen.ground = zoomed(self._scenery.still, self.size, 1.0)
        return seen

    def _cutouts(self) -> list[Cutout]:
        if self._cuts is None:
            found = [(m.character, self.parts.matte(m.character)) for m in self._members]
            self._cuts = [framed(c) if m.doubts else cutout(c, m.alpha) for c, m in found]
        return self._cuts

    # ------------------------------------------------------------------ sound

    def sounds(self) -> dict[str, np.ndarray]:
        """Stems float32 [2, N] at the film's rate."""
        if self._stems is None:
            self._scenery.finish()
            self._scenery.sound.rest()
            rate, level = self.board.sample_rate, self.shot.ambience
            stems = {}
            for name, wave in self._scenery.sound.stems().items():
                whole = at_rate(wave, self._scenery.sound.rate, rate)
                if name == "ambience":
                    whole = whole * np.float32(0 if level is None else 10 ** (float(level) / 20))
                stems[name] = np.ascontiguousarray(whole[:, : self.samples])
                if name == "effects" and self.shot.happens:
                    self.after[name] = np.ascontiguousarray(whole[:, self.samples:])
            said = self._lines.sound(self.samples, self._places())
            stems["dialogue"] = np.ascontiguousarray(said[:, : self.samples])
            if said.shape[1] > self.samples:
                self.after["dialogue"] = np.ascontiguousarray(said[:, self.samples:])
            self._stems = stems
        return self._stems

    def _places(self) -> dict[str, float]:
        if len(self._members) == 1:
            return {}
        return {m.name: ASIDE * (2 * k - 1) for k, m in enumerate(self._members)}

    @property
    def spoken(self) -> tuple[tuple[str, str, Fraction, Fraction], ...]:
        """(who, text, start, end) of each line."""
        return self._lines.spoken

    def to_keep(self) -> dict[str, Any]:
        """What a retake goes on from: every seen character's motion, every line."""
        out: dict[str, Any] = {"kind": "talk", **self._lines.to_keep()}
        for number, figure in enumerate(self._figures or ()):
            out[f"motion{number}"] = figure.motions
        return out


def framing_of(camera: str, seen: int, name: str) -> Framing:
    """The framing by its name; without one a close-up of one, a two-shot of two."""
    wanted = camera.strip().casefold() or ("close-up" if seen == 1 else "two-shot")
    if wanted not in FRAMING:
        raise VideoError(f"{name}: framing {camera!r}; {', '.join(FRAMING)} are accepted")
    found = FRAMING[wanted]
    if len(found.places) == seen:
        return found
    if seen == 1:
        return Framing(found.tall, found.eyes, (0.5,), found.blur)
    # Two share the picture: as close as asked for, as far as they fit side by side.
    return Framing(min(found.tall, 0.36), found.eyes, FRAMING["two-shot"].places, found.blur)


def _member(board: Storyboard, index: int, name: str) -> CastMember:
    member = board.member(name)
    if member is None:
        known = ", ".join(m.name for m in board.cast) or "nobody"
        raise VideoError(f"{called(board.shots[index], index)}: {name!r} is seen, who is not in "
                         f"the cast; accepted are {known}")
    if member.character is None:
        raise VideoError(f"{called(board.shots[index], index)}: {name} is seen but has no "
                         "portrait; give the cast member a character")
    return member


def zoomed(picture: np.ndarray, size: tuple[int, int], zoom: float) -> np.ndarray:
    """The middle of a picture that is a little larger than the film, float32 [H, W, 3]: at
    ``zoom`` 1 all of its width or height, just within its edges."""
    height, width = picture.shape[:2]
    scale = zoom * WITHIN * max(size[0] / width, size[1] / height)
    x, y = (s / 2 - scale * (own / 2 - 0.5) - 0.5
            for s, own in zip(size, (width, height), strict=True))
    return cv2.warpAffine(picture, np.array([[scale, 0, x], [0, scale, y]]), size,
                          flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
