"""TAEHV, the tiny video autoencoder (madebyollin/taehv, code and weights MIT), streaming.

Written from the published layer names and shapes. Each memory block sees its own input of one
frame earlier; that is all a decoder remembers. Latents are taken as diffusion models make them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import CheckpointError
from ..tensor_file import shorten
from .latent_decoder import DecoderState, LatentDecoder, Tape

TRIM = 3
"""Raw frames at the beginning of a clip that belong to no picture."""
FRAMES = 4
"""Frames a latent."""
WIDTHS = {False: (256, 128, 64, 64), True: (512, 256, 128, 64)}
GROW = (1, 2, 2)
"""Frames that the decoder's three stages make of one."""
POOL = (2, 2, 1)


@dataclass(frozen=True)
class TaehvKind:
    """What shapes tell: latent channels, side of the pixel patches, the wider decoder or not."""

    channels: int
    patch: int
    wide: bool = False


KINDS = {
    "taew2_1": TaehvKind(16, 1),
    "taehv1_5": TaehvKind(32, 2),
    "taehv1_5_super": TaehvKind(32, 2, True),
    "taew2_2": TaehvKind(48, 2),
    "taew2_2_super": TaehvKind(48, 2, True),
}
"""Published files (taehv, for Hunyuan Video 1, has the shapes of taew2_1)."""


def conv3(inp: int, out: int, operations, stride: int = 1, bias: bool = True, **where):
    return operations.Conv2d(inp, out, 3, stride, 1, bias=bias, **where)


class Memory(nn.Module):
    """A residual block that sees the frame before."""

    def __init__(self, dim: int, operations, **where) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            conv3(2 * dim, dim, operations, **where), nn.ReLU(),
            conv3(dim, dim, operations, **where), nn.ReLU(),
            conv3(dim, dim, operations, **where),
        )

    def forward(self, x: Tensor, past: Tensor) -> Tensor:
        return F.relu(self.conv(torch.cat([x, past], 1)) + x)


class WideMemory(nn.Module):
    """The block of the ``_super`` decoders: 7 x 7 depthwise, then a bottleneck turned outward."""

    def __init__(self, dim: int, operations, **where) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            operations.Conv2d(2 * dim, 2 * dim, 7, padding=3, groups=2 * dim, bias=False, **where),
            operations.Conv2d(2 * dim, 4 * dim, 1, **where), nn.ReLU(),
            operations.Conv2d(4 * dim, dim, 1, bias=False, **where),
        )

    def forward(self, x: Tensor, past: Tensor) -> Tensor:
        return self.conv(torch.cat([x, past], 1)) + x


class Pool(nn.Module):
    """``stride`` frames into one."""

    def __init__(self, dim: int, stride: int, operations, **where) -> None:
        super().__init__()
        self.stride = stride
        self.conv = operations.Conv2d(dim * stride, dim, 1, bias=False, **where)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.reshape(-1, self.stride * x.shape[1], *x.shape[2:]))


class Grow(nn.Module):
    """One frame into ``stride``."""

    def __init__(self, dim: int, stride: int, operations, **where) -> None:
        super().__init__()
        self.stride = stride
        self.conv = operations.Conv2d(dim, dim * stride, 1, bias=False, **where)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).reshape(-1, x.shape[1], *x.shape[2:])


class Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class Taehv(nn.Module):
    """Encoder and decoder under their published names; ``encoder`` is None in a file without."""

    def __init__(self, kind: TaehvKind, operations: Any = nn, encoder: bool = True,
                 widths: tuple[int, int, int, int] | None = None, **where) -> None:
        super().__init__()
        self.kind = kind
        self.widths = widths or WIDTHS[kind.wide]
        self.encoder = (
            nn.Sequential(*encoder_layers(kind, self.widths[3], operations, **where))
            if encoder else None
        )
        self.decoder = nn.Sequential(*decoder_layers(kind, self.widths, operations, **where))

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Frames [B, F, 3, H, W] in 0..1 -> latents [B, F / 4 rounded up, C, h, w]; the last
        frame is repeated where F is no multiple of 4. H and W must be multiples of 8 x patch."""
        if self.encoder is None:
            raise CheckpointError("TAEHV: this file has a decoder only; the whole file is needed "
                                  "to begin from a picture")
        first = next(self.parameters())
        step = 8 * self.kind.patch
        if frames.ndim != 5 or frames.shape[2] != 3 or any(n % step for n in frames.shape[3:]):
            raise ValueError(f"TAEHV: frames {list(frames.shape)}; accepted are [batch, frames, 3, "
                             f"height, width], sides in multiples of {step}")
        x = frames.to(first.device, first.dtype)
        short = -x.shape[1] % FRAMES
        x = torch.cat([x, x[:, -1:].expand(-1, short, -1, -1, -1)], 1)
        batch = x.shape[0]
        x = x.flatten(0, 1)
        if self.kind.patch > 1:
            x = F.pixel_unshuffle(x, self.kind.patch)
        return run(self.encoder, x, batch, Tape(())).unflatten(0, (batch, -1))


def encoder_layers(kind: TaehvKind, dim: int, operations, **where) -> list[nn.Module]:
    layers = [conv3(3 * kind.patch**2, dim, operations, **where), nn.ReLU()]
    for stride in POOL:
        layers += [Pool(dim, stride, operations, **where),
                   conv3(dim, dim, operations, 2, bias=False, **where)]
        layers += [Memory(dim, operations, **where) for _ in range(3)]
    return [*layers, conv3(dim, kind.channels, operations, **where)]


def decoder_layers(kind: TaehvKind, widths, operations, **where) -> list[nn.Module]:
    out = 3 * kind.patch**2
    if kind.wide:
        layers = [operations.Conv2d(kind.channels, widths[0], 1, bias=False, **where)]
        for dim, following, stride in zip(widths, widths[1:], GROW, strict=False):
            layers += [WideMemory(dim, operations, **where) for _ in range(3)]
            layers += [conv3(dim, 4 * following, operations, **where), nn.ReLU(),
                       nn.PixelShuffle(2), Grow(following, stride, operations, **where)]
        return [*layers, conv3(widths[3], out, operations, **where)]
    layers = [Clamp(), conv3(kind.channels, widths[0], operations, **where), nn.ReLU()]
    for dim, following, stride in zip(widths, widths[1:], GROW, strict=False):
        layers += [Memory(dim, operations, **where) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), Grow(dim, stride, operations, **where),
                   conv3(dim, following, operations, bias=False, **where)]
    return [*layers, nn.ReLU(), conv3(widths[3], out, operations, **where)]


def run(layers: nn.Sequential, x: Tensor, batch: int, tape: Tape) -> Tensor:
    """Frames [B * T, ...] through all layers, every layer for all frames at once."""
    for layer in layers:
        if isinstance(layer, (Memory, WideMemory)):
            line = x.unflatten(0, (batch, -1))
            before = tape.take()
            before = torch.zeros_like(line[:, 0]) if before is None else before
            past = torch.cat([before[:, None], line[:, :-1]], 1)
            tape.put(line[:, -1])
            x = layer(x, past.flatten(0, 1))
        else:
            x = layer(x)
    return x


class TaehvDecoder(LatentDecoder):
    """TAEHV as the decoder of a rollout: 1 frame of the first latent, then 4 a latent."""

    network: Taehv

    @torch.no_grad()
    def frames(self, state: DecoderState | None, latents: Tensor) -> tuple[Tensor, DecoderState]:
        x = self.ready(latents)
        kind = self.network.kind
        if x.shape[2] != kind.channels:
            raise ValueError(f"TAEHV: latents of {x.shape[2]} channels, this file decodes "
                             f"{kind.channels}")
        tape = Tape(state.past if state else ())
        batch, ticks = x.shape[:2]
        y = run(self.network.decoder, x.flatten(0, 1), batch, tape)
        if kind.patch > 1:
            y = F.pixel_shuffle(y, kind.patch)
        y = y.clamp(0, 1).unflatten(0, (batch, -1))
        done = state.ticks if state else 0
        return y[:, TRIM:] if not done else y, DecoderState(done + ticks, tuple(tape.new))

    def state_bytes(self, height: int, width: int) -> int:
        size = next(self.network.parameters()).element_size()
        return sum(3 * dim * (height << i) * (width << i) * size
                   for i, dim in enumerate(self.network.widths[:3]))


def kind_of(shapes: Mapping[str, tuple[int, ...]], where: str = "file") -> TaehvKind:
    """What kind of TAEHV a file with these tensors is; CheckpointError if it is none."""
    wide = "decoder.0.weight" in shapes
    first = shapes.get("decoder.0.weight" if wide else "decoder.1.weight")
    last = shapes.get("decoder.22.bias")
    if first is None or last is None or len(first) != 4:
        raise CheckpointError(f"{where}: no TAEHV decoder (decoder.1.weight and decoder.22.bias "
                              "are missing)")
    kind = TaehvKind(first[1], round((last[0] / 3) ** 0.5), wide)
    if kind not in KINDS.values():
        raise CheckpointError(
            f"{where}: a TAEHV of {kind.channels} latent channels and patches of {kind.patch}; "
            f"accepted are {', '.join(KINDS)}"
        )
    return kind


def load_taehv(tensors: Mapping[str, Tensor], operations: Any = nn, device: Any = None,
               dtype: torch.dtype | None = None, where: str = "file",
               kind: TaehvKind | None = None, widths=None) -> Taehv:
    """The autoencoder of a published state dict; CheckpointError names what does not fit.

    Old files have wider growing layers than their stride asks for: the last rows are theirs.
    """
    kind = kind or kind_of({n: tuple(t.shape) for n, t in tensors.items()}, where)
    encoder = any(name.startswith("encoder.") for name in tensors)
    network = Taehv(kind, operations, encoder, widths, device="meta",
                    dtype=dtype or next(iter(tensors.values())).dtype)
    fitted = dict(tensors)
    wanted = network.state_dict()
    for index, layer in enumerate(network.decoder):
        name = f"decoder.{index}.conv.weight"
        if isinstance(layer, Grow) and name in fitted:
            fitted[name] = fitted[name][-wanted[name].shape[0] :]
    fill(network, fitted, device, dtype, where, "TAEHV")
    return network


def fill(network: nn.Module, tensors: Mapping[str, Tensor], device: Any, dtype: torch.dtype | None,
         where: str, what: str) -> None:
    """Make ``tensors`` the parameters of a network on the meta device, exactly."""
    wanted = network.state_dict()
    problems = []
    if missing := set(wanted) - set(tensors):
        problems.append(f"missing: {shorten(missing)}")
    if unexpected := set(tensors) - set(wanted):
        problems.append(f"unexpected: {shorten(unexpected)}")
    wrong = [f"{n} is {list(tensors[n].shape)}, {what} has {list(wanted[n].shape)}"
             for n in wanted if n in tensors and tensors[n].shape != wanted[n].shape]
    if wrong:
        problems.append(f"shapes: {shorten(wrong)}")
    if problems:
        raise CheckpointError(f"{where} does not fit {what}: {'; '.join(problems)}")
    placed = {n: t.to(device=device, dtype=dtype).contiguous() for n, t in tensors.items()}
    network.load_state_dict(placed, strict=True, assign=True)
    network.eval().requires_grad_(False)
