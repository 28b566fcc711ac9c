"""Causal Wan 1.3B as a dynamics: a world from words, which other words change while it runs.

Self Forcing (arXiv 2506.08009) makes three latent frames at once in four steps; Causal Forcing
and its ++ variants one to three, in one to four. The same network: Wan 2.1's text-to-video one,
made causal. A new prompt replaces the keys and values of the cross-attention and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..model.spec import DynamicsSpec, Ring, Tokens
from .wan_blocks import WanConfig, WanTrunk, shifted
from .wan_cache import Frames, WanCache
from .wan_latent import checked

VIEW = "view"


@dataclass(frozen=True)
class CausalWanConfig:
    """One variant.

    block: latent frames at once. steps, first_steps: published timesteps before the shift, and
    those of the first block where they differ. local: latent frames in sight, the running block
    and ``sink`` included; ``sink`` first frames never leave sight. The networks were trained on
    21 frames: with the window full the picture drifts, without a sink it also flickers.
    """

    block: int = 3
    steps: tuple[float, ...] = (1000, 750, 500, 250)
    first_steps: tuple[float, ...] | None = None
    local: int = 21
    sink: int = 3
    rows: int = 30
    columns: int = 52
    dim: int = 1536
    heads: int = 12
    layers: int = 30
    ffn_dim: int = 8960
    freq_dim: int = 256
    text_tokens: int = 512
    text_width: int = 4096
    channels: int = 16

    def __post_init__(self) -> None:
        if not 1 <= self.block or not 0 <= self.sink <= self.local - self.block:
            raise ValueError(
                f"causal Wan: blocks of {self.block} and a sink of {self.sink} do not fit into a "
                f"window of {self.local} latent frames"
            )

    @property
    def wan(self) -> WanConfig:
        return WanConfig(
            self.rows, self.columns, in_channels=self.channels, out_channels=self.channels,
            dim=self.dim, heads=self.heads, layers=self.layers, ffn_dim=self.ffn_dim,
            freq_dim=self.freq_dim,
        )

    def schedule(self, block: int) -> tuple[float, ...]:
        """Noise levels of a block, the final 0 included."""
        first = self.first_steps if block == 0 and self.first_steps is not None else self.steps
        return shifted(*first)


class CausalWanNet(WanTrunk):
    """The network under its published names."""

    def __init__(self, config: CausalWanConfig, operations: Any = nn,
                 dtype: torch.dtype = torch.float32) -> None:
        super().__init__(config.wan, operations, dtype)
        self.text_embedding = nn.Sequential(
            operations.Linear(config.text_width, config.dim), nn.GELU(approximate="tanh"),
            operations.Linear(config.dim, config.dim),
        )
        self.variant = config


class CausalWanDynamics:
    """Blocks of latent frames from text; all calls are pure."""

    def __init__(self, network: CausalWanNet) -> None:
        self.network, self.config = network, network.variant
        self.spec = spec_of(self.config, network.dtype.itemsize)

    def prefill(self, prompt: Tensor, observation: Tokens | None = None) -> WanCache:
        """The value before the first generated frame.

        prompt [B, n, 4096]: UMT5-XXL features of at most 512 tokens; zeros fill up to 512, as in
        training. observation {"view": [B, 1, channels, H, W]}: the normalised latent of a first
        picture, committed as frame 0; only models of single frames take one.
        """
        config = self.config
        recent = config.local - config.block - config.sink
        cache = WanCache({"cross": self.words(prompt)}, sink=config.sink, recent=recent)
        if observation is None:
            return cache
        if config.block != 1:
            raise ValueError("causal Wan: a model of several frames at once begins from text alone")
        return self.commit(cache, observation, None, 0)

    def words(self, prompt: Tensor) -> Tensor:
        """Keys and values of a prompt, [layers, 2, B, 512, heads, head_dim]."""
        net, most = self.network, self.config.text_tokens
        if prompt.ndim != 3 or prompt.shape[1] > most or prompt.shape[2] != self.config.text_width:
            raise ValueError(
                f"causal Wan: text features {list(prompt.shape)}; [batch, up to {most}, "
                f"{self.config.text_width}] is accepted"
            )
        short = most - prompt.shape[1]
        padded = nn.functional.pad(prompt.to(net.dtype), (0, 0, 0, short))
        return net.prompt_keys_values(net.text_embedding(padded))

    def with_prompt(self, cache: WanCache, prompt: Tensor) -> WanCache:
        """The same history under another prompt: a world event. The old value stays valid."""
        return cache.with_prompt(cross=self.words(prompt))

    def step(self, cache: WanCache, noisy: Tokens, sigma: Any, controls: Tensor | None,
             t0: int) -> Tokens:
        """Velocity of a block of latent frames at noise level ``sigma``; no controls are read."""
        level = sigma[VIEW] if isinstance(sigma, dict) else sigma
        return {VIEW: self._pass(cache, noisy[VIEW], float(level), t0).to(noisy[VIEW])}

    def commit(self, cache: WanCache, clean: Tokens, controls: Tensor | None,
               t0: int) -> WanCache:
        """A new history with this block in it; the old one stays valid."""
        frames = Frames(cache, t0, clean[VIEW].shape[1])
        self._pass(cache, clean[VIEW], 0.0, t0, frames)
        return cache.committed(frames.finish())

    def _pass(self, cache: WanCache, latents: Tensor, sigma: float, t0: int,
              frames: Frames | None = None) -> Tensor | None:
        net = self.network
        x = checked(latents, self.spec, "causal Wan").to(net.dtype)
        return net.run(x, 1000 * sigma, t0, cache.part("self"), cache.prompt["cross"], kept=frames)


def spec_of(config: CausalWanConfig, size: int) -> DynamicsSpec:
    """The contract of a variant; ``size``: bytes of a number of its history."""
    wan = config.wan
    frame = 2 * wan.layers * wan.tokens * wan.dim
    prompt = 2 * wan.layers * config.text_tokens * wan.dim
    return DynamicsSpec(
        latent_shape={VIEW: wan.latent},
        frames_per_tick=4,
        first_tick_frames=1,
        block_ticks=config.block,
        schedule=config.schedule if config.first_steps is not None else shifted(*config.steps),
        between_steps="renoise",
        prediction="v",
        history=Ring(config.local, sink=config.sink),
        prompt_kinds=("text",),
        state_bytes=size * ((config.local - config.block) * frame + prompt),
    )


def in_window(config: CausalWanConfig, local: int, sink: int | None = None) -> CausalWanConfig:
    """The same variant with another window (less memory, a shorter sight)."""
    sink = min(config.sink, local - config.block) if sink is None else sink
    return replace(config, local=local, sink=sink)
