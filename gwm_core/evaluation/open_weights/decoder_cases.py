"""Fixed clips through the decoders, with weights and latents drawn from NumPy.

The committed numbers were made by madebyollin/taehv (1f14a56) and Wan-Video/Wan2.1 (9737cba).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...backbones.latent_decoder import DecoderState, LatentDecoder
from ...backbones.taehv import KINDS, Grow, Taehv, TaehvDecoder, load_taehv
from ...backbones.tiny import draw
from ...backbones.wan_vae import WanVae, WanVaeConfig, WanVaeDecoder, load_wan_vae

TAEHV_KINDS = ("taew2_1", "taehv1_5_super")
WAN_VAE = WanVaeConfig(dim=8, channels=4, mean=(-0.7, 0.1, 1.5, 0.3), std=(2.8, 1.4, 0.9, 1.2))
TICKS, SIZE, SEED = 4, (2, 3), 21
KEEP = 11
"""Of the decoded numbers every eleventh is compared."""


def shapes_of(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def taehv_weights(name: str) -> dict[str, Tensor]:
    """A published state dict of that kind, drawn anew; the first growing layer is as wide as in
    old files."""
    network = Taehv(KINDS[name], device="meta")
    shapes = shapes_of(network)
    grows = [i for i, layer in enumerate(network.decoder) if isinstance(layer, Grow)]
    key = f"decoder.{grows[0]}.conv.weight"
    rows, *rest = shapes[key]
    tensors = draw(shapes | {key: (2 * rows, *rest)}, SEED)
    tensors["decoder.22.bias"] += 0.5  # most frames then lie between black and white
    return tensors


def wan_vae_weights() -> dict[str, Tensor]:
    return draw(shapes_of(WanVae(WAN_VAE, device="meta")), SEED)


def latents(channels: int) -> Tensor:
    """[1, TICKS, channels, 2, 3]."""
    values = np.random.default_rng(SEED).standard_normal((1, TICKS, channels, *SIZE))
    return torch.from_numpy(values.astype(np.float32))


def pictures(frames: int, side: int) -> Tensor:
    """[1, frames, 3, 2 x side, 3 x side] in 0..1."""
    shape = (1, frames, 3, SIZE[0] * side, SIZE[1] * side)
    return torch.from_numpy(np.random.default_rng(SEED).random(shape).astype(np.float32))


def taehv(name: str) -> dict[str, np.ndarray]:
    """Frames of the fixed latents and latents of fixed pictures, thinned."""
    network = load_taehv(taehv_weights(name))
    frames, _ = TaehvDecoder(network).frames(None, latents(network.kind.channels))
    coded = network.encode(pictures(7, 8 * network.kind.patch))
    return {"frames": frames.flatten()[::KEEP].numpy(), "latents": coded.flatten().numpy()}


def wan_vae() -> dict[str, np.ndarray]:
    network = load_wan_vae(wan_vae_weights(), config=WAN_VAE)
    frames, _ = WanVaeDecoder(network).frames(None, latents(WAN_VAE.channels))
    coded = network.encode(pictures(9, 8))
    return {"frames": frames.flatten()[::KEEP].numpy(), "latents": coded.flatten().numpy()}


def decoders() -> dict[str, LatentDecoder]:
    """One decoder of each kind with random weights."""
    made = {name: TaehvDecoder(load_taehv(taehv_weights(name))) for name in TAEHV_KINDS}
    vae = WanVaeDecoder(load_wan_vae(wan_vae_weights(), config=WAN_VAE))
    return {**made, "wan_vae": vae}


def channels_of(decoder: LatentDecoder) -> int:
    network = decoder.network
    return network.kind.channels if isinstance(network, Taehv) else network.config.channels


def streamed(decoder: LatentDecoder, clip: Tensor, chunks: tuple[int, ...]
             ) -> tuple[Tensor, DecoderState]:
    """The frames of a clip that is decoded in chunks of so many latents."""
    state, out, start = None, [], 0
    for count in chunks:
        frames, state = decoder.frames(state, clip[:, start : start + count])
        out.append(frames)
        start += count
    return torch.cat(out, 1), state
