"""The key/value history of a rollout as an immutable value.

A ``Cache`` is a tuple of per-tick slots that are never written again: a new tick makes a new tuple
that shares all other slots with the old one, so that branching and rewinding cost one slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
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

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, int]]:
        """(numpy arrays by name, JSON values); ``from_arrays`` restores the same value."""
        arrays = {"prompt": _numpy(self.prompt)}
        arrays |= {f"slot.{tick}": _numpy(slot) for tick, slot in self.slots}
        return arrays, {"capacity": self.capacity, "next_tick": self.next_tick}

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], meta: dict[str, int], device=None, dtype=None
    ) -> Cache:
        """The inverse of ``to_arrays``; ValueError names what is missing."""
        tensors = {f"cache.{k}": torch.from_numpy(np.array(v)) for k, v in arrays.items()}
        counts = [int(meta[name]) for name in ("capacity", "next_tick")]
        tensors["cache.meta"] = torch.tensor(counts, dtype=torch.int64)
        return cls.from_tensors(tensors).to(device, dtype)

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


def _numpy(x: Tensor) -> np.ndarray:
    # numpy has no bfloat16; float32 holds it exactly
    x = x.detach().cpu()
    return (x.float() if x.dtype == torch.bfloat16 else x).contiguous().numpy()
