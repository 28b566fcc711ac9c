"""Figures of the streaming decoders: keys, the published code's frames, chunks against a clip."""

from __future__ import annotations

import math

from ...backbones.taehv import KINDS, Taehv, TaehvDecoder
from ...backbones.wan_vae import WanVae, WanVaeDecoder
from ..report import Metric
from . import decoder_cases as cases
from .numbers import apart, committed

PUBLISHED = {
    "taew2_1": (128, 11_315_539), "taehv1_5": (128, 11_372_012),
    "taehv1_5_super": (112, 20_470_572), "taew2_2": (128, 11_418_108),
    "taew2_2_super": (112, 20_487_996), "Wan 2.1 VAE": (194, 126_892_531),
}
TOLERANCE = 0.0001


def keys_ok() -> dict[str, bool]:
    """By file, whether the network has as many tensors and numbers as the published one."""
    networks = {name: Taehv(kind, device="meta") for name, kind in KINDS.items()}
    networks["Wan 2.1 VAE"] = WanVae(device="meta")
    shapes = {name: cases.shapes_of(network) for name, network in networks.items()}
    return {name: (len(s), sum(map(math.prod, s.values()))) == PUBLISHED[name]
            for name, s in shapes.items()}


def parity() -> dict[str, float]:
    """By decoder, the largest difference from the published code, encoding included."""
    wanted = committed("taehv")
    found = {name: max(apart(made, wanted[f"{name}.{part}"])
                       for part, made in cases.taehv(name).items())
             for name in cases.TAEHV_KINDS}
    wanted = committed("wan_vae")
    found["Wan 2.1 VAE"] = max(apart(made, wanted[part]) for part, made in cases.wan_vae().items())
    return found


def chunked() -> dict[str, float]:
    """By decoder, the largest difference between a clip decoded latent by latent and at once."""
    found = {}
    for name, decoder in cases.decoders().items():
        clip = cases.latents(cases.channels_of(decoder))
        parts, state = cases.streamed(decoder, clip, (1,) * cases.TICKS)
        whole = type(decoder)(decoder.network)
        if isinstance(whole, WanVaeDecoder):
            whole.at_once = cases.TICKS
        frames, end = whole.frames(None, clip)
        apart_by = [apart(parts.numpy(), frames.numpy())]
        apart_by += [apart(a.numpy(), b.numpy()) for a, b in zip(state.past, end.past, strict=True)]
        found[name] = max(apart_by)
    return found


def bytes_off() -> dict[str, float]:
    """By decoder, how far a state's bytes are from what is told before loading, as a share."""
    found = {}
    for name, decoder in cases.decoders().items():
        _, state = decoder.frames(None, cases.latents(cases.channels_of(decoder)))
        found[name] = abs(state.nbytes / decoder.state_bytes(*cases.SIZE) - 1)
    return found


def metrics() -> list[Metric]:
    found, parts = parity(), chunked()
    small = TaehvDecoder(Taehv(KINDS["taew2_1"], device="meta"))
    large = WanVaeDecoder(WanVae(device="meta"))
    megabytes = {"Wan 2.1 VAE": large.state_bytes(44, 80) / 2e6}
    return [
        Metric("open.decode_parity", max(found.values()), "", n=len(found),
               must=f"<= {TOLERANCE}", note="; ".join(found)),
        Metric("open.decode_max_abs", max(parts.values()), "", n=len(parts),
               must=f"<= {TOLERANCE}", note="latent by latent against the whole clip"),
        Metric("open.decoder_state_mb", small.state_bytes(44, 80) / 2e6, "MB", megabytes, n=2,
               note="TAEHV at 352 x 640 in 16 bits"),
    ]
