"""Clips: what a step of a world returns, frames and sound of some ticks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .controls import Controls
from .embodiment import Embodiment
from .errors import ClipError


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames, depth and sound of T ticks, and the controls that made them.

    frames       view name -> uint8 [F, H, W, 3], F frames in all
    depth        view name -> float32 [F, H, W], z-depth in metres; {} for models without depth
    audio        float32 [C, N] in -1..1, N samples in all; N = 0 for models without sound
    sample_rate  samples per second, 0 without sound
    fps          frames per second
    controls     the T ticks that made it
    info         what else the model tells, one entry per frame or tick: arrays and lists whose
                 first side is F ("per frame") or T are sliced and joined with the clip under the
                 names in ``FRAME_INFO`` and ``TICK_INFO``; other entries of the first part stay
    first        frames of the first tick, for models that make fewer there; None = as every tick
    lead         frames before the first tick: 1 where a world's first picture is included; they
                 have no sound
    """

    frames: dict[str, np.ndarray]
    depth: dict[str, np.ndarray]
    audio: np.ndarray
    sample_rate: int
    fps: float
    controls: Controls
    info: dict[str, Any] = field(default_factory=dict)
    first: int | None = None
    lead: int = 0

    #: entries of ``info`` with one row per frame: camera poses float64 [F, 5] per view, …
    FRAME_INFO = ("poses", "covered", "unseen")
    #: entries of ``info`` with one row per tick
    TICK_INFO = ("ticks", "seconds", "imagined")

    def __post_init__(self) -> None:
        body = self.controls.embodiment
        count = self.frame_count
        if not self.frames:
            raise ClipError("clip: no view given")
        for what, kind, sides, views in (
            ("frames", np.uint8, 4, self.frames), ("depth", np.float32, 3, self.depth),
        ):
            for name, array in views.items():
                wrong = not isinstance(array, np.ndarray) or array.dtype != kind
                if wrong or array.ndim != sides or (sides == 4 and array.shape[3] != 3):
                    raise ClipError(
                        f"clip: {what} of {name!r} must be {kind.__name__} "
                        f"[F, H, W{', 3' if sides == 4 else ''}], got {_describe(array)}"
                    )
                if len(array) != count:
                    raise ClipError(
                        f"clip: {len(array)} {what} of {name!r} for {len(self)} ticks; "
                        f"{count} are needed ({body.frames_per_tick} a tick)"
                    )
                if name not in self.frames or self.frames[name].shape[:3] != array.shape[:3]:
                    raise ClipError(f"clip: depth of {name!r} has no frames of its size")
        audio = self.audio
        if not isinstance(audio, np.ndarray) or audio.dtype != np.float32 or audio.ndim != 2:
            raise ClipError(f"clip: audio must be float32 [C, N], got {_describe(audio)}")
        if audio.shape[1] not in (0, self._samples(len(self))):
            raise ClipError(
                f"clip: {audio.shape[1]} samples for {len(self)} ticks; "
                f"{self._samples(len(self))} are needed, or none"
            )
        if audio.size and not np.isfinite(audio).all():
            raise ClipError("clip: the sound holds NaN or infinity")

    def __len__(self) -> int:
        """Number of ticks."""
        return len(self.controls)

    @property
    def embodiment(self) -> Embodiment:
        return self.controls.embodiment

    @property
    def frame_count(self) -> int:
        """Frames of each view."""
        return self._frames(len(self))

    @property
    def seconds(self) -> float:
        """Playing time."""
        return self.frame_count / self.fps

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        told = (value for value in self.info.values() if isinstance(value, np.ndarray))
        arrays = [*self.frames.values(), *self.depth.values(), self.audio, *told]
        return sum(array.nbytes for array in arrays) + self.controls.nbytes

    def _frames(self, tick: int) -> int:
        """Frames before the end of ``tick`` ticks, the lead included."""
        count = self.lead + tick * self.embodiment.frames_per_tick
        if self.first is not None and tick > 0:
            count += self.first - self.embodiment.frames_per_tick
        return count

    def _samples(self, tick: int) -> int:
        """Samples before a tick."""
        if self.sample_rate == 0:
            return 0
        return round((self._frames(tick) - self.lead) * self.sample_rate / self.fps)

    def __getitem__(self, index: slice) -> Clip:
        """Ticks [a:b] of the clip, as views of its arrays."""
        if not isinstance(index, slice) or index.step not in (None, 1):
            raise ClipError("clip: only slices of whole ticks, as in clip[4:12]")
        start, stop, _ = index.indices(len(self))
        stop = max(start, stop)
        begins = start == 0 and (stop > 0 or not len(self))
        cut = slice(0 if begins else self._frames(start), self._frames(stop))
        info = {}
        for name, value in self.info.items():
            if name in self.FRAME_INFO:
                info[name] = _each(value, lambda rows: rows[cut])
            elif name in self.TICK_INFO:
                info[name] = _each(value, lambda rows: rows[start:stop])
            else:
                info[name] = value
        return replace(
            self,
            frames={name: array[cut] for name, array in self.frames.items()},
            depth={name: array[cut] for name, array in self.depth.items()},
            audio=self.audio[:, self._samples(start) : self._samples(stop)]
            if self.audio.shape[1] else self.audio,
            controls=self.controls[start:stop],
            info=info,
            first=self.first if begins else None,
            lead=self.lead if begins else 0,
        )

    def hash(self) -> str:
        """sha256 (hex) of frames, depth, sound and rates: equal for bit-equal clips only."""
        digest = hashlib.sha256()
        for kind, views in (("frames", self.frames), ("depth", self.depth)):
            for name in sorted(views):
                _feed(digest, f"{kind}.{name}", views[name])
        _feed(digest, "audio", self.audio)
        digest.update(json.dumps([self.sample_rate, float(self.fps)]).encode())
        return digest.hexdigest()

    def last_frame_hash(self) -> str:
        """sha256 (hex) of the last frame of every view, "" for a clip of no ticks."""
        if not self.frame_count:
            return ""
        digest = hashlib.sha256()
        for name in sorted(self.frames):
            _feed(digest, name, self.frames[name][-1])
        return digest.hexdigest()

    @classmethod
    def empty(cls, embodiment: Embodiment, depth: bool = True) -> Clip:
        """A clip of no ticks."""
        channels = embodiment.extra.get("channels", 1)
        shapes = {view.name: (0, view.height, view.width) for view in embodiment.views}
        return cls(
            {name: np.zeros((*shape, 3), np.uint8) for name, shape in shapes.items()},
            {name: np.zeros(shape, np.float32) for name, shape in shapes.items()} if depth else {},
            np.zeros((channels, 0), np.float32),
            embodiment.sample_rate,
            embodiment.fps,
            Controls.idle(0, embodiment),
        )

    @classmethod
    def concat(cls, clips: Iterable[Clip]) -> Clip:
        """Clips one after another; ClipError names what differs between them."""
        given = list(clips)
        parts = [clip for clip in given if clip.frame_count] or given[:1]
        if not parts:
            raise ClipError("clip: nothing to join")
        if len(parts) == 1:
            return parts[0]
        writer = ClipWriter(sum(len(part) for part in parts))
        for part in parts:
            writer.add(part)
        return writer.clip()


class ClipWriter:
    """Collects clips into arrays of their final size, so that a long clip is held only once.

    Add clips of ``ticks`` ticks in all, then take ``clip()``.
    """

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks
        self.done = 0
        self.head: Clip | None = None
        self.infos: list[dict[str, Any]] = []
        self.controls: list[Controls] = []

    def _begin(self, head: Clip) -> None:
        self.head = head
        count = head._frames(self.ticks)
        self.frames = {n: np.empty((count, *a.shape[1:]), a.dtype) for n, a in head.frames.items()}
        self.depth = {n: np.empty((count, *a.shape[1:]), a.dtype) for n, a in head.depth.items()}
        self.audio: np.ndarray | None = None

    def add(self, part: Clip) -> None:
        """The next ticks; ClipError where they do not fit what came before."""
        if self.head is None:
            self._begin(part)
        head = self.head
        for what, mine, other in (
            ("fps", head.fps, part.fps),
            ("sample_rate", head.sample_rate, part.sample_rate),
            ("views", _shapes(head.frames), _shapes(part.frames)),
            ("depth", _shapes(head.depth), _shapes(part.depth)),
            ("sound channels", head.audio.shape[0], part.audio.shape[0]),
        ):
            if mine != other:
                raise ClipError(f"clip: cannot join, {what} differ: {mine} and {other}")
        if part is not head and (part.first is not None or part.lead):
            raise ClipError("clip: cannot join, a later part holds the world's first picture")
        if self.done + len(part) > self.ticks:
            raise ClipError(f"clip: cannot join, more than the {self.ticks} ticks announced")
        start = 0 if part is head else head._frames(self.done)
        for name, array in part.frames.items():
            self.frames[name][start : start + len(array)] = array
        for name, array in part.depth.items():
            self.depth[name][start : start + len(array)] = array
        if len(part):
            self._add_sound(part)
        self.done += len(part)
        self.infos.append(part.info)
        self.controls.append(part.controls)

    def _add_sound(self, part: Clip) -> None:
        """The sound of a part that has ticks; a first picture alone has none to compare."""
        samples = part.audio.shape[1]
        if self.audio is None:
            total = self.head._samples(self.ticks) if samples else 0
            self.audio = np.empty((part.audio.shape[0], total), np.float32)
        start = self.head._samples(self.done)
        if bool(samples) != bool(self.audio.shape[1]):
            raise ClipError("clip: cannot join, one part has sound and another has none")
        self.audio[:, start : start + samples] = part.audio

    def clip(self) -> Clip:
        """All of it as one clip."""
        if self.head is None or self.done != self.ticks:
            raise ClipError(f"clip: {self.done} of {self.ticks} ticks were given")
        info = dict(self.infos[0])
        for name in (*Clip.FRAME_INFO, *Clip.TICK_INFO):
            if name in info:
                if all(name in other for other in self.infos):
                    info[name] = _join([other[name] for other in self.infos])
                else:
                    del info[name]
        controls = self.controls[0].concat(*self.controls[1:])
        head = self.head
        audio = head.audio if self.audio is None else self.audio
        return replace(
            head, frames=self.frames, depth=self.depth, audio=audio, controls=controls, info=info
        )


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return type(value).__name__


def _shapes(views: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape[1:] for name, array in views.items()}


def _feed(digest: Any, name: str, array: np.ndarray) -> None:
    digest.update(json.dumps([name, array.dtype.str, list(array.shape)]).encode())
    if array.size:
        digest.update(memoryview(np.ascontiguousarray(array).reshape(-1)).cast("B"))


def _each(value: Any, change: Any) -> Any:
    """Apply to a row-wise value, or to every value of a dict of them (one per view)."""
    if isinstance(value, dict):
        return {name: change(rows) for name, rows in value.items()}
    return change(value)


def _join(values: list[Any]) -> Any:
    head = values[0]
    if isinstance(head, dict):
        return {name: _join([value[name] for value in values]) for name in head}
    if isinstance(head, np.ndarray):
        return np.concatenate(values)
    return [row for value in values for row in value]
