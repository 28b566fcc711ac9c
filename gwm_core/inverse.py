"""Controls from a clip: the model's own inverse dynamics.

Neighbouring frames are compared (`gwm_core.motion`, `gwm_core.egomotion`), a small network reads
from that which keys were held and where the view turned. Its weights lie in a file of their own
beside the checkpoint, ``<name>.inverse.safetensors``, and are read when they are first asked for.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .checkpoint import INVERSE, companion_path, load_into, read_checkpoint
from .controls import MAX_TICKS, Controls
from .embodiment import Embodiment
from .errors import CheckpointError, GWMError
from .model.inverse import KEYS, InverseDynamics
from .motion import CELL, HEIGHT, WIDTH, Measured, Motion, fields_of, fit_turn, steady_flow

KIND = "inverse"
FIVE = math.radians(5)
NUMBERS = 10
"""Numbers of a pair's turn, see `tick_pairs`."""
SIGNED = (0, 2, 3, 5)
"""Which of them change their sign in a mirrored walk."""
LEAST, LEAST_SIDE = 3, 16
SAME_RATE = 0.01
"""Share by which a clip's frame rate may differ from the model's and still be taken as it."""
AT_ONCE = 64
"""Ticks that are encoded at once: memory stays small however long a clip is."""
NOISE, BREAK, AT_REST, LONGEST = 0.2, 4.0, 2.0, 96
"""Of `steady`: degrees of a reading's noise; what a new stretch costs and what standing still is
worth, in squares of that; ticks of the longest stretch."""
STILL = 0.15
"""Degrees a tick below which a steady look is an error of reading."""
PULSES = {"jump": 5, "push": 4, "throw": 6}
"""Keys that act once, and the ticks within which the likeliest one alone is taken."""
OPPOSITE = (("W", "S"), ("A", "D"))
Progress = Callable[[int, int, Any], None]


@dataclass(frozen=True, eq=False)
class InverseReading:
    """What was read from a clip of T ticks.

    controls       the track, as `Controls`
    probabilities  float32 [T, 7], of each key (`names`) that it did something in that tick
    look           float32 [T, 2], degrees to the right and up as read, before rounding
    threshold      probability from which a key counts as held
    """

    controls: Controls
    probabilities: np.ndarray
    look: np.ndarray
    threshold: float = 0.5
    names: tuple[str, ...] = KEYS

    def __len__(self) -> int:
        return len(self.controls)

    @property
    def confidence(self) -> float:
        """Share of ticks, 0 to 1, in which all keys should be right, as the network has it."""
        if not len(self):
            return 0.0
        held = self.controls.values[:, :len(self.names)] > 0.5
        right = np.where(held, self.probabilities, 1 - self.probabilities)
        return float(right.prod(1).mean())


# ------------------------------------------------------------------ what a tick's pictures show
def tick_pairs(seen: list[Measured]) -> tuple[np.ndarray, np.ndarray]:
    """(fields f32 [n, 13, 20, 32], numbers f32 [n, NUMBERS]) of the n pairs of one tick.

    Numbers: the tick's turn whatever the depth (right about the upright axis, up, roll) and the
    pair's turn as most of its flow has it (right, up, roll), in units of 5 degrees; how much is
    known of the first three; how badly it explains the flow.
    """
    from .egomotion import turn_of_tick

    bases = [np.array([*s.base, 0.0]) for s in seen]
    found = turn_of_tick([s.flow / CELL for s in seen], [s.sure for s in seen], bases)
    right, up, roll = found.turn / FIVE
    yaw = math.copysign(math.hypot(right, roll), right)
    known = (np.log10(np.maximum(np.diag(found.known), 1.0)) - 4).clip(-3, 3)
    fields, numbers = [], []
    for s, base in zip(seen, bases, strict=True):
        fields.append(fields_of(s, found.turn - base)[0])
        most = (base + fit_turn(s.flow / CELL, s.sure)) / FIVE
        numbers.append([yaw, up, roll, *most, *known, found.gap])
    return np.stack(fields), np.array(numbers, np.float32)


class TickReader:
    """Frames of one clip in, pairs tick by tick out: as a network reads them."""

    def __init__(self, frames: Any) -> None:
        self.frames = frames
        self.motion = Motion()
        self.size: tuple[int, ...] | None = None
        self._looks: dict[int, dict] = {}
        self._last: tuple[tuple[int, int], Measured] | None = None

    def tick(self, pairs: Sequence[tuple[int, int, float] | None]) -> tuple[np.ndarray, np.ndarray]:
        """`tick_pairs` of two frames each (see `pairs_at`). A pair that is missing (None) is taken
        to be as the one that follows it."""
        there = [self._measured(*pair) for pair in pairs if pair is not None]
        fields, numbers = tick_pairs(there)
        missing = len(pairs) - len(there)
        if missing:
            fields, numbers = (np.concatenate([v[:1]] * missing + [v]) for v in (fields, numbers))
        return fields, numbers

    def _measured(self, old: int, new: int, share: float) -> Measured:
        if self._last is None or self._last[0] != (old, new):
            looks = {k: self._looks[k] if k in self._looks else self._look(k) for k in (old, new)}
            self._looks = looks
            self._last = (old, new), self.motion.measure(looks[old], looks[new])
        seen = self._last[1]
        if share == 1:
            return seen
        return Measured((seen.base[0] * share, seen.base[1] * share), seen.flow * share, seen.sure,
                        seen.fields)

    def _look(self, index: int) -> dict:
        frame = np.asarray(self.frames[index])
        self.size = self.size or frame.shape
        if frame.shape != self.size:
            raise GWMError(f"frames: frame {index} is of another size than those before it; one "
                           "size is accepted")
        return self.motion.look(fitted(frame, self.motion.cv2))


def fitted(frame: np.ndarray, cv2: Any) -> np.ndarray:
    """A frame u8 [H, W, 3]: its middle of the view's aspect, at the view's size."""
    height, width = frame.shape[:2]
    if (height, width) == (HEIGHT, WIDTH):
        return frame
    keep_w = min(width, round(height * WIDTH / HEIGHT))
    keep_h = min(height, round(width * HEIGHT / WIDTH))
    top, left = (height - keep_h) // 2, (width - keep_w) // 2
    frame = np.ascontiguousarray(frame[top:top + keep_h, left:left + keep_w])
    way = cv2.INTER_AREA if keep_w >= WIDTH else cv2.INTER_CUBIC
    return cv2.resize(frame, (WIDTH, HEIGHT), interpolation=way)


# ------------------------------------------------------------------ clips
def pairs_at(count: int, fps: float | None, rate: float) -> list[tuple[int, int, float]]:
    """Which of `count` frames are compared for each step of the model's clock: (older, newer,
    share of their motion that falls into the step).

    A faster clip is read at the frames nearest in time; of a slower one each frame's motion is
    shared out. GWMError for a rate that is none.
    """
    if fps is None:
        fps = rate
    if not isinstance(fps, (int, float)) or not math.isfinite(fps) or not 1 <= fps <= 1000:
        raise GWMError(f"fps: got {fps!r}; frames a second, from 1 to 1000, are accepted")
    if abs(fps - rate) <= SAME_RATE * rate:
        return [(k, k + 1, 1.0) for k in range(count - 1)]
    steps = int((count - 1) * rate / fps + 1e-6)
    if fps < rate:
        older = ((np.arange(steps) + 0.5) * fps / rate).astype(int)
        return [(int(k), int(k) + 1, fps / rate) for k in older]
    times = np.minimum(np.round(np.arange(steps + 1) * fps / rate), count - 1).astype(int)
    return [(int(a), int(b), 1.0) for a, b in zip(times[:-1], times[1:], strict=True)]


def check_frames(frames: Any) -> None:
    """GWMError unless these are pictures: a u8 array [F, H, W, 3], or a sequence of u8 [H, W, 3]
    of one size."""
    form = "uint8 [frames, height, width, 3]"
    try:
        count = len(frames)
        shape = np.shape(frames[0]) if count else (0, 0, 0)
        kind = frames.dtype if isinstance(frames, np.ndarray) else (
            np.asarray(frames[0]).dtype if count else np.dtype(np.uint8))
    except (TypeError, KeyError):
        raise GWMError(f"frames: got {type(frames).__name__}; {form} is accepted") from None
    if count < LEAST:
        raise GWMError(f"frames: {count} of them; at least {LEAST} are needed (one tick)")
    if len(shape) != 3 or shape[2] != 3 or kind != np.uint8:
        raise GWMError(f"frames: got {kind} {[count, *shape]}; {form} is accepted")
    if min(shape[:2]) < LEAST_SIDE:
        raise GWMError(f"frames: {shape[1]} x {shape[0]} pixels; sides of {LEAST_SIDE} or more "
                       "are accepted")


class InverseModel:
    """The network with what it was trained for; safe to share between threads."""

    def __init__(self, network: InverseDynamics, embodiment: Embodiment, metadata: dict):
        self.network = network.eval()
        self.embodiment = embodiment
        self.metadata = metadata
        self.columns = [embodiment.control_names.index(name) for name in KEYS]

    @torch.no_grad()
    def read(self, frames: Any, fps: float | None = None, threshold: float = 0.5,
             progress: Progress | None = None) -> InverseReading:
        """See `RoomsModel.read_clip`."""
        with steady_flow():
            return self._read(frames, fps, threshold, progress)

    def _read(self, frames, fps, threshold, progress) -> InverseReading:
        check_frames(frames)
        if not isinstance(threshold, (int, float)) or not 0 < threshold < 1:
            raise GWMError(f"threshold: got {threshold!r}; a number between 0 and 1 is accepted")
        each = self.embodiment.frames_per_tick
        pairs = pairs_at(len(frames), fps, self.embodiment.fps)
        if len(pairs) + 1 < LEAST:
            raise GWMError(f"frames: {len(frames)} at {fps:g} frames a second are {len(pairs) + 1} "
                           f"of the model's; at least {LEAST} are needed")
        ticks = (len(pairs) + 1) // each
        if ticks > MAX_TICKS:
            raise GWMError(f"frames: {ticks} ticks; up to {MAX_TICKS} are accepted")
        missing = [None] * (each * ticks - len(pairs))
        pairs = [*missing, *pairs]
        reader, codes, numbers, waiting = TickReader(frames), [], [], []
        for t in range(ticks):
            here = pairs[each * t:each * (t + 1)]
            fields, row = reader.tick(here)
            waiting.append(fields)
            numbers.append(row)
            if len(waiting) == AT_ONCE or t == ticks - 1:
                codes.append(self.network.pair(torch.from_numpy(np.concatenate(waiting))))
                waiting.clear()
            if progress is not None:
                progress(t + 1, ticks, np.asarray(frames[here[-1][1]]))
        keys, look, _ = self.network.decide(torch.cat(codes)[None],
                                            torch.from_numpy(np.concatenate(numbers))[None])
        probabilities = keys[0].sigmoid().numpy()
        look = (look[0] * 10).numpy()
        return InverseReading(self.track(probabilities, look, threshold), probabilities, look,
                              threshold)

    def track(self, probabilities: np.ndarray, look: np.ndarray, threshold: float) -> Controls:
        """The controls [T] that fit probabilities [T, 7] and looks [T, 2] in degrees."""
        values = np.zeros((len(look), self.embodiment.control_dim), np.float32)
        values[:, self.columns] = held(probabilities, threshold)
        for k, (spec, part) in enumerate(self.embodiment.columns):
            if spec.name == "look":
                turn = steady(look[:, spec.components.index(part)])
                step = spec.step or 1 / 64
                values[:, k] = np.clip(np.round(turn / step) * step, spec.low, spec.high)
        return Controls(values, (), self.embodiment)


def held(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """bool [T, 7]: keys as held; never two opposite ones, and of keys that act once the likeliest
    tick alone."""
    out = probabilities > threshold
    for a, b in OPPOSITE:
        i, j = KEYS.index(a), KEYS.index(b)
        both = out[:, i] & out[:, j]
        first = probabilities[:, i] >= probabilities[:, j]
        out[both & first, j] = False
        out[both & ~first, i] = False
    for name, apart in PULSES.items():
        k = KEYS.index(name)
        for t in np.argsort(-probabilities[:, k], kind="stable"):
            if out[t, k]:
                near = out[max(0, t - apart + 1):t + apart, k]
                near[:] = False
                out[t, k] = True
    return out


def steady(look: np.ndarray) -> np.ndarray:
    """Readings [T] as stretches of one value each, where they differ by no more than noise: a view
    held still is still, a steady turn is one number. A hand's moves stay as they are."""
    x = look.astype(np.float64) / NOISE
    sums, squares = (np.concatenate([[0.0], np.cumsum(v)]) for v in (x, x * x))
    cost, back = np.zeros(len(x) + 1), np.zeros(len(x) + 1, int)

    def price(a, b):
        """(of a stretch [a, b) at its mean, at 0)"""
        square = squares[b] - squares[a]
        return square - (sums[b] - sums[a]) ** 2 / (b - a), square - AT_REST

    for b in range(1, len(x) + 1):
        a = np.arange(max(0, b - LONGEST), b)
        total = cost[a] + np.minimum(*price(a, b)) + BREAK
        back[b] = a[total.argmin()]
        cost[b] = total.min()
    out, b = np.zeros(len(x)), len(x)
    while b > 0:
        a = back[b]
        mean, rest = price(a, b)
        turn = look[a:b].mean(dtype=np.float64)
        out[a:b] = 0.0 if rest <= mean or abs(turn) < STILL else turn
        b = a
    return out


# ------------------------------------------------------------------ the file
def load_inverse(path: Path, embodiment: Embodiment) -> InverseModel:
    """The inverse dynamics of the checkpoint at `path`; CheckpointError says what is wrong.

    Its file must be of this kind and be trained for a model of the same controls, view and clock.
    """
    beside = companion_path(path, INVERSE)
    if not beside.is_file():
        raise CheckpointError(f"checkpoint {path}: it has no inverse dynamics, which reads "
                              f"controls from clips ({beside.name} beside it)")
    tensors, metadata = read_checkpoint(beside)
    where = f"inverse dynamics {beside}"
    if metadata["kind"] != KIND:
        raise CheckpointError(f"{where}: kind {metadata['kind']!r}; {KIND!r} is accepted")
    own = Embodiment.from_json(metadata["embodiment"])
    for what in ("controls", "tick_rate", "frames_per_tick"):
        if getattr(own, what) != getattr(embodiment, what):
            raise CheckpointError(f"{where}: made for a model of other {what}")
    lens = [(v.width / v.height, v.fov_deg) for v in (own.views[0], embodiment.views[0])]
    if lens[0] != lens[1]:
        raise CheckpointError(f"{where}: made for a view of another aspect or field of view")
    missing = [name for name in KEYS if name not in embodiment.control_names]
    if missing:
        raise CheckpointError(f"{where}: reads {missing[0]}, which this model does not have")
    try:
        network = InverseDynamics(**metadata["config"])
    except TypeError as error:
        raise CheckpointError(f"{where}: its config does not fit this GWM ({error})") from None
    load_into(network, tensors, where)
    return InverseModel(network, embodiment, metadata)


class Lazy:
    """Loads an inverse dynamics at first use, once for all threads."""

    def __init__(self, path: Path | None, embodiment: Embodiment):
        self.path, self.embodiment = path, embodiment
        self._lock = threading.Lock()
        self._model: InverseModel | None = None

    def __call__(self) -> InverseModel:
        with self._lock:
            if self._model is None:
                if self.path is None:
                    raise CheckpointError("inverse dynamics: this model was not read from a file")
                self._model = load_inverse(self.path, self.embodiment)
            return self._model
