"""The key/value history of a rollout as an immutable value, and the workspace that reads it.

A ``Cache`` is a tuple of per-tick slots that are never written again: a new tick makes a new tuple
that shares all other slots with the old one, so that branching and rewinding cost one slot.
Attention wants one contiguous buffer; a ``Workspace`` mirrors the slots of the cache it last saw
and copies only those that changed (one a tick in a straight run).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cache:
    """Keys and values of the prompt and of at most ``capacity`` past ticks.

    ``prompt``: [layers, 2, B, P, heads, head_dim]. ``slots``: (tick, tensor [layers, 2, B, N,
    heads, head_dim]) with rising ticks. ``next_tick``: the tick that comes next.
    """

    prompt: Tensor
    slots: tuple[tuple[int, Tensor], ...] = ()
    capacity: int = 15
    next_tick: int = 0

    @property
    def batch(self) -> int:
        return self.prompt.shape[2]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors (slots shared with other caches counted in full)."""
        tensors = [self.prompt, *(slot for _, slot in self.slots)]
        return sum(t.numel() * t.element_size() for t in tensors)

    def tensors(self) -> list[Tensor]:
        """Every tensor of the value; shared ones are the same objects in other caches."""
        return [self.prompt, *(slot for _, slot in self.slots)]

    def committed(self, tick: int, slot: Tensor) -> Cache:
        """A new cache in which ``tick`` is the newest; the oldest beyond the capacity drops."""
        slots = (*self.slots, (tick, slot))[-self.capacity :] if self.capacity else ()
        return replace(self, slots=slots, next_tick=tick + 1)

    def positions(self) -> list[int]:
        """Ring index of each slot: fixed by the tick once full, so equal values give equal bits."""
        if len(self.slots) < self.capacity:
            return list(range(len(self.slots)))
        return [tick % self.capacity for tick, _ in self.slots]

    def to_tensors(self, prefix: str = "cache.") -> dict[str, Tensor]:
        """Flat tensors for a file; ``from_tensors`` restores the same value."""
        out = {
            f"{prefix}prompt": self.prompt.contiguous(),
            f"{prefix}meta": torch.tensor([self.capacity, self.next_tick], dtype=torch.int64),
        }
        for tick, slot in self.slots:
            out[f"{prefix}slot.{tick}"] = slot.contiguous()
        return out

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], prefix: str = "cache.") -> Cache:
        """Raises ValueError that names a missing tensor."""
        for name in ("prompt", "meta"):
            if prefix + name not in tensors:
                raise ValueError(f"cache: tensor {prefix + name!r} is missing")
        capacity, next_tick = (int(v) for v in tensors[f"{prefix}meta"])
        head = f"{prefix}slot."
        slots = sorted(
            ((int(n[len(head) :]), v) for n, v in tensors.items() if n.startswith(head)),
            key=lambda item: item[0],
        )
        return cls(tensors[f"{prefix}prompt"], tuple(slots), capacity, next_tick)

    def to(self, device=None, dtype=None) -> Cache:
        """The same value on another device or in another dtype."""
        slots = tuple((t, s.to(device=device, dtype=dtype)) for t, s in self.slots)
        return replace(self, prompt=self.prompt.to(device=device, dtype=dtype), slots=slots)

    def expand(self, batch: int) -> Cache:
        """``batch`` equal branches of a cache of batch 1 (no memory is copied)."""
        if self.batch != 1:
            raise ValueError(f"cache: only a batch of 1 can be branched, got {self.batch}")

        def grow(t: Tensor) -> Tensor:
            return t.expand(-1, -1, batch, -1, -1, -1)

        slots = tuple((tick, grow(slot)) for tick, slot in self.slots)
        return replace(self, prompt=grow(self.prompt), slots=slots)

    @staticmethod
    def stack(caches: Sequence[Cache]) -> Cache:
        """One batched cache of several at the same tick, with prompts of one length."""
        first = caches[0]
        ticks = [[t for t, _ in c.slots] for c in caches]
        if any(t != ticks[0] or c.next_tick != first.next_tick
               for t, c in zip(ticks, caches, strict=True)):
            raise ValueError("cache: only caches at the same tick can be stacked")
        if any(c.prompt.shape[3] != first.prompt.shape[3] for c in caches):
            raise ValueError("cache: only caches with prompts of one length can be stacked")
        slots = tuple(
            (tick, torch.cat([c.slots[i][1] for c in caches], dim=2))
            for i, tick in enumerate(ticks[0])
        )
        return replace(first, prompt=torch.cat([c.prompt for c in caches], dim=2), slots=slots)

    def split(self) -> list[Cache]:
        """One cache of batch 1 for each branch (own memory, so that each can be freed alone)."""
        return [
            replace(
                self,
                prompt=self.prompt[:, :, b : b + 1].clone(),
                slots=tuple((t, s[:, :, b : b + 1].clone()) for t, s in self.slots),
            )
            for b in range(self.batch)
        ]


class Workspace:
    """One contiguous key/value buffer: [current tick | prompt | ring of past ticks].

    The current tick is aligned to the right of its region, so that whatever is visible is always
    one slice. Only the thread that holds the pool's lock touches it.
    """

    def __init__(self, like: Tensor, tokens: int, capacity: int) -> None:
        layers, two, batch, prompt, heads, head_dim = like.shape
        self.tokens, self.capacity, self.prompt_len = tokens, capacity, prompt
        rows = tokens + prompt + capacity * tokens
        self.kv = torch.zeros(
            layers, two, batch, rows, heads, head_dim, dtype=like.dtype, device=like.device
        )
        self.key = (tuple(like.shape), like.dtype, like.device, tokens, capacity)
        self.prompt: Tensor | None = None
        self.mirror: list[Tensor | None] = [None] * capacity
        self.used = 0

    def score(self, cache: Cache) -> int:
        """How many of the cache's slots are already in place."""
        places = zip(cache.positions(), cache.slots, strict=True)
        return (self.prompt is cache.prompt) + sum(
            self.mirror[p] is slot for p, (_, slot) in places
        )

    def load(self, cache: Cache) -> None:
        """Mirror ``cache``, copying only what is not in place."""
        if self.prompt is not cache.prompt:
            self.kv[:, :, :, self.tokens : self.tokens + self.prompt_len] = cache.prompt
            self.prompt = cache.prompt
        for place, (_, slot) in zip(cache.positions(), cache.slots, strict=True):
            if self.mirror[place] is not slot:
                self.ring(place).copy_(slot)
                self.mirror[place] = slot
        self.used = len(cache.slots)

    def ring(self, place: int) -> Tensor:
        """View of one ring slot, [layers, 2, B, N, heads, head_dim]."""
        start = self.tokens + self.prompt_len + place * self.tokens
        return self.kv[:, :, :, start : start + self.tokens]

    def visible(self, layer: int, current: int) -> tuple[Tensor, Tensor]:
        """Keys and values [B, S, heads, head_dim] seen by ``current`` tokens of the tick."""
        stop = self.tokens + self.prompt_len + self.used * self.tokens
        kv = self.kv[layer, :, :, self.tokens - current : stop]
        return kv[0], kv[1]


class WorkspacePool:
    """A few workspaces, so that several worlds played in turn do not evict each other."""

    def __init__(self, limit: int = 3) -> None:
        self.limit = limit
        self.lock = threading.RLock()
        self._spaces: list[Workspace] = []

    def take(self, cache: Cache, tokens: int) -> Workspace:
        """The workspace that mirrors most of ``cache``, loaded; hold ``lock`` while using it."""
        key = (tuple(cache.prompt.shape), cache.prompt.dtype, cache.prompt.device,
               tokens, cache.capacity)
        fitting = [w for w in self._spaces if w.key == key]
        best = max(fitting, key=lambda w: w.score(cache), default=None)
        crowded = len(self._spaces) >= self.limit
        if best is None or (best.score(cache) <= 1 and not crowded and cache.batch == 1):
            best = Workspace(cache.prompt, tokens, cache.capacity)
            if crowded:
                self._spaces.pop(0)
        else:
            self._spaces.remove(best)
        self._spaces.append(best)  # most recently used last
        best.load(cache)
        return best

    def clear(self) -> None:
        """Forget all buffers (after the weights moved or changed)."""
        with self.lock:
            self._spaces.clear()
