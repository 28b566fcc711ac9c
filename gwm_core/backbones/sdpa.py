"""Attention of grouped queries by torch's own fused kernels."""

from __future__ import annotations

import inspect

import torch.nn.functional as F
from torch import Tensor


def _knows_groups() -> bool:
    text = F.scaled_dot_product_attention.__doc__ or ""
    try:
        return "enable_gqa" in str(inspect.signature(F.scaled_dot_product_attention))
    except (TypeError, ValueError):
        return "enable_gqa" in text


GROUPS = _knows_groups()
"""torch 2.4 has no ``enable_gqa``."""


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """q [B, heads, M, D] to k, v [B, kv heads, S, D] -> [B, heads, M, D].

    Each key head serves ``heads / kv heads`` query heads in a row.
    """
    groups = q.shape[1] // k.shape[1]
    if groups == 1:
        return F.scaled_dot_product_attention(q, k, v)
    if GROUPS:
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    k, v = (x.repeat_interleave(groups, dim=1) for x in (k, v))
    return F.scaled_dot_product_attention(q, k, v)
