"""The history of a causal Wan model as an immutable value.

Every latent frame that may still be seen is one slot, never written again: a commit makes a new
value that shares all other slots with the old one, so that branches and rewinds cost new frames
only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from .arrays import array_of, tensor_of

Parts = Mapping[str, Tensor]


@dataclass(frozen=True)
class WanCache:
    """Keys and values of the prompt and of the latent frames in sight.

    prompt  tensors by name, made by ``prefill``
    slots   (index of the latent frame, tensors by name), rising
    sink    so many first frames are kept for ever
    recent  so many last frames are kept besides

    The batch is dimension 2 of every tensor.
    """

    prompt: Parts
    slots: tuple[tuple[int, Parts], ...] = field(default=(), repr=False)
    sink: int = 0
    recent: int = 3

    @property
    def batch(self) -> int:
        return next(iter(self.prompt.values())).shape[2]

    def buffers(self) -> list[Tensor]:
        """Every tensor; shared ones are the same objects in other caches."""
        return [t for parts in (self.prompt, *(p for _, p in self.slots)) for t in parts.values()]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors (those shared with other caches counted in full)."""
        return sum(t.numel() * t.element_size() for t in self.buffers())

    def shape(self) -> tuple:
        """Names and shapes of all tensors, in order: equal for values that are computed with
        alike."""
        parts = (self.prompt, *(p for _, p in self.slots))
        return tuple((n, tuple(t.shape), t.dtype, t.device) for p in parts for n, t in p.items())

    def part(self, name: str) -> list[Tensor]:
        """That tensor of every slot that has it, in the order of the frames."""
        return [parts[name] for _, parts in self.slots if name in parts]

    def kept(self, frames: Sequence[int]) -> set[int]:
        """Which of these frames (rising) stay in sight after they were committed."""
        last = frames[-self.recent :] if self.recent else []
        return {f for f in frames if f < self.sink} | set(last)

    def committed(self, made: Mapping[int, Parts]) -> WanCache:
        """A new value with further frames; what falls out of sight is let go."""
        slots = (*self.slots, *sorted(made.items()))
        stay = self.kept([index for index, _ in slots])
        return replace(self, slots=tuple(slot for slot in slots if slot[0] in stay))

    def with_prompt(self, **parts: Tensor) -> WanCache:
        """The same history under other prompt tensors."""
        return replace(self, prompt={**self.prompt, **parts})

    def to(self, device=None, dtype=None) -> WanCache:
        """The same value on another device or in another dtype."""

        return self.map(lambda t: t.to(device=device, dtype=dtype))

    def map(self, change: Callable[[Tensor], Tensor]) -> WanCache:
        """The same frames with every tensor replaced by ``change(tensor)``."""

        def changed(parts: Parts) -> Parts:
            return {name: change(t) for name, t in parts.items()}

        slots = tuple((index, changed(parts)) for index, parts in self.slots)
        return replace(self, prompt=changed(self.prompt), slots=slots)

    @staticmethod
    def stack(caches: Sequence[WanCache]) -> WanCache:
        """One batched value of several at the same frame."""
        first = caches[0]
        if any([i for i, _ in c.slots] != [i for i, _ in first.slots] for c in caches):
            raise ValueError("cache: only histories of the same frames can be stacked")

        def joined(parts: Sequence[Parts]) -> Parts:
            return {name: torch.cat([p[name] for p in parts], 2) for name in parts[0]}

        slots = tuple(
            (index, joined([c.slots[i][1] for c in caches]))
            for i, (index, _) in enumerate(first.slots)
        )
        return replace(first, prompt=joined([c.prompt for c in caches]), slots=slots)

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict]:
        """(numpy arrays by name, JSON values); ``from_arrays`` restores the same value."""
        named = {f"prompt.{name}": tensor for name, tensor in self.prompt.items()}
        for index, parts in self.slots:
            named |= {f"slot.{index}.{name}": tensor for name, tensor in parts.items()}
        made = {name: array_of(tensor) for name, tensor in named.items()}
        meta = {
            "sink": self.sink, "recent": self.recent,
            "dtypes": {name: dtype for name, (_, dtype) in made.items()},
        }
        return {name: array for name, (array, _) in made.items()}, meta

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], meta: dict, device=None) -> WanCache:
        """The inverse of ``to_arrays``; KeyError or ValueError for what does not fit."""
        prompt: dict[str, Tensor] = {}
        slots: dict[int, dict[str, Tensor]] = {}
        for name, dtype in meta["dtypes"].items():
            tensor = tensor_of(arrays[name], dtype, device)
            kind, _, rest = name.partition(".")
            if kind == "prompt":
                prompt[rest] = tensor
            else:
                index, _, part = rest.partition(".")
                slots.setdefault(int(index), {})[part] = tensor
        if not prompt:
            raise ValueError("cache: the prompt's tensors are missing")
        ordered = tuple(sorted(slots.items()))
        return cls(prompt, ordered, int(meta["sink"]), int(meta["recent"]))


class Frames:
    """Collects, layer by layer, what stays in sight of a block that is being committed."""

    def __init__(self, cache: WanCache, t0: int, ticks: int) -> None:
        coming = range(t0, t0 + ticks)
        stay = cache.kept([*(index for index, _ in cache.slots), *coming])
        self.t0 = t0
        self.rows: dict[int, dict[str, list[Tensor]]] = {f: {} for f in coming if f in stay}

    def add(self, name: str, keys: Tensor, values: Tensor) -> None:
        """Keys and values [B, T, ...] of the next layer."""
        for index, parts in self.rows.items():
            pair = torch.stack([part[:, index - self.t0] for part in (keys, values)])
            parts.setdefault(name, []).append(pair)

    def finish(self) -> dict[int, Parts]:
        """The slots by frame, each tensor [layers, 2, B, ...]."""
        made = {}
        for index, parts in self.rows.items():
            made[index] = {name: torch.stack(parts[name]) for name in list(parts)}
            parts.clear()
        return made
