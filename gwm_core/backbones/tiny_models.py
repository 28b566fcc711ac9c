"""Tiny twins with random weights that play in the same nodes and player as the large models.

They show nothing but moving colours. They are for tests, and for trying a host without a download.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .causal_wan import CausalWanConfig
from .causal_wan_variants import VARIANTS as WAN
from .causal_wan_variants import Variant as WanKind
from .encoders import encoder_of
from .families import family
from .keys_wan import causal_wan_shapes, matrix_game_shapes
from .keys_waypoint import own_name, published_shapes
from .licences import LICENCES
from .matrix_game import MatrixGameConfig
from .matrix_game_variants import VARIANTS as GAMES
from .matrix_game_variants import Variant as Game
from .model import BackboneModel
from .recognise import SIZES_KEY, VARIANT_KEY
from .taehv import Taehv, TaehvDecoder
from .tiny import draw, tiny_taehv
from .tiny_encoders import stand_ins
from .waypoint_config import TINY_WAYPOINT

SMALL = {"dim": 48, "heads": 2, "layers": 2, "ffn_dim": 96, "freq_dim": 32}
WIDTHS = (16, 16, 8, 8)
DEAD = ("img_attn_q_norm", "img_attn_k_norm", "key_attn_q_norm", "key_attn_k_norm")


def game_sizes(game: Game) -> MatrixGameConfig:
    """Sizes of a twin of 96x64 pixels."""
    actions = replace(game.config.actions, layers=1, heads=2, width=32, key_width=8)
    return replace(game.config, actions=actions, rows=4, columns=6, clip_tokens=9, clip_width=16,
                   image_latents=5, **SMALL)


def wan_sizes(kind: WanKind) -> CausalWanConfig:
    """Sizes of a twin of 96x64 pixels."""
    local = 2 * kind.config.block + 1
    return replace(kind.config, rows=4, columns=6, local=local, sink=1, text_tokens=16,
                   text_width=24, **SMALL)


def sizes_of(kind: str, variant: str) -> Any:
    """Sizes of the twin of a kind of backbone."""
    if kind == "matrix-game-2":
        return game_sizes(GAMES[variant])
    return wan_sizes(WAN[variant]) if kind == "causal-wan" else replace(TINY_WAYPOINT, channels=32)


def weights_of(kind: str, config: Any, seed: int) -> dict[str, Tensor]:
    """Random weights under the published names; norm weights that are never applied are 1."""
    if kind == "waypoint":
        return draw(published_shapes(config), seed, own_name)
    shapes = matrix_game_shapes if kind == "matrix-game-2" else causal_wan_shapes
    made = draw(shapes(config), seed)
    return {n: torch.ones_like(t) if any(d in n for d in DEAD) else t for n, t in made.items()}


def _codec(kind: str, seed: int) -> Taehv:
    return tiny_taehv(seed, *((32, 2) if kind == "waypoint" else (16, 1)), WIDTHS)


def twin(kind: str, variant: str, seed: int = 0) -> BackboneModel:
    """The twin of a kind of backbone, as a model that plays."""
    config = sizes_of(kind, variant)
    made, vae = family(kind, variant, config), _codec(kind, seed)
    dynamics = made.load(weights_of(kind, config, seed), nn, None, torch.float32, torch.float32)
    view = made.embodiment.views[0]
    beginning = made.beginning(stand_ins(kind, config, encoder_of(vae)))
    name = f"tiny-{kind}-{variant}".replace("_", "-").lower()
    mark = hashlib.sha256(f"{name} {seed} 1".encode()).hexdigest()
    return BackboneModel(
        name, f"a tiny twin of {made.title}", dynamics,
        TaehvDecoder(vae, size=(view.width, view.height)), beginning, made.embodiment, mark,
        LICENCES["twin"], made.restore,
    )


def write_twin(folder: str | os.PathLike[str], kind: str, variant: str, seed: int = 0
               ) -> tuple[Path, Path]:
    """The twin as two files, network and decoder, whose headers tell its sizes: they are found,
    loaded and played in the way of the large ones."""
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = sizes_of(kind, variant)
    network = folder / f"tiny-{kind}-{variant}.safetensors"
    decoder = folder / f"tae-{kind}.safetensors"
    told = {VARIANT_KEY: variant, SIZES_KEY: json.dumps(asdict(config))}
    save_file(weights_of(kind, config, seed), network, told)
    save_file(_codec(kind, seed).state_dict(), decoder, {SIZES_KEY: json.dumps(list(WIDTHS))})
    return network, decoder


def tiny_matrix_game(variant: str = "universal", seed: int = 0) -> BackboneModel:
    """A Matrix-Game 2.0; variant: "universal", "gta_drive" or "templerun"."""
    return twin("matrix-game-2", variant, seed)


def tiny_causal_wan(variant: str = "self_forcing", seed: int = 0) -> BackboneModel:
    """A causal Wan; the variants are those of ``causal_wan_variants``."""
    return twin("causal-wan", variant, seed)


def tiny_waypoint_model(seed: int = 0) -> BackboneModel:
    """A Waypoint with all its controls."""
    return twin("waypoint", "360P", seed)


TWINS: dict[str, Callable[[], BackboneModel]] = {
    "waypoint": tiny_waypoint_model,
    "matrix-game-2": tiny_matrix_game,
    "causal-wan": tiny_causal_wan,
}
"""One of each backbone."""
