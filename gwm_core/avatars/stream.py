"""A character as a stream: sound is pushed in, frames come out.

    stream = AvatarStream("portrait.png", seed=7)
    for chunk in microphone:                    # float or int16 [N], or [channels, N]; any length
        stream.push(chunk, rate=48000)
        for tick, frame in stream.frames():     # uint8 [h, w, 3], to be seen at tick / 25 s
            show(frame)
    stream.finish()
    rest = list(stream.frames())                # ceil(seconds * 25) frames in all

The frames are the same for any chunks. A frame is ready 80 ms after the sound of its tick; memory
and the cost of a frame do not grow.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..errors import AvatarError
from .actor import Actor
from .character import Character
from .dials import Dials
from .driver import Driver
from .portrait import Portrait, portrait_of
from .portrait_file import portrait_in
from .voice import RATE

if TYPE_CHECKING:
    from .faces_model import FacesModel

STATES = ("speak", "listen", "idle")


class AvatarStream:
    """One character that hears as time goes by, and its frames.

    portrait  a picture file, uint8 [H, W, 1, 3 or 4], or a Character
    model     a FacesModel, or the name or path of a checkpoint
    seed      of blinks, looks and the wander of the head
    dials     how strong everything is
    size      the longest side of the frames (left out: the portrait's own, at most 512)
    mode      as of ``Driver``: "speak", "puppet" or "listen"
    strength  0..2: how strongly this portrait moves

    character  who is drawn; ``message`` says how its face was found
    driver     what moves it: ``driver.say`` and ``driver.interrupt`` are for speech that is there
               before it is heard
    state, motion  of the frame that was drawn last: "speak", "listen" or "idle"; float32 [24]

    AvatarError names an argument that does not fit.
    """

    def __init__(
        self, portrait: str | os.PathLike[str] | np.ndarray | Character, *,
        model: FacesModel | str = "gwm-faces", seed: int = 0, dials: Dials | None = None,
        size: int | None = None, mode: str = "speak", strength: float = 1.0,
    ) -> None:
        made = _portrait(portrait)
        self.character, self.message = made.character, made.message
        self.driver = Driver(model, seed, dials, mode)
        still = self.driver.dials.mouth == 0 or strength == 0
        self._actor = Actor(self.character, size, strength, rest=1.0 if still else 0.0)
        self._waiting: deque[tuple[np.ndarray, str]] = deque()  # motions are small, frames are not
        self.state, self.motion = "idle", np.zeros(24, np.float32)
        self._next = 0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames."""
        return self._actor.size

    @property
    def ready(self) -> int:
        """Frames that ``frames`` would give now."""
        return len(self._waiting)

    def push(self, self_audio: np.ndarray | None = None, other_audio: np.ndarray | None = None,
             rate: int = RATE) -> None:
        """A span of time: the character's voice and the other's; what is missing is silence."""
        self.driver.push(self_audio, other_audio, rate)
        self._take()

    def finish(self) -> None:
        """The sound has ended: the last frames become ready."""
        self.driver.finish()
        self._take()

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """(tick from 0, uint8 [h, w, 3]) of all that is ready; each is drawn when it is asked for.

        What is not asked for is still there the next time.
        """
        while self._waiting:
            yield self._draw()

    def latest(self) -> tuple[int, np.ndarray] | None:
        """The newest frame alone, for a screen that is behind; None where nothing is ready."""
        skipped = max(0, len(self._waiting) - 1)
        for _ in range(skipped):
            self._waiting.popleft()
        self._next += skipped
        return self._draw() if self._waiting else None

    def _take(self) -> None:
        motions = self.driver.pull()
        for motion, state in zip(motions, self.driver.states, strict=True):
            self._waiting.append((motion, STATES[int(np.argmax(state))]))

    def _draw(self) -> tuple[int, np.ndarray]:
        self.motion, self.state = self._waiting.popleft()
        tick, self._next = self._next, self._next + 1
        return tick, self._actor.draw(self.motion)


def _portrait(given: str | os.PathLike[str] | np.ndarray | Character) -> Portrait:
    if isinstance(given, Character):
        return Portrait(given, True, "the character's own points are used")
    if isinstance(given, (str, os.PathLike)):
        return portrait_in(given)
    if not isinstance(given, np.ndarray) or given.dtype != np.uint8 or (
            given.ndim != 3 or given.shape[2] not in (1, 3, 4)):
        what = f"{given.dtype} {list(given.shape)}" if isinstance(given, np.ndarray) else (
            type(given).__name__)
        raise AvatarError(f"portrait: {what}; a picture file, uint8 [height, width, 1, 3 or 4] or "
                          "a Character is accepted")
    return portrait_of(given)
