"""A live run over a world: push what is pressed, take ticks, rewind, branch.

All methods may be called from several threads. What was pressed becomes the world's control
track, so a session can be replayed exactly by stepping its first world through ``track``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .clip import Clip
from .control_text import check_event
from .controls import Controls
from .errors import ControlError, SessionClosed, SessionError, SessionLimit
from .held import Held
from .store import ClipStore, Progress
from .world import World

MAX_WAITING_EVENTS = 64


class Session:
    """A live, stateful run over a world, owned by one client.

    world        where it begins; never changed
    max_ticks    ticks that may be made in all, those of rewound parts included
    max_seconds  how long the session may live
    max_bytes    memory for kept ticks, the oldest go first; they are made again when needed
    clips        a store of kept ticks to share with others, instead of one of its own
    clock        seconds, monotonic

    SessionLimit says which limit was reached; SessionClosed comes after ``close``.
    """

    def __init__(
        self,
        world: World,
        *,
        max_ticks: int = 100_000,
        max_seconds: float = 4 * 3600,
        max_bytes: int = 256 << 20,
        clips: ClipStore | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(world, World):
            raise SessionError(f"session: got {type(world).__name__}; a World is accepted")
        if max_ticks < 1 or max_seconds <= 0 or max_bytes < 0:
            raise SessionError("session: max_ticks, max_seconds > 0, max_bytes >= 0 are accepted")
        self.start = world
        self.max_ticks, self.max_seconds = int(max_ticks), float(max_seconds)
        self.clips = clips if clips is not None else ClipStore(max_bytes)
        self._own_clips = clips is None
        self._clock, self._opened = clock, clock()
        self._making = threading.RLock()
        self._input = threading.Condition()
        self._world = world
        self._held = Held(world.embodiment)
        self._events: list[str] = []
        self._made = 0
        self._latest: Clip | None = None
        self._closed = False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def tick(self) -> int:
        """The tick of the world now."""
        return self._world.tick

    @property
    def made(self) -> int:
        """Ticks made so far, those of rewound parts included."""
        return self._made

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def seconds_left(self) -> float:
        """Until the session's time limit."""
        return max(0.0, self.max_seconds - (self._clock() - self._opened))

    @property
    def track(self) -> Controls:
        """What was recorded: ``session.start.step(session.track)`` gives the same again."""
        world = self.branch()
        recorded = world.track[self.start.tick :]
        known = len(self.start.track.pending)
        events = recorded.events[known:]
        return Controls(recorded.values, events, recorded.embodiment)

    def push(self, controls: Mapping[str, Any] | np.ndarray | Controls, seq: int = 0) -> bool:
        """What is pressed now, for the ticks to come.

        controls  column or button name -> value, or an axis name -> values of its components, or
                  a whole row [n]. Controls that are not named stay as they are. A button counts
                  as pressed in the next tick even if it is let go before it; mouse motion adds up
        seq       the client's number of this message; one older than the last is ignored and
                  gives False. ``clip.info["seq"]`` says which one a tick has used.

        ControlError for unknown names and values out of range; then nothing of it is taken.
        """
        with self._input:
            self._check()
            try:
                return self._held.push(controls, seq)
            except OverflowError:  # an integer that no float can hold
                raise ControlError("controls: a number is far out of range") from None

    def release(self) -> None:
        """Let go of everything: the client looked away or left."""
        with self._input:
            self._held.clear()

    def event(self, text: str) -> None:
        """Something happens before the next tick; ControlError for a text that is no event."""
        check_event(text)
        with self._input:
            self._check()
            if len(self._events) >= MAX_WAITING_EVENTS:
                raise SessionLimit(
                    f"session: {MAX_WAITING_EVENTS} events wait for the next tick; no more fit"
                )
            self._events.append(text)

    def step(self) -> Clip:
        """Make one tick (one block of a model that makes several at once) of what was pushed.

        The clip's ``info`` also tells "seq", the last message it has used, "tick" and "hash", the
        world's after it.
        """
        with self._making:
            with self._input:
                self._check()
                block = self._world.embodiment.block_ticks
                if self._made + block > self.max_ticks:
                    raise SessionLimit(
                        f"session: it has made {self._made} ticks, its limit is {self.max_ticks}"
                    )
                world, said = self._say(self._world), len(self._events)
                values, seq = self._held.take(block)
            controls = Controls(values, (), world.embodiment)
            world, clip = world.step(controls, clips=self.clips)
            with self._input:
                if self._closed:
                    raise SessionClosed("session: it was closed while a tick was made")
                del self._events[:said]
                self._world, self._made = world, self._made + block
                told = {"seq": seq, "tick": world.tick, "hash": world.last_hash}
                clip = replace(clip, info={**clip.info, **told})
                self._latest = clip
                self._input.notify_all()
            return clip

    def pull(self, timeout: float | None = None) -> Clip | None:
        """The newest tick that was not pulled yet; older ones are skipped.

        Without ``timeout`` a tick is made if there is none. With it, waits up to that many seconds
        for another thread's ``step`` and gives None if none came.
        """
        with self._input:
            self._check()
            if self._latest is None and timeout is not None:
                self._input.wait_for(lambda: self._latest is not None or self._closed, timeout)
                self._check()
            clip, self._latest = self._latest, None
        if clip is not None or timeout is not None:
            return clip
        clip = self.step()
        with self._input:
            if self._latest is clip:
                self._latest = None
        return clip

    def rewind(self, tick: int, progress: Progress | None = None) -> Clip:
        """Go back to an earlier tick of this session, and show it.

        What came after is cut off, waiting events and what is pressed are dropped. ``progress`` is
        told of ticks that must be replayed and may raise; then nothing has changed. SessionError
        for a tick before the session's first or after the present one.
        """
        with self._making:
            self._check()
            if isinstance(tick, bool) or not isinstance(tick, (int, np.integer)):
                raise SessionError(f"session: rewind to {tick!r}; a whole tick is accepted")
            if not self.start.tick <= tick <= self._world.tick:
                raise SessionError(
                    f"session: rewind to tick {tick}; {self.start.tick} to {self._world.tick} "
                    "are accepted"
                )
            world = self.start if tick == self.start.tick else self._world.rewind(int(tick))
            clip = self._show(world, progress)
            world.state(progress)
            with self._input:
                self._check()
                self._world = world
                self._held.clear()
                self._events.clear()
                self._latest = None
            return clip

    def restore(
        self, track: Controls | str, progress: Progress | None = None, keep_held: bool = False
    ) -> Clip:
        """Stand at the end of a track that was recorded before, and show it.

        The track begins in the session's first world. Ticks that are not kept are replayed.
        ``keep_held``: what is pressed meanwhile stays so.
        """
        with self._making:
            self._check()
            world = self.start.after(track)
            clip = self._show(world, progress)
            world.state(progress)
            with self._input:
                self._check()
                self._world, self._latest = world, None
                if not keep_held:
                    self._held.clear()
                self._events.clear()
            return clip

    def branch(self) -> World:
        """The world as it is now, with events that wait; the session goes on by itself."""
        with self._input:
            return self._say(self._world)

    def kept(self, start: int, stop: int) -> Clip | None:
        """Ticks start (from 0) to stop of the session's world as they were made, if all are kept.

        Tick numbers are those of ``tick``: kept(0, 12) is what led to tick 12.
        """
        world = self._world
        block = world.embodiment.block_ticks
        if not 0 <= start < stop <= world.tick or start % block or stop % block:
            return None
        keys = world.chain()
        found = [self.clips.get(keys[tick]) for tick in range(start + block, stop + 1, block)]
        if any(clip is None for clip in found):
            return None
        return Clip.concat(found)

    def close(self) -> None:
        """End the session and free what it holds; closing twice is fine."""
        with self._input:
            self._closed = True
            self._latest = None
            self._events.clear()
            self._input.notify_all()
        if self._own_clips:
            self.clips.clear()

    def _check(self) -> None:
        if self._closed:
            raise SessionClosed("session: it is closed; open a new one")
        if self._clock() - self._opened > self.max_seconds:
            raise SessionLimit(f"session: its time limit of {self.max_seconds:g} s has passed")

    def _say(self, world: World) -> World:
        for text in self._events:
            world = world.with_event(text)
        return world

    def _show(self, world: World, progress: Progress | None) -> Clip:
        """What is seen in a world: the kept last tick, or made again."""
        kept = self.clips.get(world.store_key())
        clip = kept if kept is not None else world.last_clip(progress)
        return replace(clip, info={**clip.info, "seq": self._held.seq, "tick": world.tick})
