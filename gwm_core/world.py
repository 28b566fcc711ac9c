"""Worlds as immutable values: stepping one gives a new one and leaves the old one as it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from .clip import Clip, ClipWriter
from .controls import Controls
from .embodiment import Embodiment
from .errors import WorldError
from .noise import check_seed
from .observation import Observation
from .store import ClipStore, Progress, State, StateStore, advance, block_of, default_store

MAX_PROMPT_CHARS = 4000


class WorldModel(Protocol):
    """What a model must offer to make worlds. All of it is a pure function of its arguments.

    A model may also have ``store`` (its own StateStore) and ``variant`` (a text that tells apart
    states which are not exchangeable: device, dtype, threads).
    """

    name: str
    fingerprint: str
    embodiment: Embodiment

    def start(self, prompt: str, observation: Observation, seed: int) -> State:
        """The state at tick 0."""

    def advance(
        self, state: State, controls: Controls, events: tuple[tuple[int, str], ...]
    ) -> tuple[State, Clip]:
        """One block of ticks (``embodiment.block_ticks``); events as (tick in the block, text).

        The old state stays valid. The clip holds exactly these ticks; its ``info`` may hold
        ``poses``, float64 [F, 5], which then become the world's path.
        """

    def state_from_arrays(self, arrays: dict[str, np.ndarray], meta: Any) -> State:
        """The state that ``to_arrays`` described; it must go on exactly as the original would.

        ValueError, KeyError or TypeError for arrays and meta that do not fit.
        """


def extend_key(key: bytes, controls: Controls) -> list[bytes]:
    """World keys after each tick of ``controls``, beginning in the world of ``key``.

    Events count with the tick they precede, so those after the last tick are in no key.
    """
    keys, events = [], {}
    for tick, text in controls.events:
        events.setdefault(tick, []).append(text)
    rows = np.ascontiguousarray(controls.values, "<f4")
    for tick in range(len(controls)):
        said = json.dumps(events[tick]).encode() if tick in events else b""
        head = len(said).to_bytes(4, "little")
        key = hashlib.sha256(key + head + said + rows[tick].tobytes()).digest()
        keys.append(key)
    return keys


@dataclass(frozen=True, eq=False)
class World:
    """A world at one tick. Make one with a model's ``new_world`` or with ``World.begin``.

    prompt, seed, observation  how it began
    track      every control and event so far; ``tick`` is its length
    path       camera poses float64 [1 + frames, 5] from the first picture on; [0, 5] where the
               model tells none
    last_hash  sha256 (hex) of the last frame, "" where it is not known
    state_key  what the rollout state is filed under
    seen       its last block of ticks, where a file has brought it: to show it takes no replay

    Two worlds are equal when fingerprint, prompt, observation, seed and track are.
    """

    model: Any = field(repr=False)
    prompt: str
    seed: int
    observation: Observation = field(repr=False)
    track: Controls
    path: np.ndarray = field(repr=False)
    last_hash: str = ""
    state_key: bytes = field(default=b"", repr=False)
    seen: Clip | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.state_key:
            object.__setattr__(self, "state_key", self._chain()[-1])
        self.store.hold(self.store_key(), self)

    @classmethod
    def begin(cls, model: WorldModel, prompt: str, observation: Observation, seed: int) -> World:
        """The world at tick 0; WorldError for a prompt, observation or seed that does not fit."""
        check_prompt(prompt)
        observation.check(model.embodiment)
        pose = observation.info.get("pose")
        path = np.zeros((0, 5))
        if pose is not None:
            path = np.array(pose, np.float64).reshape(1, -1)
            if path.shape != (1, 5) or not np.isfinite(path).all():
                raise WorldError(f"first observation: pose {pose}; x, y, z, yaw, pitch are needed")
        path.flags.writeable = False
        track = Controls.idle(0, model.embodiment)
        return cls(model, prompt, check_seed(seed), observation, track, path)

    @property
    def tick(self) -> int:
        """Ticks so far; 0 is the first picture."""
        return len(self.track)

    @property
    def fingerprint(self) -> str:
        """The model's fingerprint."""
        return self.model.fingerprint

    @property
    def embodiment(self) -> Embodiment:
        return self.model.embodiment

    @property
    def understood(self) -> tuple[str, ...]:
        """Words of the prompt that the model knows."""
        return tuple(self.observation.info.get("understood", ()))

    @property
    def ignored(self) -> tuple[str, ...]:
        """Words of the prompt that the model does not know."""
        return tuple(self.observation.info.get("ignored", ()))

    @property
    def store(self) -> StateStore:
        """Where states of this world are kept."""
        own = getattr(self.model, "store", None)
        return default_store() if own is None else own

    @cached_property
    def start_key(self) -> bytes:
        """What the state at tick 0 is filed under."""
        began = [
            "gwm-world-1", self.fingerprint, self.embodiment.name, self.prompt, self.seed,
            self.observation.hash,
        ]
        return hashlib.sha256(json.dumps(began).encode()).digest()

    @cached_property
    def key(self) -> str:
        """sha256 (hex) over fingerprint, prompt, observation, seed and track."""
        if not self.track.pending:
            return self.state_key.hex()
        said = json.dumps(self.track.pending).encode()
        return hashlib.sha256(self.state_key + b"then" + said).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, World) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def _chain(self) -> list[bytes]:
        return [self.start_key, *extend_key(self.start_key, self.track)]

    def _stored(self, key: bytes) -> bytes:
        return str(getattr(self.model, "variant", "")).encode() + b"/" + key

    def store_key(self) -> bytes:
        """The key in the store, where states of another device or dtype are told apart."""
        return self._stored(self.state_key)

    def chain(self) -> list[bytes]:
        """Store keys of this world at every tick from 0 on."""
        return [self._stored(key) for key in self._chain()]

    def state(self, progress: Progress | None = None) -> State:
        """The rollout state; replayed from the nearest kept ancestor where it was dropped."""
        return self.store.state(self, progress)

    def get_ram_usage(self) -> int:
        """Bytes of memory held for this world, for ComfyUI's caches."""
        light = self.observation.nbytes + self.track.nbytes + self.path.nbytes
        return light + self.store.bytes_of(self.store_key())

    def with_event(self, text: str) -> World:
        """The same moment, where ``text`` happens before the next tick."""
        return replace(self, track=self.track.with_event(text))

    def rewind(self, tick: int) -> World:
        """This world as it was after ``tick`` ticks, without events that waited there.

        WorldError unless 0 <= tick <= self.tick, at a whole block of the model.
        """
        block = self.embodiment.block_ticks
        if isinstance(tick, bool) or not isinstance(tick, (int, np.integer)):
            raise WorldError(f"rewind: got {tick!r}; a whole tick is accepted")
        if not 0 <= tick <= self.tick or tick % block:
            steps = f" in steps of {block}" if block > 1 else ""
            raise WorldError(f"rewind to tick {tick}: 0 to {self.tick}{steps} are accepted")
        tick = int(tick)
        track = self.track[:tick].without_pending()
        if tick == self.tick:
            return replace(self, track=track) if self.track.pending else self
        frames = 1 + tick * self.embodiment.frames_per_tick
        whole = len(self.path) == 1 + self.tick * self.embodiment.frames_per_tick
        path = self.path[:frames] if whole else np.zeros((0, 5))
        return replace(self, track=track, path=path, last_hash="", state_key=b"", seen=None)

    def step(
        self,
        controls: Controls | str,
        progress: Progress | None = None,
        clips: ClipStore | None = None,
    ) -> tuple[World, Clip]:
        """Play controls (or control text): the world afterwards, and what was seen and heard.

        ``progress(done, total, frame)`` is called after every tick, with the newest frame uint8
        [H, W, 3] of the first view, or None for a tick that had to be replayed; raising in it
        cancels. ``clips`` holds ticks made before, which are then not made again. Events after
        the last tick wait in the new world.
        """
        controls = self._whole_blocks(Controls.of(controls, self.embodiment))
        block = self.embodiment.block_ticks
        todo = self._with_pending(controls)
        keys = [self.state_key, *extend_key(self.state_key, todo)]
        writer, walk = ClipWriter(len(todo)), self._stored(self.start_key)
        view = self.embodiment.views[0].name
        state = None
        for tick in range(0, len(todo), block):
            now = tick + block
            part = block_of(todo, tick, block)
            clip = clips.get(self._stored(keys[now])) if clips is not None else None
            if clip is not None:
                state = None
            else:
                if state is None:
                    here = self._after(block_of(controls, 0, tick), keys[tick])
                    state = here.state(_replaying(progress, len(todo)))
                state, clip = advance(self.model, state, part)
                if now == len(todo) or self.store.sparse(self.tick + now, block):
                    self.store.put(
                        self._stored(keys[now]), state, walk, self.tick + now, block
                    )
                if clips is not None:
                    clips.put(self._stored(keys[now]), clip)
            writer.add(clip)
            if progress is not None:
                progress(now, len(todo), clip.frames[view][-1])
        clip = writer.clip() if len(todo) else Clip.empty(self.embodiment)
        return self._after(controls, keys[-1], clip), clip

    def after(self, controls: Controls | str) -> World:
        """The world after controls, without making the ticks now.

        Its state is replayed when it is needed; path and last_hash are not known.
        """
        controls = self._whole_blocks(Controls.of(controls, self.embodiment))
        keys = [self.state_key, *extend_key(self.state_key, self._with_pending(controls))]
        return self._after(controls, keys[-1])

    def _after(self, controls: Controls, key: bytes, clip: Clip | None = None) -> World:
        """This world after controls whose last key is known."""
        track = self.track.concat(controls)
        if not len(controls):
            return replace(self, track=track) if controls.events else self
        path, last = np.zeros((0, 5)), ""
        if clip is not None:
            last = clip.last_frame_hash()
            if len(self.path) and "poses" in clip.info:
                poses = np.asarray(clip.info["poses"], np.float64)
                path = np.concatenate([self.path, poses])
        path.flags.writeable = False
        return replace(self, track=track, path=path, last_hash=last, state_key=key, seen=None)

    def _with_pending(self, controls: Controls) -> Controls:
        """Controls with the events that wait in this world put before their first tick."""
        waiting = [(0, text) for text in self.track.pending]
        return Controls(controls.values, [*waiting, *controls.events], controls.embodiment)

    def _whole_blocks(self, controls: Controls) -> Controls:
        block = self.embodiment.block_ticks
        if len(controls) % block:
            fits = len(controls) // block * block
            raise WorldError(
                f"controls: {len(controls)} ticks; this model makes {block} at once, so "
                f"{fits or ''}{' or ' if fits else ''}{fits + block} ticks are accepted"
            )
        return controls

    def branch(
        self,
        tracks: Sequence[Controls | str],
        progress: Progress | None = None,
        clips: ClipStore | None = None,
    ) -> tuple[tuple[World, ...], tuple[Clip, ...]]:
        """Play several controls from here; the worlds and clips in the same order."""
        todo = [Controls.of(track, self.embodiment) for track in tracks]
        total, before, worlds, seen = sum(len(track) for track in todo), 0, [], []
        for track in todo:
            world, clip = self.step(track, _shifted(progress, before, total), clips)
            before += len(track)
            worlds.append(world)
            seen.append(clip)
        return tuple(worlds), tuple(seen)

    def first_clip(self) -> Clip:
        """The first picture as a clip of no ticks and one frame (``lead`` is 1).

        An empty clip where the world began without a picture.
        """
        empty = Clip.empty(self.embodiment, depth=False)
        first = self.observation
        if not first.frames:
            return empty
        return replace(
            empty,
            frames={view.name: first.frames[view.name][None] for view in self.embodiment.views},
            depth={name: array[None] for name, array in first.depth.items()},
            info={"poses": self.path[:1]} if len(self.path) else {},
            lead=1,
        )

    def last_clip(self, progress: Progress | None = None) -> Clip:
        """What is seen now: the last block of ticks, made again, or the first picture."""
        block = self.embodiment.block_ticks
        if self.tick == 0:
            return self.first_clip()
        if self.seen is not None:
            return self.seen
        before = self.rewind(self.tick - block)
        return advance(
            self.model, before.state(progress), block_of(self.track, before.tick, block)
        )[1]

    def save(self, path: Any, progress: Progress | None = None) -> None:
        """Write the world to one file, all or nothing; see ``world_file``."""
        from .world_file import save_world

        save_world(self, path, progress)


def check_prompt(prompt: object) -> str:
    """The prompt, or WorldError: a text of at most MAX_PROMPT_CHARS characters."""
    if not isinstance(prompt, str):
        raise WorldError(f"prompt: got {type(prompt).__name__}; a text is accepted")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise WorldError(
            f"prompt: {len(prompt)} characters; up to {MAX_PROMPT_CHARS} are accepted"
        )
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError:
        raise WorldError("prompt: it holds half a character") from None
    return prompt


def _replaying(progress: Progress | None, total: int) -> Progress | None:
    """Progress of a replay before the step itself: it can cancel, the bar stays at 0."""
    if progress is None:
        return None
    return lambda done, all_of_it, frame: progress(0, total, None)


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _, frame: progress(before + done, total, frame)


def load_world(
    path: Any, model: Any = None, loader: Callable[[str], Any] | None = None
) -> World:
    """Read a world file; see ``world_file.load_world``."""
    from .world_file import load_world as load

    return load(path, model, loader)

