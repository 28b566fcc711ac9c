"""Tiny twins of the large networks, with random weights: for tests and for trying the player."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def draw(shapes: Mapping[str, tuple[int, ...]], seed: int, share=None) -> dict[str, Tensor]:
    """Every tensor drawn anew from NumPy by its name, float32; nothing is left at a special value.

    Matrices keep the size of what passes through them; vectors are around 0, those that end in
    ``norm.weight`` or ``gamma`` around 1. share: name -> the name whose numbers it has too.
    """
    out: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        source = share(name) if share else name
        digest = hashlib.sha256(f"{seed} {source}".encode()).digest()
        values = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
        array = values.standard_normal(shape).astype(np.float32)
        if name.endswith(("norm.weight", "norm_q.weight", "norm_k.weight", "gamma")):
            array = 1 + 0.3 * array
        elif len(shape) > 1:
            array = array * np.float32(0.9 / np.sqrt(np.prod(shape[1:])))
        else:
            array = 0.2 * array
        # torch's own memory: where an array begins can change the last bit of a product
        out[name] = torch.from_numpy(np.asarray(array, np.float32)).clone()
    return out


def tiny_waypoint(seed: int = 0, config=None, layout=None):
    """A ``WaypointDynamics`` of random weights that plays in real time anywhere."""
    from .keys_waypoint import own_name, published_shapes
    from .waypoint import WaypointDynamics, load_waypoint
    from .waypoint_config import TINY_WAYPOINT

    config = config or TINY_WAYPOINT
    tensors = draw(published_shapes(config), seed, own_name)
    return WaypointDynamics(load_waypoint(tensors, config), layout)


def tiny_taehv(seed: int = 0, channels: int = 4, patch: int = 2, widths=(16, 16, 16, 16)):
    """A ``Taehv`` of random weights whose frames are neither black nor white."""
    from .taehv import Taehv, TaehvKind, load_taehv

    kind = TaehvKind(channels, patch)
    network = Taehv(kind, widths=widths, device="meta")
    tensors = draw({n: tuple(t.shape) for n, t in network.state_dict().items()}, seed)
    tensors["decoder.22.bias"] += 0.5
    return load_taehv(tensors, kind=kind, widths=widths)
