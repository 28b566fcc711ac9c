"""A live avatar: sound comes in as it is spoken, frames go out in step with it.

The sound is the clock: every 40 ms that arrived make one tick of motion. Motion is made for each
tick; frames are left out where the page or this machine cannot keep up, so that what is seen is
never late. Nothing here knows of a transport: ``send`` takes text or bytes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import AvatarError, GWMError
from ..live import encode
from ..live.messages import pack, say
from .motion import still
from .take import RATES, new_take, write_take

log = logging.getLogger(__name__)
IN_FLIGHT = 3
"""Frames that a page may not have acknowledged yet; further ones are left out."""
BEHIND = 0.08
"""Seconds of sound that wait from which on frames are left out, until it is caught up with."""
LONGEST = 1.0
"""Seconds of sound that may wait; a machine that is slower than that loses the oldest."""
MOST_RECORDED = 1800
"""Seconds of sound that one recording holds."""
FULL = 32768.0


class Puppet(Protocol):
    """What the sound is given to (``avatars.driver.Driver``)."""

    def push(self, self_audio: np.ndarray | None, other_audio: np.ndarray | None,
             rate: int) -> None: ...

    def pull(self) -> np.ndarray: ...


Running = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, eq=False)
class Sound:
    """int16 [N, 2] at ``rate``, and when it came."""

    pcm: np.ndarray
    rate: int
    since: float

    @property
    def seconds(self) -> float:
        return len(self.pcm) / self.rate


class LiveAvatar:
    """One character on air.

    make      a fresh driver; a recording begins with a new one, so that the film of its file is
              what was seen
    draw      motion [24] -> uint8 [H, W, 3]
    send      text or bytes for the page; returns at once
    encoding  "raw", "png" or "jpeg" (gwm_core.live.encode)
    running   around each use of the model
    folder    where recordings go
    """

    def __init__(
        self,
        make: Callable[[], Puppet],
        draw: Callable[[np.ndarray], np.ndarray],
        send: Callable[[str | bytes], None],
        encoding: str,
        running: Running,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._draw, self._send = make, draw, send
        self._encoding, self._running, self._folder = encoding, running, folder
        self._clock = clock
        self._todo: deque[Callable[[], None] | Sound] = deque()  # in the order of the page
        self._wake = threading.Condition()
        self._waiting = 0.0  # seconds of sound in _todo
        self._number, self._acked = 0, 0
        self._recorded: list[np.ndarray] | None = None
        self._recorded_rate, self._recorded_seconds = 0, 0.0
        self.closed = False
        self.tick = self.lost = self.left_out = 0
        self.last_heard = clock()
        self._thread = threading.Thread(target=self._run, name="gwm-avatar", daemon=True)

    def start(self) -> None:
        """Begin; the first frame is the portrait as it is."""
        self._thread.start()

    # ------------------------------------------------------------------ from the page

    def hear(self, pcm: np.ndarray, rate: int) -> None:
        """int16 [N, 2]: the character's voice left, the other's right. Never waits."""
        if rate not in RATES:
            raise AvatarError(f"sound: {rate} samples a second; accepted are "
                              f"{', '.join(map(str, RATES))}")
        new = Sound(pcm, rate, self._clock())
        with self._wake:
            self._todo.append(new)
            self._waiting += new.seconds
            while self._waiting > LONGEST:
                old = next(one for one in self._todo if isinstance(one, Sound))
                if old is new:
                    break
                self._todo.remove(old)
                self._waiting -= old.seconds
                self.lost += 1
            self.last_heard = new.since
            self._wake.notify_all()

    def ack(self, number: int) -> None:
        """The page has shown frame ``number``, and all before it."""
        self._acked = max(self._acked, min(number, self._number))

    def record(self, on: bool) -> None:
        """Begin a recording, or end it: the page is told the file's name."""
        self._wish(self._begin_recording if on else self._end_recording)

    def close(self) -> None:
        """Nothing more is made or sent."""
        with self._wake:
            self.closed = True
            self._wake.notify_all()
        if threading.current_thread() is not self._thread and self._thread.is_alive():
            self._thread.join(5)

    def _wish(self, do: Callable[[], None]) -> None:
        with self._wake:
            self._todo.append(do)
            self._wake.notify_all()

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            with self._running():
                self._driver = self._make()
                self._show(None, "idle", self._clock())
            while self._round():
                pass
        except Exception as error:
            if not isinstance(error, GWMError):
                log.exception("gwm: a live avatar failed")
            self._send(say("error", code="failed", message=str(error), fatal=True))

    def _round(self) -> bool:
        with self._wake:
            while not (self._todo or self.closed):
                self._wake.wait()
            if self.closed:
                return False
            todo = self._todo.popleft()
            if isinstance(todo, Sound):
                self._waiting -= todo.seconds
        if isinstance(todo, Sound):
            self._speak(todo.pcm, todo.rate, todo.since)
        else:
            todo()
        return True

    def _speak(self, pcm: np.ndarray, rate: int, since: float) -> None:
        if self._recorded is not None:
            self._keep(pcm, rate)
        sound = pcm.astype(np.float32) / np.float32(FULL)
        with self._running():
            self._driver.push(sound[:, 0], sound[:, 1], rate)
            motions = self._driver.pull()
        states = getattr(self._driver, "states", None)
        for i, motion in enumerate(motions):
            self.tick += 1
            late = (i + 1 < len(motions) or self._number - self._acked >= IN_FLIGHT
                    or self._waiting >= BEHIND)
            if late:
                self.left_out += 1
            else:
                self._show(motion, _state(states, self.tick), since)

    def _show(self, motion: np.ndarray | None, state: str, since: float) -> None:
        frame = self._draw(still(1)[0] if motion is None else motion)
        self._number += 1
        picture = encode.picture(frame, self._encoding)
        header = {
            "kind": "tick", "n": self._number, "tick": self.tick, "state": state,
            "made": round(1000 * (self._clock() - since), 1), "lost": self.lost,
            "left_out": self.left_out,
            "frames": {"width": frame.shape[1], "height": frame.shape[0],
                       "encoding": self._encoding, "sizes": [len(picture)]},
        }
        self._send(pack(header, picture))

    # ------------------------------------------------------------------ recording

    def _begin_recording(self) -> None:
        with self._running():
            self._driver = self._make()
        self.tick = 0
        self._recorded, self._recorded_rate, self._recorded_seconds = [], 0, 0.0
        self._send(say("recording", on=True))

    def _keep(self, pcm: np.ndarray, rate: int) -> None:
        if self._recorded_rate not in (0, rate):
            self._end_recording("the sound's rate changed")
            return
        self._recorded_rate = rate
        self._recorded.append(pcm)
        self._recorded_seconds += len(pcm) / rate
        if self._recorded_seconds >= MOST_RECORDED:
            self._end_recording(f"{MOST_RECORDED // 60} minutes are the most")

    def _end_recording(self, why: str = "") -> None:
        parts, self._recorded = self._recorded, None
        if parts is None:
            return
        try:
            pcm = np.concatenate(parts) if parts else np.zeros((0, 2), np.int16)
            path = write_take(new_take(self._folder), pcm, self._recorded_rate)
        except (AvatarError, OSError) as error:
            self._send(say("error", code="recording", message=str(error), fatal=False))
            self._send(say("recording", on=False, file="", why=why))
            return
        self._send(say("recording", on=False, file=path.name, why=why,
                       seconds=round(self._recorded_seconds, 3)))


def _state(states: Any, tick: int) -> str:
    """"speak", "listen" or "idle" of this tick, where the driver knows it."""
    if states is None or not len(states):
        return "idle"
    return ("speak", "listen", "idle")[int(np.argmax(states[-1]))]
