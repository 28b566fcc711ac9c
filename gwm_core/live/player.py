"""One player: a session over a world with a play head, a clock and a track that can be gone on
from anywhere.

Ticks here are those of the walk: 0 is the world as it came in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..clip import Clip
from ..controls import Controls
from ..errors import Cancelled, SessionError
from ..session import Session
from ..store import ClipStore, block_of
from ..walk import Walk, facts_of
from ..world import World
from .errands import POLL, Errands, Running
from .outbox import Shown

MOST_STEPS = 240
"""Ticks that may be asked for at once while paused."""


class Player(Errands):
    """Plays one world for one page.

    world     where the walk begins; never changed
    walk      what was recorded before
    running   context manager in which the model may be used (a host's memory management)
    clips     store of kept ticks, shared by players and queue runs
    say       called with (type, values) for everything there is to tell
    show      called with every ``Shown``
    forget    called with a tick: those shown after it are cut off and not wanted any more
    held_up   whether the host computes something else, for which replays and steps wait (for
              ticks that go by themselves whoever calls ``advance`` looks)
    clock     seconds, monotonic

    ``state`` is "playing", "watching" (the recorded walk goes by), "paused" or "busy".

    ``advance`` makes ticks and never waits for a replay; what may take long (open, play, watch,
    pause, step, seek, cut, event) is for another thread. ``push`` and ``stop`` are for any.
    """

    def __init__(
        self,
        world: World,
        walk: Walk,
        *,
        running: Running = nullcontext,
        clips: ClipStore | None = None,
        say: Callable[..., None] = lambda *_, **__: None,
        show: Callable[[Shown], None] = lambda _: None,
        forget: Callable[[int], None] = lambda _: None,
        held_up: Callable[[], bool] = lambda: False,
        max_ticks: int = 100_000,
        max_seconds: float = 4 * 3600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session = Session(
            world, clips=clips, max_ticks=max_ticks, max_seconds=max_seconds, clock=clock
        )
        self.start = self.session.start
        self.changed = walk.changed(world)
        walk.remind(world)
        super().__init__(running, held_up, say, clock)
        self.due = 0.0
        self._show, self._forget = show, forget
        self._turn = threading.RLock()  # whoever moves the world holds it meanwhile
        self._recorded: Controls | None = walk.controls
        self._shown = len(self._recorded)
        self._standing: int | None = None  # where the session is; None: not where it is shown
        self._passing: World | None = None  # the world of the tick shown while watching
        # Where ticks began that the page has not confirmed yet, and the walk before them.
        self._live: tuple[int, Controls] | None = None
        self._limit: int | None = None  # ticks after this one the page does not want any more
        self._began = 0.0

    # ------------------------------------------------------------------ what a page may ask

    @property
    def tick(self) -> int:
        """The tick shown."""
        return self._shown

    @property
    def ticks(self) -> int:
        """Length of the walk."""
        with self._lock:
            if self._recorded is not None:
                return len(self._recorded)
            return self.session.tick - self.start.tick

    @property
    def track(self) -> Controls:
        """The whole walk, also what lies after the tick shown."""
        with self._lock:
            return self._recorded if self._recorded is not None else self.session.track

    @property
    def period(self) -> float:
        """Seconds that one step of this model lasts."""
        body = self.start.embodiment
        return body.block_ticks / body.tick_rate

    @property
    def active(self) -> bool:
        """Whether ticks go by."""
        return self.state in ("playing", "watching")

    def walk(self) -> Walk:
        """What was played, as it is kept in a workflow."""
        track = self.track
        end = self.start.after(track)
        last = self.session.clips.get(end.store_key())
        return Walk(
            track, facts_of(self.start), self.start.key, last.last_frame_hash() if last else ""
        )

    def push(self, held: dict[str, Any], seq: int) -> None:
        """What is pressed now; see ``Session.push``."""
        self.session.push(held, seq)

    def stop(self, why: str = "", limit: int | None = None) -> None:
        """Pause at once, also out of a seek or replay that is under way. A tick that is being
        made is still shown. With ``limit`` nothing after that tick is, and ``pause`` tells of it:
        until then it is not known where the walk ends."""
        with self._lock:
            self._errand += 1
            self._limit = limit
            before, self.state, self.why = self.state, "paused", why
            if before != "paused" and limit is None:
                self.tell()
            live = self._live
        if limit is not None and live is not None:
            self._forget(max(limit, live[0]))
        self.session.release()

    def open(self, before: Callable[[], None] = lambda: None) -> None:
        """Show where the recorded walk ends. ``before`` is called when nothing moves any more."""
        with self._turn:
            errand = self._new_errand()
            before()
            self._go(self._shown, errand)

    def play(self) -> None:
        """Go on from the tick shown; the first new tick takes the place of what came after it."""
        if self.state == "playing":
            self.tell()
            return
        self._leave()
        with self._turn:
            errand = self._new_errand()
            if self._stand(errand):
                self._live = self._live or (self._shown, self.track)
                self._begin("playing", errand)

    def watch(self) -> None:
        """Let the recorded walk go by from the tick shown to its end, as it was made."""
        self._leave()
        with self._turn:
            self._watch(self._new_errand())

    def pause(self, tick: int | None = None) -> None:
        """Stop. With the ``tick`` that the page shows, what was made live after it is cut off: the
        page has never seen it."""
        self.stop(limit=tick)
        with self._turn:
            if tick is not None:
                if tick < self._shown:
                    self._back_to(self._whole(tick))
                self._live = None
            self._limit = None
            self.tell()

    def _back_to(self, tick: int) -> None:
        with self._lock:
            self._recorded = self.track
            self._shown, self._standing = tick, None
            if self._live is None:
                return
            if tick <= self._live[0]:  # the page has seen nothing of what took the walk's place
                self._recorded = self._live[1]
            else:
                self._cut()
            self._forget(max(tick, self._live[0]))

    def step(self, ticks: int = 1) -> None:
        """Make some ticks while paused."""
        self._leave()
        with self._turn:
            errand = self._new_errand()
            self._limit = None
            try:
                if self._stand(errand):
                    self._live = self._live or (self._shown, self.track)
                    for _ in range(max(1, min(ticks, MOST_STEPS))):
                        self._wait_for_host(errand)
                        self._make()
            except Cancelled:
                pass
            self.tell()

    def seek(self, tick: int) -> None:
        """Show a tick of the walk; nothing is cut off."""
        self.stop()
        with self._turn:
            self._live = None
            self._go(self._whole(min(tick, self.ticks)), self._new_errand())

    def cut(self) -> None:
        """Forget what comes after the tick shown."""
        self.stop()
        with self._turn:
            self._live = None
            self._cut()
            self.tell()

    def event(self, text: str) -> None:
        """Something happens before the next tick."""
        if self.state == "playing":
            self.session.event(text)
            return
        self._leave()
        with self._turn:
            if self._stand(self._new_errand()):
                self.session.event(text)
                if self._shown >= self.ticks:
                    self._recorded = None  # the session's own track has it
            self.tell()

    def close(self) -> None:
        """End it and free what it holds; kept ticks of a shared store stay."""
        self.stop()
        self.session.close()

    def settled(self, seconds: float) -> bool:
        """Whether nothing is being made any more, after at most so long a wait."""
        if not self._turn.acquire(timeout=seconds):
            return False
        self._turn.release()
        return True

    # ------------------------------------------------------------------ the clock

    def advance(self) -> Callable[[Player], None] | None:
        """Make or show the tick that is due. Errors of the model stop the player and are told.

        What it gives back has to be done before the next tick, by a thread that may take long.
        """
        if not self._turn.acquire(blocking=False):
            self.rest(self._clock() + POLL)  # an errand has it, and stops it soon
            return None
        try:
            if self.state == "playing":
                self._make()
            elif self.state == "watching":
                return self._pass()
        except SessionError as error:
            self.stop()
            self._say("error", code="limit", message=str(error), fatal=False)
        except Exception as error:
            self.stop()
            self._say("error", code="failed", message=str(error), fatal=False)
            raise
        finally:
            self._turn.release()
        return None

    def rest(self, until: float) -> None:
        """Move the clock: no tick is due before this time, they were held up by something else."""
        self.due = max(self.due, until)

    def behind(self, now: float) -> float:
        """Ticks that should have been made by now."""
        return (now - self.due) / self.period

    def _begin(self, state: str, errand: int) -> None:
        """Ticks go by from now on, unless something newer was asked for."""
        with self._lock:
            if errand == self._errand:
                self._limit = None
                self._began = self.due = self._clock()
                self._enter(state)

    def _leave(self) -> None:
        """Ticks go by no more, so that whoever makes them never waits for an errand."""
        if self.active:
            self.stop()

    def _make(self) -> None:
        due, started = self.due, self._clock()
        with self._running():
            clip = self.session.step()
        with self._lock:
            self._recorded = None  # the session's own track is the walk now
            self._shown = self._standing = clip.info["tick"] - self.start.tick
        values, events = clip.controls.values, clip.controls.events
        first = self._shown - len(values)
        if first == 0:  # what had happened in the world already is no part of the walk
            events = events[len(self.start.track.pending) :]
        self._send(
            clip,
            clip.info["hash"],
            due,
            started,
            ticks=len(values),
            rows=tuple(row.tolist() for row in values),
            seqs=(clip.info["seq"],) * len(values),
            events=tuple((first + tick, text) for tick, text in events),
            computed=tuple(facts_of(self.start).get("computed", ())),
        )

    def _watch(self, errand: int) -> None:
        track = self.track
        if errand != self._errand or self._shown >= len(track):
            self.tell()
            return
        with self._lock:
            self._recorded, self._standing, self._live = track, None, None
        world = self.start.after(track[: self._shown].without_pending())
        if not self._at_hand(world):
            try:
                with self._replay(errand) as progress:
                    world.state(progress)
            except Cancelled:
                return
        self._passing = world
        self._begin("watching", errand)

    def _at_hand(self, world: World) -> bool:
        """Whether the recorded tick that follows ``world`` is kept, or can be made at once."""
        part = block_of(self.track, self._shown, self.start.embodiment.block_ticks)
        return world.after(part).store_key() in self.session.clips or (
            world.store_key() in world.store
        )

    def _pass(self) -> Callable[[Player], None] | None:
        """Show the next tick of the recorded walk, kept or made again."""
        due, started = self.due, self._clock()
        block = self.start.embodiment.block_ticks
        track, errand = self.track, self._errand
        if not self._at_hand(self._passing):
            with self._lock:
                if self.state == "watching":
                    self._enter("busy")
            return lambda player: player._watch_on(errand)
        with self._running():
            part = block_of(track, self._shown, block)
            self._passing, clip = self._passing.step(part, clips=self.session.clips)
        self._shown += block
        self._send(clip, self._passing.last_hash, due, started, ticks=block)
        if self._shown >= len(track):
            self.stop()
        return None

    def _watch_on(self, errand: int) -> None:
        """Go on watching after a replay, unless something newer was asked for."""
        with self._turn:
            if errand == self._errand:
                self._watch(errand)

    def _send(self, clip: Clip, hash: str, due: float, started: float, **made: Any) -> None:
        now = self._clock()
        if self.active:
            self.due = due + self.period
        if self._limit is not None and self._shown > self._limit:
            return
        frames = clip.frames[clip.embodiment.views[0].name]
        count = clip.embodiment.frames_per_tick
        self._show(
            Shown(
                "tick", self._shown, frames[-count:], hash, audio=clip.audio,
                rate=clip.sample_rate, due=(due - self._began) * 1e3,
                late=max(0.0, started - due) * 1e3, made=(now - started) * 1e3, **made,
            )
        )

    # ------------------------------------------------------------------ the play head

    def _whole(self, tick: int) -> int:
        return tick - tick % self.start.embodiment.block_ticks

    def _cut(self) -> None:
        with self._lock:
            if self._shown < self.ticks:
                self._recorded = self.track[: self._shown].without_pending()

    def _go(self, tick: int, errand: int) -> None:
        """Show a tick, unless something newer is asked for meanwhile."""
        with self._lock:
            self._recorded = self.track
        here = self.start.after(self._recorded[:tick].without_pending())
        clip = self.session.clips.get(here.store_key())
        if clip is None:
            try:
                with self._replay(errand) as progress:
                    clip = here.last_clip(progress)
            except Cancelled:
                return
            if here.tick > self.start.tick:
                self.session.clips.put(here.store_key(), clip)
        with self._lock:
            if errand != self._errand:
                return
            self._shown, self._standing = tick, None
        frames = clip.frames[clip.embodiment.views[0].name]
        if not len(frames):  # a world that begins without a picture
            view = clip.embodiment.views[0]
            frames = np.zeros((1, view.height, view.width, 3), np.uint8)
        self._show(Shown("still", tick, frames[-1:], clip.last_frame_hash()))
        self.tell()

    def _stand(self, errand: int) -> bool:
        """Bring the session to the tick shown. False if something newer was asked for."""
        if self._standing == self._shown:
            return True
        with self._lock:
            track, shown = self.track, self._shown
        part = track if shown == len(track) else track[:shown].without_pending()
        try:
            with self._replay(errand) as progress:
                self.session.restore(part, progress, keep_held=True)
        except Cancelled:
            return False
        with self._lock:
            self._recorded, self._standing = track, shown
        return errand == self._errand
