"""Matrix-Game 2.0 as a dynamics: any picture becomes a world that mouse and keys move.

Skywork's distilled network (arXiv 2508.13009): three latent frames at once, three or four steps
with fresh noise between them, one block of history. The first picture conditions every frame: its
latent (and that of the grey that follows it) beside the noise, its CLIP tokens by cross-attention.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..model.spec import DynamicsSpec, Ring, Tokens
from .matrix_game_actions import WINDOW, ActionConfig, ActionModule, action_rotary, control_windows
from .wan_blocks import WanConfig, WanTrunk, shifted
from .wan_cache import Frames, WanCache
from .wan_latent import checked

VIEW = "view"
BLOCK = 3
MASK = 4
"""Channels that say which latent frame is the picture itself."""


@dataclass(frozen=True)
class MatrixGameConfig:
    """One variant.

    local: latent frames in sight, the running block included. steps: published timesteps before
    the shift. image_latents: how many latents of the picture and the grey after it are kept; the
    last stands for all later ones (the Wan VAE's encoder sees 112 frames back: from the 29th on
    they differ by less than 1e-8, after ten by as much as a tenth of what they are).
    """

    actions: ActionConfig
    local: int = 6
    steps: tuple[float, ...] = (1000, 666, 333)
    rows: int = 22
    columns: int = 40
    dim: int = 1536
    heads: int = 12
    layers: int = 30
    ffn_dim: int = 8960
    freq_dim: int = 256
    clip_tokens: int = 257
    clip_width: int = 1280
    channels: int = 16
    image_latents: int = 29

    @property
    def wan(self) -> WanConfig:
        return WanConfig(
            self.rows, self.columns, in_channels=2 * self.channels + MASK,
            out_channels=self.channels, dim=self.dim, heads=self.heads, layers=self.layers,
            ffn_dim=self.ffn_dim, freq_dim=self.freq_dim,
        )


@dataclass(frozen=True)
class ImagePrompt:
    """A first picture as the network takes it.

    latents   [B, K, channels, H, W] of the picture, then of grey frames (normalised latents)
    features  [B, 257, 1280] CLIP ViT-H/14 tokens of its last layer but one
    """

    latents: Tensor
    features: Tensor


class ImageEmbedding(nn.Module):
    """CLIP tokens to the network's width."""

    def __init__(self, inp: int, dim: int, operations: Any) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            operations.LayerNorm(inp), operations.Linear(inp, inp), nn.GELU(),
            operations.Linear(inp, dim), operations.LayerNorm(dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class MatrixGameNet(WanTrunk):
    """The network under its published names (without their ``model.`` prefix)."""

    def __init__(self, config: MatrixGameConfig, operations: Any = nn,
                 dtype: torch.dtype = torch.float32) -> None:
        actions = config.actions

        def action_model(layer: int) -> nn.Module | None:
            if layer >= actions.layers:
                return None
            return ActionModule(config.dim, actions, operations)

        super().__init__(config.wan, operations, dtype, action_model)
        self.img_emb = ImageEmbedding(config.clip_width, config.dim, operations)
        self.variant = config


class MatrixGameDynamics:
    """Three latent frames a block; all calls are pure.

    layout: turns rows of an embodiment's controls into the network's columns (keys, then pitch
    and yaw); None takes the network's own.
    """

    def __init__(self, network: MatrixGameNet,
                 layout: Callable[[Tensor], Tensor] | None = None) -> None:
        self.network, self.layout, self.config = network, layout, network.variant
        width = getattr(layout, "columns", self.config.actions.columns)
        self.spec = spec_of(self.config, width, network.dtype.itemsize)

    def prefill(self, prompt: ImagePrompt, observation: Tokens | None = None) -> WanCache:
        """The value before the first latent frame. The picture is part of the prompt (and drawn
        again as the first latent frame), so that no observation is taken up."""
        net = self.network
        latents = prompt.latents[:, : self.config.image_latents].to(net.dtype)
        mask = torch.zeros_like(latents[:, :, :MASK])
        mask[:, 0] = 1
        image = torch.cat([mask, latents], 2)
        context = net.img_emb(prompt.features.to(net.dtype))
        parts = {
            "cross": net.prompt_keys_values(context),
            "image": image.transpose(0, 1)[None].contiguous(),  # [1, K, B, MASK + channels, H, W]
        }
        return WanCache(parts, recent=self.config.local - BLOCK)

    def step(self, cache: WanCache, noisy: Tokens, sigma: Any, controls: Tensor,
             t0: int) -> Tokens:
        """Velocity of a block of latent frames [B, 3, channels, H, W] at noise level ``sigma``;
        controls [B, 12 + frames, n] begin 12 frames before the block. Nothing is written."""
        level = sigma[VIEW] if isinstance(sigma, dict) else sigma
        out = self._pass(cache, noisy[VIEW], float(level), controls, t0)
        return {VIEW: out.to(noisy[VIEW])}

    def commit(self, cache: WanCache, clean: Tokens, controls: Tensor, t0: int) -> WanCache:
        """A new history with this block in it; the old one stays valid."""
        frames = Frames(cache, t0, clean[VIEW].shape[1])
        self._pass(cache, clean[VIEW], 0.0, controls, t0, frames)
        return cache.committed(frames.finish())

    def _pass(self, cache: WanCache, latents: Tensor, sigma: float, controls: Tensor, t0: int,
              frames: Frames | None = None) -> Tensor | None:
        net = self.network
        latents = checked(latents, self.spec, "Matrix-Game").to(net.dtype)
        batch, ticks = latents.shape[:2]
        image = cache.prompt["image"][0]
        last = image.shape[0] - 1
        beside = torch.stack([image[min(t0 + i, last)] for i in range(ticks)], 1)
        x = torch.cat([latents, beside.expand(batch, -1, -1, -1, -1)], 2)
        rows = controls if self.layout is None else self.layout(controls)
        windows = control_windows(rows.to(x).expand(batch, -1, -1), ticks, t0)
        table = action_rotary(t0, ticks, x.device)
        mouse, keys = cache.part("mouse"), cache.part("keys")

        def act(layer: int, module: nn.Module, x: Tensor) -> Tensor:
            x, moved, held = module(
                x, windows, table, [m[layer] for m in mouse], [k[layer] for k in keys]
            )
            if frames is not None:
                frames.add("keys", *held)
                if moved is not None:
                    frames.add("mouse", *moved)
            return x

        return net.run(x, 1000 * sigma, t0, cache.part("self"), cache.prompt["cross"], act, frames)


def spec_of(config: MatrixGameConfig, columns: int, size: int) -> DynamicsSpec:
    """The contract of a variant; ``size``: bytes of a number of its history."""
    wan, actions = config.wan, config.actions
    frame = 2 * wan.layers * wan.tokens * wan.dim
    frame += 2 * actions.layers * actions.width * (1 + (wan.tokens if actions.mouse else 0))
    prompt = 2 * wan.layers * config.clip_tokens * wan.dim
    image = config.image_latents * (MASK + config.channels) * 4 * wan.tokens
    return DynamicsSpec(
        latent_shape={VIEW: wan.latent},
        frames_per_tick=4,
        first_tick_frames=1,
        block_ticks=BLOCK,
        schedule=shifted(*config.steps),
        between_steps="renoise",
        prediction="v",
        controls=columns,
        control_rate="frame",
        control_history=WINDOW,
        history=Ring(config.local),
        prompt_kinds=("image",),
        state_bytes=size * ((config.local - BLOCK) * frame + prompt + image),
    )
