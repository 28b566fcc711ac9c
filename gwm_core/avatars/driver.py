"""The face of a voice as it is spoken: sound in, motion out, of any length.

    driver = Driver(load_faces(), seed=7)
    driver.push(chunk, rate=48000)             # float [N], or [channels, N]; any length
    for motion in driver.pull(): ...           # every tick that is ready, [24]
    driver.finish(); rest = driver.pull()      # ceil(seconds * 25) ticks in all

The numbers are the same for any chunks, bit for bit: a film of a recording is what was seen live.
A tick is ready 80 ms after its end. Memory and the cost of a tick do not grow.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import AvatarError, Cancelled
from ..noise import check_seed
from . import voice
from .dials import Dials
from .direction import DIRECTION, Director
from .faces_model import LOOK_AHEAD, FacesModel, Heard, load_faces
from .gate import SilenceGate
from .motion import MOTION
from .sound import Recording
from .turns import Turns

MODES = ("speak", "puppet", "listen")
PIECE = 1.0
"""Seconds of a recording that are listened to at once."""


class Driver:
    """One character's performance.

    model  a FacesModel, or the name of a checkpoint
    seed   of the direction: blinks, looks, wander of the head
    dials  how strong everything is
    mode   "speak": both voices count; "puppet": only the own one (a microphone that is the
           character's voice); "listen": only the other one, and what ``say`` was given

    states  [n, 3] speak, listen, idle of the ticks that the last ``pull`` gave
    ticks   how many were pulled so far

    AvatarError names an argument that does not fit.
    """

    def __init__(self, model: FacesModel | str = "gwm-faces", seed: int = 0,
                 dials: Dials | None = None, mode: str = "speak") -> None:
        if mode not in MODES:
            raise AvatarError(f"mode: {mode!r}; {', '.join(MODES)} are accepted")
        self.model = load_faces(model) if isinstance(model, str) else model
        self.seed, self.mode = check_seed(seed), mode
        self.dials = dials or Dials()
        self.ticks, self.states = 0, np.zeros((0, 3), np.float32)
        self._own, self._other = _Track(), _Track()
        self._said: deque[np.ndarray] = deque()  # pieces of speech at 16 kHz, not spoken yet
        self._turns, self._gate = Turns(), SilenceGate()
        self._director = Director(self.seed, self.dials.blink_rate)
        self._past = self.model.begin()
        self._heard = 0  # ticks of sound
        self._ready: list[np.ndarray] = []
        self._ready_states: list[np.ndarray] = []
        self._ahead: deque[np.ndarray] = deque()  # states of the look-ahead
        self._finished = False

    # ------------------------------------------------------------------ sound in

    def push(self, self_audio: np.ndarray | None = None, other_audio: np.ndarray | None = None,
             rate: int = voice.RATE) -> None:
        """A span of time: the own voice and the other's, float or int16 [N] or [channels, N].

        What is missing of either (None, or shorter) is silence.
        """
        if self._finished:
            raise AvatarError("audio: this performance is finished; begin another driver")
        own = self._mono(self_audio, "self_audio", self.mode != "listen")
        other = self._mono(other_audio, "other_audio", self.mode != "puppet")
        span = max(len(own), len(other))
        if span:
            self._own.push(_filled(own, span), rate)
            self._other.push(_filled(other, span), rate)
            self._advance()

    def say(self, audio: np.ndarray, rate: int = voice.RATE) -> None:
        """Speech that is there before it is heard (of a synthesiser): it is spoken from the next
        tick on, after what was said before, as time goes by with ``push``."""
        resampler = voice.Resampler(rate)
        samples = voice.mono(audio)
        pieces = resampler.push(samples), resampler.finish()
        self._said.append(np.concatenate(pieces))

    def interrupt(self) -> float:
        """The other breaks in: drop what was given to ``say`` and not spoken yet (s)."""
        dropped = sum(len(piece) for piece in self._said) / voice.RATE
        self._said.clear()
        return dropped

    def finish(self) -> None:
        """The sound has ended: the last ticks, with silence after them, become ready."""
        if self._finished:
            return
        self._own.finish()
        self._other.finish()
        self._advance()
        self._finished = True
        for _ in range(LOOK_AHEAD if self._heard else 0):
            self._tick(np.zeros(voice.TICK, np.float32), np.zeros(voice.TICK, np.float32))

    # ------------------------------------------------------------------ motion out

    def pull(self) -> np.ndarray:
        """The motions [n, 24] that became ready since the last call; n may be 0."""
        ready, self._ready = self._ready, []
        states, self._ready_states = self._ready_states, []
        self.states = np.array(states, np.float32).reshape(len(states), 3)
        self.ticks += len(ready)
        return np.array(ready, np.float32).reshape(len(ready), len(MOTION))

    def motions(self, own: Recording | None, other: Recording | None = None,
                ticks: int | None = None, stop: Callable[[], bool] | None = None,
                progress: Callable[[int, int], None] | None = None) -> Iterator[np.ndarray]:
        """Motion [24] of every tick of whole recordings, with constant memory.

        ticks     how many; as long as the longer one when left out (beyond it there is silence)
        stop      asked before each second; true ends it with ``Cancelled``
        progress  called as (ticks done, ticks) after each second
        """
        if ticks is None:
            ticks = max((r.ticks for r in (own, other) if r is not None), default=0)
        done = 0
        for own_piece, other_piece, last in _pieces(own, other, ticks):
            if stop is not None and stop():
                raise Cancelled(f"stopped before tick {done}")
            self._feed(own_piece, other_piece)
            if last:
                self.finish()
            for motion in self.pull()[:ticks - done]:
                done += 1
                yield motion
            if progress is not None:
                progress(done, ticks)

    over = motions

    def branch(self) -> Driver:
        """An independent driver that goes on from here exactly as this one would."""
        twin = copy.copy(self)
        for name, value in vars(self).items():
            if name not in ("model", "dials", "_past"):  # values, or stateless
                setattr(twin, name, copy.deepcopy(value))
        return twin

    # ------------------------------------------------------------------ a tick

    def _mono(self, audio: Any, name: str, used: bool) -> np.ndarray:
        if audio is None:
            return np.zeros(0, np.float32)
        samples = voice.mono(audio, name)
        return samples if used else np.zeros(len(samples), np.float32)

    def _feed(self, own: tuple[np.ndarray, int], other: tuple[np.ndarray, int]) -> None:
        """A piece of two recordings of different sample rates."""
        self._own.push(own[0] if self.mode != "listen" else np.zeros_like(own[0]), own[1])
        self._other.push(other[0] if self.mode != "puppet" else np.zeros_like(other[0]), other[1])
        self._advance()

    def _advance(self) -> None:
        while self._own.ready and self._other.ready:
            self._tick(self._own.ready.popleft() + self._spoken(), self._other.ready.popleft())

    def _spoken(self) -> np.ndarray:
        """The next 640 samples of what was given to ``say``."""
        out, filled = np.zeros(voice.TICK, np.float32), 0
        while self._said and filled < voice.TICK:
            piece = self._said.popleft()
            part = piece[:voice.TICK - filled]
            out[filled:filled + len(part)] = part
            filled += len(part)
            if len(part) < len(piece):
                self._said.appendleft(piece[len(part):])
        return out

    def _tick(self, own: np.ndarray, other: np.ndarray) -> None:
        turn = self._turns.tick(own, other)
        self._ahead.append(turn.state)
        direction = np.zeros(len(DIRECTION), np.float32)
        acts = self._heard >= LOOK_AHEAD  # the face has no tick before the first sound's
        if acts:
            direction = self._director.tick(self._ahead[0])
        heard = Heard(voice.fine(self._own.listener.tick(own))[-1],
                      voice.coarse(self._other.listener.tick(other))[-1], turn.state, direction)
        motion, self._past = self.model.step(self._past, heard)
        motion = self._gate.apply(motion, turn.speaking)
        if acts:
            self._ready.append(self.dials.apply(motion))
            self._ready_states.append(self._ahead.popleft())
        self._heard += 1


class _Track:
    """A voice of any sample rate as ticks that wait in ``ready``."""

    def __init__(self) -> None:
        self.ready: deque[np.ndarray] = deque()
        self.listener = voice.Listener()
        self._ticks: voice.Ticks | None = None

    def push(self, samples: np.ndarray, rate: int) -> None:
        if self._ticks is None:
            self._ticks = voice.Ticks(rate)
        self.ready.extend(self._ticks.push(samples, rate))

    def finish(self) -> None:
        if self._ticks is not None:
            self.ready.extend(self._ticks.finish())


def _filled(samples: np.ndarray, length: int) -> np.ndarray:
    return np.pad(samples, (0, length - len(samples)))


def _pieces(own: Recording | None, other: Recording | None, ticks: int
            ) -> Iterator[tuple[tuple[np.ndarray, int], tuple[np.ndarray, int], bool]]:
    """Both recordings second by second, filled with silence to ``ticks``."""
    tracks = [r or Recording(np.zeros((1, 1), np.float32), voice.RATE) for r in (own, other)]
    step = round(PIECE * voice.RATE / voice.TICK)
    for start in range(0, ticks, step):
        stop = min(start + step, ticks)
        cut = []
        for track in tracks:
            first, after = (-(-t * track.rate * voice.TICK // voice.RATE) for t in (start, stop))
            part = track.mono(min(first, len(track)), min(after, len(track)))
            cut.append((_filled(part, after - first), track.rate))
        yield cut[0], cut[1], stop == ticks
