"""How Matrix-Game 2.0 takes mouse and keyboard up (arXiv 2508.13009; GameFactory,
arXiv 2501.08325).

Latent frame k takes up the controls of frames 4k-12 to 4k-1, while it shows frames 4k-3 to 4k:
the newest control always acts one frame late. Positions before frame 0 repeat its controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..model.attention import attend
from .wan_blocks import KeysValues, rotate

FRAMES = 4
"""Video frames of a latent frame."""
WINDOW = 12
"""Frames whose controls a latent frame takes up."""
ROTATED, THETA = 8, 256.0
"""Dimensions of a head that are rotated by the latent frame's index, and the base of the rates."""
EPS = 1e-6


@dataclass(frozen=True)
class ActionConfig:
    """Sizes of the action modules: ``keys`` columns, then pitch and yaw where ``mouse``."""

    keys: int
    mouse: bool = True
    layers: int = 15
    heads: int = 16
    width: int = 1024
    key_width: int = 128

    @property
    def columns(self) -> int:
        return self.keys + (2 if self.mouse else 0)


def control_windows(rows: Tensor, ticks: int, t0: int) -> Tensor:
    """Control rows of a block, with those of the 12 frames before it in front [B, 12 + F, n], as
    what each of its latent frames takes up [B, ticks, 12, n]."""
    if t0 == 0:
        rows = torch.cat([rows[:, WINDOW : WINDOW + 1].expand(-1, WINDOW, -1), rows[:, WINDOW:]], 1)
    first = 0 if t0 == 0 else FRAMES - 1
    starts = [first + FRAMES * tick for tick in range(ticks)]
    return torch.stack([rows[:, start : start + WINDOW] for start in starts], 1)


def action_rotary(t0: int, ticks: int, device: Any) -> tuple[Tensor, Tensor]:
    """(cosine, sine) float32 [ticks, 1, ROTATED / 2]."""
    half = ROTATED // 2
    rates = THETA ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.outer(torch.arange(t0, t0 + ticks, dtype=torch.float64), rates)[:, None]
    return angles.cos().float().to(device), angles.sin().float().to(device)


def turn(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the first dimensions of [..., T, heads, head_dim]."""
    return torch.cat([rotate(x[..., :ROTATED], *table), x[..., ROTATED:]], -1)


class DeadNorm(nn.Module):
    """Root-mean-square norm of the last dimension. Files hold a weight for it that the published
    code never applies (so that it got no gradient)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS)


class ActionModule(nn.Module):
    """Mouse: attention over time at every position. Keyboard: each position reads the keys."""

    def __init__(self, dim: int, config: ActionConfig, operations: Any) -> None:
        super().__init__()
        self.config = config
        width, key = config.width, config.key_width
        head = width // config.heads

        def plain(inp: int, out: int) -> nn.Module:
            return operations.Linear(inp, out, bias=False)

        if config.mouse:
            self.mouse_mlp = nn.Sequential(
                operations.Linear(dim + 2 * WINDOW, width),
                nn.GELU(approximate="tanh"),
                operations.Linear(width, width),
                operations.LayerNorm(width),
            )
            self.t_qkv = plain(width, 3 * width)
            self.proj_mouse = plain(width, dim)
            self.img_attn_q_norm, self.img_attn_k_norm = DeadNorm(head), DeadNorm(head)
        self.keyboard_embed = nn.Sequential(
            operations.Linear(config.keys, key), nn.SiLU(), operations.Linear(key, key)
        )
        # the published name: it makes the queries of the keyboard's attention
        self.mouse_attn_q = plain(dim, width)
        self.keyboard_attn_kv = plain(WINDOW * key, 2 * width)
        self.proj_keyboard = plain(width, dim)
        self.key_attn_q_norm, self.key_attn_k_norm = DeadNorm(head), DeadNorm(head)

    def forward(
        self, x: Tensor, windows: Tensor, table: tuple[Tensor, Tensor],
        past_mouse: list[Tensor], past_keys: list[Tensor],
    ) -> tuple[Tensor, KeysValues | None, KeysValues]:
        """x [B, T * S, dim], windows [B, T, 12, n], table from ``action_rotary``; kept frames'
        tensors [2, B, S, heads, head_dim] (mouse) and [2, B, heads, head_dim] (keys).

        Gives x, the mouse's own keys and values [B, T, S, heads, head_dim] (None without a mouse)
        and the keyboard's [B, T, heads, head_dim].
        """
        mouse = None
        keys = self.config.keys
        if self.config.mouse:
            moved, mouse = self._mouse(x, windows[..., keys:], table, past_mouse)
            x = x + moved
        pressed, held = self._keyboard(x, windows[..., :keys], table, past_keys)
        return x + pressed, mouse, held

    def _mouse(self, x, windows: Tensor, table, past: list[Tensor]) -> tuple[Tensor, KeysValues]:
        batch, ticks = windows.shape[:2]
        tokens = x.shape[1] // ticks
        by_place = x.unflatten(1, (ticks, tokens)).transpose(1, 2)  # [B, S, T, dim]
        motion = windows.flatten(2)[:, None].expand(-1, tokens, -1, -1)
        h = self.t_qkv(self.mouse_mlp(torch.cat([by_place, motion.to(x)], -1)))
        q, k, v = h.unflatten(-1, (3, self.config.heads, -1)).unbind(-3)
        q = turn(self.img_attn_q_norm(q), table)  # [B, S, T, heads, head_dim]
        k = turn(self.img_attn_k_norm(k), table)
        keys, values = [k], [v]
        if past:
            seen = torch.stack(past, 3)  # [2, B, S, past, heads, head_dim]
            keys, values = [seen[0], k], [seen[1], v]
        out = attend(q.flatten(0, 1), torch.cat(keys, 2).flatten(0, 1),
                     torch.cat(values, 2).flatten(0, 1))
        out = out.unflatten(0, (batch, tokens)).transpose(1, 2).flatten(1, 2)
        return self.proj_mouse(out), (k.transpose(1, 2), v.transpose(1, 2))

    def _keyboard(self, x, windows: Tensor, table, past: list[Tensor]):
        held = self.keyboard_embed(windows.to(x)).flatten(2)  # [B, T, 12 * key_width]
        kv = self.keyboard_attn_kv(held).unflatten(-1, (2, self.config.heads, -1))
        k, v = turn(self.key_attn_k_norm(kv[..., 0, :, :]), table), kv[..., 1, :, :]
        ticks = windows.shape[1]
        q = self.mouse_attn_q(x).unflatten(-1, (self.config.heads, -1))
        q = turn(self.key_attn_q_norm(q).unflatten(1, (ticks, -1)).transpose(1, 2), table)
        q = q.transpose(1, 2).flatten(1, 2)  # [B, T * S, heads, head_dim]
        keys, values = k, v
        if past:
            seen = torch.stack(past, 2)  # [2, B, past, heads, head_dim]
            keys, values = torch.cat([seen[0], k], 1), torch.cat([seen[1], v], 1)
        return self.proj_keyboard(attend(q, keys, values)), (k, v)


def dead_norms(state: dict[str, Tensor]) -> dict[str, float]:
    """Of the weights that are never applied, how far each is from 1, by name. Another reading of
    the network applies them: they can only both be right where they are 1."""
    ends = ("_attn_q_norm.weight", "_attn_k_norm.weight")
    return {
        name: float((tensor.float() - 1).abs().max())
        for name, tensor in state.items()
        if ".action_model." in name and name.endswith(ends)
    }

