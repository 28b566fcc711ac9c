"""What stands in for the large encoders where a tiny twin is played."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from .encoders import Encoders, PictureEncoder
from .tiny import draw


@dataclass(frozen=True)
class TinyVision:
    """Random CLIP-like tokens of a picture."""

    tokens: int
    width: int

    def features(self, pixels: Tensor) -> Tensor:
        bright = torch.nn.functional.adaptive_avg_pool2d(pixels, (1, self.tokens))[0, :, 0]
        mix = draw({"vision": (self.width, 3)}, 5)["vision"]
        return torch.tanh(bright.T @ mix.T)[None]


@dataclass(frozen=True)
class TinyWords:
    """A few numbers for each word."""

    width: int

    def features(self, text: str) -> Tensor:
        rows = []
        for word in text.lower().split()[:16] or [""]:
            digest = hashlib.sha256(word.encode()).digest()
            rows.append([byte / 128 - 1 for byte in (digest * self.width)[: self.width]])
        return torch.tensor([rows])


def stand_ins(kind: str, config, picture: PictureEncoder | None) -> Encoders:
    """All that a twin of this kind and size reads through."""
    if kind == "matrix-game-2":
        return Encoders(picture, TinyVision(config.clip_tokens, config.clip_width))
    if kind == "causal-wan":
        return Encoders(picture, text=TinyWords(config.text_width))
    return Encoders(picture)
