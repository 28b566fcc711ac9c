"""Input stems and output heads of the streams, and the noise-level modulation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .spec import StreamConfig


class Stem(nn.Module):
    """Tokens of one stream [.., n, w] (with guide [.., n, 2w + 2]) -> (embedding, skip).

    With ``stem_depth`` the stem is a residual network of its own whose hidden values go straight
    to the head: what a stream can tell from its own tokens (the physics of a body, for example)
    need not squeeze through the trunk. Without, it is one matrix and ``skip`` is None.
    """

    def __init__(self, config: StreamConfig, width: int, operations) -> None:
        super().__init__()
        size = 2 * config.width + 2 if config.guide else config.width
        self.depth = config.stem_depth
        hidden = config.stem_width or width
        if self.depth:
            self.inlet = operations.Linear(size, hidden)
            self.blocks = nn.ModuleList(
                nn.ModuleList(operations.Linear(hidden, hidden) for _ in range(2))
                for _ in range(self.depth)
            )
            self.embed = operations.Linear(hidden, width)
        else:
            self.embed = operations.Linear(size, width)
        # what tells the tokens of all streams apart; rotary positions only act inside a view
        self.place = nn.Parameter(torch.randn(config.tokens, width) * 0.02)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        if not self.depth:
            return self.embed(x) + self.place.to(x), None
        h = self.inlet(x)
        for first, second in self.blocks:
            h = h + second(F.silu(first(F.layer_norm(h, h.shape[-1:]))))
        return self.embed(h) + self.place.to(x), h


class Head(nn.Module):
    """Trunk tokens [.., n, d] (modulated) and the stem's skip -> tokens of the stream."""

    def __init__(self, config: StreamConfig, width: int, operations) -> None:
        super().__init__()
        self.out = operations.Linear(width, config.width)
        self.skip = (
            operations.Linear(config.stem_width or width, config.width)
            if config.stem_depth
            else None
        )

    def forward(self, h: Tensor, skip: Tensor | None) -> Tensor:
        out = self.out(h)
        if self.skip is not None and skip is not None:
            out = out + self.skip(F.layer_norm(skip, skip.shape[-1:]))
        return out


class NoiseLevels(nn.Module):
    """Noise level (and stream) -> modulation of every layer and of the heads.

    One projection serves all layers, each adds a bias of its own. ``forward`` takes sigma [...]
    in 0..1 and the stream's index and returns (layers [..., L, 6, d], head [..., 2, d]) in which
    the scales already contain their 1.
    """

    FEATURES = 64

    def __init__(self, streams: int, width: int, layers: int, operations) -> None:
        super().__init__()
        self.layers, self.width = layers, width
        self.fc1 = operations.Linear(self.FEATURES, width)
        self.fc2 = operations.Linear(width, width)
        self.project = operations.Linear(width, 8 * width)
        self.stream = nn.Parameter(torch.randn(streams, width) * 0.02)
        start = torch.zeros(layers, 6, width)
        start[:, (1, 4)] = 1.0
        self.bias = nn.Parameter(start)
        head = torch.zeros(2, width)
        head[1] = 1.0
        self.head_bias = nn.Parameter(head)

    def forward(self, sigma: Tensor, stream: int) -> tuple[Tensor, Tensor]:
        half = self.FEATURES // 2
        rates = torch.exp(
            torch.linspace(0.0, math.log(256.0), half, device=sigma.device, dtype=torch.float32)
        )
        angles = sigma.float()[..., None] * rates
        features = torch.cat([angles.sin(), angles.cos()], dim=-1).to(self.stream.dtype)
        h = self.fc2(F.silu(self.fc1(features))) + self.stream[stream].to(features)
        out = self.project(F.silu(h)).unflatten(-1, (8, self.width))
        layers = out[..., None, :6, :] + self.bias.to(out)
        return layers, out[..., 6:, :] + self.head_bias.to(out)
