"""Networks and decoders come in separate files: which belong together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from ..errors import CheckpointError
from .recognise import DECODER, FOLDERS, Found, recognise


def decoder_for(network: Found, files: Iterable[Found]) -> Found:
    """The decoder of a network among files, TAEHV before the Wan VAE; CheckpointError where there
    is none, naming what is needed."""
    decoders = [f for f in files if f.role == DECODER]
    fitting = [f for f in decoders if f.channels == network.channels]
    if fitting:
        return min(fitting, key=lambda f: (f.kind != "taehv", f.index.nbytes))
    there = "; ".join(f"{f.name} is {f.title}, of {f.channels} channels" for f in decoders)
    raise CheckpointError(
        f"{network.name}: {network.title} is half a pair: its latents have {network.channels} "
        f"channels and need a decoder, {DECODERS[network.channels]} ({FOLDERS[DECODER]}); "
        f"found: {there or 'none'}"
    )


DECODERS = {
    16: "taew2_1.safetensors (for play) or the Wan 2.1 VAE (for final quality)",
    32: "taehv1_5.safetensors or vae/diffusion_pytorch_model.safetensors of Waypoint's own page",
}


def recognised(paths: Sequence[str | os.PathLike[str]]) -> tuple[list[Found], list[str]]:
    """What can be used among files, and a sentence for each that cannot."""
    found, refused = [], []
    for path in paths:
        try:
            found.append(recognise(path))
        except CheckpointError as problem:
            refused.append(str(problem))
    return found, refused
