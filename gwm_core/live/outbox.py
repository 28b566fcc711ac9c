"""What waits to be sent to one page: a queue of one. The latest picture wins, nothing else is lost.

Pictures are encoded when they are sent, never when they are dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import encode
from .messages import pack

IN_FLIGHT = 2
"""Messages that a page may not have acknowledged yet; one more waits."""
SOUND_SECONDS = 1.0
"""Sound that is kept for a page which is late; what is older is dropped."""
MOST_WAITING = 8
"""Messages that wait at most where they cannot become one (recorded ticks, then a seek, then
recorded ticks again, all of it unanswered); the oldest go first."""


@dataclass(frozen=True)
class Shown:
    """One thing to show: frames uint8 [F, H, W, 3] of the newest tick, and what led to it.

    ticks: how many it covers, up to ``tick``; rows: controls of each of them, none where they were
    recorded before; seqs: the page's message number that each has used; events: [tick, text];
    audio float32 [C, N] of all those ticks; computed: ticks of the world at which the way of
    computing changed, for models that have two.
    """

    kind: str
    tick: int
    frames: np.ndarray
    hash: str
    ticks: int = 0
    rows: tuple[list[float], ...] = ()
    seqs: tuple[int, ...] = ()
    events: tuple[tuple[int, str], ...] = ()
    audio: np.ndarray = field(default_factory=lambda: np.zeros((1, 0), np.float32))
    rate: int = 0
    due: float = 0.0
    late: float = 0.0
    made: float = 0.0
    computed: tuple[int, ...] = ()

    def follows(self, earlier: Shown) -> bool:
        """Whether both can be one message: the ticks of one come right after the other's."""
        return (
            self.kind == earlier.kind == "tick"
            and self.tick - self.ticks == earlier.tick
            and bool(self.rows) == bool(earlier.rows)
        )

    def after(self, earlier: Shown) -> Shown:
        """This with the rows and sound of an earlier one, that was not sent, before its own."""
        most = int(self.rate * SOUND_SECONDS)
        audio = self.audio
        if earlier.audio.shape[0] == audio.shape[0]:
            audio = np.concatenate([earlier.audio, audio], axis=1)
        return replace(
            self,
            ticks=earlier.ticks + self.ticks,
            rows=earlier.rows + self.rows,
            seqs=earlier.seqs + self.seqs,
            events=earlier.events + self.events,
            audio=audio[:, -most:] if most else audio,
        )


class Outbox:
    """Sends ``Shown`` values with ``send(bytes)`` as fast as the page acknowledges them.

    ``encoding`` is "raw", "png" or "jpeg". ``offer``, ``forget`` and ``flush`` belong to one
    thread, the one that encodes; the others may be called from any.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        encoding: str = "raw",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.encoding = encoding
        self._send, self._clock = send, clock
        self._lock = threading.Lock()
        self._waiting: list[Shown] = []
        self._number = 0
        self._unanswered: dict[int, float] = {}
        self._closed = False
        self.dropped = 0

    def offer(self, shown: Shown) -> None:
        """Send it, or let it wait in the place of what waits. Rows are never lost: the page keeps
        the walk, so those that cannot become part of a newer message are sent before it."""
        with self._lock:
            if self._closed:
                return
            last = self._waiting[-1] if self._waiting else None
            if last is not None and shown.follows(last):
                self._waiting[-1] = shown.after(last)
                self.dropped += 1
            elif last is not None and not last.rows:
                self._waiting[-1] = shown
                self.dropped += 1
            else:
                self._waiting.append(shown)
                del self._waiting[:-MOST_WAITING]
        self.flush()

    def forget(self, tick: int) -> None:
        """Recorded ticks after this one were cut off before they were sent."""
        with self._lock:
            self._waiting = [w for w in self._waiting if not w.rows or w.tick <= tick]

    def close(self) -> None:
        """Nothing more is sent."""
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def ack(self, number: int) -> None:
        """The page has drawn or dropped message ``number``, and all before it."""
        with self._lock:
            for sent in [n for n in self._unanswered if n <= number]:
                del self._unanswered[sent]

    def flush(self) -> None:
        """Send what waits, as far as the page can take it."""
        while True:
            with self._lock:
                if not self._waiting or len(self._unanswered) >= IN_FLIGHT:
                    return
                shown = self._waiting.pop(0)
                self._number += 1
                number = self._number
                self._unanswered[number] = self._clock()
            data = self._packed(shown, number)
            if not self._closed:
                self._send(data)

    def silent_for(self) -> float:
        """Seconds since the oldest message that the page has not acknowledged; 0 without one."""
        with self._lock:
            oldest = min(self._unanswered.values(), default=None)
        return 0.0 if oldest is None else self._clock() - oldest

    def _packed(self, shown: Shown, number: int) -> bytes:
        pictures = [encode.picture(frame, self.encoding) for frame in shown.frames]
        pcm = encode.sound(shown.audio)
        height, width = shown.frames.shape[1:3]
        header: dict[str, Any] = {
            "n": number,
            "kind": shown.kind,
            "tick": shown.tick,
            "rows": list(shown.rows),
            "seqs": list(shown.seqs),
            "events": [list(event) for event in shown.events],
            "hash": shown.hash,
            "frames": {
                "width": width,
                "height": height,
                "encoding": self.encoding,
                "sizes": [len(data) for data in pictures],
            },
            "audio": {
                "rate": shown.rate,
                "channels": shown.audio.shape[0],
                "samples": shown.audio.shape[1],
                "bytes": len(pcm),
            },
            "due": round(shown.due, 2),
            "late": round(shown.late, 2),
            "made": round(shown.made, 2),
            **({"computed": list(shown.computed)} if shown.computed else {}),
        }
        return pack(header, *pictures, pcm)
