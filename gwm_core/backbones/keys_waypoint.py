"""Published tensor names of Waypoint-1.5, and how they become the network's own.

The published file stores the modulation matrices once a layer though all layers share them. They
are compared and kept once, and each block's input bias likewise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..tensor_file import shorten
from .waypoint_config import WaypointConfig

HEADS = ("attn_cond_head", "mlp_cond_head")
BLOCK = "transformer.blocks."


def published_shapes(config: WaypointConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor of a published file of this configuration, with its shape."""
    d, kv = config.dim, config.kv_heads * config.head_dim
    wide = config.mlp_ratio * d
    kernel = (d, config.channels, config.patch, config.patch)
    shapes: dict[str, tuple[int, ...]] = {
        "patchify.weight": kernel,
        "unpatchify.weight": kernel,
        "unpatchify.bias": (config.channels,),
        "out_norm.fc.weight": (2 * d, d),
        "denoise_step_emb.mlp.fc1.weight": (wide, config.noise_dim),
        "denoise_step_emb.mlp.fc2.weight": (d, wide),
        "ctrl_emb.mlp.fc1.weight": (wide, config.controls),
        "ctrl_emb.mlp.fc2.weight": (d, wide),
        "ctrl_cfg.null_emb": (1, 1, d),
    }
    for layer in range(config.layers):
        block = {
            "attn.q_proj.weight": (d, d),
            "attn.k_proj.weight": (kv, d),
            "attn.v_proj.weight": (kv, d),
            "attn.out_proj.weight": (d, d),
            "attn.v_lamb": (),
            "dit_mlp.fc1.weight": (wide, d),
            "dit_mlp.fc2.weight": (d, wide),
        }
        for head in HEADS:
            block[f"{head}.bias_in"] = (d,)
            block |= {f"{head}.cond_proj.{i}.weight": (d, d) for i in range(3)}
        if config.takes_controls(layer):
            block |= {f"ctrl_mlpfusion.{n}.weight": (d, d) for n in ("fc1_x", "fc1_c", "fc2")}
        shapes |= {f"{BLOCK}{layer}.{name}": shape for name, shape in block.items()}
    return shapes


def own_name(name: str) -> str:
    """The network's own name of a published tensor: shared ones lose their layer."""
    if ".cond_proj." in name:
        head, index = name.split(".cond_proj.")
        return f"transformer.{head.rsplit('.', 1)[1]}.cond_proj.{index}"
    return name.replace(".attn_cond_head.bias_in", ".bias_in").replace(
        ".mlp_cond_head.bias_in", ".bias_in")


def check_names(names: Iterable[str], config: WaypointConfig, where: str) -> None:
    """Raise CheckpointError that names missing and unexpected tensors."""
    names, wanted = set(names), set(published_shapes(config))
    problems = []
    if missing := wanted - names:
        problems.append(f"missing: {shorten(missing)}")
    if unexpected := names - wanted:
        problems.append(f"unexpected: {shorten(unexpected)}")
    if problems:
        raise CheckpointError(f"{where} does not fit Waypoint-1.5: {'; '.join(problems)}")


def adopt(tensors: Mapping[str, Tensor], config: WaypointConfig,
          where: str = "checkpoint") -> Iterator[tuple[str, Tensor]]:
    """Published tensors as (own name, tensor), each shared one once.

    tensors: a mapping that may read from disk at each look-up; one tensor at a time is held
    beside the shared ones. CheckpointError where copies that must be equal differ.
    """
    check_names(tensors, config, where)
    kept: dict[str, Tensor] = {}
    for name, shape in published_shapes(config).items():
        own, tensor = own_name(name), tensors[name]
        if tuple(tensor.shape) != shape:
            raise CheckpointError(f"{where} does not fit Waypoint-1.5: {name} is "
                                  f"{list(tensor.shape)}, Waypoint-1.5 has {list(shape)}")
        if own == name:
            yield own, tensor
        elif own not in kept:
            kept[own] = tensor
            yield own, tensor
        elif tensor.device.type != "meta" and not torch.equal(tensor, kept[own]):
            raise CheckpointError(
                f"{where}: {name} differs from the copy that all layers share; this is no "
                "published Waypoint-1.5 file"
            )


def published(state: Mapping[str, Tensor], config: WaypointConfig) -> dict[str, Tensor]:
    """The reverse of ``adopt``: a state dict under the published names (copies are shared)."""
    return {name: state[own_name(name)] for name in published_shapes(config)}
