"""One player: a session over a world with a play head, a clock and a track that can be gone on
from anywhere.

Ticks here are those of the walk: 0 is the world as it came in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from ..clip import Clip
from ..controls import Controls
from ..errors import Cancelled, SessionError
from ..session import Session
from ..store import ClipStore, Progress, block_of
from ..walk import Walk, facts_of
from ..world import World
from .outbox import Shown

BEHIND = 3
"""Ticks that a player may be behind its clock before the clock gives in: until then it catches up,
beyond it the world goes slower than time."""
PROGRESS_EVERY = 0.2
"""Seconds between two reports of a replay."""
MOST_STEPS = 240
"""Ticks that may be asked for at once while paused."""

Running = Callable[[], AbstractContextManager[Any]]


class Player:
    """Plays one world for one page.

    world     where the walk begins; never changed
    walk      what was recorded before
    running   context manager in which the model may be used (a host's memory management)
    clips     store of kept ticks, shared by players and queue runs
    say       called with (type, values) for everything there is to tell
    show      called with every ``Shown``
    clock     seconds, monotonic

    ``state`` is "playing", "watching" (the recorded walk goes by), "paused" or "busy".
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
        max_ticks: int = 100_000,
        max_seconds: float = 4 * 3600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session = Session(
            world, clips=clips, max_ticks=max_ticks, max_seconds=max_seconds, clock=clock
        )
        self.start = self.session.start
        self.changed = walk.changed(world)
        self.state, self.why = "paused", ""
        self.due = 0.0
        self._say, self._show, self._running, self._clock = say, show, running, clock
        self._lock = threading.RLock()  # for the few values below, held for moments
        self._turn = threading.RLock()  # whoever moves the world holds it meanwhile
        self._recorded: Controls | None = walk.controls
        self._shown = len(self._recorded)
        self._standing: int | None = None  # where the session is; None: not where it is shown
        self._passing: World | None = None  # the world of the tick shown while watching
        self._limit: int | None = None  # ticks after this one the page does not want any more
        self._began = 0.0
        self._errand = 0

    # ------------------------------------------------------------------ what a page may ask

    @property
    def tick(self) -> int:
        """The tick shown."""
        return self._shown

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
        made is still shown, unless it lies after ``limit``."""
        with self._lock:
            self._errand += 1
            self._limit = limit
            if self.state != "paused":
                self._enter("paused", why)
            self.session.release()

    def open(self) -> None:
        """Show where the recorded walk ends."""
        with self._turn:
            self._go(self._shown)

    def play(self) -> None:
        """Go on from the tick shown; the first new tick takes the place of what came after it."""
        with self._turn:
            if self._stand():
                self._begin("playing")

    def watch(self) -> None:
        """Let the recorded walk go by from the tick shown to its end, as it was made."""
        with self._turn:
            track = self.track
            if self._shown < len(track):
                with self._lock:
                    self._recorded, self._standing = track, None
                self._passing = self.start.after(track[: self._shown].without_pending())
                self._begin("watching")

    def pause(self, tick: int | None = None) -> None:
        """Stop; what was made beyond ``tick`` is cut off, since the page has never seen it."""
        watched = self.state == "watching"
        self.stop(limit=tick)
        with self._turn:
            if tick is not None and tick < self._shown:
                with self._lock:
                    self._recorded = self.track
                    self._shown, self._standing = self._whole(tick), None
                if not watched:
                    self._cut()
            self._limit = None
            self._tell()

    def step(self, ticks: int = 1) -> None:
        """Make some ticks while paused."""
        with self._turn:
            if not self._stand():
                return
            for _ in range(max(1, min(ticks, MOST_STEPS))):
                self._make()
            self._tell()

    def seek(self, tick: int) -> None:
        """Show a tick of the walk; nothing is cut off."""
        self.stop()
        with self._turn:
            self._go(self._whole(min(tick, self.ticks)))

    def cut(self) -> None:
        """Forget what comes after the tick shown."""
        self.stop()
        with self._turn:
            self._cut()
            self._tell()

    def event(self, text: str) -> None:
        """Something happens before the next tick."""
        if self.state == "playing":
            self.session.event(text)
            return
        with self._turn:
            if self._stand():
                self.session.event(text)
                if self._shown >= self.ticks:
                    self._recorded = None  # the session's own track has it

    def close(self) -> None:
        """End it and free what it holds; kept ticks of a shared store stay."""
        self.stop()
        self.session.close()

    # ------------------------------------------------------------------ the clock

    def advance(self) -> None:
        """Make or show the tick that is due. Errors of the model stop the player and are told."""
        try:
            with self._turn:
                if self.state == "playing":
                    self._make()
                elif self.state == "watching":
                    self._pass()
        except Exception as error:
            self.stop()
            self._say("error", code="failed", message=str(error), fatal=False)
            if not isinstance(error, SessionError):
                raise

    def delay(self, seconds: float) -> None:
        """Move the clock: the ticks were held up by something else."""
        self.due += seconds

    def _begin(self, state: str) -> None:
        with self._lock:
            self._began = self.due = self._clock()
            self._enter(state)

    def _make(self) -> None:
        due, started = self.due, self._clock()
        with self._running():
            clip = self.session.step()
        with self._lock:
            self._recorded = None  # the session's own track is the walk now
            self._shown = self._standing = clip.info["tick"] - self.start.tick
        values = clip.controls.values
        first = self._shown - len(values)
        self._send(
            clip,
            clip.info["hash"],
            due,
            started,
            rows=tuple(row.tolist() for row in values),
            seqs=(clip.info["seq"],) * len(values),
            events=tuple((first + tick, text) for tick, text in clip.controls.events),
        )

    def _pass(self) -> None:
        """Show the next tick of the recorded walk, kept or made again."""
        due, started = self.due, self._clock()
        block = self.start.embodiment.block_ticks
        track = self.track
        with self._running():
            part = block_of(track, self._shown, block)
            self._passing, clip = self._passing.step(part, clips=self.session.clips)
        self._shown += block
        self._send(clip, self._passing.last_hash, due, started)
        if self._shown >= len(track):
            self.stop()

    def _send(self, clip: Clip, hash: str, due: float, started: float, **made: Any) -> None:
        now = self._clock()
        if self.active:
            self.due = due + self.period
            behind = now - self.due
            if behind > BEHIND * self.period:
                self.due = now
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

    def _go(self, tick: int) -> bool:
        """Show a tick. False if something newer was asked for meanwhile."""
        with self._lock:
            self._recorded = self.track
            self._errand += 1
            errand = self._errand
        here = self.start.after(self._recorded[:tick].without_pending())
        clip = self.session.clips.get(here.store_key())
        if clip is None:
            try:
                with self._replay(errand) as progress:
                    clip = here.last_clip(progress)
            except Cancelled:
                return False
            if here.tick > self.start.tick:
                self.session.clips.put(here.store_key(), clip)
        with self._lock:
            if errand != self._errand:
                return False
            self._shown, self._standing = tick, None
        frames = clip.frames[clip.embodiment.views[0].name]
        if not len(frames):  # a world that begins without a picture
            view = clip.embodiment.views[0]
            frames = np.zeros((1, view.height, view.width, 3), np.uint8)
        self._show(Shown("still", tick, frames[-1:], clip.last_frame_hash()))
        self._tell()
        return True

    def _stand(self) -> bool:
        """Bring the session to the tick shown. False if something newer was asked for."""
        if self._standing == self._shown:
            return True
        with self._lock:
            track, shown = self.track, self._shown
            self._errand += 1
            errand = self._errand
        part = track if shown == len(track) else track[:shown].without_pending()
        try:
            with self._replay(errand) as progress:
                self.session.restore(part, progress)
        except Cancelled:
            return False
        with self._lock:
            self._recorded, self._standing = track, shown
        return errand == self._errand

    @contextmanager
    def _replay(self, errand: int) -> Iterator[Progress]:
        """The model is used inside. What takes long is told, and ends with ``Cancelled`` when
        something newer is asked for."""
        told = self._clock()

        def report(done: int, total: int, _: Any) -> None:
            nonlocal told
            if errand != self._errand or self.session.closed:
                raise Cancelled("something newer was asked for")
            if self._clock() - told > PROGRESS_EVERY:
                told = self._clock()
                if self.state != "busy":
                    self._enter("busy")
                self._say("progress", done=done, total=total)

        try:
            with self._running():
                yield report
        finally:
            if self.state == "busy":
                self._enter("paused")

    # ------------------------------------------------------------------ telling

    def _enter(self, state: str, why: str = "") -> None:
        self.state, self.why = state, why
        self._tell()

    def _tell(self) -> None:
        self._say("state", state=self.state, why=self.why, tick=self.tick, ticks=self.ticks)

    @property
    def ticks(self) -> int:
        """Length of the walk."""
        with self._lock:
            if self._recorded is not None:
                return len(self._recorded)
            return self.session.tick - self.start.tick
