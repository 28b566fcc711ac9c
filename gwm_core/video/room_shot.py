"""A shot of a room: walked through by the world model, enlarged, and heard by stems.

The room is the place's own: every shot of one prompt and seed begins with the same first picture,
seen from the same spot (its kept frames), and the camera goes on from there. What happens falls
into the tick of its moment; ticks are 1/12 s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from .enlarge import Enlarger
from .lines import Lines
from .parts import Parts
from .retime import needed, retimed
from .room_moves import moves_of
from .room_pace import paced
from .room_walk import RoomWalk
from .sound_rate import at_rate
from .storyboard import Storyboard
from .timeline import frames_of, samples_of

PUSH = 0.03
"""How much closer the camera comes over a shot that does not walk."""

WALKS = ("W", "A", "S", "D")
"""Controls with which a camera goes somewhere."""


class RoomShot:
    """A take of a shot without characters in the picture (see ``shots.open_shot``)."""

    def __init__(self, board: Storyboard, index: int, parts: Parts, place: tuple[str, int],
                 stop: Callable[[], bool] | None = None) -> None:
        shot = board.shots[index]
        self.board, self.shot = board, shot
        self.fps = Fraction(board.fps)
        self.count = frames_of(shot.seconds, self.fps)
        self.samples = samples_of(self.count, self.fps, board.sample_rate)
        world = parts.place(*place)
        body = world.embodiment
        ticks = max(
            ceil(Fraction(self.samples, board.sample_rate) * body.tick_rate),
            ceil(Fraction(needed(self.count, Fraction(body.fps), self.fps), body.frames_per_tick)))
        moves = paced(moves_of(shot, index, body, ticks), shot, world)
        going = [k for k, name in enumerate(body.control_names) if name in WALKS]
        self._walks = bool(moves.values[:, going].any())
        self._walk = RoomWalk(world, moves, stop)
        self._lines = Lines(board, index, parts, stop)
        self._source = (body.views[0].width, body.views[0].height)
        self._rate = Fraction(body.fps)
        self._stems: dict[str, np.ndarray] | None = None
        self._opened = self._done = False
        self.after: dict[str, np.ndarray] = {}

    def frames(self) -> Iterator[np.ndarray]:
        """Exactly the shot's frames, uint8 [H, W, 3]; once."""
        if self._opened:
            raise RuntimeError("the frames of a take are made once; open the shot again")
        self._opened = True
        enlarge = Enlarger(self._source, (self.board.width, self.board.height))
        source = self._walk.frames()
        for number, frame in enumerate(retimed(source, self._rate, self.fps, self.count)):
            part = (number + 0.5) / self.count
            yield enlarge(frame, 1.0 if self._walks else 1 + PUSH * part)
        for _ in source:  # what is only heard: less than a tick
            pass
        self._done = True

    def sounds(self) -> dict[str, np.ndarray]:
        """Stems float32 [2, N] at the film's rate; the picture is made first where it was not."""
        if not self._done:
            for _ in self.frames():
                pass
        if self._stems is None:
            self._walk.sound.rest()
            self._stems = self._cut(self._walk.sound.stems())
        return self._stems

    def _cut(self, heard: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        stems, level = {}, self.shot.ambience
        for name, wave in heard.items():
            whole = at_rate(wave, self._walk.sound.rate, self.board.sample_rate)
            if name == "ambience":
                whole = whole * np.float32(0 if level is None else 10 ** (float(level) / 20))
            stems[name] = np.ascontiguousarray(whole[:, : self.samples])
            if name == "effects":
                self.after[name] = np.ascontiguousarray(whole[:, self.samples:])
        said = self._lines.sound(self.samples)
        stems["dialogue"] = said[:, : self.samples]
        if said.shape[1] > self.samples:
            self.after["dialogue"] = said[:, self.samples:]
        return stems

    @property
    def contacts(self) -> tuple[Fraction, ...]:
        """Seconds at which an impact is seen; known after ``frames``."""
        return tuple(c for c in self._walk.contacts if c < self.count / self.fps)

    @property
    def spoken(self) -> tuple[tuple[str, str, Fraction, Fraction], ...]:
        """(who, text, start, end) of each line."""
        return self._lines.spoken

    def to_keep(self) -> dict[str, Any]:
        """What a retake goes on from."""
        return {"kind": "room", "controls": self._walk.moves.values,
                "native": list(self._source), **self._lines.to_keep()}
