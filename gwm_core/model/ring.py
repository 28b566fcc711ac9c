"""The ring in memory: one contiguous buffer for attention, and the blocks run against it.

Attention wants contiguous keys and values; a ``Workspace`` mirrors the slots of the cache it last
saw and copies only those that changed (one a tick in a straight run).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor

from .attention import Block, attend
from .cache import Cache


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


def run_layers(
    blocks: Sequence[Block], x: Tensor, mod: Tensor, table: Tensor, space: Workspace,
    cache: Cache, past: int | None,
) -> tuple[Tensor, Tensor | None]:
    """All blocks against the ring.

    x: tokens [B, M, d], those of tick ``past`` (to be committed; None: no such tick) before those
    to be denoised. mod [L, 6, M, d] and table [L, M, 2, heads, head_dim / 2] belong to them.
    Returns the hidden tokens of the tick to be denoised and the committed tick's slot.
    """
    cut = space.tokens if past is not None else 0
    place, grown = 0, space.used
    if past is not None:
        following = cache.committed(past, cache.prompt)
        place, grown = following.positions()[-1], len(following.slots)
        space.mirror[place] = None  # until it is whole
    more = x.shape[1] > cut
    before = space.used
    for layer, block in enumerate(blocks):
        qk, v = block.queries_keys_values(x, mod[layer], table[layer])
        q, k = qk[:, :, 0], qk[:, :, 1]
        last = layer + 1 == len(blocks)
        parts = []
        if cut:
            space.used = before
            keys, values = space.visible(layer, cut)
            if not last:  # the last layer of a commit is only needed for its keys and values
                keys[:, :cut], values[:, :cut] = k[:, :cut], v[:, :cut]
                parts.append(attend(q[:, :cut], keys, values))
            target = space.ring(place)[layer]
            target[0], target[1] = k[:, :cut], v[:, :cut]
            space.used = grown
        if more:
            count = x.shape[1] - cut
            keys, values = space.visible(layer, count)
            keys[:, :count], values[:, :count] = k[:, cut:], v[:, cut:]
            parts.append(attend(q[:, cut:], keys, values))
        if last and cut:
            if not more:
                break
            x, mod_last = x[:, cut:], mod[layer][:, cut:]
            x = block.finish(x, parts[0], mod_last)
        else:
            y = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
            x = block.finish(x, y, mod[layer])
    slot = space.ring(place).clone() if cut else None
    return x, slot
