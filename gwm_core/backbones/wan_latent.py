"""Checks of the latents that the Wan networks are given."""

from __future__ import annotations

from torch import Tensor

from ..model.spec import DynamicsSpec


def checked(latents: Tensor, spec: DynamicsSpec, model: str) -> Tensor:
    """Latents of a whole block [B, block_ticks, C, H, W]; ValueError for any other shape."""
    shape = (spec.block_ticks, *next(iter(spec.latent_shape.values())))
    if latents.ndim != 5 or tuple(latents.shape[1:]) != shape:
        wanted = ", ".join(str(n) for n in shape)
        raise ValueError(
            f"{model}: a block of latents {list(latents.shape)}; [batch, {wanted}] is accepted"
        )
    return latents
