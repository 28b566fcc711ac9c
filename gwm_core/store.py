"""Where rollout states are kept: capped in bytes, and rebuilt by replay when one is missing.

A world is light and never owns its state; the state is only an optimisation, since a replay of
the control track gives exactly the same one.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .errors import GWMError, WorldError

if TYPE_CHECKING:
    from .clip import Clip
    from .world import World

Progress = Callable[[int, int, "np.ndarray | None"], None]
FRESH = 4
"""Starting points for rewinding whose gaps hardly grow when the store is full."""


class State(Protocol):
    """The rollout state at one tick, opaque to this library; immutable.

    ``nbytes`` counts what it holds. ``to_arrays`` gives (numpy arrays by name, JSON-able values),
    from which the model's ``state_from_arrays`` rebuilds it exactly. Where states share parts,
    ``buffers()`` may list those parts (objects with ``nbytes``), so that each is counted once.
    """

    nbytes: int

    def to_arrays(self) -> tuple[dict[str, np.ndarray], Any]: ...


@dataclass
class _Entry:
    """A kept state; ``frozen`` is its arrays and meta, which may be smaller than the state."""

    walk: bytes
    tick: int
    sparse: bool
    state: Any = None
    frozen: tuple[dict[str, np.ndarray], Any] | None = None
    freezable: bool = True
    used: int = 0
    buffers: list[Any] = field(default_factory=list)


class StateStore:
    """States by world: thread-safe, least recently used first out, capped in bytes.

    max_bytes  what may be kept in all; the newest state stays even if it alone is larger
    every      states at multiples of this many ticks are kept longer, as starting points for
               rewinding; those of the running walk are thinned, the more the older they are (a
               second back is near at hand however long the walk); of older walks the deepest go
               first. Out of use they are kept as arrays where that is smaller.
    recent     how many other states that no living World stands on are kept at most
    """

    def __init__(self, max_bytes: int = 1 << 30, every: int = 25, recent: int = 8) -> None:
        if max_bytes < 0 or every < 1 or recent < 0:
            raise GWMError("state store: max_bytes and recent from 0, every from 1 are accepted")
        self.max_bytes, self.every, self.recent = int(max_bytes), int(every), int(recent)
        self._lock = threading.RLock()
        self._entries: dict[bytes, _Entry] = {}
        self._holders: dict[bytes, list[weakref.ref[Any]]] = {}
        self._shared: dict[int, list[int]] = {}
        self._bytes = 0
        self._clock = 0

    @property
    def nbytes(self) -> int:
        """Bytes kept; parts that states share are counted once."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: bytes) -> bool:
        return key in self._entries

    def bytes_of(self, key: bytes) -> int:
        """Bytes of one kept state, 0 where it is not kept."""
        with self._lock:
            entry = self._entries.get(key)
            return sum(int(part.nbytes) for part in entry.buffers) if entry else 0

    def ticks(self, walk: bytes) -> list[int]:
        """The ticks of a walk whose states are kept."""
        with self._lock:
            return sorted(entry.tick for entry in self._entries.values() if entry.walk == walk)

    def get(self, key: bytes, thaw: Callable[[dict, Any], Any] | None = None) -> Any:
        """The state kept under a key, or None; ``thaw`` rebuilds one that is kept as arrays."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._touch(entry)
            state, frozen = entry.state, entry.frozen
        if state is not None or frozen is None or thaw is None:
            return state
        state = thaw(*frozen)
        with self._lock:
            if self._entries.get(key) is entry and entry.state is None:
                self._count(entry, -1)
                entry.state, entry.frozen, entry.freezable = state, None, True
                entry.buffers = _buffers(state)
                self._count(entry, 1)
                self._trim(key)
        return state

    def sparse(self, tick: int, block: int = 1) -> bool:
        """Whether the state at this tick is a starting point for rewinding."""
        return (tick // block) % max(1, self.every // block) == 0

    def put(
        self, key: bytes, state: Any, walk: bytes = b"", tick: int = 0, block: int = 1
    ) -> None:
        """Keep a state. ``walk`` names the world's beginning, ``tick`` its depth."""
        entry = _Entry(walk, tick, self.sparse(tick, block), state, buffers=_buffers(state))
        with self._lock:
            self._drop(key)
            self._entries[key] = entry
            self._touch(entry)
            self._count(entry, 1)
            self._trim(key)

    def hold(self, key: bytes, owner: Any) -> None:
        """While ``owner`` lives, the state under ``key`` is among the last to go."""
        with self._lock:
            held = self._holders.setdefault(key, [])
            held[:] = [ref for ref in held if ref() is not None]
            held.append(weakref.ref(owner))
            if len(self._holders) > 2 * len(self._entries) + 256:
                self._holders = {
                    k: refs for k, refs in self._holders.items() if any(r() for r in refs)
                }

    def resize(self, max_bytes: int) -> None:
        """Change the cap, dropping what no longer fits."""
        with self._lock:
            self.max_bytes = int(max_bytes)
            self._trim(None)

    def clear(self) -> None:
        """Forget every state; worlds stay valid and are replayed when needed."""
        with self._lock:
            self._entries.clear()
            self._shared.clear()
            self._bytes = 0

    def state(self, world: World, progress: Progress | None = None) -> Any:
        """The state of a world: kept, or replayed from its nearest kept ancestor.

        ``progress(done, total, None)`` is called after each replayed tick and may raise to stop.
        """
        state = self.get(world.store_key(), world.model.state_from_arrays)
        if state is not None:
            return state
        model, track, block = world.model, world.track, world.embodiment.block_ticks
        keys = world.chain()
        state, start = None, 0
        for tick in range(world.tick - block, -1, -block):
            state = self.get(keys[tick], model.state_from_arrays)
            if state is not None:
                start = tick
                break
        if state is None:
            state = model.start(world.prompt, world.observation, world.seed)
            _check_state(state)
            self.put(keys[0], state, keys[0], 0)
        for tick in range(start, world.tick, block):
            part = block_of(track, tick, block)
            state = advance(model, state, part)[0]
            now = tick + block
            if self.sparse(now, block) or now == world.tick:
                self.put(keys[now], state, keys[0], now, block)
            if progress is not None:
                progress(now - start, world.tick - start, None)
        return state

    def _touch(self, entry: _Entry) -> None:
        self._clock += 1
        entry.used = self._clock

    def _count(self, entry: _Entry, sign: int) -> None:
        """Add or remove an entry's parts; shared ones count with the first and last entry."""
        for part in entry.buffers:
            if sign > 0:
                known = self._shared.setdefault(id(part), [0, int(part.nbytes)])
                self._bytes += known[1] if known[0] == 0 else 0
                known[0] += 1
            else:
                known = self._shared[id(part)]
                known[0] -= 1
                if known[0] == 0:
                    self._bytes -= known[1]
                    del self._shared[id(part)]

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._count(entry, -1)

    def _held(self, key: bytes) -> bool:
        return any(ref() is not None for ref in self._holders.get(key, ()))

    def _trim(self, newest: bytes | None) -> None:
        """Drop the least useful states until count and bytes fit; ``newest`` stays."""
        loose = [k for k in self._entries if k != newest and not self._held(k)]
        sparse = [k for k in loose if self._entries[k].sparse]
        passing = sorted(set(loose) - set(sparse), key=lambda k: self._entries[k].used)
        while passing and (len(passing) > self.recent or self._bytes > self.max_bytes):
            self._drop(passing.pop(0))
        if self._bytes <= self.max_bytes:
            return
        for key in sorted(sparse, key=lambda k: self._entries[k].used):
            self._freeze(self._entries[key])
            if self._bytes <= self.max_bytes:
                return
        while sparse and self._bytes > self.max_bytes:
            victim = self._least_useful(sparse, newest)
            sparse.remove(victim)
            self._drop(victim)
        rest = sorted((k for k in self._entries if k != newest), key=self._last_use)
        while rest and self._bytes > self.max_bytes:
            self._drop(rest.pop(0))

    def _last_use(self, key: bytes) -> int:
        return self._entries[key].used

    def _freeze(self, entry: _Entry) -> None:
        """Keep a state as its arrays if that frees memory, shared parts considered."""
        if entry.state is None or not entry.freezable:
            return
        arrays, meta = entry.state.to_arrays()
        added = sum(int(a.nbytes) for a in arrays.values() if id(a) not in self._shared)
        freed = sum(int(p.nbytes) for p in entry.buffers if self._shared[id(p)][0] == 1)
        entry.freezable = False
        if added < 0.9 * freed:
            self._count(entry, -1)
            entry.state, entry.frozen = None, (arrays, meta)
            entry.buffers = list(arrays.values())
            self._count(entry, 1)

    def _least_useful(self, sparse: list[bytes], newest: bytes | None) -> bytes:
        """Of old walks the deepest; of the running one that whose loss widens the gaps least,
        where gaps may grow with the square root of their age."""
        last: dict[bytes, int] = {}
        for entry in self._entries.values():
            last[entry.walk] = max(last.get(entry.walk, 0), entry.used)
        current = self._entries[newest].walk if newest in self._entries else None
        others = [k for k in sparse if self._entries[k].walk != current]
        if others:
            oldest = min((self._entries[k].walk for k in others), key=lambda walk: last[walk])
            walk = [k for k in others if self._entries[k].walk == oldest]
            return max(walk, key=lambda k: self._entries[k].tick)
        ticks = sorted(e.tick for e in self._entries.values() if e.walk == current)
        now = self._entries[newest].tick if newest in self._entries else 0

        def gap(key: bytes) -> tuple[float, int]:
            tick = self._entries[key].tick
            below = max((t for t in ticks if t < tick), default=0)
            above = min((t for t in ticks if t > tick), default=tick + self.every)
            same = ticks.count(tick) > 1
            young = FRESH * self.every / (FRESH * self.every + abs(now - tick))
            return (0.0 if same else (above - below) * young**0.5, self._entries[key].used)

        return min(sparse, key=gap)


class ClipStore:
    """Clips of single blocks of ticks by world key, capped in bytes; the oldest used go first."""

    def __init__(self, max_bytes: int = 256 << 20) -> None:
        self.max_bytes = int(max_bytes)
        self._lock = threading.Lock()
        self._clips: OrderedDict[bytes, Clip] = OrderedDict()
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes kept."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._clips)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: bytes) -> bool:
        return key in self._clips

    def get(self, key: bytes) -> Clip | None:
        """The clip that ends in the world of this key, or None."""
        with self._lock:
            clip = self._clips.get(key)
            if clip is not None:
                self._clips.move_to_end(key)
            return clip

    def put(self, key: bytes, clip: Clip) -> None:
        """Keep a clip if it fits at all."""
        with self._lock:
            old = self._clips.pop(key, None)
            self._bytes -= old.nbytes if old is not None else 0
            if clip.nbytes > self.max_bytes:
                return
            self._clips[key] = clip
            self._bytes += clip.nbytes
            while self._bytes > self.max_bytes:
                _, dropped = self._clips.popitem(last=False)
                self._bytes -= dropped.nbytes

    def clear(self) -> None:
        """Forget every clip."""
        with self._lock:
            self._clips.clear()
            self._bytes = 0


def block_of(track: Any, tick: int, block: int) -> Any:
    """The controls of one block of ticks; events after its last tick belong to the next block."""
    part = track[tick : tick + block]
    return part.without_pending()


def advance(model: Any, state: Any, part: Any) -> tuple[Any, Clip]:
    """One block of ticks of a model, checked."""
    state, clip = model.advance(state, part, part.events)
    _check_state(state)
    if len(clip) != len(part):
        raise WorldError(f"the model gave a clip of {len(clip)} ticks for {len(part)} ticks")
    return state, clip


def _check_state(state: Any) -> None:
    if state is None:
        raise WorldError("the model gave no state")


def _buffers(state: Any) -> list[Any]:
    """The parts of a state that are counted: what it lists, or itself."""
    listed = getattr(state, "buffers", None)
    return list(listed()) if callable(listed) else [state]


_default = StateStore()


def default_store() -> StateStore:
    """The store of every model that has none of its own."""
    return _default
