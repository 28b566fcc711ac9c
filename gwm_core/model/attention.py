"""Rotary positions and the transformer block.

Head dimensions are split into pairs: the first half of the pairs turns with time, a quarter with
the row and a quarter with the column inside a view. Queries and keys are RMS-normed; a learned
gain per pair (which commutes with the rotation) is folded into the rotary table, so that both
cost one multiplication.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TIME_SPAN = 128.0  # ticks of the slowest time frequency, in units of 2 pi


def rotary_split(head_dim: int) -> tuple[int, int, int]:
    """Numbers of (time, row, column) pairs in a head of ``head_dim`` dimensions."""
    pairs = head_dim // 2
    space = pairs // 4
    return pairs - 2 * space, space, space


def time_angles(ticks: Tensor, head_dim: int) -> Tensor:
    """Angles float64 [..., head_dim / 2] of integer or float ``ticks`` [...]; space pairs are 0."""
    time, row, column = rotary_split(head_dim)
    exponent = torch.arange(time, dtype=torch.float64, device=ticks.device) / max(time - 1, 1)
    rates = TIME_SPAN ** (-exponent)
    angles = ticks.to(torch.float64)[..., None] * rates
    return F.pad(angles, (0, row + column))


def space_angles(grid: tuple[int, int] | None, tokens: int, head_dim: int) -> Tensor:
    """Angles float64 [tokens, head_dim / 2] of a row-major ``grid``; zero without a grid."""
    time, row, column = rotary_split(head_dim)
    out = torch.zeros(tokens, time + row + column, dtype=torch.float64)
    if grid is None:
        return out
    rows, columns = grid
    index = torch.arange(tokens)
    for first, count, n, position in (
        (time, row, rows, index // columns),
        (time + row, column, columns, index % columns),
    ):
        # from half a turn across the whole view up to a quarter turn between neighbours
        rates = torch.linspace(0.5, max(0.25 * n, 0.5), count, dtype=torch.float64)
        place = (2.0 * position.to(torch.float64) + 1.0) / n - 1.0
        out[:, first : first + count] = math.pi * place[:, None] * rates
    return out


def unit_phase(angles: Tensor) -> Tensor:
    """complex64 e^(i angle), computed in float64 so that late ticks stay exact."""
    return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)


def norm_rotate(x: Tensor, table: Tensor) -> Tensor:
    """RMS-norm the last dimension of ``x`` [..., D], then turn its pairs by complex ``table``
    (broadcastable to [..., D / 2]); computed in float32, returned in ``x``'s dtype."""
    wide = x.float()
    norm = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    scale = (norm * x.shape[-1] ** -0.5 + 1e-6).reciprocal()
    turned = torch.view_as_complex(wide.unflatten(-1, (-1, 2))) * table
    return (torch.view_as_real(turned).flatten(-2) * scale).to(x.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention of q [B, M, H, D] to k, v [B, S, H, D] -> [B, M, H * D]; mask [B, 1, M, S]."""
    out = F.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask
    )
    return out.transpose(1, 2).flatten(2)


class Block(nn.Module):
    """Pre-norm attention and MLP (squared ReLU), both modulated by the tokens' noise levels.

    Modulation rows, in order: shift, 1 + scale, gate of the attention, then of the MLP.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: int, operations) -> None:
        super().__init__()
        self.heads = heads
        self.head_dim = width // heads
        self.qkv = operations.Linear(width, 3 * width, bias=False)
        self.out = operations.Linear(width, width, bias=False)
        self.fc1 = operations.Linear(width, mlp_ratio * width)
        self.fc2 = operations.Linear(mlp_ratio * width, width)
        # normed vectors alone bound the logits: the gains let attention become sharp
        self.gain = nn.Parameter(torch.ones(2, heads, self.head_dim // 2))

    def queries_keys_values(self, x: Tensor, mod, table: Tensor) -> tuple[Tensor, Tensor]:
        """(rotated queries and keys [B, M, 2, H, D], values [B, M, H, D])."""
        h = torch.addcmul(mod[0], F.layer_norm(x, x.shape[-1:]), mod[1])
        qkv = self.qkv(h).unflatten(-1, (3, self.heads, self.head_dim))
        return norm_rotate(qkv[:, :, :2], table), qkv[:, :, 2]

    def finish(self, x: Tensor, attended: Tensor, mod) -> Tensor:
        """Residual of the attention result [B, M, width], then the MLP."""
        x = torch.addcmul(x, self.out(attended), mod[2])
        h = torch.addcmul(mod[3], F.layer_norm(x, x.shape[-1:]), mod[4])
        h = self.fc2(F.relu(self.fc1(h)).square())
        return torch.addcmul(x, h, mod[5])
