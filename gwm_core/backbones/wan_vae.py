"""The video autoencoder of Wan 2.1 (code and weights Apache-2.0), streaming, as pure functions.

Written from the published layer names and shapes (Wan, arXiv 2503.20314, section 4.1). All
convolutions over time are causal: each remembers its last two input frames. The first latent is
one frame, every further one four.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import CheckpointError
from .latent_decoder import DecoderState, LatentDecoder, Tape
from .taehv import fill

MEAN = (-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
        0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921)
STD = (2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
       3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160)
REACH = 2
"""Frames before the present one that a causal convolution sees."""


@dataclass(frozen=True)
class WanVaeConfig:
    """dim: channels at full size; multiples: of them, from full to smallest size; blocks: residual
    blocks a size (the decoder has one more); time: whether each halving also halves time."""

    dim: int = 96
    channels: int = 16
    multiples: tuple[int, ...] = (1, 2, 4, 4)
    blocks: int = 2
    time: tuple[bool, ...] = (False, True, True)
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD


class RmsNorm(nn.Module):
    """Unit length over channels, times sqrt(channels) and a learned gain."""

    def __init__(self, dim: int, axes: int, **where) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim, *(1,) * axes, **where))

    def forward(self, x: Tensor) -> Tensor:
        gain = self.gamma.to(device=x.device, dtype=x.dtype)
        return F.normalize(x, dim=1) * x.shape[1] ** 0.5 * gain


def conv(inp: int, out: int, kernel: int, operations, **where) -> nn.Module:
    """A convolution over [B, C, T, H, W] without padding in time."""
    side = kernel // 2
    return operations.Conv3d(inp, out, kernel, padding=(0, side, side), **where)


def causal(layer: nn.Module, x: Tensor, tape: Tape) -> Tensor:
    """``layer`` on x with the frames before it; unseen ones are zero."""
    past = tape.take()
    if past is None:
        past = x.new_zeros(*x.shape[:2], REACH, *x.shape[3:])
    joined = torch.cat([past, x], 2)
    tape.put(joined[:, :, -REACH:])
    return layer(joined)


def each_frame(function, x: Tensor) -> Tensor:
    """A function of pictures [N, C, H, W] on every frame of x [B, C, T, H, W]."""
    y = function(x.transpose(1, 2).flatten(0, 1))
    return y.unflatten(0, (x.shape[0], -1)).transpose(1, 2)


class Residual(nn.Module):
    def __init__(self, inp: int, out: int, operations, **where) -> None:
        super().__init__()
        self.residual = nn.ModuleDict({
            "0": RmsNorm(inp, 3, **where), "2": conv(inp, out, 3, operations, **where),
            "3": RmsNorm(out, 3, **where), "6": conv(out, out, 3, operations, **where),
        })
        self.shortcut = conv(inp, out, 1, operations, **where) if inp != out else None

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        r = self.residual
        y = causal(r["2"], F.silu(r["0"](x)), tape)
        y = causal(r["6"], F.silu(r["3"](y)), tape)
        return y + (x if self.shortcut is None else self.shortcut(x))


class Attention(nn.Module):
    """Single-headed attention within each frame."""

    def __init__(self, dim: int, operations, **where) -> None:
        super().__init__()
        self.norm = RmsNorm(dim, 2, **where)
        self.to_qkv = operations.Conv2d(dim, 3 * dim, 1, **where)
        self.proj = operations.Conv2d(dim, dim, 1, **where)

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        return x + each_frame(self._frame, x)

    def _frame(self, x: Tensor) -> Tensor:
        q, k, v = (p.flatten(2).transpose(1, 2)[:, None]
                   for p in self.to_qkv(self.norm(x)).chunk(3, 1))
        y = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2)
        return self.proj(y.unflatten(2, x.shape[2:]))


class Up(nn.Module):
    """Twice the size and half the channels; with ``time`` twice the frames, but for the first."""

    def __init__(self, dim: int, time: bool, operations, **where) -> None:
        super().__init__()
        self.resample = nn.ModuleDict({"1": operations.Conv2d(dim, dim // 2, 3, padding=1,
                                                              **where)})
        self.time_conv = operations.Conv3d(dim, 2 * dim, (3, 1, 1), **where) if time else None

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        if self.time_conv is not None:
            if tape.first:
                tape.put(None)
            else:
                pair = causal(self.time_conv, x, tape).unflatten(1, (2, -1))
                x = torch.stack([pair[:, 0], pair[:, 1]], 3).flatten(2, 3)
        return each_frame(self._larger, x)

    def _larger(self, x: Tensor) -> Tensor:
        return self.resample["1"](F.interpolate(x, scale_factor=2, mode="nearest-exact"))


class Down(nn.Module):
    """Half the size; with ``time`` half the frames, but for the first."""

    def __init__(self, dim: int, time: bool, operations, **where) -> None:
        super().__init__()
        self.resample = nn.ModuleDict({"1": operations.Conv2d(dim, dim, 3, stride=2, **where)})
        self.time_conv = (
            operations.Conv3d(dim, dim, (3, 1, 1), stride=(2, 1, 1), **where) if time else None
        )

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        x = each_frame(lambda y: self.resample["1"](F.pad(y, (0, 1, 0, 1))), x)
        if self.time_conv is None:
            return x
        before = tape.take()
        tape.put(x[:, :, -1:])
        return x if before is None else self.time_conv(torch.cat([before, x], 2))


class Half(nn.Module):
    """What encoder and decoder share: a convolution, a middle, an end."""

    def __init__(self, inp: int, dim: int, operations, **where) -> None:
        super().__init__()
        self.conv1 = conv(inp, dim, 3, operations, **where)

    def add_middle(self, dim: int, operations, **where) -> None:
        self.middle = nn.Sequential(
            Residual(dim, dim, operations, **where), Attention(dim, operations, **where),
            Residual(dim, dim, operations, **where),
        )

    def add_head(self, dim: int, out: int, operations, **where) -> None:
        self.head = nn.ModuleDict({"0": RmsNorm(dim, 3, **where),
                                   "2": conv(dim, out, 3, operations, **where)})

    def end(self, x: Tensor, tape: Tape) -> Tensor:
        return causal(self.head["2"], F.silu(self.head["0"](x)), tape)


class Encoder(Half):
    def __init__(self, config: WanVaeConfig, operations, **where) -> None:
        dims = [config.dim * m for m in (1, *config.multiples)]
        super().__init__(3, dims[0], operations, **where)
        layers: list[nn.Module] = []
        for size, (inp, out) in enumerate(zip(dims, dims[1:], strict=False)):
            layers += [Residual(inp if i == 0 else out, out, operations, **where)
                       for i in range(config.blocks)]
            if size < len(config.time):
                layers.append(Down(out, config.time[size], operations, **where))
        self.downsamples = nn.Sequential(*layers)
        self.add_middle(dims[-1], operations, **where)
        self.add_head(dims[-1], 2 * config.channels, operations, **where)

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        x = causal(self.conv1, x, tape)
        for layer in (*self.downsamples, *self.middle):
            x = layer(x, tape)
        return self.end(x, tape)


class Decoder(Half):
    def __init__(self, config: WanVaeConfig, operations, **where) -> None:
        dims = [config.dim * m for m in (config.multiples[-1], *config.multiples[::-1])]
        super().__init__(config.channels, dims[0], operations, **where)
        self.add_middle(dims[0], operations, **where)
        layers: list[nn.Module] = []
        for size, (inp, out) in enumerate(zip(dims, dims[1:], strict=False)):
            inp = inp // 2 if size else inp
            layers += [Residual(inp if i == 0 else out, out, operations, **where)
                       for i in range(config.blocks + 1)]
            if size < len(config.time):
                layers.append(Up(out, config.time[::-1][size], operations, **where))
        self.upsamples = nn.Sequential(*layers)
        self.add_head(dims[-1], 3, operations, **where)

    def forward(self, x: Tensor, tape: Tape) -> Tensor:
        x = causal(self.conv1, x, tape)
        for layer in (*self.middle, *self.upsamples):
            x = layer(x, tape)
        return self.end(x, tape)


class WanVae(nn.Module):
    """Both halves under their published names; ``encoder`` is None in a file without."""

    def __init__(self, config: WanVaeConfig = WanVaeConfig(), operations: Any = nn,
                 encoder: bool = True, **where) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.encoder = Encoder(config, operations, **where) if encoder else None
        self.conv1 = conv(2 * channels, 2 * channels, 1, operations, **where) if encoder else None
        self.conv2 = conv(channels, channels, 1, operations, **where)
        self.decoder = Decoder(config, operations, **where)

    def statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of latents, shaped for [B, C, T, h, w]."""
        return tuple(
            torch.tensor(v, device=like.device, dtype=like.dtype).view(1, -1, 1, 1, 1)
            for v in (self.config.mean, self.config.std)
        )

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Frames [B, 1 + 4n, 3, H, W] in 0..1 -> latents [B, 1 + n, C, H / 8, W / 8], normalised
        as the networks want them (the mean, nothing drawn)."""
        if self.encoder is None:
            raise CheckpointError("Wan VAE: this file has a decoder only; the whole file is "
                                  "needed to begin from a picture")
        if frames.ndim != 5 or frames.shape[2] != 3 or frames.shape[1] % 4 != 1 or any(
                n % 8 for n in frames.shape[3:]):
            raise ValueError(f"Wan VAE: frames {list(frames.shape)}; accepted are [batch, 1 + 4n, "
                             "3, height, width], sides in multiples of 8")
        first = next(self.parameters())
        x = frames.to(first.device, first.dtype).transpose(1, 2) * 2 - 1
        past: tuple = ()
        out = []
        for start in range(-3, x.shape[2], 4):
            tape = Tape(past, first=not past)
            out.append(self.encoder(x[:, :, max(start, 0) : start + 4], tape))
            past = tuple(tape.new)
        mean, std = self.statistics(x)
        latents = self.conv1(torch.cat(out, 2)).chunk(2, 1)[0]
        return ((latents - mean) / std).transpose(1, 2)


class WanVaeDecoder(LatentDecoder):
    """The decoder of a rollout: 1 frame of the first latent, then 4 a latent.

    at_once: latents that go through together; more are faster and need more memory.
    """

    network: WanVae
    at_once = 1

    @torch.no_grad()
    def frames(self, state: DecoderState | None, latents: Tensor) -> tuple[Tensor, DecoderState]:
        x = self.ready(latents).transpose(1, 2)
        network = self.network
        if x.shape[1] != network.config.channels:
            raise ValueError(f"Wan VAE: latents of {x.shape[1]} channels, this file decodes "
                             f"{network.config.channels}")
        mean, std = network.statistics(x)
        x = network.conv2(x * std + mean)
        state = state or DecoderState(0, ())
        out, start = [], 0
        while start < x.shape[2]:
            count = 1 if state.ticks == 0 else min(self.at_once, x.shape[2] - start)
            tape = Tape(state.past, first=state.ticks == 0)
            out.append(network.decoder(x[:, :, start : start + count], tape))
            state = DecoderState(state.ticks + count, tuple(tape.new))
            start += count
        return (torch.cat(out, 2).clamp(-1, 1) / 2 + 0.5).transpose(1, 2), state

    def state_bytes(self, height: int, width: int) -> int:
        total, side = 0, 1
        for layer in self.network.decoder.modules():
            if isinstance(layer, Up):
                total += remembered(layer.time_conv) * side**2
                side *= 2
            elif getattr(layer, "kernel_size", None) == (3, 3, 3):
                total += remembered(layer) * side**2
        return total * height * width * next(self.network.parameters()).element_size()


def remembered(layer: nn.Module | None) -> int:
    """Numbers that a causal convolution keeps of each position."""
    return 0 if layer is None else REACH * layer.in_channels


def load_wan_vae(tensors: Mapping[str, Tensor], operations: Any = nn, device: Any = None,
                 dtype: torch.dtype | None = None, where: str = "file",
                 config: WanVaeConfig = WanVaeConfig()) -> WanVae:
    """The autoencoder of a published state dict; CheckpointError names what does not fit."""
    encoder = any(name.startswith("encoder.") for name in tensors)
    if not any(name.startswith("decoder.") for name in tensors):
        raise CheckpointError(f"{where}: no decoder of the Wan VAE is in it")
    network = WanVae(config, operations, encoder, device="meta",
                     dtype=dtype or next(iter(tensors.values())).dtype)
    fill(network, tensors, device, dtype, where, "the Wan 2.1 VAE")
    return network
