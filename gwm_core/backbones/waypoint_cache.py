"""What a Waypoint world remembers: keys and values of earlier ticks, as an immutable value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .arrays import array_of, tensor_of
from .waypoint_config import WaypointConfig

Slot = tuple[int, Tensor]


@dataclass(frozen=True)
class WaypointCache:
    """History of a rollout before tick ``next_tick``.

    layers: per layer the slots (tick, [2, B, kv heads, tokens, head dim]) that the next tick will
    see, oldest first. Slots are shared between caches and never written to.
    """

    layers: tuple[tuple[Slot, ...], ...]
    next_tick: int = 0

    @classmethod
    def empty(cls, config: WaypointConfig) -> WaypointCache:
        return cls(((),) * config.layers)

    @property
    def batch(self) -> int | None:
        """Number of branches; None while nothing is remembered."""
        first = next(iter(self.buffers()), None)
        return None if first is None else first.shape[1]

    def buffers(self) -> list[Tensor]:
        """All slots, so that a store can count what branches share once."""
        return [slot for layer in self.layers for _, slot in layer]

    @property
    def nbytes(self) -> int:
        return sum(t.nbytes for t in self.buffers())

    def shape(self) -> tuple:
        """Ticks remembered by layer and the shape of a slot: equal for caches that are computed
        with alike."""
        slot = next(iter(self.buffers()), None)
        told = None if slot is None else (tuple(slot.shape), slot.dtype, slot.device)
        return (*(len(layer) for layer in self.layers), told)

    def committed(self, config: WaypointConfig, tick: int, slots: Sequence[Tensor]):
        """The cache after ``tick``, given one new slot a layer; what is out of sight is dropped."""
        layers = []
        for index, (layer, slot) in enumerate(zip(self.layers, slots, strict=True)):
            seen = set(config.past(index, tick + 1))
            grown = (*layer, (tick, slot))
            layers.append(tuple((t, kv) for t, kv in grown if t in seen))
        return WaypointCache(tuple(layers), tick + 1)

    def map(self, change) -> WaypointCache:
        """The same ticks with every slot replaced by ``change(slot)``."""
        return replace(self, layers=tuple(
            tuple((t, change(kv)) for t, kv in layer) for layer in self.layers))

    def to(self, device=None, dtype=None) -> WaypointCache:
        return self.map(lambda kv: kv.to(device=device, dtype=dtype))

    def expand(self, batch: int) -> WaypointCache:
        """``batch`` equal branches of a cache of batch 1 (no memory is copied)."""
        if self.batch not in (None, 1):
            raise ValueError(f"cache: only a batch of 1 can be branched, got {self.batch}")
        return self.map(lambda kv: kv.expand(-1, batch, -1, -1, -1))

    @staticmethod
    def stack(caches: Sequence[WaypointCache]) -> WaypointCache:
        """One batched cache of several at the same tick."""
        first = caches[0]
        if any(c.next_tick != first.next_tick for c in caches):
            raise ValueError("cache: only caches at the same tick can be stacked")
        layers = tuple(
            tuple(
                (slots[0][0], torch.cat([kv for _, kv in slots], dim=1))
                for slots in zip(*(c.layers[i] for c in caches), strict=True)
            )
            for i in range(len(first.layers))
        )
        return replace(first, layers=layers)

    def split(self) -> list[WaypointCache]:
        """One cache of batch 1 for each branch (own memory, so that each can be freed alone)."""
        return [self.map(lambda kv, b=b: kv[:, b : b + 1].clone())
                for b in range(self.batch or 1)]

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(numpy arrays by name, JSON values); ``from_arrays`` restores the same value."""
        arrays, dtype = {}, "float32"
        for index, layer in enumerate(self.layers):
            for tick, kv in layer:
                arrays[f"layer.{index}.{tick}"], dtype = array_of(kv)
        return arrays, {"next_tick": self.next_tick, "layers": len(self.layers), "dtype": dtype}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any],
                    device=None) -> WaypointCache:
        """The inverse of ``to_arrays``; ValueError or KeyError for what does not fit."""
        layers: list[list[Slot]] = [[] for _ in range(int(meta["layers"]))]
        for name, array in arrays.items():
            head, index, tick = name.split(".")
            if head != "layer" or not 0 <= int(index) < len(layers):
                raise ValueError(f"cache: unexpected array {name!r}")
            layers[int(index)].append((int(tick), tensor_of(array, meta["dtype"], device)))
        ordered = tuple(tuple(sorted(layer, key=lambda slot: slot[0])) for layer in layers)
        return cls(ordered, int(meta["next_tick"]))
