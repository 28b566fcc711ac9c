"""The transformer that Wan 2.1 and its causal descendants share (Wan, arXiv 2503.20314).

Frame-causal use (Self Forcing, arXiv 2506.08009): queries of the running block of latent frames
see the keys of the past frames that are still kept, and of the whole block. Modules carry the
names of the published checkpoints. ``operations`` is where layers come from (``torch.nn``, or a
host's namespace that casts weights on use); nothing here writes into a history.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.attention import attend
from .compiled_step import plain

THETA = 10000.0
KeysValues = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class WanConfig:
    """Sizes of one network; the defaults are those of the 1.3B models.

    rows, columns: the grid of tokens of a latent frame (half the latent's height and width).
    """

    rows: int
    columns: int
    in_channels: int = 16
    out_channels: int = 16
    dim: int = 1536
    heads: int = 12
    layers: int = 30
    ffn_dim: int = 8960
    freq_dim: int = 256
    eps: float = 1e-6

    @property
    def tokens(self) -> int:
        """Tokens of a latent frame."""
        return self.rows * self.columns

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def latent(self) -> tuple[int, int, int]:
        """Shape of a latent frame that the network gives: channels, height, width."""
        return self.out_channels, 2 * self.rows, 2 * self.columns


def rotary_split(head_dim: int) -> tuple[int, int, int]:
    """Rotated pairs of a head for time, rows and columns."""
    space = head_dim // 6
    return head_dim // 2 - 2 * space, space, space


@lru_cache(maxsize=8)
def rotary(config: WanConfig, t0: int, ticks: int, device: Any) -> tuple[Tensor, Tensor]:
    """(cosine, sine) float32 [ticks * tokens, 1, head_dim / 2] for latent frames from ``t0`` on.

    The angles are computed in float64 from absolute positions, so that there is no last frame.
    """
    counts = rotary_split(config.head_dim)
    sizes = (ticks, config.rows, config.columns)
    parts = []
    for axis, (count, size) in enumerate(zip(counts, sizes, strict=True)):
        rates = THETA ** (-torch.arange(count, dtype=torch.float64) / count)
        place = torch.arange(size, dtype=torch.float64) + (t0 if axis == 0 else 0)
        shape = [1, 1, 1, count]
        shape[axis] = size
        parts.append(torch.outer(place, rates).view(shape).expand(*sizes, count))
    angles = torch.cat(parts, -1).reshape(-1, 1, sum(counts))
    return angles.cos().float().to(device), angles.sin().float().to(device)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn neighbouring pairs of the last dimension; computed in float32."""
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((a * cosine - b * sine, a * sine + b * cosine), -1)
    return turned.flatten(-2).to(x.dtype)


def time_features(timesteps: Tensor, width: int) -> Tensor:
    """Cosines, then sines of timesteps (0 to 1000) at ``width`` / 2 rates, float64 [..., width]."""
    half = width // 2
    rates = THETA ** (-torch.arange(half, dtype=torch.float64, device=timesteps.device) / half)
    angles = timesteps.double()[..., None] * rates
    return torch.cat([angles.cos(), angles.sin()], -1)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the whole last dimension, with a weight."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return normed.to(x.dtype) * self.weight.to(x)


class Attention(nn.Module):
    """Projections of self- and cross-attention: q, k, v, o with bias, q and k normed."""

    def __init__(self, config: WanConfig, operations: Any) -> None:
        super().__init__()
        self.heads = config.heads
        for name in ("q", "k", "v", "o"):
            setattr(self, name, operations.Linear(config.dim, config.dim))
        self.norm_q = RMSNorm(config.dim, config.eps)
        self.norm_k = RMSNorm(config.dim, config.eps)

    def queries(self, x: Tensor) -> Tensor:
        """[B, N, heads, head_dim]."""
        return self.norm_q(self.q(x)).unflatten(-1, (self.heads, -1))

    def keys_values(self, x: Tensor) -> KeysValues:
        """Two of [B, N, heads, head_dim]."""
        split = (self.heads, -1)
        return self.norm_k(self.k(x)).unflatten(-1, split), self.v(x).unflatten(-1, split)


class Block(nn.Module):
    """Modulated self-attention, cross-attention to the prompt, modulated feed-forward.

    ``action_model``: what a game's controls do between cross-attention and feed-forward, if any.
    """

    def __init__(self, config: WanConfig, operations: Any, action_model: nn.Module | None = None):
        super().__init__()
        dim, self.eps = config.dim, config.eps
        self.config, self.action_model = config, action_model
        self.self_attn = Attention(config, operations)
        self.norm3 = operations.LayerNorm(dim, eps=config.eps)
        self.cross_attn = Attention(config, operations)
        self.ffn = nn.Sequential(
            operations.Linear(dim, config.ffn_dim),
            nn.GELU(approximate="tanh"),
            operations.Linear(config.ffn_dim, dim),
        )
        self.modulation = nn.Parameter(torch.zeros(1, 6, dim))

    def forward(
        self, x: Tensor, time: Tensor, turn: tuple[Tensor, Tensor], past: list[KeysValues],
        prompt: KeysValues, act: Callable[[nn.Module, Tensor], Tensor] | None = None,
        call: Callable = plain,
    ) -> tuple[Tensor, KeysValues]:
        """x [B, T * S, dim], time [B, T, 6, dim], past keys and values [B, S, heads, head_dim] in
        the order of their frames -> the same x after the block, and the block's own keys (rotated)
        and values. ``act`` plays the controls through ``action_model``."""
        x, k, v = call(Block.look, self, x, time, turn, past, prompt)
        if act is not None and self.action_model is not None:
            x = act(self.action_model, x)
        return call(Block.feed, self, x, time), (k, v)

    def recipe(self) -> str:
        """JSON for ``of_recipe``, equal for blocks that need the same code."""
        return json.dumps(asdict(self.config), sort_keys=True)

    @classmethod
    def of_recipe(cls, text: str) -> Block:
        """Such a block, with weights of ``torch.nn``; what plays controls is not part of it."""
        return cls(WanConfig(**json.loads(text)), nn)

    @staticmethod
    def needs(function: str, parameter: str) -> bool:
        """Whether ``look`` or ``feed`` reads a weight."""
        if function == "feed":
            return parameter == "modulation" or parameter.startswith("ffn.")
        others = ("ffn.", "action_model.", "cross_attn.k.", "cross_attn.v.", "cross_attn.norm_k.")
        return not parameter.startswith(others)

    def look(
        self, x: Tensor, time: Tensor, turn: tuple[Tensor, Tensor], past: list[KeysValues],
        prompt: KeysValues,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(x after both attentions, the block's own rotated keys, and its values)."""
        ticks = time.shape[1]
        mod = self._modulation(x, time)
        h = self._modulated(x, mod[0], mod[1], ticks)
        q = rotate(self.self_attn.queries(h), *turn)
        k, v = self.self_attn.keys_values(h)
        k = rotate(k, *turn)
        seen = attend(q, torch.cat([*(p[0] for p in past), k], 1) if past else k,
                      torch.cat([*(p[1] for p in past), v], 1) if past else v)
        x = self._gated(x, self.self_attn.o(seen), mod[2], ticks)
        q = self.cross_attn.queries(self.norm3(x))
        return x + self.cross_attn.o(attend(q, *prompt)), k, v

    def feed(self, x: Tensor, time: Tensor) -> Tensor:
        """x after the feed-forward half."""
        ticks = time.shape[1]
        mod = self._modulation(x, time)
        h = self.ffn(self._modulated(x, mod[3], mod[4], ticks))
        return self._gated(x, h, mod[5], ticks)

    def _modulation(self, x: Tensor, time: Tensor) -> tuple[Tensor, ...]:
        """Shift, scale and gate of both halves, [B, T, 1, dim] each."""
        return (self.modulation.to(x)[:, None] + time).unsqueeze(3).unbind(2)

    def _modulated(self, x: Tensor, shift: Tensor, scale: Tensor, ticks: int) -> Tensor:
        normed = F.layer_norm(x, x.shape[-1:], eps=self.eps).unflatten(1, (ticks, -1))
        return (normed * (1 + scale) + shift).flatten(1, 2)

    @staticmethod
    def _gated(x: Tensor, h: Tensor, gate: Tensor, ticks: int) -> Tensor:
        return x + (h.unflatten(1, (ticks, -1)) * gate).flatten(1, 2)


class Head(nn.Module):
    """Modulated norm and projection to the patches of a latent frame."""

    def __init__(self, config: WanConfig, operations: Any) -> None:
        super().__init__()
        self.eps = config.eps
        self.head = operations.Linear(config.dim, 4 * config.out_channels)
        self.modulation = nn.Parameter(torch.zeros(1, 2, config.dim))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x [B, T * S, dim], time [B, T, dim] -> [B, T, S, 4 * channels]."""
        shift, scale = (self.modulation.to(x)[:, None] + time.unsqueeze(2)).unsqueeze(3).unbind(2)
        normed = F.layer_norm(x, x.shape[-1:], eps=self.eps).unflatten(1, (time.shape[1], -1))
        return self.head(normed * (1 + scale) + shift)


class WanTrunk(nn.Module):
    """Patches, time embedding, blocks and head; what differs between models is added by them.

    dtype: what is computed in, where the inputs are; weights of other dtypes or in other places
    need casting ``operations``. call(function, block, ...): computes a part of a block (see
    ``compiled_step``).
    """

    def __init__(
        self, config: WanConfig, operations: Any = nn, dtype: torch.dtype = torch.float32,
        action_model: Callable[[int], nn.Module | None] = lambda layer: None,
    ) -> None:
        super().__init__()
        self.config, self.dtype, self.call = config, dtype, plain
        dim = config.dim
        self.patch_embedding = operations.Conv3d(config.in_channels, dim, (1, 2, 2), (1, 2, 2))
        self.time_embedding = nn.Sequential(
            operations.Linear(config.freq_dim, dim), nn.SiLU(), operations.Linear(dim, dim)
        )
        self.time_projection = nn.Sequential(nn.SiLU(), operations.Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(
            Block(config, operations, action_model(layer)) for layer in range(config.layers)
        )
        self.head = Head(config, operations)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.patch_embedding.weight.device

    def prompt_keys_values(self, context: Tensor) -> Tensor:
        """Keys and values of every layer for prompt tokens [B, P, dim]:
        [layers, 2, B, P, heads, head_dim]."""
        rows = [torch.stack(block.cross_attn.keys_values(context)) for block in self.blocks]
        return torch.stack(rows)

    def run(
        self, latents: Tensor, timestep: float, t0: int, past: list[Tensor], prompt: Tensor,
        act: Callable[[int, nn.Module, Tensor], Tensor] | None = None, kept: Any = None,
    ) -> Tensor | None:
        """One pass over a block of latent frames.

        latents [B, T, in_channels, H, W]; timestep 0 to 1000; t0 the index of the first frame;
        past: kept frames in order, each [layers, 2, B, S, heads, head_dim]; prompt as from
        ``prompt_keys_values``. ``act(layer, action_model, x)`` plays the controls between cross-
        attention and feed-forward of layers that have such a module.

        Gives [B, T, out_channels, H, W]. With ``kept`` (``Frames``), which takes up each layer's
        own keys and values as "self", the output is not made.
        """
        batch, ticks = latents.shape[:2]
        x = latents.transpose(1, 2).clone(memory_format=torch.contiguous_format)
        x = self.patch_embedding(x).flatten(2).transpose(1, 2)
        times = torch.full((batch, ticks), float(timestep), dtype=torch.float32, device=x.device)
        time = self.time_embedding(time_features(times, self.config.freq_dim).to(x))
        rows = self.time_projection(time).unflatten(-1, (6, -1))
        turn = rotary(self.config, t0, ticks, x.device)
        for layer, block in enumerate(self.blocks):
            seen = [(slot[layer, 0], slot[layer, 1]) for slot in past]
            between = None if act is None else partial(act, layer)
            words = (prompt[layer, 0], prompt[layer, 1])
            x, (k, v) = block(x, rows, turn, seen, words, between, self.call)
            if kept is not None:
                kept.add("self", k.unflatten(1, (ticks, -1)), v.unflatten(1, (ticks, -1)))
        return self._unpatched(self.head(x, time)) if kept is None else None

    def _unpatched(self, x: Tensor) -> Tensor:
        """[B, T, S, 4 * C], the two sides of a patch before the channels -> [B, T, C, H, W]."""
        config = self.config
        x = x.unflatten(2, (config.rows, config.columns)).unflatten(-1, (2, 2, -1))
        return x.permute(0, 1, 6, 2, 4, 3, 5).flatten(3, 4).flatten(4, 5)


def shifted(*steps: float, shift: float = 5.0) -> tuple[float, ...]:
    """Noise levels, with the final 0, of published steps (1000 down to 1) under a timestep shift
    (Esser et al., arXiv 2403.03206)."""
    levels = [shift * s / 1000 / (1 + (shift - 1) * s / 1000) for s in steps]
    return (*levels, 0.0)
