"""Streaming decoders: latents to frames tick by tick, with what they remember as a value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.spec import Tokens
from .arrays import array_of, tensor_of


@dataclass(frozen=True)
class DecoderState:
    """What a decoder remembers after ``ticks`` latents: inputs of its layers, [B, ...] each,
    None where a layer has seen nothing yet. Never written to."""

    ticks: int
    past: tuple[Tensor | None, ...]

    def buffers(self) -> list[Tensor]:
        return [t for t in self.past if t is not None]

    @property
    def nbytes(self) -> int:
        return sum(t.nbytes for t in self.buffers())

    def to(self, device=None, dtype=None) -> DecoderState:
        return self.map(lambda t: t.to(device=device, dtype=dtype))

    def map(self, change: Callable[[Tensor], Tensor]) -> DecoderState:
        """The same with every tensor replaced by ``change(tensor)``."""
        return replace(self, past=tuple(None if t is None else change(t) for t in self.past))

    @staticmethod
    def stack(states: Sequence[DecoderState]) -> DecoderState:
        """One batched state of several at the same tick."""
        if any(s.ticks != states[0].ticks for s in states):
            raise ValueError("decoder: only states at the same tick can be stacked")
        columns = zip(*(s.past for s in states), strict=True)
        return DecoderState(states[0].ticks, tuple(
            None if parts[0] is None else torch.cat(parts) for parts in columns))

    def split(self, batch: int) -> tuple[DecoderState, ...]:
        """One state of batch 1 for each branch (own memory, so that each can be freed alone)."""
        return tuple(
            replace(self, past=tuple(None if t is None else t[b : b + 1].clone()
                                     for t in self.past))
            for b in range(batch)
        )

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(numpy arrays by name, JSON values); ``from_arrays`` restores the same value."""
        arrays, dtype = {}, "float32"
        for index, tensor in enumerate(self.past):
            if tensor is not None:
                arrays[f"past.{index}"], dtype = array_of(tensor)
        return arrays, {"ticks": self.ticks, "layers": len(self.past), "dtype": dtype}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any],
                    device=None) -> DecoderState:
        """The inverse of ``to_arrays``; KeyError or ValueError for what does not fit."""
        past: list[Tensor | None] = [None] * int(meta["layers"])
        for name, array in arrays.items():
            past[int(name.removeprefix("past."))] = tensor_of(array, meta["dtype"], device)
        return cls(int(meta["ticks"]), tuple(past))


class Tape:
    """One pass over the remembering layers in their fixed order: old pasts out, new ones in.

    first: nothing came before this pass.
    """

    def __init__(self, past: Sequence[Tensor | None], first: bool = False) -> None:
        self._old, self.new, self.first = list(past), [], first

    def take(self) -> Tensor | None:
        """The past of the next layer; exactly one ``put`` follows."""
        return self._old[len(self.new)] if self._old else None

    def put(self, past: Tensor | None) -> None:
        # a slice of a larger tensor would keep all of it alive
        self.new.append(None if past is None else past.clone())


class LatentDecoder(ABC):
    """What ``gwm_core.rollout`` calls with each block's latents.

    network: the loaded weights. view: the stream that is decoded. size: (width, height) that
    frames are scaled to, None for the network's own.
    """

    def __init__(self, network: nn.Module, view: str = "view",
                 size: tuple[int, int] | None = None) -> None:
        self.network, self.view, self.size = network, view, size

    @abstractmethod
    def frames(self, state: DecoderState | None, latents: Tensor) -> tuple[Tensor, DecoderState]:
        """Latents [B, T, C, h, w] -> (frames [B, F, 3, H, W] in 0..1, the state after them).

        ``state`` None is the beginning of a clip, whose first latent gives one frame.
        """

    @abstractmethod
    def state_bytes(self, height: int, width: int) -> int:
        """Bytes of a state (batch 1) for latents of that size."""

    def decode(self, state: DecoderState | Sequence[DecoderState] | None, latents: Tokens
               ) -> tuple[dict[str, Tensor], Any]:
        """({view: uint8 [B, F, H, W, 3] on the CPU}, state after them), as rollouts want it.

        A tuple of states, one a branch, gives a tuple back.
        """
        many = isinstance(state, (tuple, list))
        joined = DecoderState.stack(state) if many else state
        frames, after = self.frames(joined, latents[self.view])
        return {self.view: to_uint8(self.scaled(frames))}, (
            after.split(len(state)) if many else after)

    def scaled(self, frames: Tensor) -> Tensor:
        """Frames at ``size``, bilinear."""
        if self.size is None or tuple(frames.shape[-2:]) == self.size[::-1]:
            return frames
        flat = frames.flatten(0, 1).float()
        flat = F.interpolate(flat, size=self.size[::-1], mode="bilinear", align_corners=False)
        return flat.unflatten(0, frames.shape[:2])

    def prime(self, latents: Tensor, times: int = 4) -> DecoderState:
        """The state after the first latent [B, 1, C, h, w] was shown ``times`` times; its frames
        are dropped. For models whose first picture is given."""
        state = None
        for _ in range(times):
            _, state = self.frames(state, latents)
        return state

    def ready(self, latents: Tensor) -> Tensor:
        """Latents where and how the network computes; ValueError for another shape."""
        if latents.ndim != 5:
            raise ValueError(f"decoder: latents {list(latents.shape)}; accepted are "
                             "[batch, ticks, channels, height, width]")
        first = next(self.network.parameters())
        return latents.to(first.device, first.dtype)


def to_uint8(frames: Tensor) -> Tensor:
    """[B, F, 3, H, W] in 0..1 -> uint8 [B, F, H, W, 3] on the CPU."""
    shown = (frames.float().clamp(0, 1) * 255).round_().to(torch.uint8)
    return shown.permute(0, 1, 3, 4, 2).contiguous().cpu()
