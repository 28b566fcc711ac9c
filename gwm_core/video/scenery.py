"""The room behind characters: a view of their place, out of focus, as big as the film.

Who stands alone is seen before another part of the room than who stands alone next: the camera is
turned a little for each character, so that shot and reverse shot look different ways. Where
something happens in the room it is played while it is seen; else it is one picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil

import cv2
import numpy as np

from ..controls import Controls
from ..world import World
from .enlarge import Enlarger
from .retime import needed, retimed
from .room_moves import Moves, moves_of
from .room_walk import RoomWalk
from .storyboard import Shot

TURN = 16.0
"""Degrees that the camera is turned for a character that stands alone."""
TURN_TICKS = 4
BIGGER = 1.12
"""The room is kept so much larger than the film that the camera can come closer."""


class Scenery:
    """The room of a shot.

    world   the place at tick 0; turn: degrees to the right; blur: by the film's height
    count   frames at ``fps``; samples of sound at ``rate``
    sound   ``RoomSound`` of the room, whole when ``finish`` was called
    """

    def __init__(self, world: World, shot: Shot, index: int, size: tuple[int, int], turn: float,
                 blur: float, count: int, fps: Fraction, seconds: Fraction,
                 stop: Callable[[], bool] | None = None) -> None:
        body = world.embodiment
        self.size, self.blur = size, blur
        self.count, self.fps, self.rate = count, fps, Fraction(body.fps)
        turned = turned_by(world, turn)
        view = body.views[0]
        first = turned.last_clip().frames[view.name][-1]
        self._first = first
        big = tuple(2 * round(side * BIGGER / 2) for side in size)
        self._enlarge = Enlarger((view.width, view.height), big)
        ticks = ceil(seconds * body.tick_rate)
        self._live = bool(shot.happens)
        if self._live:
            ticks = max(ticks, ceil(Fraction(needed(count, self.rate, fps), body.frames_per_tick)))
            still = Shot(shot.seconds, camera="stand still", happens=shot.happens)
            moves = moves_of(still, index, body, ticks)
        else:
            moves = Moves(np.zeros((ticks, len(body.control_names)), np.float32), ())
        self.walk = RoomWalk(turned, moves, stop)
        self.still = self._soft(first)

    @property
    def sound(self):
        return self.walk.sound

    def pictures(self) -> Iterator[np.ndarray]:
        """``count`` pictures float32 [h, w, 3], a little larger than the film, out of focus."""
        if not self._live:
            for _ in range(self.count):
                yield self.still
            return
        for frame in retimed(self.walk.frames(), self.rate, self.fps, self.count):
            yield self._soft(frame)

    def finish(self) -> None:
        """All of the room's sound is made, whatever was seen of it."""
        if self._live:
            for _ in self.walk.frames():
                pass
        else:
            self.walk.listen()

    def _soft(self, frame: np.ndarray) -> np.ndarray:
        picture = self._enlarge(frame).astype(np.float32)
        return cv2.GaussianBlur(picture, (0, 0), max(self.blur * self.size[1], 0.5))


def turned_by(world: World, degrees: float) -> World:
    """The same room seen some degrees further to the right."""
    names = world.embodiment.control_names
    if not degrees or "look_x" not in names:
        return world
    values = np.zeros((TURN_TICKS, len(names)), np.float32)
    values[:, names.index("look_x")] = round(degrees / TURN_TICKS * 64) / 64
    return world.step(Controls(values, (), world.embodiment))[0]
