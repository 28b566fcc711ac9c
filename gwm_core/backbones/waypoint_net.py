"""The network of Waypoint-1.5 (WorldDiT): a frame-causal transformer over 2 x 2 latent patches.

Written from the published configuration and tensor names. Norms carry no weights; queries and
keys are RMS-normed a head; values from layer 1 on are blended with those of layer 0; the noise
level modulates each block through matrices that all blocks share.
"""

from __future__ import annotations

import json
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .compiled_step import plain
from .sdpa import attend
from .waypoint_config import WaypointConfig

EPS = torch.finfo(torch.float32).eps


def rms(x: Tensor) -> Tensor:
    """RMS norm of the last dimension, without weights."""
    return F.rms_norm(x, x.shape[-1:], eps=EPS)


def modulated(x: Tensor, mod: Tensor) -> Tensor:
    """RMS norm of x, then 1 + scale and shift, the first two rows of ``mod``."""
    return torch.addcmul(mod[1], rms(x), mod[0])


def axis_frequencies(config: WaypointConfig) -> tuple[Tensor, Tensor]:
    """float64 rates of a spatial axis [head_dim / 8] and of time [head_dim / 4]; each rate
    stands for two pairs in a row."""
    space, time = config.head_dim // 8, config.head_dim // 4
    top = min(config.grid) * config.nyquist / 2
    rates = math.pi * torch.linspace(1.0, top, (space + 1) // 2, dtype=torch.float64)
    slow = config.rope_theta ** (-torch.arange(0, time, 2, dtype=torch.float64) / time)
    return rates.repeat_interleave(2)[:space], slow.repeat_interleave(2)


def rotary_table(config: WaypointConfig, tick: int, compat: bool = False) -> Tensor:
    """cos and sin [2, tokens, head_dim / 2] float32 of one tick's tokens: x, y, then time.

    compat: rates rounded to bf16, as the official runtime has them.
    """
    space, time = axis_frequencies(config)
    if compat:
        space, time = (t.to(torch.bfloat16).double() for t in (space, time))
    rows, columns = config.grid
    index = torch.arange(config.tokens)
    x = (2.0 * (index % columns) + 1.0).double() / columns - 1.0
    y = (2.0 * (index // columns) + 1.0).double() / rows - 1.0
    angles = torch.cat(
        [x[:, None] * space, y[:, None] * space, (tick * time).expand(config.tokens, -1)], dim=-1
    )
    return torch.stack([angles.cos(), angles.sin()]).float()


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Turn neighbouring pairs of x [B, tokens, heads, D]; the result is [all first | all second]
    of the pairs. table as ``rotary_table`` gives it."""
    cos, sin = table[0][:, None], table[1][:, None]
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1).to(x.dtype)


def noise_features(sigma: float, dim: int, device: Any = None, compat: bool = False) -> Tensor:
    """Fourier features [dim] float32 of a noise level in 0..1."""
    rates = torch.logspace(0, -1, dim // 2, base=10_000.0, dtype=torch.float32, device=device)
    level = torch.tensor(float(sigma), dtype=torch.float32, device=device)
    if compat:
        rates, level = (t.to(torch.bfloat16).float() for t in (rates, level))
    angles = level * 1000.0 * rates
    return torch.cat([angles.sin(), angles.cos()]) * math.sqrt(2.0)


class TwoLayers(nn.Module):
    """Linear, SiLU, linear, without biases."""

    def __init__(self, inp: int, hidden: int, out: int, operations, **where) -> None:
        super().__init__()
        self.fc1 = operations.Linear(inp, hidden, bias=False, **where)
        self.fc2 = operations.Linear(hidden, out, bias=False, **where)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.silu(self.fc1(x)))


class Embedder(nn.Module):
    """A two-layer network under the name that the published file has for it."""

    def __init__(self, inp: int, hidden: int, out: int, operations, **where) -> None:
        super().__init__()
        self.mlp = TwoLayers(inp, hidden, out, operations, **where)


class Modulation(nn.Module):
    """Scale, shift and gate of one half of every block."""

    def __init__(self, dim: int, operations, **where) -> None:
        super().__init__()
        self.cond_proj = nn.ModuleList(
            operations.Linear(dim, dim, bias=False, **where) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[L, d] -> [L, 3, d]: 1 + scale, shift, gate."""
        scale, shift, gate = (projection(x) for projection in self.cond_proj)
        return torch.stack([1 + scale, shift, gate], dim=-2)


class Attention(nn.Module):
    """Grouped-query projections; ``v_lamb`` is the share of layer 0's values."""

    def __init__(self, config: WaypointConfig, operations, **where) -> None:
        super().__init__()
        d, kv = config.dim, config.kv_heads * config.head_dim
        self.head_dim = config.head_dim
        self.q_proj = operations.Linear(d, d, bias=False, **where)
        self.k_proj = operations.Linear(d, kv, bias=False, **where)
        self.v_proj = operations.Linear(d, kv, bias=False, **where)
        self.out_proj = operations.Linear(d, d, bias=False, **where)
        self.v_lamb = nn.Parameter(torch.zeros((), **where))

    def keys_values(self, x: Tensor, table: Tensor, first: Tensor | None) -> tuple[Tensor, Tensor]:
        """(keys and values [2, B, kv heads, tokens, D], layer 0's values)."""
        heads = (-1, self.head_dim)
        k = rotate(rms(self.k_proj(x).unflatten(-1, heads)), table)
        v = self.v_proj(x).unflatten(-1, heads)
        first = v if first is None else first
        if first is not v:
            v = torch.lerp(v, first, self.v_lamb.to(device=v.device, dtype=v.dtype))
        return torch.stack([k, v]).transpose(2, 3), first

    def forward(self, x: Tensor, table: Tensor, kv: Tensor) -> Tensor:
        """Attention of x [B, tokens, d] to kv [2, B, kv heads, S, D]."""
        q = rotate(rms(self.q_proj(x).unflatten(-1, (-1, self.head_dim))), table)
        return self.out_proj(attend(q.transpose(1, 2), kv[0], kv[1]).transpose(1, 2).flatten(2))


class ControlFusion(nn.Module):
    """How the controls enter the tokens of a block."""

    def __init__(self, dim: int, operations, **where) -> None:
        super().__init__()
        self.fc1_x = operations.Linear(dim, dim, bias=False, **where)
        self.fc1_c = operations.Linear(dim, dim, bias=False, **where)
        self.fc2 = operations.Linear(dim, dim, bias=False, **where)

    def forward(self, x: Tensor, control: Tensor) -> Tensor:
        return self.fc2(F.silu(self.fc1_x(rms(x)) + self.fc1_c(rms(control))))


class Block(nn.Module):
    """Attention, controls in some blocks, MLP."""

    def __init__(self, config: WaypointConfig, layer: int, operations, **where) -> None:
        super().__init__()
        self.config = config
        self.attn = Attention(config, operations, **where)
        self.bias_in = nn.Parameter(torch.zeros(config.dim, **where))
        self.ctrl_mlpfusion = (
            ControlFusion(config.dim, operations, **where)
            if config.takes_controls(layer) else None
        )
        self.dit_mlp = TwoLayers(config.dim, config.mlp_ratio * config.dim, config.dim,
                                 operations, **where)

    def recipe(self) -> str:
        """JSON for ``of_recipe``, equal for blocks that need the same code."""
        controls = self.ctrl_mlpfusion is not None
        return json.dumps({**self.config.to_json(), "controls": controls}, sort_keys=True)

    @classmethod
    def of_recipe(cls, text: str) -> Block:
        """Such a block, with weights of ``torch.nn``."""
        data = json.loads(text)
        controls = data.pop("controls")
        lists = {n: tuple(v) if isinstance(v, list) else v for n, v in data.items()}
        config = WaypointConfig.from_json(lists)
        every = range(config.layers)
        return cls(config, next(n for n in every if config.takes_controls(n) == controls), nn)

    @staticmethod
    def needs(function: str, parameter: str) -> bool:
        """Whether ``own`` or ``rest`` reads a weight."""
        of_own = parameter.startswith(("attn.k_proj.", "attn.v_proj.", "attn.v_lamb"))
        return parameter != "bias_in" and of_own == (function == "own")

    def own(self, x: Tensor, table: Tensor, first: Tensor | None, mod: Tensor
            ) -> tuple[Tensor, Tensor, Tensor]:
        """(x as attention reads it, its keys and values, layer 0's values); mod [6, d]."""
        h = modulated(x, mod)
        return h, *self.attn.keys_values(h, table, first)

    def rest(self, x: Tensor, h: Tensor, table: Tensor, past: list[Tensor], kv: Tensor,
             control: Tensor, mod: Tensor) -> Tensor:
        """x after the block, given what ``own`` made and the slots of its history."""
        seen = torch.cat([*past, kv], dim=3) if past else kv
        x = torch.addcmul(x, self.attn(h, table, seen), mod[2])
        if self.ctrl_mlpfusion is not None:
            x = x + self.ctrl_mlpfusion(x, control)
        return torch.addcmul(x, self.dit_mlp(modulated(x, mod[3:])), mod[5])


class Blocks(nn.Module):
    """All blocks and the modulation that they share."""

    def __init__(self, config: WaypointConfig, operations, **where) -> None:
        super().__init__()
        self.attn_cond_head = Modulation(config.dim, operations, **where)
        self.mlp_cond_head = Modulation(config.dim, operations, **where)
        self.blocks = nn.ModuleList(
            Block(config, layer, operations, **where) for layer in range(config.layers)
        )


class OutputNorm(nn.Module):
    def __init__(self, dim: int, operations, **where) -> None:
        super().__init__()
        self.fc = operations.Linear(dim, 2 * dim, bias=False, **where)


class NullControl(nn.Module):
    """Stored in the published file, not used when playing."""

    def __init__(self, dim: int, **where) -> None:
        super().__init__()
        self.null_emb = nn.Parameter(torch.zeros(1, 1, dim, **where))


class WaypointNet(nn.Module):
    """Velocity of one tick's latent, or the slots that it leaves in the history.

    operations: layers of ``torch.nn`` or of a host. dtype: of the weights; the noise embedding
    stays float32. compute: dtype of activations and history, None for that of the weights.
    call(function, block, ...): computes a part of a block (see ``compiled_step``).
    """

    def __init__(self, config: WaypointConfig, operations: Any = nn, device: Any = None,
                 dtype: torch.dtype | None = None, compute: torch.dtype | None = None) -> None:
        super().__init__()
        self.dtype = compute or dtype or torch.get_default_dtype()
        where = {"device": device, "dtype": dtype}
        exact = {"device": device, "dtype": torch.float32}
        self.config = config
        self.call = plain
        d, wide = config.dim, config.mlp_ratio * config.dim
        patch = {"kernel_size": config.patch, "stride": config.patch}
        self.patchify = operations.Conv2d(config.channels, d, bias=False, **patch, **where)
        self.unpatchify = operations.ConvTranspose2d(d, config.channels, **patch, **where)
        self.out_norm = OutputNorm(d, operations, **where)
        self.denoise_step_emb = Embedder(config.noise_dim, wide, d, operations, **exact)
        self.ctrl_emb = Embedder(config.controls, wide, d, operations, **where)
        self.ctrl_cfg = NullControl(d, **where)
        self.transformer = Blocks(config, operations, **where)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.patchify.weight.device

    def modulation(self, sigma: float, device: Any, compat: bool = False) -> tuple[Tensor, Tensor]:
        """(of the blocks [L, 6, d], of the output [2, d]) at a noise level; a function of the
        weights and ``sigma`` alone, to be kept while both stay."""
        features = noise_features(sigma, self.config.noise_dim, device, compat)
        level = self.denoise_step_emb.mlp(features).to(self.dtype)
        parts = self.transformer
        bias = torch.stack([b.bias_in for b in parts.blocks]).to(level)
        entered = F.silu(level + bias)
        mod = torch.cat([parts.attn_cond_head(entered), parts.mlp_cond_head(entered)], dim=-2)
        scale, shift = self.out_norm.fc(F.silu(level)).chunk(2, dim=-1)
        return mod, torch.stack([1 + scale, shift])

    def forward(self, latent: Tensor, mod: tuple[Tensor, Tensor], controls: Tensor, table: Tensor,
                past: list[list[Tensor]], commit: bool = False):
        """One tick against its history.

        latent [B, C, H, W]; mod from ``modulation``; controls [B, n]; table from
        ``rotary_table``; past: slots [2, B, kv heads, tokens, D] by layer. Returns the velocity
        [B, C, H, W], or with ``commit`` the new slot of every layer.
        """
        block_mod, out_mod = mod
        grid = self.patchify(latent)
        size = grid.shape[-2:]
        x = grid.flatten(2).transpose(1, 2)
        control = self.ctrl_emb.mlp(controls)[:, None]
        slots, first = [], None
        for layer, block in enumerate(self.transformer.blocks):
            m = block_mod[layer]
            h, kv, first = self.call(Block.own, block, x, table, first, m)
            if commit:
                slots.append(kv)
                if layer + 1 == len(self.transformer.blocks):
                    return slots
            x = self.call(Block.rest, block, x, h, table, past[layer], kv, control, m)
        x = F.silu(modulated(x, out_mod))
        return self.unpatchify(x.transpose(1, 2).unflatten(-1, size))
