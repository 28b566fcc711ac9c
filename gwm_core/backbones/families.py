"""The backbones that can be loaded: from what a file was found to be to its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..embodiment import Embodiment
from ..errors import CheckpointError
from ..model.spec import DynamicsSpec
from ..tensor_file import shorten
from . import causal_wan, matrix_game
from .beginnings import Beginning, PicturePrompt, PictureSeed, Words
from .causal_wan_variants import VARIANTS as WAN
from .encoders import Encoders
from .matrix_game_actions import ActionConfig
from .matrix_game_variants import VARIANTS as GAMES
from .wan_cache import WanCache
from .waypoint import WaypointDynamics, load_waypoint
from .waypoint_cache import WaypointCache
from .waypoint_config import SIZES, WaypointConfig
from .waypoint_controls import ControlLayout, waypoint_embodiment
from .waypoint_net import WaypointNet


@dataclass(frozen=True)
class Family:
    """One kind of backbone in one variant.

    config     of the network; title and licence (an entry of ``LICENCES``) of its weights
    spec       contract at so many bytes a number, before anything is loaded
    load       (tensors, operations, device, storage, computed) -> dynamics. storage: dtype of
               the weights, None takes ``computed``, in which it computes; 8-bit ones of a file
               stay
    beginning  of its worlds, with the encoders at hand
    restore    ``from_arrays`` of its history
    ffn_dim, tokens: widest layer, and tokens of a tick
    """

    title: str
    licence: str
    config: Any
    embodiment: Embodiment
    spec: Callable[[int], DynamicsSpec]
    load: Callable[[Mapping[str, Tensor], Any, Any, torch.dtype | None, torch.dtype], Any]
    beginning: Callable[[Encoders], Beginning]
    restore: Any
    ffn_dim: int
    tokens: int


def family(kind: str, variant: str, config: Any = None) -> Family:
    """The family of a found network; config: other sizes than the published ones."""
    return {"matrix-game-2": _matrix_game, "causal-wan": _causal_wan, "waypoint": _waypoint}[kind](
        variant, config
    )


KIND_OF = {
    **dict.fromkeys(GAMES, "matrix-game-2"), **dict.fromkeys(WAN, "causal-wan"),
    **dict.fromkeys(SIZES, "waypoint"),
}
"""Which backbone a variant is one of."""


def read_sizes(kind: str, data: dict[str, Any]) -> Any:
    """The configuration that a header's JSON tells; TypeError or ValueError where it does not
    fit."""
    made = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
    if kind == "matrix-game-2":
        actions = ActionConfig(**made.pop("actions"))
        return matrix_game.MatrixGameConfig(actions=actions, **made)
    return (causal_wan.CausalWanConfig if kind == "causal-wan" else WaypointConfig)(**made)


def windowed(kind: str, variant: str, config: Any, local: int | None) -> Any:
    """A configuration with another number of latent frames in sight, where the kind has a choice
    (causal Wan); None stays the published one."""
    if local is None or kind != "causal-wan":
        return config
    return causal_wan.in_window(config or WAN[variant].config, local)


FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)


def placed(name: str, tensor: Tensor, device: Any, storage: torch.dtype | None,
           computed: torch.dtype) -> Tensor:
    """A weight as it is kept. What a file has in 8 bits stays so; asked for, the matrices of the
    blocks become so, and nothing else (norms, modulations and embeddings are small and matter)."""
    if tensor.dtype in FP8:
        return tensor.to(device)
    if storage in FP8:
        matrix = name.startswith("blocks.") and name.endswith(".weight") and tensor.ndim > 1
        return tensor.to(device, storage if matrix else computed)
    return tensor.to(device, storage or computed)


def _filled(network: Callable[[], nn.Module], title: str, tensors: Mapping[str, Tensor],
            device: Any, storage: torch.dtype | None, computed: torch.dtype) -> Any:
    with torch.device("meta"):
        made = network()
    wanted, given = set(made.state_dict()), set(tensors)
    problems = []
    if wanted - given:
        problems.append(f"missing: {shorten(wanted - given)}")
    if given - wanted:
        problems.append(f"unexpected: {shorten(given - wanted)}")
    if not problems:
        kept = {n: placed(n, tensors[n], device, storage, computed) for n in tensors}
        try:
            made.load_state_dict(kept, strict=True, assign=True)
        except RuntimeError as problem:
            problems.append(f"shapes: {str(problem).splitlines()[1].strip()}")
    if problems:
        raise CheckpointError(f"the file does not fit {title}: {'; '.join(problems)}")
    return made.eval().requires_grad_(False)


def _matrix_game(variant: str, config: matrix_game.MatrixGameConfig | None) -> Family:
    game = GAMES[variant]
    config = config or game.config

    def load(tensors, operations, device, storage, computed):
        network = _filled(lambda: matrix_game.MatrixGameNet(config, operations, computed),
                          game.title, tensors, device, storage, computed)
        return matrix_game.MatrixGameDynamics(network, game.layout)

    return Family(
        game.title, "matrix-game-2", config, game.embodiment(config),
        lambda size: matrix_game.spec_of(config, game.layout.columns, size), load, PicturePrompt,
        WanCache.from_arrays, config.ffn_dim, config.wan.tokens,
    )


def _causal_wan(variant: str, config: causal_wan.CausalWanConfig | None) -> Family:
    kind = WAN[variant]
    config = config or kind.config

    def load(tensors, operations, device, storage, computed):
        network = _filled(lambda: causal_wan.CausalWanNet(config, operations, computed),
                          kind.title, tensors, device, storage, computed)
        return causal_wan.CausalWanDynamics(network)

    def beginning(encoders: Encoders) -> Beginning:
        return Words(encoders, "possible" if config.block == 1 else "none")

    return Family(
        kind.title, kind.licence, config, kind.embodiment(config),
        lambda size: causal_wan.spec_of(config, size), load, beginning, WanCache.from_arrays,
        config.ffn_dim, config.wan.tokens,
    )


def _waypoint(variant: str, config: WaypointConfig | None) -> Family:
    config = config or SIZES[variant]
    layout = ControlLayout()

    def load(tensors, operations, device, storage, computed):
        eight = tensors["transformer.blocks.0.dit_mlp.fc1.weight"].dtype in FP8
        kept = storage or (None if eight else computed)
        network = load_waypoint(tensors, config, operations, device, kept, compute=computed)
        return WaypointDynamics(network, layout)

    with torch.device("meta"):
        spec = WaypointDynamics(WaypointNet(config, nn, dtype=torch.bfloat16), layout).spec

    def contract(size: int) -> DynamicsSpec:
        return replace(spec, state_bytes=spec.state_bytes * size // 2)

    small = variant == "360P"
    return Family(
        f"Waypoint-1.5 {variant}", "waypoint-1.5-360p" if small else "waypoint-1.5", config,
        waypoint_embodiment(config), contract, load, PictureSeed, WaypointCache.from_arrays,
        config.mlp_ratio * config.dim, config.tokens,
    )
