"""What turns an artist's picture and words into what a backbone reads.

Large encoders are the host's own (ComfyUI's CLIP Vision and CLIP loaders): they are given to a
model as small objects, so that the host can move them out of memory before the network loads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import WorldError
from .taehv import FRAMES, Taehv
from .wan_vae import WanVae

CLIP_SIDE = 224
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class PictureEncoder(Protocol):
    """Pictures to the latents that the decoder turns back."""

    def latents(self, frames: Tensor) -> Tensor:
        """Frames [1, 1 + 4n, 3, H, W] in 0..1 -> normalised latents [1, 1 + n, C, h, w], where the
        first frame alone makes the first latent."""


class VisionEncoder(Protocol):
    """CLIP ViT-H/14 without its last layer."""

    def features(self, pixels: Tensor) -> Tensor:
        """[1, 3, 224, 224], normalised as CLIP wants it -> [1, 257, 1280]."""


class TextEncoder(Protocol):
    """UMT5-XXL."""

    def features(self, text: str) -> Tensor:
        """[1, n, 4096] of at most 512 tokens, without padding."""


@dataclass(frozen=True)
class Encoders:
    """Those that are at hand; a model says which ones it needs."""

    picture: PictureEncoder | None = None
    vision: VisionEncoder | None = None
    text: TextEncoder | None = None

    def need(self, kind: str, model: str) -> Any:
        """That encoder, or WorldError with what to load."""
        encoder = getattr(self, kind)
        if encoder is None:
            raise WorldError(f"{model}: {NEEDED[kind]}")
        return encoder


NEEDED = {
    "picture": "it begins from a picture, for which the encoder half of a VAE is needed "
    "(a file with a decoder alone was loaded); load the whole VAE file",
    "vision": "it looks at the first picture through CLIP ViT-H/14; load clip_vision_h.safetensors "
    "(models/clip_vision)",
    "text": "it reads words through UMT5-XXL; load umt5_xxl (models/text_encoders)",
}


@dataclass(frozen=True)
class VaeEncoder:
    """The encoder half of a loaded Wan VAE."""

    vae: WanVae

    def latents(self, frames: Tensor) -> Tensor:
        return self.vae.encode(frames).float()


@dataclass(frozen=True)
class TaehvEncoder:
    """The encoder half of a loaded TAEHV; four frames make a latent, so that the first frame
    stands four times."""

    vae: Taehv

    def latents(self, frames: Tensor) -> Tensor:
        first = frames[:, :1].expand(-1, FRAMES - 1, -1, -1, -1)
        return self.vae.encode(torch.cat([first, frames], 1)).float()


def encoder_of(vae: Any) -> PictureEncoder | None:
    """The encoder half of a loaded autoencoder, None where its file has a decoder alone."""
    if getattr(vae, "encoder", None) is None:
        return None
    return VaeEncoder(vae) if isinstance(vae, WanVae) else TaehvEncoder(vae)


def as_frames(picture: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] -> float32 [1, 1, 3, H, W] in 0..1."""
    return torch.from_numpy(np.array(picture)).float().div(255).permute(2, 0, 1)[None, None]


def clip_pixels(picture: np.ndarray) -> Tensor:
    """A whole picture uint8 [H, W, 3] as Wan's CLIP sees it: squashed to a square without a cut,
    bicubic without antialiasing, normalised; float32 [1, 3, 224, 224]."""
    size = (CLIP_SIDE, CLIP_SIDE)
    small = F.interpolate(as_frames(picture)[0], size=size, mode="bicubic", align_corners=False)
    mean, std = (torch.tensor(v)[:, None, None] for v in (CLIP_MEAN, CLIP_STD))
    return (small - mean) / std
