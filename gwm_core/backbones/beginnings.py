"""How a world of each backbone begins, and what words do to it.

A beginning turns the first picture and the words into what ``prefill`` reads. It is all that
differs between backbones above their dynamics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..rollout import RolloutValue, begin
from .encoders import Encoders, as_frames, clip_pixels
from .matrix_game import VIEW, ImagePrompt

MAX_SAID = 8
"""Events that go on counting; older ones are left out of the prompt."""


class Beginning(Protocol):
    """The start of a world; pure.

    picture: "needed", "possible" or "none". text: whether words are read.
    """

    picture: str
    text: bool

    def check(self, model: Any, picture: bool) -> None:
        """WorldError where an encoder that the start needs is not at hand."""

    def start(self, model: Any, words: str, picture: np.ndarray | None, seed: int) -> RolloutValue:
        """The value before the first generated frame."""

    def told(self, model: Any, value: RolloutValue, words: str) -> RolloutValue:
        """The value under other words; the old one stays valid."""


def prompt_of(prompt: str, said: Sequence[str]) -> str:
    """The words of a world: its prompt, then what has happened since."""
    parts = [prompt, *said[-MAX_SAID:]]
    return " ".join(p.strip().rstrip(".") + "." for p in parts if p.strip())


@dataclass(frozen=True)
class PictureSeed:
    """The picture, four times, is the first latent (Waypoint); the decoder has seen it."""

    encoders: Encoders
    picture: str = "needed"
    text: bool = False

    def check(self, model: Any, picture: bool) -> None:
        self.encoders.need("picture", model.title)

    def start(self, model: Any, words: str, picture: np.ndarray | None, seed: int) -> RolloutValue:
        encoder = self.encoders.need("picture", model.title)
        height, width = (16 * n for n in model.dynamics.spec.latent_shape[VIEW][1:])
        frames = as_frames(picture)[0]
        frames = F.interpolate(frames, size=(height, width), mode="bilinear", align_corners=False)
        latent = encoder.latents(frames[None].to(model.device))[:, :1].to(model.device)
        return primed(model, begin(model.dynamics, None, {VIEW: latent}, seed), latent, 4)

    def told(self, model: Any, value: RolloutValue, words: str) -> RolloutValue:
        return value


@dataclass(frozen=True)
class PicturePrompt:
    """The picture is a prompt: its latent and that of grey after it, and its CLIP tokens
    (Matrix-Game 2.0). The network draws the picture itself as its first frame."""

    encoders: Encoders
    picture: str = "needed"
    text: bool = False

    def check(self, model: Any, picture: bool) -> None:
        self.encoders.need("picture", model.title)
        self.encoders.need("vision", model.title)

    def start(self, model: Any, words: str, picture: np.ndarray | None, seed: int) -> RolloutValue:
        encoder = self.encoders.need("picture", model.title)
        vision = self.encoders.need("vision", model.title)
        features = vision.features(clip_pixels(picture)).to(model.device)
        first = as_frames(picture).to(model.device)
        grey = torch.full_like(first, 0.5)
        after = 4 * (model.dynamics.config.image_latents - 1)
        latents = encoder.latents(torch.cat([first, grey.expand(-1, after, -1, -1, -1)], 1))
        prompt = ImagePrompt(latents.to(model.device), features)
        return begin(model.dynamics, prompt, None, seed)

    def told(self, model: Any, value: RolloutValue, words: str) -> RolloutValue:
        return value


@dataclass(frozen=True)
class Words:
    """Words, and for models of single frames a first picture (causal Wan). Other words replace
    the keys and values of the cross-attention; history and decoder go on."""

    encoders: Encoders
    picture: str = "none"
    text: bool = True

    def check(self, model: Any, picture: bool) -> None:
        self.encoders.need("text", model.title)
        if picture:
            self.encoders.need("picture", model.title)

    def start(self, model: Any, words: str, picture: np.ndarray | None, seed: int) -> RolloutValue:
        features = self._features(model, words)
        if picture is None:
            return begin(model.dynamics, features, None, seed)
        encoder = self.encoders.need("picture", model.title)
        latent = encoder.latents(as_frames(picture).to(model.device)).to(model.device)
        return primed(model, begin(model.dynamics, features, {VIEW: latent}, seed), latent, 1)

    def told(self, model: Any, value: RolloutValue, words: str) -> RolloutValue:
        cache = model.dynamics.with_prompt(value.cache, self._features(model, words))
        return replace(value, cache=cache)

    def _features(self, model: Any, words: str) -> Tensor:
        return self.encoders.need("text", model.title).features(words).to(model.device)


def primed(model: Any, value: RolloutValue, latent: Tensor, times: int) -> RolloutValue:
    """The value whose decoder has already shown the first latent."""
    return replace(value, decoder=model.decoder.prime(latent, times))

