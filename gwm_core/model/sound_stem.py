"""The stem of a stream whose token is a picture of a sound: frames by bands, the newest last.

Convolutions first, over time and frequency: what a sound looks like is the same a little higher or
lower, as another speaker says it (LeCun and Bengio 1995; Abdel-Hamid et al. 2014). Then layers that
hear more and more of the time (time delays: Waibel et al. 1989). No frame is made up at the edges
in time, so that a whole track at once gives the very numbers of its tokens one by one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .spec import StreamConfig

LOW, HIGH = 32, 64
"""Channels of the two convolutions."""
STEP = 4
"""Frames that the convolutions go on by at a time."""
DELAYS = (3, 3, 2)
"""Steps that each of the later layers hears."""
SPARE = 3
"""The oldest frames, which fill no step: so the newest one is heard."""
FRAMES = STEP * sum(k - 1 for k in DELAYS) + 9 + SPARE
"""Of a token: as many as one answer hears."""
KEPT = 8
"""Tokens whose answers are kept: the last two of some sessions."""
DEAF = 0.1
"""Share of what a layer says that is left out in training."""


class Hears(nn.Module):
    """Sound [B, F, bands] to hidden values [B, (F - FRAMES) / STEP + 1, hidden]."""

    def __init__(self, bands: int, hidden: int, depth: int, operations) -> None:
        super().__init__()
        self.low = operations.Conv2d(1, LOW, 5, stride=2, padding=(0, 2))
        self.high = operations.Conv2d(LOW, HIGH, (3, 5), stride=2, padding=(0, 2))
        width = HIGH * (((bands + 1) // 2 + 1) // 2)
        self.delays = nn.ModuleList(
            operations.Linear(k * (hidden if i else width), hidden) for i, k in enumerate(DELAYS))
        self.blocks = nn.ModuleList(
            nn.ModuleList(operations.Linear(hidden, hidden) for _ in range(2))
            for _ in range(depth))
        self.deaf = nn.Dropout(DEAF)

    def forward(self, sound: Tensor) -> Tensor:
        h = F.silu(self.high(F.silu(self.low(sound[:, None, SPARE:]))))
        h = h.permute(0, 2, 1, 3).flatten(2)
        for layer, k in zip(self.delays, DELAYS, strict=True):
            h = torch.cat([h[:, i:h.shape[1] - k + 1 + i] for i in range(k)], -1)
            h = self.deaf(F.silu(layer(h)))
            h = F.layer_norm(h, h.shape[-1:])
        for first, second in self.blocks:
            h = h + second(F.silu(first(F.layer_norm(h, h.shape[-1:]))))
        return h


class SoundStem(nn.Module):
    """Tokens [.., 1, FRAMES * bands] -> (embedding, skip), as ``stems.Stem``; ``track`` takes a
    whole track of frames at once."""

    def __init__(self, config: StreamConfig, width: int, operations) -> None:
        super().__init__()
        bands, hidden = config.stem_bands, config.stem_width or width
        if config.width != FRAMES * bands or config.tokens != 1 or config.guide:
            raise ValueError(f"stream {config.name!r}: a stem of sound takes one token of {FRAMES} "
                             f"frames and no guide, got {config.tokens} x {config.width} of "
                             f"{bands} bands")
        self.bands = bands
        self.hears = Hears(bands, hidden, config.stem_depth, operations)
        self.embed = operations.Linear(hidden, width)
        self.place = nn.Parameter(torch.randn(1, width) * 0.02)
        self._kept: tuple[tuple[Tensor, tuple[Tensor, Tensor]], ...] = ()
        self.register_load_state_dict_post_hook(lambda stem, _: stem.forget())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """When a network is driven the same token comes three times: for the reading, to imagine
        its tick, and as that tick enters the history. It is heard once."""
        for token, said in self._kept:
            if token is x:
                return said
        heard = self.hears(x.reshape(-1, FRAMES, self.bands))
        h = heard.reshape(*x.shape[:-1], heard.shape[-1])
        said = self.embed(h) + self.place.to(x), h
        if torch.is_inference_mode_enabled():
            self._kept = ((x, said), *self._kept[: KEPT - 1])
        return said

    def forget(self) -> None:
        """What was heard is heard anew, by other weights."""
        self._kept = ()

    def train(self, mode: bool = True) -> SoundStem:
        self.forget()
        return super().train(mode)

    def track(self, sound: Tensor) -> Tensor:
        """Embeddings [B, T, width] of frames [B, FRAMES + (T - 1) * STEP, bands]."""
        return self.embed(self.hears(sound)) + self.place
